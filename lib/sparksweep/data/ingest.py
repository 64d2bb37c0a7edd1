"""Seven files of a store -> seven DataFrames."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from pyspark.sql import SparkSession

from sparksweep.data.files import TableFile, check_beginning, find_tables
from sparksweep.data.jvm_files import exists, unzip
from sparksweep.data.source import empty_table, read_table
from sparksweep.data.tables import Tables
from sparksweep.errors import SetupError, StorageError
from sparksweep.storage import Store, hosts_without

__all__ = ["read_tables"]

_UTC = ("UTC", "Etc/UTC", "GMT", "Z", "+00:00")


def read_tables(spark: SparkSession, store: Store, *, cache: str, without: Collection[str] = ()) -> Tables:
    """Find the seven tables of a store and check that each looks like what it is.

    Each lies there as ``NAME.csv`` or ``NAME.csv.zip``; the plain file goes before the zip. Of each only
    the first lines are read now; a zip is unpacked, as a stream, unless the cache has it.

    Parameters
    ----------
    spark : SparkSession
        Its time zone must be UTC, so that the hours of the events are those of the file.
    store : Store
    cache : str
        Where zips are unpacked to: a local folder or, for a cluster, a URI that all hosts read. A file stays
        there until someone deletes it, under a name that changes with the zip.
    without : collection of str
        Tables that are not looked for, and have no rows.

    Returns
    -------
    Tables
        Spark has yet to read them: a malformed value in a column that is used ends the job then, see
        :func:`~sparksweep.data.malformed.explain_malformed`.

    Raises
    ------
    StorageError
        If files are missing or unreadable, if the cache cannot be written, or if executors on other hosts do
        not see the files.
    DataError
        If a file is empty, has another header or no row, or if a zip is torn or holds something else.
    SetupError
        If the session's time zone is not UTC.
    """
    zone = spark.conf.get("spark.sql.session.timeZone")
    if zone not in _UTC:
        raise SetupError(f"The session's time zone is {zone}: set spark.sql.session.timeZone to UTC")
    tables = find_tables(store, without)
    urls = {table.name: _unpacked(spark, table, cache) if table.is_zip else table.url for table in tables}
    _refuse_unseen(spark, urls.values())
    for table in tables:
        check_beginning(spark, table.name, str(table), urls[table.name])
    frames = {name: read_table(spark, name, url) for name, url in urls.items()}
    frames |= {name: empty_table(spark, name) for name in without}
    return Tables(**frames, files={table.name: str(table) for table in tables})


def _unpacked(spark: SparkSession, table: TableFile, cache: str) -> str:
    """Return where the CSV of a zip lies, after unpacking it if this version of the zip is new."""
    folder = cache.rstrip("/") if "://" in cache else f"file://{Path(cache).absolute().as_posix()}"
    digest = hashlib.sha256(f"{table.file.name}\n{table.file.version}".encode()).hexdigest()
    name = f"{table.name}-{digest[:16]}.csv"
    if not exists(spark, f"{folder}/{name}"):
        unzip(spark, table.url, str(table), f"{table.name}.csv", folder, name)
    return f"{folder}/{name}"


def _refuse_unseen(spark: SparkSession, urls: Iterable[str]) -> None:
    paths = [Path(url.removeprefix("file://")) for url in urls if url.startswith("file://")]
    hosts = hosts_without(spark, paths) if paths else []
    if hosts:
        raise StorageError(
            f"{paths[0].parent} is not seen by the executors on {', '.join(hosts)}: let input and cache lie "
            "where all hosts read them, such as an abfss:// or hdfs:// folder"
        )
