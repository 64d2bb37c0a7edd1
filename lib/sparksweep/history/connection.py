"""MLflow's client for one place: made when it is first needed, and its errors in one sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sparksweep.errors import SparksweepError, StorageError
from sparksweep.history.place import Place
from sparksweep.history.quiet import quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

__all__ = ["Connection", "RefusedError"]

# What MLflow answers where the question is at fault, so that asking again is of no use.
_REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE", "BAD_REQUEST"}
_PAGE = 1000


class RefusedError(StorageError):
    """The store answers, and does not take an entry as it is."""


class Connection:
    """A client that several threads may use."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = threading.Lock()
        self._client: MlflowClient | None = None
        self._names: dict[str, str] = {}

    @contextmanager
    def client(self) -> Iterator[MlflowClient]:
        """Give the client; what MLflow raises in the block becomes one sentence.

        Raises
        ------
        RefusedError
            If MLflow does not take what it was given.
        StorageError
            If it does not answer, or cannot write now.
        """
        try:
            with self._lock:
                self.place.make_ready()
                if self._client is None:
                    self._client = self._connect()
            with quiet():
                yield self._client
        except SparksweepError:
            raise
        except Exception as error:
            raise self._sentence(error) from None

    def experiment(self, name: str, *, create: bool = False) -> str | None:
        """Return MLflow's id of an experiment, or None if there is none.

        Raises
        ------
        StorageError
            If the experiment was deleted; MLflow keeps its name.
        """
        with self.client() as client:
            found = client.get_experiment_by_name(name)
            if found is None and create:
                try:
                    return str(client.create_experiment(name, self.place.artifacts(name)))
                except Exception:  # another process was faster, or there is a reason that will come again
                    found = client.get_experiment_by_name(name)
                    if found is None:
                        raise
        if found is None:
            return None
        if found.lifecycle_stage != "active":
            raise StorageError(
                f"the MLflow experiment {name!r} at {self.place.shown} is deleted: bring it back with "
                f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or take another name"
            )
        return str(found.experiment_id)

    def experiment_name(self, experiment: str) -> str:
        """Return the name of an experiment by MLflow's id."""
        if experiment not in self._names:
            with self.client() as client:
                self._names[experiment] = client.get_experiment(experiment).name
        return self._names[experiment]

    def experiments(self) -> list[str]:
        """Return MLflow's ids of all experiments that are not deleted."""
        found, token = [], None
        with self.client() as client:
            while True:
                page = client.search_experiments(max_results=_PAGE, page_token=token)
                found += [str(experiment.experiment_id) for experiment in page]
                token = page.token
                if not token:
                    return found

    def search(
        self, experiments: list[str], tag: str, value: str, order: str = "DESC", at_most: int | None = None
    ) -> list[Run]:
        """Return the runs with a tag, by their start."""
        found: list[Run] = []
        token = None
        with self.client() as client:
            while experiments:
                page = client.search_runs(
                    experiments,
                    f"tags.`{tag}` = '{value}'",
                    max_results=min(_PAGE, at_most or _PAGE),
                    order_by=[f"attributes.start_time {order}"],
                    page_token=token,
                )
                found += page
                token = page.token
                if not token or (at_most is not None and len(found) >= at_most):
                    break
        return found

    def end(self, run: str, status: str, time: int) -> None:
        """End a run by MLflow's id; the time in milliseconds since 1970."""
        with self.client() as client:
            if not self.place.is_http:
                client.set_terminated(run, status, time)
                return
            # The client would print two lines on standard output for every run.
            from mlflow.entities import RunStatus  # noqa: PLC0415 - as in _connect
            from mlflow.store.tracking.rest_store import RestStore  # noqa: PLC0415 - as in _connect
            from mlflow.utils.credentials import get_default_host_creds  # noqa: PLC0415 - as in _connect

            credentials = partial(get_default_host_creds, self.place.uri)
            store: Any = RestStore(credentials)  # type: ignore[no-untyped-call]  # MLflow has no types for it
            store.update_run_info(run, RunStatus.from_string(status), time, None)

    def _connect(self) -> MlflowClient:
        with quiet():
            from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds, and executors have none
        with quiet():  # once more, since MLflow has made its loggers only now
            client = MlflowClient(tracking_uri=self.place.uri)
            client.search_experiments(max_results=1)
        return client

    def _sentence(self, error: Exception) -> StorageError:
        text: Any = getattr(error, "message", None) or error
        reason = self.place.scrub(" ".join(str(text).split()))
        if "out-of-date database schema" in reason:
            return StorageError(
                f"MLflow's database {self.place.shown} is of another version of MLflow: "
                f"take a backup, then run `mlflow db upgrade {self.place.shown}`"
            )
        reason = reason if len(reason) <= 300 else f"{reason[:300]}..."
        kind = RefusedError if getattr(error, "error_code", None) in _REFUSALS else StorageError
        return kind(f"MLflow at {self.place.shown} says: {reason or type(error).__name__}")
