"""Finding, checking and unpacking the seven files."""

from __future__ import annotations

import os
import re
import zipfile
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from sparksweep.data import SCHEMAS, Tables, read_tables
from sparksweep.errors import DataError, SetupError, StorageError
from sparksweep.storage import HadoopStore, LocalStore
from tests.data.competition import write_competition, zip_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_competition(tmp_path / "input")


def _read(spark: SparkSession, folder: Path) -> Tables:
    return read_tables(spark, LocalStore(folder), cache=str(folder.parent / "cache"))


def _rows(tables: Tables) -> dict[str, list[tuple]]:
    return {name: [tuple(row) for row in getattr(tables, name).collect()] for name in SCHEMAS}


def _unpacked(folder: Path) -> list[Path]:
    return sorted(path for path in (folder.parent / "cache").glob("*") if not path.name.endswith(".crc"))


def test_columns_and_values_of_every_table(spark_session: SparkSession, folder: Path) -> None:
    tables = _read(spark_session, folder)
    assert {field.name for field in fields(tables)} == {*SCHEMAS, "files"}
    assert _rows(tables) == {
        "gender_age_train": [((0, 0), 1, "M", 30, "M29-31")],
        "gender_age_test": [((0, 0), 2)],
        "phone_brand_device_model": [((0, 0), 99, "小米", "MI 3")],
        "events": [(900, 99, datetime(2016, 5, 1), 0.0, 0.0)],  # noqa: DTZ001 - Spark gives the session's clock
        "app_events": [(900, 9000, 1, 1)],
        "app_labels": [(9000, 90000)],
        "label_categories": [(90000, "Unknown")],
    }
    assert tables.files["events"] == f"{folder}/events.csv"


