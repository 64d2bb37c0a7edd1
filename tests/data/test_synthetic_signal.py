"""Age and gender show in phones, apps, labels and hours, and more in devices that have events."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import BernoulliNB

from sparksweep.data.synthetic import Shape, write_dataset
from sparksweep.data.synthetic.people import draw_people
from sparksweep.data.synthetic.phones import draw_phones

SHUFFLES = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(folder, scale=0.05, seed=0)
    return folder


@pytest.fixture(scope="module")
def groups(folder):
    """The group of each training device."""
    return pd.read_csv(folder / "gender_age_train.csv", index_col="device_id")["group"]


@pytest.fixture(scope="module")
def events(folder, groups):
    """The events of the training devices, with their groups."""
    return pd.read_csv(folder / "events.csv").join(groups, on="device_id", how="inner")


@pytest.fixture(scope="module")
def owned(folder, events):
    """A row for each app that a training device has."""
    rows = pd.read_csv(folder / "app_events.csv", usecols=["event_id", "app_id"])
    rows = rows.merge(events[["event_id", "device_id"]], on="event_id")
    return rows[["device_id", "app_id"]].drop_duplicates()


def one_hot(rows, columns, n_rows):
    """Return the 0/1 matrix with a one at each (row, column)."""
    return csr_matrix(
        (np.ones(len(rows)), (rows, pd.factorize(columns)[0])), shape=(n_rows, columns.nunique())
    )


def accuracy(X, y):
    return cross_val_score(BernoulliNB(alpha=1.0), X, y, cv=3, scoring="accuracy").mean()


def shows_more_than_by_chance(values, groups):
    """Return whether ``values`` say more about ``groups`` than about any shuffling of them."""
    rng = np.random.default_rng(0)
    shuffled = [mutual_info_score(values, rng.permutation(groups)) for _ in range(SHUFFLES)]
    return mutual_info_score(values, groups) > max(shuffled)


def test_phones_tell_of_the_group():
    shape = Shape(0.3)
    people = draw_people(shape, np.random.default_rng(0))
    phones = draw_phones(shape, people, np.random.default_rng(1))
    owners = pd.Series(people.groups, index=people.ids)[phones.device_ids]
    brand, model = (pd.factorize(names)[0] for names in (phones.brands, phones.models))
    rows = pd.DataFrame({"brand": brand, "model": model, "group": owners.to_numpy()})
    rng = np.random.default_rng(0)
    within_brands = [rows.groupby("brand")["group"].transform(rng.permutation) for _ in range(SHUFFLES)]

    assert shows_more_than_by_chance(rows["brand"], rows["group"].to_numpy())
    by_brand_alone = max(mutual_info_score(rows["model"], groups) for groups in within_brands)
    assert mutual_info_score(rows["model"], rows["group"]) > by_brand_alone


def test_hours_tell_of_the_group(events):
    nights = events.assign(is_night=pd.to_datetime(events["timestamp"]).dt.hour.isin((0, 1, 2, 22, 23)))
    devices = nights.groupby("device_id").agg(night=("is_night", "mean"), group=("group", "first"))
    half = devices["night"] > devices["night"].median()

    assert shows_more_than_by_chance(half, devices["group"].to_numpy())


def test_labels_tell_of_the_group(folder, owned, groups):
    labels = pd.read_csv(folder / "app_labels.csv")
    counts = owned.merge(labels, on="app_id").groupby(["device_id", "label_id"]).size().unstack(fill_value=0)
    shares = counts.div(counts.sum(axis=1), axis=0)
    common = shares[shares.mean().nlargest(30).index]
    of_devices = groups[common.index].to_numpy()

    telling = [
        shows_more_than_by_chance(common[label] > common[label].median(), of_devices) for label in common
    ]

    # Of labels that tell nothing, one in 21 would pass.
    assert np.mean(telling) > 0.3


def test_devices_with_events_are_told_better_than_the_others(folder, groups, owned):
    phones = pd.read_csv(folder / "phone_brand_device_model.csv").drop_duplicates("device_id")
    models = phones.set_index("device_id").loc[groups.index, "device_model"]
    active = pd.Index(owned["device_id"].unique())
    by_apps = accuracy(
        one_hot(active.get_indexer(owned["device_id"]), owned["app_id"], len(active)),
        groups[active].to_numpy(),
    )
    by_model = accuracy(one_hot(np.arange(len(models)), models, len(models)), groups.to_numpy())
    by_nothing = groups.value_counts(normalize=True).max()

    assert by_nothing < by_model < by_apps < 0.5
    assert by_apps > 1.4 * by_nothing
