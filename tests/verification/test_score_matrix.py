"""Any score matrix sorted into pairs, as the project's own embeddings are."""

import numpy as np
import pytest
from evaluations import Evaluation, evaluation
from numpy.typing import NDArray

from twinverify.verification import score_matrix
from twinverify.verification.by_family import by_family
from twinverify.verification.pairs import pair_scores
from twinverify.verification.protocols import verification_metrics
from twinverify.verification.score_matrix import matrix_blocks, matrix_scores


def cosines(made: Evaluation) -> NDArray[np.float32]:
    unit = made.embeddings / np.linalg.norm(made.embeddings, axis=1, keepdims=True)
    return (unit @ unit.T).astype(np.float32)


@pytest.mark.parametrize("band", [3, 256])
@pytest.mark.parametrize("identical", [False, True])
def test_the_matrix_of_cosines_gives_what_the_embeddings_give(
    monkeypatch: pytest.MonkeyPatch, band: int, identical: bool
) -> None:
    monkeypatch.setattr(score_matrix, "_BAND", band)
    made = evaluation()
    content = np.arange(len(made.person)) // (2 if identical else 1)
    expected = pair_scores(made.embeddings, made.person, made.family, made.twin_pairs, content)
    matrix = cosines(made)
    found = matrix_scores(matrix, made.person, made.family, made.twin_pairs, content)
    for kind in ("same", "twin", "general"):
        np.testing.assert_allclose(np.sort(getattr(found, kind)), np.sort(getattr(expected, kind)), atol=2e-6)
    for kind in ("same_family", "twin_family"):
        np.testing.assert_array_equal(np.bincount(getattr(found, kind)), np.bincount(getattr(expected, kind)))
    kept = by_family(found, matrix_blocks(matrix, made.family, content), made.names)
    assert kept.general.sum() == len(expected.general)


def test_only_what_is_above_the_diagonal_is_read() -> None:
    made = evaluation(twins=3)
    matrix = np.triu(cosines(made), 1)
    matrix[np.tril_indices(len(matrix))] = np.nan
    assert verification_metrics(matrix_scores(matrix, made.person, made.family, made.twin_pairs))


def test_members_of_a_family_who_are_no_twins_are_no_pair_at_all() -> None:
    # a triplet of which only two pairs are listed: the third pair is neither twin nor unrelated
    person = np.array([0, 1, 2, 3])
    found = matrix_scores(np.arange(16.0).reshape(4, 4), person, np.array([0, 0, 0, 1]), [(0, 1), (2, 1)])
    assert sorted(found.twin.tolist()) == [1, 6]
    assert sorted(found.general.tolist()) == [3, 7, 11]
    assert found.same.tolist() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": np.zeros((4, 3))}, r"matrix of shape \(4, 3\): for 4 images"),
        ({"family": np.zeros(3, int)}, r"family of shape \(3,\)"),
        ({"content": np.zeros(5, int)}, r"content of shape \(5,\)"),
        ({"family": np.array([0, 1, 2, 2])}, "person 0: is in two families"),
        ({"twin_pairs": [(0, 1)]}, "twins 0 and 1: are of two families"),
        ({"matrix": np.where(np.arange(16).reshape(4, 4) == 7, np.inf, 0.0)}, "the score of images 1 and 3 is inf"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change, message: str) -> None:
    fitting = {
        "matrix": np.zeros((4, 4)),
        "person": np.array([0, 0, 1, 1]),
        "family": np.array([0, 0, 1, 1]),
        "twin_pairs": np.empty((0, 2), int),
    }
    with pytest.raises(ValueError, match=message):
        matrix_scores(**{**fitting, **change})
