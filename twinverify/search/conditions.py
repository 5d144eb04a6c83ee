"""When a hyperparameter exists: conditions on the other values of the configuration that is being drawn."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from twinverify.backbones import BackboneShape, backbone_shape
from twinverify.config import checked, leaves
from twinverify.errors import UserError, did_you_mean
from twinverify.fields import describe, takes
from twinverify.settings import Config
from twinverify.yaml12 import parse_yaml, spelled

_SHAPE: Final = {f"model.{name}": name for name in BackboneShape._fields}
_BACKBONE: Final = "model.backbone"
_ORDERED: Final[dict[str, Callable[[Any, Any], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_PATTERN: Final = re.compile(r"^(>=|<=|==|!=|>|<|in\b|not\b)?\s*(.*)$", re.DOTALL)


def resolved(values: Mapping[str, Any], key: str) -> Any:
    """Give the value of `key` as it will be built: for a `null` of the model's shape, the backbone's own."""
    value = values[key]
    if value is None and key in _SHAPE:
        return getattr(backbone_shape(values[_BACKBONE]), _SHAPE[key])
    return value


def sources(key: str) -> frozenset[str]:
    """Give the keys that decide `resolved(…, key)`."""
    return frozenset({key, _BACKBONE} if key in _SHAPE else {key})


@dataclass(frozen=True)
class Comparison:
    """One comparison of a setting with a value, or with another setting."""

    key: str
    sign: str
    value: Any
    other: str | None = None

    @property
    def tests_null(self) -> bool:
        """Whether it asks for `null`, as written rather than as built."""
        return self.other is None and self.value is None

    @property
    def depends_on(self) -> frozenset[str]:
        """The settings that decide it."""
        left = frozenset({self.key}) if self.tests_null else sources(self.key)
        return left | (sources(self.other) if self.other else frozenset())

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether it holds; where a value is null, no order holds."""
        wanted = resolved(values, self.other) if self.other else self.value
        # `null` asks whether the setting was left to the backbone, so there the value counts as it is written.
        value = values[self.key] if self.tests_null else resolved(values, self.key)
        if self.sign == "in":
            return bool(value in wanted)
        if self.sign in ("==", "!="):
            return bool(value == wanted) == (self.sign == "==")
        return value is not None and wanted is not None and _ORDERED[self.sign](value, wanted)

    def __str__(self) -> str:
        """Write it for people."""
        wanted = self.other or spelled(self.value)
        return f"{self.key} {self.sign} {wanted}"


def parse_conditions(written: Any, where: str) -> tuple[Comparison, ...]:
    """Read a `when`: a mapping from keys to what their values must be; all of it must hold.

    Args:
        written: such as `{model.pwca.blocks: ">0 and <model.depth", loss.triplet.kind: [margin, soft]}`.
        where: the start of an error line.

    Raises:
        UserError: a key is unknown, or a comparison cannot be read or can never hold.
    """
    if not isinstance(written, dict) or not written:
        raise UserError(f'{where}: when is {spelled(written)}; write it as {{model.glca.blocks: ">0"}}')
    found: list[Comparison] = []
    for key, wish in written.items():
        if key not in leaves(Config):
            raise UserError(f"{where}: when: {key} is not a setting; {did_you_mean(str(key), leaves(Config))}")
        parts = wish.split(" and ") if isinstance(wish, str) else [wish]
        found += [_comparison(str(key), part, f"{where}: when {key}") for part in parts]
    return tuple(found)


def _comparison(key: str, wish: Any, where: str) -> Comparison:
    if isinstance(wish, list):
        return _checked(Comparison(key, "in", tuple(wish)), where)
    if not isinstance(wish, str):
        return _checked(Comparison(key, "==", wish), where)
    match = _PATTERN.match(wish.strip())
    sign, text = (match[1], match[2]) if match else (None, wish)
    if sign and not text:
        raise UserError(f"{where}: {wish!r} compares with nothing; write such as '>0'")
    if sign == "not":
        sign = "!="
    if sign is None or text in leaves(Config):
        return _checked(Comparison(key, sign or "==", text, text if sign else None), where)
    value = parse_yaml(text, where)
    return _checked(Comparison(key, sign, tuple(value) if isinstance(value, list) else value), where)


def _checked(comparison: Comparison, where: str) -> Comparison:
    field = leaves(Config)[comparison.key]
    if comparison.other:
        return comparison
    if comparison.sign in _ORDERED:
        if isinstance(comparison.value, bool) or not isinstance(comparison.value, int | float):
            raise UserError(f"{where}: {comparison.sign} wants a number or a setting, not {spelled(comparison.value)}")
        if not (takes(field, int) or takes(field, float)):
            raise UserError(f"{where}: {comparison.sign} cannot order it; allowed: {describe(field)}")
        return comparison
    if (comparison.sign == "in") != isinstance(comparison.value, tuple):
        raise UserError(f"{where}: write `in [a, b]`, or `== a`; not {comparison.sign} {spelled(comparison.value)}")
    if comparison.sign == "in":
        return replace(comparison, value=tuple(_as_held(comparison.key, value, where) for value in comparison.value))
    return replace(comparison, value=_as_held(comparison.key, comparison.value, where))


def _as_held(key: str, value: Any, where: str) -> Any:
    """Give a value as the configuration holds it ('4' of an integer is 4); a path stays text."""
    held = checked(key, value, where)
    return str(held) if isinstance(held, Path) else held
