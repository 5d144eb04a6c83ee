import json
from pathlib import Path
from typing import Any

import pytest
from whole_sweep import WholeSweep, make_whole

from twinverify.errors import UserError
from twinverify.search.confirm.options import ConfirmOptions
from twinverify.search.confirm.plan import Confirmation, plan_confirmation, write_chosen
from twinverify.search.confirm.result import Confirmed, NothingToCompareError, judge, overlap
from twinverify.search.files import trial_config, write_plan
from twinverify.search.lock import locked
from twinverify.search.state import SweepState
from twinverify.search.sweep import open_state


@pytest.fixture
def sweep(tmp_path: Path) -> WholeSweep:
    return make_whole(tmp_path, trials=6, tracking="off")


def planned(sweep: WholeSweep, **options: Any) -> Confirmation:
    given = {"names": [sweep.plan.name], "output": sweep.folder.parent, "top": 2, "seeds": 3, "gpus": 0, **options}
    return plan_confirmation(ConfirmOptions.model_validate(given))


def begun(confirmation: Confirmation) -> SweepState:
    write_chosen(confirmation)
    write_plan(confirmation.plan)
    state = open_state(confirmation.plan)
    state.plan(confirmation.plan.stored().model_dump(mode="json"), confirmation.plan.space.text)
    return state


