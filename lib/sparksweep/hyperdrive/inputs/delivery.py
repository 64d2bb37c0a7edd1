"""Inputs on their way to the executors: their bytes are sent once and lie on each host once, as files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession

from sparksweep.hyperdrive.inputs.dataset import InputDataset, Kind, NamedInput
from sparksweep.search.resources import Cluster
from sparksweep.search.shared import alone, host_folder
from sparksweep.storage import LocalStore

__all__ = ["PackedInput", "pack", "unpacked", "work_folder"]

_INPUTS = "inputs"


@dataclass(frozen=True)
class PackedFile:
    """A file: where it lies already on the machine of the tasks, or its bytes."""

    name: str
    version: str
    path: Path | None = None
    content: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class PackedInput:
    """A named input, ready to be sent. ``folder`` is that of its files where no bytes are sent."""

    name: str
    kind: Kind
    files: tuple[PackedFile, ...]
    folder: Path | None

    @property
    def digest(self) -> str:
        """Tells its content from another, where its stores do."""
        told = "\n".join(f"{file.name} {file.version}" for file in self.files)
        return hashlib.sha256(f"{self.kind}\n{told}".encode()).hexdigest()


def pack(inputs: Sequence[NamedInput], spark: SparkSession) -> tuple[PackedInput, ...]:
    """Find the files of inputs, and read those that the tasks do not see by themselves.

    Local files are seen by the tasks of a local master alone. The driver holds the others in memory.

    Raises
    ------
    StorageError
        If a file is missing or cannot be read.
    """
    is_local = Cluster.of(spark.sparkContext).is_local
    return tuple(_pack(one, spark, is_local=is_local) for one in inputs)


def _pack(one: NamedInput, spark: SparkSession, *, is_local: bool) -> PackedInput:
    files, roots = [], set()
    for number, file in enumerate(one.dataset.find(spark)):
        name = f"{number:04}/{file.name}" if len(one.dataset.uris) > 1 else file.name
        if is_local and isinstance(file.store, LocalStore):
            roots.add(file.store.root)
            files.append(PackedFile(name, file.version, path=file.store.path(file.name)))
        else:
            content = np.frombuffer(file.store.read(file.name), np.uint8)
            files.append(PackedFile(name, file.version, content=content))
    folder = None if any(file.path is None for file in files) else Path(os.path.commonpath(roots))
    return PackedInput(one.name, one.dataset.kind, tuple(files), folder)


@contextmanager
def unpacked(inputs: Sequence[PackedInput]) -> Iterator[Mapping[str, InputDataset]]:
    """Give the inputs as files of this host for the time of the block, at its end for who comes next."""
    with _held(inputs) as folder:
        yield {
            one.name: InputDataset(
                one.kind,
                tuple(file.path or folder / one.name / file.name for file in one.files),
                one.folder or folder / one.name,
            )
            for one in inputs
        }


@contextmanager
def _held(inputs: Sequence[PackedInput]) -> Iterator[Path]:
    digest = hashlib.sha256("\n".join(f"{one.name} {one.digest}" for one in inputs).encode()).hexdigest()
    root = host_folder()
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{_INPUTS}-{digest[:20]}"
    if not any(file.content is not None for one in inputs for file in one.files):
        yield folder
        return
    with alone(root):
        if not folder.exists():
            _write(inputs, folder)
        used = (folder / ".used").open("r")
        fcntl.flock(used, fcntl.LOCK_SH)
        _remove_unused(root, folder)
    with used:
        yield folder


def _write(inputs: Sequence[PackedInput], folder: Path) -> None:
    growing = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    for one in inputs:
        for file in one.files:
            if file.content is not None:
                path = growing / one.name / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.content.data)
                path.chmod(0o444)  # all runs of this host share it
    (growing / ".used").touch()
    growing.rename(folder)


def _remove_unused(root: Path, ours: Path) -> None:
    """Remove what sweeps have left that have ended."""
    for other in root.glob(f"{_INPUTS}-*"):
        with suppress(OSError):
            if other != ours and _is_free(other / ".used"):
                shutil.rmtree(other)


def _is_free(path: Path) -> bool:
    with path.open("r") as used:
        try:
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
    return True


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """Give a new folder for a run, and remove it afterwards."""
    folder = host_folder() / f"run-{name}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
