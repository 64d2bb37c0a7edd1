"""Tall features -> the two CSR matrices: the one place where rows leave Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from scipy.sparse import csr_matrix

from sparksweep.data import Devices, to_pandas
from sparksweep.errors import DataError
from sparksweep.features.places import column_of_feature, row_of_device

__all__ = ["FeatureMatrix", "to_matrix"]

# The order of the columns: by the first part of the name, then by the rest as a number or as a text.
_NUMBERED = ("weekday", "hour", "app", "label")
_ORDER = (
    "phone_brand",
    "device_model",
    "weekday",
    "hour",
    "weekday_hour",
    "app",
    "label",
    "category",
    "word",
)


@dataclass(frozen=True)
class FeatureMatrix:
    """The features of the training and of the test devices.

    Attributes
    ----------
    X_train, X_test : csr_matrix of float32
        Of shapes (training devices, features) and (test devices, features), with sorted indices and
        without stored zeros.
    feature_names : tuple of str
        The name of each column.
    devices : Devices
        What the rows are.
    """

    X_train: csr_matrix
    X_test: csr_matrix
    feature_names: tuple[str, ...]
    devices: Devices


def to_matrix(tall: DataFrame, devices: Devices) -> FeatureMatrix:
    """Compute the features and bring them to the driver as triples of integers and a float32.

    The columns are the features of any training or test device, the families in the order of
    :data:`~sparksweep.features.build.FAMILIES` (brands before models), within a family by number where
    the name is one and by code points where it is a text.

    Parameters
    ----------
    tall : DataFrame of (device_id, feature, value)
        At most one row a device and feature. It is computed once and kept on Spark's disks meanwhile.
    devices : Devices

    Raises
    ------
    DataError
        If no device has a feature.
    """
    ids = np.concatenate([devices.train_ids, devices.test_ids])
    tall = tall.persist(StorageLevel.DISK_ONLY)
    try:
        names = sorted(to_pandas(tall.select("feature").distinct())["feature"], key=_column_order)
        if not names:
            raise DataError(
                "No device of gender_age_train or gender_age_test has a feature: check that the other tables "
                "are about the same devices"
            )
        triples = _triples(tall, ids, names)
    finally:
        tall.unpersist()
    places = triples["row"].to_numpy(), triples["column"].to_numpy()
    X = csr_matrix((triples["value"].to_numpy(), places), shape=(len(ids), len(names)))
    X.eliminate_zeros()
    X.sort_indices()
    n_train = len(devices.train_ids)
    return FeatureMatrix(X[:n_train], X[n_train:], tuple(names), devices)


def _triples(tall: DataFrame, ids: npt.NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
    """Return int32 row, int32 column and float32 value of each feature of each row of the matrix."""
    spark = tall.sparkSession
    return to_pandas(
        tall.join(F.broadcast(column_of_feature(spark, names)), on="feature", how="inner")
        .join(F.broadcast(row_of_device(spark, ids)), on="device_id", how="inner")
        .select("row", "column", F.col("value").cast("float"))
    )


def _column_order(feature: str) -> tuple[int, tuple[int, ...], str]:
    prefix, _, rest = feature.partition(":")
    place = _ORDER.index(prefix)
    if prefix in _NUMBERED:
        return place, (int(rest),), ""
    if prefix == "weekday_hour":
        return place, tuple(map(int, rest.split("-"))), ""
    return place, (), rest
