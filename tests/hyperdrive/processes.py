"""What tests ask about processes, and about what happens soon."""

from __future__ import annotations

import os
import time
from pathlib import Path


def within(seconds, what):
    """Return what a function finds as soon as it finds something."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} seconds"
        time.sleep(0.02)
    return found


def is_running(process: int) -> bool:
    """Whether a process is there, and not only as one whose end nobody has asked for."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text()
    except ProcessLookupError:
        return False
    except OSError:  # no /proc, or none any more
        return not Path("/proc/self").exists()
    return state.rpartition(")")[2].split()[0] not in "ZX"


def pids(path: Path, count: int = 1) -> list[int]:
    """Wait until so many processes have written their numbers into a file, and return these."""

    def read():
        return path.exists() and len(path.read_text().split()) >= count and path.read_text().endswith("\n")

    within(90, read)
    return list(map(int, path.read_text().split()))
