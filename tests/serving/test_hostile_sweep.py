"""A sweep's folder made by somebody who means ill: looked at, reported, gone on with; nothing of it acts."""

import csv
import io
import json
import re
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import chromium
from served_sweep import ServedSweep

from twinverify import compare, tune, verify
from twinverify.arguments import run
from twinverify.errors import UserError
from twinverify.reports.page.write import write_page
from twinverify.search.past import read_past
from twinverify.serving.folder import write_best_folder
from twinverify.verification.family_scores import FamilyScores

STEERING = "\x1b]0;owned\x07"
MARKUP = "<img src=x onerror='window.taken = 1'>[red]`|"
HOSTILE = f"=cmd{STEERING}{MARKUP}\n# head"


class Runs:
    """What makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.canary,)


@pytest.fixture
def hostile(sweep: ServedSweep) -> Path:
    """The sweep under a hostile name, with hostile words wherever its journal holds any."""
    journal = sweep.folder / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        if line["event"] == "planned":
            line["sweep"]["options"] |= {"space": f"/x/{HOSTILE.replace('/', '')}.yaml"}
            line["sweep"]["versions"] = {HOSTILE: HOSTILE}
        if line["event"] == "reported":
            line["metrics"][HOSTILE] = 1.0
    odd = {HOSTILE: HOSTILE, "model.glca.selection": HOSTILE}
    lines += [
        {"event": "drawn", "trial": 2, "values": lines[1]["values"] | odd, "time": 1.8e9},
        {"event": "failed", "trial": 2, "cause": f"epoch 1: {HOSTILE}", "time": 1.8e9 + 1},
    ]
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return sweep.folder.rename(sweep.folder.with_name(HOSTILE.replace("=", "@")))


def called(main: Any, folder: Path, *words: str) -> int:
    """Run a command as its module does; gives the status."""
    sys.argv = ["twinverify", *words, f"output={folder.parent}"]
    with pytest.raises(SystemExit) as ended:
        run(main)
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setattr("twinverify.interrupt._answer", lambda *_: None)


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_its_leaderboard_steers_no_terminal(hostile: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert called(compare.main, hostile, hostile.name, f"format={form}") == 0
    told = capsys.readouterr()
    assert "owned" in told.out
    assert not set(told.out + told.err) & set("\x1b\x07")


def test_in_its_table_no_cell_is_a_formula_and_numbers_stay(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    called(compare.main, hostile, hostile.name, "format=csv")
    heading, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    cells = [cell for row in (heading, *rows) for cell in row]
    assert sum(cell.startswith(("'=cmd", "'@cmd")) for cell in cells) >= 6
    odd = [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell)]
    assert [cell for cell in odd if not re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", cell)] == []


def test_in_a_browser_its_page_shows_its_words_and_runs_none_of_them(hostile: Path) -> None:
    page = write_page(hostile)
    said: list[str] = []
    with chromium() as browser:
        view = browser.new_context(offline=True).new_page()
        view.on("console", lambda message: said.append(message.text))
        view.on("pageerror", lambda error: said.append(str(error)))
        view.goto(page.as_uri())
        drawn = view.eval_on_selector_all("[data-figure]", "all => all.map(e => e.querySelectorAll('path').length)")
        assert view.title().startswith("Sweep @cmd")
        for part in ("header", "#leaderboard", "#made"):
            assert "<img src=x onerror='window.taken = 1'>" in view.locator(part).inner_text()
        # Plotly reads markup in what is hovered over, and draws it only then.
        for place in view.locator("[data-figure] .nsewdrag").all():
            place.hover(force=True)
        assert view.locator("img[src=x]").count() == 0
        assert view.evaluate("window.taken") is None
    assert drawn
    assert min(drawn) > 0
    assert said == []


def test_its_model_card_takes_no_markup_and_no_command_of_its_name(hostile: Path) -> None:
    made = write_best_folder(hostile)
    assert made is not None
    card = (made / "README.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<img", re.sub(r"```.*?```", "", card, flags=re.DOTALL))
    assert "\n# head" not in card
    assert "\x1b" not in card
    [command] = re.findall(r"^python -m twinverify.verify a.jpg b.jpg model=(.*)$", card, re.MULTILINE)
    assert command.startswith("'")
    assert command.endswith("'")
    [argument] = re.findall(r"load_model\((.*?)\)\.verify", card)
    assert isinstance(json.loads(argument), str)
    assert (made / "config.yaml").read_text().count("\n# head") == 0


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (compare.main, ["../secret"]),
        (compare.main, ["../secret", "report=true"]),
        (compare.main, [f"nothing{STEERING}\nof it"]),
        (tune.main, ["resume=../secret"]),
        (tune.main, [f"resume=nothing{STEERING}"]),
        (verify.main, ["a.png", "a.png", "model=../nothing"]),
    ],
)
def test_no_name_of_a_sweep_leads_out_of_the_folder_of_sweeps(
    sweep: ServedSweep, capsys: pytest.CaptureFixture[str], main: Any, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sweep.folder, sweep.folder.parents[1] / "secret")
    monkeypatch.chdir(sweep.folder.parent)
    shutil.copyfile(sweep.faces[0], "a.png")
    assert called(main, sweep.folder, *words) == 2
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert "\x1b" not in told.err


LINKED = ["journal.jsonl", "sweep.yaml", ".owner", "00000/last.safetensors", "00001", "best", "report.html"]


@pytest.mark.parametrize("linked", LINKED)
def test_a_link_out_of_it_is_not_followed(sweep: ServedSweep, linked: str, capsys: pytest.CaptureFixture[str]) -> None:
    outside, place = sweep.folder.parents[1] / "precious", sweep.folder / linked
    if place.is_dir():
        place.rename(outside)
    else:
        outside.write_text("a line without an end" if not place.is_file() else place.read_text("latin-1"))
        place.unlink(missing_ok=True)
    place.symlink_to(outside)
    before = {path: path.read_bytes() for path in (outside, *outside.rglob("*")) if path.is_file()}

    assert called(tune.main, sweep.folder, f"resume={sweep.folder.name}", "trials=3") == 2
    assert called(compare.main, sweep.folder, sweep.folder.name, "report=true") == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(f"{linked} leads out of the sweep's folder" in line for line in lines)
    assert {path: path.read_bytes() for path in before} == before


def test_links_within_it_are_no_matter(sweep: ServedSweep) -> None:
    (sweep.folder / "favourite").symlink_to(sweep.folder / "00001")
    assert len(read_past(sweep.folder).state.trials) == 2


def test_scores_that_are_a_pickle_run_nothing(sweep: ServedSweep, capsys: pytest.CaptureFixture[str]) -> None:
    canary, scores = sweep.folder.parent / "ran", sweep.folder / "00000" / "scores.npz"
    with np.load(scores) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(scores, **arrays | {"families": np.array([Runs(canary)], dtype=object)})
    with pytest.raises(UserError, match="cannot be read as scores"):
        FamilyScores.load(scores)
    assert called(compare.main, sweep.folder, sweep.folder.name) == 0
    assert not canary.exists()


@pytest.mark.parametrize("shape", [(10**15,), (2**62, 2**62)])
def test_scores_that_say_they_are_enormous_are_told(sweep: ServedSweep, shape: tuple[int, ...]) -> None:
    scores, lie = sweep.folder / "00000" / "scores.npz", io.BytesIO()
    np.lib.format.write_array_header_1_0(lie, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(scores) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(scores, "w") as archive:
        for name, content in (parts | {"same.npy": lie.getvalue()}).items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match="cannot be read as scores"):
        FamilyScores.load(scores)


BAD_LINES = {
    "deep": "[" * 50_000,
    "not a number": '{"event":"reported","trial":2,"epoch":1,"metrics":{"x":NaN},"then":"continue","time":1}',
    "metrics of another kind": '{"event":"reported","trial":2,"epoch":1,"metrics":"x","then":"continue","time":1}',
    "trial of another kind": '{"event":"drawn","trial":[],"values":{},"time":1}',
    "far trial": '{"event":"drawn","trial":1000000000,"values":{},"time":1}',
    "huge number": '{"event":"drawn","trial":' + "9" * 5000 + ',"values":{},"time":1}',
    "values of another kind": '{"event":"drawn","trial":3,"values":[1],"time":1}',
    "cause of another kind": '{"event":"failed","trial":2,"cause":{"a":[]},"time":1}',
    "another plan": '{"event":"planned","sweep":{"format":1},"space":"!!python/name:os.system","time":1}',
    "time of another kind": '{"event":"drawn","trial":3,"values":{},"time":"now"}',
}


@pytest.mark.parametrize("kind", BAD_LINES)
def test_a_journal_of_nonsense_is_one_line(sweep: ServedSweep, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    with (sweep.folder / "journal.jsonl").open("a") as journal:
        drawn = '{"event":"drawn","trial":2,"values":{},"time":1}\n'
        journal.write(f"{drawn}{BAD_LINES[kind]}\n{drawn.replace('2', '4')}")
    assert called(compare.main, sweep.folder, sweep.folder.name) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
