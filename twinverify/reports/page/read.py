"""Reads a sweep's folder for the page; the sweep may be running, and nothing is written."""

from pathlib import Path

from twinverify.reports.page.scored import evidence
from twinverify.reports.page.told import Sweep
from twinverify.search.past import read_past, runner
from twinverify.search.space import parse_space
from twinverify.search.stored import read_known


def sweep_in(folder: Path) -> Sweep:
    """Read what is drawn of a sweep.

    Raises:
        UserError: what it was started with, or its journal, is missing or damaged.
    """
    known, past = read_known(folder), read_past(folder)
    space = parse_space(known.space, Path(known.sweep.options.space or folder.name), known.sweep.config)
    return Sweep(
        folder=folder,
        stored=past.stored,
        space=space,
        state=past.state,
        evidence=evidence(past),
        is_running=runner(folder) is not None,
    )
