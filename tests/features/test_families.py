"""Each family on tables so small that its features are written out by hand."""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from sparksweep.config import FEATURE_FAMILIES
from sparksweep.data import Tables, to_pandas
from sparksweep.errors import ConfigError
from sparksweep.features import FAMILIES, Features, build, build_features, to_csr
from tests.data.competition import read_competition

# 2016-05-01 was a Sunday. Device 1 has four events: event 11 stands there twice. Device 3, which is in
# neither device file, and device 4, without events, have nothing.
EVENTS = [
    (11, 1, "2016-05-01 23:59:59", 0, 0),
    (12, 1, "2016-05-02 00:00:00", 121.5, 31.2),
    (11, 1, "2016-05-01 23:59:59", 0, 0),
    (13, 1, "2016-05-02 00:30:00", 0, 0),
    (14, 1, "2016-05-09 13:00:00", 0, 0),
    (21, -2, "2016-05-07 13:59:59", 0, 0),
    (31, 3, "2016-05-07 13:00:00", 0, 0),
]
# Apps 100 and -101 share label 7. Event 11 lists app 100 twice; event 99 is unknown; app 102 has no label.
APP_EVENTS = [
    (11, 100, 1, 1),
    (11, 100, 1, 0),
    (11, -101, 1, 0),
    (12, -101, 1, 1),
    (13, 102, 1, 1),
    (21, 102, 1, 1),
    (21, 100, 0, 0),
    (31, 100, 1, 1),
    (99, 100, 1, 1),
]
APP_LABELS = [(100, 7), (-101, 7), (-101, 8), (-101, 8), (100, 9), (100, 10), (103, 7)]
# Label 9 has no name, label 10 no row; 8 and 11 are the same after cleaning.
LABEL_CATEGORIES = [(7, "game-Art/Style"), (8, "Sports_ (Game) "), (9, ""), (11, "sports game")]


