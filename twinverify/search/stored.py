"""`sweep.yaml`: what a sweep was started with, and in what another one differs from it."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from twinverify.config import Config, Settings, flatten
from twinverify.errors import UserError
from twinverify.search.options import CHANGEABLE, TuneOptions
from twinverify.yaml12 import read_yaml

SWEEP_FILE = "sweep.yaml"
SPACE_FILE = "space.yaml"
#: Options that stand elsewhere in the identity, or do not change what is searched.
_NOT_IDENTITY = CHANGEABLE | {"config", "epochs", "objective", "space", "data", "name", "output", "experiment"}


class StoredSweep(Settings):
    """Everything needed to run a sweep again; its space stands in a file beside it."""

    format: Literal[1]
    name: str
    sweep_id: str
    options: TuneOptions
    data_digest: str
    space_digest: str
    config: Config

    def to_yaml(self) -> str:
        """Give `sweep.yaml`."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)

    def identity(self) -> dict[str, Any]:
        """Give what makes this search the search that it is: a resumed one has to agree in all of it."""
        options = self.options.model_dump(mode="json")
        kept = {key: value for key, value in options.items() if key not in _NOT_IDENTITY}
        judged = {"objective": self.options.objective, "space": self.space_digest, "data": self.data_digest}
        return kept | judged | flatten(self.config)

    def differences(self, now: "StoredSweep") -> list[str]:
        """Name what differs in another sweep, old and new."""
        old, new = self.identity(), now.identity()
        return [
            # Space and data are compared by their digests; people want their names too.
            f"{key} was {getattr(self.options, key)} ({old[key]}), now {getattr(now.options, key)} ({new[key]})"
            if key in ("space", "data")
            else f"{key} was {old[key]!r}, now {new[key]!r}"
            for key in new
            if old[key] != new[key]
        ]


def read_sweep(folder: Path) -> StoredSweep:
    """Read the `sweep.yaml` of a sweep's folder.

    Raises:
        UserError: it is not there, damaged, or of another version.
    """
    try:
        return StoredSweep.model_validate(read_yaml(folder / SWEEP_FILE))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(
            f"{folder / SWEEP_FILE}: not a whole sweep of this version of twinverify: {where}: {first['msg']};"
            " restore it from a copy"
        ) from None
