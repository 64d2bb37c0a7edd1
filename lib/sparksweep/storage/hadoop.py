"""A folder of any file system that Spark's Hadoop reads: abfs, abfss, wasb, wasbs, hdfs and others."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from sparksweep.errors import StorageError
from sparksweep.storage.hadoop_errors import hadoop_errors, is_missing
from sparksweep.storage.local import LocalStore
from sparksweep.storage.store import StoredFile, checked_name, temporary_name

__all__ = ["HadoopStore"]

# How often a file is put in place of another before giving up: somebody else may do so at the same time.
_TRIES = 5

# File systems in which a file takes the place of another in one step.
_REPLACING = ("hdfs",)


class HadoopStore:
    """A folder of a Hadoop file system, as a :class:`~sparksweep.storage.Store`.

    Bytes go by a local file, which Java reads or writes itself: through the gateway between Python and Java
    they would travel as text.
    """

    def __init__(self, uri: str, spark: SparkSession) -> None:
        self._uri = uri.rstrip("/")
        # There is no public way from Python to Hadoop's file systems. This is the one place where this room
        # takes another. The session's own settings count, as they do for what Spark itself reads.
        self._session: Any = spark
        self._jvm: Any = self._session._jvm
        self._configuration = self._session._jsparkSession.sessionState().newHadoopConf()
        with self._errors():
            self._files = self._path().getFileSystem(self._configuration)

    @property
    def uri(self) -> str:
        """The folder's URI."""
        return self._uri

    def list(self) -> Sequence[StoredFile]:
        """Return the files that lie directly in the folder, by name."""
        return [_stored(found.getPath().getName(), found) for found in self._entries() if found.isFile()]

    def folders(self) -> Sequence[str]:
        """Return the names of the folders that lie directly in the folder."""
        # abfs lists a folder twice: once for what lies in it, once for the blob that marks it.
        return sorted({str(found.getPath().getName()) for found in self._entries() if found.isDirectory()})

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        with self._errors(name):
            try:
                return bool(self._files.getFileStatus(self._path(name)).isFile())
            except Py4JJavaError as error:
                if not is_missing(error):
                    raise
                return False

    def stat(self, name: str) -> StoredFile:
        """Return size and version of a file."""
        with self._errors(name):
            return _stored(name, self._files.getFileStatus(self._path(name)))

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "content")
            with self._errors(name):
                target = self._jvm.java.io.File(str(local))
                copy = self._jvm.org.apache.hadoop.fs.FileUtil.copy
                copy(self._files, self._path(name), target, False, self._configuration)
            return local.read_bytes()

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file whole: under a temporary name, then renamed.

        In place of another the new file comes in one step on HDFS. Object stores have no such step: there
        the old file is deleted first, and for a moment there is none.
        """
        with self._temporary(name, content) as temporary:
            self._put_in_place(temporary, name)

    def claim(self, name: str, content: bytes) -> bool:
        """Write a file whole if there is none of that name: under a temporary name, then renamed.

        Of two renames to one name exactly one succeeds on abfs, wasb and HDFS.
        """
        if self._files.getUri().getScheme() == "file":  # where a rename replaces what is there
            return LocalStore(Path(self._path().toUri().getPath())).claim(name, content)
        path = self._path(name)
        with self._temporary(name, content) as temporary:
            # A folder of that name would take the file in.
            won = not self._files.exists(path) and self._rename(temporary, path)
            if not won:
                self._files.delete(temporary, False)
        return won

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        with self._errors(name):
            self._files.delete(self._path(name), False)

    def remove_if_empty(self) -> None:
        """Remove this folder if it is there and nothing is in it."""
        if not list(self._entries()):
            with contextlib.suppress(Py4JJavaError):  # somebody has put a file there meanwhile
                self._files.delete(self._path(), False)

    def check_writable(self) -> None:
        """Write and delete an empty file."""
        probe = f".writable-{secrets.token_hex(4)}"
        self.write(probe, b"")
        self.delete(probe)

    def child(self, name: str) -> HadoopStore:
        """Return a folder in this one."""
        return HadoopStore(f"{self._uri}/{checked_name(name)}", self._session)

    def url(self, name: str) -> str:
        """Return the file's URI."""
        return f"{self._uri}/{checked_name(name)}"

    def _path(self, name: str | None = None) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(self._uri if name is None else self.url(name))

    def _entries(self) -> Iterator[Any]:
        with self._errors():
            try:
                found = list(self._files.listStatus(self._path()))
            except Py4JJavaError as error:
                if not is_missing(error):
                    raise
                found = []
        for entry in sorted(found, key=lambda entry: str(entry.getPath().getName())):
            if not entry.getPath().getName().startswith("."):
                yield entry

    @contextlib.contextmanager
    def _temporary(self, name: str, content: bytes | Path) -> Iterator[Any]:
        """Write a file under a temporary name, which is gone if the block fails."""
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder, "content")
            if isinstance(content, bytes):
                local.write_bytes(content)
            elif content.is_file():
                local = content.absolute()
            else:
                raise StorageError(f"{content}: there is no such file")
            temporary = self._path(temporary_name(checked_name(name), secrets.token_hex(4)))
            with self._errors(name):
                try:
                    source = self._jvm.java.io.File(str(local))
                    copy = self._jvm.org.apache.hadoop.fs.FileUtil.copy
                    copy(source, self._files, temporary, False, self._configuration)
                    yield temporary
                except BaseException:
                    with contextlib.suppress(Py4JJavaError):
                        self._files.delete(temporary, False)
                    raise

    def _rename(self, temporary: Any, path: Any) -> bool:
        """Rename unless somebody has the name: some file systems say no then, others raise."""
        try:
            return bool(self._files.rename(temporary, path))
        except Py4JJavaError:
            if self._files.exists(path):
                return False
            raise

    def _put_in_place(self, temporary: Any, name: str) -> None:
        path = self._path(name)
        # A rename onto a name that is taken says no, or raises, by the file system.
        for _ in range(_TRIES):
            if self._files.exists(path):
                if self._files.getUri().getScheme() in _REPLACING:
                    self._replace(temporary, path)
                    return
                self._files.delete(path, False)
            if self._files.rename(temporary, path):
                return
        raise StorageError(
            f"{self.url(name)} cannot be replaced: check whether somebody else writes it all the time"
        )

    def _replace(self, temporary: Any, path: Any) -> None:
        rename = getattr(self._jvm.org.apache.hadoop.fs, "Options$Rename")
        options = self._session.sparkContext._gateway.new_array(rename, 1)
        options[0] = rename.OVERWRITE
        context = self._jvm.org.apache.hadoop.fs.FileContext
        context.getFileContext(self._files.getUri(), self._configuration).rename(temporary, path, options)

    def _errors(self, name: str | None = None) -> AbstractContextManager[None]:
        return hadoop_errors(self._uri if name is None else self.url(name))


def _stored(name: str, found: Any) -> StoredFile:
    size = int(found.getLen())
    return StoredFile(name, size, f"{int(found.getModificationTime()):x}-{size:x}")
