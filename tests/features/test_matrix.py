"""The matrix against an oracle, on random tables; its order, types, and errors."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scipy import sparse

from sparksweep.data import Devices, Tables, read_devices
from sparksweep.errors import DataError
from sparksweep.features import FAMILIES, FeatureMatrix, build, build_features, occurring_columns, to_matrix
from tests.data.competition import read_competition
from tests.features.oracle import Rows, columns_by_hand, features_by_hand, random_tables

FRACTIONS = dict.fromkeys(FAMILIES, "fraction")
AT = "2016-05-02 07:00:00"


def _dense(
    device_ids: list[int], names: list[str], features: dict[tuple[int, str], np.float32]
) -> np.ndarray:
    return np.array(
        [[features.get((device, name), 0) for name in names] for device in device_ids], np.float32
    )


def _matrix(tables: Tables, families: dict[str, str], devices: Devices) -> FeatureMatrix:
    return to_matrix(build_features(tables, families, devices.ids), devices)


def _devices(train: list[int], test: list[int]) -> Devices:
    return Devices(np.array(train, np.int64), np.full(len(train), "M29-31"), np.array(test, np.int64))


def _check_form(matrix: FeatureMatrix) -> None:
    for X in (matrix.X_train, matrix.X_test):
        assert sparse.isspmatrix_csr(X)
        assert X.dtype == np.float32
        assert X.indices.dtype == X.indptr.dtype == np.int32
        assert X.indptr[0] == 0
        assert X.has_canonical_format
        # A new matrix has not been told, so SciPy looks.
        assert sparse.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape).has_canonical_format
        assert (X.data != 0).all()
    both = sparse.vstack([matrix.X_train, matrix.X_test])
    assert both.shape[1] == len(matrix.feature_names) == len(set(matrix.feature_names))
    assert (both.getnnz(axis=0) > 0).all()


def _used_by_hand(rows: Rows, ids: list[int]) -> dict[str, list[int]]:
    """Count the rows of the files that are about each device; an event of two devices is one of both."""
    listed = Counter(event for event, app, *_ in rows["app_events"] if app != "")
    used = defaultdict(list)
    for device in ids:
        events = [event for event, known, *_ in rows["events"] if known == device and event != ""]
        used["events"].append(len(set(events)))
        used["event_rows"].append(len(events))
        used["app_rows"].append(sum(listed[event] for event in set(events)))
    return used


@pytest.mark.parametrize(
    ("seed", "families"),
    [
        (0, FRACTIONS),
        (1, dict.fromkeys(FAMILIES, "indicator")),
        (2, {"word": "indicator", "category": "fraction", "app": "indicator"}),
        (3, {"label": "fraction", "weekday_hour": "indicator", "brand_model": "fraction"}),
        (4, {"hour": "fraction", "weekday": "indicator"}),
        (5, FRACTIONS),
    ],
)
def test_matrix_is_what_plain_python_computes(
    spark_session: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    families: dict[str, str],
) -> None:
    monkeypatch.setattr(build, "_APP_ROWS_A_TASK", 600)  # three tasks
    rows = random_tables(seed)
    tables = read_competition(spark_session, tmp_path, **rows)
    devices = read_devices(tables)
    features = features_by_hand(rows, families)
    names = columns_by_hand(features)
    train_ids = list(dict.fromkeys(row[0] for row in rows["gender_age_train"]))
    test_ids = list(dict.fromkeys(row[0] for row in rows["gender_age_test"]))

    matrix = _matrix(tables, families, devices)

    assert matrix.feature_names == tuple(names)
    np.testing.assert_array_equal(matrix.X_train.toarray(), _dense(train_ids, names, features))
    np.testing.assert_array_equal(matrix.X_test.toarray(), _dense(test_ids, names, features))
    assert matrix.devices is devices
    _check_form(matrix)
    used = {name: counts.tolist() for name, counts in matrix.used.items()}
    by_hand = _used_by_hand(rows, [*train_ids, *test_ids])
    if not families.keys() & {"app", "label", "category", "word"}:
        assert used["events"] == by_hand["events"]
        assert used["event_rows"] == by_hand["event_rows"]
        assert not any(used["app_rows"])
    else:
        assert used == by_hand


@pytest.fixture(scope="module")
def tables(spark_session: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Device 9 is not asked for; 8 has nothing but a phone without names; 7 has everything."""
    apps = [-(2**63), -10, 9, 2**63 - 1]
    times = ["2016-05-02 09:30:00", "2016-05-02 10:00:00", "2016-05-03 00:00:00"]
    return read_competition(
        spark_session,
        tmp_path_factory.mktemp("competition"),
        phone_brand_device_model=[(9, "vivo", "X5"), (8, "", ""), (5, "OPPO", "9"), (7, "小米", "10")],
        events=[(event, 7, time, 0, 0) for event, time in enumerate(times)]
        + [(0, 7, times[0], 0, 0), (40, 5, AT, 0, 0), (50, 9, "2016-05-01 23:00:00", 0, 0)],
        app_events=[(0, app, 1, 1) for app in reversed(apps)] + [(40, 9, 1, 1), (50, 77, 1, 1)],
        app_labels=[(9, 10), (9, 9), (-10, 8), (77, 70)],
        label_categories=[(10, "a:b"), (9, "a b"), (8, "1"), (70, "none of them"), (71, "never")],
    )


