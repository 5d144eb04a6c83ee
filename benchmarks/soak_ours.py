"""Our side of `soak.py`: `python -m twinverify.tune`, and what it left on the disk, read without twinverify."""

import atexit
import json
import os
import random
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

from file_store import StoredRun, read_store
from journal_facts import SPEED, Entry, read_journal, trials_of
from safetensors import SafetensorError, safe_open
from tally import Remains

ROOT = Path(__file__).parent.parent
SPACE = "glca_heads"
#: An epoch of some 0.2 s on one core.
SMALL = {
    "synthetic.families": 16,
    "synthetic.images": 4,
    "batch.people": 8,
    "model.width": 48,
    "model.depth": 2,
    "model.pwca.blocks": 2,
    "model.image_size": 32,
}
_HIDDEN = ("MLFLOW", "RAY", "TUNE", "DO_NOT_TRACK", "COLUMNS")


class Ours:
    """A sweep in a folder of its own."""

    name = "twinverify.tune"

    def __init__(self, folder: Path, *, trials: int, epochs: int, slots: int, seed: int) -> None:
        """Begin with an empty folder."""
        self.folder, self.trials, self._rng = folder, trials, random.Random(seed)
        self.sweep, self.store = folder / "runs" / SPACE, folder / "mlflow"
        settings = {"epochs": epochs, "seed": seed, "concurrency": slots, "config": "tiny", "cpus_per_trial": 1}
        self._words = [f"{key}={value}" for key, value in (settings | SMALL).items()]
        self._words += ["output=runs", f"tracking=file:{self.store}"]
        self._computed: dict[tuple[int, int], set[float]] = {}
        self._looked_at: dict[Path, int] = {}
        folder.mkdir(parents=True)
        self.temporary = short_folder()
        self._seen_temporary = False

    def words(self) -> Sequence[str]:
        """Continue by name where there is a sweep, or with the same command: both have to do."""
        tune = [sys.executable, "-m", "twinverify.tune"]
        if self.journal() and self._rng.random() < 0.5:
            return [*tune, f"resume={SPACE}", "output=runs", f"trials={self.trials}"]
        return [*tune, f"space={SPACE}", f"trials={self.trials}", *self._words]

    def environment(self) -> Mapping[str, str]:
        """Give a user's environment, with temporary files where they can be counted."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
        return kept | {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}

    def extend(self) -> bool:
        """Ask for more trials."""
        self.trials += self.trials // 2 + 1
        return True

    def reports(self) -> int:
        """Count the reports in the journal."""
        return sum(entry["event"] == "reported" for entry in self.journal())

    def look(self) -> None:
        """Note which epochs journal and checkpoints hold, by the speed that each was computed at.

        A checkpoint holds the reports of all epochs before it, so an epoch that was computed to its end before a kill
        and once more after it shows two speeds.
        """
        self._seen_temporary |= any(self.temporary.glob("twinverify-*"))
        for entry in self.journal():
            if entry["event"] == "reported":
                self._note(entry["trial"], entry["epoch"], entry["metrics"])
        for path in self.sweep.glob("[0-9]*/[lp]*.safetensors"):  # last and previous
            for report in self._news(path):
                self._note(int(path.parent.name), report["epoch"], report["metrics"])

    def journal(self) -> list[Entry]:
        """Read the journal."""
        return read_journal(self.sweep / "journal.jsonl")

    def files(self, exact: bool) -> set[str]:
        """Give the sweeps' files and folders and what is in the temporary folder; not exact: without the numbers."""
        found = {str(path.relative_to(self.folder)) for path in (self.folder / "runs").rglob("*")}
        # The cache knows a data set by a digest of its folder.
        found = {re.sub("digests-[0-9a-f]+", "digests-#", name) for name in found}
        found |= {f"temporary/{_kind(path.name)}" for path in self.temporary.iterdir()}
        return found if exact else set(map(_kind, found))

    def temporary_elsewhere(self) -> bool:
        """Say whether no kill has ever found the sweep's temporary files where they can be counted."""
        return not self._seen_temporary

    def remains(self, clean: set[str], exact: bool) -> Remains:
        """Give what there is now; `clean` = the files of a sweep that nobody killed."""
        self.look()
        runs, broken = read_store(self.store)
        found = Remains(self.trials, computed=self._computed)
        differs: list[str] = []
        trials = trials_of(self.journal(), differs)
        for number, trial in trials.items():
            found.reached[number] = len(trial["reports"])
            if trial["state"] != "running":
                found.ended.add(number)
        children = [run for run in runs if "trial" in run.tags]
        for run in children:
            found.runs.setdefault(int(run.tags["trial"]), []).append(run)
        found.sessions = len(list(self.temporary.rglob("session_2*")))
        parents = [run for run in runs if "trial" not in run.tags]
        folders = [path.name for path in self.sweep.iterdir() if path.is_dir()]
        owned = {"best", *map("{:05d}".format, trials)}
        for number, trial in trials.items():
            differs += self._differences(number, trial, found.runs.get(number, []))
        found.more = {
            "differs from the journal": differs,
            "trials without a run": [] if parents else ["the sweep itself"],
            "runs beyond one a trial": [f"parent {run.id}" for run in parents[1:]]
            + [f"trial {number} is in no journal" for number in found.runs if number not in trials],
            "runs left open": [f"parent {run.id}" for run in parents if run.status == "RUNNING"] + broken,
            "folders of no trial": [name for name in folders if name not in owned],
            "temporary files": sorted(self.files(exact) - clean),
        }
        return found

    def _differences(self, number: int, trial: dict[str, Any], runs: list[StoredRun]) -> list[str]:
        """Compare a trial's MLflow run and metrics file with the journal."""
        differ = []
        path = self.sweep / f"{number:05d}" / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        if [json.loads(line) for line in lines] != [{"epoch": n, **m} for n, m in enumerate(trial["reports"], 1)]:
            differ.append(f"trial {number}: metrics.jsonl")
        wanted: dict[str, list[tuple[int, float]]] = {}
        for epoch, metrics in enumerate(trial["reports"], 1):
            for key, value in metrics.items():
                wanted.setdefault(key, []).append((epoch, value))
        status = {"running": "RUNNING", "failed": "FAILED"}.get(trial["state"], "FINISHED")
        for run in runs[:1]:
            keys = [key for key in wanted.keys() | run.metrics.keys() if wanted.get(key) != run.metrics.get(key)]
            differ += [f"trial {number}: {key} in MLflow" for key in sorted(keys)]
            if (run.status, run.tags.get("trial_state")) != (status, trial["state"]):
                differ.append(f"trial {number}: {run.status}, {run.tags.get('trial_state')} in MLflow")
            if run.params != {key: str(value) for key, value in trial["values"].items()}:
                differ.append(f"trial {number}: values in MLflow")
        return differ

    def _note(self, trial: int, epoch: int, metrics: Mapping[str, float]) -> None:
        self._computed.setdefault((trial, epoch), set()).add(metrics[SPEED])

    def _news(self, path: Path) -> list[dict[str, Any]]:
        """Give the reports in a checkpoint that has not been looked at."""
        try:
            now = path.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if self._looked_at.get(path) == now:
            return []
        self._looked_at[path] = now
        return _reports(path)


def short_folder() -> Path:
    """Make a new folder for temporary files, removed at exit; Ray's sockets below it allow a name of 6 characters."""
    for name in ascii_letters + digits:
        folder = Path("/tmp") / name
        with suppress(FileExistsError):
            folder.mkdir()
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            return folder
    raise RuntimeError("/tmp has a folder for each letter and digit already: remove those that nobody uses")


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _reports(path: Path) -> list[dict[str, Any]]:
    """Read the history in a checkpoint; none where it is damaged or gone."""
    try:
        with safe_open(path, framework="pt") as file:
            values: dict[str, Any] = json.loads(file.metadata()["values"])
    except (SafetensorError, FileNotFoundError):
        return []
    return list(values["reports"])
