"""One call of a search's ``fit``: it runs candidates, keeps their results, and fits the best one."""

from __future__ import annotations

import copy
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any

from pyspark import TaskContext
from pyspark.sql import SparkSession
from sklearn.base import clone

from sparksweep.search.callbacks import FitCallbacks, give_callbacks, take_callbacks
from sparksweep.search.engine import FitRaised, LocalEngine, Outcome, SparkEngine
from sparksweep.search.fingerprint import Fingerprint, candidate_key, fingerprint_of, fold_key
from sparksweep.search.fit import FitResult, FitSettings, Member
from sparksweep.search.journal import Journal, JournalOpener
from sparksweep.search.outcomes import as_rows, fit_line, give_warnings, warn_of_failed_fits
from sparksweep.search.progress import show_progress
from sparksweep.search.refit import fit_on_all
from sparksweep.search.resources import Allotment, Cluster, wants_gpu
from sparksweep.search.tasks import Fit, Task, make_tasks
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import Fold, SearchData
from sparksweep.session import create_session, ship_package
from sparksweep.storage import open_store

__all__ = ["Evaluation"]


class Evaluation:
    """scikit-learn's ``evaluate_candidates``: fits candidates, and keeps the results of all calls.

    A search may call it several times, each time with the candidates that the results so far suggest.

    Parameters
    ----------
    search : estimator
        Its parameters say how. Of its methods, scikit-learn's ``_format_results`` is called.
    base_estimator : estimator
        Cloned for each fit.
    data : SearchData
    scorers, metrics
        See :class:`~sparksweep.search.fit.FitSettings`.
    n_jobs : int or None
        Fits at once at most; None and -1 for every slot of Spark.
    split : callable
        Takes a splitter, or None for the search's own, and returns the folds.
    """

    def __init__(
        self,
        search: Any,
        base_estimator: Any,
        data: SearchData,
        scorers: Any,
        metrics: tuple[str, ...] | None,
        n_jobs: int | None,
        split: Callable[[Any], list[Fold]],
    ) -> None:
        self._search = search
        self._base_estimator = base_estimator
        self._data = data
        self._settings = FitSettings(
            scorers, metrics, search.error_score, search.return_train_score, Threads(1)
        )
        self._n_jobs = n_jobs
        self._split = split
        self._candidates: list[Mapping[str, Any]] = []
        self._more_results: defaultdict[str, list[Any]] = defaultdict(list)
        self._opened = ExitStack()
        self._cluster: Cluster | None = None
        self._allotment: Allotment | None = None
        self._engine: LocalEngine | SparkEngine | None = None
        self._journal: Journal[FitResult] | None = None
        self._journalled = 0
        self.rows: list[dict[str, Any]] = []
        self.cv_results: dict[str, Any] = {}

    def __enter__(self) -> Evaluation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)
        if kind is not None and not issubclass(kind, Exception) and self._journal is not None:
            sys.stderr.write(
                f"Interrupted: {self._journalled} fits are in {self._journal.uri}. The same search with the "
                "same journal goes on from there.\n"
            )

    @property
    def fit_errors(self) -> dict[tuple[int, int], str]:
        """The text of the traceback of each fit that failed, by (candidate, fold)."""
        errors = (
            (divmod(number, self._search.n_splits_), row["fit_error"]) for number, row in enumerate(self.rows)
        )
        return {place: error for place, error in errors if error is not None}

    def __call__(
        self,
        candidate_params: Iterable[Mapping[str, Any]],
        cv: Any = None,
        more_results: Mapping[str, Sequence[Any]] | None = None,
        callback_ctx: Any = None,
    ) -> dict[str, Any]:
        """Fit and score candidates, and return ``cv_results_`` of all calls."""
        candidates = list(candidate_params)
        n_splits = self._search.n_splits_
        folds = self._split(cv)
        if len(folds) != n_splits:
            raise ValueError(
                "cv.split and cv.get_n_splits return inconsistent results. "
                f"Expected {n_splits} splits, got {len(folds)}"
            )
        if self._search.verbose > 0:
            print(  # noqa: T201 - scikit-learn prints this
                f"Fitting {n_splits} folds for each of {len(candidates)} candidates, "
                f"totalling {n_splits * len(candidates)} fits"
            )
        callbacks = FitCallbacks(self._search, callback_ctx, self._base_estimator, self._data, folds)
        results = self._run(candidates, folds, callbacks)
        if not results:
            raise ValueError("No fits were performed. Was the CV iterator empty? Were there no candidates?")
        warn_of_failed_fits(results, self._search.error_score)
        self.rows += as_rows(
            results, is_scoring_callable=callable(self._search.scoring), error_score=self._search.error_score
        )
        self._candidates += candidates
        for key, values in (more_results or {}).items():
            self._more_results[key].extend(values)
        self.cv_results = self._search._format_results(
            self._candidates, n_splits, self.rows, self._more_results
        )
        return self.cv_results

    def fit_on_all(self, estimator: Any) -> tuple[Any, float]:
        """Fit an estimator on all data, and return it with the seconds that it took."""
        threads = Threads(1) if self._allotment is None else self._allotment.refit_threads
        if self._search.refit_on == "executor" and isinstance(self._engine, SparkEngine):
            profile = None
            if self._cluster is not None and threads.count > self._cluster.task_cpus:
                profile = self._cluster.whole_executor()
            asked = threads.limit(estimator)
            callbacks = take_callbacks(estimator)
            fitted, seconds = self._engine.fit(estimator, threads.count, profile)
            give_callbacks(fitted, callbacks)
            return fitted.set_params(**asked) if asked else fitted, seconds
        start = time.perf_counter()
        fitted = fit_on_all(estimator, self._data, threads)
        return fitted, time.perf_counter() - start

    def _run(
        self, candidates: Sequence[Mapping[str, Any]], folds: Sequence[Fold], callbacks: FitCallbacks
    ) -> list[FitResult]:
        fits: list[Fit] = []
        for candidate, parameters in enumerate(candidates):
            for fold in range(len(folds)):
                estimator = callbacks.prepare(clone(self._base_estimator))
                fits.append(Fit(candidate, fold, Member(estimator, parameters, callbacks.place(len(fits)))))
        tasks = make_tasks(fits, self._data.fit_params, self._settings)
        if self._engine is None:
            self._start(candidates, len(tasks))
        keys, results = self._open_journal(candidates, folds, fits)
        left = [task for task in (task.without(results) for task in tasks) if task is not None]
        self._journalled += len(results)
        for position in results:
            callbacks.tell(position, fits[position].fold, fits[position].member, was_fitted=False)
        with (
            show_progress(len(fits), self._search.progress, before=len(results)) as advance,
            closing(self._outcomes(left, folds)) as outcomes,
        ):
            for position, outcome in outcomes:
                fit = fits[position]
                if isinstance(outcome, FitRaised):
                    callbacks.tell(position, fit.fold, fit.member)
                    raise outcome.error
                results[position] = outcome
                if self._journal is not None:
                    self._journal.add(keys[position], outcome)
                    self._journalled += 1
                advance()
                callbacks.tell(position, fit.fold, fit.member, was_fitted=not outcome.is_cut)
                if self._search.verbose > 1:
                    self._print_line(fit, outcome, len(folds), len(candidates))
        give_warnings(results[position].warned for position in sorted(results))
        return [results[position] for position in range(len(fits))]

    def _start(self, candidates: Sequence[Mapping[str, Any]], n_tasks: int) -> None:
        """Start the engine, and settle the threads that every fit of the search has."""
        search = self._search
        task = TaskContext.get()
        if task is not None:
            # A search inside a search runs on an executor, which has no SparkContext.
            self._engine = LocalEngine(self._data)
            ours = Cluster(None, task.cpus(), task.cpus(), task.cpus(), is_local=True)
        else:
            sc = search.sc or create_session("sparksweep").sparkContext
            ship_package(sc)
            self._engine = SparkEngine(sc, self._data)
            ours = Cluster.of(sc)
        self._opened.callback(self._engine.close)
        # Copied, since asking an XGBoost estimator for its parameters draws from its RandomState.
        is_gpu = task is None and wants_gpu(copy.deepcopy(self._base_estimator), candidates)
        self._cluster = ours
        self._allotment = ours.allot(search.threads, self._n_jobs, n_tasks, gpu=is_gpu)
        self._settings = self._settings.with_threads(self._allotment.threads)

    def _outcomes(
        self, tasks: Sequence[Task], folds: Sequence[Fold]
    ) -> Generator[tuple[int, Outcome], None, None]:
        if isinstance(self._engine, SparkEngine) and self._allotment is not None:
            yield from self._engine.run(
                tasks,
                folds,
                self._settings,
                slots=self._allotment.slots,
                is_limited=self._allotment.is_limited,
                profile=self._allotment.profile,
            )
        elif isinstance(self._engine, LocalEngine):
            yield from self._engine.run(tasks, folds, self._settings)

    def _open_journal(
        self, candidates: Sequence[Mapping[str, Any]], folds: Sequence[Fold], fits: Sequence[Fit]
    ) -> tuple[list[str], dict[int, FitResult]]:
        """Return the key of each fit, and the results that the journal has, by position."""
        if self._search.journal is None:
            return [], {}
        if self._journal is None:
            fingerprint = fingerprint_of(
                estimator=self._base_estimator,
                candidates_source=candidates,
                data=self._data,
                folds=folds,
                scorers=self._settings.scorer,
                metrics=self._settings.metrics,
                error_score=self._settings.error_score,
                return_train_score=self._settings.return_train_score,
                threads=self._settings.threads.count,
            )
            self._journal = self._opened.enter_context(_open_journal(self._search.journal, fingerprint))
        of_fold = [fold_key(*fold) for fold in folds]
        of_candidate = [candidate_key(parameters) for parameters in candidates]
        keys = [f"{of_candidate[fit.candidate]}-{of_fold[fit.fold]}" for fit in fits]
        known = self._journal.results
        return keys, {position: known[key] for position, key in enumerate(keys) if key in known}

    def _print_line(self, fit: Fit, result: FitResult, n_folds: int, n_candidates: int) -> None:
        line = fit_line(
            result,
            fit.member.parameters,
            verbose=self._search.verbose,
            fold=(fit.fold, n_folds),
            candidate=(fit.candidate, n_candidates),
        )
        print(line)  # noqa: T201 - scikit-learn prints this


def _open_journal(
    where: str | Path | JournalOpener,
    fingerprint: Fingerprint,
) -> AbstractContextManager[Journal[FitResult]]:
    if callable(where):
        return where(fingerprint)
    journal: Journal[FitResult] = Journal.open(
        open_store(str(where), spark=SparkSession.getActiveSession()), fingerprint
    )
    return journal
