"""Where a hyperparameter's values come from: a list of choices, or a range of whole or real numbers."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twinverify.config import checked, leaves
from twinverify.errors import UserError
from twinverify.fields import describe, takes
from twinverify.settings import Config
from twinverify.yaml12 import spelled

if TYPE_CHECKING:  # `import optuna` takes 0.3 s, and bad input is found without it
    from optuna.distributions import BaseDistribution
    from optuna.trial import BaseTrial

#: The words that name a distribution, each with an example for error lines.
WORDS: Final = {"choice": "{choice: [a, b]}", "int": "{int: [0, 3]}", "float": "{float: [0.1, 0.5], log: true}"}
_NUMBERS: Final = {"int": "whole numbers", "float": "numbers"}


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    choices: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Tell whether `value` is one of the choices."""
        return value in self.choices

    def held(self, value: Any) -> Any:
        """Give `value` in the type that is drawn here (1 of [1.0, 2.0] is 1.0)."""
        return self.choices[self.choices.index(value)]

    def __str__(self) -> str:
        """Write it for people."""
        return " | ".join(map(spelled, self.choices))

    @property
    def label(self) -> str:
        """What tells this list from another of the same setting."""
        return ",".join(map(spelled, self.choices))

    def distribution(self) -> "BaseDistribution":
        """Give Optuna's form."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choices)

    def suggest(self, trial: "BaseTrial", name: str) -> Any:
        """Let a trial draw."""
        return trial.suggest_categorical(name, self.choices)

    def points(self, count: int) -> tuple[Any, ...]:
        """Give the values of a grid: all choices, whatever the count."""
        del count
        return self.choices

    def at(self, position: float) -> Any:
        """Give the value at a position in [0, 1)."""
        return self.choices[int(position * len(self.choices))]


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; whole, or evenly spread over the logarithm, if so said."""

    low: float
    high: float
    whole: bool = False
    log: bool = False

    def __contains__(self, value: Any) -> bool:
        """Tell whether `value` is a number of this range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high and (not self.whole or value == int(value))

    def held(self, value: Any) -> Any:
        """Give `value` in the type that is drawn here."""
        return int(value) if self.whole else float(value)

    def __str__(self) -> str:
        """Write it for people."""
        kind = "integer, " if self.whole else ""
        return f"{kind}{spelled(self.low)} to {spelled(self.high)}{', logarithmic' if self.log else ''}"

    @property
    def label(self) -> str:
        """What tells this range from another of the same setting."""
        return f"{spelled(self.low)}..{spelled(self.high)}{' log' if self.log else ''}"

    def distribution(self) -> "BaseDistribution":
        """Give Optuna's form."""
        from optuna.distributions import FloatDistribution, IntDistribution

        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)

    def suggest(self, trial: "BaseTrial", name: str) -> Any:
        """Let a trial draw."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def points(self, count: int) -> tuple[Any, ...]:
        """Give `count` values at even distances from end to end (fewer where whole numbers coincide)."""
        steps = [0.5] if count == 1 else [index / (count - 1) for index in range(count)]
        return tuple(dict.fromkeys(self.at(step) for step in steps))

    def at(self, position: float) -> Any:
        """Give the value at a position in [0, 1]."""
        if position in (0, 1):  # exp(log(77)) is not 77
            value = self.high if position else self.low
        elif self.log:
            value = math.exp(math.log(self.low) * (1 - position) + math.log(self.high) * position)
        else:
            value = self.low * (1 - position) + self.high * position
        value = min(max(value, self.low), self.high)  # rounding may leave the range by an ulp
        return math.floor(value + 0.5) if self.whole else float(value)


Domain = Choice | Range


def parse_domain(key: str, written: dict[str, Any], where: str) -> Domain:
    """Read the distribution of the setting `key`.

    Args:
        key: a dotted key of the configuration.
        written: one word of `WORDS` with its values, and `log` for a logarithmic range.
        where: the start of an error line.

    Raises:
        UserError: there is not one word, the values are none that the setting can take, or the range is upside down.
    """
    words = [word for word in written if word in WORDS]
    if len(words) != 1:
        raise UserError(f"{where}: {key} needs one distribution, such as {' or '.join(WORDS.values())}")
    word, values = words[0], written[words[0]]
    log = written.get("log", False)
    if not isinstance(log, bool):
        raise UserError(f"{where}: {key}: log is {spelled(log)}; allowed: true or false")
    if word == "choice":
        if log:
            raise UserError(f"{where}: {key}: log is for int and float, not for a choice")
        return _choice(key, values, where)
    return _range(key, word, values, log, where)


def _choice(key: str, values: Any, where: str) -> Choice:
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: {key}: choice wants a list, such as [a, b]; not {spelled(values)}")
    choices = []
    for value in values:
        fitting = checked(key, value, where)
        choices.append(value if isinstance(value, str) else fitting)  # a path stays text
    if len(set(choices)) < len(choices):
        raise UserError(f"{where}: {key}: a choice stands twice in {spelled(choices)}")
    return Choice(tuple(choices))


def _range(key: str, word: str, values: Any, log: bool, where: str) -> Range:
    field = leaves(Config)[key]
    if not isinstance(values, list) or len(values) != 2:
        raise UserError(f"{where}: {key}: {word} wants [lowest, highest], not {spelled(values)}")
    if not (takes(field, int) or takes(field, float)):
        raise UserError(f"{where}: {key} is no number; allowed: {describe(field)}; write {{choice: […]}}")
    if word == "float" and not takes(field, float):
        raise UserError(f"{where}: {key} is a whole number; write {{int: {spelled(values)}}}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int if word == "int" else int | float):
            raise UserError(f"{where}: {key}: {word} wants two {_NUMBERS[word]}, not {spelled(values)}")
        checked(key, value, where)
    low, high = values
    if low > high:
        raise UserError(f"{where}: {key}: the range {spelled(values)} is upside down; write [{high}, {low}]")
    if log and low <= 0:
        raise UserError(f"{where}: {key}: a logarithmic range starts above 0, not at {spelled(low)}")
    return Range(low, high, True, log) if word == "int" else Range(float(low), float(high), False, log)
