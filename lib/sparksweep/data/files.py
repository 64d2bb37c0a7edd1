"""Where the file of each table lies."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sparksweep.data.schemas import SCHEMAS
from sparksweep.errors import StorageError
from sparksweep.storage import Store, StoredFile

__all__ = ["TableFile", "find_tables", "literal_path"]


@dataclass(frozen=True)
class TableFile:
    """The file of one table in a store: ``NAME.csv`` or ``NAME.csv.zip``."""

    name: str
    file: StoredFile
    store: Store

    @property
    def url(self) -> str:
        """The file's address as Hadoop's file systems take it."""
        return self.store.url(self.file.name)

    @property
    def is_zip(self) -> bool:
        """Whether it must be unpacked before Spark can read it."""
        return self.file.name.endswith(".zip")

    def __str__(self) -> str:
        """Return the file as the user knows it."""
        return f"{self.store.uri.rstrip('/')}/{self.file.name}"


def find_tables(store: Store, without: Collection[str] = ()) -> list[TableFile]:
    """Find the file of each of the seven tables, but for those that are not needed.

    Where ``NAME.csv`` and ``NAME.csv.zip`` both lie there, the plain file is taken: it needs no unpacking,
    and it is the one that a person can have edited.

    Raises
    ------
    StorageError
        If files are missing: all of them are named.
    """
    files = {file.name: file for file in store.list()}
    wanted = [table for table in SCHEMAS if table not in without]
    found = {table: files.get(f"{table}.csv") or files.get(f"{table}.csv.zip") for table in wanted}
    missing = [f"{table}.csv" for table, file in found.items() if file is None]
    if missing:
        raise StorageError(
            f"{store.uri} lacks {', '.join(missing)}: put them there, as they are or as .csv.zip, "
            "or point at the folder that has them"
        )
    return [TableFile(table, file, store) for table, file in found.items() if file is not None]


def literal_path(path: str) -> str:
    """Return a path that names one file also where its characters mean a pattern to Hadoop."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)
