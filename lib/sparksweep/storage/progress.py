"""Bytes that move: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm.auto import tqdm

__all__ = ["show_bytes"]

#: Seconds between two plain lines.
LINE_EVERY = 10.0


@contextmanager
def show_bytes(
    action: str,
    total: int,
    enabled: bool = True,
    *,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[int], None]]:
    """Show how many of ``total`` bytes have moved.

    Parameters
    ----------
    action : str
        Such as ``"downloading"``.
    total : int
    enabled : bool
        Whether to show anything.
    stream : text stream
        Standard error if not given.
    clock : callable
        Seconds that only grow.

    Yields
    ------
    callable
        To be called with a number of bytes, from any thread.
    """
    stream = sys.stderr if stream is None else stream
    lock = threading.Lock()
    if not enabled:
        yield lambda _count: None
    elif stream.isatty():
        with tqdm(
            total=total, desc=action, unit="B", unit_scale=True, file=stream, dynamic_ncols=True
        ) as bar:
            yield lambda count: _advance(bar, lock, count)
    else:
        lines = _Lines(action, total, stream, clock, lock)
        yield lines
        lines.end()


def _advance(bar: tqdm[Any], lock: threading.Lock, count: int) -> None:
    with lock:
        bar.update(count)


class _Lines:
    """Writes a line every ``LINE_EVERY`` seconds, and one at the end."""

    def __init__(
        self, action: str, total: int, stream: TextIO, clock: Callable[[], float], lock: threading.Lock
    ) -> None:
        self._action = action
        self._total = total
        self._stream = stream
        self._clock = clock
        self._lock = lock
        self._done = 0
        self._told: int | None = None
        self._start = self._written = clock()

    def __call__(self, count: int) -> None:
        with self._lock:
            self._done += count
            now = self._clock()
            if now - self._written >= LINE_EVERY:
                self._written = now
                self._write()

    def end(self) -> None:
        if self._told != self._done:
            self._write()

    def _write(self) -> None:
        self._told = self._done
        seconds = self._clock() - self._start
        print(
            f"{self._action}: {_megabytes(self._done)} of {_megabytes(self._total)} MB in {seconds:.0f} s",
            file=self._stream,
            flush=True,
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"
