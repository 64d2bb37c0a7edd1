"""What the fits of a search need where they run: the data, cut by folds, and what is kept of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sklearn.utils import get_tags

from sparksweep.search.kept import BUDGET_OF_OTHER_FOLDS, Kept, protect
from sparksweep.search.rows import Indices, split_metadata, split_rows

__all__ = ["Fold", "SearchData", "Sides", "Workbench"]

#: The rows of the training side and of the test side.
Fold = tuple[Indices, Indices]

# (X, y) of the training side and of the test side.
_Cut = tuple[tuple[Any, Any], tuple[Any, Any]]


@dataclass(frozen=True)
class SearchData:
    """What all fits of a search share. It is broadcast once; nobody writes to it.

    ``X`` has shape (n_samples, n_features); ``y`` is None, or has shape (n_samples,) or
    (n_samples, n_outputs). Metadata with one entry a sample is cut with them.
    """

    X: Any
    y: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]


@dataclass(frozen=True)
class Sides:
    """The two sides of a fold: X, y and the metadata for the scorer, and those of ``fit``."""

    train: tuple[Any, Any, dict[str, Any]]
    test: tuple[Any, Any, dict[str, Any]]
    fit_params: dict[str, Any]


@dataclass
class Workbench:
    """The data and folds of a search in one process, where one fit runs at a time."""

    data: SearchData
    folds: Sequence[Fold]
    kept: Kept = field(default_factory=Kept)
    #: Kinds of estimators that write to their data: each of their fits gets its own.
    writers: set[type] = field(default_factory=set)
    _fold: int | None = field(default=None, init=False)
    _cut: tuple[Hashable, _Cut] | None = field(default=None, init=False)

    def sides(self, estimator: Any, fold: int, *, own: bool = False) -> Sides:
        """Return the sides of a fold for an estimator that is about to be fitted.

        Arrays and sparse matrices are cut once for all fits of a fold that follow one another, and are
        read-only. What cannot be made read-only is cut for each fit, and everything is where ``own`` is set.
        """
        data = self.data
        train, test = self.folds[fold]
        self.kept.forget_names()
        if fold != self._fold:
            self.kept.shrink(BUDGET_OF_OTHER_FOLDS)
            self._fold = fold
        key = ("fold", fold, get_tags(estimator).input_tags.pairwise)
        if own or not (_can_protect(data.X) and _can_protect(data.y)):
            (X_train, y_train), (X_test, y_test) = _cut(data, estimator, self.folds[fold])
        else:
            (X_train, y_train), (X_test, y_test) = self._protected(key, estimator, fold)
        if not own:
            self.kept.name(X_train, key)
        return Sides(
            (X_train, y_train, split_metadata(data.X, data.score_params, train)),
            (X_test, y_test, split_metadata(data.X, data.score_params, test)),
            split_metadata(data.X, data.fit_params, train),
        )

    def _protected(self, key: Hashable, estimator: Any, fold: int) -> _Cut:
        if self._cut is None or self._cut[0] != key:
            # Those of one fold alone are kept: cutting costs little beside a fit, and they are large.
            self._cut = None
            sides = _cut(self.data, estimator, self.folds[fold])
            for part in (*sides[0], *sides[1]):
                protect(part)
            self._cut = key, sides
        return self._cut[1]


def _cut(data: SearchData, estimator: Any, fold: Fold) -> _Cut:
    train, test = fold
    return (
        split_rows(estimator, data.X, data.y, train),
        split_rows(estimator, data.X, data.y, test, train),
    )


def _can_protect(value: Any) -> bool:
    """Tell by no row at all, since slices of it have its type."""
    return value is None or (hasattr(value, "shape") and not hasattr(value, "iloc") and protect(value[:0]))
