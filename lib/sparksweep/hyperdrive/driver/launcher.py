"""Child runs as Spark jobs: one job with one task a run, each started by a thread of its own."""

from __future__ import annotations

import math
import re
import tempfile
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark import RDD, InheritableThread, SparkContext, cloudpickle

from sparksweep.hyperdrive.child.link import Address
from sparksweep.hyperdrive.child.outputs import unpack
from sparksweep.hyperdrive.child.task import CANCELED, FAILED, Ended, Order, Trial, run_child
from sparksweep.search.resources import Cluster
from sparksweep.search.shared import Shared
from sparksweep.session import ship_package

__all__ = ["Returned", "SparkGone", "SparkLauncher"]

# Seconds to wait for Spark to end jobs that were cancelled.
_CANCEL_SECONDS = 30.0

# Seconds for which a number of slots is taken for true.
_SLOTS_FOR = 5.0

# The last line of a traceback. Java's classes stand in packages of theirs.
_PYTHON_ERROR = re.compile(r"(?!java|org\.apache|py4j)[\w.]*(Error|Exception|Interrupt|Exit)\b")


@dataclass(frozen=True)
class Returned:
    """A run that has come back: how it ended, and the folder on the driver that holds its files."""

    run: str
    ended: Ended
    files: Path


@dataclass(frozen=True)
class SparkGone:
    """Spark has ended, and its runs with it. That is no fault of theirs: another Spark may do them again."""


class SparkLauncher:
    """Starts runs on Spark. To be closed; that ends what still runs.

    Parameters
    ----------
    sc : SparkContext
    trial : Trial
        Sent to each host once.
    address : Address
        Where the driver listens.
    returned : callable
        Takes a :class:`Returned` or :class:`SparkGone`, in some thread.
    """

    def __init__(
        self,
        sc: SparkContext,
        trial: Trial,
        address: Address,
        returned: Callable[[Returned | SparkGone], None],
    ) -> None:
        self._sc = sc
        self._trial = Shared(sc, trial)
        self._address = address
        self._returned = returned
        self._group = f"sparksweep-{uuid.uuid4()}"
        self._files = tempfile.TemporaryDirectory(prefix="sparksweep-outputs-")
        self._threads: dict[str, threading.Thread] = {}
        self._cancelled: set[str] = set()
        self._is_closing = False
        self._slots: int | None = None
        self._slots_are_known_until = -math.inf
        ship_package(sc)

    @property
    def slots(self) -> int | None:
        """How many runs Spark does at once; None where it takes more machines as there is more to do.

        Executors may come after the sweep has begun, so Spark is asked again now and then.
        """
        now = time.monotonic()
        if now >= self._slots_are_known_until:
            with suppress(Exception):  # Spark may be gone, of which the runs tell
                self._slots = _slots(self._sc)
            self._slots_are_known_until = now + _SLOTS_FOR
        return self._slots

    def start(self, run: str, setting: Mapping[str, Any], tries: int) -> None:
        """Start a run. This waits for nothing."""
        content = cloudpickle.dumps(Order(run, setting, tries, self._address))  # type: ignore[no-untyped-call]  # pyspark's copy has no types
        thread = InheritableThread(target=self._run, args=(run, content), daemon=True)
        self._threads[run] = thread
        thread.start()

    def cancel(self, run: str) -> None:
        """Let Spark end a run, whatever it does. It comes back as one that failed."""
        self._cancelled.add(run)
        with suppress(Exception):  # Spark may be gone
            self._sc.cancelJobGroup(f"{self._group}-{run}")

    def close(self) -> None:
        """End what still runs and free what was sent."""
        self._is_closing = True
        alive = {run: thread for run, thread in self._threads.items() if thread.is_alive()}
        for run in alive:
            self.cancel(run)
        for run, thread in alive.items():
            thread.join(_CANCEL_SECONDS / 10)
            if thread.is_alive():
                self.cancel(run)  # again: it may have started its job only now
                thread.join(_CANCEL_SECONDS / len(alive))
        if not alive:  # else it is left to Spark: tasks that are being killed still use it
            with suppress(Exception):  # Spark may be gone
                self._trial.destroy()
        self._files.cleanup()

    def _run(self, run: str, content: bytes) -> None:
        shared = self._trial
        files = Path(self._files.name, run)
        try:
            self._sc.setJobGroup(f"{self._group}-{run}", f"sparksweep: {run}", interruptOnCancel=True)
            if run in self._cancelled:
                ended = Ended(CANCELED)
            else:
                rdd: RDD[bytes] = self._sc.parallelize([content], 1)
                work = rdd.mapPartitions(lambda orders: run_child(next(iter(orders)), shared))
                first, *pieces = work.collect()
                ended = Ended.from_json(first)
                _unpack(run, pieces, files)
            came: Returned | SparkGone = Returned(run, ended, files)
        except Exception as error:
            gone = _is_gone(self._sc)
            came = SparkGone() if gone else Returned(run, Ended(FAILED, _told(error)), files)
        if not self._is_closing:
            self._returned(came)


def _unpack(run: str, pieces: Sequence[bytes], files: Path) -> None:
    try:
        unpack(pieces, files)
    except OSError as error:  # a full disk is no reason to lose what the run has found
        warnings.warn(f"The files of {run} are not kept: {error}", RuntimeWarning, stacklevel=2)


def _is_gone(sc: SparkContext) -> bool:
    try:
        _ = sc.defaultParallelism  # which a Spark that has ended does not tell
    except Exception:
        return True
    return False


def _slots(sc: SparkContext) -> int | None:
    if sc.getConf().get("spark.dynamicAllocation.enabled") == "true":
        return None
    cluster = Cluster.of(sc)
    return max(1, cluster.cores // cluster.task_cpus)


def _told(error: Exception) -> str:
    """Return what Spark says of a job that failed: the error of Python if it has one, else its first line."""
    text = str(getattr(error, "java_exception", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    of_python = [line for line in lines if _PYTHON_ERROR.match(line)]
    told = (of_python or lines or [type(error).__name__])[0]
    return f"Spark could not do the run: {told[:500]}"
