"""The way from a task to the driver: JSON over HTTP with a bearer token, by the standard library alone.

What a run logs is kept until the driver has it. The loss of the way ends nothing: the run goes on, and
brings all that it logged with its result.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from sparksweep.hyperdrive.metrics import Metric

__all__ = ["REPORTS_PATH", "Address", "Link"]

REPORTS_PATH = "/reports"

#: Seconds between two messages where there is nothing to say: the driver hears that the run lives, and the
#: run that it is to stop.
BEAT_EVERY = 0.5

# Seconds for an answer, and between attempts while there is none: the first pause, and the longest.
_PATIENCE = 15.0
_PAUSES = (0.5, 10.0)

# Metrics in one message. A name has at most 250 characters, each up to 12 bytes of JSON, so that the message
# is not longer than the driver takes.
_AT_ONCE = 300


@dataclass(frozen=True)
class Address:
    """Where the driver listens. The token is a secret: it is in no ``repr``."""

    host: str
    port: int
    token: str = field(repr=False)


class Link:
    """One attempt of a run, as far as it speaks with the driver. To be used as a context manager.

    Parameters
    ----------
    address : Address
    run : str
    attempt : int
        Greater for every try of the run, so that the driver tells the newest.

    Attributes
    ----------
    stopped : threading.Event
        Set when the driver has said that the run is to stop.
    """

    def __init__(self, address: Address, run: str, attempt: int) -> None:
        self.stopped = threading.Event()
        self._address = address
        self._run = run
        self._attempt = attempt
        self._metrics: list[Metric] = []
        self._answered = 0
        self._is_lost = False
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._speak, name="link", daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """All that was logged."""
        return tuple(self._metrics)

    def log(self, metrics: Sequence[Metric]) -> None:
        """Send metrics soon. This waits for nothing."""
        with self._changed:
            self._metrics += metrics
            self._changed.notify_all()

    def is_to_stop(self) -> bool:
        """Wait for the driver's answer to all that was logged, and return whether the run is to stop.

        Without a way to the driver the answer is the last one known, at once.
        """
        with self._changed:
            asked = len(self._metrics)
            self._changed.wait_for(
                lambda: self._answered >= asked or self._is_lost or self._is_closing, _PATIENCE
            )
        return self.stopped.is_set()

    def _speak(self) -> None:
        connection: http.client.HTTPConnection | None = None
        pause = _PAUSES[0]
        while not self._is_closing:
            with self._changed:
                batch = self._metrics[self._answered : self._answered + _AT_ONCE]
                first = self._answered
            try:
                connection = connection or self._connect()
                answer = self._post(connection, first, batch)
            except (OSError, http.client.HTTPException, ValueError):
                if connection is not None:
                    connection.close()
                connection = None
                with self._changed:
                    self._is_lost = True
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._is_closing, pause)
                pause = min(2 * pause, _PAUSES[1])
                continue
            pause = _PAUSES[0]
            if answer.get("stop") is True:
                self.stopped.set()
            with self._changed:
                self._is_lost = False
                self._answered += len(batch)
                self._changed.notify_all()
                self._changed.wait_for(
                    lambda: self._is_closing or self._answered < len(self._metrics), BEAT_EVERY
                )
        if connection is not None:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.host, self._address.port, timeout=_PATIENCE)

    def _post(
        self, connection: http.client.HTTPConnection, first: int, metrics: Sequence[Metric]
    ) -> dict[str, Any]:
        message = {
            "run": self._run,
            "attempt": self._attempt,
            "host": socket.gethostname(),
            "first": first,
            "metrics": [metric.to_json() for metric in metrics],
        }
        headers = {"Authorization": f"Bearer {self._address.token}", "Content-Type": "application/json"}
        connection.request("POST", REPORTS_PATH, json.dumps(message).encode(), headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"the driver answered with {response.status}")
        answer = json.loads(content)
        if not isinstance(answer, dict):
            raise ValueError("the driver answered with something else than an object")  # noqa: TRY004 - as JSON does
        return answer