@pytest.fixture(scope="module")
def names() -> tuple[str, ...]:
    return (
        "phone_brand:OPPO",
        "phone_brand:小米",
        "device_model:10",
        "device_model:9",
        "weekday:0",
        "weekday:1",
        "hour:0",
        "hour:7",
        "hour:9",
        "hour:10",
        "weekday_hour:0-7",
        "weekday_hour:0-9",
        "weekday_hour:0-10",
        "weekday_hour:1-0",
        f"app:{-(2**63)}",
        "app:-10",
        "app:9",
        f"app:{2**63 - 1}",
        "label:8",
        "label:9",
        "label:10",
        "category:1",
        "category:a b",
        "category:a:b",
        "word:1",
        "word:a",
        "word:a:b",
        "word:b",
    )


def test_columns_are_in_the_order_of_families_then_numbers_then_code_points(
    tables: Tables, names: tuple[str, ...]
) -> None:
    backwards = {family: FRACTIONS[family] for family in reversed(FAMILIES)}
    assert _matrix(tables, backwards, _devices([8, 7], [5])).feature_names == names


def test_what_no_device_has_is_no_column(tables: Tables, names: tuple[str, ...]) -> None:
    features = build_features(tables, FRACTIONS, np.array([7, 5, 8]))
    assert {"phone_brand:vivo", "app:77", "label:70", "category:none of them", "hour:23"} <= set(
        features.names
    )
    assert "category:never" not in features.names
    assert "weekday_hour:6-23" in features.names
    occurring = occurring_columns(features.rows)
    assert occurring.dtype == np.int32
    assert tuple(features.names[column] for column in occurring) == names


def test_a_device_of_both_files_and_one_that_has_nothing(tables: Tables) -> None:
    devices = _devices([8, 7, 5], [7, 6, 8])
    matrix = _matrix(tables, FRACTIONS, devices)
    _check_form(matrix)
    assert matrix.X_train.shape == matrix.X_test.shape == (3, len(matrix.feature_names))
    np.testing.assert_array_equal(matrix.X_train[1].toarray(), matrix.X_test[0].toarray())
    assert matrix.X_train.getnnz(axis=1)[0] == 0
    assert matrix.X_test.getnnz(axis=1).tolist() == [matrix.X_train[1].nnz, 0, 0]
    assert matrix.X_test[0, matrix.feature_names.index("app:9")] == np.float32(1 / 3)
    assert matrix.X_train[2, matrix.feature_names.index("app:9")] == 1


