"""What scikit-learn promises of a search, beyond the numbers (test_grid.py) and its own tests (sklearn_suite)."""

from __future__ import annotations

import importlib
import inspect
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context, model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GroupKFold, KFold, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr
from threadpoolctl import threadpool_limits

import sparksweep
from tests.search.test_grid import assert_same_results

X, Y = make_classification(n_samples=90, n_features=6, n_informative=4, n_classes=3, random_state=0)
GRID = {"C": [0.1, 10]}
WEIGHTS = np.random.default_rng(0).uniform(0.1, 5, len(Y))
GROUPS = np.arange(len(Y)) % 7

# Of scikit-learn's own tests, some that are quick: `make test-sklearn` runs them all, on two versions.
SMOKE = (
    "test_no_refit",
    "test_refit_callable",
    "test_pandas_input",
    "test_grid_search_failing_classifier_raise",
    "test_grid_search_allows_nans",
)


@pytest.mark.parametrize("name", SMOKE)
def test_some_of_scikit_learns_own_tests(spark_context, monkeypatch, request, name):
    request.config.addinivalue_line("markers", "thread_unsafe: scikit-learn's")  # its tests bring it
    suite = importlib.import_module("sklearn.model_selection.tests.test_search")
    monkeypatch.setattr(suite, "GridSearchCV", sparksweep.GridSearchCV)
    getattr(suite, name)()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (sparksweep.GridSearchCV, model_selection.GridSearchCV),
        (sparksweep.RandomizedSearchCV, model_selection.RandomizedSearchCV),
    ],
)
def test_takes_every_argument_of_scikit_learns(ours, theirs):
    """With the same default, and in the same place where it may stand without its name."""
    mine, expected = (inspect.signature(kind).parameters for kind in (ours, theirs))
    for name, parameter in expected.items():
        assert repr(mine[name].default) == repr(parameter.default)
    may_stand = [
        [name for name, parameter in signature.items() if parameter.kind == parameter.POSITIONAL_OR_KEYWORD]
        for signature in (mine, expected)
    ]
    assert may_stand[0] == may_stand[1]
    assert set(ours(Ridge(), {}).get_params()) == set(mine) | {
        f"estimator__{name}" for name in Ridge().get_params()
    }


def test_html_with_a_spark_context(spark_context):
    search = sparksweep.GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()), {}, sc=spark_context
    )
    assert "<div>StandardScaler</div>" in estimator_html_repr(search)
    search.set_params(param_grid={"logisticregression": [Ridge()]}, cv=2, scoring="r2").fit(X, Y)
    html = search._repr_html_()
    assert "<div>Ridge</div>" in html
    assert "<div>LogisticRegression</div>" not in html
    assert repr(search).startswith("GridSearchCV(")


