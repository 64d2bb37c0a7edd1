"""Where bytes lie: local folders, blobs, and whatever file systems Spark's Hadoop reads.

:func:`open_store` takes a URI and gives a :class:`Store`, which lists, reads, and writes files whole.
Beside that there are a cached download of blobs (:func:`fetch`), an upload (:func:`upload_folder`), and what
a cluster of several hosts needs: :func:`hosts_without` tells which executors do not see a file of the driver,
and :func:`stage` copies it to where they do.

The credentials for Azure come from the environment, see :mod:`sparksweep.storage.credentials`;
:func:`hadoop_configuration` gives them to Spark.
"""

from __future__ import annotations

from sparksweep.storage.blob import BlobStore
from sparksweep.storage.credentials import AzureCredentials, hadoop_configuration, read_credentials
from sparksweep.storage.download import fetch
from sparksweep.storage.executors import hosts_without, stage
from sparksweep.storage.hadoop import HadoopStore
from sparksweep.storage.local import LocalStore
from sparksweep.storage.opening import open_file, open_store
from sparksweep.storage.progress import show_bytes
from sparksweep.storage.store import Store, StoredFile
from sparksweep.storage.upload import Uploaded, upload_folder

__all__ = [
    "AzureCredentials",
    "BlobStore",
    "HadoopStore",
    "LocalStore",
    "Store",
    "StoredFile",
    "Uploaded",
    "fetch",
    "hadoop_configuration",
    "hosts_without",
    "open_file",
    "open_store",
    "read_credentials",
    "show_bytes",
    "stage",
    "upload_folder",
]
