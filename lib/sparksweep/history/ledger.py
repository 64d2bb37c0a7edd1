"""Writes entries into MLflow, each so that it may be written again after a failure."""

from __future__ import annotations

import getpass
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparksweep.errors import StorageError
from sparksweep.history.connection import Connection, RefusedError
from sparksweep.history.names import PARENT_TAG, RUN_ID_TAG, TOP, name_tags, stored_name
from sparksweep.history.records import AddFiles, End, Entry, Report, Reset, Start, Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

__all__ = ["Ledger"]

_PARENT = "mlflow.parentRunId"
# What goes out at once. MLflow's client itself cuts it into as many metrics, parameters and tags as a call
# may have, but not into the million bytes of JSON that its REST interface allows.
_ENTITIES, _BYTES = 1000, 800_000


@dataclass(frozen=True)
class _Item:
    """One metric, parameter or tag of a batch, with its size in bytes of JSON."""

    kind: str
    entity: Any
    size: int


class Ledger:
    """What a sweep writes. One thread uses it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._experiments: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._gone: set[str] = set()
        self._childless: set[str] = set()
        self._tried: set[str] = set()
        self._named: set[tuple[str, str]] = set()

    def write(self, entries: Sequence[Entry]) -> list[StorageError]:
        """Write entries of one run: one of any kind, or several reports and tags.

        Returns
        -------
        list
            What MLflow refuses for good, and was left out.

        Raises
        ------
        StorageError
            If the store cannot take the entries now.
        """
        first = entries[0]
        if isinstance(first, Start):
            self._gone.discard(first.run)
            return self._start(first)
        if first.run in self._gone:
            return []
        run = self._id(first.run)
        if isinstance(first, Reset):
            self._renew(first.run)
        elif isinstance(first, AddFiles):
            self._add_files(run, first.folder)
            if first.and_remove:
                shutil.rmtree(first.folder, ignore_errors=True)
        elif isinstance(first, End):
            self._connection.end(run, first.status, first.time)
        else:
            return self._log(first.run, run, [e for e in entries if isinstance(e, Report | Tag)])
        return []

    def _start(self, start: Start) -> list[StorageError]:
        experiment = self._experiment(start.experiment)
        try:
            run = self._begin(start, experiment)
        except RefusedError:
            # Somebody may have deleted the experiment by now; that has a remedy, and then we go on.
            del self._experiments[start.experiment]
            self._experiment(start.experiment)
            raise
        if start.parent is None:
            self._adopt(start.run, run, experiment)
        return self._send(start.run, run, _items(parameters=start.parameters))

    def _begin(self, start: Start, experiment: str) -> str:
        """Take a run up again, or create it."""
        found = self._find(start, experiment)
        known = found.data.params if found else {}
        # A run whose parameters were written by half has no metrics yet.
        is_half = found is not None and not found.data.metrics and known.items() <= start.parameters.items()
        if found is not None and (is_half or known == start.parameters):
            run = self._ids[start.run] = str(found.info.run_id)
            with self._connection.client() as client:
                client.update_run(run, status="RUNNING")
            self._send(start.run, run, _items(tags=start.tags))
            return run
        self._delete(found)
        tags = {RUN_ID_TAG: start.run, PARENT_TAG: start.parent or TOP, "mlflow.source.name": _program()}
        with suppress(OSError, KeyError, ImportError):
            tags["mlflow.user"] = getpass.getuser()
        if start.parent is not None:
            with suppress(RefusedError):  # a parent that the store does not know
                tags[_PARENT] = self._id(start.parent)
        return self._create(start.run, experiment, start.time, {**start.tags, **tags}, start.name)

    def _find(self, start: Start, experiment: str) -> Run | None:
        known = self._ids.get(start.run)
        if known:
            with self._connection.client() as client:
                run = client.get_run(known)
            if run.info.lifecycle_stage == "active":
                return run
        # Nothing to search for where the parent had no children. Unless this is the second try: the first may
        # have come through without an answer.
        if start.parent in self._childless and start.run not in self._tried:
            self._tried.add(start.run)
            return None
        found = self._connection.search([experiment], RUN_ID_TAG, start.run, at_most=1)
        return found[0] if found else None

    def _renew(self, name: str) -> None:
        """Make a run anew without its metrics, which MLflow cannot delete. It keeps its time and place."""
        with self._connection.client() as client:
            old = client.get_run(self._id(name))
        self._delete(old)
        info, tags = old.info, old.data.tags
        experiment = str(info.experiment_id)
        run = self._create(name, experiment, info.start_time, tags, info.run_name)
        if tags.get(PARENT_TAG) == TOP:
            self._adopt(name, run, experiment)
        self._send(name, run, _items(parameters=old.data.params))

    def _delete(self, run: Run | None) -> None:
        if run is not None and run.info.lifecycle_stage == "active":
            with self._connection.client() as client:
                client.delete_run(run.info.run_id)

    def _create(self, name: str, experiment: str, time: int, tags: Mapping[str, str], title: str) -> str:
        with self._connection.client() as client:
            run = str(client.create_run(experiment, time, dict(tags), run_name=title).info.run_id)
        self._ids[name] = run
        return run

    def _adopt(self, name: str, run: str, experiment: str) -> None:
        """Put the children of a run under it, if MLflow knows it by another id now."""
        children = self._connection.search([experiment], PARENT_TAG, name)
        if not children:
            self._childless.add(name)
        for child in children:
            if child.data.tags.get(_PARENT) != run:
                with self._connection.client() as client:
                    client.set_tag(child.info.run_id, _PARENT, run)

    def _log(self, name: str, run: str, entries: Sequence[Report | Tag]) -> list[StorageError]:
        reports = [entry for entry in entries if isinstance(entry, Report)]
        tags: dict[str, str] = {}
        for entry in entries:
            if isinstance(entry, Tag):
                tags.update(entry.tags)
        unnamed = {entry.metric for entry in reports if (run, entry.metric) not in self._named}
        refused = self._send(name, run, _items(reports=reports, tags={**name_tags(unnamed), **tags}))
        self._named.update((run, metric) for metric in unnamed)
        return refused

    def _send(self, name: str, run: str, items: Sequence[_Item]) -> list[StorageError]:
        refused: list[StorageError] = []
        for batch in _batches(items):
            refused += self._send_batch(name, run, batch)
        return refused

    def _send_batch(self, name: str, run: str, batch: Sequence[_Item]) -> list[StorageError]:
        try:
            with self._connection.client() as client:
                client.log_batch(
                    run,
                    metrics=[item.entity for item in batch if item.kind == "metric"],
                    params=[item.entity for item in batch if item.kind == "parameter"],
                    tags=[item.entity for item in batch if item.kind == "tag"],
                    synchronous=True,
                )
        except RefusedError as error:
            if self._is_gone(name, run) or len(batch) == 1:
                return [error]
            half = len(batch) // 2
            return self._send_batch(name, run, batch[:half]) + self._send_batch(name, run, batch[half:])
        return []

    def _is_gone(self, name: str, run: str) -> bool:
        if name not in self._gone:
            try:
                with self._connection.client() as client:
                    is_there = client.get_run(run).info.lifecycle_stage == "active"
            except RefusedError:
                is_there = False
            if not is_there:
                self._gone.add(name)
        return name in self._gone

    def _add_files(self, run: str, folder: Path) -> None:
        if not folder.is_dir():
            raise RefusedError(f"the folder {folder}, whose files were to be kept, is not there any more")
        with self._connection.client() as client:
            client.log_artifacts(run, str(folder))

    def _id(self, run: str) -> str:
        if run not in self._ids:
            found = self._connection.search(self._connection.experiments(), RUN_ID_TAG, run, at_most=1)
            if not found:
                raise RefusedError(
                    f"MLflow at {self._connection.place.shown} has no run {run}: it was not started"
                )
            self._ids[run] = str(found[0].info.run_id)
        return self._ids[run]

    def _experiment(self, name: str) -> str:
        if name not in self._experiments:
            self._experiments[name] = self._connection.experiment(name, create=True) or ""
        return self._experiments[name]


def _items(
    reports: Sequence[Report] = (),
    parameters: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> list[_Item]:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - see Connection

    def size(*texts: str) -> int:
        return sum(len(json.dumps(text)) for text in texts) + 60

    found = [_Item("tag", RunTag(key, text), size(key, text)) for key, text in (tags or {}).items()]
    found += [
        _Item("parameter", Param(key, text), size(key, text)) for key, text in (parameters or {}).items()
    ]
    for report in reports:
        name = stored_name(report.metric)
        metric = Metric(name, report.value, report.time, report.step)
        found.append(_Item("metric", metric, 2 * len(name) + 140))
    return found


def _batches(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    batch: list[_Item] = []
    size = 0
    for item in items:
        if batch and (len(batch) == _ENTITIES or size + item.size > _BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item.size
    if batch:
        yield batch


def _program() -> str:
    return Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