def test_used_counts_events_their_rows_and_rows_of_apps(tables: Tables) -> None:
    used = _matrix(tables, FRACTIONS, _devices([8, 7], [5, 7])).used
    # Event 0 of device 7 stands there twice, each time with its four apps.
    assert {name: counts.tolist() for name, counts in used.items()} == {
        "events": [0, 3, 1, 3],
        "event_rows": [0, 4, 1, 4],
        "app_rows": [0, 4, 1, 4],
    }
    assert {counts.dtype for counts in used.values()} == {np.dtype(np.int64)}


@pytest.mark.parametrize(("train", "test"), [([7], []), ([], [7]), ([8], [7]), ([7], [8])])
def test_all_features_in_one_of_the_matrices(tables: Tables, train: list[int], test: list[int]) -> None:
    matrix = _matrix(tables, {"hour": "fraction"}, _devices(train, test))
    _check_form(matrix)
    assert matrix.feature_names == ("hour:0", "hour:9", "hour:10")
    for X, ids in ((matrix.X_train, train), (matrix.X_test, test)):
        assert X.shape == (len(ids), 3)
        np.testing.assert_array_equal(X.toarray(), _third(ids))


def _third(ids: list[int]) -> np.ndarray:
    return np.array([[1 / 3 if device == 7 else 0] * 3 for device in ids], np.float32).reshape(-1, 3)


@pytest.mark.parametrize(("train", "test"), [([7, 5], [8, 7]), ([5], [7, 7]), ([7, 7], [5])])
def test_both_matrices_are_parts_of_one_pair_of_arrays(
    tables: Tables, train: list[int], test: list[int]
) -> None:
    matrix = _matrix(tables, FRACTIONS, _devices(train, test))
    for part in ("data", "indices"):
        first, second = getattr(matrix.X_train, part), getattr(matrix.X_test, part)
        assert second.ctypes.data == first.ctypes.data + first.nbytes
        assert not first.flags.owndata
        assert not second.flags.owndata


def test_the_number_of_partitions_changes_nothing(
    spark_session: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = read_competition(spark_session, tmp_path, **random_tables(6))
    devices = read_devices(tables)
    few = _matrix(tables, FRACTIONS, devices)
    for limit, rows in (("_EVENTS_A_TASK", 60), ("_APP_ROWS_A_TASK", 150)):
        with monkeypatch.context() as small:
            small.setattr(build, limit, rows)
            features = build_features(tables, FRACTIONS, devices.ids)
        # More partitions than most devices have events: some hold devices that are only named.
        assert features.rows.select(F.spark_partition_id()).distinct().count() > 6
        many = to_matrix(features, devices)
        assert many.feature_names == few.feature_names
        for X, expected in ((many.X_train, few.X_train), (many.X_test, few.X_test)):
            assert X.shape == expected.shape
            for part in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(getattr(X, part), getattr(expected, part))
        for name, counts in few.used.items():
            np.testing.assert_array_equal(many.used[name], counts)


def test_the_session_is_left_as_it_was(spark_session: SparkSession, tables: Tables) -> None:
    key = "spark.sql.execution.arrow.pyspark.enabled"
    before = spark_session.conf.get(key)
    spark_session.conf.set(key, "false")
    try:
        features = build_features(tables, {"hour": "fraction"}, np.array([7]))
        to_matrix(features, _devices([7], []))
        assert spark_session.conf.get(key) == "false"
    finally:
        spark_session.conf.set(key, before)
    assert not features.rows.storageLevel.useDisk


@pytest.mark.parametrize("families", [FRACTIONS, {"brand_model": "fraction"}, {"app": "fraction"}])
def test_no_feature_at_all(tables: Tables, families: dict[str, str]) -> None:
    with pytest.raises(
        DataError, match=r"No device .* has a feature: check that the other tables are about the same"
    ):
        _matrix(tables, families, _devices([8], [6]))
