"""Runs as the history has them, by the names of Azure ML."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sparksweep.errors import ConfigError, SparksweepError
from sparksweep.hyperdrive.child.context import ScriptRun, get_context
from sparksweep.hyperdrive.child.placeholders import as_options
from sparksweep.hyperdrive.tags import (
    ERROR_TAG,
    FROM_MLFLOW,
    GOAL_TAG,
    PRIMARY_TAG,
    SETTING_TAG,
    STATUS_TAG,
    TO_MLFLOW,
)

if TYPE_CHECKING:
    from sparksweep.history import History, RecordedRun
    from sparksweep.hyperdrive.driver.sweep import Sweep
    from sparksweep.hyperdrive.run_config import HyperDriveConfig
    from sparksweep.hyperdrive.workspace import Workspace

__all__ = ["HyperDriveRun", "Live", "Run"]


class Experiment(Protocol):
    """What a run needs of its experiment."""

    name: str
    workspace: Workspace


class Run:
    """A run of an experiment, by its id. In a training script, ``Run.get_context()`` is the run itself.

    Parameters
    ----------
    experiment : Experiment
    run_id : str
    """

    def __init__(self, experiment: Experiment, run_id: str) -> None:
        self.experiment = experiment
        self.id = run_id

    @staticmethod
    def get_context(allow_offline: bool = True) -> ScriptRun:
        """Return the run of this script; see :func:`~sparksweep.hyperdrive.child.context.get_context`."""
        return get_context(allow_offline)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.experiment.name!r}, {self.id!r})"

    @property
    def parent(self) -> HyperDriveRun | None:
        """The sweep that this run belongs to; None for a sweep."""
        parent = self._recorded().parent
        return None if parent is None else HyperDriveRun(self.experiment, parent)

    def get_status(self) -> str:
        """Return HyperDrive's word: Queued, Running, Completed, Failed, Canceled."""
        return _status(self._recorded())

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """Return what the run logged: by name a number, or a list where there are several."""
        names = [name] if name is not None else sorted(self._recorded().metrics)
        found = {}
        for one in names:
            values = [value for _, value in self._history.metric(self.id, one)]
            if values:
                found[one] = values[0] if len(values) == 1 else values
        return found

    def get_tags(self) -> dict[str, str]:
        """Return its tags."""
        return dict(self._recorded().tags)

    def get_details(self) -> dict[str, Any]:
        """Return its id, status, times (UTC, ISO 8601), parameters, tags and error."""
        recorded = self._recorded()
        return {
            "runId": self.id,
            "status": _status(recorded),
            "startTimeUtc": None if recorded.start_time is None else recorded.start_time.isoformat(),
            "endTimeUtc": None if recorded.end_time is None else recorded.end_time.isoformat(),
            "properties": dict(recorded.parameters),
            "tags": dict(recorded.tags),
            "error": recorded.tags.get(ERROR_TAG),
            "runDefinition": {"arguments": self._arguments(recorded)},
        }

    def get_file_names(self) -> list[str]:
        """Return the names of its files: ``outputs/...``, ``logs/...`` and ``user_logs/std_log.txt``."""
        return self._history.files(self.id)

    def download_file(self, name: str, output_file_path: str | Path | None = None) -> None:
        """Copy a file of the run, by default into the current folder under its last name."""
        target = Path(name).name if output_file_path is None else output_file_path
        self._history.download(self.id, name, Path(target))

    def download_files(self, prefix: str = "", output_directory: str | Path = ".") -> None:
        """Copy the files whose names begin with a prefix, under their names."""
        for name in self.get_file_names():
            if name.startswith(prefix):
                self.download_file(name, Path(output_directory) / name)

    def register_model(self, model_name: str, *_: Any, **__: Any) -> None:
        """Decline: models are kept in Azure ML's registry, which has no counterpart here.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError(
            f"register_model: there is no registry for {model_name!r}; take the model's file by download_file"
        )

    def _arguments(self, recorded: RecordedRun) -> list[str]:
        """Return what the script was given: the arguments of its configuration, then its parameters."""
        parent = None if recorded.parent is None else self._history.find(recorded.parent)
        setting = json.loads(recorded.tags.get(SETTING_TAG, "{}"))
        return [*_told(parent, "arguments"), *as_options(setting)]

    @property
    def _history(self) -> History:
        return self.experiment.workspace.history

    def _recorded(self) -> RecordedRun:
        recorded = self._history.find(self.id)
        if recorded is None:
            raise ConfigError(f"the history has no run {self.id!r}: name one of this workspace")
        return recorded


class Live:
    """A sweep that runs in this process, as its handle sees it."""

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.sweep: Sweep | None = None
        self._id = ""
        self._begun = threading.Event()
        self._over = threading.Event()

    def begin(self, run_id: str, sweep: Sweep) -> None:
        """Take the sweep once it is there."""
        self._id, self.sweep = run_id, sweep
        self._begun.set()

    def end(self) -> None:
        """Let nobody wait any more."""
        self._begun.set()
        self._over.set()

    def is_over_within(self, seconds: float) -> bool:
        """Wait for the end. Not by joining the thread, which before Python 3.13 a Ctrl-C takes for ended."""
        return self._over.wait(seconds)

    def wait_for_id(self) -> str:
        """Return the sweep's id as soon as there is one. Raises what has ended it before."""
        self._begun.wait()
        if self.error is not None and not self._id:
            raise self.error
        return self._id


