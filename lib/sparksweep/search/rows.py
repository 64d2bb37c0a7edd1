"""Rows of any array-like: the slices of X, y and of the metadata that one fold needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.utils import get_tags, indexable

__all__ = ["sample_count", "split_metadata", "split_rows", "take_rows"]

Indices = npt.NDArray[np.intp]


def sample_count(X: Any) -> int:
    """Return the number of samples of an array-like or a sparse matrix."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def take_rows(X: Any, rows: Indices) -> Any:
    """Return the rows of an array, sparse matrix, pandas object, list or any ``__getitem__`` by rows."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "shape"):
        return X[rows]
    return [X[row] for row in rows]


def split_rows(
    estimator: Any, X: Any, y: Any, rows: Indices, train: Indices | None = None
) -> tuple[Any, Any]:
    """Return X and y of one side of a fold.

    Parameters
    ----------
    estimator : estimator
        Where its tags say ``pairwise``, X is a square kernel or distance matrix, of which the columns
        are those of the training samples.
    X, y : array-like of shape (n_samples, ...), y may be None
    rows : int array
        The samples to take.
    train : int array, optional
        The training samples of the fold, where ``rows`` are not the training samples themselves.
    """
    y_rows = None if y is None else take_rows(y, rows)
    if not get_tags(estimator).input_tags.pairwise:
        return take_rows(X, rows), y_rows
    if not hasattr(X, "shape"):
        raise ValueError(
            "Precomputed kernels or affinity matrices have to be passed as arrays or sparse matrices."
        )
    if X.shape[0] != X.shape[1]:
        raise ValueError("X should be a square kernel matrix")
    return X[np.ix_(rows, rows if train is None else train)], y_rows


def split_metadata(X: Any, metadata: Mapping[str, Any], rows: Indices | None = None) -> dict[str, Any]:
    """Return metadata with what has one entry a sample cut to ``rows``, and the rest as it is.

    Without ``rows`` nothing is cut: what can be cut is only made indexable (a COO matrix becomes CSR).
    """
    n_samples = sample_count(X)
    cut = {}
    for name, value in metadata.items():
        if not _is_array_like(value) or sample_count(value) != n_samples:
            cut[name] = value
            continue
        (per_sample,) = indexable(value)
        cut[name] = per_sample if rows is None else take_rows(per_sample, rows)
    return cut


def _is_array_like(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping) or np.isscalar(value):
        return False
    return sparse.issparse(value) or hasattr(value, "shape") or hasattr(value, "__len__")
