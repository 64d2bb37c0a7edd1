"""What all jobs do alike: Spark from their configuration, their exit code, and what they print."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pyspark.sql import SparkSession

from sparksweep.config import SparkConfig
from sparksweep.errors import SparksweepError
from sparksweep.session import open_session
from sparksweep.storage import hadoop_configuration

__all__ = ["exit_code", "open_spark", "say"]


def exit_code(work: Callable[[], object]) -> int:
    """Do the work of a job and return its exit code.

    0 after its end; 2 after an error that names its remedy, which is printed in one sentence; 128 and the
    number of the signal after Ctrl-C and SIGTERM, as in a shell.
    """
    try:
        work()
    except SparksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("Run the same command again to go on.\n")
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    return 0


@contextmanager
def open_spark(config: SparkConfig, uris: Sequence[str]) -> Iterator[SparkSession]:
    """Start or join Spark for a job that uses some URIs. SIGTERM ends the block like Ctrl-C."""
    # Spark gets keys only where it reads or writes Azure itself.
    is_azure = any(uri.startswith(("abfs", "wasb")) for uri in uris)
    with (
        open_session(
            "sparksweep",
            master=config.master,
            conf=config.conf,
            hadoop_conf=hadoop_configuration(os.environ, uris) if is_azure else {},
            azure=is_azure,
        ) as spark,
        _terminable(),
    ):
        yield spark


def say(text: str) -> None:
    """Print a line on standard output, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which is to end a job as Ctrl-C does."""


@contextmanager
def _terminable() -> Iterator[None]:
    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
