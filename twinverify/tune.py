"""`python -m twinverify.tune`: search DCAL hyperparameters with Ray Tune and Optuna, tracked in MLflow."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from shlex import quote

from twinverify.environment import prepare

prepare()

from twinverify.interrupt import Stop, quit_quietly, stoppable  # noqa: E402

if __name__ == "__main__":
    quit_quietly()

from rich.console import Console  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.errors import UserError  # noqa: E402
from twinverify.reports.board import Board, boards  # noqa: E402
from twinverify.reports.console import open_console  # noqa: E402
from twinverify.reports.leaderboard import leaderboard, verdict  # noqa: E402
from twinverify.reports.live import LiveTable  # noqa: E402
from twinverify.reports.words import duration  # noqa: E402
from twinverify.results import make_results  # noqa: E402
from twinverify.search.disk import predict  # noqa: E402
from twinverify.search.options import TuneOptions  # noqa: E402
from twinverify.search.past import PastSweep  # noqa: E402
from twinverify.search.plan import SweepPlan, make_plan  # noqa: E402
from twinverify.search.preflight import check_dashboard, check_training  # noqa: E402
from twinverify.search.stored import is_sweep  # noqa: E402
from twinverify.search.sweep import Outcome, run_sweep  # noqa: E402
from twinverify.search.tracked import check_tracking, open_courier  # noqa: E402
from twinverify.tracking.address import resolve_tracking  # noqa: E402
from twinverify.tracking.large_store import advice  # noqa: E402
from twinverify.tracking.tensorboard import check_tensorboard  # noqa: E402

EXAMPLES = (
    "python -m twinverify.tune space=glca_heads",
    "python -m twinverify.tune space=glca_heads data=/data/nd_twins config=vit_base_448 trials=100"
    " gpus_per_trial=0.5 budget=48h",
    "python -m twinverify.tune space=optim name=long epochs=40 model.glca.blocks=0",
    "python -m twinverify.tune resume=glca_heads trials=150",
)


def main(argv: Sequence[str]) -> int:
    """Run or continue a sweep and give the exit status: 0 done, 1 no result or not delivered, 130 interrupted."""
    options, overrides = parse("tune", TuneOptions, argv, summary=__doc__ or "", examples=EXAMPLES)
    plan = make_plan(options, overrides)
    check_tensorboard(plan.options.tensorboard)
    check_training(plan.config)
    check_dashboard(plan.options.dashboard)
    away = check_tracking(plan)
    console = open_console()
    for note in (*plan.split.train.notes, *plan.notes, *([away] if away else [])):
        console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
    if plan.goes_on:
        console.print(f"Going on with sweep {plan.name} in {plan.folder}", markup=False, soft_wrap=True)
    console.print(str(predict(plan)), markup=False, highlight=False, soft_wrap=True)
    with stoppable(lambda: f"Interrupted; continue with:   {_again(plan)}") as stop:
        outcome = run_sweep(plan, LiveTable(console), open_courier)
        board = _tell(console, outcome, stop)
        for line in make_results(outcome, board):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if outcome.interrupted:
        return 130
    return 0 if outcome.state.best() and not outcome.undelivered else 1


def _tell(console: Console, outcome: Outcome, stop: Stop) -> Board:
    """Print what came out, and how to go on; gives the leaderboard."""
    plan, state = outcome.plan, outcome.state
    past = PastSweep(plan.folder, plan.stored(), state)
    board = _board(past, outcome)
    console.print()
    if state.best() is not None:
        console.print(leaderboard(board, f"Leaderboard of {plan.name}", width=console.width))
    took = f"{sum(trial.state != 'running' for trial in state.trials)} trials done, {duration(outcome.seconds)}. "
    lines = []
    if outcome.interrupted:
        lines.append(f"Interrupted; continue with:   {_again(plan)}")
    if state.best() is not None:
        lines.append(f"Its configuration:            {plan.folder / 'best.yaml'}")
    if plan.options.tracking != "off":
        tracking = f" tracking={quote(plan.options.tracking)}" if plan.options.tracking else ""
        lines.append(f"Look at the trials in MLflow: python -m twinverify.ui sweep={plan.name}{tracking}")
    if plan.options.tensorboard:
        lines.append(f"Curves in TensorBoard:        tensorboard --logdir {quote(str(plan.folder))}")
    if not outcome.interrupted and state.best() is not None:
        lines.append(f"Search on:                    {_again(plan)} trials={2 * plan.options.trials}")
    if large := _advice(plan):
        lines.append(f"Note: {large}")
    if outcome.undelivered:
        lines.append(f"Not delivered to MLflow: {outcome.undelivered}; deliver later with: {_again(plan)}")
    # A cause of failure stands last, where it is seen.
    lines = [took + verdict(board), *lines] if state.best() is not None else [*lines, took + verdict(board)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    if outcome.interrupted:
        stop.told()
    return board


def _board(past: PastSweep, outcome: Outcome) -> Board:
    """Give the leaderboard: without intervals for whoever interrupts and does not wait, or where they fail."""
    if not outcome.interrupted:
        try:
            return boards([past])[0]
        except Exception:
            logging.getLogger(__name__).warning("no intervals:", exc_info=True)
    return Board([past], {})


def _advice(plan: SweepPlan) -> str | None:
    with suppress(UserError):
        uri = resolve_tracking(plan.options.tracking, must_answer=False)
        return advice(uri) if uri else None
    return None


def _again(plan: SweepPlan) -> str:
    """Give the command that goes on with the sweep."""
    if not is_sweep(plan.folder):
        return "the same command"
    output = plan.options.output
    return f"python -m twinverify.tune resume={plan.name}" + (f" output={quote(str(output))}" if output else "")


if __name__ == "__main__":
    run(main)
