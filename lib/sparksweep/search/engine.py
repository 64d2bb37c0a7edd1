"""Where the fits of a search run: on Spark, or in this process where there is no SparkContext.

Both engines take the same plan and yield the same results, each as soon as its fit ends.
"""

from __future__ import annotations

import queue
import traceback
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark import RDD, AccumulatorParam, Broadcast, InheritableThread, SparkContext, cloudpickle
from sklearn import config_context, get_config

from sparksweep.search.fit import FitResult, FitSettings, SearchData, fit_and_score
from sparksweep.search.rows import Indices
from sparksweep.search.tasks import Fit, Task, make_tasks

__all__ = ["FitRaised", "Fold", "LocalEngine", "SparkEngine"]

Fold = tuple[Indices, Indices]


@dataclass(frozen=True)
class FitRaised:
    """An exception that ends the search, brought from the executor as it was raised."""

    error: BaseException


Outcome = FitResult | FitRaised


class LocalEngine:
    """Does one fit after the other in this process: a search inside a search, whose executor has no Spark."""

    def __init__(self, data: SearchData, settings: FitSettings) -> None:
        self._data = data
        self._settings = settings

    def run(self, fits: Sequence[Fit], folds: Sequence[Fold]) -> Iterator[tuple[int, Outcome]]:
        """Yield (position in ``fits``, result)."""
        for task in make_tasks(fits, self._data.fit_params):
            yield from _do(task, self._data, folds[task.fold], self._settings)

    def close(self) -> None:
        """There is nothing to free."""


class SparkEngine:
    """Does the fits in Spark tasks, one a boosting path and fold, over one broadcast of the data.

    Parameters
    ----------
    sc : SparkContext
    data : SearchData
        Sent to each executor once, whatever the number of fits and of calls of :meth:`run`.
    settings : FitSettings
    slots : int or None
        At most so many tasks at once; None for as many as Spark has slots.
    """

    def __init__(self, sc: SparkContext, data: SearchData, settings: FitSettings, slots: int | None) -> None:
        self._sc = sc
        self._data: Broadcast[SearchData] = sc.broadcast(data)
        self._fit_params = data.fit_params
        self._settings = settings
        self._slots = slots

    def run(self, fits: Sequence[Fit], folds: Sequence[Fold]) -> Iterator[tuple[int, Outcome]]:
        """Yield (position in ``fits``, result) in the order in which the tasks end.

        Leaving the iteration early, by an exception or Ctrl-C, cancels what still runs.
        """
        rest = self._sc.broadcast(_pickle((folds, self._settings, get_config())))
        pickled = [_pickle(task) for task in make_tasks(fits, self._fit_params)]
        tasks: RDD[bytes] = self._sc.parallelize(pickled, min(len(pickled), self._slots or len(pickled)))
        ended: queue.SimpleQueue[tuple[int, bytes] | _JobEnded] = queue.SimpleQueue()
        reports = self._sc.accumulator([], _Reports(ended))
        data = self._data

        def work(mine: Iterable[bytes]) -> None:
            folds, settings, config = cloudpickle.loads(rest.value)
            with config_context(**config):
                for one in mine:
                    task = cloudpickle.loads(one)
                    outcomes = _do(task, data.value, folds[task.fold], settings)
                    reports.add([(position, _pickle(outcome)) for position, outcome in outcomes])

        group = f"sparksweep-{uuid.uuid4()}"

        def job() -> None:
            try:
                self._sc.setJobGroup(group, f"sparksweep: {len(fits)} fits", interruptOnCancel=True)
                tasks.foreachPartition(work)
            except BaseException as error:
                ended.put(_JobEnded(error))
            else:
                ended.put(_JobEnded(None))

        thread = InheritableThread(target=job, daemon=True)
        thread.start()
        is_running = True
        try:
            while True:
                item = ended.get()
                if isinstance(item, _JobEnded):
                    is_running = False
                    if item.error is not None:
                        raise item.error
                    return
                position, outcome = item
                yield position, cloudpickle.loads(outcome)
        finally:
            if is_running:
                self._sc.cancelJobGroup(group)
            rest.destroy()

    def close(self) -> None:
        """Free the broadcast on the driver and on the executors."""
        self._data.destroy()


@dataclass(frozen=True)
class _JobEnded:
    error: BaseException | None


class _Reports(AccumulatorParam[list[tuple[int, bytes]]]):
    """Brings each task's results to the driver when the task ends, once, whatever Spark retries.

    On an executor ``addInPlace`` collects; on the driver, which alone has the queue, it hands on. It
    must neither raise nor wait there: an exception would silently stop every accumulator of the
    context, and a slow one would stall Spark's scheduler. So outcomes are unpickled by the reader.
    """

    def __init__(self, ended: queue.SimpleQueue[Any] | None) -> None:
        self._ended = ended

    def __getstate__(self) -> dict[str, Any]:
        return {"_ended": None}

    def zero(self, value: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:  # noqa: ARG002 - Spark's form
        return []

    def addInPlace(  # noqa: N802 - Spark's name
        self, value1: list[tuple[int, bytes]], value2: list[tuple[int, bytes]]
    ) -> list[tuple[int, bytes]]:
        if self._ended is None:
            return value1 + value2
        for report in value2:
            self._ended.put(report)
        return []


def _pickle(value: Any) -> bytes:
    """Pickle with cloudpickle, which carries classes and functions of a notebook or script by value."""
    pickled: bytes = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]  # pyspark's copy has no types
    return pickled


def _do(task: Task, data: SearchData, fold: Fold, settings: FitSettings) -> list[tuple[int, Outcome]]:
    try:
        results = fit_and_score(task.members, data, *fold, settings)
    except Exception as error:
        return [(task.positions[0], FitRaised(_portable(error)))]
    return list(zip(task.positions, results, strict=True))


def _portable(error: Exception) -> Exception:
    """Return the error if it survives pickling, else one that tells what it was."""
    try:
        cloudpickle.loads(_pickle(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
