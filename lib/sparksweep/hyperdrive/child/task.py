"""A child run as a Spark task: what it is given, how it goes, what comes back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pyspark import TaskContext, cloudpickle

from sparksweep.hyperdrive.child.link import Address, Link
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.search.shared import Shared

__all__ = [
    "ATTEMPTS",
    "CANCELED",
    "COMPLETED",
    "FAILED",
    "Attempt",
    "Ended",
    "Order",
    "Trial",
    "run_child",
]

#: HyperDrive's words for how a run ended.
COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"

#: More attempts than Spark ever makes of one job. An attempt's number is that of the try times this, and how
#: often Spark has begun the try again.
ATTEMPTS = 1000


@dataclass(frozen=True)
class Order:
    """What a task is to do: a run with its parameters, and which time it is that the driver asks for it."""

    run: str
    setting: Mapping[str, Any]
    tries: int
    address: Address


@dataclass(frozen=True)
class Attempt:
    """A run on an executor. ``cores`` are those that Spark gave to the task."""

    run: str
    setting: Mapping[str, Any]
    link: Link
    cores: int


@dataclass(frozen=True)
class Ended:
    """How a run ended, without its files. ``error`` is a sentence, or the text of a traceback."""

    status: str
    error: str | None = None
    attempt: int = 0
    host: str = ""
    seconds: float = 0.0
    metrics: tuple[Metric, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Return the text that :meth:`from_json` reads."""
        content = {**vars(self), "metrics": [metric.to_json() for metric in self.metrics]}
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Ended:
        """Return what :meth:`to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "metrics": tuple(map(Metric.from_json, content["metrics"]))})


class Trial(Protocol):
    """What a child run does."""

    def run(self, attempt: Attempt) -> Iterator[Ended | bytes]:
        """Do it. Yield how it ended, and then the pieces of a zip of its files."""


def run_child(content: bytes, shared: Shared) -> Iterator[bytes]:
    """Do what an :class:`Order` says, in a Spark task. Yield how it ended as JSON, and its files as a zip."""
    order: Order = cloudpickle.loads(content)
    task = TaskContext.get()
    assert task is not None  # this is one
    number = ATTEMPTS * order.tries + task.attemptNumber()
    start = time.perf_counter()
    trial: Trial = shared.load()
    with Link(order.address, order.run, number) as link:
        for item in trial.run(Attempt(order.run, order.setting, link, task.cpus())):
            if isinstance(item, bytes):
                yield item
                continue
            yield replace(
                item,
                attempt=number,
                host=socket.gethostname(),
                seconds=time.perf_counter() - start,
                metrics=link.metrics,
            ).to_json()
