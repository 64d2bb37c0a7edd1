"""Pairs of small integers, such as apps and their labels, to be followed for many rows at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Relation"]


@dataclass(frozen=True)
class Relation:
    """What each code on the left stands with on the right, as CSR has it.

    Attributes
    ----------
    starts : int64 array of shape (left codes + 1,)
        Where the right codes of each left code begin in ``codes``.
    codes : int64 array
    """

    starts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], size: int) -> Relation:
        """Return the relation of pairs, each counted once, of ``size`` left codes."""
        width = int(right.max(initial=0)) + 1
        pairs = np.unique(left * width + right)
        starts = np.searchsorted(pairs, np.arange(size + 1) * width)
        return cls(starts, pairs % width)

    def follow(self, left: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return every right code of every left code, and the place of the left one in the array."""
        starts = self.starts[left]
        counts = self.starts[left + 1] - starts
        places = np.repeat(np.arange(len(left)), counts)
        within = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.codes[starts[places] + within], places
