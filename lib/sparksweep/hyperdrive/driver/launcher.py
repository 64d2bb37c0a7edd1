"""Child runs as Spark jobs: one job with one task a run, each started by a thread of its own."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable, Mapping
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

__all__ = ["Returned", "SparkLauncher"]

# Seconds to wait for Spark to end jobs that were cancelled.
_CANCEL_SECONDS = 30.0


@dataclass(frozen=True)
class Returned:
    """A run that has come back: how it ended, and the folder on the driver that holds its files."""

    run: str
    ended: Ended
    files: Path


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
        Takes a :class:`Returned`, in some thread.
    """

    def __init__(
        self, sc: SparkContext, trial: Trial, address: Address, returned: Callable[[Returned], None]
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
        #: How many runs Spark does at once; None where it takes more machines as there is more to do.
        self.slots = _slots(sc)

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
        if not alive:
            self._trial.destroy()  # else it is left to Spark: tasks that are being killed still use it
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
                unpack(pieces, files)
        except Exception as error:
            ended = Ended(FAILED, _told(error))
        if not self._is_closing:
            self._returned(Returned(run, ended, files))


def _slots(sc: SparkContext) -> int | None:
    if sc.getConf().get("spark.dynamicAllocation.enabled") == "true":
        return None
    cluster = Cluster.of(sc)
    return max(1, cluster.cores // cluster.task_cpus)


def _told(error: Exception) -> str:
    """Return what Spark says of a job that failed, its own stack left out."""
    text = str(getattr(error, "java_exception", None) or error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "Spark could not do the run: " + (lines[0][:500] if lines else type(error).__name__)
