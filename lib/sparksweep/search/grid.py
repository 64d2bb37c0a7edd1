"""scikit-learn's GridSearchCV and RandomizedSearchCV with their fits on Spark.

The classes subclass scikit-learn's own; only ``fit`` is written anew. These protected methods of
scikit-learn are called or overridden, and nothing else of it that is not public:

===================================  =======================================================================
``_validate_params``                 called: refuses wrong arguments as scikit-learn does
``_get_scorers``                     called: the scorer, and the metric that ``refit`` goes by
``_get_routed_params_for_fit``       called: metadata for the splitter, the estimator and the scorer
``_check_refit_for_multimetric``     called: ``refit`` for a callable that returns several metrics
``_run_search``                      called: gives the candidates to ``evaluate_candidates``
``_format_results``                  called: results of the fits to ``cv_results_``
``_select_best_index``               called: the candidate that ``refit`` goes by
``_init_callback_context``           called from scikit-learn 1.9 on: the task tree that callbacks are told of
``_skl_callbacks``                   read: the callbacks that ``set_callbacks`` gave to an estimator
``__getstate__``                     overridden: a SparkContext cannot be pickled
``__sklearn_clone__``                overridden: a SparkContext cannot be copied
``_metadata_request``, and           read for a journal's fingerprint: what a clone keeps beside parameters
``_sklearn_output_config``
===================================  =======================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pyspark import SparkContext
from sklearn import get_config, model_selection
from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import check_cv
from sklearn.utils import indexable

from sparksweep.search.callbacks import SearchCallbacks, tears_down
from sparksweep.search.evaluation import Evaluation
from sparksweep.search.journal import JournalOpener
from sparksweep.search.rows import split_metadata
from sparksweep.search.workbench import Fold, SearchData

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
    threads: int | str | None
    journal: str | Path | JournalOpener | None
    refit_on: str
    progress: bool | None

    @tears_down
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
        if not get_config()["skip_parameter_validation"]:
            search._validate_params()
        scorers, refit_metric = search._get_scorers()
        X, y = indexable(X, y)
        data, splitter, of_split = self._routed(X, y, params)
        callbacks = SearchCallbacks(self, X, y, params)
        self.n_splits_ = splitter.get_n_splits(X, y, **of_split)
        base_estimator = clone(self.estimator)

        with Evaluation(
            self,
            base_estimator,
            data,
            scorers,
            self._metrics(),
            self._task_limit,
            lambda cv: list((cv or splitter).split(X, y, **of_split)),
        ) as evaluation:
            callbacks.run_search(evaluation)
            self._take_results(evaluation, scorers, refit_metric)
            if self.refit:
                best = clone(base_estimator)
                with callbacks.refit(best):
                    self._refit(evaluation, best)
        callbacks.end()
        return self

    def cross_validation(self, X: Any, y: Any = None, **params: Any) -> tuple[SearchData, list[Fold], Any]:
        """Return what each candidate is fitted and scored on: the data, the folds and the scorer.

        The parameters are those of :meth:`fit`.
        """
        search: Any = self
        scorer, _ = search._get_scorers()
        X, y = indexable(X, y)
        data, splitter, of_split = self._routed(X, y, params)
        return data, list(splitter.split(X, y, **of_split)), scorer

    def _routed(self, X: Any, y: Any, params: Mapping[str, Any]) -> tuple[SearchData, Any, dict[str, Any]]:
        """Return the data with the metadata of the fits and the scores, the splitter, and its metadata."""
        search: Any = self
        routed = search._get_routed_params_for_fit(split_metadata(X, params))
        splitter = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        data = SearchData(X, y, routed.estimator.fit, routed.scorer.score)
        return data, splitter, dict(routed.splitter.split)

    def _take_results(self, evaluation: Evaluation, scorers: Any, refit_metric: Any) -> None:
        search: Any = self
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

    def _refit(self, evaluation: Evaluation, best: Any) -> None:
        best.set_params(**clone(self.best_params_, safe=False))
        self.best_estimator_, self.refit_time_ = evaluation.fit_on_all(best)
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_

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
    threads : int or "spare", optional
        Threads of every fit, the refit included: one number for all, since XGBoost's last bits depend on
        it. By default the estimator's own number, but never more than ``spark.task.cpus``. "spare" takes
        cores that would be idle: those that fewer fits than cores leave, and all of them for the refit.
    journal : path, URI or callable, optional
        A folder in which results are kept as fits end, local or of a Hadoop file system. A search that finds
        results of the same search there does not fit them again; those of another search it refuses. A
        callable gets the search's fingerprint and returns a context with an open journal.
    refit_on : {"driver", "executor"}
        Where the best candidate is fitted on all data. A driver that is small leaves it to an executor.
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
        threads: int | str | None = None,
        journal: str | Path | JournalOpener | None = None,
        refit_on: str = "driver",
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
        self.journal = journal
        self.refit_on = refit_on
        self.progress = progress


class RandomizedSearchCV(_SparkSearch, model_selection.RandomizedSearchCV):  # type: ignore[misc]  # as above
    """scikit-learn's search over random candidates, with every fit on Spark.

    ``sc``, ``n_jobs``, ``threads``, ``journal``, ``refit_on`` and ``progress`` are those of
    :class:`GridSearchCV`; the rest means what it means in
    :class:`sklearn.model_selection.RandomizedSearchCV`.
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
        threads: int | str | None = None,
        journal: str | Path | JournalOpener | None = None,
        refit_on: str = "driver",
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
        self.journal = journal
        self.refit_on = refit_on
        self.progress = progress