def test_saved_and_loaded_and_fitted_again(spark_context, tmp_path):
    """As a part of another estimator too, and without the SparkContext that it was given."""
    pipeline = make_pipeline(
        StandardScaler(), sparksweep.GridSearchCV(LogisticRegression(), GRID, sc=spark_context)
    )
    assert clone(pipeline)[-1].sc is spark_context
    pipeline.fit(X, Y)
    joblib.dump(pipeline, tmp_path / "search.joblib")
    loaded = joblib.load(tmp_path / "search.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    assert_same_results(clone(loaded).fit(X, Y)[-1].cv_results_, pipeline[-1].cv_results_)
    unfitted = pickle.loads(
        pickle.dumps(sparksweep.RandomizedSearchCV(Ridge(), {}, sc=spark_context, n_iter=3))
    )
    assert (unfitted.sc, unfitted.n_iter) == (None, 3)


def test_cross_validation_of_a_search(spark_context):
    ours = sparksweep.GridSearchCV(LogisticRegression(), GRID, sc=spark_context, cv=2)
    theirs = model_selection.GridSearchCV(LogisticRegression(), GRID, cv=2)
    np.testing.assert_array_equal(cross_val_score(ours, X, Y, cv=2), cross_val_score(theirs, X, Y, cv=2))


def test_a_search_inside_a_search_with_folds_that_are_given(spark_context):
    """The outer ones as a generator, which can be gone through only once, the inner ones as a list."""
    inner_folds = [(np.arange(30), np.arange(30, 45)), (np.arange(15, 45), np.arange(15))]
    grid = {"estimator__fit_intercept": [True, False]}

    def results(kind, **arguments):
        inner = kind(LogisticRegression(), GRID, cv=inner_folds, **arguments)
        outer_folds = (
            (rows, np.setdiff1d(np.arange(90), rows)) for rows in (np.arange(45), np.arange(45, 90))
        )
        return kind(inner, grid, cv=outer_folds, **arguments).fit(X, Y)

    ours, theirs = results(sparksweep.GridSearchCV, sc=spark_context), results(model_selection.GridSearchCV)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert_same_results(ours.best_estimator_.cv_results_, theirs.best_estimator_.cv_results_)


def weighed(y_true, y_pred, sample_weight=None, bonus=None):
    # A scorer that was passed nothing, or not the rows of the fold, gives another number or fails.
    return accuracy_score(y_true, y_pred, sample_weight=sample_weight) + bonus.mean()


@config_context(enable_metadata_routing=True)
def test_metadata_are_routed_to_splitter_estimator_and_scorers(spark_context):
    scorer = make_scorer(weighed).set_score_request(sample_weight="score_weight", bonus=True)

    def fitted(kind, **arguments):
        estimator = LogisticRegression().set_fit_request(sample_weight="fit_weight")
        search = kind(
            estimator,
            GRID,
            cv=GroupKFold(3),
            scoring={"weighed": scorer, "plain": "accuracy"},
            refit="weighed",
            return_train_score=True,
            **arguments,
        )
        return search.fit(
            X, Y, fit_weight=WEIGHTS, score_weight=WEIGHTS[::-1], bonus=GROUPS * 0.1, groups=GROUPS
        )

    ours, theirs = fitted(sparksweep.GridSearchCV, sc=spark_context), fitted(model_selection.GridSearchCV)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    np.testing.assert_array_equal(ours.best_estimator_.coef_, theirs.best_estimator_.coef_)


@config_context(enable_metadata_routing=True)
def test_metadata_that_nobody_asked_for(spark_context):
    search = sparksweep.GridSearchCV(LogisticRegression(), GRID, sc=spark_context)
    with pytest.raises(TypeError, match="nonsense"):
        search.fit(X, Y, nonsense=WEIGHTS)


@config_context(enable_metadata_routing=True)
def test_metadata_reach_a_search_inside_a_search(spark_context):
    accuracy = make_scorer(accuracy_score).set_score_request(sample_weight=False)

    def fitted(kind, **arguments):
        estimator = LogisticRegression().set_fit_request(sample_weight=True)
        inner = kind(estimator, GRID, cv=GroupKFold(2), scoring=accuracy, **arguments)
        grid = {"estimator__fit_intercept": [True, False]}
        search = kind(inner, grid, cv=GroupKFold(3), scoring=accuracy, **arguments)
        return search.fit(X, Y, sample_weight=WEIGHTS, groups=GROUPS)

    ours, theirs = fitted(sparksweep.GridSearchCV, sc=spark_context), fitted(model_selection.GridSearchCV)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


def test_sample_weights_reach_a_scorer_that_takes_them(spark_context):
    """Without routing: from scikit-learn 1.7 on, where the scorer takes them."""

    def fitted(kind, **arguments):
        search = kind(LogisticRegression(), GRID, scoring="neg_log_loss", cv=3, **arguments)
        return search.fit(X, Y, sample_weight=WEIGHTS)

    ours, theirs = fitted(sparksweep.GridSearchCV, sc=spark_context), fitted(model_selection.GridSearchCV)
    assert_same_results(ours.cv_results_, theirs.cv_results_)


@pytest.mark.parametrize(
    ("estimator", "grid", "method"),
    [
        (KernelDensity(), {"bandwidth": [0.5, 1.0]}, "score_samples"),
        (PCA(random_state=0), {"n_components": [1, 2]}, "transform"),
    ],
)
def test_methods_of_an_estimator_without_labels(spark_context, estimator, grid, method):
    ours = sparksweep.GridSearchCV(estimator, grid, sc=spark_context, cv=3).fit(X)
    with threadpool_limits(1):  # the last bits of BLAS depend on its threads
        theirs = model_selection.GridSearchCV(estimator, grid, cv=3).fit(X)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    np.testing.assert_array_equal(getattr(ours, method)(X), getattr(theirs, method)(X))
    assert not hasattr(ours, "predict")


def test_a_frame_with_texts_and_its_names(spark_context):
    frame = pd.DataFrame(X).add_prefix("x").assign(kind=np.where(Y == 0, "a", None))
    estimator = ByKind()
    ours = sparksweep.GridSearchCV(estimator, {"guess": [0, 1]}, sc=spark_context, cv=3).fit(frame, list(Y))
    theirs = model_selection.GridSearchCV(estimator, {"guess": [0, 1]}, cv=3).fit(frame, list(Y))
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert list(ours.feature_names_in_) == list(frame.columns)
    assert ours.n_features_in_ == 7


class ByKind(ClassifierMixin, BaseEstimator):
    """Needs a column's text. Its ``fit`` does not return it, which scikit-learn's search allows."""

    def __init__(self, guess=0):
        self.guess = guess

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.feature_names_in_ = np.array(X.columns)
        self.n_features_in_ = X.shape[1]

    def predict(self, X):
        return np.where(X["kind"].isna(), self.guess, 0)


@pytest.mark.parametrize("refit_on", ["driver", "executor"])
def test_an_estimator_whose_fit_does_not_return_it(spark_context, refit_on):
    frame = pd.DataFrame(X).assign(kind="a")
    search = sparksweep.GridSearchCV(ByKind(), {"guess": [0]}, sc=spark_context, cv=2, refit_on=refit_on)
    assert isinstance(search.fit(frame, Y).best_estimator_, ByKind)


class InTwoSteps:
    """Goes on from the better of two candidates, and tells which step a candidate was of."""

    def _run_search(self, evaluate_candidates):
        first = evaluate_candidates([{"alpha": 0.1}, {"alpha": 100.0}], more_results={"step": [1, 1]})
        best = first["params"][int(np.argmax(first["mean_test_score"]))]["alpha"]
        evaluate_candidates(
            [{"alpha": best * 2}], cv=KFold(2, shuffle=True, random_state=1), more_results={"step": [2]}
        )


class OursInTwoSteps(InTwoSteps, sparksweep.GridSearchCV):
    pass


class TheirsInTwoSteps(InTwoSteps, model_selection.GridSearchCV):
    pass


def test_a_search_of_the_users_own(spark_context):
    ours = OursInTwoSteps(Ridge(), {}, sc=spark_context, cv=2, return_train_score=True).fit(X, Y)
    theirs = TheirsInTwoSteps(Ridge(), {}, cv=2, return_train_score=True).fit(X, Y)
    assert_same_results(ours.cv_results_, theirs.cv_results_)
    assert list(ours.cv_results_["step"]) == [1, 1, 2]
    for name in ("best_index_", "best_params_", "best_score_", "multimetric_", "n_features_in_", "n_splits_"):
        assert getattr(ours, name) == getattr(theirs, name)


def test_parameters_are_not_checked_where_scikit_learn_is_told_not_to(spark_context):
    search = sparksweep.GridSearchCV(LogisticRegression(), GRID, sc=spark_context, verbose=-1)
    with pytest.raises(ValueError, match="'verbose' parameter of GridSearchCV"):
        search.fit(X, Y)
    with config_context(skip_parameter_validation=True):
        search.fit(X, Y)


def test_warnings_are_those_of_scikit_learn(spark_context):
    """Of the search itself and of the scores; those of the fits come once each."""

    def warned(kind, **arguments):
        search = kind(
            Ridge(),
            {"alpha": [0.1, 1]},
            scoring=lambda estimator, X, y: np.nan if estimator.alpha == 1 else 1.0,
            n_iter=30,
            cv=2,
            **arguments,
        )
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search.fit(X, Y)
        # Older versions of PySpark leave sockets to the garbage collector.
        kept = [one for one in caught if not issubclass(one.category, ResourceWarning)]
        return sorted((one.category.__name__, str(one.message)) for one in kept)

    ours = warned(sparksweep.RandomizedSearchCV, sc=spark_context)
    assert ours == warned(model_selection.RandomizedSearchCV)
    assert len(ours) == 2
