"""What a sweep is going to do, worked out and checked before anything is started or written."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from twinverify.config import configure, with_values
from twinverify.errors import UserError
from twinverify.faces.load import SYNTHETIC, check_data
from twinverify.faces.splits import Split
from twinverify.places import output_folder, spaces_folder
from twinverify.search.data_digest import data_counts, data_digest
from twinverify.search.going_on import check_journal, check_no_copy, check_same, find_sweep, merged_options, notes_on
from twinverify.search.options import TuneOptions, is_plain_name
from twinverify.search.planned import DataCounts, StoredSweep
from twinverify.search.preflight import check_estimable
from twinverify.search.resources import Resources, plan_resources
from twinverify.search.rungs import first_rung
from twinverify.search.space import Space, load_space, parse_space
from twinverify.search.stored import KnownSweep, is_sweep, read_known
from twinverify.search.versions import installed_versions
from twinverify.settings import Config
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
    #: Of Python and the packages, when the sweep was started.
    versions: Mapping[str, str]
    #: Whether `tracking=` stands on this start's command line.
    tracking_given: bool
    notes: tuple[str, ...] = ()
    #: There is a sweep of this name already, and this is it.
    goes_on: bool = False
    #: The id of the sweep whose run in MLflow this one's stands below.
    below: str | None = None

    def stored(self) -> StoredSweep:
        """Give what the journal and `sweep.yaml` keep of it."""
        return StoredSweep(
            format=1,
            name=self.name,
            sweep_id=self.sweep_id,
            # The epochs stand in the configuration.
            options=self.options.model_copy(update={"epochs": None, "objective": self.objective}),
            data_digest=self.data_digest,
            data_counts=DataCounts(**data_counts(self.split)),
            space_digest=self.space.digest,
            versions=dict(self.versions),
            config=self.config,
        )

    def to_yaml(self) -> str:
        """Give `sweep.yaml`: everything needed to run the sweep again."""
        return self.stored().to_yaml()

    @cached_property
    def data_digest(self) -> str:
        """The digest of the data."""
        # Drawn faces follow from the configuration, and may not have been drawn yet.
        return data_digest(self.split, None if self.options.data == SYNTHETIC else self.cache)


class _Draft(NamedTuple):
    """A sweep as it is asked for, before the data is looked at."""

    name: str
    folder: Path
    options: TuneOptions
    config: Config
    space: Space


def make_plan(options: TuneOptions, overrides: Mapping[str, Any]) -> SweepPlan:
    """Work out a new sweep, or one to go on with.

    Args:
        options: the keys of `tune`.
        overrides: dotted keys of the configuration, fixed for all trials.

    Raises:
        UserError: something is wrong or missing; nothing has been written.
    """
    asked = _absolute(options)
    if asked.resume is not None:
        known = read_known(find_sweep(asked.resume, output_folder(asked.output)))
        draft = _resumed(asked.resume, asked, overrides, known)
        return _going_on(draft, asked, known, fixed=draft.space.written.keys() & overrides.keys())
    draft = _new(asked, overrides)
    if is_sweep(draft.folder):
        return _going_on(draft, asked, read_known(draft.folder))
    plan = _planned(draft, asked, draft.config)
    _check(plan)
    return plan


def plan_made(
    name: str, folder: Path, options: TuneOptions, asked: TuneOptions, config: Config, space: Space
) -> SweepPlan:
    """Work out a sweep, new or to go on with, whose configuration and space were made and not read.

    Args:
        name: what to call it.
        folder: where it lies.
        options: all of its options, if it is new.
        asked: those of them that the user gave: when it goes on, these alone may change.
        config: what is not drawn.
        space: what is.

    Raises:
        UserError: something is wrong or missing, or another sweep lies there; nothing has been written.
    """
    draft, asked = _Draft(name, folder, _absolute(options), config, space), _absolute(asked)
    if is_sweep(folder):
        return _going_on(draft, asked, read_known(folder))
    plan = _planned(draft, asked, config)
    _check(plan)
    return plan


def _new(asked: TuneOptions, overrides: Mapping[str, Any]) -> _Draft:
    if asked.space is None:
        spaces = sorted(path.stem for path in spaces_folder().glob("*.yaml"))
        raise UserError(f"tune: space=NAME is missing; known: {', '.join(spaces)}")
    seed = asked.seed if "seed" in asked.model_fields_set else None
    own = {"seed": ("seed", seed), "train.epochs": ("epochs", asked.epochs)}
    config = configure(asked.config, own, overrides)
    space = load_space(asked.space, config, fixed=set(overrides))
    name = asked.name or space.name
    if not is_plain_name(name):
        raise UserError(f"name={name}: allowed: letters, digits, '.', '_' and '-'; set name=…")
    grace = asked.grace_epochs or (first_rung(config.train.epochs) if asked.scheduler == "asha" else None)
    options = asked.model_copy(update={"grace_epochs": grace})
    return _Draft(name, output_folder(asked.output) / name, options, config, space)


def _resumed(name: str, asked: TuneOptions, overrides: Mapping[str, Any], known: KnownSweep) -> _Draft:
    """Take all from the sweep's folder, and on top of it what the command line gives."""
    stored = known.sweep
    given = {key: getattr(asked, key) for key in asked.model_fields_set}
    # Folders are moved, to another machine too.
    options = stored.options.model_copy(update=given | {"output": asked.output})
    short = {"train.epochs": given.get("epochs"), "seed": given.get("seed")}
    fixed = {key: value for key, value in short.items() if value is not None} | dict(overrides)
    config = with_values(stored.config, fixed, where="command line")
    space = parse_space(known.space, Path(stored.options.space or name), stored.config)
    return _Draft(name, output_folder(asked.output) / name, options, config, space)


