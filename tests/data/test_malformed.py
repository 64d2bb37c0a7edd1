"""What the user is told about a value that its column cannot hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sparksweep.data import Tables, explain_malformed, read_tables
from sparksweep.errors import DataError
from sparksweep.storage import LocalStore
from tests.data.competition import write_competition, zip_table

ADVICE = ": correct the file or remove the row"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_competition(
        tmp_path / "in put", events=[(n, 99, "2016-05-01 00:00:00", 0, 0) for n in range(99)]
    )


def _read(spark: SparkSession, folder: Path) -> Tables:
    return read_tables(spark, LocalStore(folder), cache=str(folder / "cache"))


def _message(tables: Tables, name: str, *columns: str) -> str:
    with pytest.raises(DataError) as caught, explain_malformed(tables):
        getattr(tables, name).select(*columns or ("*",)).collect()
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "column", "finding"),
    [
        (
            "x1,99,2016-05-01 00:00:00,0,0",
            "event_id",
            "'x1' in column event_id is no whole number of 64 bits",
        ),
        (
            "9223372036854775808,99,2016-05-01 00:00:00,0,0",
            "event_id",
            "'9223372036854775808' in column event_id is no whole number of 64 bits",
        ),
        (
            "1,99,2016-05-01 24:00:00,0,0",
            "timestamp",
            "'2016-05-01 24:00:00' in column timestamp is no time of the form 2016-05-01 13:00:00",
        ),
        ("1,99,2016-05-01 00:00:00,0,N", "latitude", "'N' in column latitude is no number"),
        (
            '"1,5",99,2016-05-01 00:00:00,0,0',
            "event_id",
            "'1,5' in column event_id is no whole number of 64 bits",
        ),
    ],
)
def test_a_value_that_is_no_number_or_time(
    spark_session: SparkSession, folder: Path, row: str, column: str, finding: str
) -> None:
    path = folder / "events.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:50], row, *lines[50:]]))
    assert (
        _message(_read(spark_session, folder), "events", column)
        == f"{path}, line 51: {finding}, in {row!r}{ADVICE}"
    )


@pytest.mark.parametrize("is_zip", [False, True])
def test_first_of_several_rows_and_its_line(spark_session: SparkSession, folder: Path, is_zip: bool) -> None:
    path = folder / "events.csv"
    lines = path.read_text().splitlines()
    lines[70] = lines[71] = lines[30] = lines[30] + ",6"
    lines[80] = "5,y"
    path.write_bytes("\ufeff\r\n\r\n".encode() + "\r\n\r\n".join(lines).encode())
    if is_zip:
        path = zip_table(folder, "events")
    spark_session.conf.set("spark.sql.files.maxPartitionBytes", "300")
    try:
        message = _message(_read(spark_session, folder), "events")
    finally:
        spark_session.conf.unset("spark.sql.files.maxPartitionBytes")
    record = "29,99,2016-05-01 00:00:00,0,0,6"
    assert message == f"{path}, line 63: 6 values instead of 5 in {record!r} (4 such rows){ADVICE}"


def test_columns_that_are_not_used_are_not_parsed(spark_session: SparkSession, folder: Path) -> None:
    path = folder / "events.csv"
    path.write_text(path.read_text().replace("00:00:00,0,0", "00:00:00,north,east"))
    tables = _read(spark_session, folder)
    assert tables.events.select("event_id", "timestamp").distinct().count() == 99


def test_the_table_that_is_at_fault_is_found(spark_session: SparkSession, folder: Path) -> None:
    (folder / "label_categories.csv").write_text("label_id,category\n7,a\nb,7\n")
    tables = _read(spark_session, folder)
    joined = tables.app_labels.join(tables.label_categories, on="label_id", how="inner")
    finding = re.escape("label_categories.csv, line 3: 'b' in column label_id")
    with pytest.raises(DataError, match=finding), explain_malformed(tables):
        joined.collect()


def test_other_errors_pass(spark_session: SparkSession, folder: Path) -> None:
    (folder / "label_categories.csv").write_text("label_id,category\nb,7\n")
    tables = _read(spark_session, folder)
    with pytest.raises(ZeroDivisionError), explain_malformed(tables):
        _ = 1 / 0
    (folder / "events.csv").unlink()
    with pytest.raises(Exception, match=r"events\.csv") as caught, explain_malformed(tables):
        tables.events.collect()
    assert not isinstance(caught.value, DataError)
