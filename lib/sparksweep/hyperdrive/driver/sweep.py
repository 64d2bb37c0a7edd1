"""One sweep on the driver: it asks the sampler, starts runs, hears them, asks the policy, keeps a journal.

It is one thread that takes one message after the other. What it decides depends on the order of the messages
alone; whatever it learns and decides goes into the journal. A sweep that goes on reads the journal first, and
asks and tells the sampler again in the same order.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sparksweep.errors import ConfigError, SetupError
from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED
from sparksweep.hyperdrive.driver.children import POLICY, QUEUED, Child, Event, as_json, changed
from sparksweep.hyperdrive.driver.launcher import Returned, SparkGone
from sparksweep.hyperdrive.driver.report_server import Heard
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.hyperdrive.sampling.proposals import Known, Proposals
from sparksweep.hyperdrive.sampling.samplers import Sampling, sampling_to_yaml
from sparksweep.hyperdrive.termination.policies import Policy
from sparksweep.hyperdrive.termination.reports import Reports
from sparksweep.search.journal import Journal

__all__ = ["BY_USER", "Launcher", "Messages", "Plan", "Recorder", "Sweep"]

#: Why a sweep is over that a user has ended.
BY_USER = "canceled by the user"

# Seconds that a run has to end by itself, with its files, before Spark ends it.
_GRACE = 60.0

# Seconds between two looks at the clock.
_TICK = 1.0


@dataclass(frozen=True)
class Plan:
    """What a sweep is to do.

    ``known`` are settings and values of earlier sweeps; ``seconds`` is the most that this one takes.
    """

    sampling: Sampling
    policy: Policy
    primary: str
    maximize: bool
    max_total_runs: int
    max_concurrent_runs: int | None
    seconds: float
    known: Known = ()


class Launcher(Protocol):
    """What starts runs."""

    @property
    def slots(self) -> int | None:
        """How many runs there can be at once; None for no bound."""

    def start(self, run: str, setting: Mapping[str, Any], tries: int) -> None:
        """Start a run."""

    def cancel(self, run: str) -> None:
        """End a run by force."""


class Recorder(Protocol):
    """What is told of the runs, to keep or to show it."""

    def started(self, child: Child) -> None:
        """Take note that a run was sent to Spark, for the first time or again."""

    def heard(self, child: Child, metrics: Sequence[Metric], *, is_new_attempt: bool) -> None:
        """Take note that a run lives, and what it has logged since."""

    def ended(self, child: Child) -> None:
        """Take note that a run is over."""


class Messages(Protocol):
    """What other threads tell a sweep: what was heard or came back, that Spark has gone, why it is to end."""

    def put(self, message: Heard | Returned | SparkGone | str, /) -> None:
        """Take a message, in any thread."""

    def get(self, *, timeout: float) -> Heard | Returned | SparkGone | str:
        """Wait for the next one. queue.Empty after some seconds."""


class Sweep:
    """Runs the children of a sweep until all have ended.

    Parameters
    ----------
    plan : Plan
    sweep_id : str
    journal : Journal of Event
    recorder : Recorder
    clock : callable
        Seconds that only grow.
    messages : queue, optional
        Of what the sweep is told from other threads.

    Raises
    ------
    ConfigError
        If the sampler does not propose what the journal has, as another version of its library may do.
    """

    def __init__(
        self,
        plan: Plan,
        sweep_id: str,
        journal: Journal[Event],
        recorder: Recorder,
        clock: Callable[[], float] = time.monotonic,
        messages: Messages | None = None,
    ) -> None:
        self._plan = plan
        self._id = sweep_id
        self._journal = journal
        self._recorder = recorder
        self._clock = clock
        self._children: dict[int, Child] = {}
        self._numbers: dict[str, int] = {}
        self._running: set[int] = set()
        self._to_end: dict[int, float] = {}
        self._messages: Messages = queue.SimpleQueue() if messages is None else messages
        self._over: str | None = None
        self._is_exhausted = False
        self._events = len(journal.results)
        events = [journal.results[key] for key in sorted(journal.results)]
        self._before = max((event["at"] for event in events), default=0.0)
        self._start = clock()
        self._proposals = self._begin(events)
        self._replay(events)

    @property
    def children(self) -> tuple[Child, ...]:
        """All runs that were asked for, in order. To be read from any thread."""
        return tuple(self._children.values())

    @property
    def why_over(self) -> str | None:
        """Why no more runs are started, where that is not that all have been."""
        return self._over

    @property
    def seconds(self) -> float:
        """The time that drivers have worked on this sweep."""
        return self._before + self._clock() - self._start

    def hear(self, message: Heard | Returned | SparkGone) -> None:
        """Take a message, in any thread."""
        self._messages.put(message)

    def cancel(self, why: str = BY_USER) -> None:
        """End the sweep and its runs, from any thread."""
        self._messages.put(why)

    def run(self, launcher: Launcher) -> None:
        """Run all children."""
        while True:
            self._fill(launcher)
            if not self._running:
                return
            try:
                message = self._messages.get(timeout=_TICK)
            except queue.Empty:
                pass
            else:
                if isinstance(message, Heard):
                    stop = self._take(message)
                    with suppress(InvalidStateError):  # nobody waits any more
                        message.answer.set_result(stop)
                elif isinstance(message, Returned):
                    self._end(message)
                elif isinstance(message, SparkGone):
                    raise SetupError(
                        "Spark has ended while runs were at work: the sweep can go on from what it has, with "
                        "another Spark"
                    )
                else:
                    self._finish(message, launcher)
            self._look_at_the_clock(launcher)

    def _begin(self, events: list[Event]) -> Proposals:
        sampling = self._plan.sampling
        first = next((event for event in events if event["kind"] == "sampling"), None)
        if first is None:
            sampling = sampling.seeded()
            self._note("sampling", **sampling_to_yaml(sampling))
        elif "seed" in first:
            sampling = type(sampling)(sampling.parameter_space, **_options(first))
        return sampling.start(maximize=self._plan.maximize, known=self._plan.known)

    def _replay(self, events: list[Event]) -> None:
        for event in events:
            kind, number = event["kind"], event.get("run", -1)
            if kind == "sampling":
                continue
            if kind == "ask":
                setting = self._proposals.ask()
                if as_json(setting) != event["setting"]:
                    raise ConfigError(
                        f"{self._journal.uri}: the sampler proposes another run {number} than it did before: "
                        "go on with the versions of the libraries that the sweep began with, or begin anew"
                    )
                self._add(number, setting or {})
            elif kind == "tell":
                self._proposals.tell(number, event["value"])
            else:
                self._children[number] = changed(self._children[number], event, self._plan.primary)
        told = {event["run"] for event in events if event["kind"] == "tell"}
        for child in self.children:
            if child.word is not None and not child.has_ended:
                # The driver had decided, and has gone before the run had ended. The recorder is told of all
                # that had ended before this one begins.
                self._over_with(child, CANCELED, child.word)
            elif child.has_ended and child.number not in told:
                self._tell(self._children[child.number])

    def _fill(self, launcher: Launcher) -> None:
        bounds = [self._plan.max_concurrent_runs, launcher.slots, self._plan.max_total_runs]
        room = min(bound for bound in bounds if bound is not None)
        while self._over is None and len(self._running) < room:
            waiting = self._next()
            if waiting is None:
                return
            self._running.add(waiting.number)
            self._change(waiting, "start", tries=waiting.tries + 1)
            child = self._children[waiting.number]
            self._recorder.started(child)
            launcher.start(child.id, child.setting, child.tries)

    def _next(self) -> Child | None:
        """Return the run to start next: first those that an earlier driver had started."""
        for child in self.children:
            if not child.has_ended and child.number not in self._running:
                return child
        if len(self._children) >= self._plan.max_total_runs or self._is_exhausted:
            return None
        setting = self._proposals.ask()
        if setting is None:
            self._is_exhausted = True
            return None
        number = len(self._children)
        self._note("ask", run=number, setting=as_json(setting))
        return self._add(number, setting)

    def _add(self, number: int, setting: Mapping[str, Any]) -> Child:
        child = Child(number, f"{self._id}_{number}", setting)
        self._children[number] = child
        self._numbers[child.id] = number
        return child

    def _take(self, heard: Heard) -> bool:
        """Take a run's message, and return whether it is to stop."""
        number = self._numbers.get(heard.run)
        if number is None:
            return False
        child = self._children[number]
        if child.has_ended or heard.attempt < child.attempt:
            return True  # an attempt that Spark has given up, but that does not know it
        is_new = heard.attempt > child.attempt
        known = 0 if is_new else len(child.metrics)
        fresh = heard.metrics[max(0, known - heard.first) :]
        if not fresh and not is_new:
            return child.word is not None
        # The policy decides at every interval, also where several come at once.
        for metrics in _to_each_interval(fresh, self._plan.primary):
            self._change(
                self._children[number],
                "heard",
                attempt=heard.attempt,
                host=heard.host,
                metrics=[metric.to_json() for metric in metrics],
            )
            if metrics and metrics[-1].name == self._plan.primary:
                self._decide(self._children[number])
        return self._children[number].word is not None

    def _decide(self, child: Child) -> None:
        if child.word is not None:
            return
        reports = Reports(
            {other.id: other.values for other in self.children if other.values},
            self._plan.maximize,
            {other.id for other in self.children if other.has_ended},
        )
        if self._plan.policy.stops(child.id, reports):
            self._stop(child, POLICY)

    def _stop(self, child: Child, why: str) -> None:
        self._change(child, "stop", why=why)
        self._to_end[child.number] = self._clock() + _GRACE

    def _end(self, returned: Returned) -> None:
        number = self._numbers[returned.run]
        ended, child = returned.ended, self._children[number]
        known = len(child.metrics) if ended.attempt == child.attempt else 0
        if ended.metrics[known:] or ended.attempt > child.attempt:
            # What was on its way when the run ended: nothing is left to decide.
            self._change(
                child,
                "heard",
                attempt=ended.attempt,
                host=ended.host,
                metrics=[metric.to_json() for metric in ended.metrics[known:]],
            )
        status, error = ended.status, ended.error
        if child.word is not None and status != COMPLETED:
            status, error = CANCELED, child.word
        self._over_with(self._children[number], status, error, returned)
        self._recorder.ended(self._children[number])

    def _over_with(
        self, child: Child, status: str, error: str | None, returned: Returned | None = None
    ) -> None:
        self._running.discard(child.number)
        self._to_end.pop(child.number, None)
        ended = None if returned is None else returned.ended
        self._change(
            child,
            "end",
            status=status,
            error=error,
            seconds=child.seconds if ended is None else ended.seconds,
            parameters={} if ended is None else dict(ended.parameters),
            tags={} if ended is None else dict(ended.tags),
        )
        self._tell(self._children[child.number])

    def _tell(self, child: Child) -> None:
        value = None if child.status == FAILED else child.best(maximize=self._plan.maximize)
        self._note("tell", run=child.number, value=value)
        self._proposals.tell(child.number, value)

    def _finish(self, why: str, launcher: Launcher) -> None:
        """Start nothing more, and end what runs."""
        if self._over is not None:
            return
        self._over = why
        for child in self.children:
            if child.has_ended:
                continue
            if child.word is None:
                self._stop(child, why)
            if child.number not in self._running:
                self._over_with(self._children[child.number], CANCELED, why)
                self._recorder.ended(self._children[child.number])
            elif child.status == QUEUED:
                launcher.cancel(child.id)

    def _look_at_the_clock(self, launcher: Launcher) -> None:
        if self.seconds >= self._plan.seconds:
            self._finish(f"the sweep has taken {self._plan.seconds / 60:g} minutes", launcher)
        for number, end in list(self._to_end.items()):
            if self._clock() >= end:
                self._to_end[number] = end + _GRACE
                launcher.cancel(self._children[number].id)

    def _change(self, before: Child, kind: str, **content: Any) -> None:
        event = self._note(kind, run=before.number, **content)
        child = self._children[before.number] = changed(before, event, self._plan.primary)
        if kind == "heard":
            fresh = child.metrics[len(child.metrics) - len(event["metrics"]) :]
            self._recorder.heard(child, fresh, is_new_attempt=child.attempt > before.attempt)

    def _note(self, kind: str, **content: Any) -> Event:
        event = {"kind": kind, "at": round(self.seconds, 3), **content}
        self._journal.add(f"{self._events:09}", event)
        self._events += 1
        return event


def _to_each_interval(metrics: Sequence[Metric], primary: str) -> Iterator[Sequence[Metric]]:
    """Cut metrics after each primary one; none at all are one piece."""
    begin = 0
    for end, metric in enumerate(metrics, 1):
        if metric.name == primary:
            yield metrics[begin:end]
            begin = end
    if begin < len(metrics) or not metrics:
        yield metrics[begin:]


def _options(event: Event) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in ("kind", "at", "type")}
