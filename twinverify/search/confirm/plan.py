"""A confirmation as a sweep of its own: the best of another sweep and its default, all with the same fresh seeds.

It lies in the folder of the sweep that it confirms, and runs as any sweep: journal, lock, resume, tracking. Its trials
go seed by seed, so that what is finished at any time is paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import ValidationError

from twinverify.config import leaves, with_values
from twinverify.durable import told_if_disk_fails, write_text
from twinverify.errors import UserError, some
from twinverify.faces.load import SYNTHETIC, check_data
from twinverify.faces.splits import Split
from twinverify.fields import explain
from twinverify.places import output_folder
from twinverify.search.confirm.chosen import Chosen, choose, fresh_seeds
from twinverify.search.confirm.options import RUNNING, ConfirmOptions
from twinverify.search.data_digest import data_digest
from twinverify.search.going_on import check_no_copy
from twinverify.search.listed import CONFIGURATIONS
from twinverify.search.options import STORED, TuneOptions
from twinverify.search.past import PastSweep, find_sweep, objective_of, read_past, runner
from twinverify.search.plan import SweepPlan, plan_made
from twinverify.search.space import Space, parse_space
from twinverify.search.stored import is_sweep, sweeps_in
from twinverify.settings import Config, Settings
from twinverify.yaml12 import read_yaml

FOLDER: Final = "confirm"
CHOSEN_FILE: Final = "chosen.yaml"
_SEED, _SPLIT = "seed", "split.reshuffle"


@dataclass(frozen=True)
class Confirmation:
    """What is confirmed, and the sweep that does it.

    Attributes:
        of: the sweep that is confirmed.
        chosen: the default, then the best of the sweep, best first.
        seeds: of the trainings of each.
        plan: the trainings: trial n is `chosen[n % len(chosen)]` with `seeds[n // len(chosen)]`.
        top: how many were asked for beside the default; the sweep may have had fewer.
    """

    of: PastSweep
    chosen: tuple[Chosen, ...]
    seeds: tuple[int, ...]
    plan: SweepPlan
    top: int

    def config(self, place: int) -> Config:
        """Give a chosen configuration as the sweep had it."""
        return with_values(self.of.stored.config, self.chosen[place].values, where=f"trial {self.chosen[place].trial}")

    def number(self, place: int, seed: int) -> int:
        """Give the trial of the chosen configuration `place` with the seed of that place."""
        return seed * len(self.chosen) + place


class StoredChosen(Settings):
    """A configuration as `chosen.yaml` has it."""

    trial: int
    values: dict[str, Any]


class StoredChoice(Settings):
    """What a confirmation was begun with."""

    format: Literal[1] = 1
    #: As asked for; `chosen` are fewer where the sweep had fewer.
    top: int
    seeds: list[int]
    chosen: list[StoredChosen]


def plan_confirmation(options: ConfirmOptions) -> Confirmation:
    """Work out a confirmation, new or to go on with.

    Raises:
        UserError: something is wrong or missing; nothing has been written.
    """
    of = _the_sweep(options)
    folder = of.folder / FOLDER
    begun = _begun(folder, options)
    if begun is None:
        seeds = fresh_seeds(of.stored.sweep_id, of.stored.config.seed, options.seeds)
        begun = choose(of, options.top), seeds, options.top
    chosen, seeds, top = begun
    base = with_values(of.stored.config, {_SEED: seeds[0], _SPLIT: seeds[0]})
    made = _tune_options(of, options, trials=len(chosen) * len(seeds), seed=seeds[0])
    _check_same_test(of, made, _check_same_data(of, made))
    space = _space(of, chosen, seeds, base)
    given = {key: getattr(options, key) for key in RUNNING & options.model_fields_set}
    plan = plan_made(f"{of.name}/{FOLDER}", folder, made, TuneOptions.model_validate(given), base, space)
    return Confirmation(of, chosen, seeds, replace(plan, below=of.stored.sweep_id), top)


def _the_sweep(options: ConfirmOptions) -> PastSweep:
    output = output_folder(options.output)
    if len(options.names) != 1:
        raise UserError(_which(options, output))
    folder = find_sweep(options.names[0], output)
    at_work = runner(folder)
    if at_work is not None:
        raise UserError(f"sweep {folder.name}: still running ({at_work}); confirm it once it has ended")
    past = read_past(folder)
    check_no_copy(past.stored, folder)
    return past


def write_chosen(confirmation: Confirmation) -> None:
    """Write down what was chosen: the sweep may be extended before its confirmation is done.

    Raises:
        UserError: the disk is full.
    """
    stored = StoredChoice(
        top=confirmation.top,
        seeds=list(confirmation.seeds),
        chosen=[StoredChosen(trial=each.trial, values=dict(each.values)) for each in confirmation.chosen],
    )
    path = confirmation.plan.folder / CHOSEN_FILE
    with told_if_disk_fails(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, yaml.safe_dump(stored.model_dump(mode="json"), sort_keys=False))


def _check_same_data(of: PastSweep, options: TuneOptions) -> Split:
    """Refuse data that have changed: people whom the sweep has met could be on the sealed side now.

    Returns:
        The sweep's sides.

    Raises:
        UserError: they have.
    """
    assert options.cache is not None
    split = check_data(options.data, of.stored.config, options.cache, options.pairs)
    digest = data_digest(split, None if options.data == SYNTHETIC else options.cache)
    if digest != of.stored.data_digest:
        raise UserError(
            f"data {options.data}: not what sweep {of.name} was made on (digest {digest[:8]}, then"
            f" {of.stored.data_digest[:8]}): people whom it has met could be on the sealed side now; restore them"
        )
    return split


def _check_same_test(of: PastSweep, options: TuneOptions, split: Split) -> None:
    """Refuse a sweep whose trials had other sealed people each: some have trained on, or judged by, the others' test.

    Today no space can draw that; a sweep of an older version may have. All trials count, not the chosen alone: the
    search has learned from each.

    Raises:
        UserError: it is such a sweep.
    """
    assert options.cache is not None
    base = of.stored.config
    known = [(base.split, base.synthetic)]
    for trial in of.state.trials:
        config = with_values(base, trial.values, where=f"trial {trial.number}")
        sides = (config.split, config.synthetic)
        if sides in known:
            continue
        known.append(sides)
        test = check_data(options.data, config, options.cache, options.pairs).test
        # Synthetic faces lie in a folder for each size, so their names and settings tell them.
        same_faces = options.data != SYNTHETIC or config.synthetic == base.synthetic
        if not same_faces or {person.id for person in test.people} != {person.id for person in split.test.people}:
            drawn = some(key for key in trial.values if key.startswith(("split.", "synthetic.")))
            raise UserError(
                f"sweep {of.name}: trial {trial.number} drew {drawn}, and with it other sealed people than the sweep's"
                " own, of whom trials have met some: there is no sealed test for this sweep; search again with a space"
                " without it"
            )


def _which(options: ConfirmOptions, output: Path) -> str:
    if options.names:
        return f"confirm: {', '.join(options.names)}: one sweep at a time; give one name"
    return f"confirm: NAME is missing; sweeps in {output}: {some(sweeps_in(output), 12) or 'none yet'}"


def _begun(folder: Path, options: ConfirmOptions) -> tuple[tuple[Chosen, ...], tuple[int, ...], int] | None:
    """Give what a confirmation was begun with; None where there is none.

    Raises:
        UserError: it was begun with other numbers than those that are given now.
    """
    path = folder / CHOSEN_FILE
    if not (is_sweep(folder) and path.exists()):
        return None
    try:
        was = StoredChoice.model_validate(read_yaml(path))
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, leaves(StoredChoice))}; restore it from a copy") from None
    other = "top" in options.model_fields_set and options.top != was.top
    told = [f"top was {was.top}, now {options.top}"] * other
    if "seeds" in options.model_fields_set and options.seeds != len(was.seeds):
        told.append(f"seeds was {len(was.seeds)}, now {options.seeds}")
    if told:
        raise UserError(
            f"{folder}: this confirmation was begun with other numbers: {', '.join(told)}; leave them out to go on, or"
            " move that folder away to begin another"
        )
    return tuple(Chosen(each.trial, each.values) for each in was.chosen), tuple(was.seeds), was.top


def _space(of: PastSweep, chosen: Sequence[Chosen], seeds: Sequence[int], base: Config) -> Space:
    """Give the list of what is trained; the first of all, the default with the first seed, is the base itself."""
    rows = [{**each.values, _SEED: seed, _SPLIT: seed} for seed in seeds for each in chosen]
    text = yaml.safe_dump({CONFIGURATIONS: rows[1:]}, sort_keys=False, width=120)
    return parse_space(text, Path(of.stored.options.space or of.name), base)


def _tune_options(of: PastSweep, options: ConfirmOptions, *, trials: int, seed: int) -> TuneOptions:
    was, given = of.stored.options, options.model_fields_set
    running = {key: getattr(options if key in given else was, key) for key in RUNNING}
    # The sweep's budget was its own.
    running |= {"budget": options.budget, "cache": running["cache"] or of.folder.parent / ".cache"}
    return TuneOptions.model_validate(
        running
        | {key: getattr(was, key) for key in ("data", "pairs", "experiment")}
        | {
            "space": was.space,
            "objective": objective_of(of.stored),
            "trials": trials,
            # Each one's weights may be the winner's, which meets the sealed test.
            "keep": trials,
            "sampler": "grid",
            "scheduler": "none",
            "seed": seed,
            "output": of.folder,
        },
        context=STORED,
    )
