"""What becomes of a row that cannot be read: where it stands, and how many there are like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from sparksweep.data import Summary, Tables, columnar, read_tables
from sparksweep.errors import DataError
from sparksweep.storage import HadoopStore, LocalStore, Store
from tests.data.competition import rows_of, write_competition, zip_table
from tests.data.test_ingest import small_splits

ADVICE = ": correct the file or remove the row, or drop such rows with malformed: drop"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_competition(
        tmp_path / "in put", events=[(n, 99, "2016-05-01 00:00:00", 0, 0) for n in range(99)]
    )


def _read(spark: SparkSession, folder: Path, store: Store | None = None, **options: Any) -> Tables:
    cache = str(folder / "cache")
    return read_tables(spark, store or LocalStore(folder), cache=cache, progress=False, **options)


def _message(spark: SparkSession, folder: Path, store: Store | None = None) -> str:
    with pytest.raises(DataError) as caught:
        _read(spark, folder, store)
    return str(caught.value)


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("x1,99,2016-05-01 00:00:00,0,0", "'x1' in column event_id is no whole number of 64 bits,"),
        (
            "9223372036854775808,99,2016-05-01 00:00:00,0,0",
            "'9223372036854775808' in column event_id is no whole number of 64 bits,",
        ),
        (
            "1,99,2016-05-01 24:00:00,0,0",
            "'2016-05-01 24:00:00' in column timestamp is no time of the form 2016-05-01 13:00:00,",
        ),
        ("1,99,2016-05-01 00:00:00,0", "4 values instead of 5"),
        ('1,99,"2016-05-01 00:00:00,0,0', "a quote that is not closed"),
    ],
)
def test_a_row_of_a_large_table(spark_session: SparkSession, folder: Path, row: str, finding: str) -> None:
    path = folder / "events.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:50], row, *lines[50:]]))
    expected = f"{path}, line 51: {finding} in {row!r}{ADVICE}"
    assert _message(spark_session, folder) == expected

    # The cache knows it as well, and the file is not opened again.
    forms = sorted((folder / "cache").iterdir())
    assert _message(spark_session, folder) == expected
    assert sorted((folder / "cache").iterdir()) == forms

    tables = _read(spark_session, folder, malformed="drop")
    assert sorted((folder / "cache").iterdir()) == forms
    assert tables.events.count() == 99
    assert tables.summaries["events"] == Summary(99, malformed=1, first=(51, f"{finding} in {row!r}"))
    assert tables.summaries["events"].read == 100


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("place", ["local", "local zip", "hadoop", "hadoop zip"])
def test_first_of_several_rows_and_its_line(
    spark_session: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str, end: str
) -> None:
    path = folder / "events.csv"
    lines = path.read_text().splitlines()
    lines[70] = lines[71] = lines[30] = lines[30] + ",6"
    lines[80] = "5,y"
    path.write_bytes(f"\ufeff{end}{end}".encode() + (end * 2).join(lines).encode())
    if "zip" in place:
        path = zip_table(folder, "events")
    store = HadoopStore(f"file://{folder}", spark_session) if "hadoop" in place else LocalStore(folder)
    monkeypatch.setattr(columnar, "_RANGE", 300)
    with small_splits(spark_session, 300):
        message = _message(spark_session, folder, store)
        tables = _read(spark_session, folder, store, malformed="drop")
    finding = "6 values instead of 5 in '29,99,2016-05-01 00:00:00,0,0,6'"
    assert message == f"{store.uri}/{path.name}, line 63: {finding} (4 such rows){ADVICE}"
    assert tables.summaries["events"] == Summary(95, malformed=4, first=(63, finding))
    assert sorted(row[0] for row in rows_of(tables.events)) == sorted({*range(99)} - {29, 69, 70, 79})


@pytest.mark.parametrize("is_zip", [False, True])
def test_rows_of_a_small_table(spark_session: SparkSession, folder: Path, is_zip: bool) -> None:
    path = folder / "label_categories.csv"
    path.write_bytes(b"label_id,category\r\n7,a\r\nb,7\r\n\r\n8,c,\r\n9,d")
    if is_zip:
        path = zip_table(folder, "label_categories")
    finding = "'b' in column label_id is no whole number of 64 bits, in 'b,7'"
    assert _message(spark_session, folder) == f"{path}, line 3: {finding} (2 such rows){ADVICE}"
    tables = _read(spark_session, folder, malformed="drop")
    assert rows_of(tables.label_categories) == [(7, "a"), (9, "d")]
    assert tables.summaries["label_categories"] == Summary(2, malformed=2, first=(3, finding))


def test_the_first_table_at_fault_is_told(spark_session: SparkSession, folder: Path) -> None:
    (folder / "label_categories.csv").write_text("label_id,category\nb,7\n")
    (folder / "app_events.csv").write_text("event_id,app_id,is_installed,is_active\n1,2,1,1\n1,x,1,1\n")
    assert _message(spark_session, folder).startswith(
        f"{folder}/app_events.csv, line 3: 'x' in column app_id "
    )
    (folder / "app_events.csv").write_text("event_id,app_id,is_installed,is_active\n1,2,1,1\n")
    assert _message(spark_session, folder).startswith(f"{folder}/label_categories.csv, line 2: 'b' in column")


def test_no_row_that_can_be_read(spark_session: SparkSession, folder: Path) -> None:
    (folder / "app_events.csv").write_text("event_id,app_id,is_installed,is_active\nx\n")
    (folder / "app_labels.csv").write_text("app_id,label_id\nx\n")
    assert "app_events.csv, line 2: 1 values instead of 4 in 'x'" in _message(spark_session, folder)
    tables = _read(spark_session, folder, malformed="drop")
    assert rows_of(tables.app_events) == rows_of(tables.app_labels) == []
    finding = (2, "1 values instead of 4 in 'x'")
    assert tables.summaries["app_events"] == Summary(0, malformed=1, first=finding)


def test_columns_that_are_not_used_are_not_parsed(spark_session: SparkSession, folder: Path) -> None:
    for table, old, new in (("events", "00:00:00,0,0", "00:00:00,north,"), ("app_events", "1,1", "yes,\xff")):
        path = folder / f"{table}.csv"
        path.write_text(path.read_text().replace(old, new), encoding="latin-1")
    tables = _read(spark_session, folder)
    assert tables.events.select("event_id", "timestamp").distinct().count() == 99
    assert rows_of(tables.app_events) == [(900, [9000])]


@pytest.mark.parametrize("is_hadoop", [False, True])
def test_what_is_no_utf_8(spark_session: SparkSession, folder: Path, is_hadoop: bool) -> None:
    path = folder / "events.csv"
    path.write_bytes(path.read_bytes() + b"1,\xff2,2016-05-01,0,0\n1,3,2016-05-01,\xff,0\n")
    store = HadoopStore(f"file://{folder}", spark_session) if is_hadoop else LocalStore(folder)
    assert f"/events.csv, line 101: {chr(39)}\\udcff2' in column device_id" in _message(
        spark_session, folder, store
    )
    tables = _read(spark_session, folder, store, malformed="drop")
    assert (tables.summaries["events"].rows, tables.summaries["events"].malformed) == (100, 1)
