"""What a sweep is predicted to take of the disk."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import yaml

from twinverify.config import load_config, with_values
from twinverify.search import disk
from twinverify.search.checkpoint_size import checkpoint_size
from twinverify.search.disk import DiskNeed, in_units, largest_checkpoints, predict
from twinverify.search.options import TuneOptions
from twinverify.search.plan import SweepPlan, make_plan
from twinverify.search.space import load_space
from twinverify.settings import Config

MakePlan = Callable[..., SweepPlan]
TINY = load_config("tiny")


def pair(config: Config, identities: int = 124) -> int:
    return sum(checkpoint_size(config, identities))


@pytest.fixture
def make(tmp_path: Path) -> MakePlan:
    def plan(**options: Any) -> SweepPlan:
        common = {"space": "glca_heads", "output": tmp_path / "runs", "config": "tiny", "gpus": 0, "cpus": 8}
        few = {"synthetic.families": 12, "synthetic.images": 3}
        return make_plan(TuneOptions.model_validate(common | options), few)

    return plan


# ---- the largest model of a space


@pytest.mark.parametrize(
    ("preset", "space", "wanted"),
    [
        ("tiny", "glca_heads", {"model.glca.blocks": 3}),
        ("tiny", "pwca", {}),
        ("tiny", "optim", {"train.ema": 0.99}),
        ("tiny", "losses", {"loss.identity.head": "softmax"}),
        ("small", "optim", {"train.ema": 0.99}),
        (
            "small",
            "backbone",
            {"model.backbone": "vit_base_patch16_224", "model.image_size": 448, "model.embedding_width": 768},
        ),
        (
            "tiny",
            "backbone",
            {"model.width": 192, "model.depth": 8, "model.image_size": 96, "model.embedding_width": 768},
        ),
    ],
)
def test_it_is_the_one_that_a_look_at_the_space_gives(preset: str, space: str, wanted: dict[str, Any]) -> None:
    base = load_config(preset)
    found = largest_checkpoints(load_space(space, base), base, 124)
    assert found == pytest.approx(pair(with_values(base, wanted)), rel=0.001)


def test_no_random_point_of_the_widest_space_is_larger_and_it_takes_well_under_a_second() -> None:
    space = load_space("full", TINY)
    before = time.process_time()
    found = largest_checkpoints(space, TINY, 124)
    assert time.process_time() - before < 2  # 0.4 s on an idle machine
    random = Random(7)
    for _ in range(150):
        values = space.walk(lambda key, name, domain: domain.at(random.random()))
        assert pair(with_values(TINY, values)) <= found


def test_a_combination_that_one_point_in_ten_thousand_has_is_not_missed(tmp_path: Path) -> None:
    lines = {
        "train.lr": {"float": [1e-5, 1e-2], "log": True},
        "model.glca.blocks": {"int": [0, 3]},
        "model.embedding_width": {"choice": [None, *range(8, 100), 4096]},
        "train.ema": {"choice": [None, 0.9]},
        "train.optimizer": {"choice": ["sgd", "adam"]},
    }
    (tmp_path / "rare.yaml").write_text(yaml.safe_dump(lines))
    largest = {"model.glca.blocks": 3, "model.embedding_width": 4096, "train.ema": 0.9, "train.optimizer": "adam"}
    found = largest_checkpoints(load_space(tmp_path / "rare.yaml", TINY), TINY, 124)
    assert found == pair(with_values(TINY, largest))


def test_the_default_counts_too_where_the_space_draws_smaller_ones_only(tmp_path: Path) -> None:
    (tmp_path / "less.yaml").write_text("train.optimizer: {choice: [sgd]}\n")
    assert largest_checkpoints(load_space(tmp_path / "less.yaml", TINY), TINY, 124) == pair(TINY)


# ---- the sweep's need


class Case(NamedTuple):
    trials: int
    concurrency: int
    keep: int
    pairs: int


@pytest.mark.parametrize(
    "case",
    [
        Case(12, 2, 5, 2 * 2 + 5),
        Case(12, 1, 1, 2 + 1),
        Case(3, 2, 5, 2 * 2 + 1),
        Case(1, 4, 5, 2 + 1),
        Case(100, 4, 9, 17),
    ],
)
def test_running_trials_take_two_of_each_checkpoint_and_kept_ones_one(make: MakePlan, case: Case) -> None:
    plan = make(trials=case.trials, concurrency=case.concurrency, keep=case.keep)
    one = largest_checkpoints(plan.space, plan.config, len(plan.split.train.people))
    assert predict(plan).checkpoints == case.pairs * one


def test_more_trials_and_epochs_take_more_records_and_nothing_is_written(make: MakePlan, tmp_path: Path) -> None:
    short, long, many = make(trials=2, epochs=2), make(trials=2, epochs=200), make(trials=200, epochs=2)
    assert 0 < predict(short).records < predict(long).records < predict(many).records < 2**26
    assert not (tmp_path / "runs").exists()
    assert predict(short).free > 0


def test_the_scores_of_large_validation_sets_count(make: MakePlan) -> None:
    plan = make(trials=2, epochs=2)
    people = tuple(replace(person, images=person.images * 60) for person in plan.split.validation.people)
    large = replace(plan, split=replace(plan.split, validation=replace(plan.split.validation, people=people)))
    same = len(people) * 180 * 179 // 2
    twins = len(plan.split.validation.twin_pairs) * 180**2
    more = predict(large).records - predict(plan).records
    assert more == pytest.approx(2 * 4 * (same + twins), rel=0.01)


def test_what_a_sweep_has_already_is_not_needed_again(make: MakePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make()
    (plan.folder / "00000").mkdir(parents=True)
    (plan.folder / "00000" / "last.safetensors").write_bytes(b"x" * 1_000_000)
    (plan.folder / "00000" / "notes.txt").write_bytes(b"x" * 1_000_000)
    need = predict(plan)
    assert need.taken == 1_000_000
    left = need.checkpoints + need.records - 1_000_000
    for free, is_enough in ((left, True), (left - 1, False)):
        monkeypatch.setattr(disk.shutil, "disk_usage", lambda path, free=free: _Usage(free))
        assert predict(plan).is_enough == is_enough


class _Usage(NamedTuple):
    free: int


def test_it_is_told_in_one_line_and_warns_where_there_is_not_enough() -> None:
    need = DiskNeed(400 * 2**20, 12 * 2**20, 0, 48 * 2**30, Path("/runs/x"), running=2, kept=5)
    assert str(need) == "Disk: at most 412 MiB (2 running, the best 5 kept); 48 GiB free in /runs/x"
    little = DiskNeed(400 * 2**20, 12 * 2**20, 100 * 2**20, 300 * 2**20, Path("/runs/x"), running=1, kept=1)
    assert not little.is_enough
    assert str(little) == (
        "Disk: at most 412 MiB (1 running, the best one kept), 100 MiB of it there already, but only 300 MiB free in"
        " /runs/x: the sweep may stop for want of room; set keep=N lower, or output=FOLDER elsewhere"
    )


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, "0 B"),
        (912, "912 B"),
        (1023.6, "1.0 KiB"),
        (4.14 * 2**20, "4.1 MiB"),
        (9.96 * 2**20, "10 MiB"),
        (1023.4 * 2**20, "1023 MiB"),
        (1023.6 * 2**20, "1.0 GiB"),
        (48 * 2**30, "48 GiB"),
        (3 * 2**40, "3.0 TiB"),
        (5000 * 2**40, "5000 TiB"),
    ],
)
def test_bytes_are_told_in_units(size: float, told: str) -> None:
    assert in_units(size) == told


def test_no_torch_is_loaded() -> None:
    code = (
        "import sys; from twinverify.config import load_config; from twinverify.search.space import load_space;"
        "from twinverify.search.disk import largest_checkpoints; base = load_config('small');"
        "largest_checkpoints(load_space('full', base), base, 100); print('torch' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


def test_a_checkpoint_that_goes_away_while_it_is_looked_at_counts_as_nothing(
    make: MakePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make()
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([folder / "00000" / "last.safetensors"]))
    assert predict(plan).taken == 0
