"""A killed sweep whose files are cut off as well, as by a power cut: what the folder still tells is enough."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import Sweep, call, kill_tree, start, wait_until

from twinverify.errors import UserError
from twinverify.faces.load import Data, load_data
from twinverify.search.files import TrialFiles, trial_config, write_best, write_plan
from twinverify.search.journal import FILE_NAME
from twinverify.search.lock import locked
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.state import SweepState
from twinverify.search.sweep import open_state
from twinverify.training.files import read_tensors
from twinverify.training.loop import fit

_NOT_REPEATABLE = ("train/images_per_second", "system/")
#: Of 3 trials: the first has ended, the second has two of its four epochs behind it, the third is not drawn yet.
_TRIALS, _OPEN, _EPOCHS_BEHIND = 3, 1, 2
#: What is left of a file: nothing, one byte, half, all but a byte.
CUTS: dict[str, Callable[[int], int]] = {
    "nothing": lambda size: 0,
    "one byte": lambda size: 1,
    "half": lambda size: size // 2,
    "all but a byte": lambda size: size - 1,
}
#: Views of the journal, made anew from it.
REBUILT = ("sweep.yaml", "space.yaml", "best.yaml", "00000/metrics.jsonl", "00001/metrics.jsonl")
CONFIGS = ("00000/config.yaml", "00001/config.yaml")


def cut(path: Path, left: str) -> None:
    """Truncate a file, as a power cut does to one that was being written."""
    with path.open("rb+") as file:
        file.truncate(CUTS[left](path.stat().st_size))


def told(folder: Path) -> list[tuple[Any, ...]]:
    """Give what the journal tells of the trials, but for clock and speed."""
    lines = [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines()]
    return [
        (line["event"], line["trial"], line.get("epoch"), line.get("then"), line.get("values"), repeatable(line))
        for line in lines
        if line["event"] != "planned"
    ]


def repeatable(line: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in line.get("metrics", {}).items() if not name.startswith(_NOT_REPEATABLE)}


@dataclass(frozen=True)
class Killed:
    """A sweep that was killed, to be copied for each case."""

    root: Path
    words: tuple[str, ...]

    def copy(self, place: Path) -> Path:
        """Give a copy of its folder; the image cache is shared, so nothing is decoded again."""
        return Path(shutil.copytree(self.root / "runs" / "glca_heads", place / "runs" / "glca_heads"))

    def plan(self, folder: Path) -> SweepPlan:
        """Give the plan of going on with a copy."""
        options = {"resume": "glca_heads", "output": folder.parent, "cache": self.root / "runs" / ".cache"}
        return make_plan(TuneOptions.model_validate(options), {})


@pytest.fixture(autouse=True)
def _no_hundred_draws_from_the_space(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes most of a plan's time and tells nothing here; the command does it all the same."""
    monkeypatch.setattr("twinverify.search.space.probe", lambda *_: None)


