"""What is seen of an audit: how far it is, and what it found."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from twinverify.errors import counted
from twinverify.reports.console import counted_bar
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
    with counted_bar(console) as told:
        yield lambda part, done, total: told(done, total, f"{name}: {part}")