@pytest.fixture(scope="module")
def tables(spark_session: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    return read_competition(
        spark_session,
        tmp_path_factory.mktemp("competition"),
        gender_age_train=[(1, "M", 30, "M29-31"), (4, "F", 20, "F23-")],
        gender_age_test=[(-2,)],
        phone_brand_device_model=[
            (4, "OPPO, 中国", " R7 "),
            (1, "小米", "MI 3"),
            (1, "华为", "P8"),
            (3, "vivo", "X5"),
            (-2, "", "MI 3"),
        ],
        events=EVENTS,
        app_events=APP_EVENTS,
        app_labels=APP_LABELS,
        label_categories=LABEL_CATEGORIES,
    )


@pytest.fixture(scope="module")
def all_families(tables: Tables) -> Features:
    with pytest.MonkeyPatch.context() as small:
        small.setattr(build, "_APP_ROWS_A_TASK", 3)
        return _build(tables, dict.fromkeys(FAMILIES, "fraction"))


@pytest.fixture(scope="module")
def all_features(all_families: Features) -> dict[tuple[int, str], float]:
    return _values(all_families)


def _build(tables: Tables, families: dict[str, str], ids: Collection[int] = (1, 4, -2)) -> Features:
    return build_features(tables, families, np.array(ids, np.int64))


def _values(features: Features) -> dict[tuple[int, str], float]:
    """Return {(device, feature): value}."""
    found = to_pandas(features.rows).sort_values("row")
    assert found["row"].tolist() == list(range(len(features.ids)))
    X = to_csr(found["columns"].to_list(), found["values"].to_list(), len(features.names)).tocoo()
    values = {
        (int(features.ids[row]), features.names[column]): value
        for row, column, value in zip(X.row, X.col, X.data, strict=True)
    }
    assert len(values) == X.nnz
    return values


def _float32(values: dict[tuple[int, str], float]) -> dict[tuple[int, str], np.float32]:
    return {key: np.float32(value) for key, value in values.items()}


FRACTIONS = {
    "brand_model": {
        (4, "phone_brand:OPPO, 中国"): 1,
        (4, "device_model:R7"): 1,
        (1, "phone_brand:小米"): 1,
        (1, "device_model:MI 3"): 1,
        (-2, "device_model:MI 3"): 1,
    },
    "weekday": {(1, "weekday:6"): Fraction(1, 4), (1, "weekday:0"): Fraction(3, 4), (-2, "weekday:5"): 1},
    "hour": {
        (1, "hour:23"): Fraction(1, 4),
        (1, "hour:0"): Fraction(1, 2),
        (1, "hour:13"): Fraction(1, 4),
        (-2, "hour:13"): 1,
    },
    "weekday_hour": {
        (1, "weekday_hour:6-23"): Fraction(1, 4),
        (1, "weekday_hour:0-0"): Fraction(1, 2),
        (1, "weekday_hour:0-13"): Fraction(1, 4),
        (-2, "weekday_hour:5-13"): 1,
    },
    "app": {
        (1, "app:100"): Fraction(1, 4),
        (1, "app:-101"): Fraction(1, 2),
        (1, "app:102"): Fraction(1, 4),
        (-2, "app:102"): 1,
        (-2, "app:100"): 1,
    },
    "label": {
        (1, "label:7"): Fraction(1, 2),
        (1, "label:8"): Fraction(1, 2),
        (1, "label:9"): Fraction(1, 4),
        (1, "label:10"): Fraction(1, 4),
        (-2, "label:7"): 1,
        (-2, "label:9"): 1,
        (-2, "label:10"): 1,
    },
    "category": {
        (1, "category:game art style"): Fraction(1, 2),
        (1, "category:sports game"): Fraction(1, 2),
        (1, "category:missing"): Fraction(1, 4),
        (-2, "category:game art style"): 1,
        (-2, "category:missing"): 1,
    },
    "word": {
        (1, "word:game"): 1,
        (1, "word:art"): 1,
        (1, "word:style"): 1,
        (1, "word:sports"): 1,
        (1, "word:missing"): 1,
        (-2, "word:game"): 1,
        (-2, "word:art"): 1,
        (-2, "word:style"): 1,
        (-2, "word:missing"): 1,
    },
}


@pytest.mark.parametrize("family", FAMILIES)
def test_fractions_of_a_family(all_features: dict[tuple[int, str], float], family: str) -> None:
    prefixes = ("phone_brand", "device_model") if family == "brand_model" else (family,)
    found = {key: value for key, value in all_features.items() if key[1].split(":")[0] in prefixes}
    assert found == _float32(FRACTIONS[family])


@pytest.mark.parametrize(
    "families",
    [
        {"weekday": "indicator", "hour": "fraction", "label": "indicator", "category": "fraction"},
        dict.fromkeys(FAMILIES, "indicator"),
        {"brand_model": "fraction"},
        {"weekday_hour": "indicator", "weekday": "fraction"},
        {"brand_model": "indicator", "app": "indicator"},
        {"label": "fraction"},
        {"category": "fraction", "hour": "indicator"},
        {"word": "fraction"},
    ],
    ids=lambda families: "all" if len(families) == 8 else ",".join(families),
)
def test_each_family_has_its_own_value_and_needs_no_other(tables: Tables, families: dict[str, str]) -> None:
    expected = {
        key: 1 if value == "indicator" else share
        for family, value in families.items()
        for key, share in FRACTIONS[family].items()
    }
    features = _build(tables, families)
    assert _values(features) == _float32(expected)
    prefixes = {"phone_brand", "device_model"} if "brand_model" in families else set()
    assert {name.split(":")[0] for name in features.names} == prefixes | families.keys() - {"brand_model"}


def test_only_the_devices_that_are_asked_for_have_rows_as_often_as_they_are(
    tables: Tables, all_features: dict[tuple[int, str], float]
) -> None:
    features = _build(tables, dict.fromkeys(FAMILIES, "fraction"), (-2, 77, -2))
    rows = {row["row"]: row for row in features.rows.collect()}
    assert rows.keys() == {0, 1, 2}
    assert (rows[1]["columns"], rows[1]["events"]) == (b"", 0)
    assert (rows[0]["columns"], rows[0]["values"]) == (rows[2]["columns"], rows[2]["values"])
    names = {features.names[column] for column in np.frombuffer(rows[0]["columns"], "<i4")}
    assert names == {name for device, name in all_features if device == -2}


def test_a_dataset_in_which_no_app_has_a_label_and_no_label_a_category(
    spark_session: SparkSession, tmp_path: Path
) -> None:
    events = [(1, 1, "2016-05-02 07:00:00", 0, 0)]
    families = dict.fromkeys(("hour", "label", "category", "word"), "fraction")
    unlabelled = read_competition(
        spark_session, tmp_path / "apps", events=events, app_events=[(1, 5, 1, 1)], app_labels=[(6, 60)]
    )
    assert _values(_build(unlabelled, families, [1])) == {(1, "hour:7"): 1}
    unnamed = read_competition(
        spark_session, tmp_path / "labels", events=events, app_events=[(1, 5, 1, 1)], app_labels=[(5, 60)]
    )
    assert _values(_build(unnamed, families, [1])) == {(1, "hour:7"): 1, (1, "label:60"): 1}


def test_an_event_without_a_time_counts_and_one_with_two_times_counts_in_both(
    spark_session: SparkSession, tmp_path: Path
) -> None:
    tables = read_competition(
        spark_session,
        tmp_path,
        events=[
            (1, 1, "", 0, 0),
            (2, 1, "2016-05-02 07:00:00", 0, 0),
            (2, 1, "2016-05-03 07:00:00", 0, 0),
            (2, 1, "", 0, 0),
            (3, 1, "2016-05-03 08:00:00", 0, 0),
        ],
    )
    families = dict.fromkeys(("weekday", "hour"), "fraction")
    shares = {"weekday:0": 1, "weekday:1": 2, "hour:7": 1, "hour:8": 1}
    assert _values(_build(tables, families, [1])) == _float32(
        {(1, name): Fraction(events, 3) for name, events in shares.items()}
    )


def test_an_event_of_two_devices_counts_for_both(spark_session: SparkSession, tmp_path: Path) -> None:
    at = "2016-05-02 07:00:00"
    tables = read_competition(
        spark_session,
        tmp_path,
        events=[(1, 1, at, 0, 0), (1, 2, at, 0, 0), (2, 2, at, 0, 0)],
        app_events=[(1, 5, 1, 1), (2, 6, 1, 1)],
    )
    assert _values(_build(tables, {"app": "fraction"}, [1, 2])) == {
        (1, "app:5"): 1,
        (2, "app:5"): 0.5,
        (2, "app:6"): 0.5,
    }


def test_events_of_a_device_are_counted_across_blocks_of_64(
    spark_session: SparkSession, tmp_path: Path
) -> None:
    # 130 events fill two blocks, sign bits included, and begin a third. App 5 is in all of them, app 6 in
    # the 64th and the 129th.
    tables = read_competition(
        spark_session,
        tmp_path,
        events=[(event, 1, "2016-05-02 07:00:00", 0, 0) for event in range(130)],
        app_events=[(event, 5, 1, 1) for event in range(130)] + [(63, 6, 1, 1), (128, 6, 1, 1)],
        app_labels=[(5, 50), (6, 50), (6, 60)],
    )
    families = dict.fromkeys(("hour", "app", "label"), "fraction")
    shares = {"hour:7": 1, "app:5": 1, "app:6": 2 / 130, "label:50": 1, "label:60": 2 / 130}
    assert _values(_build(tables, families, [1])) == _float32(
        {(1, name): share for name, share in shares.items()}
    )


def _executed_plan(features: Features, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the plan that Spark carried out; the features have been computed."""
    capsys.readouterr()
    features.rows.explain()
    final = capsys.readouterr().out.split("== Initial Plan ==")[0]
    assert "isFinalPlan=true" in final
    return final.splitlines()


def _exchanged_by(plan: list[str]) -> list[str]:
    exchanges = [line.partition("Exchange ")[2] for line in plan if re.search(r"\bExchange ", line)]
    return sorted(re.sub(r"hashpartitioning\((\w+)#.*", r"\1", exchange) for exchange in exchanges)


def test_app_events_are_read_and_joined_once(
    all_families: Features, all_features: dict[tuple[int, str], float], capsys: pytest.CaptureFixture[str]
) -> None:
    plan = _executed_plan(all_families, capsys)
    scans = [line.partition("FileScan parquet ")[2] for line in plan if "FileScan" in line]
    assert sum("app_ids#" in scan for scan in scans) == 1
    assert len(scans) == 2
    assert _exchanged_by(plan) == ["event_id", "event_id", "row"]
    assert sum("ShuffledHashJoin" in line for line in plan) == 1
    assert not any("Sort" in line for line in plan)


def test_without_apps_app_events_are_not_read(
    tables: Tables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "_EVENTS_A_TASK", 3)
    features = _build(tables, {"brand_model": "fraction", "hour": "fraction"})
    to_pandas(features.rows)
    plan = _executed_plan(features, capsys)
    assert sum("FileScan" in line for line in plan) == 1
    assert not any("FileScan" in line and "app_ids#" in line for line in plan)
    assert _exchanged_by(plan) == ["row"]


def test_a_config_knows_the_same_families() -> None:
    assert FEATURE_FAMILIES == FAMILIES


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ({}, "No feature family is on: choose at least one of brand_model, weekday, hour"),
        ({"weekdays": "fraction"}, "There is no feature family 'weekdays': choose out of brand_model"),
        (
            {"app": "share"},
            "The value of feature family app is 'share': it must be 'fraction' or 'indicator'",
        ),
    ],
)
def test_families_that_cannot_be_built(tables: Tables, families: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        _build(tables, families)
