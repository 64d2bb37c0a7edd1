"""How far a sweep is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TextIO

from tqdm.auto import tqdm

from sparksweep.hyperdrive.child.task import FAILED
from sparksweep.hyperdrive.driver.children import RUNNING, Child
from sparksweep.hyperdrive.driver.results import ranked
from sparksweep.hyperdrive.driver.sweep import Sweep

__all__ = ["SweepProgress", "told"]

# Seconds between two plain lines, and between two looks of a bar.
_LINE_EVERY, _BAR_EVERY = 10.0, 0.1


def told(children: Sequence[Child], *, maximize: bool) -> tuple[int, str]:
    """Return how many runs have ended, and in words how many run, were stopped and failed, and the best."""
    done = sum(child.has_ended for child in children)
    counts = {
        "running": sum(child.status == RUNNING for child in children),
        "stopped early": sum(child.is_stopped_early for child in children),
        "failed": sum(child.status == FAILED for child in children),
    }
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name != "failed")
    best = next((child for child in ranked(children, maximize=maximize) if child.status != FAILED), None)
    value = None if best is None else best.best(maximize=maximize)
    if best is None or value is None:
        return done, text
    return done, f"{text}, best {value:.6g} ({best.id.rpartition('_')[2]})"


class SweepProgress:
    """Shows the runs that are done, that run, that were stopped early, and the best value so far.

    Parameters
    ----------
    total : int
        Runs.
    enabled : bool or None
        None: a bar if ``stream`` is a terminal, else nothing. True: plain lines where there is no terminal.
        False: nothing.
    maximize : bool
    """

    def __init__(
        self,
        total: int,
        enabled: bool | None,
        *,
        maximize: bool,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total = total
        self._maximize = maximize
        self._clock = clock
        self._sweep: Sweep | None = None
        self._bar: tqdm[Any] | None = None
        self._has_lines = bool(enabled) and not self._stream.isatty()
        if self._stream.isatty() and enabled is not False:
            self._bar = tqdm(total=total, desc="runs", unit="run", file=self._stream, dynamic_ncols=True)
        self._every = _LINE_EVERY if self._bar is None else _BAR_EVERY
        self._written = -self._every
        self._line = ""

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(is_last=True)
        if self._bar is not None:
            self._bar.close()

    def watch(self, sweep: Sweep) -> None:
        """Say what to show."""
        self._sweep = sweep

    def show(self) -> None:
        """Show it, but not more often than a person reads."""
        if self._clock() - self._written >= self._every:
            self._write()

    def say(self, text: str) -> None:
        """Show a line, where anything is shown."""
        self._write()
        if self._bar is not None:
            self._bar.write(text, file=self._stream)
        elif self._has_lines:
            self._stream.write(f"{text}\n")
            self._stream.flush()

    def _write(self, *, is_last: bool = False) -> None:
        if self._sweep is None or (self._bar is None and not self._has_lines):
            return
        self._written = self._clock()
        done, text = told(self._sweep.children, maximize=self._maximize)
        if self._bar is not None:
            self._bar.update(done - self._bar.n)
            self._bar.set_postfix_str(text, refresh=False)
            return
        line = f"{done} / {self._total} runs, {text}\n"
        if not (is_last and line == self._line):
            self._stream.write(line)
            self._stream.flush()
        self._line = line
