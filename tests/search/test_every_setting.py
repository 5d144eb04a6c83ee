"""Every option and every setting: a start either changes it for good, or is refused with its name, old and new."""

import typing
from pathlib import Path
from typing import Any

import pytest
from annotated_types import Ge, Gt, Le, Lt
from planning import PAIRS, Planned, faces, noted
from pydantic.fields import FieldInfo

from twinverify.config import flatten, leaves, with_values
from twinverify.errors import UserError
from twinverify.search.options import CHANGEABLE, TuneOptions
from twinverify.search.plan import SweepPlan
from twinverify.settings import Config

pytestmark = pytest.mark.usefixtures("no_probe")


@pytest.fixture
def mine(started: Planned, tmp_path: Path) -> SweepPlan:
    """Start a sweep on a small folder of faces."""
    (tmp_path / "rates.yaml").write_text("train.warmup: {float: [0.1, 0.2]}\n")
    (tmp_path / "pairs.csv").write_text(PAIRS)
    data = {"data": str(faces(tmp_path / "faces")), "pairs": tmp_path / "pairs.csv", "config": "tiny"}
    return started({}, space=str(tmp_path / "rates.yaml"), name="mine", epochs=4, objective="val/twin_eer", **data)


#: Another legal value of every option; `resume` and `output` say where the sweep is.
OTHER: dict[str, Any] = {
    "space": "pwca",
    "name": "yours",
    "config": "small",
    "data": "others",
    "pairs": "others.csv",
    "trials": 40,
    "epochs": 5,
    "objective": "val/twin_auc",
    "sampler": "random",
    "repeats": True,
    "scheduler": "none",
    "reduction_factor": 4,
    "grace_epochs": 2,
    "spare": 0.5,
    "seed": 3,
    "concurrency": 1,
    "cpus": 8,
    "gpus": 1,
    "cpus_per_trial": 0.5,
    "gpus_per_trial": 0.0,
    "budget": 3600.0,
    "tracking": "off",
    "experiment": "another",
    "cache": "cache",
    "keep": 2,
    "results": False,
    "dashboard": True,
    "tensorboard": True,
}
#: Under another name in the refusal.
NAMED = {"epochs": "train.epochs", "pairs": "data"}


def test_every_option_is_tried() -> None:
    assert set(TuneOptions.model_fields) - {"resume", "output"} == set(OTHER)


@pytest.mark.parametrize("key", OTHER)
def test_an_option_is_either_changed_for_good_or_refused_by_its_name(
    mine: SweepPlan, planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    faces(tmp_path / "others", people=16)
    (tmp_path / "others.csv").write_text(PAIRS.replace("p00,p01", "p00,p02").replace("p02,p03", "p01,p03"))
    monkeypatch.chdir(tmp_path)
    if key not in CHANGEABLE:
        with pytest.raises(UserError) as refused:
            planned({}, resume="mine", **{key: OTHER[key]})
        told = str(refused.value).removeprefix("resume=mine: it goes on as it was started: ")
        assert told.startswith(f"{NAMED.get(key, key)} was ")
        assert told.count(" was ") == 1
        return
    changed = noted(planned({}, resume="mine", **{key: OTHER[key]}))
    wanted = tmp_path / "cache" if key == "cache" else OTHER[key]
    assert getattr(changed.options, key) == wanted
    assert getattr(planned({}, resume="mine").options, key) == wanted
    assert changed.stored().identity() == mine.stored().identity()
    assert changed.sweep_id == mine.sweep_id


def another(field: FieldInfo, value: Any) -> typing.Iterator[Any]:
    """Give values that a field may take, the present one apart."""
    choices = [c for kind in (field.annotation, *typing.get_args(field.annotation)) for c in typing.get_args(kind)]
    bounds = {type(constraint): constraint for constraint in field.metadata}
    low = getattr(bounds.get(Ge), "ge", getattr(bounds.get(Gt), "gt", 0))
    high = getattr(bounds.get(Le), "le", getattr(bounds.get(Lt), "lt", 10))
    numbers = [value + 1, value - 1, 2 * value] if isinstance(value, int) else [1, 2, 4, 8, 16, 32, 64, 224]
    shares = [low + (high - low) * share for share in (0.01, 0.1, 0.5)]
    tried = [*choices, not value, "vit_small_patch16_224", *numbers, *shares, low, high, "weights.pth"]
    yield from (candidate for candidate in tried if candidate != value and not isinstance(candidate, type))


@pytest.mark.parametrize("key", leaves(Config))
def test_every_setting_of_the_configuration_is_refused_by_its_name(mine: SweepPlan, planned: Planned, key: str) -> None:
    value, tried = flatten(mine.config)[key], 0
    for other in another(leaves(Config)[key], value):
        try:
            with_values(mine.config, {key: other})
        except UserError:
            continue
        tried += 1
        with pytest.raises(
            UserError, match=rf"resume=mine: it goes on as it was started: {key} was .*, now "
        ) as refused:
            planned({key: other}, resume="mine")
        assert repr(value) in str(refused.value)
        break
    assert tried, f"no other value of {key} ({value}) was found"
