"""How far a sweep is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

from tqdm.auto import tqdm

from sparksweep.hyperdrive.children import RUNNING
from sparksweep.hyperdrive.results import ranked
from sparksweep.hyperdrive.sweep import Sweep

__all__ = ["SweepProgress", "told"]

#: Seconds between two plain lines.
LINE_EVERY = 10.0


def told(sweep: Sweep, *, maximize: bool) -> str:
    """Return how many runs run, were stopped early and failed, and the best so far."""
    children = sweep.children
    counts = {
        "running": sum(child.status == RUNNING for child in children),
        "stopped early": sum(child.is_stopped_early for child in children),
        "failed": sum(child.status == "Failed" for child in children),
    }
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name != "failed")
    best = next(iter(ranked(children, maximize=maximize)), None)
    value = None if best is None else best.best(maximize=maximize)
    return (
        text if best is None or value is None else f"{text}, best {value:.6g} ({best.id.rpartition('_')[2]})"
    )


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
        self._written = -LINE_EVERY
        self._done = 0

    def __enter__(self) -> SweepProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self.show()
            self._bar.close()
        elif self._has_lines:
            self._write_line()

    def watch(self, sweep: Sweep) -> None:
        """Say what to show."""
        self._sweep = sweep

    def show(self) -> None:
        """Show it, but not more often than a person reads."""
        if self._sweep is None:
            return
        now = self._clock()
        if self._bar is not None:
            done = sum(child.has_ended for child in self._sweep.children)
            self._bar.update(done - self._done)
            self._done = done
            self._bar.set_postfix_str(told(self._sweep, maximize=self._maximize), refresh=False)
        elif self._has_lines and now - self._written >= LINE_EVERY:
            self._written = now
            self._write_line()

    def _write_line(self) -> None:
        if self._sweep is None:
            return
        done = sum(child.has_ended for child in self._sweep.children)
        text = told(self._sweep, maximize=self._maximize)
        self._stream.write(f"{done} / {self._total} runs, {text}\n")
        self._stream.flush()
