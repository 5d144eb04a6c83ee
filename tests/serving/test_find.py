"""What may stand after `model=`."""

from pathlib import Path

import pytest
from served_sweep import ServedSweep

from twinverify.errors import UserError
from twinverify.serving.find import find_model


def test_a_sweep_is_found_by_its_name_and_by_its_folder(sweep: ServedSweep) -> None:
    output = sweep.folder.parent
    best = sweep.folder / "best"
    assert find_model("small", output) == best
    assert find_model(str(sweep.folder), Path("/nowhere")) == best
    assert find_model(str(best), Path("/nowhere")) == best


def test_the_folder_of_a_sweep_that_has_none_yet_is_made(sweep: ServedSweep) -> None:
    best = sweep.folder / "best"
    assert not best.exists()
    assert find_model(str(best), Path("/nowhere")) == best
    assert (best / "model.json").exists()


def test_the_last_model_is_found_after_a_kill_though_no_newer_one_can_be_made(sweep: ServedSweep) -> None:
    best = find_model("small", sweep.folder.parent)
    best.rename(sweep.folder / ".best.old.123456")
    for weights in sweep.folder.glob("*/best.safetensors"):
        weights.unlink()
    assert find_model("small", sweep.folder.parent) == best
    assert (best / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("smal", "model smal: sweep smal: not in .*; did you mean small"),
        ("{output}/smal", "there is no such folder; did you mean small"),
        ("{output}/smal/best", "there is no such folder; did you mean small"),
        ("{output}/small/00000", "not a model folder .model.json is missing"),
        ("{output}", "not a model folder .model.json is missing"),
        ("/nowhere/at/all", "there is no such folder"),
    ],
)
def test_what_is_no_model_is_told_with_the_nearest_name(sweep: ServedSweep, model: str, told: str) -> None:
    output = sweep.folder.parent
    with pytest.raises(UserError, match=told):
        find_model(model.format(output=output), output)


def test_a_sweep_without_a_result_has_no_model(sweep: ServedSweep) -> None:
    journal = sweep.folder / "journal.jsonl"
    journal.write_text("".join(f"{line}\n" for line in journal.read_text().splitlines()[:2]))
    with pytest.raises(UserError, match="model small: sweep small: none of its trials has a result yet"):
        find_model("small", sweep.folder.parent)
