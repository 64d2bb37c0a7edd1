"""The eight feature sets by pandas and scipy, as someone would write them who has the memory.

Every step is a product of sparse 0/1 matrices: devices x events, events x apps, apps x labels, and so on.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["pandas_features"]


def pandas_features(folder, value="fraction"):
    """Return (X_train, X_test, names), equal to what sparksweep computes from the same files.

    Ids must not be missing, and all rows well-formed.
    """
    train, test = (
        _read(folder, f"gender_age_{part}", "device_id")["device_id"].unique() for part in ("train", "test")
    )
    devices = pd.Index(np.union1d(train, test))
    events = _read(folder, "events", "event_id", "device_id", "timestamp", parse_dates=["timestamp"])
    events = events[events["device_id"].isin(devices)]
    # One row of the event matrices is a device's event, whose id may have several rows in the file.
    keys = events[["device_id", "event_id"]].drop_duplicates(ignore_index=True)
    row = events.merge(keys.assign(row=keys.index), on=["device_id", "event_id"], how="left")[
        "row"
    ].to_numpy()
    of_device = _ones(devices.get_indexer(keys["device_id"]), np.arange(len(keys)), (len(devices), len(keys)))

    parts = list(_phones(folder, devices))
    for prefix, matrix, names in [*_activity(events["timestamp"], row), *_apps(folder, keys)]:
        counts = (of_device @ matrix).tocsr()
        if value == "indicator" or prefix == "word":
            counts.data[:] = 1
        else:
            counts.data = counts.data / np.repeat(of_device.sum(axis=1).A1, np.diff(counts.indptr))
        parts.append((prefix, counts, names))

    X = sparse.hstack([part for _, part, _ in parts], format="csr", dtype=np.float32)
    names = np.array([f"{prefix}:{name}" for prefix, _, part_names in parts for name in part_names])
    used = np.flatnonzero(X.getnnz(axis=0))
    X = X[:, used]
    X.sort_indices()
    return X[devices.get_indexer(train)], X[devices.get_indexer(test)], tuple(names[used].tolist())


def _read(folder, table, *columns, **options):
    path = Path(folder) / f"{table}.csv"
    return pd.read_csv(path if path.exists() else f"{path}.zip", usecols=list(columns), **options)


def _ones(rows, columns, shape):
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float64), (rows, columns)), shape)
    matrix.data[:] = 1  # what stood there twice has been summed
    return matrix


def _product(left, right):
    product = (left @ right).tocsr()
    product.data[:] = 1
    return product


def _phones(folder, devices):
    phones = _read(folder, "phone_brand_device_model", "device_id", "phone_brand", "device_model")
    phones = phones.drop_duplicates("device_id")
    phones = phones[phones["device_id"].isin(devices)]
    for column in ("phone_brand", "device_model"):
        known = phones[phones[column].notna()]
        names, codes = np.unique(known[column].str.strip().to_numpy(str), return_inverse=True)
        rows = devices.get_indexer(known["device_id"])
        yield column, _ones(rows, codes, (len(devices), len(names))), names


def _activity(time, row):
    n = row.max() + 1
    weekday, hour = time.dt.weekday.to_numpy(), time.dt.hour.to_numpy()
    yield "weekday", _ones(row, weekday, (n, 7)), range(7)
    yield "hour", _ones(row, hour, (n, 24)), range(24)
    pairs = [f"{day}-{hour}" for day in range(7) for hour in range(24)]
    yield "weekday_hour", _ones(row, 24 * weekday + hour, (n, 168)), pairs


def _apps(folder, keys):
    app_events = _read(folder, "app_events", "event_id", "app_id")
    rows = app_events.merge(keys.assign(row=keys.index), on="event_id", how="inner")
    del app_events
    apps, codes = np.unique(rows["app_id"].to_numpy(), return_inverse=True)
    listed = _ones(rows["row"].to_numpy(), codes, (len(keys), len(apps)))
    del rows, codes
    yield "app", listed, apps

    app_labels = _read(folder, "app_labels", "app_id", "label_id")
    app_labels = app_labels[app_labels["app_id"].isin(apps)]
    labels, codes = np.unique(app_labels["label_id"].to_numpy(), return_inverse=True)
    of_app = _ones(np.searchsorted(apps, app_labels["app_id"]), codes, (len(apps), len(labels)))
    labelled = _product(listed, of_app)
    del listed
    yield "label", labelled, labels

    categories = _read(folder, "label_categories", "label_id", "category")
    categories = categories[categories["label_id"].isin(labels)]
    cleaned = categories["category"].fillna("").str.lower().str.replace("game-", "game ", regex=False)
    cleaned = cleaned.str.replace(r"[()_/\s]+", " ", regex=True).str.strip().replace("", "missing")
    rows = np.searchsorted(labels, categories["label_id"])
    names, codes = np.unique(cleaned.to_numpy(str), return_inverse=True)
    yield "category", _product(labelled, _ones(rows, codes, (len(labels), len(names)))), names

    words = cleaned.str.split()
    names, codes = np.unique(np.concatenate(words.to_list()), return_inverse=True)
    of_label = _ones(np.repeat(rows, words.str.len()), codes, (len(labels), len(names)))
    yield "word", _product(labelled, of_label), names
