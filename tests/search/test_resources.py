"""How many trials run at once, on what, and what cannot be given."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinverify.errors import UserError
from twinverify.search import resources
from twinverify.search.options import TuneOptions
from twinverify.search.resources import Resources, plan_resources


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "count_gpus", lambda: 0)


def planned(monkeypatch: pytest.MonkeyPatch, found: int, **options: Any) -> Resources:
    monkeypatch.setattr(resources, "count_gpus", lambda: found)
    return plan_resources(TuneOptions.model_validate(options))


@pytest.mark.parametrize(
    ("found", "options", "cores", "share", "slots"),
    [
        # Without GPUs: a core a trial.
        (0, {"cpus": 2}, 1, 0, 2),
        (0, {"cpus": 8, "cpus_per_trial": 3}, 3, 0, 2),
        (0, {"cpus": 2, "cpus_per_trial": 0.5}, 0.5, 0, 4),
        (0, {"cpus": 8, "concurrency": 3}, 1, 0, 3),
        (0, {"cpus": 8, "gpus_per_trial": 0}, 1, 0, 8),
        # A GPU a trial unless said otherwise, with an equal share of the cores.
        (1, {"cpus": 8}, 8, 1, 1),
        (2, {"cpus": 9}, 4, 1, 2),
        (4, {"cpus": 16, "gpus_per_trial": 2}, 8, 2, 2),
        (3, {"cpus": 16, "gpus_per_trial": 2}, 16, 2, 1),
        # Shares of a GPU; one below 1 never spans two.
        (1, {"cpus": 8, "gpus_per_trial": 0.25}, 2, 0.25, 4),
        (2, {"cpus": 16, "gpus_per_trial": 0.3}, 2, 0.3, 6),
        (2, {"cpus": 16, "gpus_per_trial": 0.6}, 8, 0.6, 2),
        (1, {"cpus": 10, "gpus_per_trial": 0.1}, 1, 0.1, 10),
        (1, {"cpus": 3, "gpus_per_trial": 1 / 3}, 1, 1 / 3, 3),
        (1, {"cpus": 3, "gpus_per_trial": 0.3333}, 1, 0.3333, 3),
        # Whichever is short, cores or GPUs, sets the limit.
        (1, {"cpus": 2, "gpus_per_trial": 0.25}, 1, 0.25, 2),
        (1, {"cpus": 8, "gpus_per_trial": 0.25, "cpus_per_trial": 4}, 4, 0.25, 2),
        (2, {"cpus": 8, "gpus_per_trial": 0}, 1, 0, 8),
        # Logical GPUs, as tests use them.
        (0, {"gpus": 1, "gpus_per_trial": 0.25, "cpus": 5}, 1, 0.25, 4),
        (0, {"gpus": 1, "cpus": 4}, 4, 1, 1),
        (4, {"gpus": 1, "cpus": 4}, 4, 1, 1),
        (1, {"gpus": 0, "cpus": 4}, 1, 0, 4),
    ],
)
def test_options_become_slots(
    monkeypatch: pytest.MonkeyPatch, found: int, options: dict[str, Any], cores: float, share: float, slots: int
) -> None:
    plan = planned(monkeypatch, found, **options)
    assert (plan.cpus_per_trial, plan.gpus_per_trial, plan.slots) == (cores, share, slots)
    assert plan.cpus == options["cpus"]
    assert plan.gpus == options.get("gpus", found)


@pytest.mark.parametrize(
    ("found", "options", "told"),
    [
        (0, {"gpus_per_trial": 0.25}, r"gpus_per_trial=0\.25: this machine has no GPU; leave it out, or .* gpus=N"),
        (1, {"gpus": 0, "gpus_per_trial": 1}, "no GPU"),
        (1, {"gpus_per_trial": 2}, "gpus_per_trial=2: only 1 GPU to share; allowed: 0 to 1"),
        (2, {"gpus_per_trial": 4}, "gpus_per_trial=4: only 2 GPUs to share; allowed: 0 to 2"),
        (0, {"cpus": 2, "cpus_per_trial": 3}, "cpus_per_trial=3: only 2 cores to share; allowed: up to 2"),
        (
            0,
            {"cpus": 2, "concurrency": 3},
            "concurrency=3: only 2 trials .* fit into 2 cores and 0 GPUs; allowed: 1 to 2",
        ),
        (
            1,
            {"cpus": 8, "gpus_per_trial": 0.25, "concurrency": 5},
            "concurrency=5: only 4 trials of 2 cores and 0.25 GPU",
        ),
    ],
)
def test_what_the_machine_cannot_give_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: int, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        planned(monkeypatch, found, **options)


@given(
    gpus=st.integers(0, 8),
    cpus=st.integers(1, 64),
    share=st.one_of(st.just("auto"), st.just(0.0), st.floats(0.01, 1), st.integers(1, 8)),
    cores=st.one_of(st.none(), st.floats(0.1, 64)),
)
def test_what_is_given_never_exceeds_what_is_there(
    gpus: int, cpus: int, share: float | str, cores: float | None
) -> None:
    options = TuneOptions.model_validate({"gpus": gpus, "cpus": cpus, "gpus_per_trial": share, "cpus_per_trial": cores})
    try:
        plan = plan_resources(options)
    except UserError:
        return
    assert plan.slots >= 1
    assert plan.threads >= 1
    # Ray counts in steps of 1/10,000, so that three thirds make one.
    assert plan.slots * plan.cpus_per_trial <= cpus + 1e-3
    assert plan.slots * plan.gpus_per_trial <= gpus * 1.001
    assert plan_resources(options.model_copy(update={"concurrency": plan.slots})) == plan


@pytest.mark.usefixtures("no_gpu")
def test_the_cores_of_this_process_are_counted_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert plan_resources(TuneOptions()).slots == 3


@pytest.mark.usefixtures("no_gpu")
def test_systems_that_do_not_tell_affinity_count_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    assert plan_resources(TuneOptions()).slots == 6


@pytest.mark.parametrize(("cores", "threads"), [(0.5, 1), (1.0, 1), (1.9, 1), (4.0, 4)])
def test_a_trial_computes_with_its_whole_cores(cores: float, threads: int) -> None:
    assert Resources(cpus=8, gpus=0, cpus_per_trial=cores, gpus_per_trial=0, slots=1).threads == threads
