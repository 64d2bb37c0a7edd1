"""The competition's tables for a job, wherever they lie, so that all executors see them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pyspark.sql import SparkSession

from sparksweep.data import Tables, find_tables, read_tables
from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore, LocalStore, Store, fetch, hosts_without, open_store, stage

__all__ = ["open_tables"]


def open_tables(
    store: Store, spark: SparkSession, *, cache: str, staging: str | None, without: Collection[str] = ()
) -> Tables:
    """Return the tables of a folder.

    Parameters
    ----------
    store : Store
    spark : SparkSession
    cache : str
        Where blobs are downloaded and zips are unpacked to.
    staging : str, optional
        A URI that all hosts share, to which what the driver alone sees is copied.
    without : collection of str
        Tables that are not needed.

    Raises
    ------
    StorageError
        If a table is missing, or if an executor does not see one.
    DataError
        If a file is not what its name says.
    """
    store, cache_of_all = _where_executors_see(store, spark, cache, staging, without)
    return read_tables(spark, store, cache=cache_of_all, without=without)


def _where_executors_see(
    store: Store, spark: SparkSession, cache: str, staging: str | None, without: Collection[str]
) -> tuple[Store, str]:
    """Return a store that Spark reads from every host, and where zips may be unpacked for all of them."""
    files = [table.file.name for table in find_tables(store, without)]
    if isinstance(store, BlobStore):
        store = fetch(store, files, f"{cache}/blobs")
    if staging is not None:
        shared = open_store(staging, spark=spark)
        return (stage(store, files, shared) if isinstance(store, LocalStore) else store), staging
    needed = [store.path(name) for name in files] if isinstance(store, LocalStore) else []
    if any(name.endswith(".zip") for name in files) and "://" not in cache:
        unpacked = LocalStore(Path(cache))
        unpacked.write("seen-by-executors", b"Whether all executors see this folder.\n")
        needed.append(unpacked.path("seen-by-executors"))
    blind = hosts_without(spark, needed)
    if blind:
        raise StorageError(
            f"{store.uri} or the cache {cache} is a folder of the driver, and the executors on "
            f"{', '.join(blind)} do not see it: set staging to a URI that all hosts share, such as "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
        )
    return store, cache
