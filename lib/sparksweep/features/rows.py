"""Rows of features as Spark holds them -> CSR, for a batch in a task or for all of them on the driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from scipy.sparse import csr_matrix

from sparksweep.data import to_pandas

__all__ = ["occurring_columns", "to_csr", "with_columns"]


def to_csr(columns: Sequence[bytes], values: Sequence[bytes], n_features: int) -> csr_matrix:
    """Return rows of :class:`~sparksweep.features.Features` as a matrix of float32.

    Parameters
    ----------
    columns, values : sequence of bytes
        Of one row after the other.
    n_features : int
    """
    indices = np.frombuffer(bytearray().join(columns), "<i4")
    data = np.frombuffer(bytearray().join(values), "<f4")
    indptr = np.zeros(len(columns) + 1, np.int64)
    np.cumsum([len(row) // 4 for row in columns], out=indptr[1:])
    if indptr[-1] < 2**31:
        indptr = indptr.astype(np.int32)  # SciPy wants one type for both, and would copy the larger one
    X = csr_matrix((data, indices, indptr), shape=(len(columns), n_features), copy=False)
    X.has_canonical_format = True
    return X


def with_columns(X: csr_matrix, columns: npt.NDArray[np.int32], n_features: int) -> csr_matrix:
    """Return a matrix with its columns at other places.

    Parameters
    ----------
    X : csr_matrix
    columns : int32 array
        The new place of each column, -1 where it drops out.
    n_features : int
        How many columns there are then.
    """
    indices = columns[X.indices]
    stays = indices >= 0
    indptr = np.append(0, np.cumsum(stays))[X.indptr]
    moved = csr_matrix((X.data[stays], indices[stays], indptr), shape=(X.shape[0], n_features))
    moved.sort_indices()
    return moved


def occurring_columns(rows: DataFrame) -> npt.NDArray[np.int32]:
    """Return the sorted columns that occur in rows of :class:`~sparksweep.features.Features`."""

    def occurring(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = np.frombuffer(b"".join(batch.column("columns").to_pylist()), "<i4")
            yield pa.RecordBatch.from_pydict({"column": pa.array(np.unique(columns))})

    found = rows.select("columns").mapInArrow(occurring, "column int").distinct()
    return np.sort(to_pandas(found)["column"].to_numpy(np.int32))
