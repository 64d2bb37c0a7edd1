"""The competition's tables for a job, wherever they lie."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import SparkSession

from sparksweep.config import JobConfig, ScoreConfig
from sparksweep.data import Tables, find_tables, read_tables
from sparksweep.storage import BlobStore, LocalStore, Store, fetch, open_store, stage

__all__ = ["open_tables"]


def open_tables(
    store: Store, spark: SparkSession, config: JobConfig | ScoreConfig, *, without: Collection[str] = ()
) -> Tables:
    """Return the tables of a folder.

    Parameters
    ----------
    store : Store
    spark : SparkSession
    config : JobConfig or ScoreConfig
        ``cache`` is where blobs are downloaded to and the columnar forms of the large tables are kept.
        ``staging`` is a URI that all hosts share, to which what the driver alone sees is copied; then the
        columnar forms are kept there. ``malformed`` says what happens to rows that cannot be read.
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
        store = fetch(store, files, f"{config.cache}/blobs")
    if config.staging is not None and isinstance(store, LocalStore):
        store = stage(store, files, open_store(config.staging, spark=spark))
    cache = config.staging or config.cache
    return read_tables(spark, store, cache=cache, malformed=config.malformed, without=without)
