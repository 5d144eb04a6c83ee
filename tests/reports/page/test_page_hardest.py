"""The hardest pairs: found with the kept model, photographs for synthetic twins only, nobody named."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_sweep import write_sweep

from twinverify.config import flatten
from twinverify.faces.catalogue import Catalogue
from twinverify.faces.splits import split_families
from twinverify.faces.synthetic import synthetic_catalogue
from twinverify.model.dcal import Dcal
from twinverify.reports.page.hardest import hardest
from twinverify.reports.page.read import sweep_in
from twinverify.reports.page.told import Hardest, Sweep
from twinverify.reports.page.write import write_page
from twinverify.search.plan import SweepPlan
from twinverify.training.files import write_tensors


@dataclass(frozen=True)
class Kept:
    """A sweep of synthetic twins whose best checkpoint is there."""

    folder: Path
    faces: Catalogue

    @property
    def sweep(self) -> Sweep:
        return sweep_in(self.folder)


@pytest.fixture(scope="module")
def kept(plan: SweepPlan, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = write_sweep(tmp_path_factory.mktemp("kept"), plan, [("completed", [0.4] * 4, None)])
    torch.manual_seed(0)
    model = Dcal(plan.config.model)
    (folder / "00000").mkdir()
    values = {"epoch": 1, "metrics": {}, "identity": flatten(plan.config)}
    write_tensors(folder / "00000" / "best.safetensors", model.state_dict(), values)
    faces = synthetic_catalogue(plan.config.synthetic, 64, folder.parent / ".cache")
    return Kept(folder, faces)


def pictures(found: Hardest) -> Iterator[str]:
    for group in found.groups:
        for pair in group.pairs:
            for face in pair.faces:
                yield from face.pictures


def captions(found: Hardest, group: int) -> list[float]:
    return [float(pair.caption.split()[1].rstrip(",")) for pair in found.groups[group].pairs]


def test_the_most_alike_twins_and_the_least_alike_of_one_person_are_shown(kept: Kept, plan: SweepPlan) -> None:
    found = hardest(kept.sweep, None, faces=False)
    assert [group.title.split(",")[0] for group in found.groups] == ["Twins", "One person"]
    families = len(set(split_families(kept.faces, plan.config.split).validation.families.values()))
    assert len(found.groups[0].pairs) == min(4, families)
    assert captions(found, 0) == sorted(captions(found, 0), reverse=True)
    assert captions(found, 1) == sorted(captions(found, 1))
    assert max(captions(found, 1)) <= max(captions(found, 0))


def test_the_two_of_a_pair_are_twins_or_one_person(kept: Kept) -> None:
    found = hardest(kept.sweep, None, faces=False)
    for pair in found.groups[0].pairs:
        first, second = (face.name.split(", ") for face in pair.faces)
        assert (first[0], {first[1], second[1]}) == (second[0], {"a", "b"})
    for pair in found.groups[1].pairs:
        first, second = pair.faces
        assert first.name == second.name
        assert first.pictures != second.pictures


@pytest.mark.parametrize(("threshold", "words"), [(-1.0, "wrongly taken for one person"), (1.1, "rightly told apart")])
def test_the_threshold_says_what_is_wrong(kept: Kept, threshold: float, words: str) -> None:
    found = hardest(kept.sweep, threshold, faces=False)
    assert all(words in pair.caption for pair in found.groups[0].pairs)


def test_synthetic_twins_are_shown_with_their_faces(kept: Kept) -> None:
    assert (
        sum(picture.startswith("data:image/jpeg") for picture in pictures(hardest(kept.sweep, None, faces=False))) > 0
    )


def as_people(sweep: Sweep, faces: Catalogue) -> Sweep:
    """Give the same sweep as if the data were a folder of real people."""
    options = sweep.stored.options.model_copy(update={"data": str(faces.root)})
    return replace(sweep, stored=sweep.stored.model_copy(update={"options": options}))


def test_of_people_there_is_no_photograph_unless_asked_for(kept: Kept) -> None:
    sweep = as_people(kept.sweep, kept.faces)
    without, asked = (list(pictures(hardest(sweep, None, faces=faces))) for faces in (False, True))
    assert without
    assert all(picture.startswith("data:image/png") for picture in without)
    assert any(picture.startswith("data:image/jpeg") for picture in asked)
    assert "faces=true" in hardest(sweep, None, faces=False).how


def test_nobody_is_named(kept: Kept, plan: SweepPlan, tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, plan, [("completed", [0.4] * 4, None)], data=str(kept.faces.root))
    shutil.copytree(kept.folder / "00000", folder / "00000")
    text = write_page(folder).read_text(encoding="utf-8")
    assert "family 1, a" in text
    ids = [person.id for person in split_families(kept.faces, plan.config.split).validation.people]
    assert ids
    assert not [id for id in ids if f">{id}<" in text or f"{id}/" in text or f'"{id}' in text]
    assert str(kept.faces.root.parent) not in text


def test_a_checkpoint_that_was_not_kept_is_said(plan: SweepPlan, tmp_path: Path) -> None:
    found = hardest(sweep_in(write_sweep(tmp_path, plan, [("completed", [0.4] * 4, None)])), None, faces=False)
    assert found.why_not == "The checkpoint of trial 0, the best, was not kept."


def test_images_that_are_gone_are_said_without_their_path(kept: Kept, plan: SweepPlan, tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, plan, [("completed", [0.4] * 4, None)], data=str(tmp_path / "moved away"))
    shutil.copytree(kept.folder / "00000", folder / "00000")
    found = hardest(sweep_in(folder), None, faces=False)
    assert "cannot be read any more" in found.why_not
    assert "moved away" not in found.why_not


def test_the_maps_differ_from_face_to_face(kept: Kept) -> None:
    sweep = as_people(kept.sweep, kept.faces)
    shown = list(pictures(hardest(sweep, None, faces=False)))
    assert len(np.unique(shown)) > 1
