"""`confirm` as a user runs it: killed twice, gone on with, the sealed test opened once, refused, and opened again."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from command_line import Finished, Store, call, kill_tree, start, wait_until
from sealed_spy import Spy
from sweep_processes import events

from twinverify.faces.load import check_data
from twinverify.search.stored import read_sweep

SMALL = (
    *("synthetic.families=24", "synthetic.images=3", "batch.people=8", "model.width=48", "model.depth=2"),
    *("model.pwca.blocks=2", "model.image_size=32"),
)
SHORT = ("epochs=2", "concurrency=1", "output=runs")


@dataclass
class Confirmed:
    """A sweep that was confirmed."""

    root: Path
    spy: Spy
    store: Store
    #: Of the last start, which came to the end.
    finished: Finished

    @property
    def folder(self) -> Path:
        """The sweep's."""
        return self.root / "runs" / "glca_heads"

    @property
    def test_people(self) -> set[str]:
        """Who is on the sealed side."""
        split = check_data("synthetic", read_sweep(self.folder).config, self.root / "runs" / ".cache")
        return {person.id for person in split.test.people}


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confirmed]:
    """A small sweep, looked at and its best trained again, all under the spy."""
    root = tmp_path_factory.mktemp("confirm")
    spy, store = Spy(root / "spy"), Store(root / "store")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(root / "spy"))
        tuned = call("tune", "space=glca_heads", "trials=3", *SHORT, f"tracking={store.uri}", *SMALL, cwd=root)
        assert tuned.status == 0, tuned.err
        compared = call("compare", "glca_heads", "output=runs", cwd=root)
        trained = call("train", "config=runs/glca_heads/best.yaml", "tracking=off", "cache=runs/.cache", cwd=root)
        assert (compared.status, trained.status) == (0, 0), compared.err + trained.err
        yield Confirmed(root, spy, store, tuned)


@pytest.fixture(scope="module")
def untouched(before: Confirmed) -> dict[str, set[str]]:
    """What was read and scored before any confirmation."""
    return {kind: before.spy.noted(kind) for kind in ("door", "read", "scored")}


@pytest.fixture(scope="module")
def confirmed(before: Confirmed, untouched: dict[str, set[str]]) -> Confirmed:
    """The sweep confirmed, with a kill in the middle of the trainings and one in the middle of the test."""
    words = ("confirm", "glca_heads", "top=1", "seeds=2", "concurrency=1", "output=runs")
    journal, result = before.folder / "confirm" / "journal.jsonl", before.folder / "sealed_test.yaml"
    first = start(*words, cwd=before.root)
    wait_until(lambda: journal.exists() and journal.read_text().count('"reported"') >= 3, 120, "three epochs")
    kill_tree(first)
    assert not result.exists()
    before.spy.clear()
    second = start(*words, cwd=before.root)
    end = time.monotonic() + 120
    while not result.exists() and second.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    kill_tree(second)
    assert yaml.safe_load(result.read_text())["tests"][0]["winner"] is None, "the kill came too late"
    finished = call(*words, cwd=before.root)
    assert finished.status == 0, finished.err
    return Confirmed(before.root, before.spy, before.store, finished)


def test_nothing_before_confirm_reads_or_scores_a_sealed_face(before: Confirmed, untouched: dict[str, set[str]]):
    people = before.test_people
    assert len(people) == 8
    assert untouched["door"] == set()
    assert untouched["read"], "the spy saw nobody"
    assert untouched["scored"], "the spy saw no evaluation"
    assert not people & untouched["read"]
    assert not people & untouched["scored"]


def test_the_spy_sees_the_workers_too(confirmed: Confirmed):
    assert len(confirmed.spy.processes("scored")) > 1


def test_confirm_scores_the_sealed_faces(confirmed: Confirmed):
    assert confirmed.test_people <= confirmed.spy.noted("scored")
    assert confirmed.test_people <= confirmed.spy.noted("read")


def test_killed_trainings_go_on_and_none_is_made_twice(confirmed: Confirmed):
    told = events(confirmed.folder / "confirm")
    drawn = [event for event in told if event[0] == "drawn"]
    assert [event[1] for event in drawn] == [0, 1, 2, 3]
    assert sorted(event[1:3] for event in told if event[0] == "reported") == [(n, e) for n in range(4) for e in (1, 2)]
    seeds = [event[4]["seed"] for event in drawn]
    assert seeds[0] == seeds[1] != seeds[2] == seeds[3]
    assert [event[4]["split.reshuffle"] for event in drawn] == seeds


