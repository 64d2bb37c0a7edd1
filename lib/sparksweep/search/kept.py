"""What a worker process keeps between the fits of a search, so that no fit makes it anew.

That is the output of pipeline steps (:mod:`~sparksweep.search.steps`) and XGBoost's quantised matrix
(:mod:`~sparksweep.search.quantised`). All of it is shared by fits, so nobody may write to it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

import joblib
import numpy as np
from scipy import sparse

__all__ = ["BUDGET", "BUDGET_OF_OTHER_FOLDS", "Kept", "content_key", "nbytes", "protect"]

#: Bytes that a worker keeps at most beyond the newest entry.
BUDGET = 256 << 20
#: Bytes that it keeps when it goes to another fold. Tasks of a fold stand together, so few come back to it.
#: Where fits are so short that making an entry anew would count, entries are small.
BUDGET_OF_OTHER_FOLDS = 16 << 20

T = TypeVar("T")


@dataclass(frozen=True)
class _Entry:
    value: Any
    size: int


class Kept:
    """Values by key, the least recently used ones dropped where they exceed the budget of bytes.

    It also knows what an array is: the fold's training rows, or what certain steps made of them. Such a
    name stands for the content in the keys of what is derived from it.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._names: dict[int, tuple[Any, Hashable]] = {}

    def get(self, key: Hashable, size: int, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it and keep it.

        Parameters
        ----------
        size : int
            Bytes that it takes, as far as they can be told before it is made: room is made first.
        """
        if key in self._entries:
            self._entries.move_to_end(key)
            value: T = self._entries[key].value
            return value
        self.shrink(self._budget - size)
        value = make()
        self._entries[key] = _Entry(value, size)
        return value

    def shrink(self, budget: int) -> None:
        """Drop the least recently used entries until the others take no more than so many bytes."""
        while self._entries and self._held > budget:
            self._entries.popitem(last=False)

    def name(self, value: Any, name: Hashable) -> None:
        """Say what an object is, until :meth:`forget_names`."""
        self._names[id(value)] = value, name  # holds the object, so that its id is not given to another

    def name_of(self, value: Any) -> Hashable | None:
        """Return what an object was said to be, or None."""
        held = self._names.get(id(value))
        return None if held is None else held[1]

    def forget_names(self) -> None:
        """Forget the names of objects; to be called when the fit that was given them has ended."""
        self._names.clear()

    @property
    def _held(self) -> int:
        return sum(entry.size for entry in self._entries.values())


def content_key(value: Any) -> str | None:
    """Return a digest of an object's content, or None where it has none, as one with a lambda in it."""
    try:
        return str(joblib.hash(value))
    except Exception:  # whatever an object's own pickling raises
        return None


def protect(value: Any) -> bool:
    """Make arrays read-only where that can be done for good, and say whether it could.

    It cannot for data frames and lists: those are to be copied for each fit.
    """
    if sparse.issparse(value) and value.format in ("csr", "csc", "bsr"):
        arrays = [value.data, value.indices, value.indptr]
    elif type(value) is np.ndarray and not value.dtype.hasobject:
        arrays = [value]
    else:
        return value is None
    for array in arrays:
        array.flags.writeable = False
    return True


def nbytes(value: Any) -> int:
    """Return about how many bytes an array, sparse matrix or data frame takes; 0 where it does not say."""
    if sparse.issparse(value):
        parts = (getattr(value, name, None) for name in ("data", "indices", "indptr", "row", "col"))
        return sum(part.nbytes for part in parts if part is not None)
    if hasattr(value, "memory_usage"):
        return int(np.sum(value.memory_usage()))
    return int(getattr(value, "nbytes", 0))
