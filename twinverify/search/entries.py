"""One line of a search space: a setting, its distributions, when each holds, and what its values must fit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from twinverify.config import leaves
from twinverify.errors import UserError, did_you_mean
from twinverify.fields import takes
from twinverify.search.conditions import Comparison, parse_conditions, resolved, sources
from twinverify.search.domains import WORDS, Choice, Domain, Range, parse_domain
from twinverify.settings import Config
from twinverify.yaml12 import spelled

_FITS: Final = ("divides", "multiple_of", "at_most")


@dataclass(frozen=True)
class Alternative:
    """A distribution, and when it holds.

    Attributes:
        domain: the values as written.
        when: all of these must hold.
        divides: the setting that every choice must divide.
        quotient: the least and largest result of that division.
        multiple_of: the setting whose multiple every choice must be.
        at_most: the setting that no value may exceed.
    """

    domain: Domain
    when: tuple[Comparison, ...] = ()
    divides: str | None = None
    quotient: tuple[float, float] | None = None
    multiple_of: str | None = None
    at_most: str | None = None

    @property
    def shaped_by(self) -> frozenset[str]:
        """The settings that narrow the domain."""
        return frozenset().union(*map(sources, self.fits))

    @property
    def fits(self) -> tuple[str, ...]:
        """The settings that the values must fit."""
        return tuple(key for key in (self.divides, self.multiple_of, self.at_most) if key)

    def fitting(self, values: Mapping[str, Any]) -> Domain | None:
        """Give the part of the domain that fits the other values; None where nothing of it does."""
        if isinstance(self.domain, Range):
            if self.at_most is None:
                return self.domain
            high = min(self.domain.high, resolved(values, self.at_most))
            return Range(self.domain.low, high, self.domain.whole, self.domain.log) if high >= self.domain.low else None
        choices = tuple(choice for choice in self.domain.choices if choice is None or self._fits(choice, values))
        return Choice(choices) if choices else None

    def _fits(self, choice: Any, values: Mapping[str, Any]) -> bool:
        if self.divides:
            whole = resolved(values, self.divides)
            low, high = self.quotient or (1, whole)
            if whole % choice or not low <= whole / choice <= high:
                return False
        if self.multiple_of and choice % resolved(values, self.multiple_of):
            return False
        return not self.at_most or bool(choice <= resolved(values, self.at_most))

    def __str__(self) -> str:
        """Write it for people, without the conditions."""
        fits = [f"{word.replace('_', ' ')} {getattr(self, word)}" for word in _FITS if getattr(self, word)]
        if self.quotient:
            fits.append(f"quotient {spelled(self.quotient[0])} to {spelled(self.quotient[1])}")
        return ", ".join([str(self.domain), *fits])


@dataclass(frozen=True)
class Entry:
    """A setting that a space draws: the first alternative that holds is used; where none does, it is not drawn."""

    key: str
    alternatives: tuple[Alternative, ...]
    where: str

    @property
    def depends_on(self) -> frozenset[str]:
        """The settings that must be known before; a condition on the setting itself asks for the fixed value."""
        deciding = [comparison.depends_on for option in self.alternatives for comparison in option.when]
        return frozenset().union(*deciding, *(option.shaped_by for option in self.alternatives)) - {self.key}

    def domain(self, values: Mapping[str, Any]) -> Domain | None:
        """Give the values to draw from under the other values, or None where the setting is not drawn.

        Raises:
            UserError: the setting is to be drawn, but none of its values fits the others.
        """
        for option in self.alternatives:
            if all(comparison.holds(values) for comparison in option.when):
                fitting = option.fitting(values)
                if fitting is None:
                    others = ", ".join(f"{key} is {spelled(resolved(values, key))}" for key in option.fits)
                    raise UserError(f"{self.where}: {self.key}: nothing of {option} fits; {others}")
                return fitting
        return None

    def name(self, domain: Domain, drawn: frozenset[str]) -> str:
        """Give the parameter's name in Optuna.

        Optuna refuses other choices under the same name, so where they change with another drawn setting, they are
        part of the name.

        Args:
            domain: what `domain(…)` gave.
            drawn: the settings that the space draws.
        """
        shapes: frozenset[str] = frozenset().union(*(option.shaped_by for option in self.alternatives))
        if len({option.domain for option in self.alternatives}) > 1:
            shapes = self.depends_on
        return f"{self.key}[{domain.label}]" if shapes & drawn else self.key


def parse_entry(key: str, written: Any, where: str) -> Entry:
    """Read the line of the setting `key`: one alternative, or a list of them.

    Raises:
        UserError: it cannot be read, or does not suit the setting.
    """
    options = written if isinstance(written, list) else [written]
    if not options or not all(isinstance(option, dict) for option in options):
        raise UserError(f"{where}: {key} is {spelled(written)}; write such as {WORDS['choice']} or {WORDS['int']}")
    return Entry(key, tuple(_parse_alternative(key, dict(option), where) for option in options), where)


def _parse_alternative(key: str, written: dict[str, Any], where: str) -> Alternative:
    when = parse_conditions(written.pop("when"), f"{where}: {key}") if "when" in written else ()
    fits = {word: written.pop(word) for word in _FITS if word in written}
    quotient = written.pop("quotient", None)
    _refuse_unknown_words(key, written, where)
    domain = parse_domain(key, written, where)
    for word, other in fits.items():
        _check_fit(key, word, other, domain, where)
    if quotient is None:
        return Alternative(domain, when, **fits)
    two_numbers = isinstance(quotient, list) and len(quotient) == 2 and all(type(q) in (int, float) for q in quotient)
    if "divides" not in fits or not two_numbers or quotient[0] > quotient[1]:
        raise UserError(f"{where}: {key}: quotient goes with divides and is [least, largest], not {spelled(quotient)}")
    return Alternative(domain, when, quotient=(quotient[0], quotient[1]), **fits)


def _refuse_unknown_words(key: str, written: Mapping[str, Any], where: str) -> None:
    known = (*WORDS, "log", "when", "quotient", *_FITS)
    for word in written:
        if word not in known:
            raise UserError(f"{where}: {key}: {word} is not a word of a space; {did_you_mean(str(word), known)}")


def _check_fit(key: str, word: str, other: Any, domain: Domain, where: str) -> None:
    known = leaves(Config)
    if not isinstance(other, str) or other not in known:
        raise UserError(f"{where}: {key}: {word}: {other} is not a setting; {did_you_mean(str(other), known)}")
    if not takes(known[other], int) or other == key:
        raise UserError(f"{where}: {key}: {word} wants another whole number of the configuration, not {other}")
    if isinstance(domain, Range):
        if word != "at_most":
            raise UserError(f"{where}: {key}: {word} is for a choice; write {{choice: […], {word}: {other}}}")
        return
    numbers = [choice for choice in domain.choices if choice is not None]
    if not all(type(number) in (int, float) and (number > 0 or word == "at_most") for number in numbers):
        raise UserError(f"{where}: {key}: {word} wants numbers above 0, not {spelled(domain.choices)}")
