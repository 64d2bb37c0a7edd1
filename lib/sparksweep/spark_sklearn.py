"""The call forms of spark-sklearn 0.3.0, for scripts that were written for it.

Change ``from spark_sklearn import GridSearchCV`` to ``from sparksweep.spark_sklearn import GridSearchCV``.
The SparkContext comes first, ``fit_params`` and ``iid`` are arguments, and ``grid_scores_`` is there. All
other defaults are today's scikit-learn's: ``error_score`` is NaN and ``iid`` False, where spark-sklearn had
"raise" and True.

Converter, CSRVectorUDT and gapply of that package are not carried on: Spark ML and pandas UDFs
(``DataFrame.groupBy().applyInPandas``) do what they did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyspark import SparkContext
from scipy.stats import rankdata

from sparksweep import search
from sparksweep.search.grid_scores import GridScore, grid_scores

__all__ = ["GridScore", "GridSearchCV", "RandomizedSearchCV"]


class _SparkSklearnSearch:
    """What both classes have of spark-sklearn beyond scikit-learn's searches."""

    fit_params: Mapping[str, Any] | None
    iid: bool
    cv_results_: dict[str, Any]
    n_splits_: int

    @property
    def grid_scores_(self) -> list[GridScore]:
        """One item a candidate, in grid order. Of several metrics, the one that ``refit`` names."""
        metric = self.refit if isinstance(self.refit, str) else "score"  # type: ignore[attr-defined]  # scikit-learn's
        return grid_scores(self.cv_results_, self.n_splits_, metric)

    def fit(self, X: Any, y: Any = None, groups: Any = None, **params: Any) -> Any:
        """Fit every candidate on every fold; ``fit_params`` of the constructor go to every fit."""
        metadata = {**(self.fit_params or {}), **params}
        if groups is not None:
            metadata["groups"] = groups
        return super().fit(X, y, **metadata)  # type: ignore[misc]  # the search stands behind in the MRO

    @property
    def _task_limit(self) -> None:
        """Every slot of Spark: spark-sklearn took ``n_jobs`` and did not use it."""

    def _format_results(
        self,
        candidate_params: Sequence[Mapping[str, Any]],
        n_splits: int,
        out: Sequence[Mapping[str, Any]],
        more_results: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        results: dict[str, Any] = super()._format_results(candidate_params, n_splits, out, more_results)  # type: ignore[misc]  # as above
        if not self.iid:
            return results
        weights = np.array([row["n_test_samples"] for row in out[:n_splits]])
        for key in [key for key in results if key.startswith("mean_test_")]:
            metric = key.removeprefix("mean_test_")
            scores = np.column_stack([results[f"split{fold}_test_{metric}"] for fold in range(n_splits)])
            means = np.average(scores, axis=1, weights=weights)
            variances = np.average((scores - means[:, np.newaxis]) ** 2, axis=1, weights=weights)
            worst_last = np.nan_to_num(means, nan=-np.inf)
            results[key] = means
            results[f"std_test_{metric}"] = np.sqrt(variances)
            results[f"rank_test_{metric}"] = rankdata(-worst_last, method="min").astype(np.int32)
        return results


class GridSearchCV(_SparkSklearnSearch, search.GridSearchCV):
    """:class:`sparksweep.GridSearchCV` with the arguments of spark-sklearn 0.3.0, in their order.

    Parameters
    ----------
    fit_params : dict, optional
        Goes to ``fit`` of the estimator, cut to the fold where it has one entry a sample.
    n_jobs, pre_dispatch
        Taken and not used, as in spark-sklearn: the fits take every slot of Spark.
    iid : bool
        True weighs each fold's score by the number of its test samples.

    Attributes
    ----------
    grid_scores_ : list of GridScore
        As scikit-learn had it until 0.19.
    """

    def __init__(
        self,
        sc: SparkContext | None = None,
        estimator: Any = None,
        param_grid: Any = None,
        scoring: Any = None,
        fit_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        iid: bool = False,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        threads: int | str | None = None,
        journal: Any = None,
        refit_on: str = "driver",
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_grid,
            sc=sc,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
            threads=threads,
            journal=journal,
            refit_on=refit_on,
            progress=progress,
        )
        self.fit_params = fit_params
        self.iid = iid


class RandomizedSearchCV(_SparkSklearnSearch, search.RandomizedSearchCV):
    """:class:`sparksweep.RandomizedSearchCV` with the arguments of spark-sklearn 0.3.0, in their order.

    The arguments that it does not share with scikit-learn are those of :class:`GridSearchCV` here.
    """

    def __init__(
        self,
        sc: SparkContext | None = None,
        estimator: Any = None,
        param_distributions: Any = None,
        n_iter: int = 10,
        scoring: Any = None,
        fit_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
        iid: bool = False,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: int | str = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        threads: int | str | None = None,
        journal: Any = None,
        refit_on: str = "driver",
        progress: bool | None = None,
    ) -> None:
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            sc=sc,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
            threads=threads,
            journal=journal,
            refit_on=refit_on,
            progress=progress,
        )
        self.fit_params = fit_params
        self.iid = iid
