import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinverify.faces.faceset import FaceSet
from twinverify.faces.sampling import epoch_batches
from twinverify.settings import BatchSettings


def faces(families: list[int], images: list[int]) -> FaceSet:
    """Make a set from the sizes of the families and, repeated as needed, the numbers of images of the people."""
    sizes = np.resize(images, sum(families))
    person = np.repeat(np.arange(len(sizes)), sizes)
    family_of = np.repeat(np.arange(len(families)), families)
    starts = np.cumsum([0, *families[:-1]])
    pairs = [(start + i, start + i + 1) for start, size in zip(starts, families, strict=True) for i in range(size - 1)]
    return FaceSet(
        pixels=np.zeros((1, 3, 2, 2), dtype=np.uint8),
        rows=np.arange(len(person)),
        person=person,
        family=family_of[person],
        content=np.arange(len(person)),
        twin_pairs=np.array(pairs, dtype=np.int64).reshape(-1, 2),
        person_ids=tuple(str(number) for number in range(len(sizes))),
    )


def draw(data: FaceSet, people: int, images: int, twin_share: float = 0.5, seed: int = 0, epoch: int = 1) -> np.ndarray:
    """Draw an epoch as (batches, people, images)."""
    batch_settings = BatchSettings(people=people, images=images, twin_share=twin_share)
    return np.stack([batch.reshape(-1, images) for batch in epoch_batches(data, batch_settings, seed, epoch)])


@settings(max_examples=150, deadline=None)
@given(
    families=st.lists(st.integers(1, 4), min_size=1, max_size=20),
    images=st.lists(st.integers(2, 9), min_size=1, max_size=5),
    people=st.integers(2, 10),
    per_person=st.integers(2, 6),
    twin_share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_batch_is_people_by_images_and_repeats_nobody_and_no_image_without_need(
    families: list[int], images: list[int], people: int, per_person: int, twin_share: float, seed: int
) -> None:
    data = faces(families, images)
    owned = np.bincount(data.person)
    epoch = draw(data, people, per_person, twin_share, seed)
    expected = min(people, len(data.person_ids))
    assert epoch.shape[1:] == (expected, per_person)
    assert len(epoch) == max(1, round(len(data) / (expected * per_person)))
    assert epoch.dtype == np.int64
    for batch in epoch:
        who = data.person[batch]
        assert (who == who[:, :1]).all(), "each row is one person"
        assert len(set(who[:, 0].tolist())) == expected, "a person comes once"
        for row, person in zip(batch, who[:, 0], strict=True):
            assert len(set(row.tolist())) == min(per_person, owned[person])


def test_the_same_seed_and_epoch_give_the_same_batches_and_others_other_ones() -> None:
    data = faces([2] * 10, [6])
    first = draw(data, 6, 3, seed=7, epoch=3)
    np.testing.assert_array_equal(first, draw(data, 6, 3, seed=7, epoch=3))
    assert (first != draw(data, 6, 3, seed=7, epoch=4)).any()
    assert (first != draw(data, 6, 3, seed=8, epoch=3)).any()


@pytest.mark.parametrize("twin_share", [0.0, 0.25, 0.5, 0.8, 1.0])
def test_the_share_of_people_with_their_twin_is_the_one_set(twin_share: float) -> None:
    data = faces([2] * 40, [8])
    epochs = np.concatenate([draw(data, 10, 4, twin_share, epoch=epoch) for epoch in range(40)])
    families = data.family[epochs[:, :, 0]]
    with_twin = [np.isin(row, row[np.array([(row == f).sum() > 1 for f in row])]).mean() for row in families]
    assert np.mean(with_twin) == pytest.approx(twin_share, abs=0.01)


def test_an_epoch_sees_each_image_once_where_the_numbers_allow() -> None:
    data = faces([2] * 12, [4])
    for twin_share in (0.0, 1.0):
        for epoch in range(20):
            seen = np.bincount(draw(data, 6, 4, twin_share, epoch=epoch).ravel(), minlength=len(data))
            assert seen.tolist() == [1] * len(data), twin_share


def test_an_epoch_misses_few_images_whatever_the_share() -> None:
    data = faces([2] * 60, [6])
    for twin_share in (0.0, 0.3, 0.5, 0.8, 1.0):
        seen = np.bincount(draw(data, 12, 4, twin_share).ravel(), minlength=len(data))
        assert (seen == 0).mean() < 0.2, twin_share
        assert seen.max() <= 2, twin_share


def test_people_with_many_images_come_more_often() -> None:
    data = faces([1] * 20, [4, 40])
    drawn = np.bincount(data.person[draw(data, 4, 4, 0.0)].ravel(), minlength=20)
    assert drawn[1::2].min() > 4 * drawn[::2].max()


def test_over_an_epoch_nobody_is_left_out() -> None:
    data = faces([3, 2, 2, 1, 1, 2, 2, 3], [5])
    assert set(data.person[draw(data, 4, 3, 0.5)].ravel().tolist()) == set(range(16))


def test_with_fewer_people_than_asked_for_a_batch_has_all_of_them() -> None:
    data = faces([2, 1], [6])
    assert sorted(data.person[draw(data, 12, 3)[0, :, 0]].tolist()) == [0, 1, 2]


def test_without_twins_any_share_works() -> None:
    data = faces([1] * 8, [6])
    assert draw(data, 4, 3, twin_share=1.0).shape == (4, 4, 3)


def test_triplets_come_as_pairs_and_one_family_fills_no_batch_twice() -> None:
    data = faces([3] * 6, [6])
    for batch in draw(data, 6, 2, twin_share=1.0):
        assert np.bincount(data.family[batch[:, 0]]).max() == 2
