"""Finding, checking and reading the seven files."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from sparksweep.data import SCHEMAS, Summary, Tables, columnar, ingest, read_tables
from sparksweep.errors import DataError, SetupError, StorageError
from sparksweep.storage import HadoopStore, LocalStore, Store
from tests.data.competition import rows_of, write_competition, zip_table

LARGE = ("app_events", "events")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_competition(tmp_path / "input")


def _read(spark: SparkSession, folder: Path, **options: Any) -> Tables:
    options = {"cache": str(folder.parent / "cache"), "progress": False, **options}
    return read_tables(spark, LocalStore(folder), **options)


def _rows(tables: Tables) -> dict[str, list[tuple[object, ...]]]:
    return {name: rows_of(getattr(tables, name)) for name in SCHEMAS}


def _forms(folder: Path) -> list[str]:
    """The columnar forms in the cache, and the files that name them."""
    cache = folder.parent / "cache"
    return sorted(path.name for path in cache.glob("*") if path.name != "seen-by-executors")


@contextmanager
def small_splits(spark: SparkSession, size: int) -> Iterator[None]:
    spark.conf.set("spark.sql.files.maxPartitionBytes", str(size))
    try:
        yield
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")


def test_columns_and_values_of_every_table(spark_session: SparkSession, folder: Path) -> None:
    tables = _read(spark_session, folder)
    assert {field.name for field in fields(tables)} == {*SCHEMAS, "files", "summaries"}
    assert _rows(tables) == {
        "gender_age_train": [(1, "M", 30, "M29-31")],
        "gender_age_test": [(2,)],
        "phone_brand_device_model": [(99, "小米", "MI 3")],
        "events": [(900, 99, datetime(2016, 5, 1))],  # noqa: DTZ001 - Spark gives the session's clock
        "app_events": [(900, [9000])],
        "app_labels": [(9000, 90000)],
        "label_categories": [(90000, "Unknown")],
    }
    assert tables.files == {name: f"{folder}/{name}.csv" for name in SCHEMAS}
    assert tables.summaries == {
        name: Summary(1, apps=(9000,) if name == "app_events" else ()) for name in SCHEMAS
    }
    assert dict(tables.events.dtypes) == {
        "event_id": "bigint",
        "device_id": "bigint",
        "timestamp": "timestamp",
    }
    assert dict(tables.app_events.dtypes) == {"event_id": "bigint", "app_ids": "binary"}


def test_what_may_be_missing_in_the_small_tables(spark_session: SparkSession, folder: Path) -> None:
    train = [(2**63 - 1, "M", "", "M29-31"), ("", "", 30, ""), (-(2**63), "F", 20, "F23-")]
    write_competition(folder, gender_age_train=train, label_categories=[(7, ""), (8, " a "), ("", "b")])
    tables = _read(spark_session, folder)
    assert rows_of(tables.gender_age_train) == [
        (2**63 - 1, "M", None, "M29-31"),
        (None, "", 30, ""),
        (-(2**63), "F", 20, "F23-"),
    ]
    assert tables.gender_age_train.dtypes.astype(str).tolist() == ["Int64", "object", "Int32", "object"]
    assert rows_of(tables.label_categories) == [(7, ""), (8, "a")]
    assert tables.summaries["label_categories"] == Summary(2, without_id=1)
    assert tables.summaries["gender_age_train"] == Summary(3)


@pytest.mark.parametrize(
    "without",
    [("gender_age_train", "app_labels", "label_categories"), ("gender_age_test", *LARGE), LARGE[:1]],
)
def test_tables_that_are_not_needed(
    spark_session: SparkSession, folder: Path, without: tuple[str, ...]
) -> None:
    full = _read(spark_session, folder)
    for name in without:
        (folder / f"{name}.csv").unlink()
    tables = _read(spark_session, folder, without=without)
    assert _rows(tables) == {**_rows(full), **{name: [] for name in without}}
    for name in SCHEMAS:
        assert list(getattr(tables, name).dtypes) == list(getattr(full, name).dtypes)
    assert set(tables.files) == set(SCHEMAS) - set(without)
    assert tables.summaries == {**full.summaries, **dict.fromkeys(without, Summary(0))}
    missing = ", ".join(f"{name}.csv" for name in SCHEMAS if name in without[1:])
    with pytest.raises(StorageError, match=re.escape(f"{folder} lacks {missing or without[0]}")):
        _read(spark_session, folder, without=without[:1] if missing else ())


@pytest.mark.parametrize("is_zip", [False, True])
def test_large_tables_are_read_once_a_version(
    spark_session: SparkSession, folder: Path, is_zip: bool
) -> None:
    plain = _rows(_read(spark_session, folder))
    if is_zip:
        for table in SCHEMAS:
            zip_table(folder, table)
    assert _rows(_read(spark_session, folder)) == plain
    first = _forms(folder)
    assert len(first) == 2 * len(LARGE) * (1 + is_zip)

    paths = {table: folder / f"{table}.csv{'.zip' * is_zip}" for table in SCHEMAS}
    for table in LARGE:  # of the same version as far as one can see: it is not opened again
        found = paths[table].stat()
        paths[table].write_bytes(b"\0" * found.st_size)
        os.utime(paths[table], ns=(found.st_atime_ns, found.st_mtime_ns))
    tables = _read(spark_session, folder)
    assert _rows(tables) == plain
    assert tables.summaries["app_events"] == Summary(1, apps=(9000,))
    assert _forms(folder) == first

    other = write_competition(folder.parent / "other", app_events=[(901, 55, 1, 1), (901, 56, 1, 1)])
    if is_zip:
        zip_table(other, "app_events")
    (other / paths["app_events"].name).replace(paths["app_events"])
    tables = _read(spark_session, folder)
    assert rows_of(tables.app_events) == [(901, [55, 56])]
    assert tables.summaries["app_events"] == Summary(2, apps=(55, 56))
    new = set(_forms(folder)) - set(first)
    assert sorted(name.split("-")[0] for name in new) == ["app_events"] * 2
    assert tables.files["app_events"] == str(paths["app_events"])


def test_a_form_that_was_deleted_is_made_again(spark_session: SparkSession, folder: Path) -> None:
    rows = _rows(_read(spark_session, folder))
    first = _forms(folder)
    gone = next(name for name in first if name.startswith("app_events") and name.endswith(".parquet"))
    shutil.rmtree(folder.parent / "cache" / gone)
    assert _rows(_read(spark_session, folder)) == rows
    second = _forms(folder)
    assert len(second) == len(first)
    assert gone not in second
    assert [name for name in second if name.startswith("events")] == [
        name for name in first if name.startswith("events")
    ]


def test_a_form_that_is_not_named_is_not_taken(spark_session: SparkSession, folder: Path) -> None:
    # As an end in the middle leaves it: the file that names the folder is written last.
    rows = _rows(_read(spark_session, folder))
    cache = folder.parent / "cache"
    for path in cache.glob("*.json"):
        path.unlink()
    for path in cache.glob("*.parquet/*.parquet"):
        path.write_bytes(b"")
    assert _rows(_read(spark_session, folder)) == rows


def test_lists_of_apps_by_runs_of_rows(spark_session: SparkSession, folder: Path) -> None:
    events = [-1, 7, 7, 7, -3, 7, 7, 8, -3, 2**63 - 1, -(2**63), -(2**63)]
    apps = [0, 5, -6, 5, 2**63 - 1, -(2**63), 9, 1, 2, 3, 4, 4]
    write_competition(
        folder, app_events=[(event, app, 1, 0) for event, app in zip(events, apps, strict=True)]
    )
    tables = _read(spark_session, folder)
    assert rows_of(tables.app_events) == [
        (-1, [0]),
        (7, [5, -6, 5]),
        (-3, [2**63 - 1]),
        (7, [-(2**63), 9]),
        (8, [1]),
        (-3, [2]),
        (2**63 - 1, [3]),
        (-(2**63), [4, 4]),
    ]
    assert tables.summaries["app_events"] == Summary(12, apps=tuple(sorted(set(apps))))


def test_rows_without_ids_drop_out_and_are_counted(spark_session: SparkSession, folder: Path) -> None:
    write_competition(
        folder,
        events=[(1, "", "2016-05-01", 0, 0), ("", 2, "2016-05-01", 0, 0), (3, 4, "", 0, 0)],
        app_events=[(1, "", 1, 1), (1, 5, 1, 1), ("", "", 1, 1), (1, 6, "", "")],
        phone_brand_device_model=[("", "a", "b"), (1, "", "")],
        app_labels=[("", 1), (1, ""), (1, 2)],
        label_categories=[("", "a")],
    )
    tables = _read(spark_session, folder)
    assert _rows(tables) == {
        **_rows(tables),
        "events": [(3, 4, None)],
        "app_events": [(1, [5, 6])],
        "phone_brand_device_model": [(1, "", "")],
        "app_labels": [(1, 2)],
        "label_categories": [],
    }
    counts = {name: (found.rows, found.without_id, found.read) for name, found in tables.summaries.items()}
    assert counts == {
        "gender_age_train": (1, 0, 1),
        "gender_age_test": (1, 0, 1),
        "phone_brand_device_model": (1, 1, 2),
        "events": (1, 2, 3),
        "app_events": (2, 2, 4),
        "app_labels": (1, 2, 3),
        "label_categories": (0, 1, 1),
    }


def _many(folder: Path, end: str = "\n") -> tuple[list[tuple[object, ...]], dict[int, list[int]]]:
    """Write large tables of many lines, some of them blank, and return what they hold."""
    rng = np.random.default_rng(0)
    events = [
        (n, int(rng.integers(-(2**63), 2**63)), f"2016-05-0{n % 7 + 1} 0{n % 10}:00:00") for n in range(400)
    ]
    apps = {n: rng.integers(-(2**63), 2**63, n % 13 + 1).tolist() for n in range(0, 400, 3)}
    write_competition(
        folder,
        events=[(*event, 0, 0) for event in events],
        app_events=[(event, app, 1, 1) for event, listed in apps.items() for app in listed],
    )
    for table in LARGE:
        path = folder / f"{table}.csv"
        path.write_bytes(path.read_bytes().replace(b"\n1", b"\n\n1").replace(b"\n", end.encode()))
    return events, apps


def _check_many(tables: Tables, events: list[tuple[object, ...]], apps: dict[int, list[int]]) -> None:
    found = [(event, device, f"{time}") for event, device, time in rows_of(tables.events)]
    assert sorted(found) == events
    lists: dict[int, list[int]] = {}
    for event, listed in rows_of(tables.app_events):
        lists.setdefault(event, []).extend(listed)
    assert {event: sorted(listed) for event, listed in lists.items()} == {
        event: sorted(listed) for event, listed in apps.items()
    }
    every = sorted({app for listed in apps.values() for app in listed})
    assert tables.summaries["app_events"] == Summary(sum(map(len, apps.values())), apps=tuple(every))
    assert tables.summaries["events"] == Summary(len(events))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ranges_of_a_file_are_read_by_tasks_of_their_own(
    spark_session: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    events, apps = _many(folder, end)
    monkeypatch.setattr(columnar, "_RANGE", 4001)
    tables = _read(spark_session, folder)
    _check_many(tables, events, apps)
    # A run that a range cuts is two: each task has written a file of its own.
    assert tables.app_events.count() > len(apps)
    assert len(tables.events.inputFiles()) > 3


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_system_of_hadoop(spark_session: SparkSession, folder: Path, is_zip: bool, end: str) -> None:
    events, apps = _many(folder, end)
    for path in folder.iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    if is_zip:
        for table in SCHEMAS:
            zip_table(folder, table)
    store: Store = HadoopStore(f"file://{folder}", spark_session)
    cache = f"file://{folder.parent}/cache/"
    with small_splits(spark_session, 4001):
        tables = read_tables(spark_session, store, cache=cache, progress=False)
    _check_many(tables, events, apps)
    if not is_zip:
        assert len(list((folder.parent / "cache").glob("events*.parquet/part-*.parquet"))) > 3
    assert rows_of(tables.gender_age_train) == [(1, "M", 30, "M29-31")]
    assert tables.files["events"] == f"file://{folder}/events.csv{'.zip' * is_zip}"
    assert len(_forms(folder)) == 4
    # Once more, now from the cache.
    _check_many(read_tables(spark_session, store, cache=cache, progress=False), events, apps)
    assert len(_forms(folder)) == 4


def test_the_plain_file_goes_before_its_zip(spark_session: SparkSession, folder: Path) -> None:
    for table in ("gender_age_test", "app_events"):
        text = (folder / f"{table}.csv").read_text()
        zip_table(folder, table)
        (folder / f"{table}.csv").write_text(text.replace("2", "7").replace("9000", "77"))
    tables = _read(spark_session, folder)
    assert rows_of(tables.gender_age_test) == [(7,)]
    assert rows_of(tables.app_events) == [(900, [77])]


@pytest.mark.parametrize("table", ["gender_age_test", "events"])
def test_a_zip_may_hold_other_files_and_folders(
    spark_session: SparkSession, folder: Path, table: str
) -> None:
    plain = _rows(_read(spark_session, folder))
    archive = zip_table(folder, table, entry=f"talkingdata/{table}.csv")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(f"__MACOSX/talkingdata/._{table}.csv", b"\0")
    assert _rows(_read(spark_session, folder)) == plain


@pytest.mark.parametrize("is_hadoop", [False, True])
def test_odd_names_of_folders(spark_session: SparkSession, tmp_path: Path, is_hadoop: bool) -> None:
    folder = write_competition(tmp_path / "in {a,b} [1] 100% *中")
    zip_table(folder, "app_events")
    store: Store = HadoopStore(f"file://{folder}", spark_session) if is_hadoop else LocalStore(folder)
    for _ in ("made", "found"):
        tables = read_tables(spark_session, store, cache=str(folder / "cache"), progress=False)
        assert [len(rows) for rows in _rows(tables).values()] == [1] * 7


@pytest.mark.parametrize("is_zip", [False, True])
def test_beginning_of_a_file_as_windows_writes_it(
    spark_session: SparkSession, folder: Path, is_zip: bool
) -> None:
    labels, events = folder / "label_categories.csv", folder / "events.csv"
    labels.write_bytes('\ufeff\r\n"label_id","category"\r\n\r\n7,"Games, ""all"""\r\n'.encode())
    events.write_bytes(
        '\ufeff\r\n"event_id","device_id","timestamp","longitude","latitude"\r\n\r\n'
        '"7","8","2016-05-01 00:00:00","",""\r\n'.encode()
    )
    if is_zip:
        zip_table(folder, "label_categories")
        zip_table(folder, "events")
    tables = _read(spark_session, folder)
    assert rows_of(tables.label_categories) == [(7, 'Games, "all"')]
    assert rows_of(tables.events) == [(7, 8, datetime(2016, 5, 1))]  # noqa: DTZ001 - the session's clock
    assert tables.summaries["events"] == Summary(1)


