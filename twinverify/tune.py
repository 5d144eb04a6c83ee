"""`python -m twinverify.tune`: search DCAL hyperparameters with Ray Tune and Optuna, tracked in MLflow."""

import sys
from collections.abc import Sequence
from shlex import quote

from twinverify.environment import prepare

prepare()

from rich.console import Console  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.interrupt import stoppable  # noqa: E402
from twinverify.reports.leaderboard import leaderboard, verdict  # noqa: E402
from twinverify.reports.live import LiveTable  # noqa: E402
from twinverify.reports.words import duration  # noqa: E402
from twinverify.search.options import TuneOptions  # noqa: E402
from twinverify.search.plan import make_plan  # noqa: E402
from twinverify.search.preflight import check_training  # noqa: E402
from twinverify.search.sweep import Outcome, run_sweep  # noqa: E402
from twinverify.search.tracked import check_tracking, open_runs  # noqa: E402

EXAMPLES = (
    "python -m twinverify.tune space=glca_heads",
    "python -m twinverify.tune space=glca_heads data=/data/nd_twins config=vit_base_448 trials=100"
    " gpus_per_trial=0.5 budget=48h",
    "python -m twinverify.tune space=optim name=long epochs=40 model.glca.blocks=0",
    "python -m twinverify.tune resume=glca_heads trials=150",
)


def main(argv: Sequence[str]) -> int:
    """Run or continue a sweep and give the exit status: 0 done, 130 interrupted."""
    options, overrides = parse("tune", TuneOptions, argv, summary=__doc__ or "", examples=EXAMPLES)
    plan = make_plan(options, overrides)
    check_tracking(plan)
    check_training(plan.config)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    for note in (*plan.split.train.notes, *plan.notes):
        console.print(f"Note: {note}", markup=False)
    if plan.goes_on:
        console.print(f"Going on with sweep {plan.name} in {plan.folder}", markup=False, soft_wrap=True)
    with stoppable():
        outcome = run_sweep(plan, LiveTable(console), open_runs)
    _tell(console, outcome)
    if outcome.interrupted:
        return 130
    return 0 if outcome.state.best() else 1


def _tell(console: Console, outcome: Outcome) -> None:
    """Print what came out, and how to go on."""
    plan, state = outcome.plan, outcome.state
    console.print()
    if state.best() is not None:
        console.print(leaderboard(state, f"Leaderboard of {plan.name}", width=console.width))
    took = f"{sum(trial.state != 'running' for trial in state.trials)} trials done, {duration(outcome.seconds)}. "
    lines = []
    if outcome.interrupted:
        lines.append(f"Interrupted; continue with:   {_again(outcome)}")
    if state.best() is not None:
        lines.append(f"Its configuration:            {plan.folder / 'best.yaml'}")
    if plan.options.tracking != "off":
        tracking = f" tracking={quote(plan.options.tracking)}" if plan.options.tracking else ""
        lines.append(f"Look at the trials in MLflow: python -m twinverify.ui sweep={plan.name}{tracking}")
    if not outcome.interrupted and state.best() is not None:
        lines.append(f"Search on:                    {_again(outcome)} trials={2 * plan.options.trials}")
    # A cause of failure stands last, where it is seen.
    lines = [took + verdict(state), *lines] if state.best() is not None else [*lines, took + verdict(state)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _again(outcome: Outcome) -> str:
    """Give the command that goes on with the sweep."""
    output = outcome.plan.options.output
    return f"python -m twinverify.tune resume={outcome.plan.name}" + (f" output={quote(str(output))}" if output else "")


if __name__ == "__main__":
    run(main)
