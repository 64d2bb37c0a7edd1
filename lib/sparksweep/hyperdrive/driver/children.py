"""The child runs of a sweep as the driver knows them, and the events from which they can be made again.

Whatever the driver learns or decides is an event. It changes a :class:`Child` here and nowhere else, and goes
into the journal. A sweep that goes on reads the journal, and so knows what the driver before it knew.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sparksweep.hyperdrive.arguments import plain
from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.search.codec import Codec

__all__ = ["EVENTS", "POLICY", "QUEUED", "RUNNING", "Child", "Event", "as_json", "changed"]

#: HyperDrive's words for a run that has not ended.
QUEUED, RUNNING = "Queued", "Running"

#: Why a run was told to stop: by the policy. Other reasons are sentences.
POLICY = "stopped early by the policy"

#: ``kind`` says what happened, ``run`` is the number of a child, ``at`` are the seconds that drivers have
#: worked on the sweep.
Event = Mapping[str, Any]

#: How a journal holds events.
EVENTS: Codec[Event] = Codec(dict, dict)


@dataclass(frozen=True)
class Child:
    """A child run.

    ``setting`` has its parameters. ``tries`` is how often the driver has asked for it, ``attempt`` the newest
    attempt that was heard of, -1 if none was. ``metrics`` are what that attempt logged, ``values`` those of
    them that are the primary metric: the n-th is the run's interval n. ``word`` says why it was told to stop.
    ``seconds`` are those of the last attempt.
    """

    number: int
    id: str
    setting: Mapping[str, Any]
    status: str = QUEUED
    tries: int = 0
    attempt: int = -1
    metrics: tuple[Metric, ...] = ()
    values: tuple[float, ...] = ()
    word: str | None = None
    error: str | None = None
    host: str = ""
    seconds: float | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.status in (COMPLETED, FAILED, CANCELED)

    @property
    def is_stopped_early(self) -> bool:
        """Whether the policy ended it."""
        return self.status == CANCELED and self.word == POLICY

    def best(self, *, maximize: bool) -> float | None:
        """Return the best primary metric that it reported; None if there is none but NaN and infinities."""
        known = list(filter(math.isfinite, self.values))
        if not known:
            return None
        return max(known) if maximize else min(known)


def changed(child: Child, event: Event, primary: str) -> Child:
    """Return what an event makes of a child.

    ``start``: it was sent to Spark, and begins afresh. ``heard``: an attempt said that it lives, and what it
    logged since; so a new attempt begins afresh too. ``stop``: it was told to stop. ``end``: it is over.
    """
    kind = event["kind"]
    if kind == "start":
        return replace(child, status=QUEUED, tries=event["tries"], metrics=(), values=())
    if kind == "heard":
        metrics = tuple(map(Metric.from_json, event["metrics"]))
        values = tuple(metric.value for metric in metrics if metric.name == primary)
        if event["attempt"] > child.attempt:
            child = replace(child, metrics=(), values=())
        return replace(
            child,
            status=RUNNING,
            attempt=event["attempt"],
            host=event["host"],
            metrics=child.metrics + metrics,
            values=child.values + values,
        )
    if kind == "stop":
        return replace(child, word=event["why"])
    return replace(
        child,
        status=event["status"],
        error=event["error"],
        seconds=event["seconds"],
        parameters=event["parameters"],
        tags=event["tags"],
    )


def as_json(value: Any) -> Any:
    """Return a parameter as JSON holds it: what it cannot hold by its ``repr``."""
    value = plain(value)
    if isinstance(value, Mapping):
        return {str(name): as_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)
