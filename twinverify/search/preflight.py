"""What would fail every trial is refused before the first one starts."""

from itertools import combinations

from twinverify.errors import UserError
from twinverify.faces.catalogue import Catalogue
from twinverify.settings import Config
from twinverify.verification.objective import least_negatives


def check_estimable(objective: str, validation: Catalogue) -> None:
    """Refuse a TAR at a FAR that the validation has too few impostor pairs for.

    Raises:
        UserError: target x pairs is under 10.
    """
    images = {person.id: len(person.images) for person in validation.people}
    twins = sum(images[a] * images[b] for a, b in validation.twin_pairs)
    families: dict[str, int] = {}
    for person, family in validation.families.items():
        families[family] = families.get(family, 0) + images[person]
    pairs = twins if "twin" in objective else sum(a * b for a, b in combinations(families.values(), 2))
    if pairs < least_negatives(objective):
        raise UserError(
            f"objective={objective}: {least_negatives(objective)} impostor pairs are needed, the validation families"
            f" have {pairs}; try a larger FAR, or an EER"
        )


def check_dashboard(wanted: bool) -> None:
    """Refuse a dashboard whose packages are not there: `ray[tune]` comes without them.

    Raises:
        UserError: they are not.
    """
    if not wanted:
        return
    # Ray takes seconds to import.
    import ray
    from ray._private.utils import get_dashboard_dependency_error

    missing = get_dashboard_dependency_error()
    if missing is not None:
        raise UserError(
            f"dashboard=true: Ray's dashboard needs packages that are not there ({missing}); install them with"
            f' pip install "ray[default]=={ray.__version__}", or leave it out'
        )


def check_training(config: Config) -> None:
    """Refuse a device that is not there and weights that do not fit.

    Loads torch, which takes seconds, and only where there is something to check.

    Raises:
        UserError: the device, the mixed precision or the weights cannot be had.
    """
    if config.train.device == "cuda" or config.train.amp in ("bf16", "fp16"):
        from twinverify.training.device import check_device

        check_device(config)
    if config.model.weights is not None or config.model.pretrained:
        from twinverify.model.vit import build_backbone

        build_backbone(config.model)
