"""What stands in the seven files."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from sparksweep.data import read_tables
from sparksweep.data.schemas import LARGE
from sparksweep.data.synthetic import Shape, write_dataset
from sparksweep.storage import LocalStore

TRAIN, TEST, ACTIVE = 746, 1_121, 233 + 352 + 24
LINES = {
    "gender_age_train": (r"-?\d+,[FM],\d\d,[FM]\d\d(\+|-\d{0,2})", "device_id,gender,age,group"),
    "gender_age_test": (r"-?\d+", "device_id"),
    "phone_brand_device_model": (r"-?\d+,[^,]+,[^,]+", "device_id,phone_brand,device_model"),
    "events": (
        r"\d+,-?\d+,2016-05-0[1-7] \d\d:\d\d:\d\d,\d+\.\d\d,\d+\.\d\d",
        "event_id,device_id,timestamp,longitude,latitude",
    ),
    "app_events": (r"\d+,-?\d+,1,[01]", "event_id,app_id,is_installed,is_active"),
    "app_labels": (r"-?\d+,\d+", "app_id,label_id"),
    "label_categories": (r"\d+,[^,]*", "label_id,category"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, scale=0.01, seed=0)
    return folder


@pytest.fixture(scope="module")
def tables(folder):
    return {name: pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for name in LINES}


@pytest.fixture(scope="module")
def sets(tables):
    """The apps that each event lists, joined with its device."""
    rows = tables["app_events"].merge(tables["events"][["event_id", "device_id"]], on="event_id", how="left")
    assert rows["device_id"].notna().all()
    return rows


def test_every_value_is_read(spark_session, folder, tmp_path, tables):
    read = read_tables(spark_session, LocalStore(folder), cache=str(tmp_path), progress=False)

    assert {name: summary.read for name, summary in read.summaries.items()} == Shape(0.01).rows
    assert {name: summary.rows for name, summary in read.summaries.items()} == Shape(0.01).rows
    for name, expected in tables.items():
        if name not in LARGE:
            found = getattr(read, name)
            assert found.to_dict("list") == expected.to_dict("list")
    events = read.events.toPandas().sort_values("event_id", ignore_index=True)
    assert events[["event_id", "device_id"]].equals(tables["events"][["event_id", "device_id"]])
    assert (events["timestamp"] == pd.to_datetime(tables["events"]["timestamp"])).all()
    lists = read.app_events.toPandas()
    apps = [np.frombuffer(apps, "<i8") for apps in lists["app_ids"]]
    pairs = pd.DataFrame(
        {"event_id": lists["event_id"].repeat([len(ids) for ids in apps]), "app_id": np.concatenate(apps)}
    )
    expected = tables["app_events"][["event_id", "app_id"]]
    both = ["event_id", "app_id"]
    assert pairs.sort_values(both).to_numpy().tolist() == expected.sort_values(both).to_numpy().tolist()
    assert read.summaries["app_events"].apps == tuple(sorted(set(expected["app_id"])))


@pytest.mark.parametrize("name", LINES)
def test_header_and_every_line_have_the_published_form(folder, name):
    pattern, header = LINES[name]

    first, *lines, last = (folder / f"{name}.csv").read_bytes().decode("utf-8").split("\n")

    assert first == header
    assert last == ""
    bad = [line for line in lines if not re.fullmatch(pattern, line)]
    assert bad == []


def test_ids_are_different_signed_64_bit_numbers(tables):
    train, test = (tables[name]["device_id"] for name in ("gender_age_train", "gender_age_test"))
    ids = pd.concat([train, test])

    assert (len(train), len(test)) == (TRAIN, TEST)
    assert ids.dtype == np.int64
    assert ids.is_unique
    for numbers in (ids, tables["app_labels"]["app_id"].drop_duplicates()):
        assert 0.4 < (numbers < 0).mean() < 0.6
        assert (numbers.abs() > 2**62).mean() > 0.4


def test_gender_and_age_agree_with_the_group(tables):
    people = tables["gender_age_train"]
    bounds = people["group"].str.extract(r"^(?P<gender>[FM])(?P<first>\d+)(?P<kind>[-+])(?P<last>\d*)$")
    first = bounds["first"].astype(int)
    youngest = first.where(bounds["last"].ne("") | bounds["kind"].eq("+"), 0)
    oldest = bounds["last"].replace("", np.nan).astype(float).fillna(first.where(bounds["kind"].eq("-"), 120))

    assert (people["gender"] == bounds["gender"]).all()
    assert people["age"].between(youngest, oldest).all()
    assert people["age"].between(14, 75).all()
    assert people["age"].nunique() > 40


def test_groups_have_the_published_shares_in_no_order(tables):
    published = [5050, 4190, 3118, 4628, 5561, 4194, 7488, 9605, 5445, 7309, 9476, 8581]
    groups = tables["gender_age_train"]["group"]
    members = groups.value_counts().sort_index()

    np.testing.assert_allclose(members, np.array(published) / 74_645 * TRAIN, atol=1)
    assert 0.05 < (groups == groups.shift()).mean() < 0.15


def test_phones_are_those_of_the_devices_with_a_few_named_twice(tables):
    phones = tables["phone_brand_device_model"]
    known = pd.concat([tables["gender_age_train"]["device_id"], tables["gender_age_test"]["device_id"]])
    distinct = phones.drop_duplicates()

    assert set(phones["device_id"]) == set(known)
    assert len(phones) == TRAIN + TEST + 5
    assert len(distinct) == TRAIN + TEST + 1
    assert phones["phone_brand"].nunique() == 13
    assert phones["device_model"].nunique() == 160
    assert {"小米", "三星", "华为", "OPPO", "vivo"} <= set(phones["phone_brand"])


def test_events_are_numbered_and_belong_to_31_percent_of_the_devices_and_to_strangers(tables):
    events = tables["events"]
    active = set(events["device_id"])
    train, test = (set(tables[name]["device_id"]) for name in ("gender_age_train", "gender_age_test"))

    assert events["event_id"].tolist() == list(range(1, 32_531))
    assert (len(active & train), len(active & test), len(active - train - test)) == (233, 352, 24)


def test_events_of_a_device_are_a_few_or_many(tables):
    counts = tables["events"]["device_id"].value_counts()

    assert 8 <= counts.median() <= 20
    assert counts.max() > 50 * counts.median()


def test_events_fill_seven_days_and_few_are_at_night(tables):
    times = pd.to_datetime(tables["events"]["timestamp"])
    days = times.dt.strftime("%Y-%m-%d").value_counts()
    hours = times.dt.hour.value_counts(normalize=True)

    assert sorted(days.index) == [f"2016-05-0{day}" for day in range(1, 8)]
    assert days.min() > 0.8 * days.max()
    assert hours[[1, 2, 3, 4]].max() < 0.5 * hours[[9, 10, 11, 12]].min()
    assert times.dt.minute.nunique() == times.dt.second.nunique() == 60
    # They arrive about in order.
    assert (times.cummax() - times).max() < pd.Timedelta(minutes=30)


def test_the_place_is_in_china_or_zero_and_zero(tables):
    events = tables["events"]
    is_zero = events["longitude"] == 0

    assert 0.1 < is_zero.mean() < 0.6
    assert (is_zero == (events["latitude"] == 0)).all()
    assert events.loc[~is_zero, "longitude"].between(73, 135).all()
    assert events.loc[~is_zero, "latitude"].between(18, 54).all()
    # A device stays in its town.
    assert events[~is_zero].groupby("device_id")["latitude"].agg(np.ptp).max() < 0.2


def test_some_events_list_apps_each_once(tables, sets):
    listed = sets.groupby("event_id").size()

    assert len(sets) == 324_731
    assert 0.2 < len(listed) / 32_530 < 0.6
    assert sets["event_id"].is_monotonic_increasing
    assert not sets.duplicated(["event_id", "app_id"]).any()
    assert sets["device_id"].nunique() == ACTIVE
    assert 0.3 < sets["is_active"].mean() < 0.5


def test_a_device_has_a_stable_set_of_apps_of_which_an_event_lists_most(sets):
    per_event = sets.groupby(["device_id", "event_id"]).size()
    per_device = sets.groupby("device_id")["app_id"].nunique()
    share = per_event / per_device.reindex(per_event.index, level="device_id")

    assert 24 <= per_device.median() <= 36
    assert per_device.max() > 100
    assert share.groupby("device_id").max().eq(1.0).all()
    assert share[per_event > 20].min() > 0.55
    assert 0.7 < share.mean() < 0.9


def test_every_app_is_in_use_and_few_are_popular(tables, sets):
    owners = sets.groupby("app_id")["device_id"].nunique() / ACTIVE

    assert len(owners) == 1_924
    assert owners.max() > 0.3
    assert owners.median() < 0.02
    assert set(owners.index) < set(tables["app_labels"]["app_id"])


def test_apps_have_several_labels_and_some_labels_no_app(tables):
    rows, categories = tables["app_labels"], tables["label_categories"]

    assert rows["app_id"].nunique() == 11_321
    assert len(rows) == 45_994
    assert not rows.duplicated().any()
    assert set(rows["label_id"]) < set(categories["label_id"])
    assert len(categories) - rows["label_id"].nunique() > 300
    assert rows["app_id"].value_counts().max() > 7


def test_categories_have_one_missing_name_and_names_of_several_labels(tables):
    categories = tables["label_categories"]
    names = categories["category"]

    assert categories["label_id"].is_monotonic_increasing
    assert categories["label_id"].is_unique
    assert (names == "").sum() == 1
    assert 800 < names.nunique() < 850
    assert {"game-Art", "unknown", "Custom label", "Property Industry 2.0", "DS_P2P net loan"} <= set(names)
    for sign in "(_/":
        assert names.str.contains(sign, regex=False).any()
    missing = categories.loc[names == "", "label_id"]
    assert tables["app_labels"]["label_id"].isin(missing).any()
