"""Opens the MLflow run of a training outside a sweep; it goes with the training's folder."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from twinverify.config import dump_config, flatten
from twinverify.durable import write_text
from twinverify.faces.splits import Split
from twinverify.gpus import gpu_type
from twinverify.settings import Config
from twinverify.tracking.dataset import SideFacts
from twinverify.tracking.health import keep_reachable
from twinverify.tracking.tags import run_tags
from twinverify.training.names import ID_FILE

if TYPE_CHECKING:
    from twinverify.tracking.single import SingleRun


def open_run(
    uri: str,
    experiment: str,
    folder: Path,
    config: Config,
    split: Split,
    sides: Sequence[SideFacts],
    files: Callable[[], Iterable[Path]],
    told: Callable[[str | None], None],
) -> "SingleRun":
    """Begin to deliver a training to the store, whether it is there or not; one that goes on finds its run again.

    Args:
        uri: tracking address, as `resolve_tracking` gives it.
        experiment: the experiment's name.
        folder: the training's.
        config: the whole configuration.
        split: its data.
        sides: what is told of the data.
        files: gives what is attached once the training has ended.
        told: as `Courier` tells of an outage.
    """
    # MLflow takes seconds to import.
    from twinverify.tracking.connect import connect
    from twinverify.tracking.courier import Courier
    from twinverify.tracking.delivery import Content
    from twinverify.tracking.single import SingleRun, TrainingRun

    keep_reachable(uri)
    content = Content(lambda: dump_config(config), lambda: sides, files)
    key, size = _id(folder), len(split.train.image_paths)
    tags = run_tags(space="", dataset=split.train.name, dataset_size=size, gpu_type=gpu_type())

    def find_run() -> TrainingRun:
        client, experiment_id = connect(uri, experiment)
        return TrainingRun(client, experiment_id, key=key, name=folder.name, tags=tags, content=content)

    values = {key: value for key, value in flatten(config).items() if value is not None}
    return SingleRun(Courier(find_run, told=told), values)


def _id(folder: Path) -> str:
    """Give what tells this training from every other; it goes with its folder, as its checkpoints do."""
    path = folder / ID_FILE
    known = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    if not known:
        known = uuid4().hex
        write_text(path, known + "\n")
    return known
