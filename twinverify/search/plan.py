"""What a sweep is going to do, worked out and checked before anything is started or written."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from twinverify.config import Config, Settings, flatten, load_config, with_values
from twinverify.errors import UserError, did_you_mean
from twinverify.faces.load import check_data
from twinverify.faces.splits import Split
from twinverify.places import runs_folder, spaces_folder
from twinverify.search.options import CHANGEABLE, TuneOptions, is_plain_name
from twinverify.search.resources import Resources, count_gpus, plan_resources
from twinverify.search.space import Space, load_space
from twinverify.tracking.address import resolve_tracking
from twinverify.verification.objective import DEFAULT_OBJECTIVE, choose_objective
from twinverify.yaml12 import read_yaml

SWEEP_FILE = "sweep.yaml"
SPACE_FILE = "space.yaml"
FORMAT = 1


@dataclass(frozen=True)
class SweepPlan:
    """A sweep, ready to start or to go on."""

    name: str
    sweep_id: str
    folder: Path
    options: TuneOptions
    config: Config
    space: Space
    split: Split
    cache: Path
    objective: str
    resources: Resources
    notes: tuple[str, ...]
    started_before: bool

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes this search the search that it is: a resumed one has to agree in all of it."""
        kept = {key: value for key, value in self.options.model_dump(mode="json").items() if key not in _NOT_IDENTITY}
        return {
            **kept,
            "objective": self.objective,
            "space": self.space.digest,
            "data": data_digest(self.split),
            "config": flatten(self.config),
        }

    def to_yaml(self) -> str:
        """Give `sweep.yaml`: everything needed to run the sweep again."""
        record = {
            "format": FORMAT,
            "name": self.name,
            "sweep_id": self.sweep_id,
            "options": self.options.model_dump(mode="json") | {"epochs": None, "objective": self.objective},
            "data_digest": data_digest(self.split),
            "space_digest": self.space.digest,
            "config": self.config.model_dump(mode="json"),
        }
        return yaml.safe_dump(record, sort_keys=False)


#: Keys of the configuration that `tune` has a shorter name for.
_OPTION_OF = {"train.epochs": "epochs", "seed": "seed"}
#: Options that stand elsewhere in the identity, or do not change what is searched.
_NOT_IDENTITY = CHANGEABLE | {"config", "epochs", "objective", "space", "data", "name", "output", "experiment"}


def make_plan(options: TuneOptions, overrides: Mapping[str, Any]) -> SweepPlan:
    """Work out a new sweep, or one to go on with.

    Args:
        options: the keys of `tune`.
        overrides: dotted keys of the configuration, fixed for all trials.

    Raises:
        UserError: something is wrong or missing; nothing has been written.
    """
    options = _absolute(options)
    if options.resume is not None:
        return _resumed(options, overrides)
    if options.space is None:
        spaces = sorted(path.stem for path in spaces_folder().glob("*.yaml"))
        raise UserError(f"tune: space=NAME is missing; known: {', '.join(spaces)}")
    resources = plan_resources(options)
    config = _configuration(options, overrides)
    space = load_space(options.space, config, fixed=set(overrides))
    name = options.name or space.name
    if not is_plain_name(name):
        raise UserError(f"name={name}: allowed: letters, digits, '.', '_' and '-'; set name=…")
    folder = _output(options) / name
    plan = _checked(name, uuid.uuid4().hex, folder, options, config, space, resources)
    return _same_as_stored(plan, list(options.model_fields_set)) if (folder / SWEEP_FILE).exists() else plan


