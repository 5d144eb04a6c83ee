"""The sweep that a configuration file came from: on what, and with how many threads, its trial was trained."""

from pathlib import Path
from typing import Any

from twinverify.errors import UserError
from twinverify.search.resources import plan_resources
from twinverify.search.stored import is_sweep, read_sweep

#: Where a sweep's configurations lie, and how far above them its folder is.
_PLACES = {"best.yaml": 0, "config.yaml": 1}


def sweep_of(config: str | None) -> Path | None:
    """Give the folder of the sweep that a file is `best.yaml`, `best/config.yaml` or a trial's `config.yaml` of.

    Args:
        config: a preset's name or a file's; None: neither.
    """
    path = Path(config or "").expanduser()
    if path.name not in _PLACES or not path.is_file():
        return None
    folder = path.resolve().parents[_PLACES[path.name]]
    return folder if is_sweep(folder) else None


def settings_of_trials(folder: Path) -> dict[str, Any]:
    """Give what the trials of a sweep were trained with beside their configuration, as `train` calls it.

    Returns:
        `data`, `pairs`, `cache`, `objective` and `threads`; the last is left out where this machine is too small for
        the sweep's resources.

    Raises:
        UserError: the sweep cannot be read.
    """
    options = read_sweep(folder).options
    found = {
        "data": options.data,
        "pairs": options.pairs,
        "cache": options.cache or folder.parent / ".cache",
        "objective": options.objective,
    }
    try:
        return found | {"threads": plan_resources(options).threads}
    except UserError:
        return found
