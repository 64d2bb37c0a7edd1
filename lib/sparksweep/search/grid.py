"""scikit-learn's GridSearchCV and RandomizedSearchCV with their fits on Spark.

The classes subclass scikit-learn's own; only ``fit`` is written anew. These protected methods of
scikit-learn are called or overridden, and nothing else of it that is not public:

===================================  =======================================================================
``_validate_params``                 called: refuses wrong arguments as scikit-learn does
``_get_scorers``                     called: the scorer, and the metric that ``refit`` goes by
``_get_routed_params_for_fit``       called: metadata for the splitter, the estimator and the scorer
``_check_refit_for_multimetric``     called: ``refit`` for a callable that returns several metrics
``_run_search``                      overridden: gives the candidates to ``evaluate_candidates``
``_format_results``                  called: results of the fits to ``cv_results_``
``_select_best_index``               called: the candidate that ``refit`` goes by
``__getstate__``                     overridden: a SparkContext cannot be pickled
``__sklearn_clone__``                overridden: a SparkContext cannot be copied
===================================  =======================================================================
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from pyspark import SparkContext, TaskContext
from sklearn import model_selection
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, ParameterSampler, check_cv
from sklearn.utils import indexable
from threadpoolctl import threadpool_limits

from sparksweep.search.engine import FitRaised, Fold, LocalEngine, SparkEngine
from sparksweep.search.fit import FitResult, FitSettings, Member, SearchData
from sparksweep.search.outcomes import as_rows, fit_line, give_warnings, warn_of_failed_fits
from sparksweep.search.progress import show_progress
from sparksweep.search.rows import split_metadata
from sparksweep.search.tasks import Fit
from sparksweep.search.threads import limit_threads, task_threads
from sparksweep.session import create_session, ship_package

__all__ = ["GridSearchCV", "RandomizedSearchCV"]


class _SparkSearch:
    """What both classes do in their own way: fit the candidates on Spark, and be cloned and pickled."""

    # What scikit-learn's search sets in its __init__, for the type checker.
    estimator: Any
    scoring: Any
    refit: Any
    cv: Any
    n_jobs: int | None
    verbose: int
    error_score: Any
    return_train_score: bool
    sc: SparkContext | None
    threads: int | None
    progress: bool | None

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Fit every candidate on every fold, and then the best one on all data.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Or (n_samples, n_samples) for a precomputed kernel.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
        **params : dict
            Metadata for the estimator, the scorer and the splitter, as scikit-learn takes them.

        Returns
        -------
        self : object
        """
        search: Any = self  # scikit-learn's part of the class has no types
        search._validate_params()
        scorers, refit_metric = search._get_scorers()
        X, y = indexable(X, y)
        routed = search._get_routed_params_for_fit(split_metadata(X, params))
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        self.n_splits_ = splitter.get_n_splits(X, y, **routed.splitter.split)
        base_estimator = clone(self.estimator)

        engine, threads = self._start_engine(
            SearchData(X, y, routed.estimator.fit, routed.scorer.score), scorers
        )
        evaluation = _Evaluation(
            self,
            base_estimator,
            engine,
            lambda cv: list((cv or splitter).split(X, y, **routed.splitter.split)),
        )
        try:
            search._run_search(evaluation)
        finally:
            engine.close()

        # A callable may return one score or several: only its results tell.
        first_scores = evaluation.rows[0]["test_scores"]
        self.multimetric_ = isinstance(first_scores, dict)
        if callable(self.scoring) and self.multimetric_:
            search._check_refit_for_multimetric(first_scores)
            refit_metric = self.refit
        self.cv_results_ = evaluation.cv_results
        self.fit_errors_ = evaluation.fit_errors
        self.scorer_ = self._named_scorers() if self._metrics() is not None else scorers
        if self.refit or not self.multimetric_:
            self.best_index_ = search._select_best_index(self.refit, refit_metric, self.cv_results_)
            if not callable(self.refit):
                self.best_score_ = self.cv_results_[f"mean_test_{refit_metric}"][self.best_index_]
            self.best_params_ = self.cv_results_["params"][self.best_index_]
        if self.refit:
            self._refit(base_estimator, X, y, routed.estimator.fit, threads)
        return self

    def _refit(
        self, base_estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any], threads: int
    ) -> None:
        self.best_estimator_ = clone(base_estimator).set_params(**clone(self.best_params_, safe=False))
        # The bits of some estimators depend on their threads: the refit has as many as every fit had.
        asked = limit_threads(self.best_estimator_, threads)
        start = time.perf_counter()
        with threadpool_limits(threads):
            if y is None:
                self.best_estimator_.fit(X, **fit_params)
            else:
                self.best_estimator_.fit(X, y, **fit_params)
        self.refit_time_ = time.perf_counter() - start
        self.best_estimator_.set_params(**asked)
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

    def _start_engine(self, data: SearchData, scorers: Any) -> tuple[LocalEngine | SparkEngine, int]:
        def settings(threads: int) -> FitSettings:
            return FitSettings(scorers, self._metrics(), self.error_score, self.return_train_score, threads)

        task = TaskContext.get()
        if task is not None:
            # A search inside a search runs on an executor, which has no SparkContext.
            threads = task_threads(self.threads, task.cpus())
            return LocalEngine(data, settings(threads)), threads
        sc = self.sc or create_session("sparksweep").sparkContext
        ship_package(sc)
        threads = task_threads(self.threads, int(sc.getConf().get("spark.task.cpus", "1")))
        return SparkEngine(
            sc, data, settings(threads), _slots(self._task_limit, sc.defaultParallelism)
        ), threads

    @property
    def _task_limit(self) -> int | None:
        return self.n_jobs

    def _metrics(self) -> tuple[str, ...] | None:
        is_single = self.scoring is None or isinstance(self.scoring, str) or callable(self.scoring)
        return None if is_single else tuple(self.scoring)

    def _named_scorers(self) -> dict[str, Callable[..., Any]]:
        scoring = self.scoring if isinstance(self.scoring, Mapping) else {name: name for name in self.scoring}
        return {name: check_scoring(self.estimator, scoring=one) for name, one in scoring.items()}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "sc": None}  # type: ignore[misc]  # scikit-learn's has no types

    def __sklearn_clone__(self) -> Any:
        bare = type(self).__new__(type(self))
        bare.__dict__.update(self.__dict__, sc=None)
        twin = super(_SparkSearch, bare).__sklearn_clone__()  # type: ignore[misc]  # as above
        twin.sc = self.sc
        return twin


