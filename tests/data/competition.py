"""Small folders of the seven files, written from rows."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from sparksweep.data import SCHEMAS, Malformed, Tables, read_tables
from sparksweep.storage import LocalStore

# What the tables hold that a test does not care about.
DEFAULTS: dict[str, list[tuple[object, ...]]] = {
    "gender_age_train": [(1, "M", 30, "M29-31")],
    "gender_age_test": [(2,)],
    "phone_brand_device_model": [(99, "小米", "MI 3")],
    "events": [(900, 99, "2016-05-01 00:00:00", 0, 0)],
    "app_events": [(900, 9000, 1, 1)],
    "app_labels": [(9000, 90000)],
    "label_categories": [(90000, "Unknown")],
}


def write_competition(folder: Path, **tables: Iterable[Sequence[object]]) -> Path:
    """Write the seven files, the tables that are named with these rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMAS.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(schema.names)
            writer.writerows(tables.get(name, DEFAULTS[name]))
    return folder


def read_competition(
    spark: SparkSession,
    folder: Path,
    malformed: Malformed = "fail",
    **tables: Iterable[Sequence[object]],
) -> Tables:
    """Write the seven files and return them as they are read."""
    store = LocalStore(write_competition(folder, **tables))
    return read_tables(spark, store, cache=str(folder / "cache"), malformed=malformed, progress=False)


def zip_table(folder: Path, table: str, entry: str | None = None) -> Path:
    """Replace a CSV of the folder by its zip, in which it has another name where one is given."""
    plain = folder / f"{table}.csv"
    archive = folder / f"{table}.csv.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(plain, entry or plain.name)
    plain.unlink()
    return archive


def rows_of(table: pd.DataFrame | DataFrame) -> list[tuple[object, ...]]:
    """The rows of a table, ``None`` for what is missing, and lists of apps as lists of numbers."""
    if isinstance(table, pd.DataFrame):
        return list(table.astype(object).where(table.notna(), None).itertuples(index=False, name=None))
    return [tuple(map(_plain, row)) for row in table.collect()]


def _plain(value: object) -> object:
    return np.frombuffer(value, "<i8").tolist() if isinstance(value, bytes | bytearray) else value
