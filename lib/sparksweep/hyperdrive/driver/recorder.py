"""What becomes of a sweep's runs outside of its driver: the history, their files, and what a person sees."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from sparksweep.errors import StorageError
from sparksweep.history import History
from sparksweep.hyperdrive.child.task import ATTEMPTS, COMPLETED, FAILED
from sparksweep.hyperdrive.driver.children import Child, as_json
from sparksweep.hyperdrive.driver.launcher import Returned
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.hyperdrive.tags import ERROR_TAG, HOST_TAG, SETTING_TAG, STATUS_TAG, TO_MLFLOW
from sparksweep.storage import Store

__all__ = ["SweepRecorder"]

_CHILDREN = "children"

# Seconds for the files of a run to reach the history.
_FILES_WITHIN = 60.0


class SweepRecorder:
    """Tells the history of the runs, keeps their files, and shows how far the sweep is.

    Parameters
    ----------
    history : History or None
    experiment : str
    sweep_id : str
    primary : str
        The primary metric.
    store : Store
        The sweep's folder. The files of run n go to ``children/n``.
    show : callable
        Is called whenever a run has changed.
    """

    def __init__(
        self,
        history: History | None,
        experiment: str,
        sweep_id: str,
        primary: str,
        store: Store,
        show: Callable[[], None],
    ) -> None:
        self._history = history
        self._experiment = experiment
        self._sweep_id = sweep_id
        self._primary = primary
        self._store = store
        self._show = show

    def started(self, child: Child) -> None:
        """Take note that a run was sent to Spark, for the first time or again."""
        if self._history is not None:
            self._start(self._history, child)
            if child.tries > 1:
                self._history.reset(child.id)
        self._show()

    def catch_up(self, children: Sequence[Child]) -> None:
        """Tell the history of runs that had ended, where the driver before has gone before it knew."""
        if self._history is None:
            return
        for child in children:
            if not child.has_ended:
                continue
            try:
                known = self._history.find(child.id, self._experiment)
            except StorageError:
                known = None  # it is away: what it may have already is told again when it is back
            if known is not None and known.status in TO_MLFLOW.values():
                continue
            self._start(self._history, child)
            self._history.reset(child.id)
            self._log(self._history, child.id, child.metrics)
            with tempfile.TemporaryDirectory() as folder:
                _fetch(self._folder(child.id), Path(folder))
                self._history.add_files(child.id, Path(folder))
                self._end(self._history, child)
                self._history.flush(_FILES_WITHIN)

    def heard(self, child: Child, metrics: Sequence[Metric], *, is_new_attempt: bool) -> None:
        """Take note that a run lives, and what it has logged since."""
        if self._history is not None:
            if is_new_attempt:
                if child.attempt % ATTEMPTS:  # Spark has begun it again
                    self._history.reset(child.id)
                self._history.tag(child.id, {STATUS_TAG: child.status, HOST_TAG: child.host})
            self._log(self._history, child.id, metrics)
        self._show()

    def keep(self, returned: Returned) -> None:
        """Put the files of a run to where they stay, and remove them where they are.

        To be called in the run's own thread, before its end.
        """
        try:
            store = self._folder(returned.run)
            for path in sorted(returned.files.rglob("*")):
                if path.is_file():
                    store.write(path.relative_to(returned.files).as_posix(), path)
        except Exception as error:  # the run itself is well, whatever becomes of its files
            warnings.warn(f"The files of {returned.run} are not kept: {error}", RuntimeWarning, stacklevel=2)
        if self._history is None:
            shutil.rmtree(returned.files, ignore_errors=True)
        elif returned.files.exists():
            self._history.add_files(returned.run, returned.files, and_remove=True)

    def ended(self, child: Child) -> None:
        """Take note that a run is over."""
        if child.status == COMPLETED and not child.values:
            logged = ", ".join(sorted({metric.name for metric in child.metrics})) or "nothing"
            warnings.warn(
                f"{child.id} has not logged the primary metric {self._primary!r}; it logged {logged}",
                RuntimeWarning,
                stacklevel=2,
            )
        if child.status == FAILED:
            warnings.warn(f"{child.id} failed: {_sentence(child.error)}", RuntimeWarning, stacklevel=2)
        if self._history is not None:
            self._end(self._history, child)
        self._show()

    def _start(self, history: History, child: Child) -> None:
        history.start(
            child.id,
            experiment=self._experiment,
            parent=self._sweep_id,
            parameters={name: as_json(value) for name, value in child.setting.items()},
            tags={STATUS_TAG: child.status, SETTING_TAG: json.dumps(as_json(child.setting))},
        )

    def _log(self, history: History, run: str, metrics: Sequence[Metric]) -> None:
        for metric in metrics:
            history.log(run, metric.name, metric.value, metric.step, metric.time)

    def _end(self, history: History, child: Child) -> None:
        told = {STATUS_TAG: child.status, **child.tags}
        if child.error is not None:
            told[ERROR_TAG] = _sentence(child.error)
        own = {f"script.{name}": value for name, value in child.parameters.items()}
        history.tag(child.id, {**told, **own})
        history.end(child.id, TO_MLFLOW[child.status])

    def _folder(self, run: str) -> Store:
        return self._store.child(_CHILDREN).child(run.rpartition("_")[2])


def _fetch(store: Store, folder: Path) -> None:
    """Copy the files of a store, and of the folders in it."""
    for file in store.list():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(store.read(file.name))
    for name in store.folders():
        _fetch(store.child(name), folder / name)


def _sentence(error: str | None) -> str:
    """Return the last line of a traceback, or the sentence that it is."""
    lines = (error or "").strip().splitlines()
    return lines[-1] if lines else ""
