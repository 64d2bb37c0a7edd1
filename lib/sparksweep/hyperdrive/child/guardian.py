"""Starts a command in a process group of its own, and ends the group when nobody needs it any more.

It ends with the command's exit code, or 128 and a signal's number. Its standard input is the line to whom it
works for: when that is closed, by intention or because that process was killed, even by ``kill -9``, the
whole group gets SIGTERM and soon after SIGKILL. What the command leaves running in its group is killed when
the command ends. The group's number is written into a pipe at once, so that the other side can do the same if
it is the guardian that is killed.

A process group is all that a portable program can hold on to: a process that makes a session of its own
(``setsid``) is out of reach.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["GRACE", "guard", "main"]

#: Seconds between SIGTERM and SIGKILL.
GRACE = 2.0


def main(command: Sequence[str], tell: int) -> int:
    """Run a command and return its exit code, 128 and the number of a signal that ended it.

    ``tell`` is the file descriptor to which the number of its process group is written.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        # Spark's daemon ends with a signal to its whole group. Not SIG_IGN, which the command would inherit.
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # ignored in what a shell starts in the background
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        return 127
    os.write(tell, str(process.pid).encode())
    is_stopping = threading.Event()
    watcher = threading.Thread(target=_watch, args=(process, is_stopping), daemon=True)
    watcher.start()
    code = process.wait()
    if is_stopping.is_set():
        watcher.join()  # a shell that is told to stop is gone at once; what it had started may still clean up
    _signal(process, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _watch(process: subprocess.Popen[bytes], is_stopping: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    is_stopping.set()
    _signal(process, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while time.monotonic() < end and _signal(process, 0):
        time.sleep(0.02)
    _signal(process, signal.SIGKILL)


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Signal the group, and return whether there is one."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group that is ending
        return False
    return True


def guard() -> NoReturn:
    """Run what the arguments of this process say, a file descriptor and a command. End with its exit code."""
    sys.exit(main(sys.argv[2:], int(sys.argv[1])))
