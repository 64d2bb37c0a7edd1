"""What the benchmarks share: a command timed in a process of its own, with the peak memory of its tree."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

__all__ = ["Measurement", "measure", "print_table"]

_SAMPLE_EVERY = 0.05


@dataclass(frozen=True)
class Measurement:
    """Seconds and peak MiB of one run. ``output`` is what it wrote to standard output."""

    seconds: float
    peak_mib: float
    output: str


def measure(command: Sequence[str], **popen: object) -> Measurement:
    """Run a command and sample the proportional set size of it and all its descendants, a JVM included.

    Memory that processes share is counted once, divided among them.
    """
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdout=output, stderr=errors, text=True, **popen)
        root = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _tree_bytes(root))
            time.sleep(_SAMPLE_EVERY)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read()}")
        return Measurement(seconds, peak / 2**20, output.read())


def _tree_bytes(root: psutil.Process) -> int:
    total = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            memory = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        total += getattr(memory, "pss", memory.rss)  # macOS has no proportional set size
    return total


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
