"""What a training writes into its folder; apart, so that those who only tidy up there need not load torch."""

from typing import Final

LAST: Final = "last.safetensors"
PREVIOUS: Final = "previous.safetensors"
BEST: Final = "best.safetensors"
#: The scores of the best epoch, by family; they stay when the checkpoints go.
SCORES: Final = "scores.npz"
#: A few validation images as the model of the best epoch looks at them; it stays as well.
ROLLOUT: Final = "rollout.png"
#: What the training said, each line with its time; a training that is taken up goes on in it.
LOG: Final = "log.txt"
LAST_VALUES: Final = "last.json"
BEST_VALUES: Final = "best.json"
#: What a damaged state is put aside as.
DAMAGED: Final = ("last.damaged", "previous.damaged")

#: All of them, that is, what a training can be taken up from.
CHECKPOINTS: Final = (LAST, PREVIOUS, BEST, LAST_VALUES, BEST_VALUES, *DAMAGED)
#: Held by the process that trains in the folder.
LOCK: Final = ".writing.lock"
#: What tells a training from every other; its MLflow run is found by it.
ID_FILE: Final = ".training"
