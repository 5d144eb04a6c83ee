"""Makes the page of a sweep from its folder, running or ended; nothing but the page is written there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import optuna
import plotly.graph_objects as go

from twinverify.durable import told_if_disk_fails, write_text
from twinverify.reports.page.curves import PROTOCOLS, Curve, Protocol, curve, det_plot, roc_plot
from twinverify.reports.page.fidelity import fidelity
from twinverify.reports.page.hardest import hardest
from twinverify.reports.page.head import head, made
from twinverify.reports.page.histograms import histograms, twin_threshold
from twinverify.reports.page.history import history
from twinverify.reports.page.html import Group, render
from twinverify.reports.page.importance import importance, importances
from twinverify.reports.page.leaders import leaders
from twinverify.reports.page.learning import learning
from twinverify.reports.page.pair_of_settings import contour, slices
from twinverify.reports.page.parallel import parallel
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.settings_study import settings_study
from twinverify.reports.page.slots import slots
from twinverify.reports.page.told import Plot, Sweep
from twinverify.reports.scored import read_scores
from twinverify.search.fidelity import audit_fidelity
from twinverify.verification.family_scores import FamilyScores
from twinverify.verification.resampling import Resampling

PAGE_FILE: Final = "report.html"
#: Drawings of the families for a band.
_ROUNDS: Final = 1000
_PROJECTED: Final = (
    "Trials that were stopped early stand here at the value that they would have reached had they gone on as the"
    " completed ones did on average; otherwise these figures would show when trials were stopped, not what their"
    " settings do."
)


@dataclass(frozen=True)
class Page:
    """A page that was made and is not written yet.

    Attributes:
        path: where it goes.
        html: its text.
        figures: its figures by name; those with nothing to draw are left out.
    """

    path: Path
    html: str
    figures: Mapping[str, go.Figure]

    def write(self) -> Path:
        """Write it, and give where it lies.

        Raises:
            UserError: it cannot be written.
        """
        with told_if_disk_fails(self.path):
            write_text(self.path, self.html)
        return self.path


def write_page(folder: Path, *, faces: bool = False) -> Path:
    """Write `report.html` into a sweep's folder: see `make_page`."""
    return make_page(folder, faces=faces).write()


def make_page(folder: Path, *, faces: bool = False) -> Page:
    """Make the page of a sweep.

    Args:
        folder: the sweep's.
        faces: whether photographs of people may be in it; those of the synthetic twins always are.

    Raises:
        UserError: the folder holds no sweep, or its journal is damaged.
    """
    sweep = sweep_in(folder)
    scores = _scores(sweep)
    best = scores.get("best")
    groups = _groups(sweep, scores)
    pairs = hardest(sweep, None if best is None else twin_threshold(best), faces=faces)
    html = render(head(sweep), leaders(sweep), groups, pairs, made(sweep, datetime.now(UTC)))
    return Page(folder / PAGE_FILE, html, _drawn(groups))


def _drawn(groups: Sequence[Group]) -> dict[str, go.Figure]:
    plots = (plot for group in groups for plot in group.plots)
    return {plot.name: plot.figure for plot in plots if plot.figure is not None}


def _groups(sweep: Sweep, scores: dict[str, FamilyScores]) -> list[Group]:
    study = settings_study(sweep)
    # Where nothing stops a trial early, nobody asks whether that was right.
    stopping = [fidelity(audit_fidelity(sweep.state, sweep.rungs))] if sweep.rungs else []
    return [
        Group("search", "The search", "", [history(sweep), learning(sweep), *stopping, slots(sweep)]),
        Group("settings", "The settings", _PROJECTED if sweep.in_state("pruned") else "", _settings(sweep, study)),
        Group("verification", "Verification", "", _verification(sweep, scores)),
    ]


def _settings(sweep: Sweep, study: optuna.Study) -> list[Plot]:
    found = importances(study)
    return [
        importance(found, study),
        slices(sweep, study, found),
        contour(sweep, study, found),
        parallel(sweep, study, found),
    ]


def _verification(sweep: Sweep, scores: dict[str, FamilyScores]) -> list[Plot]:
    plots = []
    for protocol in PROTOCOLS:
        curves = _curves(sweep, scores, protocol)
        plots += [det_plot(protocol, curves), roc_plot(protocol, curves)]
    return [*plots, histograms(scores.get("best"), sweep.best and sweep.best.trial.number)]


def _curves(sweep: Sweep, scores: dict[str, FamilyScores], protocol: Protocol) -> dict[str, Curve]:
    number = sweep.best.trial.number if sweep.best else 0
    names = {"best": f"best (trial {number})" if number else "best (the default)", "default": "default"}
    found = {names[who]: curve(each, protocol, Resampling.draw(each, _ROUNDS)) for who, each in scores.items()}
    return {name: each for name, each in found.items() if each is not None}


def _scores(sweep: Sweep) -> dict[str, FamilyScores]:
    numbers = {"best": sweep.best, "default": sweep.default if sweep.default is not sweep.best else None}
    found = {who: read_scores(sweep.folder, each) for who, each in numbers.items() if each}
    return {who: each for who, each in found.items() if each is not None}
