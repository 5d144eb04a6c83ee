"""YAML as people mean it: the core schema of YAML 1.2 over PyYAML, which still reads 1.1.

Under 1.1 `tracking=off` is false, `1e-3` is text, `12:30` is 750, and a key given twice is silently the last one.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from twinverify.errors import UserError

#: Scalars and collections of a document, each counted as often as it stands there or an alias stands for it.
_MOST_NODES: Final = 1_000_000


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the plain scalars of YAML 1.2 (section 10.3.2)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own protocol

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice."""
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"{key.value} stands here a second time"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def get_single_data(self) -> Any:
        """Read the one document, but for one that is small as text and endless, or enormous, as what it says."""
        node = self.get_single_node()
        if node is None:
            return None
        _refuse_bomb(node)
        return self.construct_document(node)


def _refuse_bomb(document: yaml.Node) -> None:
    """Refuse aliases (`&a`, `*a`) that stand within themselves, or that multiply what they stand for."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        key = id(node)
        if key not in sizes:
            sizes[key] = None  # until it is known, it is being looked at
            inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            sizes[key] = 1 if isinstance(node, yaml.ScalarNode) else 1 + sum(map(size, inner))
        found = sizes[key]
        if found is None or found > _MOST_NODES:
            problem = "an alias stands within itself" if found is None else "its aliases stand for too much"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return found

    size(document)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # base ten: 010 is ten


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_CoreLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def parse_yaml(text: str, where: str) -> Any:
    """Read a YAML text safely.

    Args:
        text: the YAML.
        where: what to call the text in an error ("command line", a file's path).

    Raises:
        UserError: it is not valid YAML; the line tells where, if the text has more than one.
    """
    try:
        # A subclass of SafeLoader: no tag of it makes an object.
        return yaml.load(text, Loader=_CoreLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark and "\n" in text.strip() else ""
        reason = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{where}{place}: not valid YAML ({reason})") from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits; ten thousand brackets
        raise UserError(f"{where}: not valid YAML ({type(error).__name__})") from None


def read_yaml(path: Path) -> Any:
    """Read a YAML file safely; a mistake in it is a UserError with its line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path}: cannot be read ({reason})") from None
    return parse_yaml(text, str(path))


def read_yaml_mapping(path: Path, expected: str) -> dict[Any, Any]:
    """Read a YAML file that holds a mapping; a UserError that begins with `expected` tells what it holds instead."""
    tree = read_yaml(path)
    if not isinstance(tree, dict):
        raise UserError(f"{expected}; {'the file is empty' if tree is None else f'not {spelled(tree)[:40]}'}")
    return tree


def spelled(value: Any) -> str:
    """Give a value as it is written in YAML, on one line: `true`, `null`, `0.001`, `[1, 2]`."""
    if isinstance(value, str):
        return value if value and value == value.strip() else repr(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spelled, value))}]"
    return str(value)
