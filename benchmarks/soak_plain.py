"""The peer's side of `soak.py`: `plain_resumed.py`, and what it left on the disk."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from file_store import read_store
from soak_ours import short_folder
from tally import Remains

from twinverify.config import load_config, with_values
from twinverify.faces.load import load_data

HERE = Path(__file__).parent


class Plain:
    """The plain script in a folder of its own."""

    name = "plain Ray Tune script"

    def __init__(self, folder: Path, environment: Mapping[str, str], sizes: Sequence[int]) -> None:
        """Begin with an empty folder; `sizes` = trials, epochs, slots, seed."""
        self.folder, self.trials, self._sizes, self._environment = folder, sizes[0], sizes, environment
        self._experiment = folder / "ray" / "plain"
        folder.mkdir(parents=True)
        self.temporary = short_folder()

    def words(self) -> Sequence[str]:
        """Give the same command each time: it restores what it can."""
        return [sys.executable, str(HERE / "plain_resumed.py"), str(self.folder), *map(str, self._sizes)]

    def environment(self) -> Mapping[str, str]:
        """Give a user's environment, with temporary files where they can be counted."""
        path = f"{HERE.parent}{os.pathsep}{self._environment.get('PYTHONPATH', '')}"
        return {**self._environment, "PYTHONPATH": path, "TMPDIR": str(self.temporary)}

    def extend(self) -> bool:
        """Refuse: Tune cannot extend a sweep that has ended (ray#42221)."""
        return False

    def reports(self) -> int:
        """Count the epochs that were computed."""
        path = self.folder / "computed.txt"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def look(self) -> None:
        """Do nothing: the script notes itself what it computes."""

    def draw_faces(self, settings: Mapping[str, Any]) -> None:
        """Draw and decode the images beforehand, which is none of its work."""
        load_data("synthetic", with_values(load_config("tiny"), settings), self.folder / "cache")

    def remains(self) -> Remains:
        """Give what there is now, by the order of the trials in Tune's last experiment state."""
        numbers = {trial: number for number, trial in enumerate(self._trials())}
        runs, broken = read_store(self.folder / "mlflow")
        found, beyond = Remains(self.trials), []
        for run in runs:
            number = numbers.get(run.tags.get("trial_name", "").rpartition("_")[2])
            if number is None:
                beyond.append(run)
                continue
            found.runs.setdefault(number, []).append(run)
            found.reached[number] = max(found.reached.get(number, 0), *run.steps(), 0)
            if run.status == "FINISHED":
                found.ended.add(number)
        found.sessions = len(list(self.temporary.rglob("session_2*")))
        for ran in found.runs.values():
            ran.sort(key=lambda run: run.status != "FINISHED")
        found.more = {
            "runs beyond one a trial": [f"run {run.id} of a trial that Tune knows no more" for run in beyond],
            "runs left open": [f"run {run.id}" for run in beyond if run.status == "RUNNING"] + broken,
            "epochs computed again": self._computed(numbers, found),
            "folders of no trial": self._folders(numbers),
            "temporary files": self._litter(),
        }
        return found

    def _trials(self) -> list[str]:
        """Give the trials' ids in Tune's last word on the experiment; none where it never came to write one."""
        states = sorted(self._experiment.glob("experiment_state-*.json"))
        if not states:
            return []
        return [json.loads(trial)["trial_id"] for trial, _ in json.loads(states[-1].read_text())["trial_data"]]

    def _computed(self, numbers: Mapping[str, int], found: Remains) -> list[str]:
        """Note how often each epoch was computed; give those that were computed for a trial that is no more."""
        path, in_vain = self.folder / "computed.txt", []
        for line in path.read_text().splitlines() if path.exists() else []:
            trial, epoch, speed = line.split()
            if trial in numbers:
                found.computed.setdefault((numbers[trial], int(epoch)), set()).add(float(speed))
            else:
                in_vain.append(f"{trial}, epoch {epoch}: of a trial that Tune knows no more")
        return in_vain

    def _folders(self, numbers: Mapping[str, int]) -> list[str]:
        """Give the trials' folders that belong to none, and second ones of a trial."""
        seen: set[str] = set()
        beyond = []
        for path in sorted(path for path in self._experiment.glob("train_dcal_*") if path.is_dir()):
            trial = path.name.split("_")[2]
            if trial not in numbers or trial in seen:
                beyond.append(path.name)
            seen.add(trial)
        return beyond

    def _litter(self) -> list[str]:
        """Give checkpoints beyond the one a trial that was asked for, and the temporary folders left."""
        litter = []
        for folder in self._experiment.glob("train_dcal_*"):
            kept = sorted(folder.glob("checkpoint_*"))
            litter += [f"{folder.name[:20]}…/{path.name}" for path in kept[:-1]]
        return litter + [f"temporary/{path.name}" for path in self.temporary.glob("tmp*")]
