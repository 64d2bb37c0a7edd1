"""Progress of a search: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from tqdm.auto import tqdm

__all__ = ["show_progress"]

#: Seconds between two plain lines: a night's log stays short, and a watcher still sees it move.
LINE_EVERY = 10.0


@contextmanager
def show_progress(
    total: int,
    enabled: bool | None,
    *,
    before: int = 0,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[], None]]:
    """Show how many of ``total`` fits are done, the time that passed and the time that is to be expected.

    Parameters
    ----------
    total : int
    enabled : bool or None
        None: a bar if ``stream`` is a terminal, else nothing. True: plain lines where there is no
        terminal. False: nothing.
    before : int
        Fits of an earlier run, which count as done and not for the time that is to be expected.
    stream : text stream
        Standard error if not given.
    clock : callable
        Seconds that only grow.

    Yields
    ------
    callable
        To be called once a finished fit.
    """
    stream = sys.stderr if stream is None else stream
    if stream.isatty() and enabled is not False:
        with tqdm(
            total=total, initial=before, desc="fits", unit="fit", file=stream, dynamic_ncols=True
        ) as bar:
            yield lambda: _advance(bar)
    elif enabled:
        yield _Lines(total, before, stream, clock)
    else:
        yield lambda: None


def _advance(bar: tqdm[Any]) -> None:
    bar.update()


class _Lines:
    """Writes a line at the start, at most every ``LINE_EVERY`` seconds, and at the end."""

    def __init__(self, total: int, before: int, stream: TextIO, clock: Callable[[], float]) -> None:
        self._total = total
        self._before = before
        self._stream = stream
        self._clock = clock
        self._done = before
        self._start = self._written = clock()
        self._write(f" ({before} of them in the journal)" if before else "")

    def __call__(self) -> None:
        self._done += 1
        now = self._clock()
        if self._done < self._total and now - self._written < LINE_EVERY:
            return
        self._written = now
        elapsed = now - self._start
        expected = elapsed / (self._done - self._before) * (self._total - self._done)
        self._write(f", {_clock_text(elapsed)} elapsed, {_clock_text(expected)} to go")

    def _write(self, times: str) -> None:
        print(f"{self._done} / {self._total} fits{times}", file=self._stream, flush=True)


def _clock_text(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"