def test_times_of_all_centuries(spark_session: SparkSession, folder: Path) -> None:
    times = ["0001-01-01", "1500-03-01 12", "1900-01-01T00:00", "1969-12-31 23:59:59", "9999-12-31 23:59:59"]
    write_competition(folder, events=[(n, 1, time, 0, 0) for n, time in enumerate(times)])
    found = _read(spark_session, folder).events.selectExpr("event_id", "cast(timestamp as string)")
    assert [time for _, time in sorted(rows_of(found))] == [
        "0001-01-01 00:00:00",
        "1500-03-01 12:00:00",
        "1900-01-01 00:00:00",
        "1969-12-31 23:59:59",
        "9999-12-31 23:59:59",
    ]


def test_missing_files_are_all_named(spark_session: SparkSession, folder: Path) -> None:
    (folder / "events.csv").unlink()
    (folder / "app_labels.csv").rename(folder / "app_labels.txt")
    with pytest.raises(
        StorageError, match=re.escape(f"{folder} lacks events.csv, app_labels.csv: put them there")
    ):
        _read(spark_session, folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty: it must begin with 'event_id,app_id,is_installed,is_active'"),
        (b"\r\n \n", "is empty: it must begin with"),
        (b"event_id,app_id,is_installed,is_active\n", "has a header but no row: it must hold at least one"),
        (b"event_id,app_id,is_installed,is_active\n\r\n\n", "has a header but no row: it must hold"),
        (b"1,2,1,1\n", "begins with '1,2,1,1' instead of 'event_id,app_id,is_installed,is_active': give it"),
        (
            b"app_id,event_id,is_installed,is_active\n1,2,1,1\n",
            "begins with 'app_id,event_id,is_installed,is_active'",
        ),
        (
            b"event_id;app_id;is_installed;is_active\n1;2;1;1\n",
            "begins with 'event_id;app_id;is_installed;is_active'",
        ),
        (b"\0\xff" * 100_000, r"begins with '\x00"),
    ],
)
@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("is_hadoop", [False, True])
def test_files_that_are_not_the_table(
    spark_session: SparkSession, folder: Path, content: bytes, message: str, is_zip: bool, is_hadoop: bool
) -> None:
    path = folder / "app_events.csv"
    path.write_bytes(content)
    if is_zip:
        path = zip_table(folder, "app_events")
    store: Store = HadoopStore(f"file://{folder}", spark_session) if is_hadoop else LocalStore(folder)
    with pytest.raises(DataError, match=re.escape(f"{path} {message}")):
        read_tables(spark_session, store, cache=str(folder.parent / "cache"), progress=False)
    assert not [name for name in _forms(folder) if name.startswith("app_events")]


