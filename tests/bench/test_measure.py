"""The benchmarks' eyes: the memory of a whole tree, and the end of a run that takes too long."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.bench.measure import FailedRunError, StoppedRunError, measure

# A process that holds some MiB for a moment, and a parent that starts it.
_HOLD = "import sys, time; held = b'x' * ({mib} * 2**20); print('held', flush=True); time.sleep({seconds})"
_PARENT = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
with open(sys.argv[2], "w") as file:
    file.write(str(child.pid))
held = b"x" * (100 * 2**20)
child.wait()
"""


def test_workers_are_the_python_processes_below_the_driver(tmp_path: Path) -> None:
    child = _HOLD.format(mib=60, seconds=1)

    measured = measure([sys.executable, "-c", _PARENT, child, str(tmp_path / "pid")])

    assert measured.output == "held\n"
    assert 60 <= measured.workers_mib < 100
    assert measured.peak_mib >= measured.workers_mib + 100
    assert 0 < measured.sampling_seconds < measured.seconds


def test_other_descendants_are_no_workers() -> None:
    measured = measure(["sh", "-c", "sleep 0.5; true"])
    assert measured.peak_mib > 0
    assert measured.workers_mib == 0


def test_a_run_beyond_its_limit_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(StoppedRunError, match=r"stopped after 1 s"):
        measure([sys.executable, "-c", _PARENT, _HOLD.format(mib=1, seconds=60), str(pid)], limit=1)

    child = int(pid.read_text())
    until = time.monotonic() + 10
    while _is_running(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_running(child)


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_fails_tells_what_it_said() -> None:
    with pytest.raises(FailedRunError, match=r"ended with 3") as caught:
        measure(
            [sys.executable, "-c", "import sys; sys.stderr.write('no such folder'); sys.exit(3)"],
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
        )
    assert caught.value.errors == "no such folder"
