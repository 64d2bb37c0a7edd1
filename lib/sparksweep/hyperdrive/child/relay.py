"""What a training script speaks with: MLflow's tracking API on its own machine, as far as a script logs.

Azure ML is spoken with in the same language. So a script that calls ``mlflow.log_metric`` is heard without a
change of it, and our own :class:`~sparksweep.hyperdrive.child.context.ScriptRun` needs no language of ours.
Files that the script logs go to a local folder, and so do models.

The REST API is described at https://mlflow.org/docs/latest/rest-api.html. All runs that a script begins, also
nested ones, are one: the child run. What a script logs it can read again. All else is refused with
``ENDPOINT_NOT_FOUND``, as MLflow's own server refuses what it does not know: to search runs, to register
models, traces. A model is found by the URI that ``log_model`` returns, not by ``runs:/``.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sparksweep.hyperdrive.metrics import Metric

__all__ = ["API", "Logged", "Relay"]

#: Below the relay's address.
API = "/api/2.0/mlflow"

_EXPERIMENT = "0"

# Bytes of a request; a batch of MLflow has at most a megabyte.
_LONGEST = 4 << 20

# Seconds between two looks whether the server is to end.
_LOOK_EVERY = 0.05

# Tags that MLflow sets for itself, and reads in its own way, such as the name and the parent of a run.
_MLFLOWS = "mlflow."

# Characters of a name and of a parameter, MLflow's own bounds.
_NAME, _TEXT = 250, 6000


@dataclass(frozen=True)
class Logged:
    """What a script has logged beside metrics: parameters and tags."""

    parameters: Mapping[str, str]
    tags: Mapping[str, str]


class Relay:
    """Listens at the loopback address while its block runs.

    Parameters
    ----------
    run : str
        The only run that there is.
    artifacts : Path
        Where MLflow's client copies the files that a script logs.
    log : callable
        Takes the metrics of a request.
    """

    def __init__(self, run: str, artifacts: Path, log: Callable[[list[Metric]], None]) -> None:
        self.token = secrets.token_urlsafe(32)
        self._run = run
        self._artifacts = artifacts
        self._log = log
        self._lock = threading.Lock()
        self._metrics: dict[str, list[Metric]] = {}
        self._parameters: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._models: dict[str, dict[str, Any]] = {}
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_LOOK_EVERY,), name="relay", daemon=True
        )

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address, as ``MLFLOW_TRACKING_URI`` takes it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def logged(self) -> Logged:
        """What was logged so far, without the tags that MLflow's client sets for itself."""
        with self._lock:
            own = {key: value for key, value in self._tags.items() if not key.startswith(_MLFLOWS)}
            return Logged(dict(self._parameters), own)

    def answer(self, method: str, path: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a request; None if it is not known here."""
        if not path.startswith(API):
            return None
        name = path.removeprefix(API)
        with self._lock:
            if name.startswith("/logged-models"):
                return self._answer_of_model(method, name, content)
            known = self._KNOWN.get(name)
            return None if known is None else known(self, content)

    def _log_metric(self, content: Mapping[str, Any]) -> dict[str, Any]:
        self._take([content])
        return {}

    def _log_batch(self, content: Mapping[str, Any]) -> dict[str, Any]:
        self._take(content.get("metrics", []))
        for parameter in content.get("params", []):
            self._log_parameter(parameter)
        for tag in content.get("tags", []):
            self._set_tag(tag)
        return {}

    def _take(self, metrics: list[Mapping[str, Any]]) -> None:
        taken: list[Metric] = []
        try:
            taken.extend(filter(None, map(self._new, metrics)))
        finally:
            self._log(taken)  # as MLflow: what stands before a wrong one counts

    def _new(self, metric: Mapping[str, Any]) -> Metric | None:
        name = str(metric["key"])[:_NAME]
        before = self._metrics.setdefault(name, [])
        # MLflow's client says 0 where the script gives no step.
        given = int(metric.get("step") or 0)
        moment = float(metric.get("timestamp") or 1000 * time.time()) / 1000
        new = Metric(name, float(metric["value"]), given or len(before), moment)
        # With a model MLflow's client logs the run's metrics once more, under the steps that it has read.
        if metric.get("model_id") and any(map(partial(_is_same, replace(new, step=given)), before)):
            return None
        before.append(new)
        return new

    def _log_parameter(self, content: Mapping[str, Any]) -> dict[str, Any]:
        self._parameters[str(content["key"])[:_NAME]] = str(content["value"])[:_TEXT]
        return {}

    def _set_tag(self, content: Mapping[str, Any]) -> dict[str, Any]:
        self._tags[str(content["key"])[:_NAME]] = str(content["value"])[:_TEXT]
        return {}

    def _delete_tag(self, content: Mapping[str, Any]) -> dict[str, Any]:
        self._tags.pop(str(content["key"]), None)
        return {}

    def _get_run(self, _: Mapping[str, Any]) -> dict[str, Any]:
        pairs = {
            kind: [{"key": key, "value": value} for key, value in entries.items()]
            for kind, entries in (("params", self._parameters), ("tags", self._tags))
        }
        metrics = [_as_mlflow(max(values, key=_moment)) for values in self._metrics.values() if values]
        return {"run": {"info": self._info(), "data": {"metrics": metrics, **pairs}, "inputs": {}}}

    def _get_history(self, content: Mapping[str, Any]) -> dict[str, Any]:
        return {"metrics": [_as_mlflow(metric) for metric in self._metrics.get(content["metric_key"], ())]}

    def _update_run(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"run_info": self._info()}

    def _info(self) -> dict[str, Any]:
        return {
            "run_id": self._run,
            "run_uuid": self._run,
            "run_name": self._run,
            "experiment_id": _EXPERIMENT,
            "status": "RUNNING",
            "start_time": 0,
            "artifact_uri": self._artifacts.as_uri(),
            "lifecycle_stage": "active",
        }

    def _get_experiment(self, _: Mapping[str, Any]) -> dict[str, Any]:
        experiment = {
            "experiment_id": _EXPERIMENT,
            "name": "sweep",
            "artifact_location": self._artifacts.as_uri(),
            "lifecycle_stage": "active",
        }
        return {"experiment": experiment, "experiment_id": _EXPERIMENT}

    def _nothing(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def _answer_of_model(self, method: str, name: str, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer for the models of MLflow 3, whose files go where all files go."""
        if name == "/logged-models" and method == "POST":
            model = f"m-{secrets.token_hex(16)}"
            self._models[model] = {
                "model_id": model,
                "experiment_id": _EXPERIMENT,
                "name": str(content.get("name") or "model"),
                "artifact_uri": (self._artifacts / "models" / model).as_uri(),
                "creation_timestamp_ms": int(1000 * time.time()),
                "last_updated_timestamp_ms": int(1000 * time.time()),
                "status": "LOGGED_MODEL_PENDING",
                "source_run_id": self._run,
                "tags": content.get("tags", []),
            }
            return {"model": {"info": self._models[model], "data": {}}}
        model = name.split("/")[2] if name.count("/") > 1 else ""
        if model not in self._models:
            return {} if method == "POST" else None  # parameters and tags of a model
        if method == "PATCH" and name.count("/") == 2:
            self._models[model]["status"] = content.get("status", "LOGGED_MODEL_READY")
        return {"model": {"info": self._models[model], "data": {}}}

    _KNOWN: Mapping[str, Callable[[Relay, Mapping[str, Any]], dict[str, Any]]] = {
        "/runs/log-metric": _log_metric,
        "/runs/log-batch": _log_batch,
        "/runs/log-parameter": _log_parameter,
        "/runs/set-tag": _set_tag,
        "/runs/get": _get_run,
        "/runs/create": _get_run,
        "/runs/update": _update_run,
        "/runs/delete-tag": _delete_tag,
        "/metrics/get-history": _get_history,
        "/runs/log-inputs": _nothing,
        "/runs/log-model": _nothing,
        "/runs/outputs": _nothing,
        "/experiments/get": _get_experiment,
        "/experiments/get-by-name": _get_experiment,
        "/experiments/create": _get_experiment,
    }


def _moment(metric: Metric) -> tuple[int, float]:
    return metric.step, metric.time


def _is_same(one: Metric, other: Metric) -> bool:
    return _as_mlflow(one) == _as_mlflow(other)


def _as_mlflow(metric: Metric) -> dict[str, Any]:
    # As protobuf writes what JSON does not know.
    special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    value = special.get(str(metric.value), metric.value)
    return {"key": metric.name, "value": value, "step": metric.step, "timestamp": round(1000 * metric.time)}


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(relay: Relay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 60

        def _serve(self) -> None:
            length = self.headers.get("Content-Length") or "0"
            given = self.headers.get("Authorization", "")
            is_known = hmac.compare_digest(given.encode(), f"Bearer {relay.token}".encode())
            if not length.isdecimal() or "Transfer-Encoding" in self.headers:
                self.close_connection = True
                return self._send(HTTPStatus.LENGTH_REQUIRED, _error("INVALID_PARAMETER_VALUE"))
            if (size := int(length)) > _LONGEST:
                # Read, so that the client hears the answer; else the way seems broken, and it tries again.
                self.close_connection = True
                if is_known:
                    self._skip(size)
                return self._send(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _error("INVALID_PARAMETER_VALUE"))
            body = self.rfile.read(size)
            if not is_known:
                return self._send(HTTPStatus.UNAUTHORIZED, _error("UNAUTHENTICATED"))
            try:
                place = urlsplit(self.path)
                content = {**dict(parse_qsl(place.query)), **json.loads(body or b"{}")}
                answer = relay.answer(self.command, place.path, content)
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
                return self._send(HTTPStatus.BAD_REQUEST, _error("INVALID_PARAMETER_VALUE", str(error)))
            if answer is None:
                return self._send(HTTPStatus.NOT_FOUND, _error("ENDPOINT_NOT_FOUND", self.path))
            return self._send(HTTPStatus.OK, answer)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

        def _skip(self, size: int) -> None:
            while size > 0 and (piece := self.rfile.read(min(size, 1 << 16))):
                size -= len(piece)

        def _send(self, status: HTTPStatus, content: Mapping[str, Any]) -> None:
            encoded = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing: standard error is Spark's."""

    return Handler


def _error(code: str, message: str = "") -> dict[str, Any]:
    return {"error_code": code, "message": f"sparksweep does not take this: {message or code}"}