def test_a_small_file_that_is_not_the_table(spark_session: SparkSession, folder: Path) -> None:
    path = folder / "app_labels.csv"
    for content, message in (
        (b"", "is empty: it must begin with 'app_id,label_id'"),
        (b"app_id,label_id\n\n", "has a header but no row"),
        (b"label_id,app_id\n1,2\n", "begins with 'label_id,app_id' instead of 'app_id,label_id'"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(f"{path} {message}")):
            _read(spark_session, folder)


@pytest.mark.parametrize("is_hadoop", [False, True])
@pytest.mark.parametrize("table", ["app_labels", "app_events"])
def test_torn_zips(spark_session: SparkSession, folder: Path, table: str, is_hadoop: bool) -> None:
    rows = [(n, n * n * 7919 % 65_537, 1, 1)[: len(SCHEMAS[table])] for n in range(5000)]
    write_competition(folder, **{table: rows})
    archive = zip_table(folder, table)
    whole = archive.read_bytes()
    wrong = bytearray(whole)
    wrong[len(whole) // 2] ^= 1
    store: Store = HadoopStore(f"file://{folder}", spark_session) if is_hadoop else LocalStore(folder)
    for content in (whole[: len(whole) // 2], whole[:20], b"", b"not a zip", bytes(wrong)):
        archive.write_bytes(content)
        # Spark does not hand over a file without bytes.
        finding = r"is (torn \(.+\): copy or download it again|empty: it must begin with .+)"
        with pytest.raises(DataError, match=rf"{folder}/{table}\.csv\.zip {finding}"):
            read_tables(spark_session, store, cache=str(folder.parent / "cache"), progress=False)
        assert not [name for name in _forms(folder) if name.startswith(table)]
    archive.write_bytes(whole)
    tables = read_tables(spark_session, store, cache=str(folder.parent / "cache"), progress=False)
    assert tables.summaries[table].rows == 5000


@pytest.mark.parametrize("table", ["app_labels", "app_events"])
def test_zips_without_the_one_table(spark_session: SparkSession, folder: Path, table: str) -> None:
    archive = zip_table(folder, table, entry="labels.csv")
    advice = ": it must be a zip of that one file"
    with pytest.raises(DataError, match=re.escape(f"{archive} holds no {table}.csv{advice}")):
        _read(spark_session, folder)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"a/{table}.csv", "1,2\n")
        file.writestr(f"b/{table}.csv", "1,2\n")
    with pytest.raises(DataError, match=re.escape(f"{archive} holds 2 files {table}.csv{advice}")):
        _read(spark_session, folder)
    assert not [name for name in _forms(folder) if name.startswith(table)]


def test_a_file_that_goes_meanwhile(
    spark_session: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ingest.find_tables

    def find_and_lose(store: Store, without: Any) -> Any:
        tables = found(store, without)
        (folder / "events.csv").unlink()
        return tables

    monkeypatch.setattr(ingest, "find_tables", find_and_lose)
    with pytest.raises(StorageError, match=re.escape(f"{folder}/events.csv")):
        _read(spark_session, folder)
    assert not [name for name in _forms(folder) if name.startswith("events")]


def test_cache_that_cannot_be_written(spark_session: SparkSession, folder: Path) -> None:
    (folder.parent / "cache").write_text("a file where a folder should be")
    with pytest.raises(StorageError, match=re.escape(f"{folder.parent}/cache")):
        _read(spark_session, folder)


def test_files_that_executors_do_not_see(
    spark_session: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    # All executors of a test run on this machine and see its files: their answer is put in their mouth.
    def hosts_without(spark: SparkSession, paths: list[Path]) -> list[str]:
        asked.extend(paths)
        return ["node-3", "node-7"] if paths else []

    monkeypatch.setattr("sparksweep.data.ingest.hosts_without", hosts_without)
    cache = folder.parent / "cache"
    with pytest.raises(
        StorageError,
        match=re.escape(
            f"{folder} or the cache {cache} is a folder of the driver, and the executors on node-3, "
        )
        + "node-7 do not see it: let both lie where all hosts read them",
    ):
        _read(spark_session, folder)
    # The driver alone reads the small ones.
    assert sorted(path.name for path in asked) == ["app_events.csv", "events.csv", "seen-by-executors"]
    assert all(path.is_file() for path in asked)


def test_session_in_another_time_zone(spark_session: SparkSession, folder: Path) -> None:
    other = spark_session.newSession()
    other.conf.set("spark.sql.session.timeZone", "Asia/Shanghai")
    with pytest.raises(
        SetupError, match=r"The session's time zone is Asia/Shanghai: set spark.sql.session.timeZone"
    ):
        _read(other, folder)


def test_progress_is_told_in_bytes(
    spark_session: SparkSession, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _read(spark_session, folder, progress=True)
    assert "reading the tables: " in capsys.readouterr().err
    _read(spark_session, folder, progress=True)  # there is nothing left to do
    assert "reading the tables" not in capsys.readouterr().err
