"""Changes to a whole sweep, for an audit to find."""

import json
import shutil
from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient
from whole_sweep import WholeSweep

from twinverify.training.files import read_tensors, write_tensors

Change = Callable[[WholeSweep], Any]


def journal(change: Callable[[list[dict[str, Any]]], Any]) -> Change:
    """Change the events of the journal."""

    def apply(sweep: WholeSweep) -> None:
        path = sweep.folder / "journal.jsonl"
        events = [json.loads(line) for line in path.read_text().splitlines()]
        change(events)
        path.write_text("".join(json.dumps(event) + "\n" for event in events))

    return apply


def event(events: list[dict[str, Any]], kind: str, trial: int, epoch: int | None = None) -> dict[str, Any]:
    """Find an event."""
    (found,) = [e for e in events if e["event"] == kind and e["trial"] == trial and e.get("epoch") == epoch]
    return found


def put(events: list[dict[str, Any]], kind: str, trial: int, epoch: int | None = None, **facts: Any) -> None:
    event(events, kind, trial, epoch).update(facts)


def twice(events: list[dict[str, Any]], *which: Any) -> None:
    events.insert(events.index(event(events, *which)) + 1, event(events, *which))


def text(name: str, change: Callable[[str], str]) -> Change:
    """Change a text file of the sweep's folder."""

    def apply(sweep: WholeSweep) -> None:
        path = sweep.folder / name
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before

    return apply


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def without_last_line(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


def run_file(number: int | None, name: str, change: Callable[[str], str]) -> Change:
    """Change a file of a trial's run in the store; None: the parent's run."""

    def apply(sweep: WholeSweep) -> None:
        path = sweep.run(number) / name
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before

    return apply


def move(old: str, new: str) -> Change:
    return lambda sweep: (sweep.folder / old).rename(sweep.folder / new)


def remove(name: str) -> Change:
    return lambda sweep: (sweep.folder / name).unlink()


def copy(old: str, new: str) -> Change:
    return lambda sweep: shutil.copy(sweep.folder / old, sweep.folder / new)


def of_epoch(name: str, epoch: int) -> Change:
    """Make a checkpoint one of another epoch, its checksum right."""

    def apply(sweep: WholeSweep) -> None:
        tensors, values = read_tensors(sweep.folder / name)
        if "epoch" in values:
            values["epoch"] = epoch
        else:
            values["reports"] = values["reports"][:epoch]
        write_tensors(sweep.folder / name, tensors, values)

    return apply


def flipped(name: str) -> Change:
    """Flip a bit of the weights, which stand at a checkpoint's end."""

    def apply(sweep: WholeSweep) -> None:
        path = sweep.folder / name
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)

    return apply


def another_run(number: int) -> Change:
    """Make a second run of a trial."""

    def apply(sweep: WholeSweep) -> None:
        tags = {path.name: path.read_text() for path in (sweep.run(number) / "tags").iterdir()}
        MlflowClient(str(sweep.plan.options.tracking)).create_run(sweep.store.name, tags=tags)

    return apply


def deleted_run(number: int | None) -> Change:
    def apply(sweep: WholeSweep) -> None:
        MlflowClient(str(sweep.plan.options.tracking)).delete_run(sweep.run(number).name)

    return apply


def run_cut_off_before_its_tags(sweep: WholeSweep) -> None:
    """Leave what a kill does in the making of a run."""
    meta = sweep.run(3) / "meta.yaml"
    left = sweep.store / ("f" * 32)
    for part in ("metrics", "params", "artifacts", "tags"):
        (left / part).mkdir(parents=True)
    (left / "meta.yaml").write_text(meta.read_text().replace(meta.parent.name, left.name))


def folder_of_nobody(sweep: WholeSweep) -> None:
    (sweep.folder / "00008").mkdir()
