"""The files of a child run on their way back: a zip, in pieces, as the result of its Spark task."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

__all__ = ["LOG", "OutputFile", "collect", "pack", "unpack"]

#: Where the log of a script stands among its files, as in Azure ML.
LOG = "user_logs/std_log.txt"

#: Bytes of all files of a run, and of its log's end.
MOST_BYTES = 256 << 20
MOST_LOG_BYTES = 5 << 20

_PIECE = 4 << 20

#: A name, and where the file lies.
OutputFile = tuple[str, Path]


def collect(folders: Iterable[tuple[str, Path]]) -> tuple[list[OutputFile], list[str]]:
    """Return the files below some folders, and the names of those that cannot be brought back.

    These are the largest ones where there is no room for all, and those that cannot be read. Symbolic links
    are passed over.

    Parameters
    ----------
    folders : iterable of (prefix, Path)
        The names of their files begin with the prefix. Of two files with one name the first one counts.
    """
    found: dict[str, Path] = {}
    for prefix, folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                name = f"{prefix}{path.relative_to(folder).as_posix()}"
                found.setdefault(name.encode(errors="replace").decode(), path)
    taken: list[OutputFile] = []
    left_out = []
    room = MOST_BYTES
    for name, path in sorted(found.items(), key=lambda file: (file[1].stat().st_size, file[0])):
        size = path.stat().st_size
        if size <= room and os.access(path, os.R_OK):
            room -= size
            taken.append((name, path))
        else:
            left_out.append(name)
    return taken, left_out


def pack(files: Sequence[OutputFile], log: Path | None) -> Iterator[bytes]:
    """Yield the pieces of a zip of some files and of the end of a log."""
    with tempfile.TemporaryFile() as growing:
        # A file may be older than a zip's first year, 1980.
        with zipfile.ZipFile(growing, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
            for name, path in files:
                archive.write(path, name)
            if log is not None:
                archive.writestr(LOG, _end_of(log))
        growing.seek(0)
        while piece := growing.read(_PIECE):
            yield piece


def unpack(pieces: Iterable[bytes], folder: Path) -> None:
    """Write the files that :func:`pack` took into a folder."""
    with tempfile.TemporaryFile() as growing:
        for piece in pieces:
            growing.write(piece)
        if growing.tell():
            with zipfile.ZipFile(growing) as archive:
                archive.extractall(folder)  # extractall keeps to the folder


def _end_of(log: Path) -> bytes:
    size = log.stat().st_size
    with log.open("rb") as file:
        file.seek(max(0, size - MOST_LOG_BYTES))
        end = file.read()
    return end if size <= MOST_LOG_BYTES else b"[the beginning is left out]\n" + end
