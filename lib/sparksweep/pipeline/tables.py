"""The competition's tables for a job, wherever they lie."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import SparkSession

from sparksweep.data import Malformed, Tables, find_tables, read_tables
from sparksweep.storage import BlobStore, LocalStore, Store, fetch, open_store, stage

__all__ = ["open_tables"]


def open_tables(
    store: Store,
    spark: SparkSession,
    *,
    cache: str,
    staging: str | None,
    malformed: Malformed,
    without: Collection[str] = (),
) -> Tables:
    """Return the tables of a folder.

    Parameters
    ----------
    store : Store
    spark : SparkSession
    cache : str
        Where blobs are downloaded to, and the columnar forms of the large tables are kept.
    staging : str, optional
        A URI that all hosts share, to which what the driver alone sees is copied. The columnar forms are kept
        there too.
    malformed : {"fail", "drop"}
        What happens to rows that cannot be read.
    without : collection of str
        Tables that are not needed.

    Raises
    ------
    StorageError
        If a table is missing, or if an executor does not see one.
    DataError
        If a file is not what its name says.
    """
    files = [table.file.name for table in find_tables(store, without)]
    if isinstance(store, BlobStore):
        store = fetch(store, files, f"{cache}/blobs")
    if staging is not None and isinstance(store, LocalStore):
        store = stage(store, files, open_store(staging, spark=spark))
    return read_tables(spark, store, cache=staging or cache, malformed=malformed, without=without)
