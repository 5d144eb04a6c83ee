"""NaN and infinity end a training, with the epoch and the cause by name."""

from collections.abc import Iterable

from torch import Tensor, nn


class TrainingDiverged(Exception):  # noqa: N818 - an outcome of a trial, caught by name
    """The training left the finite numbers.

    Attributes:
        epoch: the epoch, from 1.
        cause: what was not finite first: an embedding, a loss, the gradient of a weight.
    """

    def __init__(self, epoch: int, cause: str) -> None:
        """Say when and what."""
        super().__init__(epoch, cause)  # both as args, so that it survives pickling between processes
        self.epoch = epoch
        self.cause = cause

    def __str__(self) -> str:
        """Give one line."""
        return f"training diverged in epoch {self.epoch}: {self.cause}"


def find_cause(embeddings: dict[str, Tensor], parts: dict[str, Tensor], total: Tensor) -> str | None:
    """Name what of a forward pass is not finite, in the order of computation; None where all is."""
    for name, embedding in embeddings.items():
        if not embedding.isfinite().all():
            return f"the {name} embeddings are not finite"
    for name, loss in parts.items():
        if not loss.isfinite():
            return f"the loss of the {name} branch is {loss.item()}"
    return None if total.isfinite() else f"the total loss is {total.item()}"


def find_gradient(modules: Iterable[tuple[str, nn.Module]]) -> str:
    """Name the first weight whose gradient is not finite."""
    for prefix, module in modules:
        for name, weight in module.named_parameters():
            if weight.grad is not None and not weight.grad.isfinite().all():
                return f"the gradient of {prefix}.{name} is not finite"
    return "the norm of the gradient overflows"
