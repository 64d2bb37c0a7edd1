"""What the benchmarks share: a command timed in a process of its own, with the peak memory of its tree."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil

__all__ = ["FailedRunError", "Measurement", "StoppedRunError", "measure", "print_table"]


@dataclass(frozen=True)
class Measurement:
    """Seconds and peak memory of one run. ``output`` is what it wrote to standard output.

    ``peak_mib`` is that of the command and all its descendants, a JVM included, ``workers_mib`` that of the
    Python processes among the descendants. ``sampling_seconds`` of a core went into looking.
    """

    seconds: float
    peak_mib: float
    workers_mib: float
    sampling_seconds: float
    output: str


class FailedRunError(RuntimeError):
    """A command ended with another code than 0. ``errors`` is what it wrote to standard error."""

    def __init__(self, command: str, code: int, errors: str) -> None:
        super().__init__(f"{command} ended with {code}:\n{errors}")
        self.errors = errors


class StoppedRunError(RuntimeError):
    """A command took longer than it may, and was ended."""


def measure(
    command: Sequence[str], *, sample_every: float = 0.05, limit: float | None = None, **popen: object
) -> Measurement:
    """Run a command and sample the proportional set size of it and all its descendants.

    Memory that processes share is counted once, divided among them. The kernel walks a process's pages for
    that while the process may wait for it: some milliseconds for a process of 1 GiB. ``sample_every`` is the
    pause between two looks in seconds, ``limit`` the most seconds that the command may take.
    """
    start, looking, peak, workers_peak = time.perf_counter(), 0.0, 0, 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, text=True, **popen)
        root = psutil.Process(process.pid)
        try:
            while process.poll() is None:
                began = time.process_time()
                if limit is not None and time.perf_counter() - start > limit:
                    raise StoppedRunError(f"stopped after {limit:g} s")
                tree, workers = _tree_bytes(root)
                peak, workers_peak = max(peak, tree), max(workers_peak, workers)
                looking += time.process_time() - began
                time.sleep(sample_every)
        finally:
            _end(root)
            process.wait()
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise FailedRunError(" ".join(command), process.returncode, errors.read())
        return Measurement(seconds, peak / 2**20, workers_peak / 2**20, looking, output.read())


def _tree_bytes(root: psutil.Process) -> tuple[int, int]:
    """Return the bytes of a process and its descendants, and those of the Python processes below it."""
    total = workers = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0
    for process in family:
        try:
            memory = process.memory_full_info()
            name = process.name()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        size = getattr(memory, "pss", memory.rss)  # macOS has no proportional set size
        total += size
        if process != root and name.lower().startswith("python"):
            workers += size
    return total, workers


def _end(root: psutil.Process) -> None:
    """Kill a process that still runs, with its descendants: Ctrl-C or a limit interrupted the run."""
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=10)


def print_table(runs: dict[str, list[tuple[float, float]]], reference: str) -> None:
    """Print median seconds and MiB of each contender's runs, and the ratio of seconds to the reference's."""
    medians = {
        name: [statistics.median(values) for values in zip(*run, strict=True)] for name, run in runs.items()
    }
    print(f"{'':24}{'seconds':>10}{'min-max':>16}{'peak MiB':>10}{f'x {reference}':>20}")
    for name, (seconds, mib) in medians.items():
        times = [run[0] for run in runs[name]]
        spread = f"{min(times):.1f}-{max(times):.1f}"
        ratio = seconds / medians[reference][0]
        print(f"{name:24}{seconds:10.1f}{spread:>16}{mib:10.0f}{ratio:20.2f}")
