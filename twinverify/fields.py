"""Fields of pydantic models in people's words: types, ranges, and what is wrong with a value."""

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from twinverify.yaml12 import spelled


def explain(error: ValidationError, known: Mapping[str, FieldInfo]) -> str:
    """Turn pydantic's report into one line: the first mistake, and the allowed range or type."""
    first = error.errors(include_url=False)[0]
    words = {part for key in known for part in key.split(".")}  # locations hold others too: `constrained-int`
    key = ".".join(str(part) for part in first["loc"] if str(part) in words)
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return message
    if first["type"] == "missing":
        return f"{key} is needed: {known[key].description or describe(known[key])}"
    allowed = describe(known[key]) if key in known else message
    return f"{key} is {spelled(first.get('input'))}; allowed: {allowed}"


def members(field: FieldInfo) -> tuple[Any, ...]:
    """Give the types that a field's type is the union of, or the choices of a literal."""
    annotation = field.annotation
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType, Literal) else (annotation,)


def takes(field: FieldInfo, kind: type) -> bool:
    """Tell whether `kind` is among the types of a field."""
    return kind in members(field)


def describe(field: FieldInfo) -> str:
    """Give the type and range of a field in words: `integer, 0 to 3`, `rollout | last_layer | random`."""
    parts = [member for member in members(field) if member is not type(None)]
    if all(isinstance(part, str) for part in parts):
        return " | ".join(parts)
    words = [_words_of(part, field) for part in parts] + ["null"] * takes(field, type(None))
    # `integer, 0 to 3`, but `number (0 to 1) or auto`.
    ranges = [f"{word.replace(', ', ' (')})" if ", " in word else word for word in words]
    return " or ".join(ranges if len(words) > 1 else words)


def _words_of(member: Any, field: FieldInfo) -> str:
    if get_origin(member) is Literal:  # within a union
        return " or ".join(str(choice) for choice in get_args(member))
    if get_origin(member) in (list, tuple):
        return "a list"
    kinds = {int: "integer", float: "number", bool: "true or false", str: "text", Path: "a file's path"}
    kind = kinds.get(member, str(member))
    low, high = _bound(field, "ge", "gt"), _bound(field, "le", "lt")
    if member not in (int, float) or not (low or high):
        return kind
    if low and high:
        return f"{kind}, {low} to {high}"
    if low:
        return f"{kind}, {low}" if low.startswith("above") else f"{kind}, {low} or more"
    return f"{kind}, {high}" if high.startswith("below") else f"{kind}, {high} or less"


def _bound(field: FieldInfo, inclusive: str, exclusive: str) -> str:
    for constraint in field.metadata:
        if (value := getattr(constraint, inclusive, None)) is not None:
            return f"{value:.12g}"
        if (value := getattr(constraint, exclusive, None)) is not None:
            return f"{'above' if exclusive == 'gt' else 'below'} {value:.12g}"
    return ""
