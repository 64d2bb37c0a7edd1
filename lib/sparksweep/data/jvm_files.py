"""Files of any file system that Spark reads, moved inside the Java process: no byte of them passes Python.

One way for a local folder, a blob container and HDFS.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from sparksweep.errors import DataError, StorageError
from sparksweep.storage.hadoop_errors import hadoop_errors

__all__ = ["exists", "first_lines", "unzip"]

# A header is short. A file of gigabytes without a line break is not read whole to find out.
_LONGEST_LINE = 65_536


def exists(spark: SparkSession, url: str) -> bool:
    """Return whether a file or folder lies at a URL."""
    jvm, configuration = _java(spark)
    with hadoop_errors(url):
        place = jvm.org.apache.hadoop.fs.Path(url)
        return bool(place.getFileSystem(configuration).exists(place))


def first_lines(spark: SparkSession, url: str) -> tuple[str | None, str | None]:
    """Return the first two lines that are not blank, without a byte order mark; None if there are fewer."""
    jvm, configuration = _java(spark)
    lines: list[str | None] = []
    with hadoop_errors(url):
        stream = _open(jvm, configuration, url)
        try:
            reader, text = jvm.org.apache.hadoop.util.LineReader(stream), jvm.org.apache.hadoop.io.Text()
            while len(lines) < 2 and reader.readLine(text, _LONGEST_LINE, _LONGEST_LINE):
                line = text.toString().removeprefix("\ufeff")
                if line.strip():
                    lines.append(line)
        finally:
            stream.close()
    lines += [None, None]
    return lines[0], lines[1]


def unzip(spark: SparkSession, url: str, shown: str, entry: str, folder: str, name: str) -> None:
    """Unpack one file of a zip as a stream, under a temporary name that is changed when all is there.

    Parameters
    ----------
    url : str
        The zip.
    shown : str
        The zip in the words of the user.
    entry : str
        The name of the file in the zip, in whatever folder of it.
    folder, name : str
        The URL of the folder that the file is to lie in, and its name there.

    Raises
    ------
    DataError
        If the zip is torn or does not hold exactly one such file.
    StorageError
        If the zip cannot be read or the folder cannot be written.
    """
    jvm, configuration = _java(spark)
    done = jvm.org.apache.hadoop.fs.Path(f"{folder}/{name}")
    growing = jvm.org.apache.hadoop.fs.Path(f"{folder}/.{name}.{secrets.token_hex(4)}.tmp")
    with hadoop_errors(f"{shown}, unpacked to {folder}"), _torn(shown):
        files = done.getFileSystem(configuration)
        try:
            archive = jvm.java.util.zip.ZipInputStream(_open(jvm, configuration, url))
            try:
                copies = _copy_entries(jvm, configuration, archive, entry, files, growing)
            finally:
                archive.close()
            if copies != 1:
                finding = f"holds {copies} files {entry}" if copies else f"holds no {entry}, or is torn"
                raise DataError(f"{shown} {finding}: it must be a zip of that one file")
            # Who loses a race finds the same bytes there already.
            if not files.rename(growing, done) and not files.exists(done):
                raise StorageError(f"{growing} cannot be renamed to {name}: check the permissions there")
        finally:
            files.delete(growing, False)


def _copy_entries(jvm: Any, configuration: Any, archive: Any, name: str, files: Any, target: Any) -> int:
    """Write the files of an archive that have a name to ``target``, one over the other, and count them.

    Java checks the CRC of each file, of those too that it skips.
    """
    copies = 0
    while (found := archive.getNextEntry()) is not None:
        if found.getName().rpartition("/")[2] == name:
            copies += 1
            out = files.create(target, True)
            try:
                jvm.org.apache.hadoop.io.IOUtils.copyBytes(archive, out, configuration, False)
            finally:
                out.close()
    return copies


def _open(jvm: Any, configuration: Any, url: str) -> Any:
    place = jvm.org.apache.hadoop.fs.Path(url)
    return place.getFileSystem(configuration).open(place)


def _java(spark: SparkSession) -> tuple[Any, Any]:
    """Return the gateway to Java, and Hadoop's configuration with what this session adds to it.

    There is no public way from Python to Hadoop's file systems.
    """
    session: Any = spark
    return session._jvm, session._jsparkSession.sessionState().newHadoopConf()


@contextmanager
def _torn(shown: str) -> Iterator[None]:
    """Raise a DataError for what Java says of an archive that ends early or is damaged."""
    try:
        yield
    except Py4JJavaError as error:
        if error.java_exception.getClass().getSimpleName() not in ("EOFException", "ZipException"):
            raise
        reason = error.java_exception.getMessage()
        raise DataError(f"{shown} is torn ({reason}): copy or download it again") from None
