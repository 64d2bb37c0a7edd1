"""Each family on tables so small that its features are written out by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from sparksweep.config import FEATURE_FAMILIES
from sparksweep.data import Tables
from sparksweep.errors import ConfigError
from sparksweep.features import FAMILIES, build_features
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
def all_families(tables: Tables) -> DataFrame:
    return build_features(tables, dict.fromkeys(FAMILIES, "fraction"))


@pytest.fixture(scope="module")
def all_features(all_families: DataFrame) -> dict[tuple[int, str], float]:
    return _features(all_families)


def _features(tall: DataFrame) -> dict[tuple[int, str], float]:
    assert tall.columns == ["device_id", "feature", "value"]
    assert [kind for _, kind in tall.dtypes] == ["bigint", "string", "double"]
    rows = tall.collect()
    features = {(row["device_id"], row["feature"]): row["value"] for row in rows}
    assert len(features) == len(rows)
    return features


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
    assert found == FRACTIONS[family]


def test_each_family_has_its_own_value(tables: Tables) -> None:
    families = {"weekday": "indicator", "hour": "fraction", "label": "indicator", "category": "fraction"}
    expected = {}
    for family, value in families.items():
        for key, share in FRACTIONS[family].items():
            expected[key] = 1 if value == "indicator" else share
    assert _features(build_features(tables, families)) == expected


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
    assert _features(build_features(tables, families)) == {
        (1, "hour:7"): 1,
        (1, "app:5"): 1,
        (1, "app:6"): 2 / 130,
        (1, "label:50"): 1,
        (1, "label:60"): 2 / 130,
    }


def test_app_events_are_read_and_joined_once(
    all_families: DataFrame, all_features: dict[tuple[int, str], float], capsys: pytest.CaptureFixture[str]
) -> None:
    all_families.explain()  # it has run, so this is the plan that Spark carried out in the end
    plan = capsys.readouterr().out
    final = plan.split("== Initial Plan ==")[0]
    assert "isFinalPlan=true" in final
    scans = [line for line in final.splitlines() if "FileScan csv [event_id#" in line and ",app_id#" in line]
    assert len(scans) == 1


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
        build_features(tables, families)