def test_the_result_tells_mean_interval_and_chance(confirmed: Confirmed):
    result = yaml.safe_load((confirmed.folder / "confirm" / "confirmed.yaml").read_text())
    default, other = result["configurations"]
    assert default["is_default"]
    assert not other["is_default"]
    for each in (default, other):
        assert each["mean"] == pytest.approx(sum(each["values"]) / 2)
    assert other["less_default"] == pytest.approx(other["mean"] - default["mean"])
    assert default["chance_of_best"] + other["chance_of_best"] == pytest.approx(1)
    best = min((default, other), key=lambda each: each["mean"])
    assert result["winner"] == best["trial"]
    for words in ("Confirmation of glca_heads", "P(best)", "Winner:", "Sealed test (8 people, 24 images", "twin EER"):
        assert words in confirmed.finished.out


def test_the_killed_opening_was_finished_as_the_first(confirmed: Confirmed):
    (test, *_) = yaml.safe_load((confirmed.folder / "sealed_test.yaml").read_text())["tests"]
    assert test["opening"]["number"] == 1
    assert re.fullmatch(r"[0-9a-f]{16}", test["opening"]["winner"])
    assert 0 <= test["winner"]["figures"]["twin_eer"]["value"] <= 1
    (register,) = (confirmed.root / "runs" / ".sealed").glob("*.yaml")
    assert yaml.safe_load(register.read_text())["openings"][0] == test["opening"]


def test_a_second_opening_is_refused_and_again_is_stamped(confirmed: Confirmed):
    confirmed.spy.clear()
    words = ("confirm", "glca_heads", "output=runs")
    refused = call(*words, cwd=confirmed.root)
    assert refused.status == 2
    (line,) = refused.err.splitlines()
    for fact in ("opened already on 20", "by sweep glca_heads", "sealed_test.yaml", "again=true"):
        assert fact in line
    assert not confirmed.spy.noted("scored")
    again = call(*words, "again=true", cwd=confirmed.root)
    assert again.status == 0, again.err
    assert "OPENING NUMBER 2" in again.out
    first, second = yaml.safe_load((confirmed.folder / "sealed_test.yaml").read_text())["tests"]
    assert (first["opening"]["number"], second["opening"]["number"]) == (1, 2)
    assert first["winner"] == second["winner"]


def test_a_sweep_with_more_sealed_people_is_refused_for_those_who_have_been_met(confirmed: Confirmed):
    other = ("tune", "space=pwca", "trials=2", "epochs=1", "concurrency=1", "output=runs", "tracking=off", *SMALL)
    tuned = call(*other, "split.test=0.4", cwd=confirmed.root)
    assert tuned.status == 0, tuned.err
    confirmed.spy.clear()
    refused = call("confirm", "pwca", "output=runs", cwd=confirmed.root)
    assert refused.status == 2
    (line,) = refused.err.splitlines()
    assert re.search(r"8 of its \d\d people have been met .* by sweep glca_heads \(opening [12]\)", line)
    assert not confirmed.spy.noted("scored")
    assert not (confirmed.root / "runs" / "pwca" / "confirm").exists()


def test_its_runs_stand_below_the_sweeps_own_run(confirmed: Confirmed):
    runs = {run.info.run_id: run for run in confirmed.store.runs()}
    (sweep,) = [run for run in runs.values() if run.data.tags["sweep"] == "glca_heads" and "trial" not in run.data.tags]
    own = [run for run in runs.values() if run.data.tags["sweep"] == "glca_heads/confirm"]
    (parent,) = [run for run in own if "trial" not in run.data.tags]
    children = [run for run in own if "trial" in run.data.tags]
    assert parent.data.tags["mlflow.parentRunId"] == sweep.info.run_id
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert len(children) == 4
    test = yaml.safe_load((confirmed.folder / "sealed_test.yaml").read_text())["tests"][0]
    assert parent.data.metrics["test/twin_eer"] == pytest.approx(test["winner"]["figures"]["twin_eer"]["value"])
    files = {each.path for each in confirmed.store.client.list_artifacts(parent.info.run_id)}
    assert {"confirmed.yaml", "sealed_test.yaml"} <= files
    assert not any(name.startswith("test/") for run in (sweep, *children) for name in run.data.metrics)


def test_an_audit_finds_nothing_amiss(confirmed: Confirmed):
    audits = [
        call("compare", "confirm", "output=runs/glca_heads", "check=true", cwd=confirmed.root),
        call("compare", "glca_heads", "output=runs", "check=true", cwd=confirmed.root),
    ]
    assert [each.status for each in audits] == [0, 0], audits[0].out + audits[1].out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("glca_head",), "did you mean glca_heads?"),
        ((), "NAME is missing"),
        (("glca_heads", "seeds=1"), "seeds is 1; allowed"),
        (("glca_heads", "top=0"), "top is 0; allowed"),
        (("glca_heads", "seeds=3", "test=false"), "seeds was 2, now 3"),
        (("glca_heads", "train.lr=0.1"), "train.lr is not a setting of confirm"),
    ],
)
def test_bad_input_is_one_line(confirmed: Confirmed, words: tuple[str, ...], told: str):
    found = call("confirm", *words, "output=runs", cwd=confirmed.root)
    assert found.status == 2
    (line,) = found.err.splitlines()
    assert told in line