@pytest.fixture(scope="module")
def killed(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """The sweep that all tests share, with fewer trials and killed in the middle of the second."""
    words = [word for word in sweep.words if not word.startswith(("tracking", "trials"))]
    words += [f"trials={_TRIALS}", "tracking=off"]
    lines = 1 + (1 + 4) + (1 + _EPOCHS_BEHIND)
    for _ in range(5):
        root = tmp_path_factory.mktemp("killed")
        process = start(*words, cwd=root)
        folder = root / "runs" / "glca_heads"
        wait_until(partial(has_lines, folder, lines), 120, f"{lines} lines")
        kill_tree(process)
        # A kill between the renaming of the last state and the writing of the next leaves the tests nothing to cut.
        if all((folder / f"{_OPEN:05d}" / name).exists() for name in ("last.safetensors", "previous.safetensors")):
            break
    # The kill may come a line late; then the checkpoints are ahead of the journal, as after a power cut.
    (folder / FILE_NAME).write_bytes(b"".join(lines_of(folder)[:lines]))
    return Killed(root, tuple(words))


def best_epoch(reported: list[tuple[Any, ...]], objective: str) -> int:
    return int(min(reported, key=lambda event: event[5][objective])[2])


def has_lines(folder: Path, number: int) -> bool:
    return (folder / FILE_NAME).exists() and len(lines_of(folder)) >= number


def lines_of(folder: Path) -> list[bytes]:
    return (folder / FILE_NAME).read_bytes().splitlines(keepends=True)


@pytest.fixture
def opened(killed: Killed, tmp_path: Path) -> Iterator[tuple[Path, Callable[[], SweepState]]]:
    """Give a copy of the killed sweep, and what goes on with it as the command does, but for the training."""
    folder = killed.copy(tmp_path)
    states: list[SweepState] = []

    def go_on() -> SweepState:
        plan = killed.plan(folder)
        with locked(folder):
            state = open_state(plan)
            states.append(state)
            state.plan(plan.stored().model_dump(mode="json"), plan.space.text)
            write_plan(plan)
            files = TrialFiles(plan)
            for trial in state.trials:
                files.update(trial)
            write_best(plan, state)
        return state

    yield folder, go_on
    for state in states:
        state.close()


# ---- the command


def test_with_every_file_that_can_be_made_anew_cut_off_it_resumes_to_the_very_same_result(
    killed: Killed, sweep: Sweep, tmp_path: Path
) -> None:
    folder = killed.copy(tmp_path)
    shutil.copytree(killed.root / "runs" / ".cache", tmp_path / "runs" / ".cache")
    open_trial = folder / f"{_OPEN:05d}"
    (folder / "best.yaml").write_text("# Sweep glca_heads, trial")  # a kill leaves none
    for name in (*REBUILT, f"{_OPEN:05d}/last.json", "sweep.lock"):
        cut(folder / name, "half")
    for name in CONFIGS:
        cut(folder / name, "one byte")
    cut(open_trial / "last.safetensors", "half")
    (folder / ".owner").write_bytes(b"process 4\0")
    # The checkpoint has the report that the journal lost, and the journal ends in zeros.
    lines = lines_of(folder)
    (folder / FILE_NAME).write_bytes(b"".join(lines[:-1]) + lines[-1][:99] + b"\0" * 200)

    done = call("tune", "resume=glca_heads", "output=runs", cwd=tmp_path)
    assert done.status == 0, done.err
    assert done.err == ""
    whole = [event for event in told(sweep.folder) if event[1] < _TRIALS]
    assert told(folder) == whole
    for number in range(_TRIALS):
        name = f"{number:05d}"
        assert (folder / name / "config.yaml").read_bytes() == (sweep.folder / name / "config.yaml").read_bytes()
        reports = [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]
        assert [report["epoch"] for report in reports] == [e[2] for e in whole if e[0] == "reported" and e[1] == number]
        best = best_epoch([event for event in whole if event[:2] == ("reported", number)], "val/twin_eer")
        assert read_tensors(folder / name / "best.safetensors")[1]["epoch"] == best
    for view in ("sweep.yaml", "space.yaml"):
        assert (folder / view).read_bytes() == (killed.root / "runs" / "glca_heads" / view).read_bytes().replace(
            str(killed.root).encode(), str(tmp_path).encode()
        )


# ---- each file by itself, without the training


@pytest.mark.parametrize("left", CUTS)
def test_each_file_that_people_read_is_made_anew(opened: tuple[Path, Callable[[], SweepState]], left: str) -> None:
    folder, go_on = opened
    go_on().close()
    whole = {name: (folder / name).read_bytes() for name in (*REBUILT, *CONFIGS)}
    for name in whole:
        cut(folder / name, left)
        state = go_on()
        assert [(t.state, t.epoch) for t in state.trials] == [("completed", 4), ("running", _EPOCHS_BEHIND)], name
        assert {path: (folder / path).read_bytes() for path in whole} == whole, name


@pytest.mark.parametrize("left", CUTS)
@pytest.mark.parametrize("name", [".owner", "sweep.lock"])
def test_a_cut_lock_keeps_nobody_out(opened: tuple[Path, Callable[[], SweepState]], name: str, left: str) -> None:
    folder, go_on = opened
    assert (folder / ".owner").read_text().startswith("process ")  # the killed one left it
    (folder / "sweep.lock").write_text("process 4711")
    cut(folder / name, left)
    assert len(go_on().trials) == 2
    with locked(folder), pytest.raises(UserError, match="is being run by process "), locked(folder):
        pass


def test_a_cut_journal_tells_what_its_whole_lines_tell(
    opened: tuple[Path, Callable[[], SweepState]], sweep: Sweep
) -> None:
    folder, go_on = opened
    journal, lines = (folder / FILE_NAME).read_bytes(), lines_of(folder)
    ends = [len(b"".join(lines[:count])) for count in range(len(lines) + 1)]
    # A byte before the end of a line, at it, and in the middle of the next; now and then zeros stand behind.
    offsets = [offset for end in ends for offset in (end - 1, end, end + 99) if 0 <= offset <= len(journal)]
    for place, offset in enumerate(offsets):
        (folder / FILE_NAME).write_bytes(journal[:offset] + b"\0" * (300 * (place % 2)))
        if b'"drawn"' not in journal[: journal[:offset].rfind(b"\n") + 1]:
            # All that is left is what the trials' folders hold, and going on would train them anew, over it.
            with pytest.raises(UserError, match="tells of no trial, but 2 trial folders beside it have results"):
                go_on()
            continue
        go_on().close()
        # The plan is noted once more where it was cut off.
        kept = max(0, journal[:offset].count(b"\n") - 1)
        assert told(folder) == told(sweep.folder)[:kept], f"cut at byte {offset}"


def test_a_line_damaged_in_the_middle_of_the_journal_is_refused(opened: tuple[Path, Callable[[], SweepState]]) -> None:
    folder, go_on = opened
    lines = lines_of(folder)
    lines[3] = lines[3].replace(b"reported", b"\0\0\0\0\0\0\0\0")
    (folder / FILE_NAME).write_bytes(b"".join(lines))
    with pytest.raises(UserError, match=r"journal\.jsonl, line 4: not a journal entry; restore the file from a copy"):
        go_on()


# ---- the checkpoints of the trial that was running


@pytest.fixture(scope="module")
def data(killed: Killed) -> Data:
    plan = killed.plan(killed.root / "runs" / "glca_heads")
    return load_data(plan.options.data, plan.config, killed.root / "runs" / ".cache")


@pytest.mark.parametrize(
    "damage",
    [
        {"last": "half"},
        {"last": "all but a byte", "last.json": "nothing", "best.json": "half"},
        {"last": "nothing", "previous": "one byte"},
        {"best": "half"},
    ],
    ids=lambda damage: " ".join(damage),
)
def test_a_cut_checkpoint_costs_epochs_and_never_a_digit(
    opened: tuple[Path, Callable[[], SweepState]], killed: Killed, data: Data, sweep: Sweep, damage: dict[str, str]
) -> None:
    folder, go_on = opened
    trial = go_on().trials[_OPEN]
    place = folder / f"{_OPEN:05d}"
    for name, left in damage.items():
        cut(place / (name if name.endswith(".json") else f"{name}.safetensors"), left)
    plan = killed.plan(folder)
    reports = fit(trial_config(plan, trial), data.train, data.validation, folder=place, objective=plan.objective)
    wanted = [event for event in told(sweep.folder) if event[:2] == ("reported", _OPEN)]
    for report, event in zip(reports, wanted, strict=True):
        metrics = {name: value for name, value in event[5].items() if not name.startswith("system/")}
        assert repeatable({"metrics": report.metrics}) == metrics, f"epoch {report.epoch}"
    best = json.loads((place / "best.json").read_text())
    assert read_tensors(place / "best.safetensors")[1]["epoch"] == best["epoch"] == best_epoch(wanted, plan.objective)


def test_the_journal_is_the_first_thing_that_a_sweep_writes(killed: Killed) -> None:
    first = json.loads(lines_of(killed.root / "runs" / "glca_heads")[0])
    assert first["event"] == "planned"
    assert first["sweep"]["options"]["trials"] == _TRIALS
    assert first["time"] <= (killed.root / "runs" / "glca_heads" / "sweep.yaml").stat().st_mtime + 0.1
