"""The searches against scikit-learn's own on the same folds: every key, dtype and bit of ``cv_results_``."""

from __future__ import annotations

import copy
import pickle
import re
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn import model_selection
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

import sparksweep
from tests.search.estimators import Constant

X, Y = make_classification(n_samples=120, n_features=8, n_informative=5, n_classes=3, random_state=0)
TIMES = ("fit_time", "score_time")


def assert_same_results(ours, theirs):
    assert list(ours) == list(theirs)
    for key, expected in theirs.items():
        if key.endswith(TIMES):
            assert ours[key].shape == expected.shape
            assert ours[key].dtype == expected.dtype
        elif key == "params":
            assert ours[key] == expected
        else:
            np.testing.assert_array_equal(ours[key], expected)
            assert ours[key].dtype == expected.dtype
            assert type(ours[key]) is type(expected)


def both(sc, estimator, grid, X=X, y=Y, fit_params=None, **arguments):
    ours = sparksweep.GridSearchCV(estimator, grid, sc=sc, **arguments).fit(X, y, **(fit_params or {}))
    with threadpool_limits(1):  # as a Spark task has it: k-means and others sum in another order with two
        theirs = model_selection.GridSearchCV(estimator, grid, **arguments).fit(X, y, **(fit_params or {}))
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    for name in ("best_index_", "best_score_", "best_params_", "n_splits_", "multimetric_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None)
    return ours, theirs


def xgb(**parameters):
    return XGBClassifier(
        n_estimators=4, max_depth=2, tree_method="hist", n_jobs=1, random_state=0, **parameters
    )


CASES = {
    "dense": (LogisticRegression(), {"C": [0.1, 1, 10]}, X, Y, {"cv": 4}),
    "sparse xgboost": (
        xgb(objective="multi:softprob", subsample=0.5, colsample_bylevel=0.5),
        {"max_depth": [1, 3], "n_estimators": [3, 5]},
        sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0).astype(np.float32)),
        Y,
        {"cv": StratifiedKFold(3, shuffle=True, random_state=0), "scoring": "neg_log_loss"},
    ),
    "coo": (LogisticRegression(), {"C": [0.1, 1]}, sparse.coo_matrix(X), Y, {"cv": 3}),
    "train score": (
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2]},
        X,
        Y,
        {"return_train_score": True},
    ),
    "several metrics": (
        LogisticRegression(),
        {"C": [0.1, 1]},
        X,
        Y,
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "return_train_score": True},
    ),
    "named metrics": (
        LogisticRegression(),
        {"C": [0.1, 1]},
        X,
        Y,
        {"scoring": {"a": "accuracy", "b": "f1_macro"}, "refit": False},
    ),
    "metrics of a callable": (
        LogisticRegression(),
        {"C": [0.1, 1]},
        X,
        Y,
        {"scoring": lambda e, X, y: {"acc": e.score(X, y), "one": 1}, "refit": "acc"},
    ),
    "refit by a callable": (
        LogisticRegression(),
        {"C": [0.1, 1]},
        X,
        Y,
        {"refit": lambda results: int(results["mean_test_score"].argmin())},
    ),
    "several grids": (SVC(), [{"kernel": ["linear"], "C": [1, 2]}, {"gamma": [0.1]}], X, Y, {"cv": 3}),
    "pandas": (LogisticRegression(), {"C": [0.1, 1]}, pd.DataFrame(X).add_prefix("x"), pd.Series(Y), {}),
    "lists": (LogisticRegression(), {"C": [0.1, 1]}, X.tolist(), Y.tolist(), {}),
    "regression": (Ridge(), {"alpha": [0.1, 1.0, np.float32(2)]}, X, X[:, 0] * 2 + Y, {"cv": KFold(4)}),
    "two targets": (Ridge(), {"alpha": [0.1, 1.0]}, X, np.column_stack([Y, X[:, 1]]), {"scoring": "r2"}),
    "no target": (KMeans(n_init=2, random_state=0), {"n_clusters": [2, 3]}, X, None, {"cv": 3}),
    "precomputed kernel": (SVC(kernel="precomputed"), {"C": [1, 10]}, X @ X.T, Y, {}),
    "pipeline": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"standardscaler": [StandardScaler(), "passthrough"], "logisticregression__C": [0.1, 1]},
        X,
        Y,
        {},
    ),
    "folds given": (
        LogisticRegression(),
        {"C": [1]},
        X,
        Y,
        {"cv": [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_scikit_learn(spark_context, name):
    estimator, grid, X, y, arguments = CASES[name]
    ours, theirs = both(spark_context, estimator, grid, X, y, **arguments)
    if arguments.get("refit", True):
        predicted, expected = ours.predict(X), theirs.predict(X)
        np.testing.assert_array_equal(predicted, expected)
        assert ours.score(X, y) == theirs.score(X, y)


def test_sample_weights_are_cut_to_the_fold(spark_context):
    weights = np.random.default_rng(0).uniform(0.1, 5, len(Y))
    ours, theirs = both(
        spark_context, LogisticRegression(), {"C": [0.1, 1]}, fit_params={"sample_weight": weights}
    )
    np.testing.assert_array_equal(ours.best_estimator_.coef_, theirs.best_estimator_.coef_)


def test_groups_reach_the_splitter(spark_context):
    groups = np.arange(len(Y)) % 7
    both(
        spark_context, LogisticRegression(), {"C": [0.1, 1]}, cv=GroupKFold(3), fit_params={"groups": groups}
    )


def test_unseeded_shuffle_is_split_once(spark_context):
    """Every candidate sees the same folds though the splitter would give others at every call."""
    search = sparksweep.GridSearchCV(
        LogisticRegression(), {"C": [1, 1.0]}, sc=spark_context, cv=ShuffleSplit(3, test_size=0.3)
    ).fit(X, Y)
    for fold in range(3):
        first, second = search.cv_results_[f"split{fold}_test_score"]
        assert first == second


def test_random_search(spark_context):
    arguments = {"n_iter": 5, "random_state": 3, "cv": 3}
    space = {"C": stats.loguniform(0.01, 10), "fit_intercept": [True, False]}
    ours = sparksweep.RandomizedSearchCV(LogisticRegression(), space, sc=spark_context, **arguments).fit(X, Y)
    theirs = model_selection.RandomizedSearchCV(LogisticRegression(), space, **arguments).fit(X, Y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_an_estimator_with_a_random_state_object(spark_context):
    """A clone of it starts where the original stood, in every fit."""
    tree = DecisionTreeClassifier(max_features=1, splitter="random")
    ours = sparksweep.GridSearchCV(
        clone(tree).set_params(random_state=np.random.RandomState(5)),
        {"max_depth": [1, 2, 3]},
        sc=spark_context,
    ).fit(X, Y)
    theirs = model_selection.GridSearchCV(
        clone(tree).set_params(random_state=np.random.RandomState(5)), {"max_depth": [1, 2, 3]}
    ).fit(X, Y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_failed_fits_get_the_error_score(spark_context):
    y = np.arange(30) % 2
    with pytest.warns(FitFailedWarning, match=r"5 fits failed out of a total of 10(.|\n)*asked to fail"):
        both(spark_context, Constant(), {"fail": [False, True]}, X[:30], y)
    with pytest.warns(FitFailedWarning):
        both(spark_context, Constant(), {"fail": [False, True]}, X[:30], y, error_score=-7)
    scoring = {"a": "accuracy", "f": "f1"}
    with pytest.warns(FitFailedWarning):
        both(spark_context, Constant(), {"fail": [False, True]}, X[:30], y, scoring=scoring, refit="a")


def test_the_traceback_of_a_failed_fit_is_kept(spark_context):
    search = sparksweep.GridSearchCV(Constant(), {"fail": [False, True]}, sc=spark_context, cv=2)
    with pytest.warns(FitFailedWarning):
        search.fit(X, Y)
    assert set(search.fit_errors_) == {(1, 0), (1, 1)}
    assert "ArithmeticError: asked to fail" in search.fit_errors_[1, 1]


def test_a_failed_fit_beside_a_callable_of_several_metrics(spark_context):
    def scoring(estimator, X, y):
        return {"a": estimator.score(X, y), "b": 2.0}

    with pytest.warns(FitFailedWarning):
        both(spark_context, Constant(), {"fail": [True, False]}, X, Y, scoring=scoring, refit="a")


def test_only_failed_fits_raise(spark_context):
    with pytest.raises(ValueError, match="All the 5 fits failed") as caught:
        sparksweep.GridSearchCV(Constant(), {"fail": [True]}, sc=spark_context).fit(X, Y)
    assert pickle.loads(pickle.dumps(caught.value)).error == "ArithmeticError: asked to fail"


def test_error_score_raise_brings_the_exception_itself(spark_context):
    search = sparksweep.GridSearchCV(Constant(), {"fail": [True]}, sc=spark_context, error_score="raise")
    with pytest.raises(ArithmeticError, match="asked to fail"):
        search.fit(X, Y)


def test_scoring_that_fails_gets_the_error_score(spark_context):
    def scoring(estimator, X, y):
        if estimator.value:
            raise KeyError("no score")
        return 1.0

    with pytest.warns(UserWarning, match=r"Scoring failed(.|\n)*no score"):
        both(spark_context, Constant(), {"value": [0, 1]}, X, Y, scoring=scoring)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scoring": "nonsense"}, "'scoring' parameter of GridSearchCV"),
        ({"error_score": "rise"}, "'error_score' parameter of GridSearchCV"),
        ({"scoring": lambda e, X, y: "much"}, "scoring must return a number, got much"),
        ({"scoring": ["accuracy"]}, "the parameter refit must be set to a scorer key"),
        ({"n_jobs": 0}, "n_jobs == 0"),
        ({"threads": 64}, "Spark gives each task at most 2 core"),
    ],
)
def test_wrong_arguments(spark_context, arguments, message):
    with pytest.raises(ValueError, match=message):
        sparksweep.GridSearchCV(Constant(), {"value": [0]}, sc=spark_context, **arguments).fit(X, Y)


def test_a_parameter_that_the_estimator_lacks(spark_context):
    with pytest.raises(ValueError, match="Invalid parameter 'nonsense'"):
        sparksweep.GridSearchCV(Constant(), {"nonsense": [0]}, sc=spark_context).fit(X, Y)


def test_a_search_inside_a_search(spark_context):
    """The inner search runs on an executor, which has no SparkContext."""
    grid = {"estimator__fit_intercept": [True, False]}
    ours = sparksweep.GridSearchCV(
        sparksweep.GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, sc=spark_context),
        grid,
        sc=spark_context,
    ).fit(X, Y)
    theirs = model_selection.GridSearchCV(
        model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}), grid
    ).fit(X, Y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_clone_shares_the_context_and_pickle_leaves_it(spark_context):
    search = sparksweep.GridSearchCV(LogisticRegression(), {"C": [1]}, sc=spark_context, threads=1)
    twin = clone(search)
    assert twin.sc is spark_context
    assert twin.estimator is not search.estimator
    assert twin.threads == 1
    for copied in (pickle.loads(pickle.dumps(search.fit(X, Y))), copy.deepcopy(search)):
        assert copied.sc is None
        np.testing.assert_array_equal(copied.predict(X), search.predict(X))
    assert search.sc is spark_context


def test_takes_the_running_context(spark_context):
    search = sparksweep.GridSearchCV(LogisticRegression(), {"C": [1]}).fit(X, Y)
    assert search.sc is None
    assert spark_context.parallelize([1]).count() == 1


def test_xgboost_takes_one_thread_and_gets_its_own_number_back(spark_context):
    ours, _ = both(spark_context, xgb(), {"max_depth": [2, 3]}, cv=3)
    free = sparksweep.GridSearchCV(
        xgb().set_params(n_jobs=None), {"max_depth": [2, 3]}, sc=spark_context, cv=3
    )
    assert_same_results(free.fit(X, Y).cv_results_, ours.cv_results_)
    assert free.best_estimator_.n_jobs is None
    assert '"nthread":"1"' in free.best_estimator_.get_booster().save_config()


def test_verbose_prints_what_scikit_learn_prints(spark_context, capsys):
    def printed(search):
        search.fit(X, Y)
        text = re.sub(r"\.{2,}|\d+\.\d+(s|min)", "", capsys.readouterr().out)
        return sorted(text.splitlines())

    for verbose, scoring in ((1, None), (2, None), (3, ["accuracy", "f1_macro"]), (4, None)):
        arguments = {
            "cv": 2,
            "verbose": verbose,
            "scoring": scoring,
            "refit": False,
            "return_train_score": True,
        }
        ours = sparksweep.GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, sc=spark_context, **arguments)
        theirs = model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, **arguments)
        assert printed(ours) == printed(theirs)


