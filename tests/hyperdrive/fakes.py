"""Twins in memory of what a sweep talks to: Spark's side of the runs, and what keeps or shows them."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparksweep.hyperdrive.child.task import COMPLETED, FAILED, Ended
from sparksweep.hyperdrive.driver.launcher import Returned
from sparksweep.hyperdrive.driver.report_server import Heard
from sparksweep.hyperdrive.metrics import Metric

NOWHERE = Path("/nonexistent")


def metrics(values, name="score"):
    return tuple(Metric(name, value, step, 0.0) for step, value in enumerate(values))


@dataclass
class Recorded:
    """Takes note of what it is told, in order."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    new_attempts: list[str] = field(default_factory=list)

    def started(self, child):
        self.lines.append(("started", child.id))

    def heard(self, child, metrics, *, is_new_attempt):
        if is_new_attempt:
            self.new_attempts.append(child.id)

    def ended(self, child):
        self.lines.append(("ended", child.id))


@dataclass
class Runs:
    """Plays the runs of a sweep in one thread: each ``step`` lets one of them log its next value, or end.

    ``curve`` takes a setting and returns the values that a run logs one by one; an exception fails it.
    """

    curve: Callable[[dict[str, Any]], Iterator[float]]
    slots: int | None = 2
    sweep: Any = None
    started: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _alive: dict[str, tuple[int, Iterator[float], list[Metric]]] = field(default_factory=dict)
    _turn: int = 0

    def start(self, run, setting, tries):
        self.started.append(run)
        self._alive[run] = (1000 * tries, iter(self.curve(setting)), [])
        self.most_at_once = max(self.most_at_once, len(self._alive))

    def cancel(self, run):
        self.cancelled.append(run)
        if run in self._alive:
            attempt, _, logged = self._alive.pop(run)
            self.sweep.hear(
                Returned(run, Ended(FAILED, "cancelled", attempt, metrics=tuple(logged)), NOWHERE)
            )

    def step(self):
        """Let the next run in turn do something. Returns what the driver has answered."""
        if not self._alive:
            return
        run = sorted(self._alive)[self._turn % len(self._alive)]
        self._turn += 1
        attempt, values, logged = self._alive[run]
        try:
            logged.append(Metric("score", next(values), len(logged), 0.0))
        except StopIteration:
            self._return(run, COMPLETED)
            return
        except ValueError as error:
            self._return(run, FAILED, str(error))
            return
        answer: Future[bool] = Future()
        self.sweep.hear(Heard(run, attempt, "host", len(logged) - 1, (logged[-1],), answer))
        self.answers[run] = answer

    answers: dict[str, Future[bool]] = field(default_factory=dict)

    def _return(self, run, status, error=None):
        attempt, _, logged = self._alive.pop(run)
        self.sweep.hear(Returned(run, Ended(status, error, attempt, "host", 1.0, tuple(logged)), NOWHERE))

    def obey(self):
        """End the runs that were told to stop."""
        for run, answer in list(self.answers.items()):
            if answer.done() and answer.result() and run in self._alive:
                self._return(run, "Canceled")


class Clock:
    """Seconds that pass when they are told to; each look takes a hundredth."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.01
        return self.now


class Messages:
    """The queue of a sweep, which lets the runs go on whenever the sweep waits for a message."""

    def __init__(self, runs, before_each=lambda: None):
        self._runs = runs
        self._waiting = []
        self._before_each = before_each

    def put(self, message):
        self._waiting.append(message)

    def get(self, timeout):
        self._before_each()
        self._runs.obey()
        if not self._waiting:
            self._runs.step()
        if not self._waiting:
            raise queue.Empty
        return self._waiting.pop(0)
