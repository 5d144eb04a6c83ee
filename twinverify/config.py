"""Configurations: from presets, files and dotted keys to checked settings, and back to text."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from twinverify.errors import UserError, did_you_mean
from twinverify.fields import describe, explain, takes
from twinverify.gpus import count_gpus
from twinverify.settings import Config
from twinverify.yaml12 import read_yaml_mapping, spelled

PRESETS = Path(__file__).parent / "presets"


def leaves(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Give the dotted key of every setting below `model` with its pydantic FieldInfo."""
    return dict(_leaves(model, ""))


@cache
def _leaves(model: type[BaseModel], prefix: str) -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= _leaves(field.annotation, f"{prefix}{name}.")
        else:
            # `from=` on a command line is no name in Python.
            found[prefix + (field.alias or name)] = field
    return found


def flatten(config: BaseModel) -> dict[str, Any]:
    """Give the value of every dotted key, JSON types only."""
    return _dotted(config.model_dump(mode="json"))


def nest(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into nested dictionaries."""
    tree: dict[str, Any] = {}
    for dotted, value in values.items():
        *path, last = dotted.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
        node[last] = value
    return tree


def with_values(config: Config, values: Mapping[str, Any], where: str = "settings") -> Config:
    """Give `config` with some dotted keys set anew.

    Args:
        config: the configuration to start from.
        values: dotted key -> value.
        where: what to call the source of the values in an error ("command line", "space glca_heads").

    Raises:
        UserError: a key is unknown, or a value of the wrong type or out of its range.
    """
    for key, value in values.items():
        _refuse_unknown(key, where)
        _refuse_boolean(key, value, where)
    return _validated(flatten(config) | dict(values), where)


def checked(key: str, value: Any, where: str) -> Any:
    """Give one value as the setting `key` holds it (a whole number for a float becomes a float), by itself.

    Raises:
        UserError: the key is unknown, or the value of the wrong type or out of the field's range.
    """
    _refuse_unknown(key, where)
    _refuse_boolean(key, value, where)
    try:
        return _adapter(key).validate_python(value)
    except ValidationError:
        raise _not_allowed(key, value, where) from None


@cache
def _adapter(key: str) -> TypeAdapter[Any]:
    field = leaves(Config)[key]
    # The key stands there because Annotated wants something beside the type; pydantic ignores it.
    annotation: Any = Annotated[field.annotation, key, *field.metadata]
    return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))


def _refuse_unknown(key: str, where: str) -> None:
    known = leaves(Config)
    if key in known:
        return
    below = [leaf for leaf in known if leaf.startswith(f"{key}.")]
    if below:
        raise UserError(f"{where}: {key} is a group of settings; set those in it, such as {below[0]}")
    raise UserError(f"{where}: {key} is not a setting; {did_you_mean(key, known)}")


def _refuse_boolean(key: str, value: Any, where: str) -> None:
    # pydantic takes `true` for the number 1.
    field = leaves(Config)[key]
    if isinstance(value, bool) and not takes(field, bool):
        raise _not_allowed(key, value, where)


def _not_allowed(key: str, value: Any, where: str) -> UserError:
    return UserError(f"{where}: {key} is {spelled(value)}; allowed: {describe(leaves(Config)[key])}")


def configure(source: str | None, own: Mapping[str, tuple[str, Any]], overrides: Mapping[str, Any]) -> Config:
    """Give the configuration that a command line asks for.

    Args:
        source: preset or file; None: `tiny` without a GPU, `small` with one.
        own: dotted key -> the command's own key for it, and the value given there (None: not given).
        overrides: dotted key -> value, as given.

    Raises:
        UserError: a setting is unknown, wrong, or given twice; the weights' file is not there.
    """
    given = {key: value for key, (_, value) in own.items() if value is not None}
    for key in given.keys() & overrides.keys():
        raise UserError(f"command line: {own[key][0]} and {key} are both given; leave one out")
    config = with_values(
        load_config(source or ("small" if count_gpus() else "tiny")), given | dict(overrides), where="command line"
    )
    weights = config.model.weights
    if weights is None:
        return config
    # A trial runs in another directory than the command.
    place = weights.expanduser().resolve()
    if not place.is_file():
        raise UserError(f"model.weights={weights}: there is no such file")
    return with_values(config, {"model.weights": str(place)})


def without_places(config: Config) -> Config:
    """Give a configuration as others may see it: of the weights' file the name, not where it lies.

    Whoever trains with it gives `model.weights=` again.
    """
    weights = config.model.weights
    return config if weights is None else with_values(config, {"model.weights": weights.name}, where="configuration")


def load_config(source: str | Path) -> Config:
    """Read a preset by name, or a YAML file; what it leaves out has the field's default.

    Raises:
        UserError: there is no such preset or file, it is not YAML, or a setting in it is unknown or wrong.
    """
    names = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    path = PRESETS / f"{source}.yaml" if str(source) in names else Path(source)
    if not path.is_file():
        raise UserError(f"config {source}: neither a preset nor a file; {did_you_mean(str(source), names)}")
    tree = read_yaml_mapping(path, f"config {source}: settings are expected, as `train: {{lr: 1e-3}}`")
    return with_values(Config(), _dotted(tree), where=f"config {source}")


def dump_config(config: Config) -> str:
    """Give the configuration as YAML, nested, in the order of the fields."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _dotted(tree: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        # An empty group is kept as a value, so that it is refused by its name.
        is_group = isinstance(value, dict) and value
        flat |= _dotted(value, f"{prefix}{key}.") if is_group else {f"{prefix}{key}": value}
    return flat


def _validated(values: Mapping[str, Any], where: str) -> Config:
    try:
        return Config.model_validate(nest(values))
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error, leaves(Config))}") from None
