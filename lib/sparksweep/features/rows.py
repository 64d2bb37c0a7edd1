"""Tall features -> sparse rows with given columns, which stay in Spark's partitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from sparksweep.features.places import column_of_feature, row_of_device

__all__ = ["sparse_rows", "to_csr", "unknown_features"]


def sparse_rows(tall: DataFrame, ids: npt.NDArray[np.int64], names: Sequence[str]) -> DataFrame:
    """Return a row a device, with the columns and values of its features.

    Parameters
    ----------
    tall : DataFrame of (device_id, feature, value)
        At most one row a device and feature. Features without a column drop out.
    ids : int64 array
        The devices, those without a feature too.
    names : sequence of str
        The feature of each column.

    Returns
    -------
    DataFrame of (row: int, columns: array of int, values: array of float)
        ``row`` is the place of the device in ``ids``; columns stand in their order.
    """
    spark = tall.sparkSession
    features = (
        tall.join(F.broadcast(column_of_feature(spark, names)), on="feature", how="inner")
        .groupBy("device_id")
        .agg(
            F.sort_array(
                F.collect_list(F.struct("column", F.col("value").cast("float").alias("value")))
            ).alias("f")
        )
    )
    return (
        row_of_device(spark, ids)
        .join(features, on="device_id", how="left")
        .select(
            "row",
            F.coalesce("f.column", F.array().cast("array<int>")).alias("columns"),
            F.coalesce("f.value", F.array().cast("array<float>")).alias("values"),
        )
    )


def unknown_features(tall: DataFrame, names: Sequence[str]) -> int:
    """Return how many features of ``tall`` have no column."""
    unknown = tall.join(
        F.broadcast(column_of_feature(tall.sparkSession, names)), on="feature", how="left_anti"
    )
    return unknown.select("feature").distinct().count()


def to_csr(batch: pa.RecordBatch, n_features: int) -> csr_matrix:
    """Return an Arrow batch of :func:`sparse_rows` as a matrix of float32, without a loop over its rows."""
    columns, values = batch.column("columns"), batch.column("values")
    offsets = columns.offsets.to_numpy()
    # Copied, since what Arrow gives is read-only.
    places, numbers = (np.array(part.flatten()) for part in (columns, values))
    parts = numbers, places, offsets - offsets[0]
    X = csr_matrix(parts, shape=(batch.num_rows, n_features))
    X.eliminate_zeros()
    return X
