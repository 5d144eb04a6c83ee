"""Search spaces as files: found by name, read as YAML, with what they include."""

from pathlib import Path
from typing import Any, Final

from twinverify.config import leaves
from twinverify.errors import UserError, did_you_mean
from twinverify.places import spaces_folder
from twinverify.search.listed import CONFIGURATIONS
from twinverify.settings import Config
from twinverify.yaml12 import read_yaml_mapping, spelled

_INCLUDE: Final = "include"


def find_space(source: str | Path) -> Path:
    """Give the file of a space: a name in the project's `search_spaces/`, or a file.

    Raises:
        UserError: there is neither.
    """
    folder = spaces_folder()
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    path = folder / f"{source}.yaml" if str(source) in names else Path(source)
    if not path.is_file():
        raise UserError(f"space {source}: neither a space in {folder} nor a file; {did_you_mean(str(source), names)}")
    return path


def read_space_file(path: Path, within: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Give the lines of a space, key -> as written, those of the spaces that it includes first.

    A key that the file itself has wins over an included one; two included spaces must agree on a key.

    Args:
        path: the file.
        within: the files that are including it.

    Raises:
        UserError: the file or one that it includes is missing, not a mapping from settings, or includes itself.
    """
    where = f"space {path.stem}"
    if path.resolve() in within:
        raise UserError(f"{where}: it includes itself: {' -> '.join(p.stem for p in (*within, path))}")
    tree = read_yaml_mapping(path, f"{where}: {path}: settings with their distributions are expected")
    if CONFIGURATIONS in tree:
        return _list_alone(tree, where, included=bool(within))
    lines: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name in _included(tree.pop(_INCLUDE, []), where):
        for key, written in read_space_file(_find_beside(path, name), (*within, path.resolve())).items():
            if key in lines and lines[key] != written and key not in tree:
                raise UserError(f"{where}: {origin[key]} and {name} differ in {key}; settle it by a line of its own")
            lines[key] = written
            origin[key] = name
    for key in tree:
        if key not in leaves(Config):
            raise UserError(f"{where}: {key} is not a setting; {did_you_mean(str(key), leaves(Config))}")
    return lines | tree


def _list_alone(tree: dict[str, Any], where: str, *, included: bool) -> dict[str, Any]:
    """Give a space that is a list of configurations; nothing can be drawn beside them."""
    if len(tree) > 1 or included:
        raise UserError(f"{where}: {CONFIGURATIONS} is a whole space: it stands alone, and is not included")
    return tree


def _included(names: Any, where: str) -> list[str]:
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: include is {spelled(names)}; write a list of spaces, such as [glca_heads, pwca]")
    return names


def _find_beside(path: Path, name: str) -> Path:
    # Names only: a space that someone sends must not reach for files elsewhere.
    beside = path.parent / f"{name}.yaml"
    if Path(name).name == name and beside.is_file():
        return beside
    names = {file.stem for folder in (path.parent, spaces_folder()) for file in folder.glob("*.yaml")}
    if name not in names:
        raise UserError(f"space {path.stem}: include: there is no space {name}; {did_you_mean(name, names)}")
    return find_space(name)