def _planned(draft: _Draft, asked: TuneOptions, data_config: Config) -> SweepPlan:
    options = draft.options
    resources = plan_resources(options)
    cache = (options.cache or output_folder(options.output) / ".cache").resolve()
    split = check_data(options.data, data_config, cache, options.pairs)
    objective = options.objective or choose_objective(None, has_twins=split.validation.has_twins)
    fell_back = options.objective is None and objective != DEFAULT_OBJECTIVE
    return SweepPlan(
        name=draft.name,
        sweep_id=uuid.uuid4().hex,
        folder=draft.folder.resolve(),
        options=options,
        config=draft.config,
        space=draft.space,
        split=split,
        cache=cache,
        objective=objective,
        resources=resources,
        versions=installed_versions(),
        tracking_given="tracking" in asked.model_fields_set,
        notes=(f"no twins in the validation families: the objective is {objective}",) if fell_back else (),
    )


def _going_on(draft: _Draft, asked: TuneOptions, known: KnownSweep, fixed: Collection[str] = ()) -> SweepPlan:
    check_no_copy(known.sweep, draft.folder)
    check_journal(known, draft.folder)
    options = merged_options(draft.options, asked, known)
    # The data is compared as the sweep splits it; other settings of the split are differences of their own.
    plan = _planned(draft._replace(options=options), asked, known.sweep.config)
    drawn = {key: line for key, line in plan.space.written.items() if key not in fixed}
    check_same(known, plan.stored(), drawn, asked)
    _check(plan)
    notes = (*plan.notes, *notes_on(known, options, asked, plan.versions))
    return replace(plan, sweep_id=known.sweep.sweep_id, versions=known.sweep.versions, notes=notes, goes_on=True)


def _check(plan: SweepPlan) -> None:
    choose_objective(plan.objective, has_twins=plan.split.validation.has_twins)
    check_estimable(plan.objective, plan.split.validation)
    if plan.config.train.device == "cuda" and not plan.resources.gpus_per_trial:
        raise UserError("train.device is cuda, but trials get no GPU (gpus_per_trial is 0); use auto or cpu")


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