class HyperDriveRun(Run):
    """A sweep: one that was submitted in this process, or an earlier one by its id.

    Parameters
    ----------
    experiment : Experiment
    run_id : str
    hyperdrive_config, live
        Of a sweep of this process.
    """

    def __init__(
        self,
        experiment: Experiment,
        run_id: str,
        hyperdrive_config: HyperDriveConfig | None = None,
        *,
        live: Live | None = None,
    ) -> None:
        super().__init__(experiment, run_id)
        self.hyperdrive_config = hyperdrive_config
        self._live = live

    def get_children(self) -> Iterator[Run]:
        """Yield the child runs, the newest first, as Azure ML does."""
        for recorded in reversed(self._children()):
            yield Run(self.experiment, recorded.id)

    def get_children_sorted_by_primary_metric(
        self, top: int = 0, reverse: bool = False, discard_no_metric: bool = False
    ) -> list[dict[str, Any]]:
        """Return a dict a run, the best first.

        It has ``run_id``, ``hyperparameters`` as JSON, ``best_primary_metric`` and ``status``. A run counts
        with the best value that it reported. Runs without any stand last.

        Parameters
        ----------
        top : int
            Return so many; 0 for all.
        reverse : bool
            The worst first.
        discard_no_metric : bool
            Leave out runs without the primary metric.
        """
        sweep = self._recorded()
        children = [(self._best_of(recorded, sweep), recorded) for recorded in self._children()]
        with_metric = [(best, recorded) for best, recorded in children if best is not None]
        with_metric.sort(key=lambda pair: pair[0], reverse=_maximizes(sweep) != reverse)
        without = [(best, recorded) for best, recorded in children if best is None and not discard_no_metric]
        found = [
            {
                "run_id": recorded.id,
                "hyperparameters": recorded.tags.get(SETTING_TAG, "{}"),
                "best_primary_metric": best,
                "status": _status(recorded),
            }
            for best, recorded in (*with_metric, *without)
        ]
        return found[:top] if top else found

    def get_best_run_by_primary_metric(
        self,
        include_failed: bool = True,
        include_canceled: bool = True,
        include_resume_from_runs: bool = True,
    ) -> Run | None:
        """Return the run with the best value that any reported; None if there is none.

        Parameters
        ----------
        include_failed, include_canceled : bool
            Whether runs count that failed, or were stopped.
        include_resume_from_runs : bool
            Whether the runs of the sweeps count that stood in ``resume_from``.
        """
        left_out = {"Failed": not include_failed, "Canceled": not include_canceled}
        recorded = self._recorded()
        earlier = _told(recorded, "resume_from") if include_resume_from_runs else []
        sweeps = [self, *(HyperDriveRun(self.experiment, one) for one in earlier if self._history.find(one))]
        rows = [
            row
            for sweep in sweeps
            for row in sweep.get_children_sorted_by_primary_metric(discard_no_metric=True)
            if not left_out.get(row["status"], False)
        ]
        if not rows:
            return None
        best = (max if _maximizes(recorded) else min)(rows, key=lambda row: row["best_primary_metric"])
        return Run(self.experiment, best["run_id"])

    def get_hyperparameters(self) -> dict[str, str]:
        """Return the parameters of each run as JSON, by its id."""
        return {recorded.id: recorded.tags.get(SETTING_TAG, "{}") for recorded in self._children()}

    def get_metrics(self, name: str | None = None) -> dict[str, Any]:
        """Return what each run logged, by its id; see :meth:`Run.get_metrics`."""
        return {
            recorded.id: Run(self.experiment, recorded.id).get_metrics(name) for recorded in self._children()
        }

    def cancel(self) -> None:
        """End the sweep and its runs.

        Raises
        ------
        ConfigError
            If it does not run in this process.
        """
        if self._live is None or self._live.sweep is None:
            raise ConfigError(f"{self.id} does not run in this process: end the program that runs it")
        self._live.sweep.cancel()

    def wait_for_completion(
        self,
        show_output: bool = False,
        wait_post_processing: bool = False,  # noqa: ARG002 - Azure ML's form
        raise_on_error: bool = True,
    ) -> dict[str, Any]:
        """Wait until the sweep has ended, and return its details.

        Parameters
        ----------
        show_output : bool
            Print how far it is.
        raise_on_error : bool
            Raise SparksweepError if no run came to a primary metric.

        Raises
        ------
        SparksweepError
            What ended the sweep.
        """
        if show_output:
            sys.stdout.write(f"RunId: {self.id}\nHistory: {self._history.uri}\n")
        if self._live is None:
            while self.get_status() not in TO_MLFLOW:
                time.sleep(2)
        else:
            self._wait_for(self._live, show_output=show_output)
        details = self.get_details()
        if show_output:
            sys.stdout.write(f"Status: {details['status']}\n")
        if raise_on_error and details["status"] == "Failed":
            raise SparksweepError(
                f"{self.id}: no run logged the primary metric; look at user_logs/std_log.txt of its children"
            )
        return details

    def _wait_for(self, live: Live, *, show_output: bool) -> None:
        from sparksweep.hyperdrive.driver.progress import told  # noqa: PLC0415 - Spark only where a sweep runs

        maximize = show_output and _maximizes(self._recorded())
        shown, is_over = "", False
        with _interruptible():
            while not is_over:
                is_over = live.is_over_within(0.5)
                if show_output and live.sweep is not None:
                    done, text = told(live.sweep.children, maximize=maximize)
                    line = f"{done} done, {text}"
                    if line != shown:
                        sys.stdout.write(f"{line}\n")
                        shown = line
        if live.error is not None:
            raise live.error

    def _children(self) -> list[RecordedRun]:
        return self._history.children(self.id)

    def _best_of(self, recorded: RecordedRun, sweep: RecordedRun) -> float | None:
        primary = sweep.tags.get(PRIMARY_TAG, "")
        if primary not in recorded.metrics:
            return None
        values = [value for _, value in self._history.metric(recorded.id, primary)]
        known = [value for value in values if value - value == 0]  # neither NaN nor an infinity
        if not known:
            return None
        return max(known) if _maximizes(sweep) else min(known)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end the waiting alone. PySpark would end all of Spark's jobs, the runs among them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def _maximizes(sweep: RecordedRun) -> bool:
    return sweep.tags.get(GOAL_TAG, "maximize") == "maximize"


def _status(recorded: RecordedRun) -> str:
    return recorded.tags.get(STATUS_TAG) or FROM_MLFLOW[recorded.status]


def _told(recorded: RecordedRun | None, name: str) -> list[str]:
    """Return a list that stands among the parameters of a sweep."""
    try:
        told: list[str] = json.loads(recorded.parameters[name]) if recorded is not None else []
    except (KeyError, ValueError):
        return []  # there is none, or it was too long for the history
    return told
