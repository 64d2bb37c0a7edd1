"""What it costs that runs report: processor seconds on both sides, of a sweep whose runs log once a second.

The runs are in a process of their own and do nothing else, so its processor time is that of their links. The driver's
process has what ships: the server, the sweep with a policy and its journal; and as little else to do.
"""

from __future__ import annotations

import multiprocessing
import queue
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sparksweep.hyperdrive import GridParameterSampling, MedianStoppingPolicy, choice
from sparksweep.hyperdrive.child.link import Address, Link
from sparksweep.hyperdrive.child.task import COMPLETED, Ended
from sparksweep.hyperdrive.driver.children import EVENTS
from sparksweep.hyperdrive.driver.launcher import Returned
from sparksweep.hyperdrive.driver.report_server import Heard, ReportServer
from sparksweep.hyperdrive.driver.sweep import Plan, Sweep
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.journal import Journal
from sparksweep.storage import LocalStore
from tests.bench.replay import NOWHERE, Nobody

__all__ = ["Overhead", "measure_overhead", "print_overhead"]

AT_MOST = 0.01
_PRIMARY = "score"


@dataclass(frozen=True)
class Overhead:
    """Processor seconds of the runs' process and of the driver's, for reports of some runs in some seconds."""

    runs: int
    seconds: float
    reports: int
    in_runs: float
    in_driver: float

    @property
    def share(self) -> float:
        """Of a run's time, at both ends together."""
        return (self.in_runs + self.in_driver) / (self.runs * self.seconds)


def print_overhead(seconds: int = 20, every: float = 1.0) -> None:
    """Measure one run, and a hundred at once, and print what reporting costs."""
    print(
        f"runs that report every {every:g} s for {seconds} s; processor ms a report, and the share of a run's time"
    )
    print(f"{'runs at once':>12}{'reports':>9}{'run ms':>8}{'driver ms':>11}{'both':>8}{'at most':>9}")
    for runs in (1, 100):
        one = measure_overhead(runs, seconds, every)
        verdict = "reached" if one.share <= AT_MOST else "missed"
        print(
            f"{one.runs:12d}{one.reports:9d}{1000 * one.in_runs / one.reports:8.2f}"
            f"{1000 * one.in_driver / one.reports:11.2f}{one.share:8.2%}{AT_MOST:9.2%}  {verdict}",
            flush=True,
        )


def measure_overhead(runs: int, reports: int, every: float) -> Overhead:
    """Let runs report so often, with some seconds between two reports, to a sweep in this process."""
    sampling = GridParameterSampling({"number": choice(*range(runs))})
    plan = Plan(sampling, MedianStoppingPolicy(), _PRIMARY, True, runs, None, 1e9)
    messages: queue.SimpleQueue[Heard | Returned | str] = queue.SimpleQueue()
    with tempfile.TemporaryDirectory() as folder, ReportServer(messages.put, most_runs=runs) as server:
        launcher = _OneProcess(server.address, runs, reports, every, messages)
        store, fingerprint = LocalStore(Path(folder)), Fingerprint({"bench": "reporting"})
        with Journal.open(store, fingerprint, EVENTS) as journal:
            sweep = Sweep(plan, "bench", journal, Nobody(), messages=messages)
            began = time.process_time()
            sweep.run(launcher)
        in_driver = time.process_time() - began
    heard = sum(len(child.values) for child in sweep.children)
    return Overhead(runs, launcher.seconds, heard, launcher.processor_seconds, in_driver)


class _OneProcess:
    """Has all runs in one process, which lies ready, and begins with them when the sweep has started the last."""

    def __init__(
        self,
        address: Address,
        runs: int,
        reports: int,
        every: float,
        messages: queue.SimpleQueue[Heard | Returned | str],
    ) -> None:
        self.slots = runs
        self.seconds = self.processor_seconds = 0.0
        self._started: list[str] = []
        self._messages = messages
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_report, args=(address, reports, every, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._connection.recv()  # it has imported what it needs

    def start(self, run: str, setting: Mapping[str, Any], tries: int) -> None:
        self._started.append(run)
        if len(self._started) == self.slots:
            threading.Thread(target=self._wait, daemon=True).start()

    def cancel(self, run: str) -> None:
        raise AssertionError(f"no run is to be ended, but {run} is")

    def _wait(self) -> None:
        self._connection.send(self._started)
        try:
            self.seconds, self.processor_seconds = self._connection.recv()
        except EOFError:
            self._messages.put("the process of the runs has ended")
        self._process.join()
        for run in self._started:
            self._messages.put(Returned(run, Ended(COMPLETED), NOWHERE))


def _report(address: Address, reports: int, every: float, connection: Connection) -> None:
    """Log in turn for all runs, evenly over the seconds."""
    connection.send("ready")
    runs: Sequence[str] = connection.recv()
    start, began = time.perf_counter(), time.process_time()
    with ExitStack() as stack:
        links = [stack.enter_context(Link(address, run, 0)) for run in runs]
        for step in range(reports):
            for place, link in enumerate(links):
                due = start + every * (step + place / len(links))
                time.sleep(max(0.0, due - time.perf_counter()))
                # All equal, so that the policy compares but ends none.
                link.log([Metric(_PRIMARY, 0.5, step, time.time())])
        time.sleep(max(0.0, start + every * reports - time.perf_counter()))
    connection.send((time.perf_counter() - start, time.process_time() - began))
