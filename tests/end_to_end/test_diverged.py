"""Trainings that leave the finite numbers: told by name, on the record everywhere, and never the end of a sweep."""

import json
import math
from pathlib import Path

import pytest
from command_line import SMALL, Store, Sweep, call
from optuna.trial import TrialState
from store_assertions import assert_read_back, ends, journal

from twinverify.search.options import TuneOptions
from twinverify.search.plan import make_plan
from twinverify.search.sweep import open_state

#: With a learning rate of 10 the first epoch is wild and the second overflows; with 0.001 all is well.
WILD = (
    "train.clip=null",
    "train.optimizer=sgd",
    "train.weight_decay=1",
    "loss.identity.weight=10",
    "config=tiny",
    "epochs=3",
    *SMALL,
)


def swept(root: Path, space: str, *words: str) -> Sweep:
    """Run a grid over `space` without early stopping, which would end a wild trial before it fails."""
    (root / "wild.yaml").write_text(space)
    store = Store(root / "store")
    grid = ("space=wild.yaml", "sampler=grid", "scheduler=none", "concurrency=1")
    all_words = ("tune", *grid, "output=runs", f"tracking={store.uri}", *words, *WILD)
    return Sweep(call(*all_words, cwd=root), root / "runs" / "wild", store, all_words)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Trial 0 has the default learning rate; trial 1 diverges; trial 2 is well."""
    space = "train.lr: {choice: [10.0, 1.0e-3]}\n"
    return swept(tmp_path_factory.mktemp("mixed"), space, "trials=3")


def failure(sweep: Sweep, trial: int) -> str:
    """Give the cause that the journal tells of a failed trial."""
    (cause,) = [entry["cause"] for entry in journal(sweep) if entry["event"] == "failed" and entry["trial"] == trial]
    return str(cause)


def test_a_sweep_goes_on_after_a_trial_that_diverged(mixed: Sweep) -> None:
    assert mixed.finished.status == 0, mixed.finished.err
    assert mixed.finished.err == ""
    assert "Best: trial 0" in mixed.finished.out
    assert ends(mixed) == {0: "completed", 1: "failed", 2: "completed"}


def test_the_journal_and_the_screen_tell_epoch_and_cause(mixed: Sweep) -> None:
    cause = failure(mixed, 1)
    epoch, _, what = cause.partition(": ")
    assert epoch == "epoch 2"
    assert "finite" in what or "overflows" in what or "nan" in what or "inf" in what
    assert cause in " ".join(mixed.finished.out.split())
    assert cause.split(": ")[1] in (mixed.folder / "00001" / "error.txt").read_text()


def test_its_run_has_failed_with_the_cause_and_the_finite_epochs(mixed: Sweep) -> None:
    # Statuses, tags and steps of all runs: the healthy ones are FINISHED, the diverged one FAILED after epoch 1.
    assert_read_back(mixed, "val/twin_eer", space="wild", dataset="synthetic")
    run = mixed.store.trials()[1]
    assert run.info.status == "FAILED"
    assert run.data.tags["trial_state"] == "failed"
    assert run.data.tags["cause"] == failure(mixed, 1)
    assert mixed.store.steps(run, "train/loss") == [1]
    assert all(math.isfinite(value) for value in run.data.metrics.values())
    assert "cause" not in mixed.store.trials()[0].data.tags


def test_what_people_read_has_its_finite_epochs_only(mixed: Sweep) -> None:
    def only_numbers(word: str) -> None:
        raise AssertionError(f"{word} in metrics.jsonl")

    lines = (mixed.folder / "00001" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=only_numbers)["epoch"] for line in lines] == [1]


def test_optuna_knows_it_as_failed_and_holds_no_trial_open(mixed: Sweep) -> None:
    plan = make_plan(TuneOptions.model_validate({"resume": "wild", "output": mixed.folder.parent}), {})
    state = open_state(plan)
    try:
        trials = state._study.trials  # type: ignore[attr-defined]
        assert [trial.state for trial in trials] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    finally:
        state.close()


def test_when_all_trials_fail_the_sweep_fails_and_names_the_first_cause(tmp_path: Path) -> None:
    space = "train.head_lr_factor: {choice: [1.0, 2.0]}\n"
    sweep = swept(tmp_path, space, "trials=2", "train.lr=10")
    assert sweep.finished.status == 1, sweep.finished.err
    assert ends(sweep) == {0: "failed", 1: "failed"}
    assert {run.info.status for run in sweep.store.runs()} == {"FAILED"}
    assert len(sweep.store.runs()) == 3
    told = (sweep.finished.out + sweep.finished.err).strip().splitlines()[-1]
    assert told.endswith(f"All 2 trials failed; the first: {failure(sweep, 0)}")


def test_a_single_training_that_diverges_fails_and_so_does_its_run(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    words = ("threads=1", "train.lr=10", f"tracking={store.uri}", "output=out", "cache=cache")
    done = call("train", *WILD, *words, cwd=tmp_path)
    assert done.status == 1, done.err
    (run,) = store.runs("twin-verification-training")
    assert (run.info.status, run.data.tags["trial_state"]) == ("FAILED", "failed")
    epoch, _, what = run.data.tags["cause"].partition(": ")
    assert epoch == "epoch 2"
    assert what in " ".join((done.out + done.err).split())
    assert store.steps(run, "train/loss") == [1]
