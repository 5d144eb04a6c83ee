"""What is seen of an audit: how far it is, and what it found."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from twinverify.errors import counted
from twinverify.search.audit.audit import Audit, Progress

#: Lines that a screen shows at once.
_MOST = 20


def check_lines(audit: Audit) -> list[str]:
    """Give what an audit found, in lines: what to know first, then the differences, or that there are none."""
    what = f"{counted(audit.trials, 'trial')}, {counted(audit.reports, 'report')}"
    compared = "journal, files and MLflow" if audit.tracked else "journal and files"
    if not audit.differences:
        without = "" if audit.tracked else " (tracking is off: no MLflow runs)"
        return [*audit.notes, f"Sweep {audit.name}: {what}: {compared} agree{without}."]
    found = [str(difference) for difference in audit.differences]
    more = [f"and {len(found) - _MOST} more"] if len(found) > _MOST else []
    return [*audit.notes, f"Sweep {audit.name}: {what}: {counted(len(found), 'difference')}:", *found[:_MOST], *more]


def checks_as_json(audits: Sequence[Audit]) -> str:
    """Give all that audits found as JSON: a list with an object for each sweep."""
    return json.dumps([dataclasses.asdict(audit) for audit in audits], indent=1)


@contextmanager
def progress_bar(console: Console, name: str) -> Iterator[Progress]:
    """Show on a terminal how far the audit of a sweep is."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)

        def show(part: str, done: int, total: int) -> None:
            bars.update(task, description=f"{name}: {part}", completed=done, total=total)

        yield show
