import sys
from pathlib import Path

import pytest
import torch

from twinverify.config import load_config, with_values
from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue, Person
from twinverify.search.preflight import check_dashboard, check_estimable, check_training


def faces(people: int, images: int) -> Catalogue:
    """Twins 0 and 1, 2 and 3, ..."""
    names = [f"p{number}" for number in range(people)]
    persons = tuple(Person(name, tuple(Path(f"{name}/{image}.png") for image in range(images))) for name in names)
    return Catalogue("few", Path(), persons, tuple(zip(names[::2], names[1::2], strict=True)))


@pytest.mark.parametrize("objective", ["val/twin_eer", "val/general_auc", "val/twin_tar_at_far_0.1"])
def test_what_can_be_estimated_passes(objective: str) -> None:
    check_estimable(objective, faces(people=4, images=10))  # 200 twin pairs, 400 general ones


@pytest.mark.parametrize(
    ("objective", "needed", "there"),
    [("val/twin_tar_at_far_0.01", 1000, 200), ("val/general_tar_at_far_0.001", 10000, 400)],
)
def test_a_far_with_too_few_impostor_pairs_is_refused(objective: str, needed: int, there: int) -> None:
    with pytest.raises(UserError, match=rf"{objective}: {needed} impostor pairs are needed, .* have {there};"):
        check_estimable(objective, faces(people=4, images=10))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("values", [{"train.device": "cuda"}, {"train.amp": "fp16"}])
def test_a_device_or_precision_that_is_not_there_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(UserError, match="train"):
        check_training(with_values(load_config("tiny"), values))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    torch.save({"something": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth"):
        check_training(with_values(load_config("tiny"), {"model.weights": str(tmp_path / "other.pth")}))


def test_an_ordinary_configuration_passes() -> None:
    check_training(load_config("tiny"))


def test_a_dashboard_whose_packages_are_not_there_is_refused_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "ray.dashboard.optional_deps", raising=False)
    monkeypatch.setitem(sys.modules, "aiohttp_cors", None)
    check_dashboard(False)
    with pytest.raises(UserError, match=r'dashboard=true: .*aiohttp_cors.* pip install "ray\[default\]==2\.'):
        check_dashboard(True)
