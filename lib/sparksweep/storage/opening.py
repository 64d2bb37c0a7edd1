"""The store that a URI names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pyspark.sql import SparkSession

from sparksweep.errors import StorageError
from sparksweep.storage.blob import BlobStore
from sparksweep.storage.hadoop import HadoopStore
from sparksweep.storage.local import LocalStore
from sparksweep.storage.store import Store

__all__ = ["open_file", "open_store"]


def open_file(uri: str, *, spark: SparkSession | None = None) -> tuple[Store, str]:
    """Open the folder of a file by the file's URI, and return it with the file's name in it.

    The file need not exist. What :func:`open_store` raises.
    """
    parent, slash, name = uri.rstrip("/").rpartition("/")
    return open_store(parent or slash, spark=spark), name


def open_store(
    uri: str, *, spark: SparkSession | None = None, environ: Mapping[str, str] = os.environ
) -> Store:
    """Open a folder by its URI.

    Parameters
    ----------
    uri : str
        A path or ``file:`` URI; ``az://CONTAINER/PREFIX``, whose account the environment names, or
        ``https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX``; or any URI that the cluster's Hadoop
        reads, such as ``abfss://``, ``wasbs://`` or ``hdfs://``.
    spark : SparkSession, optional
        Needed for the last kind.
    environ : mapping
        Where credentials for blobs are looked up.

    Returns
    -------
    LocalStore, BlobStore or HadoopStore

    Raises
    ------
    StorageError
        If the URI is malformed, if Spark has no such file system, or if credentials are missing or malformed.
    """
    if re.search(r"[?&](sig|sv|se|sp)=", uri):
        # The message must not repeat the URI.
        raise StorageError(
            "the URI holds a shared access signature: give it in AZURE_STORAGE_SAS_TOKEN instead"
        )
    scheme = uri.partition(":")[0].lower() if ":" in uri else ""
    if scheme == "file":
        place = urlsplit(uri)
        if place.netloc not in ("", "localhost"):
            raise StorageError(
                f"{uri} names a folder of the host {place.netloc}: write file:///{place.netloc}..."
            )
        return LocalStore(Path(place.path).absolute())
    if scheme in ("az", "http", "https"):
        return BlobStore.open(uri, environ)
    if "://" not in uri:
        return LocalStore(Path(uri).expanduser().absolute())
    if spark is None:
        raise StorageError(
            f"{uri}: only Spark reads {scheme}://, and there is no Spark session: start one first"
        )
    return HadoopStore(uri, spark)
