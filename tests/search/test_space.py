"""Search spaces: what they draw is valid, conditional, and known to Optuna; the project's own and small ones."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState, create_trial

from twinverify.config import flatten, load_config, with_values
from twinverify.search.space import Space, load_space

NAMES = ("glca_heads", "pwca", "losses", "optim", "augment", "regularise", "backbone", "full")
PRESETS = ("tiny", "small", "vit_base_448", "default")
SPACES = {(name, preset): load_space(name, load_config(preset)) for name in NAMES for preset in PRESETS}

optuna.logging.set_verbosity(optuna.logging.ERROR)

SpaceOf = Callable[..., Space]


@pytest.fixture
def space_of(tmp_path: Path) -> SpaceOf:
    def write(text: str, preset: str = "tiny", fixed: tuple[str, ...] = (), **values: Any) -> Space:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        overrides = {key.replace("__", "."): value for key, value in values.items()}
        return load_space(path, with_values(load_config(preset), overrides), fixed)

    return write


def drawn(space: Space, seed: int) -> tuple[dict[str, Any], optuna.trial.FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    values = space.draw(trial)
    return values, study.get_trials(deepcopy=False)[-1]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SPACES)), st.integers(0, 2**32 - 1))
def test_every_draw_is_a_valid_configuration_and_stands_in_optuna_as_rebuilt(which: tuple[str, str], seed: int) -> None:
    space, base = SPACES[which], load_config(which[1])
    values, trial = drawn(space, seed)
    config = flatten(with_values(base, values))
    assert {key: config[key] for key in values} == values
    assert json.loads(json.dumps(values)) == values
    assert set(values) <= set(space.keys)
    parameters, distributions = space.parameters(values)
    assert parameters == trial.params
    assert distributions == trial.distributions


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SPACES)), st.integers(0, 2**32 - 1))
def test_nothing_is_drawn_whose_parent_is_off(which: tuple[str, str], seed: int) -> None:
    values, _ = drawn(SPACES[which], seed)
    config = flatten(load_config(which[1])) | values
    parents = {
        "model.glca.heads": config["model.glca.blocks"] > 0,
        "model.glca.local_ratio": config["model.glca.blocks"] > 0,
        "model.glca.selection": config["model.glca.blocks"] > 0,
        "model.glca.init": config["model.glca.blocks"] > 0,
        "model.glca.fusion": config["model.glca.blocks"] > 0,
        "model.glca.rollout_residual": config["model.glca.blocks"] > 0 and config["model.glca.selection"] == "rollout",
        "model.pwca.distractor": config["model.pwca.blocks"] > 0,
        "model.pwca.apply_probability": config["model.pwca.blocks"] > 0,
        "model.pwca.placement": 0
        < config["model.pwca.blocks"]
        < with_values(load_config(which[1]), values).model.shape().depth,
        "model.pwca.twin_share": config["model.pwca.blocks"] > 0 and config["model.pwca.distractor"] == "mixture",
        "loss.identity.head": config["loss.identity.weight"] > 0,
        "loss.identity.label_smoothing": config["loss.identity.weight"] > 0,
        "loss.identity.margin": config["loss.identity.head"] != "softmax",
        "loss.identity.scale": config["loss.identity.head"] != "softmax",
        "loss.triplet.margin": config["loss.triplet.kind"] == "margin",
        "loss.triplet.weight": config["loss.triplet.kind"] != "off",
        "loss.pair.focal_gamma": config["loss.pair.focal_weight"] > 0,
        "loss.branches.weighting": config["model.glca.blocks"] + config["model.pwca.blocks"] > 0,
        "loss.branches.glca": config["model.glca.blocks"] > 0 and config["loss.branches.weighting"] == "fixed",
        "loss.branches.pwca": config["model.pwca.blocks"] > 0 and config["loss.branches.weighting"] == "fixed",
        "model.backbone": config["model.width"] is None,
    }
    space_keys = set(SPACES[which].keys)
    for key, exists in parents.items():
        if key in space_keys:
            assert (key in values) == exists, (key, values)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", PRESETS)
def test_the_default_configuration_is_a_trial_that_optuna_knows(name: str, preset: str) -> None:
    space = SPACES[name, preset]
    defaults = space.default_values()
    parameters, distributions = space.parameters(defaults)
    create_trial(params=parameters, distributions=distributions, value=0.5)
    assert {parameter.partition("[")[0]: value for parameter, value in parameters.items()} == defaults
    assert defaults.items() <= flatten(load_config(preset)).items()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["tiny", "small", "vit_base_448"])
def test_tpe_learns_from_trials_rebuilt_from_their_values(name: str, preset: str) -> None:
    space, base = SPACES[name, preset], load_config(preset)
    journal = [space.default_values()]
    for number in range(1, 41):
        sampler = optuna.samplers.TPESampler(multivariate=True, group=True, n_startup_trials=5, seed=number)
        study = optuna.create_study(sampler=sampler)
        for old, values in enumerate(journal):
            params, distributions = space.parameters(values)
            state = TrialState.PRUNED if old % 3 else TrialState.COMPLETE
            value = math.sin(old)
            study.add_trial(
                create_trial(
                    state=state, value=value, params=params, distributions=distributions, intermediate_values={1: value}
                )
            )
        journal.append(space.draw(study.ask()))
        with_values(base, journal[-1])
    assert len({json.dumps(values, sort_keys=True) for values in journal}) > 10


HEADS = {"vit_tiny_patch16_224": [1, 2, 3, 4, 6], "vit_small_patch16_224": [2, 3, 4, 6, 8, 12]}
HEADS["vit_base_patch16_224"] = [4, 6, 8, 12, 16]


@pytest.mark.parametrize("backbone", HEADS)
def test_glca_heads_are_the_divisors_of_the_width_with_useful_head_widths(backbone: str) -> None:
    base = with_values(load_config("small"), {"model.backbone": backbone, "model.glca.heads": 6})
    space = load_space("glca_heads", base, fixed=["model.glca.blocks"])
    _, distributions = space.parameters(flatten(base))
    assert list(distributions["model.glca.heads"].choices) == HEADS[backbone]  # type: ignore[attr-defined]


def test_choices_that_change_with_another_draw_have_them_in_their_name() -> None:
    names = {name for seed in range(60) for name in drawn(SPACES["full", "small"], seed)[1].params}
    heads = {name for name in names if name.startswith("model.glca.heads")}
    assert heads == {
        "model.glca.heads[1,2,3,4,6]",
        "model.glca.heads[2,3,4,6,8,12]",
        "model.glca.heads[4,6,8,12,16]",
    }
    assert "model.glca.heads" in SPACES["glca_heads", "small"].parameters({"model.glca.heads": 6})[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_the_paper_s_preset_draws_backbones_and_tiny_draws_widths(preset: str) -> None:
    keys = set(SPACES["backbone", preset].keys)
    own = {"model.width", "model.depth"} if preset == "tiny" else {"model.backbone"}
    assert keys == own | {"model.image_size", "model.embedding_width"}


def test_a_fixed_setting_leaves_the_space_and_still_decides_conditions(space_of: SpaceOf) -> None:
    text = (
        "model.glca.blocks: {int: [0, 3]}\nmodel.glca.local_ratio: {float: [0.1, 0.5], when: {model.glca.blocks: '>0'}}"
    )
    space = space_of(text, fixed=("model.glca.blocks",), model__glca__blocks=2)
    assert space.keys == ("model.glca.local_ratio",)
    assert all("model.glca.local_ratio" in drawn(space, seed)[0] for seed in range(10))


@pytest.mark.parametrize(
    ("condition", "exists"),
    [
        ("4", True),
        ("'4'", True),
        ("'>3'", True),
        ("'>= 4'", True),
        ("'>4'", False),
        ("'<=3'", False),
        ("'!=4'", False),
        ("'==4'", True),
        ("[2, 4]", True),
        ("'in [2, 3]'", False),
        ("'>0 and <5'", True),
        ("'>0 and <4'", False),
        ("'<model.pwca.blocks'", False),
        ("'<=model.pwca.blocks'", True),
        ("'<model.patch_size'", True),
        ("null", False),
        ("not null", True),
        ("'!= null'", True),
    ],
)
def test_conditions_read_as_they_look(condition: str, exists: bool, space_of: SpaceOf) -> None:
    line = f"train.warmup: {{float: [0, 0.1], when: {{model.depth: {condition}}}}}"  # tiny has four blocks
    space = space_of(f"{line}\ntrain.layer_decay: {{float: [0.5, 1]}}")
    assert ("train.warmup" in drawn(space, 0)[0]) == exists


def test_numbers_compare_with_what_is_built_and_null_with_what_is_written(space_of: SpaceOf) -> None:
    built = "train.warmup: {float: [0, 0.1], when: {model.width: 384, model.image_size: '>100'}}"
    written = "train.layer_decay: {float: [0.5, 1], when: {model.width: null}}"
    assert set(drawn(space_of(f"{built}\n{written}", preset="small"), 0)[0]) == {"train.warmup", "train.layer_decay"}


def test_the_first_alternative_that_holds_is_used(space_of: SpaceOf) -> None:
    space = space_of(
        "model.glca.blocks: {int: [0, 3]}\n"
        "train.lr:\n"
        "  - {float: [1e-5, 1e-4], when: {model.glca.blocks: 0}}\n"
        "  - {float: [1e-3, 1e-2], when: {model.glca.blocks: [1, 2]}}\n"
    )
    seen = [drawn(space, seed)[0] for seed in range(40)]
    assert {values["model.glca.blocks"] for values in seen} == {0, 1, 2, 3}
    for values in seen:
        blocks, rate = values["model.glca.blocks"], values.get("train.lr", math.inf)
        assert (rate <= 1e-4, rate <= 1e-2) == (blocks == 0, blocks < 3)


def test_a_value_outside_its_distribution_is_not_told_to_optuna(space_of: SpaceOf) -> None:
    space = space_of("train.lr: {float: [1e-5, 1e-4], log: true}\ntrain.warmup: {float: [0, 0.5]}")
    assert space.default_values()["train.lr"] == 1e-3
    assert set(space.parameters(space.default_values())[0]) == {"train.warmup"}


def test_what_is_not_given_or_does_not_exist_is_not_told_to_optuna() -> None:
    space = SPACES["glca_heads", "tiny"]
    assert space.parameters({})[0] == {}
    gone = {"model.glca.blocks": 0, "model.glca.local_ratio": 0.2, "train.lr": 1.0}
    assert space.parameters(gone)[0] == {"model.glca.blocks": 0}


def test_at_most_cuts_ranges_and_choices(space_of: SpaceOf) -> None:
    space = space_of(
        "model.frozen_blocks: {int: [0, 8], at_most: model.depth}\n"
        "model.pwca.blocks: {choice: [0, 3, 8], at_most: model.depth}\n"
    )
    seen = [drawn(space, seed)[0] for seed in range(40)]
    assert {values["model.frozen_blocks"] for values in seen} == {0, 1, 2, 3, 4}
    assert {values["model.pwca.blocks"] for values in seen} == {0, 3}


def test_image_sizes_are_multiples_of_the_patch() -> None:
    base = with_values(load_config("small"), {"model.patch_size": 32})
    space = load_space("backbone", base)
    sizes = {drawn(space, seed)[0]["model.image_size"] for seed in range(30)}
    assert sizes == {224, 448}


def test_choices_take_the_type_of_their_setting(space_of: SpaceOf) -> None:
    values, _ = drawn(space_of("loss.identity.scale: {choice: [16]}\ntrain.amp: {choice: [off]}"), 0)
    assert (values, type(values["loss.identity.scale"])) == ({"loss.identity.scale": 16.0, "train.amp": "off"}, float)


def test_a_later_line_may_be_asked_for_by_an_earlier_one(space_of: SpaceOf) -> None:
    space = space_of(
        "train.warmup: {float: [0, 0.1], when: {train.schedule: cosine}}\ntrain.schedule: {choice: [cosine, constant]}"
    )
    assert space.keys == ("train.schedule", "train.warmup")
    for seed in range(10):
        values, _ = drawn(space, seed)
        assert ("train.warmup" in values) == (values["train.schedule"] == "cosine")


@pytest.mark.parametrize("name", NAMES)
def test_a_space_written_out_reads_back_as_itself(name: str, tmp_path: Path) -> None:
    copy = tmp_path / f"{name}.yaml"
    copy.write_text(SPACES[name, "tiny"].text, encoding="utf-8")
    again = load_space(copy, load_config("tiny"))
    assert (again.entries, again.digest) == (SPACES[name, "tiny"].entries, SPACES[name, "tiny"].digest)


def test_the_digest_tells_spaces_apart_but_not_their_comments(space_of: SpaceOf) -> None:
    digest = space_of("train.lr: {float: [1e-5, 1e-4]}").digest
    assert space_of("# a comment\ntrain.lr:   {float: [0.00001, 1.0e-4]}").digest == digest
    assert space_of("train.lr: {float: [1e-5, 1e-3]}").digest != digest
    assert len({SPACES[name, "tiny"].digest for name in NAMES}) == len(NAMES)


def test_full_holds_every_other_space() -> None:
    for preset in PRESETS:
        parts = {key for name in NAMES[:-1] for key in SPACES[name, preset].keys}
        assert parts <= set(SPACES["full", preset].keys)


def test_a_description_has_a_row_for_each_alternative() -> None:
    rows = SPACES["losses", "tiny"].describe()
    assert ("loss.identity.margin", "0.1 to 0.5", "loss.identity.head == cosface") in rows
    assert {row.key for row in rows} == set(SPACES["losses", "tiny"].keys)


def test_loading_a_space_imports_neither_torch_nor_optuna() -> None:
    code = (
        "import sys; from twinverify.config import load_config; from twinverify.search.space import load_space\n"
        "load_space('full', load_config('tiny')); print({'torch', 'optuna', 'ray', 'mlflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
