"""What must stand in the environment before Ray, MLflow, Optuna or a model hub is imported.

Libraries read these variables at import time, and every process of a sweep (driver, Ray's servers, actors, the MLflow
UI) inherits them, so every command calls `prepare` first.
"""

import os
from typing import Final

#: Set by the user where a model is served: `allow` or `refuse` that its clients name files of the server.
PATHS: Final = "TWINVERIFY_PATHS"

#: Each with its reason. A user's own value wins where it makes nothing less private.
_ALWAYS: Final = {
    # MLflow refuses its file store since 3.13 without this, in every process that opens it.
    "MLFLOW_ALLOW_FILE_STORE": "true",
    # Nothing about the user's work leaves the machine: MLflow's, Ray's and the hub's reports are off.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Read before `import ray`: all of Ray's sockets on loopback, and no search for this machine's outside address.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Read there too: Ray's servers refuse whoever has not the sweep's token, other users of this machine as well.
    "RAY_AUTH_MODE": "token",
}
_UNLESS_SET: Final = {
    # Tune's own result.json / progress.csv / TensorBoard loggers: the journal and MLflow hold all of it.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ray's own snapshot of a sweep is never needed: resume stands on the journal.
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_THRESHOLD_S": "60",
    # A stopped sweep is told apart from a crashed one by our own handler, which is quicker than Tune's.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Which metric is reported is checked by the training itself, at its first epoch.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Tune's own tables; the live table is ours.
    "RAY_AIR_NEW_OUTPUT": "0",
    # A trial without a GPU share sees no GPU, so that none is used uncounted.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # A memory fraction of the whole machine says nothing about our trials; the kernel's own limit stands.
    "RAY_memory_monitor_refresh_ms": "0",
    # A new SQLite store is announced line by line otherwise, and the end of each run on a server.
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # A bar on the screen for each artifact that a server gives.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # The courier tries again by itself, after a look at what is there; MLflow's client would send a request that the
    # server has done already once more, and be lost in it for minutes. A search of 10,000 runs takes 25 s.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    # MLflow puts the files of any uv project that it finds in the current folder into a model.
    "MLFLOW_UV_AUTO_DETECT": "false",
    # Needed for bit-identical cuBLAS results; read when CUDA starts.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def prepare() -> None:
    """Set the environment of this process and all that it starts; call before importing the libraries named above."""
    os.environ.update(_ALWAYS)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
