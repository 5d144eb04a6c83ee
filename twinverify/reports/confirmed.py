"""A confirmation and its sealed test as tables."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from twinverify.reports.words import settings, short_names
from twinverify.search.confirm.result import Confirmed
from twinverify.search.confirm.stored_test import StoredConfiguration, StoredFigure, StoredTest
from twinverify.verification.objective import higher_is_better

#: From so many columns on, the values by seed are shown as well; below the second number, only what is compared.
_WIDE = 110
_NARROW = 100
#: Below it the intervals of the sealed test stand under their figures.
_SIDE_BY_SIDE = 132
_PROTOCOLS = (
    ("P1", "twin_eer", "twin EER"),
    ("P1", "twin_auc", "twin AUC"),
    ("P1", "twin_tar_at_far_0.1", "twin TAR at FAR 1e-1"),
    ("P1", "twin_tar_at_far_0.01", "twin TAR at FAR 1e-2"),
    ("P2", "general_eer", "general EER"),
    ("P2", "general_auc", "general AUC"),
    ("P4", "general_tar_at_far_0.1", "TAR at FAR 1e-1"),
    ("P4", "general_tar_at_far_0.01", "TAR at FAR 1e-2"),
    ("P4", "general_tar_at_far_0.001", "TAR at FAR 1e-3"),
    ("P4", "general_tar_at_far_0.0001", "TAR at FAR 1e-4"),
    ("P5", "twin_fmr_at_fmr_0.01", "twin FMR at FMR 1e-2 of unrelated people"),
    ("P5", "fnmr_at_fmr_0.01", "FNMR there"),
    ("P5", "twin_fmr_at_fmr_0.001", "twin FMR at FMR 1e-3"),
    ("P5", "fnmr_at_fmr_0.001", "FNMR there"),
    ("P5", "twin_fmr_at_fmr_0.0001", "twin FMR at FMR 1e-4"),
    ("P5", "fnmr_at_fmr_0.0001", "FNMR there"),
)


def confirmation_table(confirmed: Confirmed, *, width: int) -> Table:
    """Give a row for each configuration, best mean first; those that failed with a seed last."""
    confirmation, selection = confirmed.confirmation, confirmed.selection
    name = confirmed.objective.removeprefix("val/")
    title = f"Confirmation of {confirmation.of.name}: {name}, {len(confirmation.seeds)} seeds"
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    for heading in ("trial", "mean", *["95 %"] * (width >= _NARROW), "less default", "95 %, paired", "P(best)"):
        table.add_column(heading, justify="right", no_wrap=True)
    if width >= _WIDE:
        table.add_column("by seed", no_wrap=True)
    if width >= _NARROW:
        table.add_column("drawn values", ratio=1, min_width=10, overflow="fold")
    sign = -1 if higher_is_better(confirmed.objective) else 1
    ranked = sorted(range(len(confirmed.places)), key=lambda at: (sign * selection.means[at], at))
    names = short_names(sorted({key for each in confirmation.chosen for key in each.values}))
    for at in ranked:
        place = confirmed.places[at]
        is_default = at == 0
        cells = [
            _trial(confirmed, place),
            f"{selection.means[at]:.4f}",
            *[_interval(selection.intervals[at])] * (width >= _NARROW),
            "" if is_default else f"{selection.gains[at]:+.4f}",
            "" if is_default else _interval(selection.gain_intervals[at], signed=True),
            f"{selection.chances[at]:.2f}",
        ]
        _add(table, confirmed, place, cells, names, width)
    for place in range(len(confirmation.chosen)):
        if place not in confirmed.places:
            _add(
                table,
                confirmed,
                place,
                [_trial(confirmed, place), "failed", *[""] * (4 if width >= _NARROW else 3)],
                names,
                width,
            )
    return table


def confirmation_verdict(confirmed: Confirmed) -> str:
    """Say in a line which configuration won, and what picking it is expected to cost."""
    confirmation, selection = confirmed.confirmation, confirmed.selection
    chance, loss = selection.chances[selection.best], selection.expected_loss
    who = (
        "the default configuration" if confirmed.winner == 0 else f"trial {confirmation.chosen[confirmed.winner].trial}"
    )
    cost = "not estimable with so few seeds" if loss is None else f"{loss:.4f}"
    return (
        f"Winner: {who}, probability of being the best {chance:.2f}; expected loss from this selection {cost}"
        " (variance corrected for overlapping splits: Nadeau & Bengio 2003)."
    )


def sealed_table(test: StoredTest, *, width: int) -> Table:
    """Give P1 to P5 of the winner and of the default on the sealed test families."""
    number = test.opening.number
    stamp = "" if number == 1 else f", OPENING NUMBER {number}: not a first look"
    facts = f"{test.test['people']} people, {test.test['images']} images, {len(test.seeds)} models each"
    title = f"Sealed test ({facts}{stamp})"
    table = Table(title=title, title_justify="left", header_style="bold", expand=False)
    table.add_column("", no_wrap=True)
    table.add_column("figure", overflow="fold", min_width=10)
    assert test.winner is not None
    headings = [(f"trial {test.winner.trial} (winner)", "95 %")]
    headings += [] if test.default is None else [("default", "95 %"), ("less default", "95 %, paired")]
    for heading in _cells(headings, width):
        table.add_column(heading, justify="right", no_wrap=True)
    for protocol, words, pairs in _rows(test):
        table.add_row(protocol, words, *_cells(pairs, width))
    return table


#: A figure and what stands beside it, or below it.
_Pair = tuple[str, str]


def _cells(pairs: list[_Pair], width: int) -> list[str]:
    if width >= _SIDE_BY_SIDE:
        return [text for pair in pairs for text in pair]
    return ["\n".join(text for text in pair if text) for pair in pairs]


def _rows(test: StoredTest) -> Iterator[tuple[str, str, list[_Pair]]]:
    models = [each for each in (test.winner, test.default) if each is not None]
    for protocol, key, words in _PROTOCOLS:
        if key == "general_tar_at_far_0.1":  # the first of P4
            gain = [("", "")] if len(models) > 1 else []
            yield "P3", "twin accuracy, mean ± sd of 10 folds", [*map(_folds, models), *gain]
        if key in models[0].figures:
            pairs = [_both(each.figures.get(key)) for each in models]
            if len(models) > 1:
                pairs.append(_both(test.less_default.get(key), signed=True))
            yield protocol, words, pairs


def _folds(each: StoredConfiguration) -> _Pair:
    folds = each.fold_accuracy
    return ("not estimable", "") if folds is None else (f"{folds['mean']:.4f}", f"± {folds['sd']:.4f}")


def _add(table: Table, confirmed: Confirmed, place: int, cells: list[str], names: dict[str, str], width: int) -> None:
    by_seed = " ".join("failed" if value is None else f"{value:.3f}" for value in confirmed.values[place])
    shown = [by_seed] if width >= _WIDE else []
    values = [Text(settings(confirmed.confirmation.chosen[place].values, names))] if width >= _NARROW else []
    table.add_row(*cells, *shown, *values)


def _trial(confirmed: Confirmed, place: int) -> str:
    number = confirmed.confirmation.chosen[place].trial
    return f"{number} (default)" if place == 0 else str(number)


def _both(figure: StoredFigure | None, *, signed: bool = False) -> _Pair:
    if figure is None:
        return "", ""
    return f"{figure.value:{'+.4f' if signed else '.4f'}}", _interval(figure.interval, signed=signed)


def _interval(interval: tuple[float, float] | None, *, signed: bool = False) -> str:
    if interval is None:
        return "not estimable"
    form = "+.3f" if signed else ".3f"
    return f"{interval[0]:{form}} to {interval[1]:{form}}"
