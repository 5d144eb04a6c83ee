"""What a sweep is, read back from its folder: the journal tells it, and sweep.yaml where the journal does not."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from planning import FEW, Planned, noted, opened
from pydantic import ValidationError

from twinverify.config import flatten
from twinverify.errors import UserError
from twinverify.search import journal
from twinverify.search.journal import FILE_NAME
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan
from twinverify.search.stored import read_known, read_sweep, sweeps_in

pytestmark = pytest.mark.usefixtures("no_probe")

#: What is left of a file: nothing, a byte, a part, all but a byte, all but an end that matters.
CUTS = (0.0, 0.001, 0.3, 0.7, 0.98)
VIEWS = ("sweep.yaml", "space.yaml")


@pytest.fixture
def sweep(started: Planned) -> SweepPlan:
    """Start a sweep and change it once, so that its journal has two plans with a trial between them."""
    state = opened(started(space="glca_heads", trials=8))
    state.draw()
    state.close()
    return noted(started(space="glca_heads", trials=30))


def cut(path: Path, keep: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: min(len(whole) - 1, int(len(whole) * keep + 0.999))])


def as_the_first_version(folder: Path) -> None:
    """Leave what version 0.1.0 wrote: no plan in the journal, and no facts in sweep.yaml that it did not know."""
    lines = [line for line in (folder / FILE_NAME).read_text().splitlines(True) if '"planned"' not in line]
    (folder / FILE_NAME).write_text("".join(lines))
    told = yaml.safe_load((folder / "sweep.yaml").read_text())
    del told["versions"], told["data_counts"], told["options"]["keep"]
    (folder / "sweep.yaml").write_text(yaml.safe_dump(told, sort_keys=False))


def test_sweep_yaml_is_plain_yaml_with_the_whole_configuration(sweep: SweepPlan) -> None:
    told = yaml.safe_load((sweep.folder / "sweep.yaml").read_text())
    assert told["config"] == sweep.config.model_dump(mode="json")
    assert told["options"]["objective"] == "val/twin_eer"
    assert told["options"]["space"] == "glca_heads"
    assert told["versions"] == sweep.versions
    assert flatten(sweep.config)["train.epochs"] == told["config"]["train"]["epochs"]


def test_the_journals_last_plan_counts(sweep: SweepPlan) -> None:
    known = read_known(sweep.folder)
    assert (known.sweep, known.space, known.drawn) == (sweep.stored(), sweep.space.text, 1)
    assert known.trackings == (None, None)
    assert known.notes == ()
    assert read_sweep(sweep.folder) == sweep.stored()


def test_a_sweep_in_an_experiment_that_a_new_one_is_refused_for_can_be_read(sweep: SweepPlan) -> None:
    for name in (FILE_NAME, "sweep.yaml"):
        path = sweep.folder / name
        text = path.read_text()
        assert "twin-verification-hyperparameter-search" in text
        path.write_text(text.replace("twin-verification-hyperparameter-search", "bob's sweeps"))
    assert read_known(sweep.folder).sweep.options.experiment == "bob's sweeps"
    as_the_first_version(sweep.folder)
    assert read_known(sweep.folder).sweep.options.experiment == "bob's sweeps"
    with pytest.raises(ValidationError, match="experiment is"):
        TuneOptions(experiment="bob's sweeps")


# ---- damaged files


@pytest.mark.parametrize("keep", [*CUTS, None], ids=str)
def test_cut_or_missing_views_are_no_obstacle_while_the_journal_has_the_plan(
    sweep: SweepPlan, planned: Planned, keep: float | None
) -> None:
    whole = {name: (sweep.folder / name).read_bytes() for name in VIEWS}
    for name in VIEWS:
        if keep is None:
            (sweep.folder / name).unlink()
        else:
            cut(sweep.folder / name, keep)
    for again in ({"resume": "glca_heads"}, {"space": "glca_heads"}):
        plan = planned(FEW if "space" in again else {}, **again)
        assert plan.goes_on
        assert plan.stored() == sweep.stored()
        assert plan.space == sweep.space or plan.space.written == sweep.space.written
        noted(plan)
        assert {name: (sweep.folder / name).read_bytes() for name in VIEWS} == whole


def test_a_view_that_is_no_text_at_all_is_no_obstacle_either(sweep: SweepPlan, planned: Planned) -> None:
    for name, damage in zip(VIEWS, (b"\0\xff" * 50, b"- [\n"), strict=True):
        (sweep.folder / name).write_bytes(damage)
    assert planned({}, resume="glca_heads").stored() == sweep.stored()


@pytest.mark.parametrize("keep", [*CUTS[:2], None], ids=str)
def test_a_journal_cut_to_less_than_a_plan_is_no_obstacle_while_sweep_yaml_is_whole(
    sweep: SweepPlan, planned: Planned, keep: float | None
) -> None:
    if keep is None:
        (sweep.folder / FILE_NAME).unlink()
    else:
        cut(sweep.folder / FILE_NAME, keep)
    for again in ({"resume": "glca_heads"}, {"space": "glca_heads"}):
        plan = planned(FEW if "space" in again else {}, **again)
        assert plan.stored() == sweep.stored()
        assert plan.goes_on
    # From then on the journal has it.
    noted(plan)
    for name in VIEWS:
        (sweep.folder / name).unlink()
    assert planned({}, resume="glca_heads").stored() == sweep.stored()


def test_a_journal_cut_in_its_last_plan_falls_back_to_the_plan_before_and_says_so(
    sweep: SweepPlan, planned: Planned
) -> None:
    cut(sweep.folder / FILE_NAME, 0.98)
    plan = planned({}, resume="glca_heads")
    assert plan.options.trials == 8
    assert [note.split(":")[0] for note in plan.notes] == [
        "sweep.yaml or space.yaml differs from the journal in options.trials"
    ]
    assert planned({}, resume="glca_heads", trials=30).options.trials == 30


@pytest.mark.parametrize("is_old", [False, True], ids=["", "first version"])
@pytest.mark.parametrize(
    ("view", "keep"), [(view, keep) for view in VIEWS for keep in (*CUTS, None) if (view, keep) != ("sweep.yaml", None)]
)
def test_where_neither_tells_the_plan_one_line_says_so_and_it_is_never_taken_for_another_sweep(
    sweep: SweepPlan, planned: Planned, view: str, keep: float | None, is_old: bool
) -> None:
    if is_old:
        as_the_first_version(sweep.folder)
    (sweep.folder / FILE_NAME).write_bytes(b"")
    path = sweep.folder / view
    path.unlink() if keep is None else cut(path, keep)
    for again in ({"resume": "glca_heads"}, {"space": "glca_heads"}):
        with pytest.raises(UserError) as refused:
            planned(FEW if "space" in again else {}, **again)
        told = str(refused.value)
        assert told.startswith(str(path))
        assert told.endswith("journal.jsonl beside it does not tell the plan either; restore one of them from a copy")
        assert "\n" not in told


def test_a_sweep_yaml_cut_at_any_byte_is_whole_or_refused(sweep: SweepPlan) -> None:
    """A part of a number is a number, and a setting that is missing has a default."""
    path = sweep.folder / "sweep.yaml"
    text = path.read_text()
    (sweep.folder / FILE_NAME).unlink()
    path.write_text(text[:-1])
    assert read_sweep(sweep.folder) == sweep.stored()
    # Every byte takes half a minute; where all settings are there, each counts.
    for length in [*range(0, text.index("synthetic:"), 61), *range(text.index("synthetic:"), len(text) - 1, 3)]:
        path.write_text(text[:length])
        with pytest.raises(UserError):
            read_sweep(sweep.folder)


@pytest.mark.parametrize("wrong", ["format: 2\n", "[]\n", "just text\n", "format: 1\nname: x\n", "a: b: c\n"])
def test_what_is_no_sweep_yaml_is_named(sweep: SweepPlan, planned: Planned, wrong: str) -> None:
    (sweep.folder / FILE_NAME).unlink()
    (sweep.folder / "sweep.yaml").write_text(wrong)
    with pytest.raises(UserError, match=r"sweep\.yaml(: not a whole sweep of this version|: not valid YAML)"):
        planned({}, resume="glca_heads")


def test_a_plan_of_another_version_of_twinverify_is_named(sweep: SweepPlan, planned: Planned) -> None:
    path = sweep.folder / FILE_NAME
    path.write_text(path.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(UserError, match=r"journal\.jsonl: not a whole sweep of this version .*: format: "):
        planned({}, resume="glca_heads")


# ---- edited by hand


def test_an_edit_of_sweep_yaml_changes_nothing_and_is_told(sweep: SweepPlan, planned: Planned) -> None:
    path = sweep.folder / "sweep.yaml"
    path.write_text(path.read_text().replace("trials: 30", "trials: 50"))
    plan = noted(planned({}, resume="glca_heads"))
    assert plan.options.trials == 30
    assert plan.notes == (
        "sweep.yaml or space.yaml differs from the journal in options.trials: the journal counts, and they are written"
        " anew; settings are changed on the command line",
    )
    assert planned({}, resume="glca_heads").notes == ()


def test_an_edit_of_space_yaml_changes_nothing_and_is_told(sweep: SweepPlan, planned: Planned) -> None:
    (sweep.folder / "space.yaml").write_text("train.lr: {float: [1e-4, 1e-3], log: true}\n")
    plan = planned({}, resume="glca_heads")
    assert plan.space.keys == sweep.space.keys
    assert "differs from the journal in the space" in plan.notes[0]


# ---- the first version


def test_a_sweep_of_the_first_version_goes_on_and_its_plan_comes_into_the_journal(
    sweep: SweepPlan, planned: Planned
) -> None:
    as_the_first_version(sweep.folder)
    plan = planned({}, resume="glca_heads", trials=40)
    assert plan.goes_on
    assert (plan.sweep_id, plan.options.trials, plan.options.keep) == (sweep.sweep_id, 40, 5)
    assert plan.notes == ()
    assert plan.versions == {}
    noted(plan)
    told = [json.loads(line)["event"] for line in (sweep.folder / FILE_NAME).read_text().splitlines()]
    assert told == ["drawn", "planned"]
    (sweep.folder / "sweep.yaml").unlink()
    assert planned({}, resume="glca_heads").options.trials == 40


# ---- which folders are sweeps


def test_a_folder_is_a_sweep_by_its_journal_or_its_sweep_yaml(
    sweep: SweepPlan, planned: Planned, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    for name in ("nothing", "cut", "killed", "old", "trained"):
        (runs / name).mkdir()
    (runs / "cut" / FILE_NAME).write_bytes((sweep.folder / FILE_NAME).read_bytes()[:200])
    (runs / "killed" / FILE_NAME).touch()
    (runs / "old" / "sweep.yaml").touch()
    (runs / "trained" / "config.yaml").touch()
    for name in VIEWS:
        (sweep.folder / name).unlink()
    assert sweeps_in(runs) == ["glca_heads", "old"]
    with pytest.raises(UserError, match=r"resume=killed: no such sweep in .*/runs; known: glca_heads, old"):
        planned({}, resume="killed")
    # A start that was killed before its first whole line left no sweep; the same command begins anew.
    for name in ("cut", "killed"):
        assert not planned(space="glca_heads", name=name).goes_on


def test_to_find_the_plan_no_report_is_parsed(sweep: SweepPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    state = opened(sweep)
    for epoch in range(1, 5):
        state.report(0, epoch, {sweep.objective: 0.5})
    state.close()
    parsed: list[Any] = []
    loads = json.loads
    monkeypatch.setattr(journal.json, "loads", lambda line, **_: parsed.append(line) or loads(line))
    read_known(sweep.folder)
    # Two plans, one draw, and the last line to see whether it is whole.
    assert len(parsed) == 4
