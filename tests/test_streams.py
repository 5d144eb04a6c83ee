import io

import pytest
from rich.table import Table
from rich.text import Text

from twinverify.reports.console import LastingConsole
from twinverify.streams import visible

#: Clears the screen, sets the title, rings, goes back over what stands there, turns the writing around.
STEERING = "a\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202eb\u2028c\x00"
SPELLED = r"a\x1b[2J\x1b]0;owned\x07\r\x9b31m\u202eb\u2028c\x00"


def test_what_steers_a_terminal_is_spelled_out() -> None:
    assert visible(STEERING) == SPELLED


def test_what_people_write_stays() -> None:
    text = "Zoë 李 naïve\u00a0text — ✓ 👩 é"
    assert visible(text) == text
    assert visible("two\n\tlines") == "two\n\tlines"
    assert visible("two\nlines", keep="") == r"two\nlines"
    assert visible("\udcff") == r"\udcff"  # a file name that is no UTF-8


@pytest.mark.parametrize("style", [None, "red"])
def test_the_console_shows_it_so_wherever_it_stands(style: str | None) -> None:
    screen = io.StringIO()
    console = LastingConsole(file=screen, width=200, markup=False, emoji=False)
    table = Table(title=f"Sweep [/nothing] {STEERING}")
    table.add_column(STEERING)
    table.add_row(Text(STEERING, style=style or ""))
    console.print(table)
    console.print(STEERING, markup=False)
    shown = screen.getvalue()
    assert "[/nothing]" in shown
    assert shown.count(r"\x1b[2J\x1b]0;owned") == 4
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e\x00")


def test_the_consoles_own_colours_stay() -> None:
    screen = io.StringIO()
    LastingConsole(file=screen, force_terminal=True, color_system="standard").print(Text("red\x1b[2J", style="red"))
    assert screen.getvalue() == "\x1b[31mred\\x1b[2J\x1b[0m\n"
