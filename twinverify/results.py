"""What a sweep gets once it has ended: its best model to use, its page, and both at the sweep's own MLflow run.

Whatever fails here is told in a line and made again by the next `tune resume=NAME`; the sweep stays as it is.
"""

import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from twinverify.durable import remove, write_text
from twinverify.errors import UserError
from twinverify.reports.board import Board
from twinverify.reports.board_table import board_markdown, board_table
from twinverify.search.sweep import Outcome
from twinverify.search.tracked import description
from twinverify.tracking.address import resolve_tracking

#: Where the figures lie at the run, one JSON file each: `plotly.io.read_json` opens them.
_FIGURES: Final = "figures/{}.json"


def make_results(outcome: Outcome, board: Board | None = None) -> Iterator[str]:
    """Make what a sweep with a result gets; an interrupted one gets it when it has gone on to its end.

    Args:
        outcome: the sweep as it ended.
        board: its leaderboard, to be put there too.

    Yields:
        A line for each thing made, and for each that could not be made.
    """
    if outcome.interrupted or outcome.state.best() is None:
        return
    wanted: list[tuple[str, Callable[[Outcome], Iterator[str]]]] = []
    if board is not None:
        wanted.append(("leaderboard", partial(_leaderboard, board)))
    if outcome.plan.options.results:
        wanted += [("model", _best_model), ("report", _page)]
    for name, make in wanted:
        try:
            yield from make(outcome)
        except UserError as error:
            yield f"Note: no {name}: {error}"
        except Exception as error:  # a sweep of days does not end in the traceback of a picture
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            yield f"Note: no {name}: {told}{_details(outcome, name)}"
        else:
            remove(_error_file(outcome, name))


def _details(outcome: Outcome, name: str) -> str:
    """Keep the traceback, and say where."""
    path = _error_file(outcome, name)
    try:
        write_text(path, traceback.format_exc())
    except OSError:
        return ""
    return f" (all of it: {path})"


def _error_file(outcome: Outcome, name: str) -> Path:
    return outcome.plan.folder / f"{name}_error.txt"


def _leaderboard(board: Board, outcome: Outcome) -> Iterator[str]:
    """Put the leaderboard at the sweep's own run; nothing of it is kept here, where the journal tells it all."""

    def deliver(uri: str) -> str | None:
        from twinverify.tracking.attach import at_own_run, described, table

        plan = outcome.plan
        works = [
            table("leaderboard.json", *board_table(board)),
            described(f"{board_markdown(board)}\n\n{description(plan)}"),
        ]
        return at_own_run(uri, plan.options.experiment, plan.sweep_id, works)

    yield from _delivered(outcome, "leaderboard", deliver)


def _best_model(outcome: Outcome) -> Iterator[str]:
    # torch and MLflow take seconds to import, which nothing before needs.
    from twinverify.serving.folder import write_best_folder

    folder = write_best_folder(outcome.plan.folder)
    if folder is None:
        return
    yield f"Its model:                    {folder}"

    def deliver(uri: str) -> str | None:
        from twinverify.serving.log import attach_model

        return attach_model(folder, uri, outcome.plan.options.experiment, outcome.plan.sweep_id)

    yield from _delivered(outcome, "model", deliver)


def _page(outcome: Outcome) -> Iterator[str]:
    # Plotly takes seconds too.
    from twinverify.reports.page.write import make_page

    plan = outcome.plan
    page = make_page(plan.folder)
    path = page.write()
    yield f"The report:                   {path}"

    def deliver(uri: str) -> str | None:
        from twinverify.tracking.attach import at_own_run, attach

        figures = {_FIGURES.format(name): figure.to_json() for name, figure in page.figures.items()}
        return at_own_run(uri, plan.options.experiment, plan.sweep_id, [attach({path.name: path, **figures})])

    yield from _delivered(outcome, "report", deliver)


def _delivered(outcome: Outcome, name: str, deliver: Callable[[str], str | None]) -> Iterator[str]:
    """Put what was made at the sweep's own run, and tell only if that cannot be."""
    # Where MLflow lacks something already, a line has told how to deliver it, and that makes this anew too.
    if outcome.undelivered is not None:
        return
    try:
        uri = resolve_tracking(outcome.plan.options.tracking, must_answer=False)
        reason = None if uri is None else deliver(uri)
    except UserError as error:
        reason = str(error)
    if reason is not None:
        yield f"Note: the {name} is not at the sweep's MLflow run ({reason}); resuming the sweep tries again"