class _Evaluation:
    """scikit-learn's ``evaluate_candidates``: fits candidates, and keeps the results of all calls.

    A search may call it several times, each time with the candidates that the results so far suggest.
    """

    def __init__(
        self,
        search: Any,
        base_estimator: Any,
        engine: LocalEngine | SparkEngine,
        split: Callable[[Any], list[Fold]],
    ) -> None:
        self._search = search
        self._base_estimator = base_estimator
        self._engine = engine
        self._split = split
        self._candidates: list[Mapping[str, Any]] = []
        self._more_results: defaultdict[str, list[Any]] = defaultdict(list)
        self.rows: list[dict[str, Any]] = []
        self.cv_results: dict[str, Any] = {}

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
    ) -> dict[str, Any]:
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
        results = self._run(candidates, folds)
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

    def _run(self, candidates: Sequence[Mapping[str, Any]], folds: Sequence[Fold]) -> list[FitResult]:
        fits = [
            Fit(candidate, fold, Member(clone(self._base_estimator), parameters))
            for candidate, parameters in enumerate(candidates)
            for fold in range(len(folds))
        ]
        results: dict[int, FitResult] = {}
        with show_progress(len(fits), self._search.progress) as advance:
            for position, outcome in self._engine.run(fits, folds) if fits else ():
                if isinstance(outcome, FitRaised):
                    raise outcome.error
                results[position] = outcome
                advance()
                if self._search.verbose > 1:
                    self._print_line(fits[position], outcome, len(folds), len(candidates))
        give_warnings(results[position].warned for position in sorted(results))
        return [results[position] for position in range(len(fits))]

    def _print_line(self, fit: Fit, result: FitResult, n_folds: int, n_candidates: int) -> None:
        line = fit_line(
            result,
            fit.member.parameters,
            verbose=self._search.verbose,
            fold=(fit.fold, n_folds),
            candidate=(fit.candidate, n_candidates),
        )
        print(line)  # noqa: T201 - scikit-learn prints this


def _slots(n_jobs: int | None, parallelism: int) -> int | None:
    """Return how many tasks may run at once; None for no limit. Negative numbers count from the end."""
    if n_jobs == 0:
        raise ValueError("n_jobs == 0 has no meaning: give a number of fits at once, or -1 for every slot.")
    if n_jobs is None or n_jobs == -1:
        return None
    return n_jobs if n_jobs > 0 else max(1, parallelism + 1 + n_jobs)


class GridSearchCV(_SparkSearch, model_selection.GridSearchCV):  # type: ignore[misc]  # scikit-learn has no types
    """scikit-learn's exhaustive search over a grid, with every fit on Spark.

    Parameters that are not listed here, attributes and methods mean what they mean in
    :class:`sklearn.model_selection.GridSearchCV`, and the scores are the same to the last bit.

    Parameters
    ----------
    estimator : estimator
    param_grid : dict or list of dicts
    sc : SparkContext, optional
        Where the fits run. By default the running one; where none runs, one is started. It is never
        copied or pickled: a clone shares it, an unpickled search takes the running one.
    n_jobs : int, optional
        How many fits run at once. None and -1 mean every task slot of Spark.
    threads : int, optional
        Threads of every fit, the refit included. By default the estimator's own number, but never more
        than ``spark.task.cpus``. One number for all, since XGBoost's last bits depend on it.
    progress : bool, optional
        None shows a bar where standard error is a terminal; True also writes plain lines where it is not.

    Attributes
    ----------
    fit_errors_ : dict
        The text of the traceback of each fit that failed, by (candidate, fold). Their scores are
        ``error_score``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> search = GridSearchCV(SVC(), {"C": [1, 10]}, cv=3)
    >>> search.fit(*load_iris(return_X_y=True)).best_params_
    {'C': 1}
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
        *,
        sc: SparkContext | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.sc = sc
        self.threads = threads
        self.progress = progress

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        evaluate_candidates(ParameterGrid(self.param_grid))


class RandomizedSearchCV(_SparkSearch, model_selection.RandomizedSearchCV):  # type: ignore[misc]  # as above
    """scikit-learn's search over random candidates, with every fit on Spark.

    ``sc``, ``n_jobs``, ``threads`` and ``progress`` are those of :class:`GridSearchCV`; the rest means
    what it means in :class:`sklearn.model_selection.RandomizedSearchCV`.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        n_iter: int = 10,
        sc: SparkContext | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        threads: int | None = None,
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.sc = sc
        self.threads = threads
        self.progress = progress

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        evaluate_candidates(
            ParameterSampler(self.param_distributions, self.n_iter, random_state=self.random_state)
        )
