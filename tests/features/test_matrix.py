"""The matrix against an oracle, on random tables; its order, types, and errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy import sparse

from sparksweep.data import Devices, read_devices
from sparksweep.errors import DataError
from sparksweep.features import FAMILIES, build_features, to_matrix
from tests.data.competition import read_competition
from tests.features.oracle import columns_by_hand, features_by_hand, random_tables


def _dense(
    device_ids: list[int], names: list[str], features: dict[tuple[int, str], np.float32]
) -> np.ndarray:
    return np.array(
        [[features.get((device, name), 0) for name in names] for device in device_ids], np.float32
    )


@pytest.mark.parametrize(
    ("seed", "families"),
    [
        (0, dict.fromkeys(FAMILIES, "fraction")),
        (1, dict.fromkeys(FAMILIES, "indicator")),
    ],
)
def test_matrix_is_what_plain_python_computes(
    spark_session: SparkSession, tmp_path: Path, seed: int, families: dict[str, str]
) -> None:
    rows = random_tables(seed)
    tables = read_competition(spark_session, tmp_path, **rows)
    devices = read_devices(tables)
    features = features_by_hand(rows, families)
    names = columns_by_hand(features)
    train_ids = list(dict.fromkeys(row[0] for row in rows["gender_age_train"]))
    test_ids = list(dict.fromkeys(row[0] for row in rows["gender_age_test"]))

    matrix = to_matrix(build_features(tables, families), devices)

    assert matrix.feature_names == tuple(names)
    np.testing.assert_array_equal(matrix.X_train.toarray(), _dense(train_ids, names, features))
    np.testing.assert_array_equal(matrix.X_test.toarray(), _dense(test_ids, names, features))
    assert matrix.devices is devices
    for X in (matrix.X_train, matrix.X_test):
        assert sparse.isspmatrix_csr(X)
        assert X.dtype == np.float32
        assert X.has_canonical_format
        assert (X.data != 0).all()


def _devices(train: list[int], test: list[int]) -> Devices:
    return Devices(np.array(train, np.int64), np.full(len(train), "M29-31"), np.array(test, np.int64))


def test_columns_are_in_the_order_of_families_then_numbers_then_code_points(
    spark_session: SparkSession,
) -> None:
    names = [
        "phone_brand:OPPO",
        "phone_brand:Z",
        "phone_brand:a",
        "phone_brand:小米",
        "device_model:10",
        "device_model:9",
        "weekday:0",
        "hour:9",
        "hour:10",
        "weekday_hour:0-9",
        "weekday_hour:0-10",
        "weekday_hour:1-0",
        f"app:{-(2**63)}",
        "app:-10",
        "app:9",
        f"app:{2**63 - 1}",
        "label:9",
        "label:10",
        "category:a b",
        "category:a:b",
        "word:1",
        "word:a",
    ]
    tall = spark_session.createDataFrame(
        [(7, name, 0.5) for name in reversed(names)], "device_id long, feature string, value double"
    )
    matrix = to_matrix(tall, _devices([7], [8]))
    assert matrix.feature_names == tuple(names)
    assert matrix.X_test.shape == (1, len(names))


def test_values_of_zero_and_of_other_devices_are_not_stored(spark_session: SparkSession) -> None:
    tall = spark_session.createDataFrame(
        [(7, "hour:1", 1 / 3), (7, "hour:2", 0.0), (9, "hour:1", 1.0)],
        "device_id long, feature string, value double",
    )
    matrix = to_matrix(tall, _devices([8, 7], [7]))
    assert matrix.feature_names == ("hour:1", "hour:2")
    assert matrix.X_train.nnz == 1
    assert matrix.X_train[1, 0] == matrix.X_test[0, 0] == np.float32(1 / 3)


def test_the_session_is_left_as_it_was(spark_session: SparkSession) -> None:
    key = "spark.sql.execution.arrow.pyspark.enabled"
    tall = spark_session.createDataFrame([(7, "hour:1", 1.0)], "device_id long, feature string, value double")
    before = spark_session.conf.get(key)
    spark_session.conf.set(key, "false")
    try:
        to_matrix(tall, _devices([7], []))
        assert spark_session.conf.get(key) == "false"
    finally:
        spark_session.conf.set(key, before)
    assert not tall.storageLevel.useDisk


def test_no_feature_at_all(spark_session: SparkSession) -> None:
    tall = spark_session.createDataFrame([], "device_id long, feature string, value double")
    with pytest.raises(
        DataError, match=r"No device .* has a feature: check that the other tables are about the same"
    ):
        to_matrix(tall, _devices([7], [8]))
