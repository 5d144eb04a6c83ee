"""What is kept of one evaluation: its scores with their families, enough for intervals, curves and histograms.

No embeddings: those are biometric templates, and this file lies in folders that get passed on.
"""

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from twinverify.errors import UserError

Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Counts = NDArray[np.unsignedinteger[Any]]

_FORMAT: Final = 1
_ARRAYS: Final = ("same", "twin", "same_family", "twin_family", "thresholds", "general", "families")


@dataclass(frozen=True)
class FamilyScores:
    """The scores of one evaluation, each with its family; of very many families each stands for several.

    Attributes:
        same: (S,) float32, scores of the same-person pairs, in the order of `PairScores`.
        twin: (T,) float32, scores of the twin pairs, in the order of `PairScores`.
        same_family: (S,) unsigned, the family 0 .. F - 1 of each same-person pair.
        twin_family: (T,) unsigned, the family of each twin pair.
        thresholds: (C,) float32, rising: where the unrelated pairs are counted. The first is their lowest score.
        general: (F (F + 1) / 2, C) unsigned: of each pair of families (in the order of `numpy.triu_indices(F)`), how
            many unrelated pairs score from each threshold to below the next.
        families: (F,) text, what to call each family.
        epoch: which epoch of a training was evaluated; 0 where that is not known.
    """

    same: Floats32
    twin: Floats32
    same_family: Counts
    twin_family: Counts
    thresholds: Floats32
    general: Counts
    families: NDArray[np.str_]
    epoch: int = 0

    @cached_property
    def same_pairs(self) -> Ints:
        """(F,) how many same-person pairs each family has."""
        return np.bincount(self.same_family, minlength=len(self.families))

    @cached_property
    def twin_pairs(self) -> Ints:
        """(F,) how many twin pairs each family has."""
        return np.bincount(self.twin_family, minlength=len(self.families))

    @cached_property
    def unrelated_pairs(self) -> Ints:
        """(F,) in how many unrelated pairs each family has a part."""
        first, second = np.triu_indices(len(self.families))
        pairs = self.general.sum(axis=1, dtype=np.int64)
        of = np.concatenate([first, second[first != second]])
        weights = np.concatenate([pairs, pairs[first != second]])
        return np.bincount(of, weights=weights, minlength=len(self.families)).astype(np.int64)

    @cached_property
    def key(self) -> str:
        """A digest of which pairs were scored, whatever their scores: evaluations with the same key can be paired."""
        digest = hashlib.sha256("\0".join(self.families.tolist()).encode())
        for of in (self.same_family, self.twin_family, self.general.sum(axis=1, dtype=np.int64)):
            digest.update(np.ascontiguousarray(of, np.int64).tobytes())
            digest.update(b"\0")
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write everything to one compressed `.npz`; the same scores give the same bytes."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        with path.open("wb") as file:  # given a name, NumPy would add a suffix to it
            np.savez_compressed(file, format=np.int64(_FORMAT), epoch=np.int64(self.epoch), **arrays)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote. Nothing in the file is executed.

        Raises:
            UserError: there is no such file, it is damaged, or another version wrote it.
        """
        try:
            # Opened here: NumPy leaves a damaged file open.
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in (*_ARRAYS, "epoch", "format")}
        except FileNotFoundError:
            raise UserError(f"{path}: no such file of scores") from None
        except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{path}: cannot be read as scores ({error})") from None
        except MemoryError:  # a part says that it is larger than any memory
            raise UserError(f"{path}: cannot be read as scores (too large)") from None
        if (version := arrays.pop("format")) != _FORMAT:
            raise UserError(f"{path}: scores of format {version}; this version reads format {_FORMAT}")
        if not _fit(arrays):
            raise UserError(f"{path}: cannot be read as scores (its parts do not fit together)")
        return cls(**arrays | {"epoch": int(arrays["epoch"])})


def _fit(arrays: dict[str, NDArray[Any]]) -> bool:
    """Tell whether the parts are of the kinds and sizes that `FamilyScores` says."""
    kinds = {"same": "f", "twin": "f", "thresholds": "f", "same_family": "u", "twin_family": "u", "general": "u"}
    if any(arrays[name].dtype.kind != kind for name, kind in (kinds | {"families": "U", "epoch": "i"}).items()):
        return False
    if {arrays[name].ndim for name in ("same", "twin", "thresholds", "families")} != {1} or arrays["epoch"].ndim:
        return False
    families = len(arrays["families"])
    of_pairs = all(
        arrays[f"{name}_family"].shape == arrays[name].shape and (arrays[f"{name}_family"] < families).all()
        for name in ("same", "twin")
    )
    return of_pairs and arrays["general"].shape == (families * (families + 1) // 2, len(arrays["thresholds"]))
