"""The run history: what a sweep writes while it runs, and what is read of it later."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - MLflow's thread could not import it any more at a program's end
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from sparksweep.errors import ConfigError
from sparksweep.history.connection import Connection
from sparksweep.history.names import stored_parameters, stored_tags
from sparksweep.history.place import Place
from sparksweep.history.reading import Reader
from sparksweep.history.records import AddFiles, End, RecordedRun, Report, Reset, Start, Tag
from sparksweep.history.writer import Writer

__all__ = ["History"]

_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
# Seconds that reading waits for what is still to be written.
_PATIENCE = 60.0


class History:
    """Runs with their parameters, metrics, tags and files, kept by MLflow.

    What is written goes to a thread: no call waits for the store, and none fails because of it. Where the
    store is away, one RuntimeWarning says so, writing is tried again after 1 to 30 seconds, and up to 500,000
    reports wait. What is read comes from the store, after all that was written before.

    A run has an id of its own, which stands in the tag ``sparksweep.run_id``. To be used as a context
    manager, or closed; a program that ends without that closes it as well.
    """

    def __init__(self, connection: Connection, writer: Writer) -> None:
        self._place = connection.place
        self._writer = writer
        self._reader = Reader(connection)
        self._lock = threading.Lock()
        self._last_start = 0
        self._last_reports: dict[tuple[str, str], tuple[int, int]] = {}
        atexit.register(self.close)

    @classmethod
    def open(cls, tracking_uri: str | None = None) -> History:
        """Open the history of a tracking URI.

        Nothing is made or asked yet: a new database, which takes seconds, is made by the writing thread.

        Parameters
        ----------
        tracking_uri : str, optional
            Where MLflow keeps it, such as ``sqlite:////PATH/mlflow.db`` or ``http://HOST:5000``. By default
            what MLFLOW_TRACKING_URI names, else ``mlflow.db`` in the current folder, with files in ``mlruns``
            beside it, which is what ``mlflow ui`` shows in that folder.

        Raises
        ------
        SetupError
            If MLflow is not installed.
        ConfigError
            If the URI cannot keep a history.
        """
        connection = Connection(Place.choose(tracking_uri))
        return cls(connection, Writer(connection))

    @property
    def uri(self) -> str:
        """Where the history lies, without user and password."""
        return self._place.shown

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(
        self,
        run: str,
        *,
        experiment: str,
        name: str | None = None,
        parent: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Begin a run, or go on with it if the store has it with the same parameters.

        Then it keeps its metrics and the time of its start. With other parameters, which MLflow does not let
        anybody change, it is made anew.

        Parameters
        ----------
        run : str
            Letters, digits and ``_ - .``, 200 at most.
        experiment : str
            Made if it is missing.
        name : str, optional
            What MLflow's page shows; by default the id.
        parent : str, optional
            The id of the run under which this one stands, started before.
        parameters, tags : mapping
            Values are written as texts.

        Raises
        ------
        ConfigError
            If ``run`` cannot be an id, or the experiment has no name or one of more than 500 characters.
        """
        if not _RUN_ID.fullmatch(run):
            raise ConfigError(f"run id {run!r}: take letters, digits, '_', '-' and '.', 200 at most")
        if not 0 < len(experiment) <= 500:
            raise ConfigError(f"experiment {experiment[:50]!r}: its name needs 1 to 500 characters")
        stored = stored_parameters(parameters or {})
        with self._lock:  # runs are read in the order of their start
            now = self._last_start = max(_now(), self._last_start + 1)
        all_tags = {**stored_tags(tags or {}), **stored.tags}
        self._writer.put(Start(run, experiment, name or run, parent, stored.parameters, all_tags, now))

    def reset(self, run: str) -> None:
        """Forget what a run has reported, and its files; it is done again."""
        self._writer.put(Reset(run))

    def log(self, run: str, metric: str, value: float, step: int, timestamp: float | None = None) -> None:
        """Report a value of a metric.

        Parameters
        ----------
        value : float
            NaN and infinities are kept.
        step : int
        timestamp : float, optional
            Seconds since 1970; by default now. Of two reports of one step the first gets the earlier time.
        """
        now, step = _now() if timestamp is None else int(timestamp * 1000), int(step)
        with self._lock:
            last_step, last = self._last_reports.get((run, metric), (step, -1))
            now = last + 1 if step == last_step and now <= last else now
            self._last_reports[run, metric] = (step, now)
        self._writer.put(Report(run, metric, float(value), step, now))

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        self._writer.put(Tag(run, stored_tags(tags)))

    def add_files(self, run: str, folder: Path, *, and_remove: bool = False) -> None:
        """Keep all files below a folder, under their names in it. It must stay until :meth:`flush`.

        ``and_remove`` removes the folder once they are kept.
        """
        self._writer.put(AddFiles(run, Path(folder).absolute(), and_remove))

    def end(self, run: str, status: Literal["FINISHED", "FAILED", "KILLED"]) -> None:
        """End a run."""
        with self._lock:
            now = max(_now(), self._last_start)
        self._writer.put(End(run, status, now))

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all of that is in the store.

        Parameters
        ----------
        timeout : float, optional
            Seconds; without end by default.

        Returns
        -------
        bool
            False if the time is over, or if the store was tried once more and failed.
        """
        return self._writer.flush(timeout)

    def close(self, timeout: float = 30.0) -> None:
        """Write what waits, for some seconds at most, and say in a RuntimeWarning how much was not written.

        What is reported after that is lost; reading still works.
        """
        self._writer.close(timeout)
        atexit.unregister(self.close)

    def find(self, run: str, experiment: str | None = None) -> RecordedRun | None:
        """Return a run by its id, in one experiment or in any; None if there is none.

        Raises
        ------
        StorageError
            If the store does not answer, here and in all that follows.
        """
        self._writer.flush(_PATIENCE)
        return self._reader.find(run, experiment)

    def children(self, run: str) -> list[RecordedRun]:
        """Return all runs under a run, in the order in which they were started."""
        self._writer.flush(_PATIENCE)
        return self._reader.children(run)

    def runs(self, experiment: str) -> list[RecordedRun]:
        """Return the runs of an experiment that stand under no other, newest first."""
        self._writer.flush(_PATIENCE)
        return self._reader.runs(experiment)

    def metric(self, run: str, metric: str) -> list[tuple[int, float]]:
        """Return (step, value) of all reports of a metric, by step, those of one step by time."""
        self._writer.flush(_PATIENCE)
        return self._reader.metric(run, metric)

    def files(self, run: str) -> list[str]:
        """Return the names of all files of a run, with ``/`` between folders, sorted."""
        self._writer.flush(_PATIENCE)
        return self._reader.files(run)

    def download(self, run: str, name: str, to: Path) -> None:
        """Copy one file of a run to a local path, whose folder is made if it is missing."""
        self._writer.flush(_PATIENCE)
        self._reader.download(run, name, to)


def _now() -> int:
    return int(time.time() * 1000)
