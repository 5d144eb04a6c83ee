"""The file of kept scores: whole, small, and nothing of it executed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluations import Evaluation, evaluation

from twinverify.errors import UserError
from twinverify.verification.family_scores import FamilyScores


@pytest.fixture(scope="module")
def made() -> Evaluation:
    return evaluation()


def test_what_is_saved_is_loaded_again_to_the_last_bit(made: Evaluation, tmp_path: Path) -> None:
    made.kept.save(tmp_path / "scores.npz")
    again = FamilyScores.load(tmp_path / "scores.npz")
    for name in ("same", "twin", "same_family", "twin_family", "thresholds", "general", "families"):
        before, after = getattr(made.kept, name), getattr(again, name)
        np.testing.assert_array_equal(after, before, err_msg=name)
        assert after.dtype == before.dtype, name
    assert again.key == made.kept.key


def test_the_same_scores_give_the_same_bytes_whatever_the_file_is_called(made: Evaluation, tmp_path: Path) -> None:
    made.kept.save(tmp_path / "a.npz")
    made.kept.save(tmp_path / "b.npz.tmp")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz.tmp").read_bytes()


def test_the_scores_of_the_common_test_set_take_under_a_hundred_kilobytes(tmp_path: Path) -> None:
    large = evaluation(twins=29, singles=0, images=11)  # 29 pair families, about 670 images: ND-TWINS' test side
    large.kept.save(tmp_path / "scores.npz")
    assert (tmp_path / "scores.npz").stat().st_size < 100_000


def test_the_key_tells_which_pairs_were_scored_and_not_how(made: Evaluation) -> None:
    assert evaluation(noise=2.0).kept.key == made.kept.key  # other scores of the same people
    assert evaluation(twins=9).kept.key != made.kept.key
    assert replace(made.kept, families=made.kept.families[::-1]).key != made.kept.key


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "missing array"])
def test_a_damaged_file_is_named_in_one_line(made: Evaluation, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "scores.npz"
    made.kept.save(path)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello there"}.get(damage, whole))
    if damage == "missing array":
        np.savez(path, same=made.kept.same)
    with pytest.raises(UserError, match=r"scores\.npz: cannot be read as scores \(") as caught:
        FamilyScores.load(path)
    assert "\n" not in str(caught.value)


def test_a_pickle_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "scores.npz"
    np.savez(path, same=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="cannot be read as scores"):
        FamilyScores.load(path)


def test_a_missing_file_and_another_version_are_told_apart(made: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.npz: no such file of scores"):
        FamilyScores.load(tmp_path / "nowhere.npz")
    path = tmp_path / "scores.npz"
    made.kept.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, "format": np.int64(7)})
    with pytest.raises(UserError, match=r"scores of format 7; this version reads format 1"):
        FamilyScores.load(path)
