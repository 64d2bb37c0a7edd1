"""Where the driver listens to its child runs: one address of HTTP, behind a bearer token.

Starlette reads the messages and uvicorn serves them. A message that is too long, torn or from a stranger is
refused; so are more connections than there can be runs.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparksweep.errors import SetupError
from sparksweep.hyperdrive.child.link import REPORTS_PATH, Address
from sparksweep.hyperdrive.metrics import Metric

__all__ = ["Heard", "ReportServer"]

# Bytes of a message: a run sends at most 300 metrics in one.
_LONGEST = 1 << 20

# Seconds for which a run waits for the driver's word; then it goes on, and hears it with its next message.
_WORD_WITHIN = 10.0

# Connections beyond one a run: of attempts that Spark has given up, and of strangers.
_OTHERS = 64


@dataclass(frozen=True)
class Heard:
    """A message of a run: its attempt, its host, and metrics, the first one being its ``first``-th.

    ``answer`` is to be given the driver's word: whether the run is to stop.
    """

    run: str
    attempt: int
    host: str
    first: int
    metrics: tuple[Metric, ...]
    answer: Future[bool]


class ReportServer:
    """Listens while its block runs, in a thread of its own.

    Parameters
    ----------
    hear : callable
        Takes a :class:`Heard` in the server's thread; it must not wait there.
    host : str
        The address to listen at.
    port : int
        0 for any that is free.
    known_as : str, optional
        The name by which executors reach ``host``.
    most_runs : int
        That speak at once.

    Raises
    ------
    SetupError
        If the address cannot be had.
    """

    def __init__(
        self,
        hear: Callable[[Heard], None],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        known_as: str | None = None,
        most_runs: int = 1000,
    ) -> None:
        try:
            self._socket = socket.create_server((host, port), backlog=1024)
        except OSError as error:
            raise SetupError(
                f"the driver cannot listen at {host}:{port} for its child runs ({error.strerror}): "
                "give another port"
            ) from None
        self._hear = hear
        self._token = secrets.token_urlsafe(32)
        self.address = Address(known_as or host, self._socket.getsockname()[1], self._token)
        app = Starlette(routes=[Route(REPORTS_PATH, self._answer, methods=["POST"])])
        config = uvicorn.Config(
            app,
            log_config=None,  # the logging of this process is the user's
            access_log=False,
            lifespan="off",
            ws="none",
            limit_concurrency=most_runs + _OTHERS,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="report-server", daemon=True
        )

    def __enter__(self) -> ReportServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._take(request)
        except (ClientDisconnect, asyncio.CancelledError):  # the other end has gone, or this one ends
            return _refusal(503, "the driver has not heard this")

    async def _take(self, request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _refusal(401, "the token is wrong")
        content = b""
        async for piece in request.stream():
            content += piece
            if len(content) > _LONGEST:
                return _refusal(413, f"a message has at most {_LONGEST} bytes")
        try:
            heard = _read(content)
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            return _refusal(400, f"this is no report: {error}")
        self._hear(heard)
        try:
            stop = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(heard.answer)), _WORD_WITHIN)
        except asyncio.TimeoutError:
            stop = False
        return JSONResponse({"stop": stop})


def _read(content: bytes) -> Heard:
    message = json.loads(content)
    if not isinstance(message, dict):
        raise TypeError("it is not an object")
    run, host = message["run"], message["host"]
    if not isinstance(run, str) or not isinstance(host, str):
        raise TypeError("run and host must be texts")
    attempt, first = message["attempt"], message["first"]
    if type(attempt) is not int or type(first) is not int or first < 0:
        raise TypeError("attempt and first must be whole numbers")
    if not isinstance(message["metrics"], list):
        raise TypeError("metrics must be a list")
    metrics = tuple(map(Metric.from_json, message["metrics"]))
    return Heard(run, attempt, host, first, metrics, Future())


def _refusal(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status_code=status)
