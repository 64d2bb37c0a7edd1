"""CSV files, plain or zipped, whose bytes depend on their rows and on nothing else."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
from pyarrow import csv

__all__ = ["WrittenTable", "write_table"]

# Level 6 saves 4 % of the bytes and takes more than twice the time.
_COMPRESSION_LEVEL = 4
# What a zip without the 64-bit extension holds, and no line of a long table is longer. Pythons differ in how
# they write the extension.
_SMALL_FILE = 2**31 - 1
_LONGEST_LINE = 64
_AS_WRITTEN = csv.WriteOptions(include_header=False, quoting_style="none", batch_size=65_536)


@dataclass(frozen=True)
class WrittenTable:
    """A file that was written: the table's name, its path, rows and bytes, and the seconds that it took."""

    name: str
    path: Path
    rows: int
    bytes: int
    seconds: float


def write_table(
    folder: Path, name: str, batches: Iterable[pa.RecordBatch], *, expected_rows: int, zipped: bool
) -> WrittenTable:
    """Write ``name.csv`` or ``name.csv.zip`` into a folder.

    Parameters
    ----------
    folder : path
    name : str
    batches : iterable of pyarrow.RecordBatch
        At least one, all with the same columns. No value holds a comma, a quote or a line break.
    expected_rows : int
        At least as many as come.
    zipped : bool

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    start = time.perf_counter()
    path = folder / (f"{name}.csv.zip" if zipped else f"{name}.csv")
    rows = 0
    is_large = expected_rows * _LONGEST_LINE > _SMALL_FILE
    with _zip_entry(path, f"{name}.csv", is_large) if zipped else path.open("wb") as file:
        for batch in batches:
            if not rows:
                file.write(",".join(batch.schema.names).encode() + b"\n")
            csv.write_csv(batch, file, write_options=_AS_WRITTEN)
            rows += batch.num_rows
    return WrittenTable(name, path, rows, path.stat().st_size, time.perf_counter() - start)


@contextmanager
def _zip_entry(path: Path, name: str, is_large: bool) -> Iterator[IO[bytes]]:
    entry = zipfile.ZipInfo(name, date_time=(2016, 5, 8, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, on every system
    entry.external_attr = 0o644 << 16
    with (
        zipfile.ZipFile(path, "w", compresslevel=_COMPRESSION_LEVEL) as archive,
        archive.open(entry, "w", force_zip64=is_large) as file,
    ):
        yield file
