"""Whether anybody still writes to a run."""

import math
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import psutil
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

#: Seconds by which clocks may differ; what is later than that from now was never a time.
_CLOCKS: Final = 60.0
#: A second's rounding: a process that began after a run's last sign did not give it.
_ROUNDING: Final = 1.0


def last_signs(runs: Sequence[Run], folder: Path | None) -> dict[str, float]:
    """Give when each run last told something, in seconds since the epoch; a parent tells what its children tell.

    Args:
        runs: all of an experiment.
        folder: the experiment's in a file store, whose files tell when they were written.
    """
    signs = {run.info.run_id: _own_sign(run, folder and folder / run.info.run_id) for run in runs}
    parents = {run.info.run_id: run.data.tags.get(MLFLOW_PARENT_RUN_ID) for run in runs}
    for run_id in parents:
        sign, above, seen = signs[run_id], parents[run_id], {run_id}
        while above in signs and above not in seen:
            signs[above] = max(signs[above], sign)
            seen.add(above)
            above = parents[above]
    return signs


def is_alive(run: Run, sign: float, stale: float) -> bool:
    """Tell whether a run may still be written to.

    Args:
        run: one of the store.
        sign: when it last told something.
        stale: seconds of silence after which its process is looked for; none is known, or it is gone: nobody writes.
    """
    if run.info.status != "RUNNING":
        return False
    return time.time() - sign < stale or _process_lives(run, sign)


def newest_change(folder: Path) -> float:
    """Give when a file in a folder was last written; without files, when the folder was made."""
    changes = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file():
                changes.append(path.stat().st_mtime)
    return max(changes) if changes else folder.stat().st_mtime if folder.exists() else 0.0


def _own_sign(run: Run, folder: Path | None) -> float:
    metrics = run.data.to_proto().metrics
    told = [(run.info.start_time or 0) / 1000, *(metric.timestamp / 1000 for metric in metrics)]
    if folder is not None:
        told += [newest_change(folder / part) for part in ("metrics", "params", "tags")]
    now = time.time()
    return float(max([0.0, *(at for at in told if at < now + _CLOCKS)]))


def _process_lives(run: Run, sign: float) -> bool:
    """Tell whether the process that a run names is on this machine, and no other one of the same number."""
    told: dict[str, Any] = {**run.data.metrics, **run.data.params, **run.data.tags}
    host = told.get("hostname") or told.get("host")
    if host and host != socket.gethostname():
        return False
    try:
        number = float(told.get("pid", math.nan))
        process = psutil.Process(int(number))
        is_there = process.status() != psutil.STATUS_ZOMBIE
        return bool(is_there and process.create_time() <= sign + _ROUNDING)
    except (ValueError, OverflowError, psutil.Error):
        return False
