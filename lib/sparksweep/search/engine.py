"""Where the fits of a search run: on Spark, or in this process where there is no SparkContext.

Both engines take the same tasks and yield the same results, each soon after its fit ends.
"""

from __future__ import annotations

import copy
import queue
import time
import traceback
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pyspark import RDD, AccumulatorParam, InheritableThread, SparkContext, cloudpickle
from pyspark.resource import ResourceProfile
from sklearn import config_context, get_config
from threadpoolctl import threadpool_limits

from sparksweep.search.fit import FitResult, FitSettings, fit_and_score, tells_of_writing
from sparksweep.search.resources import gpu_of_task
from sparksweep.search.schedule import STOP_AFTER, Backlog
from sparksweep.search.shared import Shared
from sparksweep.search.tasks import Task, in_turn
from sparksweep.search.workbench import Fold, SearchData, Workbench

__all__ = ["FitRaised", "LocalEngine", "SparkEngine"]

# Seconds to wait for Spark to end a job that was cancelled.
_CANCEL_SECONDS = 30.0


@dataclass(frozen=True)
class FitRaised:
    """An exception that ends the search, brought from the executor as it was raised."""

    error: BaseException


Outcome = FitResult | FitRaised
Outcomes = list[tuple[int, Outcome]]


class LocalEngine:
    """Does one fit after the other in this process: a search inside a search, whose executor has no Spark."""

    def __init__(self, data: SearchData) -> None:
        self._data = data

    def run(
        self, tasks: Sequence[Task], folds: Sequence[Fold], settings: FitSettings
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield (position of the fit, result)."""
        workbench = Workbench(self._data, folds)
        for task in in_turn(tasks, 1):
            yield from _do(task, workbench, settings)

    def close(self) -> None:
        """There is nothing to free."""


class SparkEngine:
    """Does the fits in Spark tasks over one broadcast of the data.

    Parameters
    ----------
    sc : SparkContext
    data : SearchData
        Sent to each executor once, whatever the number of fits and of calls of :meth:`run`.
    """

    def __init__(self, sc: SparkContext, data: SearchData) -> None:
        self._sc = sc
        self._data = Shared(sc, data)
        self._is_interrupted = False

    def run(
        self,
        tasks: Sequence[Task],
        folds: Sequence[Fold],
        settings: FitSettings,
        *,
        slots: int,
        is_limited: bool = False,
        profile: ResourceProfile | None = None,
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield (position of the fit, result) in the order in which the Spark tasks end.

        Leaving the iteration early, by an exception or Ctrl-C, cancels what still runs.

        Parameters
        ----------
        slots, is_limited
            See :class:`~sparksweep.search.schedule.Backlog`.
        profile : ResourceProfile, optional
            What each Spark task asks for, where that is not Spark's configuration.
        """
        tasks = in_turn(tasks, slots)
        plan = self._sc.broadcast(_Plan(_pickle((folds, settings, get_config()))))
        data = self._data
        ended: queue.SimpleQueue[bytes | _JobEnded] = queue.SimpleQueue()
        reports = self._sc.accumulator([], _Reports(ended))
        backlog = Backlog([task.cost for task in tasks], slots, is_limited=is_limited)
        left = len(tasks)
        description = f"sparksweep: {sum(len(task.positions) for task in tasks)} fits"

        def work(mine: Iterable[list[tuple[int, bytes]]]) -> None:
            for bundle in mine:
                reports.add([plan.value.do(bundle, data)])

        try:
            with _jobs(self._sc, description, ended) as start:
                while left:
                    bundles = backlog.take()
                    if bundles:
                        pickled = [[(task, _pickle(tasks[task])) for task in bundle] for bundle in bundles]
                        rdd: RDD[Any] = self._sc.parallelize(pickled, len(pickled))
                        rdd = rdd if profile is None else rdd.withResources(profile)
                        start(partial(rdd.foreachPartition, work))
                    try:
                        item = ended.get(timeout=backlog.wait())
                    except queue.Empty:
                        continue
                    if isinstance(item, _JobEnded):
                        item.check()
                        continue
                    report: _Report = cloudpickle.loads(item)
                    backlog.ended(report.seconds, report.undone)
                    left -= len(report.seconds)
                    for outcomes in report.outcomes:
                        yield from cloudpickle.loads(outcomes)
        except BaseException:
            self._is_interrupted = True
            raise
        plan.destroy()

    def fit(self, estimator: Any, threads: int, profile: ResourceProfile | None = None) -> tuple[Any, float]:
        """Fit an estimator on all data in a Spark task, and return it with the seconds that it took."""
        content = _pickle((estimator, threads, get_config()))
        data = self._data
        rdd: RDD[bytes] = self._sc.parallelize([content], 1)
        rdd = rdd if profile is None else rdd.withResources(profile)
        ended: queue.SimpleQueue[_JobEnded] = queue.SimpleQueue()
        fitted: list[bytes] = []
        with _jobs(self._sc, "sparksweep: refit", ended) as start:
            start(lambda: fitted.extend(rdd.map(lambda content: _fit_on_all(data.load(), content)).collect()))
            ended.get().check()
        outcome = cloudpickle.loads(fitted[0])
        if isinstance(outcome, FitRaised):
            raise outcome.error
        best: tuple[Any, float] = outcome
        return best

    def close(self) -> None:
        """Free the broadcast on the driver and on the executors.

        After an interrupt that is left to Spark, which frees what nobody holds: tasks that are being killed
        still use it.
        """
        if not self._is_interrupted:
            self._data.destroy()


@dataclass(frozen=True)
class _JobEnded:
    error: BaseException | None

    def check(self) -> None:
        """Raise what ended the job, if it was an error."""
        if self.error is not None:
            raise self.error


@contextmanager
def _jobs(
    sc: SparkContext, description: str, ended: queue.SimpleQueue[Any]
) -> Iterator[Callable[[Callable[[], Any]], None]]:
    """Give a function that starts Spark jobs in threads of their own and puts each one's end on a queue.

    The jobs that run when the block is left are cancelled.
    """
    group = f"sparksweep-{uuid.uuid4()}"
    threads: list[InheritableThread] = []
    is_closing = False

    def start(job: Callable[[], Any]) -> None:
        def run() -> None:
            try:
                sc.setJobGroup(group, description, interruptOnCancel=True)
                if not is_closing:
                    job()
            except BaseException as error:
                ended.put(_JobEnded(error))
            else:
                ended.put(_JobEnded(None))

        threads.append(InheritableThread(target=run, daemon=True))
        threads[-1].start()

    try:
        yield start
    except BaseException:
        is_closing = True
        deadline = time.monotonic() + _CANCEL_SECONDS
        while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
            with suppress(Exception):  # Spark may be gone
                sc.cancelJobGroup(group)  # again: a thread may have started its job only now
            for thread in filter(InheritableThread.is_alive, threads):  # one may be about to start
                thread.join(0.2)
        raise
    for thread in threads:
        thread.join()


@dataclass(frozen=True)
class _Report:
    """What a bundle came to: seconds of each task that was done, pickled outcomes, and what was not begun."""

    seconds: list[tuple[int, float]]
    outcomes: list[bytes]
    undone: list[int]


class _Plan:
    """What a worker needs to do the tasks of a run. It comes with a broadcast, and goes with it."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._opened: tuple[Workbench, FitSettings, dict[str, Any]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_content": self._content, "_opened": None}

    def do(self, bundle: Sequence[tuple[int, bytes]], shared: Shared) -> bytes:
        """Do the tasks of a bundle, and return a pickled :class:`_Report`."""
        if self._opened is None:
            folds, settings, config = cloudpickle.loads(self._content)
            self._opened = Workbench(shared.load(), folds), settings, config
        workbench, settings, config = self._opened
        settings = replace(settings, gpu=gpu_of_task())
        # Spark sets the threads of BLAS to spark.task.cpus.
        blas = threadpool_limits(settings.threads.count) if settings.threads.is_asked else nullcontext()
        seconds: list[tuple[int, float]] = []
        outcomes: list[bytes] = []
        begin = time.monotonic()
        with config_context(**config), blas:
            for task, content in bundle:
                start = time.monotonic()
                if seconds and start - begin >= STOP_AFTER:
                    break
                done = _do(cloudpickle.loads(content), workbench, settings)
                outcomes.append(_pickle(done))
                seconds.append((task, time.monotonic() - start))
                if any(isinstance(outcome, FitRaised) for _, outcome in done):
                    break  # the search ends with it: what would come after it would be for nothing
        undone = [task for task, _ in bundle[len(seconds) :]]
        return _pickle(_Report(seconds, outcomes, undone))


class _Reports(AccumulatorParam[list[bytes]]):
    """Brings a Spark task's report to the driver when the task ends, once, whatever Spark retries.

    On an executor ``addInPlace`` collects; on the driver, which alone has the queue, it hands on. It
    must neither raise nor wait there: an exception would silently stop every accumulator of the
    context, and a slow one would stall Spark's scheduler. So reports are unpickled by the reader.
    """

    def __init__(self, ended: queue.SimpleQueue[Any] | None) -> None:
        self._ended = ended

    def __getstate__(self) -> dict[str, Any]:
        return {"_ended": None}

    def zero(self, value: list[bytes]) -> list[bytes]:  # noqa: ARG002 - Spark's form
        return []

    def addInPlace(self, value1: list[bytes], value2: list[bytes]) -> list[bytes]:  # noqa: N802 - Spark's name
        if self._ended is None:
            return value1 + value2
        for report in value2:
            self._ended.put(report)
        return []


def _pickle(value: Any) -> bytes:
    """Pickle with cloudpickle, which carries classes and functions of a notebook or script by value."""
    pickled: bytes = cloudpickle.dumps(value)  # type: ignore[no-untyped-call]  # pyspark's copy has no types
    return pickled


def _do(task: Task, workbench: Workbench, settings: FitSettings) -> Outcomes:
    try:
        results = fit_and_score(task.members, task.fold, workbench, settings)
    except Exception as error:
        return [(task.positions[0], FitRaised(_portable(error)))]
    return list(zip(task.positions, results, strict=True))


def _fit_on_all(data: SearchData, content: bytes) -> bytes:
    estimator, threads, config = cloudpickle.loads(content)
    start = time.perf_counter()
    try:
        with config_context(**config), threadpool_limits(threads):
            try:
                fitted = _fit_whole(copy.deepcopy(estimator), data)
            except Exception as error:
                if not tells_of_writing(str(error)):
                    raise
                fitted = _fit_whole(estimator, copy.deepcopy(data))  # deep copies can be written to
    except Exception as error:
        return _pickle(FitRaised(_portable(error)))
    return _pickle((fitted, time.perf_counter() - start))


def _fit_whole(estimator: Any, data: SearchData) -> Any:
    arguments = (data.X,) if data.y is None else (data.X, data.y)
    estimator.fit(*arguments, **data.fit_params)
    return estimator


def _portable(error: Exception) -> Exception:
    """Return the error if it survives pickling, else one that tells what it was."""
    try:
        cloudpickle.loads(_pickle(error))
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
