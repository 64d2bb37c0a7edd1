"""Answers about recorded runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sparksweep.errors import StorageError
from sparksweep.history.connection import Connection
from sparksweep.history.names import PARENT_TAG, RUN_ID_TAG, TOP, own_tags, restored, stored_name
from sparksweep.history.records import RecordedRun

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["Reader"]


class Reader:
    """Reads what is in the store. Every method raises StorageError if the store does not answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, run: str, experiment: str | None) -> RecordedRun | None:
        """Return a run, in one experiment or in any."""
        found = self._find(run, experiment)
        return self._recorded(found) if found is not None else None

    def children(self, run: str) -> list[RecordedRun]:
        """Return the runs under a run, by their start."""
        parent = self._known(run)
        children = self._connection.search([parent.info.experiment_id], PARENT_TAG, run, "ASC")
        return list({child.id: child for child in map(self._recorded, children)}.values())

    def runs(self, experiment: str) -> list[RecordedRun]:
        """Return the runs of an experiment that have no parent, newest first."""
        if self._connection.place.is_new:
            return []
        known = self._connection.experiment(experiment)
        found = self._connection.search([known], PARENT_TAG, TOP) if known is not None else []
        return list(map(self._recorded, found))

    def newest(self) -> tuple[str, str] | None:
        """Return MLflow's ids of the experiment and the run of the newest run without a parent."""
        if self._connection.place.is_new:
            return None
        found = self._connection.search(self._connection.experiments(), PARENT_TAG, TOP, at_most=1)
        return (str(found[0].info.experiment_id), str(found[0].info.run_id)) if found else None

    def metric(self, run: str, metric: str) -> list[tuple[int, float]]:
        """Return step and value of all reports of a metric."""
        known = self._known(run)
        with self._connection.client() as client:
            history = client.get_metric_history(known.info.run_id, stored_name(metric))
        history = sorted(history, key=lambda report: (report.step, report.timestamp))
        return [(int(report.step), _infinite(report.value)) for report in history]

    def files(self, run: str) -> list[str]:
        """Return the names of all files of a run."""
        known, folders = self._known(run), [""]
        files: list[str] = []
        with self._connection.client() as client:
            while folders:
                for found in client.list_artifacts(known.info.run_id, folders.pop() or None):
                    (folders if found.is_dir else files).append(found.path)
        return sorted(files)

    def download(self, run: str, name: str, to: Path) -> None:
        """Copy one file of a run to a local one."""
        known = self._known(run)
        if name not in self.files(run):
            raise StorageError(f"run {run} has no file {name!r} in the history")
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as folder:
                made = Path(folder) / "file"
                place = urlsplit(known.info.artifact_uri)
                if place.scheme == "file":  # without MLflow's progress bar
                    shutil.copyfile(Path(url2pathname(place.path)) / name, made)
                else:
                    with self._connection.client() as client:
                        made = Path(client.download_artifacts(known.info.run_id, name, folder))
                os.replace(made, to)  # noqa: PTH105 - Path.replace of a Path that MLflow made is no clearer
        except OSError as error:
            raise StorageError(
                f"{to}: the file {name!r} of run {run} cannot be written: {error.strerror}"
            ) from None

    def _find(self, run: str, experiment: str | None) -> Run | None:
        if self._connection.place.is_new:
            return None
        if experiment is None:
            experiments = self._connection.experiments()
        else:
            known = self._connection.experiment(experiment)
            experiments = [known] if known is not None else []
        found = self._connection.search(experiments, RUN_ID_TAG, run, at_most=1)
        return found[0] if found else None

    def _known(self, run: str) -> Run:
        found = self._find(run, None)
        if found is None:
            raise StorageError(f"MLflow at {self._connection.place.shown} has no run {run}")
        return found

    def _recorded(self, run: Run) -> RecordedRun:
        info, tags = run.info, dict(run.data.tags)
        parent = tags.get(PARENT_TAG, TOP)
        metrics: Mapping[str, float] = restored(run.data.metrics, tags)
        return RecordedRun(
            id=tags[RUN_ID_TAG],
            experiment=self._connection.experiment_name(str(info.experiment_id)),
            name=info.run_name or tags[RUN_ID_TAG],
            parent=None if parent == TOP else parent,
            status=str(info.status),
            parameters=restored(run.data.params, tags),
            metrics={name: _infinite(value) for name, value in metrics.items()},
            tags=own_tags(tags),
            start_time=_time(info.start_time),
            end_time=_time(info.end_time),
        )


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc) if milliseconds else None


def _infinite(value: float) -> float:
    # MLflow's databases keep an infinity as the largest float.
    return value * 2 if abs(value) >= sys.float_info.max else value
