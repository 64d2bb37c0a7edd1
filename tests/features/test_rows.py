"""Rows of features as Spark holds them, and the matrices that they become."""

from __future__ import annotations

import numpy as np
from pyspark.sql import SparkSession

from sparksweep.features import occurring_columns, to_csr, with_columns

COLUMNS = [[0, 2], [], [1, 2, 3]]
VALUES = [[1.0, 0.5], [], [0.25, 1.0, 0.125]]
DENSE = [[1, 0, 0.5, 0], [0, 0, 0, 0], [0, 0.25, 1, 0.125]]


def _bytes(rows: list[list[float]], dtype: str) -> list[bytes]:
    return [np.array(row, dtype).tobytes() for row in rows]


def test_rows_become_a_matrix() -> None:
    X = to_csr(_bytes(COLUMNS, "<i4"), _bytes(VALUES, "<f4"), 4)
    np.testing.assert_array_equal(X.toarray(), DENSE)
    assert X.dtype == np.float32
    assert X.indices.dtype == X.indptr.dtype == np.int32
    X.data[:] = 0  # it can be written to


def test_no_rows() -> None:
    assert to_csr([], [], 4).shape == (0, 4)


def test_columns_go_to_other_places_and_drop_out() -> None:
    X = to_csr(_bytes(COLUMNS, "<i4"), _bytes(VALUES, "<f4"), 4)
    moved = with_columns(X, np.array([3, -1, 0, 4], np.int32), 5)
    np.testing.assert_array_equal(moved.toarray(), [[0.5, 0, 0, 1, 0], [0] * 5, [1, 0, 0, 0, 0.125]])
    assert moved.has_sorted_indices


def test_columns_that_occur(spark_session: SparkSession) -> None:
    rows = zip(map(bytearray, _bytes(COLUMNS, "<i4")), strict=True)
    frame = spark_session.createDataFrame(rows, "columns binary").repartition(2)
    assert occurring_columns(frame).tolist() == [0, 1, 2, 3]
