"""`python -m twinverify.tune`: search DCAL hyperparameters with Ray Tune and Optuna, tracked in MLflow."""

import sys
from collections.abc import Sequence

from twinverify.environment import prepare

prepare()

from rich.console import Console  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.interrupt import stoppable  # noqa: E402
from twinverify.reports.leaderboard import leaderboard, verdict  # noqa: E402
from twinverify.reports.live import LiveTable  # noqa: E402
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
    console.print(verdict(state), markup=False, highlight=False, soft_wrap=True)
    again = f"python -m twinverify.tune resume={plan.name}"
    if plan.options.output is not None:
        again += f" output={plan.options.output}"
    lines = [f"Interrupted; continue with:   {again}"] if outcome.interrupted else []
    if (plan.folder / "best.yaml").exists():
        lines.append(f"Its configuration:            {plan.folder / 'best.yaml'}")
    if plan.options.tracking != "off":
        tracking = f" tracking={plan.options.tracking}" if plan.options.tracking else ""
        lines.append(f"Look at the trials in MLflow: python -m twinverify.ui sweep={plan.name}{tracking}")
    if not outcome.interrupted:
        lines.append(f"Search on:                    {again} trials={2 * plan.options.trials}")
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run(main)
