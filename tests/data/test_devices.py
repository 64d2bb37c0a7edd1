"""The rows of the matrix: the devices in the order of their files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from sparksweep.data import read_devices
from sparksweep.errors import DataError
from tests.data.competition import read_competition


def test_order_of_the_files(spark_session: SparkSession, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ids = rng.integers(-(2**63), 2**63, 400)
    groups = rng.choice(["F23-", "M39+"], 300)
    train = [(device, "M", 30, group) for device, group in zip(ids[:300], groups, strict=True)]
    tables = read_competition(
        spark_session,
        tmp_path,
        gender_age_train=train,
        gender_age_test=[(device,) for device in ids[300:]],
    )
    devices = read_devices(tables)
    np.testing.assert_array_equal(devices.train_ids, ids[:300])
    np.testing.assert_array_equal(devices.test_ids, ids[300:])
    np.testing.assert_array_equal(devices.ids, ids)
    np.testing.assert_array_equal(devices.groups, groups)
    assert devices.train_ids.dtype == devices.test_ids.dtype == devices.ids.dtype == np.int64
    assert devices.groups.dtype.kind == "U"


def test_repeated_devices_are_kept_where_they_stand_first(
    spark_session: SparkSession, tmp_path: Path
) -> None:
    train = [(5, "M", 30, "M29-31"), (3, "F", "", "F23-"), (3, "F", "", "F23-"), (5, "M", 30, "M29-31")]
    tables = read_competition(
        spark_session, tmp_path, gender_age_train=train, gender_age_test=[(9,), (5,), (9,)]
    )
    devices = read_devices(tables)
    assert devices.train_ids.tolist() == [5, 3]
    assert devices.groups.tolist() == ["M29-31", "F23-"]
    assert devices.test_ids.tolist() == [9, 5]


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (
            [(1, "M", 30, "M29-31"), (-4, "F", 20, "F23-"), (1, "M", 30, "M29-31"), (-4, "F", 31, "F29-32")],
            [(2,)],
            "gender_age_train.csv: device -4 stands there with F,20,F23- and with F,31,F29-32 "
            "(1 such devices): keep the row that is right",
        ),
        (
            [(1, "M", 30, "M29-31"), (1, "M", "", "M29-31")],
            [(2,)],
            "gender_age_train.csv: device 1 stands there with M,30,M29-31 and with M,,M29-31",
        ),
        (
            [(1, "M", 30, "M29-31"), (8, "M", 30, ""), (9, "M", 30, " ")],
            [(2,)],
            "gender_age_train.csv: device 8 has no group (2 such rows): give each training device its group",
        ),
        (
            [("", "M", 30, "M29-31"), (1, "M", 30, "M29-31")],
            [(2,)],
            "gender_age_train.csv: rows without a device_id (1): give each its device or remove it",
        ),
        ([(1, "M", 30, "M29-31")], [("",), (3,)], "gender_age_test.csv: rows without a device_id (1)"),
    ],
)
def test_device_files_that_contradict_or_lack_something(
    spark_session: SparkSession,
    tmp_path: Path,
    train: Sequence[tuple[object, ...]],
    test: Sequence[tuple[object, ...]],
    message: str,
) -> None:
    tables = read_competition(spark_session, tmp_path, gender_age_train=train, gender_age_test=test)
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}/{message}")):
        read_devices(tables)
