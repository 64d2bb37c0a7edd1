"""What every place has in common where bytes lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

__all__ = ["Store", "StoredFile", "checked_name", "temporary_name"]


@dataclass(frozen=True)
class StoredFile:
    """A file of a store.

    Attributes
    ----------
    name : str
        Relative to the store.
    size : int
        Bytes.
    version : str
        Another one whenever the content is: an ETag, or time of change and size.
    md5 : bytes or None
        The digest of the content, where the store keeps one.
    """

    name: str
    size: int
    version: str
    md5: bytes | None = None


class Store(Protocol):
    """A folder somewhere. Names of files in it may contain slashes.

    Every method raises :class:`~sparksweep.errors.StorageError` where the place is refused or
    unreachable, in one sentence that holds no key and no token.
    """

    @property
    def uri(self) -> str:
        """The place in the words of the user."""

    def list(self) -> Sequence[StoredFile]:
        """Return the files that lie directly in it, by name; none if there is no such folder.

        Names that begin with a dot are left out: files that are being written have such names.
        """

    def folders(self) -> Sequence[str]:
        """Return the names of the folders that lie directly in it, under the same rules."""

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""

    def stat(self, name: str) -> StoredFile:
        """Return what is known of a file. StorageError if there is none."""

    def read(self, name: str) -> bytes:
        """Return a file's content. StorageError if there is none."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file whole, from memory or from a local file; a file of that name is replaced.

        Nobody ever sees a half-written file under ``name``. Folders are made as they are needed.
        """

    def claim(self, name: str, content: bytes) -> bool:
        """Write a file whole if there is none of that name, and return whether this call did so.

        Of several callers at once, in whatever process and on whatever host, exactly one gets True. An
        answer that is lost on the way may turn a True into a False: who has to know writes something of
        its own and reads it back.
        """

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""

    def remove_if_empty(self) -> None:
        """Remove this folder if it is there and nothing is in it. Stores of blobs alone have no folders."""

    def check_writable(self) -> None:
        """Write and delete an empty file. StorageError if that fails."""

    def child(self, name: str) -> Store:
        """Return a folder in it, which need not exist yet."""

    def url(self, name: str) -> str:
        """Return the file's address as Hadoop's file systems take it, nothing in it escaped.

        Spark's readers take an address for a pattern: ``[ ] { } * ?`` mean something to them.
        """


def checked_name(name: str) -> str:
    """Return the name of a file or folder in a store, if it is one.

    Raises
    ------
    ValueError
        If it is empty, absolute, or leaves the store.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} does not name a file below a store")
    return str(path)


def temporary_name(name: str, token: str) -> str:
    """Return where a file is written before it gets its name: beside it, hidden."""
    path = PurePosixPath(name)
    return str(path.with_name(f".{path.name}.{token}.tmp"))