def data_digest(split: Split) -> str:
    """Give a digest of who is on which side, with which images and which twins; equal data sets have equal digests."""
    facts = {
        side: [[(p.id, [image.name for image in p.images]) for p in part.people], part.twin_pairs]
        for side, part in (("train", split.train), ("validation", split.validation), ("test", split.test))
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _checked(
    name: str,
    sweep_id: str,
    folder: Path,
    options: TuneOptions,
    config: Config,
    space: Space,
    resources: Resources,
) -> SweepPlan:
    cache = options.cache or _output(options) / ".cache"
    split = check_data(options.data, config, cache.resolve(), options.pairs)
    objective = choose_objective(options.objective, has_twins=split.validation.has_twins)
    fell_back = options.objective is None and objective != DEFAULT_OBJECTIVE
    notes = (f"no twins in the validation families: the objective is {objective}",) if fell_back else ()
    return SweepPlan(
        name=name,
        sweep_id=sweep_id,
        folder=folder.resolve(),
        options=options,
        config=config,
        space=space,
        split=split,
        cache=cache.resolve(),
        objective=objective,
        resources=resources,
        notes=notes,
        started_before=False,
    )


def _configuration(options: TuneOptions, overrides: Mapping[str, Any]) -> Config:
    config = load_config(options.config or ("small" if count_gpus() else "tiny"))
    fixed: dict[str, Any] = {"seed": options.seed} | ({"train.epochs": options.epochs} if options.epochs else {})
    for key, option in _OPTION_OF.items():
        if key in overrides and option in options.model_fields_set:
            raise UserError(f"command line: {option} and {key} are both given; leave one out")
    return _placed(with_values(config, fixed | dict(overrides), where="command line"))


def _placed(config: Config) -> Config:
    """Make the weights' path independent of the current directory, as `_absolute` does for the options."""
    weights = config.model.weights
    return config if weights is None else with_values(config, {"model.weights": str(weights.expanduser().resolve())})


def _resumed(options: TuneOptions, overrides: Mapping[str, Any]) -> SweepPlan:
    """Rebuild the plan of a sweep from its folder; only what may change is taken from the command line."""
    name = options.resume or ""
    known = sorted(path.parent.name for path in _output(options).glob(f"*/{SWEEP_FILE}"))
    if not is_plain_name(name) or name not in known:
        hint = did_you_mean(name, known) if known else "there are none yet; start one with space=NAME"
        raise UserError(f"resume={name}: no such sweep in {_output(options)}; {hint}")
    folder = _output(options) / name
    stored = _read_sweep(folder)
    was = stored.options
    given = options.model_dump(include=options.model_fields_set - {"resume"})
    kept = {"space": was.space, "config": was.config, "name": name}
    others = [f"{key} was {kept[key]}, now {given[key]}" for key in kept if key in given and given[key] != kept[key]]
    if others:
        raise UserError(f"resume={name}: it goes on as it was started: {'; '.join(others)}; leave that out")
    merged = was.model_copy(update=given)
    fixed = {key: given[option] for key, option in _OPTION_OF.items() if given.get(option) is not None}
    config = _placed(with_values(stored.config, fixed | dict(overrides), where="command line"))
    space = replace(load_space(folder / SPACE_FILE, config), name=Path(was.space or "").stem)
    plan = _checked(name, stored.sweep_id, folder, merged, config, space, plan_resources(merged))
    return _same_as_stored(plan, list(given))


def _same_as_stored(plan: SweepPlan, given: list[str]) -> SweepPlan:
    """Make sure that a sweep goes on as what it was; what differs is named, old and new."""
    stored = _read_sweep(plan.folder)
    was = stored.options
    old = {key: value for key, value in was.model_dump(mode="json").items() if key in plan.identity}
    old |= {"objective": was.objective, "space": stored.space_digest, "data": stored.data_digest}
    new = {key: value for key, value in plan.identity.items() if key != "config"}
    new |= plan.identity["config"]
    old |= flatten(stored.config)
    different = [
        # Space and data are compared by their digests; people want their names too.
        f"{key} was {getattr(was, key)} ({old[key]}), now {getattr(plan.options, key)} ({new[key]})"
        if key in ("space", "data")
        else f"{key} was {old.get(key)!r}, now {new[key]!r}"
        for key in new
        if old.get(key) != new[key]
    ]
    if different:
        raise UserError(
            f"sweep {plan.name} is there already with other settings: {'; '.join(different)}."
            " Give the same settings to continue it, or name=… to start another"
        )
    # The same command without trials= means the number that the sweep was extended to.
    trials = plan.options.trials if "trials" in given else max(plan.options.trials, was.trials)
    kept = plan.options.model_copy(update={"trials": trials})
    return replace(plan, sweep_id=stored.sweep_id, options=kept, started_before=True)


class _Stored(Settings):
    """What `SweepPlan.to_yaml` wrote."""

    format: Literal[1]
    name: str
    sweep_id: str
    options: TuneOptions
    data_digest: str
    space_digest: str
    config: Config


def _read_sweep(folder: Path) -> _Stored:
    try:
        return _Stored.model_validate(read_yaml(folder / SWEEP_FILE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"{folder / SWEEP_FILE}: not a whole sweep of this version of twinverify: {where}: {first['msg']};"
            " restore it from a copy"
        ) from None


def _absolute(options: TuneOptions) -> TuneOptions:
    """Make the paths independent of the current directory: actors have another, and so may the one who resumes."""
    paths: dict[str, Any] = {
        key: Path(value).expanduser().resolve()
        for key in ("pairs", "output", "cache")
        if (value := getattr(options, key)) is not None
    }
    # Where there is no such folder, the error line repeats what was written.
    if options.data != "synthetic" and (folder := Path(options.data).expanduser()).exists():
        paths["data"] = str(folder.resolve())
    if options.tracking is not None and not options.tracking.startswith(("http:", "https:")):
        paths["tracking"] = resolve_tracking(options.tracking) or "off"
    return options.model_copy(update=paths)


def _output(options: TuneOptions) -> Path:
    return options.output or runs_folder()
