"""Features written as a tall table, and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from sparksweep.data import Devices, Tables, read_devices
from sparksweep.errors import ConfigError, StorageError
from sparksweep.features import (
    FAMILIES,
    FeatureMatrix,
    build_features,
    read_features,
    to_matrix,
    write_features,
)
from sparksweep.storage import HadoopStore, LocalStore, Store
from tests.data.competition import read_competition
from tests.features.oracle import features_by_hand, random_tables

EIGHT = dict.fromkeys(FAMILIES, "fraction")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[tuple]]:
    return random_tables(3)


@pytest.fixture(scope="module")
def tables(
    spark_session: SparkSession, tmp_path_factory: pytest.TempPathFactory, rows: dict[str, list[tuple]]
) -> Tables:
    return read_competition(spark_session, tmp_path_factory.mktemp("competition"), **rows)


@pytest.fixture(scope="module")
def devices(tables: Tables) -> Devices:
    return read_devices(tables)


@pytest.fixture(scope="module")
def computed(tables: Tables, devices: Devices) -> FeatureMatrix:
    return to_matrix(build_features(tables, EIGHT, devices.ids), devices)


@pytest.fixture(params=["a folder", "a file system of Hadoop"])
def folder(request: pytest.FixtureRequest, spark_session: SparkSession, tmp_path: Path) -> Store:
    local = LocalStore(tmp_path / "features")
    return local if request.param == "a folder" else HadoopStore(f"file://{local.root}", spark_session)


def _equal(one: FeatureMatrix, other: FeatureMatrix) -> None:
    assert one.feature_names == other.feature_names
    for name in ("X_train", "X_test"):
        for part in ("data", "indices", "indptr"):
            ours, theirs = getattr(getattr(one, name), part), getattr(getattr(other, name), part)
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype


def test_what_is_written_and_read_back_is_the_same_matrix(
    spark_session: SparkSession,
    tables: Tables,
    devices: Devices,
    computed: FeatureMatrix,
    rows: dict[str, list[tuple]],
    folder: Store,
) -> None:
    kept = write_features(build_features(tables, EIGHT, devices.ids), EIGHT, folder)
    _equal(to_matrix(kept, devices), computed)
    kept.rows.unpersist()

    tall = spark_session.read.parquet(folder.url("features.parquet"))
    assert [f"{name} {kind}" for name, kind in tall.dtypes] == [
        "device_id bigint",
        "feature string",
        "value float",
    ]
    found = {(row["device_id"], row["feature"]): np.float32(row["value"]) for row in tall.collect()}
    assert found == features_by_hand(rows, EIGHT)
    assert tall.count() == len(found)  # a device of both files stands there once

    again = to_matrix(read_features(spark_session, folder, EIGHT, devices.ids), devices)
    _equal(again, computed)
    assert again.used == {}


def test_devices_that_the_table_does_not_have_get_empty_rows(
    spark_session: SparkSession, tables: Tables, devices: Devices, tmp_path: Path
) -> None:
    folder = LocalStore(tmp_path)
    write_features(build_features(tables, EIGHT, devices.ids), EIGHT, folder).rows.unpersist()
    some = Devices(devices.train_ids[:2], devices.groups[:2], np.array([12345], np.int64))
    matrix = to_matrix(read_features(spark_session, folder, EIGHT, some.ids), some)
    assert matrix.X_train.shape[0] == 2
    assert matrix.X_test.nnz == 0


def test_features_are_not_written_over(tables: Tables, devices: Devices, tmp_path: Path) -> None:
    folder = LocalStore(tmp_path)
    features = build_features(tables, {"hour": "fraction"}, devices.ids)
    write_features(features, {"hour": "fraction"}, folder).rows.unpersist()
    with pytest.raises(StorageError, match=r"holds features already: name another folder in features\.write"):
        write_features(features, {"hour": "fraction"}, folder)


@pytest.mark.parametrize("families", [{"hour": "indicator"}, {"hour": "fraction", "app": "fraction"}])
def test_features_of_other_families_are_refused(
    spark_session: SparkSession, tables: Tables, devices: Devices, tmp_path: Path, families: dict[str, str]
) -> None:
    folder = LocalStore(tmp_path)
    features = build_features(tables, {"hour": "fraction"}, devices.ids)
    write_features(features, {"hour": "fraction"}, folder).rows.unpersist()
    with pytest.raises(ConfigError, match=r"holds the features hour \(fraction\) and the configuration asks"):
        read_features(spark_session, folder, families, devices.ids)


def test_a_folder_without_features(spark_session: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "features.parquet").mkdir()  # somebody was interrupted
    with pytest.raises(StorageError, match=r"holds no complete features: name a folder that features\.write"):
        read_features(spark_session, LocalStore(tmp_path), EIGHT, np.array([1]))
