"""The plan of a sweep as its journal and `sweep.yaml` keep it, and in what another one differs from it."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import yaml
from pydantic import Field, field_validator

from twinverify.config import flatten
from twinverify.search.options import CHANGEABLE, TuneOptions
from twinverify.settings import Config, Settings

SWEEP_FILE = "sweep.yaml"
SPACE_FILE = "space.yaml"
#: Options that stand elsewhere in the identity, or do not change what is searched.
_NOT_IDENTITY = CHANGEABLE | {"config", "epochs", "objective", "space", "data", "pairs", "name", "output", "experiment"}
#: What an option stood for before there was such an option: their replay is exact only with it.
_BEFORE: Final[Mapping[str, Any]] = {"spare": 0.0, "repeats": True}


class DataCounts(Settings):
    """How large a data set is."""

    people: int
    images: int
    twin_pairs: int


class StoredSweep(Settings):
    """Everything needed to run a sweep again; its space is kept beside it."""

    format: Literal[1]
    name: str
    sweep_id: str
    options: TuneOptions
    data_digest: str
    #: None: stored by version 0.1.0.
    data_counts: DataCounts | None = None
    space_digest: str
    #: Of Python and the packages, at the start.
    versions: dict[str, str] = Field(default_factory=dict)
    config: Config

    @field_validator("options", mode="before")
    @classmethod
    def _of_older_versions(cls, options: Any) -> Any:
        """Fill in what a sweep of an older version does not tell."""
        return {**_BEFORE, **options} if isinstance(options, dict) else options

    def to_yaml(self) -> str:
        """Give `sweep.yaml`; its end is marked, since a part of it could be read as other settings."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, explicit_end=True)

    def identity(self) -> dict[str, Any]:
        """Give what makes this search the search that it is: a resumed one has to agree in all of it."""
        options = self.options.model_dump(mode="json")
        kept = {key: value for key, value in options.items() if key not in _NOT_IDENTITY}
        judged = {"objective": self.options.objective, "space": self.space_digest, "data": self.data_digest}
        own = flatten(self.config)
        # The option sets both; a configuration file may set the second alone.
        if options["seed"] != own["seed"]:
            own["seed"] = f"{options['seed']} for the search, {own['seed']} for the trainings"
        return kept | judged | own

    def differences(self, now: "StoredSweep") -> list[str]:
        """Name what differs in another sweep, old and new."""
        old, new = self.identity(), now.identity()
        # The runs of a sweep stay in one experiment, unless they move to another place with all that they hold.
        if self.options.tracking == now.options.tracking:
            old["experiment"], new["experiment"] = self.options.experiment, now.options.experiment
        told = {"space": StoredSweep._space, "data": StoredSweep._data}
        return [
            f"{key} was {told[key](self)}, now {told[key](now)}"
            if key in told
            else f"{key} was {old[key]!r}, now {new[key]!r}"
            for key in new
            if old[key] != new[key]
        ]

    def _space(self) -> str:
        return f"{self.options.space} ({self.space_digest[:8]})"

    def _data(self) -> str:
        pairs = f" with pairs={self.options.pairs}" if self.options.pairs else ""
        counts = self.data_counts
        size = f"{counts.people} people, {counts.images} images, {counts.twin_pairs} twin pairs, " if counts else ""
        return f"{self.options.data}{pairs} ({size}digest {self.data_digest[:8]})"
