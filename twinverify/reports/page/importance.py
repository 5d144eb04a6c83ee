"""Which settings matter: Optuna's importances, how sure they are, and what chance alone would give.

With the few trials of a search an importance is mostly noise, and says nothing of it by itself: of 40 trials, a setting
without any effect came out with 0.24 of the whole. So two things stand beside it. Its interval comes from resampling
the trials. What chance gives comes from dealing the values among the trials anew, so that no setting has an effect.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
import optuna
import plotly.graph_objects as go
from numpy.typing import NDArray

from twinverify.reports.page.look import GREEN, GREY, RED, figure
from twinverify.reports.page.ped_anova import PedAnova
from twinverify.reports.page.told import Plot
from twinverify.verification.intervals import Interval

Floats = NDArray[np.float64]

#: Fewer trials than this say nothing, about all settings or about one that few trials have.
LEAST_TRIALS: Final = 10
#: More bars than this are nothing but chance, and a page long.
_MOST_SHOWN: Final = 20
#: How often trials are resampled, and values dealt anew; fewer where many trials draw many settings.
_MOST_ROUNDS, _LEAST_ROUNDS, _WORK = 100, 40, 1_000_000
#: Which trials count as good. On made-up searches of 20 to 100 trials a third found true effects two to four times as
#: often as Optuna's tenth; with hundreds a tenth is enough, and closer to the question.
_MOST, _LEAST, _WANTED = 1 / 3, 0.1, 25

_HOW: Final = (
    "How much the best {share:.0%} of the trials differ from all trials in each setting (Optuna's PED-ANOVA,"
    " conditional settings included; shares of the sum). Lines are 95 % intervals over resampled trials. A grey bar"
    " does not pass the red mark, which chance alone passes once in twenty times: do not read anything into"
    " it.{left_out}"
)
_LEFT_OUT: Final = " Not judged, since fewer than {least} trials have them with more than one value to draw: {names}."
_MORE: Final = " Drawn are the first {most} of {all} settings."


@dataclass(frozen=True)
class Importance:
    """How much one setting matters.

    Attributes:
        name: the setting.
        share: its share of all importances, 0 to 1.
        interval: 95 %, over resampled trials.
        chance: the share that a setting without effect passes once in twenty times.
        is_real: whether the share passes it.
    """

    name: str
    share: float
    interval: Interval
    chance: float

    @property
    def is_real(self) -> bool:
        """Whether it is more than what chance gives."""
        return self.share > self.chance


def importances(study: optuna.Study, rounds: int | None = None) -> list[Importance]:
    """Give the importance of each setting that `judged` names: what is more than chance first, the largest first.

    Args:
        study: trials that are complete, each with its value.
        rounds: how often the trials are resampled, and the values dealt anew; None = as often as is affordable.

    Source:
        Watanabe et al. 2023 (arXiv 2304.10255) and the conditional form of it (arXiv 2601.20800), as Optuna has them.
    """
    trials = study.get_trials(deepcopy=False)
    names = judged(study)
    if not names:
        return []
    sign = 1.0 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1.0
    costs = np.array([sign * cast(float, trial.value) for trial in trials])
    rounds = rounds or max(_LEAST_ROUNDS, min(_MOST_ROUNDS, _WORK // (len(trials) * len(names))))
    rng = np.random.default_rng(0)
    evaluate = PedAnova(study, names, good_share(len(trials)))
    whole = np.arange(len(trials))
    found = evaluate(whole, costs)
    draws = (rng.integers(0, len(trials), len(trials)) for _ in range(rounds))
    resampled = [_shares(evaluate(drawn, costs[drawn])) for drawn in draws]
    dealt = [evaluate(whole, costs[rng.permutation(len(trials))]) for _ in range(rounds)]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    chance = np.minimum(1.0, np.quantile(dealt, 0.95, axis=0) / (found.sum() or 1.0))
    shares = _shares(found)
    each = [
        Importance(name, float(shares[i]), Interval(float(low[i]), float(high[i])), float(chance[i]))
        for i, name in enumerate(names)
    ]
    return sorted(each, key=lambda it: (not it.is_real, -it.share, it.name))


def judged(study: optuna.Study) -> list[str]:
    """Name the settings that `LEAST_TRIALS` trials drew from more than one value."""
    drawn = Counter(
        name
        for trial in study.get_trials(deepcopy=False)
        for name, domain in trial.distributions.items()
        if not domain.single()
    )
    return sorted(name for name, number in drawn.items() if number >= LEAST_TRIALS)


def good_share(trials: int) -> float:
    """Give the share of the trials that counts as good."""
    return min(_MOST, max(_LEAST, _WANTED / trials))


def importance(found: Sequence[Importance], study: optuna.Study) -> Plot:
    """Draw the importances.

    Args:
        found: what `importances` gave.
        study: what it gave them of.
    """
    trials = study.get_trials(deepcopy=False)
    others = sorted({name for trial in trials for name in trial.params} - {each.name for each in found})
    left_out = _LEFT_OUT.format(least=LEAST_TRIALS, names=", ".join(others)) if others else ""
    left_out += _MORE.format(most=_MOST_SHOWN, all=len(found)) if len(found) > _MOST_SHOWN else ""
    how = _HOW.format(share=good_share(max(1, len(trials))), left_out=left_out)
    why_not = f"It takes {LEAST_TRIALS} trials that have a setting in common; {len(trials)} ended with a value so far."
    plot = Plot("importance", "What mattered", how, None, why_not)
    if not found:
        return plot
    shown = list(reversed(found[:_MOST_SHOWN]))
    made = figure(height=90 + 30 * len(shown))
    for name, colour, kept in (("more than chance", GREEN, True), ("may be chance", GREY, False)):
        bars = [each for each in shown if each.is_real == kept]
        if bars:
            made.add_trace(_bars(bars, name, colour))
    made.add_trace(
        go.Scatter(
            x=[each.chance for each in shown],
            y=[each.name for each in shown],
            mode="markers",
            name="what chance gives (1 in 20)",
            marker={"symbol": "line-ns-open", "size": 16, "color": RED, "line": {"width": 2}},
            hovertemplate="chance: %{x:.2f}<extra></extra>",
        )
    )
    most = max(max(each.interval.high, each.share) for each in shown)
    made.update_xaxes(title="share of the importance", range=[0, min(1.0, 1.1 * most) + 0.02], rangemode="tozero")
    made.update_yaxes(categoryorder="array", categoryarray=[each.name for each in shown], type="category")
    made.update_yaxes(range=[-0.6, len(shown) - 0.4])
    return plot._replace(figure=made)


def _bars(shown: Sequence[Importance], name: str, colour: str) -> go.Bar:
    return go.Bar(
        orientation="h",
        x=[each.share for each in shown],
        y=[each.name for each in shown],
        name=name,
        marker={"color": colour},
        error_x={
            "array": [max(0.0, each.interval.high - each.share) for each in shown],
            "arrayminus": [max(0.0, each.share - each.interval.low) for each in shown],
            "thickness": 1.4,
            "width": 4,
        },
        hovertemplate="%{y}: %{x:.2f}<extra></extra>",
    )


def _shares(found: Floats) -> Floats:
    total = found.sum()
    return found / total if total else np.full(len(found), 1 / len(found))
