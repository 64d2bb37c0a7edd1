"""Seven files of a store -> seven tables, the two large ones by way of a columnar form in a cache."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from pyspark.sql import DataFrame, SparkSession

from sparksweep.data.columnar import columnar_schema, write_columnar
from sparksweep.data.files import TableFile, find_tables, literal_path
from sparksweep.data.jvm_files import exists, remove
from sparksweep.data.parts import Summary
from sparksweep.data.schemas import LARGE
from sparksweep.data.settings import settings
from sparksweep.data.small import empty_table, read_small
from sparksweep.data.tables import Tables
from sparksweep.errors import DataError, SetupError, StorageError
from sparksweep.session import ship_package
from sparksweep.storage import LocalStore, Store, hosts_without, open_store, show_bytes

__all__ = ["Malformed", "read_tables"]

#: What happens to rows that cannot be read: they end the job, or they are dropped.
Malformed = Literal["fail", "drop"]

_UTC = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")
# Spark 3 refuses to write times of centuries in which other calendars were in use.
_AS_THEY_ARE = {
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
}
# Part of the name of a columnar form: another number where what is written changes.
_FORM = 1


def read_tables(
    spark: SparkSession,
    store: Store,
    *,
    cache: str,
    malformed: Malformed = "fail",
    without: Collection[str] = (),
    progress: bool = True,
) -> Tables:
    """Find the seven tables of a store and read them, the large ones by Spark unless the cache has them.

    Each lies there as ``NAME.csv`` or ``NAME.csv.zip``; the plain file goes before the zip.

    Parameters
    ----------
    spark : SparkSession
        Its time zone must be UTC, so that the hours of the events are those of the file.
    store : Store
        All executors must see it.
    cache : str
        Where the columnar forms are kept: a folder that the driver and all executors see or, for a cluster,
        a URI that all hosts read. A form stays there until someone deletes it, under a name that changes with
        the version of the file.
    malformed : {"fail", "drop"}
        What happens to a row with too few or too many values, or with a number that is none.
    without : collection of str
        Tables that are not looked for, and have no rows.
    progress : bool
        Whether to show on standard error how far it is.

    Raises
    ------
    StorageError
        If files are missing or unreadable, if the cache cannot be written, or if executors on other hosts do
        not see them.
    DataError
        If a file is empty, has another header or no row, if a zip is torn or holds something else, or if a
        row is malformed and ``malformed`` is ``"fail"``.
    SetupError
        If the session's time zone is not UTC.
    """
    zone = spark.conf.get("spark.sql.session.timeZone")
    if zone not in _UTC:
        raise SetupError(f"The session's time zone is {zone}: set spark.sql.session.timeZone to UTC")
    ship_package(spark.sparkContext)
    tables = find_tables(store, without)
    large = [table for table in tables if table.name in LARGE]
    kept = _Cache(spark, open_store(cache, spark=spark))
    _refuse_unseen(spark, store, large, kept.store)
    small = {table.name: read_small(table) for table in tables if table not in large}
    forms = _forms(large, kept, progress)
    summaries = {name: Summary(0) for name in without}
    summaries |= {name: summary for name, (_, summary) in small.items()}
    summaries |= {name: form.summary for name, form in forms.items()}
    if malformed == "fail":
        for table in tables:
            _refuse_malformed(table, summaries[table.name])
    frames: dict[str, Any] = {name: form.read(spark, name) for name, form in forms.items()}
    frames |= {name: rows for name, (rows, _) in small.items()}
    for name in without:
        is_large = name in LARGE
        frames[name] = spark.createDataFrame([], columnar_schema(name)) if is_large else empty_table(name)
    return Tables(**frames, files={table.name: str(table) for table in tables}, summaries=summaries)


@dataclass(frozen=True)
class _Form:
    """A columnar form: its folder, and what its file holds."""

    url: str
    summary: Summary

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        return spark.read.schema(columnar_schema(table)).parquet(literal_path(self.url))


@dataclass(frozen=True)
class _Cache:
    """A folder of columnar forms. A small file, written last, names the folder of each, and sums it up."""

    spark: SparkSession
    store: Store

    def find(self, table: TableFile) -> _Form | None:
        name = self._name(table)
        if not self.store.exists(f"{name}.json"):
            return None
        folder, _, summary = self.store.read(f"{name}.json").decode().partition("\n")
        url = self.store.url(folder)
        return _Form(url, Summary.from_json(summary)) if exists(self.spark, url) else None

    def make(self, table: TableFile) -> _Form:
        name = self._name(table)
        folder = f"{name}-{secrets.token_hex(4)}.parquet"
        url = self.store.url(folder)
        try:
            summary = write_columnar(self.spark, table, url)
        except BaseException:
            remove(self.spark, url)
            raise
        self.store.write(f"{name}.json", f"{folder}\n{summary.to_json()}".encode())
        return _Form(url, summary)

    def _name(self, table: TableFile) -> str:
        told = f"{_FORM}\n{table.file.name}\n{table.file.version}"
        return f"{table.name}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _forms(tables: list[TableFile], cache: _Cache, progress: bool) -> dict[str, _Form]:
    """Return the columnar form of each table, made at once where they are missing."""
    found = {table.name: cache.find(table) for table in tables}
    missing = [table for table in tables if found[table.name] is None]
    forms = {name: form for name, form in found.items() if form is not None}
    if not missing:
        return forms
    total = sum(table.file.size for table in missing)
    with (
        settings(cache.spark, _AS_THEY_ARE),
        show_bytes("reading the tables", total, progress) as report,
        ThreadPoolExecutor(len(missing)) as pool,
    ):

        def make(table: TableFile) -> _Form:
            form = cache.make(table)
            report(table.file.size)
            return form

        largest_first = sorted(missing, key=lambda table: -table.file.size)
        made = {table.name: pool.submit(make, table) for table in largest_first}
        return forms | {name: form.result() for name, form in made.items()}


def _refuse_malformed(table: TableFile, summary: Summary) -> None:
    if summary.first is not None:
        line, finding = summary.first
        like = f" ({summary.malformed} such rows)" if summary.malformed > 1 else ""
        raise DataError(
            f"{table}, line {line}: {finding}{like}: correct the file or remove the row, or drop such rows "
            "with malformed: drop"
        )


def _refuse_unseen(spark: SparkSession, store: Store, tables: Iterable[TableFile], cache: Store) -> None:
    """Refuse a folder that executors on other hosts do not see."""
    needed = [store.path(table.file.name) for table in tables] if isinstance(store, LocalStore) else []
    if isinstance(cache, LocalStore):
        cache.write("seen-by-executors", b"Whether all executors see this folder.\n")
        needed.append(cache.path("seen-by-executors"))
    blind = hosts_without(spark, needed)
    if blind:
        raise StorageError(
            f"{store.uri} or the cache {cache.uri} is a folder of the driver, and the executors on "
            f"{', '.join(blind)} do not see it: let both lie where all hosts read them, or set staging to a "
            "URI that all hosts share, such as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
        )