def test_zips_are_unpacked_once_a_version(spark_session: SparkSession, folder: Path) -> None:
    plain = _rows(_read(spark_session, folder))
    for table in SCHEMAS:
        zip_table(folder, table)
    assert _rows(_read(spark_session, folder)) == plain
    first = _unpacked(folder)
    assert len(first) == len(SCHEMAS)

    for table in SCHEMAS:  # of the same version as far as one can see: it is not opened again
        archive = folder / f"{table}.csv.zip"
        found = archive.stat()
        archive.write_bytes(b"\0" * found.st_size)
        os.utime(archive, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert _rows(_read(spark_session, folder)) == plain
    assert _unpacked(folder) == first

    write_competition(folder.parent / "other", gender_age_test=[(55,), (56,)])
    zip_table(folder.parent / "other", "gender_age_test").replace(folder / "gender_age_test.csv.zip")
    tables = _read(spark_session, folder)
    assert [row["device_id"] for row in tables.gender_age_test.collect()] == [55, 56]
    assert len(set(_unpacked(folder)) - set(first)) == 1
    assert tables.files["gender_age_test"] == f"{folder}/gender_age_test.csv.zip"


def test_a_file_system_of_hadoop(spark_session: SparkSession, folder: Path) -> None:
    zip_table(folder, "app_events")
    store = HadoopStore(f"file://{folder}", spark_session)
    tables = read_tables(spark_session, store, cache=f"file://{folder.parent}/cache/")
    assert [tuple(row) for row in tables.app_events.collect()] == [(900, 9000, 1, 1)]
    assert tables.files["events"] == f"file://{folder}/events.csv"
    assert len(_unpacked(folder)) == 1


def test_the_plain_file_goes_before_its_zip(spark_session: SparkSession, folder: Path) -> None:
    text = (folder / "gender_age_test.csv").read_text()
    zip_table(folder, "gender_age_test")
    (folder / "gender_age_test.csv").write_text(text.replace("2", "7"))
    assert [row["device_id"] for row in _read(spark_session, folder).gender_age_test.collect()] == [7]


def test_a_zip_may_hold_other_files_and_folders(spark_session: SparkSession, folder: Path) -> None:
    archive = zip_table(folder, "gender_age_test", entry="talkingdata/gender_age_test.csv")
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("__MACOSX/talkingdata/._gender_age_test.csv", b"\0")
    assert [row["device_id"] for row in _read(spark_session, folder).gender_age_test.collect()] == [2]


def test_odd_names_of_folders(spark_session: SparkSession, tmp_path: Path) -> None:
    folder = write_competition(tmp_path / "in {a,b} [1] 100% *中")
    zip_table(folder, "gender_age_test")
    tables = read_tables(spark_session, LocalStore(folder), cache=str(folder / "cache"))
    assert [len(rows) for rows in _rows(tables).values()] == [1] * 7


def test_beginning_of_a_file_as_windows_writes_it(spark_session: SparkSession, folder: Path) -> None:
    path = folder / "label_categories.csv"
    path.write_bytes('\ufeff\r\n"label_id","category"\r\n\r\n7,"Games, ""all"""\r\n'.encode())
    rows = _read(spark_session, folder).label_categories.collect()
    assert [tuple(row) for row in rows] == [(7, 'Games, "all"')]


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
def test_files_that_are_not_the_table(
    spark_session: SparkSession, folder: Path, content: bytes, message: str, is_zip: bool
) -> None:
    path = folder / "app_events.csv"
    path.write_bytes(content)
    if is_zip:
        path = zip_table(folder, "app_events")
    with pytest.raises(DataError, match=re.escape(f"{path} {message}")):
        _read(spark_session, folder)


def test_torn_zips(spark_session: SparkSession, folder: Path) -> None:
    rows = [(n, n * n * 7919 % 65_537) for n in range(5000)]
    write_competition(folder, app_labels=rows)
    archive = zip_table(folder, "app_labels")
    whole = archive.read_bytes()
    for cut in (len(whole) // 2, 300, 20):
        archive.write_bytes(whole[:cut])
        with pytest.raises(
            DataError, match=r"app_labels.csv.zip .*is torn( \(.*\): copy or download|: it must be)"
        ):
            _read(spark_session, folder)
        assert _unpacked(folder) == []


def test_zip_with_a_wrong_byte(spark_session: SparkSession, folder: Path) -> None:
    plain = (folder / "app_labels.csv").read_bytes()
    (folder / "app_labels.csv").unlink()
    archive = folder / "app_labels.csv.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("app_labels.csv", plain)
    archive.write_bytes(archive.read_bytes().replace(b"9000,", b"9001,"))
    with pytest.raises(
        DataError, match=r"app_labels.csv.zip is torn \(invalid entry CRC .*\): copy or download"
    ):
        _read(spark_session, folder)
    assert _unpacked(folder) == []


def test_zips_without_the_one_table(spark_session: SparkSession, folder: Path) -> None:
    archive = zip_table(folder, "app_labels", entry="labels.csv")
    with pytest.raises(
        DataError,
        match=re.escape(f"{archive} holds no app_labels.csv, or is torn: it must be a zip of that one file"),
    ):
        _read(spark_session, folder)
    archive.write_bytes(b"not a zip")
    with pytest.raises(
        DataError,
        match=re.escape(f"{archive} holds no app_labels.csv, or is torn: it must be a zip of that one file"),
    ):
        _read(spark_session, folder)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a/app_labels.csv", "app_id,label_id\n1,2\n")
        file.writestr("b/app_labels.csv", "app_id,label_id\n1,2\n")
    with pytest.raises(DataError, match=re.escape(f"{archive} holds 2 files app_labels.csv")):
        _read(spark_session, folder)
    assert _unpacked(folder) == []


def test_cache_that_cannot_be_written(spark_session: SparkSession, folder: Path) -> None:
    (folder.parent / "cache").write_text("a file where a folder should be")
    zip_table(folder, "app_labels")
    place = re.escape(f"{folder}/app_labels.csv.zip, unpacked to file://{folder.parent}/cache: ")
    with pytest.raises(StorageError, match=place):
        _read(spark_session, folder)


def test_files_that_executors_do_not_see(
    spark_session: SparkSession, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All executors of a test run on this machine and see its files: their answer is put in their mouth.
    monkeypatch.setattr("sparksweep.data.ingest.hosts_without", lambda spark, paths: ["node-3", "node-7"])
    with pytest.raises(
        StorageError, match=f"{folder} is not seen by the executors on node-3, node-7: let input"
    ):
        _read(spark_session, folder)


def test_session_in_another_time_zone(spark_session: SparkSession, folder: Path) -> None:
    other = spark_session.newSession()
    other.conf.set("spark.sql.session.timeZone", "Asia/Shanghai")
    with pytest.raises(
        SetupError, match=r"The session's time zone is Asia/Shanghai: set spark.sql.session.timeZone"
    ):
        _read(other, folder)
