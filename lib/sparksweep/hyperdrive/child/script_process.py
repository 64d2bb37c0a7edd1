"""A training script in a process and a folder of its own, that cannot outlive who started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

__all__ = ["ScriptProcess"]


# Isolated: neither the files in the script's folder nor its PYTHONPATH stand in for modules of the guardian.
_START = """import sys
sys.path.append(sys.argv.pop(1))
from sparksweep.hyperdrive.child.guardian import guard
guard()"""


class ScriptProcess:
    """A running command. To be used as a context manager, which ends it at the end of the block.

    Parameters
    ----------
    command : sequence of str
    folder : Path
        Where it runs.
    environ : mapping
        Its whole environment.
    log : file
        Takes its standard output and standard error.
    """

    def __init__(
        self, command: Sequence[str], folder: Path, environ: Mapping[str, str], log: IO[bytes]
    ) -> None:
        root = str(Path(__file__).parents[3])
        told, tell = os.pipe()
        self._group = os.fdopen(told)
        with os.fdopen(tell):
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, root, str(tell), *command],
                cwd=folder,
                env=dict(environ),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[tell],
                # Out of the group of Spark's worker, which ends with a signal to its group.
                start_new_session=True,
            )

    def wait(self, seconds: float | None = None) -> int | None:
        """Wait for its end, and return the exit code; None if it still runs after some seconds.

        A negative one is the number of the signal that killed the guardian, and then the script.
        """
        try:
            code = self._guardian.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        if not self._group.closed:
            with self._group:
                group = self._group.read()
            if code < 0 and group:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(int(group), signal.SIGKILL)
        return code

    def stop(self) -> None:
        """Ask its whole process group to end, by SIGTERM and soon after by SIGKILL."""
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()

    def __enter__(self) -> ScriptProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.wait()