def test_warnings_of_fits_reach_the_driver(spark_context):
    def scoring(estimator, X, y):
        warnings.warn("look at this", RuntimeWarning, stacklevel=1)
        return 1.0

    search = sparksweep.GridSearchCV(Constant(), {"value": [0, 1]}, sc=spark_context, scoring=scoring)
    with pytest.warns(RuntimeWarning, match="look at this") as caught:
        search.fit(X, Y)
    assert [str(warning.message) for warning in caught].count("look at this") == 1


def test_n_jobs_bounds_what_runs_at_once(spark_context, tmp_path):
    def most_at_once(n_jobs):
        log = tmp_path / str(n_jobs)
        log.mkdir()
        sparksweep.GridSearchCV(
            Constant(log=str(log)), {"value": [0, 1, 2]}, sc=spark_context, n_jobs=n_jobs, cv=2, refit=False
        ).fit(X, Y)
        events = [
            path.name.endswith("begin")
            for path in sorted(log.iterdir(), key=lambda p: int(p.name.split("-")[0]))
        ]
        return max(np.cumsum(np.where(events, 1, -1)))

    assert most_at_once(1) == 1
    assert most_at_once(None) == 2


def test_fit_time_is_what_a_fit_took(spark_context, tmp_path):
    search = sparksweep.GridSearchCV(Constant(log=str(tmp_path)), {"value": [0]}, sc=spark_context, cv=2)
    start = time.perf_counter()
    search.fit(X, Y)
    wall = time.perf_counter() - start
    assert 0.1 <= search.cv_results_["mean_fit_time"][0] < wall
    assert 0.1 <= search.refit_time_ < wall


def test_protected_methods_that_grid_py_lists_exist():
    for name in (
        "_validate_params",
        "_get_scorers",
        "_get_routed_params_for_fit",
        "_check_refit_for_multimetric",
        "_run_search",
        "_format_results",
        "_select_best_index",
        "__getstate__",
        "__sklearn_clone__",
    ):
        assert callable(getattr(model_selection.GridSearchCV, name))
