"""The user's code as one piece that travels: a zip of the source directory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from sparksweep.errors import ConfigError

__all__ = ["take_snapshot", "unpack"]

#: Bytes of all files together, as in Azure ML.
MOST_BYTES = 300 << 20

_LEFT_OUT = {
    *(".git", "__pycache__", ".ipynb_checkpoints", ".venv"),
    *("mlruns", "mlflow.db", "mlflow.db-journal", "mlflow.db-wal", "mlflow.db-shm"),
}


def take_snapshot(folder: Path, without: Path | None = None) -> bytes:
    """Return a zip of a folder's files, the same bytes for the same files.

    What tools leave behind is left out: ``.git``, ``__pycache__``, ``.ipynb_checkpoints``, ``.venv``,
    ``mlruns``, ``mlflow.db``.

    Parameters
    ----------
    folder : Path
    without : Path, optional
        A folder that is left out too: that of the runs, which is another one after every run.

    Raises
    ------
    ConfigError
        If there are more than 300 MB of them, or one cannot be read.
    """
    try:
        return _zip(folder, None if without is None else without.resolve())
    except PermissionError as error:
        raise ConfigError(
            f"source_directory {str(folder)!r}: {error.filename} cannot be read: allow it, or move it away"
        ) from None


def _zip(folder: Path, without: Path | None) -> bytes:
    size = 0
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(folder, without):
            size += path.stat().st_size
            if size > MOST_BYTES:
                raise ConfigError(
                    f"source_directory {str(folder)!r} holds more than {MOST_BYTES >> 20} MB: "
                    "move data out of it, and name it as an input"
                )
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (path.stat().st_mode & 0o777) << 16
            archive.writestr(entry, path.read_bytes())
    return content.getvalue()


def unpack(content: bytes | memoryview, folder: Path) -> None:
    """Write the files of a snapshot into a folder, executable where they were."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)  # extractall keeps to the folder
        for entry in archive.infolist():
            (folder / entry.filename).chmod(entry.external_attr >> 16 or 0o644)


def _files(folder: Path, without: Path | None, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    real = folder.resolve()
    if real == without or real in above:
        return  # the latter is a link to a folder that it lies in
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT:
            continue
        if path.is_dir():
            yield from _files(path, without, (*above, real))
        elif path.is_file():
            yield path
