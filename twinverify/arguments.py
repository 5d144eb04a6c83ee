"""The command line of every command: `python -m twinverify.COMMAND key=value …`, and its `--help`.

A command's own keys are the fields of a pydantic model; every other key is a dotted key of the configuration. Types,
ranges and help come from the fields; values are YAML.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from twinverify.config import checked, leaves, nest
from twinverify.errors import UserError, did_you_mean
from twinverify.fields import describe, explain, members, takes
from twinverify.interrupt import INTERRUPTED, leave
from twinverify.settings import Config, Settings
from twinverify.streams import print_anywhere, say, visible
from twinverify.yaml12 import parse_yaml, spelled

Options = TypeVar("Options", bound=Settings)

_WHERE = "command line"
#: From this width on, the help has a column for each of key, default, allowed values and meaning.
_WIDE = 110


def parse(
    command: str,
    options: type[Options],
    argv: Sequence[str],
    *,
    summary: str,
    examples: Sequence[str],
    configurable: bool = True,
    words: str | None = None,
) -> tuple[Options, dict[str, Any]]:
    """Read a command line.

    Args:
        command: the command's name, as in `python -m twinverify.COMMAND`.
        options: the command's own keys; they win over keys of the configuration with the same name.
        argv: the arguments, `key=value` each.
        summary: one line for the help.
        examples: some examples for the help: their arguments, or the whole commands.
        configurable: whether the dotted keys of the configuration are allowed as well.
        words: the key of a list that takes the arguments without `=`, such as `names` for `NAME …`; None: there are
            no such arguments.

    Returns:
        The options, and the values of the configuration's keys (in range each, not yet checked together).

    Raises:
        UserError: a key is unknown or stands twice, or a value is missing or wrong.
        SystemExit: `--help` was asked for and printed (status 0).
    """
    own = leaves(options)
    known = (leaves(Config) if configurable else {}) | own
    if {"--help", "-h", "help"} & set(argv):
        _print_help(command, own, known, summary, examples, words)
        raise SystemExit(0)
    values: dict[str, Any] = {}
    if words is not None:
        plain, argv = _words_and_settings(argv, known)
        if plain:
            values[words] = plain
    for argument in argv:
        key, text = _split(argument, command, known)
        if key in values:
            raise UserError(f"{_WHERE}: {key} is given twice")
        values[key] = _typed(key, text, known[key])
    overrides = {key: value for key, value in values.items() if key not in own}
    for key, value in overrides.items():
        checked(key, value, _WHERE)
    try:
        chosen = options.model_validate(nest({key: value for key, value in values.items() if key in own}))
    except ValidationError as error:
        raise UserError(f"{_WHERE}: {explain(error, own)}") from None
    return chosen, overrides


def run(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run a command and exit: 2 with one line for what the user can mend, 130 when interrupted."""
    print_anywhere()
    try:
        status = main(sys.argv[1:])
    except UserError as error:
        say("twinverify: " + visible(" ".join(str(error).splitlines()), keep=""), sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = INTERRUPTED
    leave(status)


def _words_and_settings(argv: Sequence[str], known: Mapping[str, FieldInfo]) -> tuple[list[str], list[str]]:
    """Tell plain words from settings; a key without its value, or with a dash, is a setting that is not written so."""
    words = [each for each in argv if "=" not in each and not each.startswith("-") and each not in known]
    if "" in words:
        raise UserError(f"{_WHERE}: an empty word is given")
    return words, [each for each in argv if each not in words]


def _split(argument: str, command: str, known: Mapping[str, FieldInfo]) -> tuple[str, str]:
    """Take `key=value` apart, and tell those with other habits how it is written here."""
    key, equals, text = argument.partition("=")
    plain = key.lstrip("-")
    if plain != key or not equals:
        name = plain.replace("-", "_")
        form = f"{name}={text or '…'}" if name in known else "key=value"
        raise UserError(f"{_WHERE}: {argument!r}: settings are written {form}{_nearest(name, known)}")
    if key not in known:
        below = next((leaf for leaf in known if leaf.startswith(f"{key}.")), None)
        if below:
            raise UserError(f"{_WHERE}: {key} is a group of settings; set those in it, such as {below}=…")
        raise UserError(f"{_WHERE}: {key} is not a setting of {command}; {did_you_mean(key, known)}")
    if not text.strip():
        nothing = f"; for none, write {key}=null" if takes(known[key], type(None)) else ""
        raise UserError(f"{_WHERE}: {key} has no value; allowed: {describe(known[key])}{nothing}")
    return key, text


def _nearest(name: str, known: Mapping[str, FieldInfo]) -> str:
    return "" if name in known else f"; {did_you_mean(name, known)}"


def _typed(key: str, text: str, field: FieldInfo) -> Any:
    """Read a value as YAML, but leave it as it stands where the field holds text.

    So `name=2026`, `tracking=off` and `data=/data/a #2` are text, and `tracking=null` is none.
    """
    kinds = members(field)
    is_text = str in kinds or Path in kinds
    try:
        value = parse_yaml(text, f"{_WHERE}: {key}={text}")
    except UserError:
        if is_text:
            return text
        raise
    if is_text and (isinstance(value, str) or type(value) not in kinds):
        return value if isinstance(value, str) and text.startswith(("'", '"')) else text
    if isinstance(value, bool) and bool not in kinds:  # pydantic takes `true` for the number 1
        raise UserError(f"{_WHERE}: {key} is {spelled(value)}; allowed: {describe(field)}")
    return value


def _print_help(
    command: str,
    own: Mapping[str, FieldInfo],
    known: Mapping[str, FieldInfo],
    summary: str,
    examples: Sequence[str],
    words: str | None,
) -> None:
    # On demand: a table takes 40 ms to import, and only the help needs it.
    from rich.console import Console
    from rich.padding import Padding

    console = Console(markup=False, highlight=False, emoji=False)
    console.print(summary)
    call = f"python -m twinverify.{command}"
    word = f" {words.removesuffix('s').upper()} …" if words else ""
    console.print(f"\nUsage: {call}{word} key=value …")
    for example in examples:
        console.print(f"  {call} {example.removeprefix(call).strip()}".rstrip(), soft_wrap=True)
    console.print(f"\nKeys of {command}")
    console.print(Padding(_table(own, console.width), (0, 0, 0, 2)))
    configuration = {key: field for key, field in known.items() if key not in own}
    if configuration:
        console.print("\nKeys of the configuration (a preset or file given with config= changes the defaults)")
        console.print(Padding(_table(configuration, console.width), (0, 0, 0, 2)))


def _table(fields: Mapping[str, FieldInfo], width: int) -> Any:
    """Lay out keys with meaning, type, range and default: four columns where there is room, else two."""
    from rich.table import Table
    from rich.text import Text

    wide = width >= _WIDE
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=wide, header_style="bold")
    table.add_column("key", no_wrap=True, style="cyan")
    if wide:
        table.add_column("default", overflow="fold", max_width=20)
        table.add_column("allowed", max_width=30)
    table.add_column("meaning")
    for key, field in fields.items():
        default = "needed" if field.is_required() else spelled(_plain(field.get_default(call_default_factory=True)))
        meaning, allowed = field.description or "", describe(field)
        if wide:
            table.add_row(key, default, allowed, meaning)
        else:
            table.add_row(key, Text.assemble(meaning, "\n", (f"{allowed}; {_says(default)}", "dim")))
    return table


def _says(default: str) -> str:
    return default if default == "needed" else f"default {default}"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
