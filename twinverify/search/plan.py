"""What a sweep is going to do, worked out and checked before anything is started or written."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twinverify.config import Config, configure, with_values
from twinverify.errors import UserError, did_you_mean
from twinverify.faces.digests import file_digests
from twinverify.faces.load import SYNTHETIC, check_data
from twinverify.faces.splits import Split
from twinverify.places import runs_folder, spaces_folder
from twinverify.search.options import TuneOptions, is_plain_name
from twinverify.search.preflight import check_estimable
from twinverify.search.resources import Resources, plan_resources
from twinverify.search.space import Space, load_space
from twinverify.search.stored import SPACE_FILE, SWEEP_FILE, StoredSweep, read_sweep
from twinverify.tracking.address import resolve_tracking
from twinverify.verification.objective import DEFAULT_OBJECTIVE, choose_objective


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
    #: There is a sweep of this name already, and this is it.
    goes_on: bool

    def stored(self) -> StoredSweep:
        """Give what `sweep.yaml` keeps of it."""
        return StoredSweep(
            format=1,
            name=self.name,
            sweep_id=self.sweep_id,
            # The epochs stand in the configuration.
            options=self.options.model_copy(update={"epochs": None, "objective": self.objective}),
            # Drawn faces follow from the configuration, and may not have been drawn yet.
            data_digest=data_digest(self.split, None if self.options.data == SYNTHETIC else self.cache),
            space_digest=self.space.digest,
            config=self.config,
        )

    def to_yaml(self) -> str:
        """Give `sweep.yaml`: everything needed to run the sweep again."""
        return self.stored().to_yaml()


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
    seed = options.seed if "seed" in options.model_fields_set else None
    own = {"seed": ("seed", seed), "train.epochs": ("epochs", options.epochs)}
    config = configure(options.config, own, overrides)
    space = load_space(options.space, config, fixed=set(overrides))
    name = options.name or space.name
    if not is_plain_name(name):
        raise UserError(f"name={name}: allowed: letters, digits, '.', '_' and '-'; set name=…")
    folder = _output(options) / name
    plan = _checked(name, uuid.uuid4().hex, folder, options, config, space, resources)
    return _same_as_stored(plan, list(options.model_fields_set)) if (folder / SWEEP_FILE).exists() else plan


def data_digest(split: Split, cache: Path | None = None) -> str:
    """Give a digest of who is on which side, with which images and which twins; equal data sets have equal digests.

    Args:
        split: the three sides.
        cache: folder with the remembered digests of the files, whose bytes then count too; None = their names only.
            Nothing is written there, and only files that are not known there are read.

    Raises:
        UserError: an image cannot be read.
    """
    sides = (("train", split.train), ("validation", split.validation), ("test", split.test))
    bytes_of: dict[Path, str] = {}
    if cache is not None:
        paths = [path for _, part in sides for path in part.image_paths]
        found = file_digests(split.train.root, paths, cache).digests
        bytes_of = {path: digest.hex() for path, digest in zip(paths, found, strict=True)}
    facts = {
        side: [
            [(p.id, [(image.name, bytes_of.get(image)) for image in p.images]) for p in part.people],
            part.twin_pairs,
        ]
        for side, part in sides
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
    check_estimable(objective, split.validation)
    if config.train.device == "cuda" and not resources.gpus_per_trial:
        raise UserError("train.device is cuda, but trials get no GPU (gpus_per_trial is 0); use auto or cpu")
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
        goes_on=False,
    )


def _resumed(options: TuneOptions, overrides: Mapping[str, Any]) -> SweepPlan:
    """Rebuild the plan of a sweep from its folder; only what may change is taken from the command line."""
    name = options.resume or ""
    known = sorted(path.parent.name for path in _output(options).glob(f"*/{SWEEP_FILE}"))
    if name not in known:
        hint = did_you_mean(name, known) if known else "there are none yet; start one with space=NAME"
        raise UserError(f"resume={name}: no such sweep in {_output(options)}; {hint}")
    folder = _output(options) / name
    stored = read_sweep(folder)
    was = stored.options
    given = options.model_dump(include=options.model_fields_set - {"resume"})
    kept = {"space": was.space, "config": was.config, "name": name}
    others = [f"{key} was {kept[key]}, now {given[key]}" for key in kept if key in given and given[key] != kept[key]]
    if others:
        raise UserError(f"resume={name}: it goes on as it was started: {'; '.join(others)}; leave that out")
    merged = was.model_copy(update=given)
    short = {"train.epochs": given.get("epochs"), "seed": given.get("seed")}
    fixed = {key: value for key, value in short.items() if value is not None}
    config = with_values(stored.config, fixed | dict(overrides), where="command line")
    space = replace(load_space(folder / SPACE_FILE, config), name=Path(was.space or "").stem)
    plan = _checked(name, stored.sweep_id, folder, merged, config, space, plan_resources(merged))
    return _same_as_stored(plan, list(given))


def _same_as_stored(plan: SweepPlan, given: list[str]) -> SweepPlan:
    """Make sure that a sweep goes on as what it was; what differs is named, old and new."""
    stored = read_sweep(plan.folder)
    different = stored.differences(plan.stored())
    if different:
        raise UserError(
            f"sweep {plan.name} is there already with other settings: {'; '.join(different)}."
            " Give the same settings to continue it, or name=… to start another"
        )
    # The same command without trials= means the number that the sweep was extended to.
    trials = plan.options.trials if "trials" in given else max(plan.options.trials, stored.options.trials)
    kept = plan.options.model_copy(update={"trials": trials})
    return replace(plan, sweep_id=stored.sweep_id, options=kept, goes_on=True)


def _absolute(options: TuneOptions) -> TuneOptions:
    """Make the paths independent of the current directory: actors have another, and so may the one who resumes."""
    paths: dict[str, Any] = {
        key: Path(value).expanduser().resolve()
        for key in ("pairs", "output", "cache")
        if (value := getattr(options, key)) is not None
    }
    # Where there is no such folder, the error line repeats what was written.
    if options.data != SYNTHETIC and (folder := Path(options.data).expanduser()).exists():
        paths["data"] = str(folder.resolve())
    if options.tracking is not None and not options.tracking.startswith(("http:", "https:")):
        paths["tracking"] = resolve_tracking(options.tracking) or "off"
    return options.model_copy(update=paths)


def _output(options: TuneOptions) -> Path:
    return options.output or runs_folder()
