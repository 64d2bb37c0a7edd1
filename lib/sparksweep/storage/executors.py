"""Files of the driver, and the executors of a cluster that cannot see them."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pyspark.sql import SparkSession

from sparksweep.storage.local import LocalStore
from sparksweep.storage.progress import show_bytes
from sparksweep.storage.store import Store

__all__ = ["hosts_without", "stage"]

# A task is over so soon that one slot could do them all. This is long enough that every slot gets some.
_SECONDS_A_TASK = 0.1


def hosts_without(spark: SparkSession, paths: Sequence[Path]) -> list[str]:
    """Return the hosts of executors that do not see files of the driver, or see others under their names.

    It runs a small job over all executors that there are now; with a ``local`` master it has none to ask.

    Parameters
    ----------
    spark : SparkSession
    paths : sequence of path
        Files that the driver sees. They are taken for the same where size and name agree.

    Returns
    -------
    list of str
        Sorted host names; empty if all executors see all files.
    """
    context = spark.sparkContext
    master = str(context.master)
    if master == "local" or master.startswith("local["):
        return []
    sizes = {str(path.absolute()): path.stat().st_size for path in paths}
    tasks = 2 * context.defaultParallelism
    seen = context.parallelize(range(tasks), tasks).mapPartitions(lambda _: _look(sizes)).collect()
    return sorted({host for host, sees in seen if not sees})


def _look(sizes: Mapping[str, int]) -> Iterator[tuple[str, bool]]:
    time.sleep(_SECONDS_A_TASK)
    yield socket.gethostname(), all(_size(path) == size for path, size in sizes.items())


def _size(path: str) -> int | None:
    try:
        return Path(path).stat().st_size
    except OSError:
        return None


def stage(local: LocalStore, names: Iterable[str], shared: Store, *, progress: bool = True) -> Store:
    """Copy files of the driver to where executors see them, unless they lie there already.

    They go to a folder whose name stands for their names, sizes and versions, so that a file that somebody
    reads is never replaced. The folder stays there: delete it when nothing reads it any more.

    Parameters
    ----------
    local : LocalStore
    names : iterable of str
        Files of ``local``.
    shared : Store
        A folder that the driver and all executors see.
    progress : bool
        Whether to show how far it is, on standard error.

    Returns
    -------
    Store
        The folder in ``shared`` that has the files, under the same names.
    """
    files = [local.stat(name) for name in sorted(set(names))]
    told = "\n".join(f"{file.name} {file.size} {file.version}" for file in files)
    target = shared.child(f"staged-{hashlib.sha256(told.encode()).hexdigest()[:16]}")
    missing = [file for file in files if not target.exists(file.name)]
    if missing:
        total = sum(file.size for file in missing)
        with show_bytes(f"copying to {target.uri}", total, progress) as report:
            for file in missing:
                target.write(file.name, local.path(file.name))
                report(file.size)
    return target