def trained(confirmation: Confirmation, fails: tuple[int, ...] = ()) -> SweepState:
    state = begun(confirmation)
    while len(state.trials) < confirmation.plan.options.trials and (trial := state.draw()) is not None:
        if trial.number in fails:
            state.fail(trial.number, "loss is NaN")
        for epoch in range(1, confirmation.plan.config.train.epochs + 1):
            value = 0.4 - 0.05 * (trial.number % 3 == 1) + 0.01 * (trial.number // 3) + 0.001 * (epoch % 2)
            state.report(trial.number, epoch, {state.objective: value})
    return state


def test_trials_go_seed_by_seed_through_the_default_and_the_best(sweep: WholeSweep):
    confirmation = planned(sweep)
    state = begun(confirmation)
    configs = [trial_config(confirmation.plan, state.draw()) for _ in range(9)]
    assert state.draw() is None
    for number, config in enumerate(configs):
        seed, place = divmod(number, 3)
        assert confirmation.number(place, seed) == number
        assert config.seed == config.split.reshuffle == confirmation.seeds[seed]
        plain = config.model_copy(
            update={"seed": sweep.plan.config.seed, "split": config.split.model_copy(update={"reshuffle": None})}
        )
        assert plain == confirmation.config(place)
    state.close()


def test_they_run_at_full_length_and_all_models_stay(sweep: WholeSweep):
    plan = planned(sweep).plan
    assert (plan.options.scheduler, plan.options.keep, plan.options.trials) == ("none", 9, 9)
    assert plan.config.train.epochs == sweep.plan.config.train.epochs
    assert plan.objective == sweep.plan.objective


def test_the_test_side_is_the_sweeps_own(sweep: WholeSweep):
    assert planned(sweep).plan.split.test.people == sweep.plan.split.test.people
    assert planned(sweep).plan.split.validation.people != sweep.plan.split.validation.people


def test_it_goes_on_with_what_it_began_with_though_the_sweep_was_extended(sweep: WholeSweep):
    first = planned(sweep)
    begun(first).close()
    with (sweep.folder / "journal.jsonl").open("a") as journal:
        drawn = {"event": "drawn", "trial": 6, "time": 1.0, "values": {"model.glca.blocks": 2, "model.glca.heads": 1}}
        told = {"event": "reported", "trial": 6, "time": 2.0, "epoch": 1, "then": "pruned"}
        for line in (drawn, {**told, "metrics": {sweep.plan.objective: 0.01}}):
            journal.write(json.dumps(line) + "\n")
    again = planned(sweep)
    assert again.plan.goes_on
    assert (again.chosen, again.seeds, again.plan.sweep_id) == (first.chosen, first.seeds, first.plan.sweep_id)


def test_where_it_runs_may_change_what_it_is_may_not(sweep: WholeSweep):
    begun(planned(sweep)).close()
    assert planned(sweep, cpus=1).plan.options.cpus == 1
    with pytest.raises(UserError, match="seeds was 3, now 4"):
        planned(sweep, seeds=4)
    with pytest.raises(UserError, match="top was 2, now 1"):
        planned(sweep, top=1)


def test_the_number_that_was_asked_for_counts_though_the_sweep_had_fewer(sweep: WholeSweep):
    first = planned(sweep, top=40)
    begun(first).close()
    assert len(first.chosen) < 40
    assert planned(sweep, top=40).chosen == first.chosen
    with pytest.raises(UserError, match="top was 40, now 50"):
        planned(sweep, top=50)


def test_more_configurations_than_it_was_begun_with_are_refused(sweep: WholeSweep):
    begun(planned(sweep)).close()
    with pytest.raises(UserError, match="top was 2, now 10"):
        planned(sweep, top=10)


def told_before(sweep: WholeSweep, values: dict[str, Any]) -> None:
    """Add a trial as an older version's search could draw it; it is not among the best."""
    with (sweep.folder / "journal.jsonl").open("a") as journal:
        told = {"event": "reported", "trial": 6, "time": 2.0, "epoch": 1, "then": "pruned"}
        drawn = {"event": "drawn", "trial": 6, "time": 1.0, "values": values}
        for line in (drawn, {**told, "metrics": {sweep.plan.objective: 0.9}}):
            journal.write(json.dumps(line) + "\n")


@pytest.mark.parametrize("values", [{"split.seed": 3}, {"split.test": 0.4}, {"synthetic.difference": 0.4}], ids=str)
def test_a_sweep_that_drew_who_is_sealed_has_no_sealed_test(sweep: WholeSweep, values: dict[str, Any]):
    told_before(sweep, values)
    with pytest.raises(UserError, match=rf"trial 6 drew {next(iter(values))}, .*no sealed test for this sweep") as told:
        planned(sweep)
    assert "\n" not in str(told.value)
    assert not (sweep.folder / "confirm").exists()


def test_a_sweep_that_drew_another_deal_of_the_same_sides_is_confirmed(sweep: WholeSweep):
    told_before(sweep, {"split.reshuffle": 3})
    assert planned(sweep).plan.split.test.people == sweep.plan.split.test.people


def test_a_sweep_that_runs_is_refused(sweep: WholeSweep):
    with locked(sweep.folder), pytest.raises(UserError, match="still running"):
        planned(sweep)


def test_an_unknown_sweep_is_refused_with_the_nearest(sweep: WholeSweep):
    with pytest.raises(UserError, match="did you mean glca_heads"):
        planned(sweep, names=["glca_hedas"])
    with pytest.raises(UserError, match="one sweep at a time"):
        planned(sweep, names=["glca_heads", "pwca"])
    with pytest.raises(UserError, match=r"NAME is missing; sweeps in .*glca_heads"):
        planned(sweep, names=[])


def test_data_that_changed_are_refused(sweep: WholeSweep):
    journal = sweep.folder / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"data_digest":"', '"data_digest":"0'))
    journal.write_text(journal.read_text().replace('"data_digest": "', '"data_digest": "0'))
    with pytest.raises(UserError, match="could be on the sealed side"):
        planned(sweep)


def judged(sweep: WholeSweep, fails: tuple[int, ...] = ()) -> Confirmed:
    confirmation = planned(sweep)
    state = trained(confirmation, fails)
    state.close()
    return judge(confirmation, state)


def test_the_best_mean_wins_with_its_best_epochs(sweep: WholeSweep):
    found = judged(sweep)
    assert found.winner == 1
    assert found.values[1] == pytest.approx((0.35, 0.36, 0.37))
    assert found.selection.gains[1] == pytest.approx(-0.05)


def test_one_that_failed_with_a_seed_cannot_win(sweep: WholeSweep):
    found = judged(sweep, fails=(4,))
    assert found.places == (0, 2)
    assert found.winner == 0
    assert found.values[1][1] is None


def test_a_default_that_failed_leaves_nothing_to_compare(sweep: WholeSweep):
    with pytest.raises(NothingToCompareError, match=r"the default configuration failed .*training 3: loss is NaN"):
        judged(sweep, fails=(3,))


def test_the_overlap_is_that_of_the_families(sweep: WholeSweep):
    confirmation = planned(sweep)
    split = confirmation.plan.split
    assert overlap(confirmation) == pytest.approx(len(split.validation.people) / len(split.train.people))
