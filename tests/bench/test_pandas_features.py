"""The benchmark compares like with like: pandas gives the same matrices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession

from sparksweep.data import read_devices, read_tables
from sparksweep.data.synthetic import write_dataset
from sparksweep.features import FAMILIES, build_features, to_matrix
from sparksweep.storage import LocalStore
from tests.bench.pandas_features import pandas_features


def test_pandas_gives_the_same_matrices(spark_session: SparkSession, tmp_path: Path) -> None:
    write_dataset(tmp_path, scale=0.003, seed=1)
    tables = read_tables(spark_session, LocalStore(tmp_path), cache=str(tmp_path / "cache"))
    devices = read_devices(tables)
    features = build_features(tables, dict.fromkeys(FAMILIES, "fraction"), devices.ids)
    matrix = to_matrix(features, devices)

    X_train, X_test, names = pandas_features(tmp_path)

    assert names == matrix.feature_names
    for theirs, ours in ((X_train, matrix.X_train), (X_test, matrix.X_test)):
        assert theirs.shape == ours.shape
        assert theirs.dtype == ours.dtype == np.float32
        np.testing.assert_array_equal(theirs.indptr, ours.indptr)
        np.testing.assert_array_equal(theirs.indices, ours.indices)
        np.testing.assert_array_equal(theirs.data, ours.data)

    for share, indicator in zip((X_train, X_test), pandas_features(tmp_path, "indicator"), strict=False):
        np.testing.assert_array_equal(share.indices, indicator.indices)
        assert (indicator.data == 1).all()
