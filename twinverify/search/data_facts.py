"""What is told of a training's data: a digest and counts of each side, in a file of its folder."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from twinverify.faces.catalogue import Catalogue
from twinverify.faces.splits import Split
from twinverify.search.run_files import DATA_FILE
from twinverify.tracking.dataset import SideFacts


def side_facts(split: Split, digest: str) -> list[SideFacts]:
    """Give what is told of the two sides that a training sees.

    Args:
        split: the data.
        digest: the whole data set's: see `data_digest`.
    """
    return [_of(split.train, "training", digest), _of(split.validation, "validation", digest)]


def _of(side: Catalogue, context: Literal["training", "validation"], digest: str) -> SideFacts:
    return SideFacts(
        name=side.name,
        context=context,
        # MLflow knows a data set by name and digest: the two sides are two.
        digest=hashlib.sha256(f"{digest} {context}".encode()).hexdigest()[:16],
        counts={
            "people": len(side.people),
            "families": len(set(side.families.values())),
            "images": len(side.image_paths),
            "twin_pairs": len(side.twin_pairs),
        },
    )


def write_facts(folder: Path, facts: Sequence[SideFacts]) -> None:
    """Write them into a training's folder."""
    text = json.dumps([asdict(side) for side in facts], indent=1) + "\n"
    path = folder / DATA_FILE
    with suppress(FileNotFoundError):
        if path.read_text(encoding="utf-8") == text:
            return
    path.write_text(text, encoding="utf-8")


def read_facts(folder: Path) -> list[SideFacts]:
    """Read them; none where they are missing or damaged."""
    with suppress(OSError, ValueError, TypeError):
        return [SideFacts(**side) for side in json.loads((folder / DATA_FILE).read_text(encoding="utf-8"))]
    return []
