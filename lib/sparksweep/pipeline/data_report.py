"""What became of the rows of the competition's files: ``data_report.csv`` in a run's folder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sparksweep.data import Devices, Tables
from sparksweep.features import FeatureMatrix

__all__ = ["data_report"]

_Finding = tuple[str, str, int]


def data_report(tables: Tables, devices: Devices, matrix: FeatureMatrix) -> str:
    """Return the text of a CSV of (table, finding, rows).

    Of each table that was read: the rows of its file, those that were dropped and why, and those that were
    used. What is dropped is ``malformed`` (only where the configuration drops such rows), ``without an id``,
    ``repeated``, or about something unknown. An event that stands with two devices counts for both, and so do
    its apps. Of the devices: how many have no event.
    """
    findings: list[_Finding] = []
    for table in tables.files:
        summary = tables.summaries[table]
        findings += [
            (table, "read", summary.read),
            (table, "dropped: malformed", summary.malformed),
            (table, "dropped: without an id", summary.without_id),
            *((table, finding, rows) for finding, rows in _used(table, tables, devices, matrix)),
        ]
    if "events" in tables.files and matrix.used:
        idle = matrix.used["events"] == 0
        n_train = len(devices.train_ids)
        findings += [
            ("gender_age_train", "devices without events", int(idle[:n_train].sum())),
            ("gender_age_test", "devices without events", int(idle[n_train:].sum())),
        ]
    table = pd.DataFrame(findings, columns=["table", "finding", "rows"])
    return str(table.to_csv(index=False, lineterminator="\n"))


def _used(table: str, tables: Tables, devices: Devices, matrix: FeatureMatrix) -> Iterator[tuple[str, int]]:
    """Yield what else became of the rows that were kept when the file was read."""
    rows = tables.summaries[table].rows
    if table in ("gender_age_train", "gender_age_test"):
        used = len(devices.train_ids if table == "gender_age_train" else devices.test_ids)
        yield from (("dropped: repeated", rows - used), ("used", used))
    elif table == "phone_brand_device_model":
        known = tables.phone_brand_device_model["device_id"].isin(devices.ids)
        used = int(tables.phone_brand_device_model["device_id"][known].nunique())
        yield from (
            ("dropped: of an unknown device", rows - int(known.sum())),
            ("dropped: repeated", int(known.sum()) - used),
            ("used", used),
        )
    elif table == "events":
        yield from _of_events(rows, devices, matrix)
    elif table == "app_events":
        used = _sum(matrix, devices, "app_rows")
        yield from (("dropped: of no event of a known device", max(rows - used, 0)), ("used", used))
    elif table == "label_categories":
        missing = int((tables.label_categories["category"] == "").sum())
        yield from (("without a category", missing), ("used", rows))
    else:
        yield "used", rows


def _of_events(rows: int, devices: Devices, matrix: FeatureMatrix) -> Iterator[tuple[str, int]]:
    known, used = (_sum(matrix, devices, name) for name in ("event_rows", "events"))
    yield "dropped: of an unknown device", rows - known
    yield "dropped: repeated", known - used
    yield "used", used


def _sum(matrix: FeatureMatrix, devices: Devices, name: str) -> int:
    """Add up over the devices, one of both files once."""
    _, first = np.unique(devices.ids, return_index=True)
    return int(matrix.used[name][first].sum())
