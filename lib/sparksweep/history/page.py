"""Opens MLflow's page on the newest sweep: ``python -m sparksweep.history.page``."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sparksweep.errors import ConfigError, SparksweepError, StorageError
from sparksweep.history.connection import Connection
from sparksweep.history.place import Place
from sparksweep.history.reading import Reader

__all__ = ["main"]

# Seconds until the server has to answer, and until it has to have ended.
_START = 90.0
_END = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the page until Ctrl-C, and return the exit code: 0, or 2 after a sentence that names a remedy."""
    parser = argparse.ArgumentParser(
        prog="python -m sparksweep.history.page", description="Open MLflow's page on the newest sweep."
    )
    parser.add_argument("--tracking-uri", help="default: MLFLOW_TRACKING_URI, else mlflow.db in this folder")
    parser.add_argument("--port", type=int, default=0, help="default: one that is free")
    options = parser.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        _show(Place.choose(options.tracking_uri), options.port)
    except SparksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 0


def _show(place: Place, port: int) -> None:
    if not place.is_http:
        _check_port(port)
    newest = Reader(Connection(place)).newest()
    if newest is None:
        raise StorageError(f"{place.shown} has no sweep yet: run one, then its page can be shown")
    route = "#/experiments/{}/runs/{}".format(*newest)
    if place.is_http:
        _open(f"{place.shown.rstrip('/')}/{route}")
        return
    with _server(place, port or _free_port()) as (server, url):
        _open(f"{url}/{route}")
        server.wait()
        raise StorageError("MLflow's server has ended by itself: start it again")


def _open(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    if sys.stdout.isatty():
        with suppress(webbrowser.Error):
            webbrowser.open(url)


@contextmanager
def _server(place: Place, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run MLflow's server on this machine alone; at the end its whole process group ends."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--no-serve-artifacts"]
    # The URI may hold a password, and command lines are public on a machine. A page needs no jobs, which
    # take a process each, and modules in the current folder are not MLflow's.
    environ = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": place.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONSAFEPATH": "1",
    }
    folder = place.database.parent if place.database is not None else Path.cwd()
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(
            [*command, "--default-artifact-root", (folder / "mlruns").as_uri()],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(server, url, place, said)
            yield server, url
        finally:
            _stop(server)


def _wait(server: subprocess.Popen[bytes], url: str, place: Place, said: IO[bytes]) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise StorageError(f"MLflow's server did not start: {place.scrub(lines[-1])}")
        with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - http
            return
        time.sleep(0.2)
    raise StorageError(f"MLflow's server did not answer within {_START:.0f} s: start it again")


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(_END)


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise ConfigError(f"--port {port} cannot be used ({error}): take another one") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    raise SystemExit(main())
