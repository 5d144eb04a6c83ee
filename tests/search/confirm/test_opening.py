"""The opening of the sealed test by the command itself: kills between its writes, models that cannot be scored."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console
from whole_sweep import make_whole

from twinverify import confirm
from twinverify.errors import UserError
from twinverify.search.confirm.models import models
from twinverify.search.confirm.options import ConfirmOptions
from twinverify.search.confirm.plan import plan_confirmation, write_chosen
from twinverify.search.confirm.register import FOLDER, Seal
from twinverify.search.confirm.result import Confirmed, judge
from twinverify.search.confirm.stored_test import StoredTest, read_results, result_path
from twinverify.search.files import write_plan
from twinverify.search.sweep import open_state


@pytest.fixture
def confirmed(tmp_path: Path) -> Confirmed:
    """A confirmation whose trainings have ended, each with a file where its model would be."""
    sweep = make_whole(tmp_path, trials=3, tracking="off")
    given = {"names": [sweep.plan.name], "output": sweep.folder.parent, "top": 1, "seeds": 2, "gpus": 0}
    confirmation = plan_confirmation(ConfirmOptions.model_validate(given))
    write_chosen(confirmation)
    write_plan(confirmation.plan)
    state = open_state(confirmation.plan)
    state.plan(confirmation.plan.stored().model_dump(mode="json"), confirmation.plan.space.text)
    while len(state.trials) < 4 and (trial := state.draw()) is not None:
        for epoch in range(1, confirmation.plan.config.train.epochs + 1):
            state.report(trial.number, epoch, {state.objective: 0.4 - 0.05 * (trial.number % 2) + 0.01 * trial.number})
    state.close()
    found = judge(confirmation, state)
    for place in (0, 1):
        for path in models(found, place):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"a model")
    return found


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Embeddings by chance in place of models; `bad`: one of them is NaN."""
    told = SimpleNamespace(bad=False)

    def embed(model: Any, faces: Any, hardware: Any) -> np.ndarray:
        found = np.random.default_rng(0).standard_normal((len(faces), 8)).astype(np.float32)
        found[0] = np.nan if told.bad else found[0]
        return found

    monkeypatch.setattr("twinverify.training.evaluate.embed_faces", embed)
    nobody = SimpleNamespace(to=lambda device: None)
    monkeypatch.setattr("twinverify.training.checkpoint.read_model", lambda path: nobody)
    return told


def open_it(confirmed: Confirmed, *, again: bool = False) -> tuple[bool, str]:
    """Give whether all could be scored, and what was printed."""
    seal = confirm._seal(confirmed.confirmation)
    seal.refuse_if_opened(confirmed.confirmation.of.stored.sweep_id, again=again)
    console = Console(file=io.StringIO(), width=120)
    is_scored = confirm._test(console, confirmed, seal, again=again)
    return is_scored, console.file.getvalue()


def openings(confirmed: Confirmed) -> list[StoredTest]:
    return read_results(result_path(confirmed.confirmation)).tests


def register(confirmed: Confirmed) -> list[dict[str, Any]]:
    (path,) = (confirmed.confirmation.of.folder.parent / FOLDER).glob("*.yaml")
    return yaml.safe_load(path.read_text())["openings"]


def test_result_and_register_agree_on_a_finished_opening(confirmed: Confirmed, scores: SimpleNamespace):
    is_scored, told = open_it(confirmed)
    (test,) = openings(confirmed)
    assert is_scored
    assert "Sealed test (" in told
    assert test.winner is not None
    assert test.opening.finished is not None
    assert register(confirmed) == [test.opening.model_dump(mode="json")]


@pytest.mark.parametrize("after", [False, True], ids=["before the register", "after the register"])
def test_a_kill_once_the_result_is_written_leaves_no_opening_without_an_end(
    confirmed: Confirmed, scores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, after: bool
):
    finish = Seal.finish

    def killed(seal: Seal, opening: Any) -> Any:
        if after:
            finish(seal, opening)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Seal, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            open_it(confirmed)
    (first,) = openings(confirmed)
    assert first.opening.finished is not None
    assert first.winner is not None
    if after:
        with pytest.raises(UserError, match="opened already"):
            open_it(confirmed)
    else:
        open_it(confirmed)
    (test,) = openings(confirmed)
    assert test.winner == first.winner
    assert register(confirmed) == [test.opening.model_dump(mode="json")]


def test_a_model_that_cannot_be_scored_is_the_result_of_the_opening(confirmed: Confirmed, scores: SimpleNamespace):
    scores.bad = True
    is_scored, told = open_it(confirmed)
    (test,) = openings(confirmed)
    assert not is_scored
    assert (test.winner, test.default) == (None, None)
    assert test.opening.finished is not None
    trial, seed = confirmed.confirmation.chosen[confirmed.winner].trial, confirmed.confirmation.seeds[0]
    assert f"trial {trial} with seed {seed}: embeddings: 1 of " in str(test.not_scorable)
    assert str(test.not_scorable) in told
    with pytest.raises(UserError, match="opened already"):
        open_it(confirmed)
    scores.bad = False
    assert open_it(confirmed, again=True)[0]
    assert [each.opening.number for each in openings(confirmed)] == [1, 2]


def test_an_opening_that_a_user_can_mend_stays_to_be_finished(
    confirmed: Confirmed, scores: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
):
    with monkeypatch.context() as patched:
        patched.setattr(confirm, "score", _refused)
        with pytest.raises(UserError, match="cannot be read"):
            open_it(confirmed)
    assert open_it(confirmed)[0]
    assert [each.opening.number for each in openings(confirmed)] == [1]


def _refused(*_: Any, **__: Any) -> Any:
    raise UserError("data faces: p01/0.png cannot be read (not an image). Restore it")


def test_another_deal_of_the_people_is_no_fresh_test(confirmed: Confirmed, scores: SimpleNamespace):
    open_it(confirmed)
    output = confirmed.confirmation.of.folder.parent
    people = confirm._seal(confirmed.confirmation)._people
    with pytest.raises(
        UserError, match=rf"1 of its 2 people have been met .* by sweep {confirmed.confirmation.of.name}"
    ):
        Seal(output, "another", people=[people[0], "a stranger"]).refuse_if_opened("of another sweep", again=False)


def test_what_was_confirmed_is_delivered_though_the_test_is_refused(
    confirmed: Confirmed, monkeypatch: pytest.MonkeyPatch
):
    confirmation = confirmed.confirmation
    delivered: list[bool] = []
    state = SimpleNamespace(running=[], trials=[None] * confirmation.plan.options.trials)
    outcome = SimpleNamespace(interrupted=False, state=state, undelivered=None, seconds=1.0)
    monkeypatch.setattr(confirm, "run_sweep", lambda *_: outcome)
    monkeypatch.setattr(confirm, "judge", lambda *_: confirmed)
    monkeypatch.setattr(confirm, "_test", _refused)
    written = confirmation.plan.folder / "confirmed.yaml"
    monkeypatch.setattr(confirm, "deliver", lambda _: delivered.append(written.exists()))
    output = confirmation.of.folder.parent
    with pytest.raises(UserError, match="cannot be read"):
        confirm.main([confirmation.of.name, f"output={output}", "gpus=0"])
    assert delivered == [True]
