"""A value that all Python workers of an executor share: its arrays lie in one memory-mapped file.

A plain broadcast is unpickled by every worker into a copy of its own, so its memory grows with the slots.
Here the large buffers of the value (NumPy arrays, what sparse matrices and data frames consist of) are taken
out of its pickle (PEP 574) and sent in pieces. The first worker that needs them writes them into a file,
piece by piece; the others map the same file, whose pages the operating system holds once.

The file lies where Spark keeps the executor's temporary data, so Spark removes it: on YARN in the
application's folder, one file a host; elsewhere in the executor's, one file an executor.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pyspark import Broadcast, SparkContext, cloudpickle

__all__ = ["Shared", "alone", "host_folder"]

# Smaller buffers stay in the pickle: a copy a worker costs less than a page of a file.
_LARGE = 1 << 16
_PIECE = 64 << 20
_ALIGNMENT = 64
_FOLDER = "sparksweep"

# A part of a piece: where it belongs in the file, and its bytes.
_Part = tuple[int, Any]


class Shared:
    """Sends a value to the executors, once each. A task that has it in its closure gets it by :meth:`load`.

    Parameters
    ----------
    sc : SparkContext
    value : object
        Pickled by cloudpickle. Its buffers are not copied on the driver.
    """

    def __init__(self, sc: SparkContext, value: Any) -> None:
        self._name = f"shared-{uuid.uuid4()}"
        buffers: list[memoryview] = []

        def take_out(buffer: pickle.PickleBuffer) -> bool:
            view = buffer.raw()
            if view.nbytes < _LARGE:
                return True  # stays in
            buffers.append(view)
            return False

        pickled = cloudpickle.dumps(value, protocol=5, buffer_callback=take_out)  # type: ignore[no-untyped-call]  # pyspark's copy has no types
        self._rest: Broadcast[bytes] = sc.broadcast(pickled)
        self._places: list[tuple[int, int]] = []
        end = 0
        for view in buffers:
            self._places.append((end, view.nbytes))
            end += -(-view.nbytes // _ALIGNMENT) * _ALIGNMENT
        self._size = end
        parts = ((start, view) for (start, _), view in zip(self._places, buffers, strict=True))
        self._pieces: list[Broadcast[Any]] = [
            sc.broadcast(_Piece(self._name, piece)) for piece in _in_pieces(parts)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes that every host holds once; what else there is lies in every worker."""
        return self._size

    def load(self) -> Any:
        """Return the value on an executor, with its large arrays mapped from the shared file, read-only."""
        if not self._pieces:
            return pickle.loads(self._rest.value)  # noqa: S301 - it comes from our driver, as every Spark task
        mapped = memoryview(_mapped(self._name, self._pieces))
        buffers = [mapped[start : start + size] for start, size in self._places]
        return pickle.loads(self._rest.value, buffers=buffers)  # noqa: S301 - as above

    def destroy(self) -> None:
        """Free it on the driver and on the executors."""
        for part in (self._rest, *self._pieces):
            part.destroy()


class _Piece:
    """Some parts of the file. Unpickling one writes it to the disk, so that no worker holds its bytes."""

    def __init__(self, name: str, parts: Sequence[_Part]) -> None:
        self._name = name
        self._parts = parts

    def __reduce__(self) -> tuple[Any, ...]:
        # PickleBuffer writes a view's bytes into the pickle without copying them first.
        return _write_parts, (self._name, [(start, pickle.PickleBuffer(part)) for start, part in self._parts])


def _in_pieces(parts: Iterator[_Part]) -> Iterator[list[_Part]]:
    piece: list[_Part] = []
    room = _PIECE
    for start, view in parts:
        done = 0
        while done < view.nbytes:
            cut = view[done : done + room]
            piece.append((start + done, cut))
            done += cut.nbytes
            room -= cut.nbytes
            if room == 0:
                yield piece
                piece, room = [], _PIECE
    if piece:
        yield piece


def _write_parts(name: str, parts: Sequence[_Part]) -> None:
    growing = _growing(name)
    growing.parent.mkdir(parents=True, exist_ok=True)
    with growing.open("r+b" if growing.exists() else "xb") as file:
        for start, part in parts:
            file.seek(start)
            file.write(part)


def _mapped(name: str, pieces: Sequence[Broadcast[Any]]) -> mmap.mmap:
    folder = host_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with alone(folder):
        if not path.exists():
            for piece in pieces:
                piece.value  # noqa: B018 - unpickling it writes it
            _growing(name).replace(path)
        with suppress(FileNotFoundError):
            _growing(name).unlink()  # an encrypted broadcast is unpickled by every worker, asked or not
        with path.open("rb") as file:
            # The mapping keeps the lock: a file that nobody holds is left from a search that has ended.
            fcntl.flock(file, fcntl.LOCK_SH)
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        _remove_unused(folder)
    return mapping


def _remove_unused(folder: Path) -> None:
    for other in folder.glob("shared-*"):
        with suppress(OSError), other.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            other.unlink()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep the other processes of this host out of a folder for the time of the block."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _growing(name: str) -> Path:
    # One a process: workers to which Spark has decrypted a broadcast write at the same time.
    return host_folder() / f".{name}.{os.getpid()}"


def host_folder() -> Path:
    """Return the folder for what all workers of an executor share, on YARN all of a host."""
    # YARN's folder of the application; Spark's of the executor.
    places = os.environ.get("LOCAL_DIRS") or os.environ.get("SPARK_LOCAL_DIRS") or tempfile.gettempdir()
    return Path(places.split(",")[0]) / _FOLDER
