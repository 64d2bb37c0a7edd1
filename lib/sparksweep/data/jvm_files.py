"""Folders of any file system that Spark reads: local, a blob container, HDFS."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from sparksweep.storage.hadoop_errors import hadoop_errors

__all__ = ["exists", "remove"]


def exists(spark: SparkSession, url: str) -> bool:
    """Return whether a file or folder lies at a URL."""
    with hadoop_errors(url):
        files, place = _place(spark, url)
        return bool(files.exists(place))


def remove(spark: SparkSession, url: str) -> None:
    """Remove a folder and all that is in it, if there is one."""
    with hadoop_errors(url):
        files, place = _place(spark, url)
        files.delete(place, True)


def _place(spark: SparkSession, url: str) -> tuple[Any, Any]:
    """Return Java's file system of a URL, with this session's settings of Hadoop, and the place in it.

    There is no public way from Python to Hadoop's file systems.
    """
    session: Any = spark
    place = session._jvm.org.apache.hadoop.fs.Path(url)
    return place.getFileSystem(session._jsparkSession.sessionState().newHadoopConf()), place
