"""Ray Tune as the one who runs trials: it asks our state what to draw and when to stop, and decides nothing itself."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twinverify.durable import disk_trouble, told_if_disk_fails
from twinverify.errors import UserError
from twinverify.search.deaths import MAX_WORKER_DEATHS, Deaths
from twinverify.search.ray_ends import Aborted, AllDone, RayDied
from twinverify.search.ray_server import TOKEN, dashboard_address, running_ray
from twinverify.search.resources import Resources
from twinverify.search.state import SweepState, Trial

if TYPE_CHECKING:
    from ray.tune import Callback, Trainable

    from twinverify.search.trial import TrialTask

#: What a trial needs. A worker loads it while we import Tune, which takes as long.
TRAINING: Final = ("twinverify.search.trial", "twinverify.training.loop")
#: How often Ray is started anew after one of its servers died, without a report in between.
MAX_SERVER_DEATHS = 3


def run_trials(
    state: SweepState,
    task: "Callable[[Trial], TrialTask]",
    *,
    folder: Path,
    trials: int,
    resources: Resources,
    callbacks: "Callable[[], Sequence[Callback]]" = lambda: (),
    enough: Callable[[], bool] = lambda: False,
    measured: Callable[[int, str | None], Mapping[str, float]] = lambda *_: {},
    actor: "type[Trainable] | None" = None,
    on_death: Callable[[int, str, int], None] = lambda *_: None,
    on_restart: Callable[[str], None] = lambda _: None,
    on_dashboard: Callable[[str, Path], None] | None = None,
) -> None:
    """Start Ray, and run trials until `trials` have ended, or `enough()` says that no more shall be drawn.

    Args:
        state: draws, takes the reports, and decides.
        task: gives what a worker is told of a trial.
        folder: the sweep's, whose lock is held.
        trials: how many in all.
        resources: what a trial gets.
        callbacks: gives who is told by Ray what happens; Tune is loaded when it is called.
        enough: whether to draw no more.
        measured: gives what to add to a report, by the trial's number and the id of its GPU.
        actor: what runs a trial; `TrialActor` by itself.
        on_death: is told of a worker that died: the trial's number, why, and which of the trial's deaths it is; the
            trial goes on after its last epoch.
        on_restart: is told which of Ray's servers died; Ray is started anew, and every trial goes on.
        on_dashboard: is told where Ray's dashboard is, and in which file its token; None: there is no dashboard.

    Raises:
        UserError: no worker can live here, Ray's servers die again and again, or a disk is full.
    """

    def attempt() -> None:
        deaths = Deaths(state, on_death)
        wanted = on_dashboard is not None
        loads = TRAINING if actor is None else ()
        with running_ray(resources, folder, loads=loads, dashboard=wanted) as home, suppress(AllDone):
            if on_dashboard is not None:
                on_dashboard(dashboard_address(), home / TOKEN)
            # Not before: the workers load meanwhile.
            from ray import tune
            from ray.tune.execution import tune_controller

            from twinverify.search.ray_hooks import Actors, Pulse, StateScheduler, StateSearcher
            from twinverify.search.trial import TrialActor

            # All slots get their first trial at once; Tune would begin the second when the first one's worker is up.
            os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(resources.slots)
            vars(tune_controller)["_ActorClassCache"] = Actors
            tune.run(
                actor or TrialActor,
                name="sweep",
                search_alg=StateSearcher(state, task, deaths, trials=trials, slots=resources.slots, enough=enough),
                scheduler=StateScheduler(state, deaths, measured),
                # The searcher says when it is enough; for Ray, each new worker of a trial is a trial more.
                num_samples=(max(trials, len(state.trials)) + 1) * (MAX_WORKER_DEATHS + 1),
                reuse_actors=True,
                # Ray's CPUs are our slots.
                resources_per_trial={"cpu": 1, "gpu": resources.gpus_per_trial},
                # Ray's own way counts a death twice where it comes between two trials: the second time without appeal.
                max_failures=0,
                raise_on_failed_trial=False,
                callbacks=[Pulse(deaths), *callbacks()],
                storage_path=str(home / "tune"),
                trial_name_creator=lambda trial: f"{trial.config['trial']:05d}",
                trial_dirname_creator=lambda trial: f"{trial.config['trial']:05d}",
                verbose=0,
            )

    with told_if_disk_fails():
        try:
            _while_servers_die(attempt, state, on_restart)
        except Aborted as aborted:
            raise aborted.error from None
        except Exception as error:
            ours = _own(error)
            if ours is error:
                raise
            raise ours from None


def _while_servers_die(attempt: Callable[[], None], state: SweepState, on_restart: Callable[[str], None]) -> None:
    deaths, reports = 0, -1
    while True:
        try:
            return attempt()
        except RayDied as died:
            cause = str(died)
        so_far = sum(trial.epoch for trial in state.trials)
        deaths, reports = (deaths + 1 if so_far == reports else 1), so_far
        if deaths > MAX_SERVER_DEATHS:
            raise UserError(
                f"Ray: its server {cause} died again and again; look for what kills it (too little memory?), and"
                " continue the sweep: nothing is lost"
            )
        on_restart(cause)


def _own(error: Exception) -> Exception:
    """Give the error of ours, or of the disk, that stands behind one of Ray, which turns what it meets into text."""
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        if isinstance(behind, UserError) or (isinstance(behind, OSError) and disk_trouble(behind)):
            return behind
        seen.add(id(behind))
        behind = behind.__cause__ or behind.__context__
    return error
