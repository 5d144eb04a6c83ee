"""What lies in a training's folder for its run in MLflow and for TensorBoard."""

from typing import Final

from twinverify.training.names import LOG, ROLLOUT

#: Every installed package of the process that trains.
VERSIONS_FILE: Final = "versions.txt"
#: By what the code differs from its commit; not there where it does not.
DIFF_FILE: Final = "git.diff"
#: Digest and counts of the two sides of the data.
DATA_FILE: Final = "dataset.json"
#: The ROC of the best epoch.
ROC_FILE: Final = "roc.png"
#: The model's graph, and TensorBoard's events: with `tensorboard=true`.
GRAPH_FILE: Final = "graph.pb"
EVENTS_FILE: Final = "events.out.tfevents.twinverify"
#: When the epochs of a training outside a sweep were reported; a trial's are in the journal.
MOMENTS_FILE: Final = "moments.jsonl"

RUN_FILES: Final = (LOG, ROLLOUT, VERSIONS_FILE, DIFF_FILE, DATA_FILE, ROC_FILE, GRAPH_FILE, EVENTS_FILE)
