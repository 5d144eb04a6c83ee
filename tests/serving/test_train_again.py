"""`train` with a sweep's file takes from the sweep what is not given."""

from pathlib import Path
from typing import Any

import pytest
from served_sweep import ServedSweep

from twinverify.train import TrainOptions, _as_in_its_sweep


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, {"data": "synthetic", "objective": "val/twin_eer", "threads": 1}),
        ({"data": "synthetic"}, {"objective": "val/twin_eer", "threads": 1}),
        ({"threads": 0}, {"data": "synthetic", "objective": "val/twin_eer"}),
        ({"data": "/data/others"}, {"threads": 1}),
        ({"data": "/data/others", "objective": "val/general_eer", "threads": 2}, {}),
    ],
)
def test_what_is_given_wins(finished: ServedSweep, given: dict[str, Any], taken: dict[str, Any]) -> None:
    options = TrainOptions(config=str(finished.folder / "best.yaml"), **given)
    found, told = _as_in_its_sweep(options)
    expected = TrainOptions(config=options.config, **(given | taken))
    assert {key: getattr(found, key) for key in ("data", "objective", "threads", "pairs")} == {
        key: getattr(expected, key) for key in ("data", "objective", "threads", "pairs")
    }
    assert found.cache == finished.folder.parent / ".cache"
    words = ", ".join(f"{key}={value}" for key, value in taken.items())
    assert told == ((f"as in sweep small: {words}",) if taken else ())


def test_other_configurations_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "best.yaml").write_text("seed: 1\n")
    for config in (None, "tiny", str(tmp_path / "best.yaml")):
        options = TrainOptions(config=config)
        assert _as_in_its_sweep(options) == (options, ())
