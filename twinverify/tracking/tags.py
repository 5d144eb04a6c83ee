"""The tags that every run carries."""

import shutil
import subprocess
from pathlib import Path


def run_tags(*, space: str, dataset: str, dataset_size: int, gpu_type: str) -> dict[str, str]:
    """Give the tags that every run carries.

    Args:
        space: the search space's name; empty for a single training.
        dataset: the data set's name.
        dataset_size: number of training images.
        gpu_type: the GPU's name, or "cpu".
    """
    tags = {
        "model_type": "dcal",
        "dataset": dataset,
        "dataset_size": str(dataset_size),
        "gpu_type": gpu_type,
        "git_commit": git_commit(),
    }
    return tags | ({"space": space} if space else {})


def git_commit() -> str:
    """Give the commit of this checkout, with `-dirty` where files differ from it; `unknown` outside a checkout."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    here = Path(__file__).parent
    try:
        ask = [git, "describe", "--always", "--dirty", "--abbrev=40", "--match", ""]
        told = subprocess.run(ask, cwd=here, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.stdout.strip() or "unknown"
