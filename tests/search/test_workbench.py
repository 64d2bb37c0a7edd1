"""What fits share on the process where they run, and that no fit changes what another one sees."""

from __future__ import annotations

import weakref

import numpy as np
import pandas as pd
import pytest
import xgboost.sklearn
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier, XGBRanker, XGBRegressor

from sparksweep.search import workbench as workbench_module
from sparksweep.search.fit import FitSettings, Member, fit_and_score
from sparksweep.search.tasks import Fit, make_tasks
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import SearchData, Workbench

X, Y = make_classification(n_samples=200, n_features=8, n_informative=5, n_classes=3, random_state=0)
FOLDS = list(StratifiedKFold(3).split(X, Y))


class Counts(TransformerMixin, BaseEstimator):
    """Scales by the largest value of each column, and counts how often it was fitted."""

    fits = 0

    def __init__(self, factor=1.0, random_state=0):
        self.factor = factor
        self.random_state = random_state

    def fit(self, X, y=None, sample_weight=None):
        type(self).fits += 1
        self.scale_ = np.abs(np.asarray(X)).max(axis=0)
        return self

    def transform(self, X):
        return X / self.scale_ * self.factor


def scores(estimator, candidates, X=X, y=Y, *, workbench=None, fit_params=None, scoring=None):
    """The scores of candidates on all folds, candidate by candidate on each fold, in one process."""
    workbench = workbench or Workbench(SearchData(X, y, fit_params or {}, {}), FOLDS)
    settings = FitSettings(check_scoring(estimator, scoring), None, "raise", False, Threads(1))
    with threadpool_limits(1):
        return [
            [
                fit_and_score([Member(clone(estimator), one)], fold, workbench, settings)[0].test_scores
                for one in candidates
            ]
            for fold in range(len(FOLDS))
        ]


def alone(estimator, candidates, X=X, y=Y, *, fit_params=None, scoring=None):
    """The same by scikit-learn."""
    with threadpool_limits(1):
        found = [
            model_selection.cross_val_score(
                clone(estimator).set_params(**clone(one, safe=False)),
                X,
                y,
                cv=FOLDS,
                scoring=scoring,
                params=fit_params,
                error_score="raise",
            )
            for one in candidates
        ]
    return np.transpose(found).tolist()


def test_a_fold_is_cut_once_and_read_only():
    workbench = Workbench(SearchData(X, Y, {}, {}), FOLDS)
    first, second = (workbench.sides(LogisticRegression(), 0) for _ in range(2))
    assert first.train[0] is second.train[0]
    np.testing.assert_array_equal(first.train[0], X[FOLDS[0][0]])
    np.testing.assert_array_equal(first.test[1], Y[FOLDS[0][1]])
    with pytest.raises(ValueError, match="read-only"):
        first.train[0][0] = 1
    own = workbench.sides(LogisticRegression(), 0, own=True)
    own.train[0][:] = 1
    assert X.flags.writeable
    assert not (X == 1).any()


def test_the_sides_of_one_fold_alone_are_kept():
    workbench = Workbench(SearchData(X, Y, {}, {}), FOLDS)
    rows = weakref.ref(workbench.sides(LogisticRegression(), 0).train[0])
    assert rows() is not None
    np.testing.assert_array_equal(workbench.sides(LogisticRegression(), 1).train[0], X[FOLDS[1][0]])
    assert rows() is None


@pytest.mark.parametrize(
    ("estimator", "candidates"),
    [
        (make_pipeline(StandardScaler(copy=False), LogisticRegression()), [{}, {"logisticregression__C": 3}]),
        (LinearRegression(copy_X=False), [{}, {"fit_intercept": False}, {}]),
        (KMeans(3, copy_x=False, n_init=1, random_state=0), [{}, {"n_clusters": 4}]),
    ],
)
@pytest.mark.parametrize("kind", [np.array, sparse.csr_matrix, pd.DataFrame])
def test_estimators_that_write_get_data_of_their_own(estimator, candidates, kind):
    if kind is sparse.csr_matrix and "scaler" in repr(estimator).lower():
        estimator = clone(estimator).set_params(standardscaler__with_mean=False)
    data = kind(X.copy())
    assert scores(estimator, candidates, data) == alone(estimator, candidates, kind(X.copy()))
    np.testing.assert_array_equal(data.toarray() if sparse.issparse(data) else np.asarray(data), X)


def test_steps_are_fitted_once_a_fold():
    Counts.fits = 0
    estimator = make_pipeline(Counts(), Counts(factor=2.0), LogisticRegression())
    candidates = [{"logisticregression__C": C} for C in (0.1, 1, 10)]
    candidates += [{"counts-2__factor": 3.0, **one} for one in candidates]
    found = scores(estimator, candidates)
    # A fold: the first step once, the second one twice.
    assert Counts.fits == 3 * len(FOLDS)
    assert found == alone(estimator, candidates)


@pytest.mark.parametrize("kind", [pd.DataFrame, sparse.csr_matrix])
def test_steps_are_shared_for_other_data_too(kind):
    estimator = make_pipeline(StandardScaler(with_mean=False), LogisticRegression())
    candidates = [{"logisticregression__C": C} for C in (0.1, 1, 10)]
    if kind is pd.DataFrame:
        estimator.set_output(transform="pandas")
    assert scores(estimator, candidates, kind(X)) == alone(estimator, candidates, kind(X))


def test_a_step_with_a_lambda_is_fitted_for_each_candidate(built):
    """It has no digest by which it could be known again; what comes after it is on a path all the same."""
    estimator = make_pipeline(FunctionTransformer(lambda X: X * 2), XGBClassifier(**XGB))
    candidates = [{"xgbclassifier__reg_alpha": alpha} for alpha in (0, 1)]
    found = scores(estimator, candidates, scoring="neg_log_loss")
    assert len(built) == 2 * len(FOLDS)
    assert found == alone(estimator, candidates, scoring="neg_log_loss")
    grid = [{"xgbclassifier__n_estimators": rounds} for rounds in (3, 5)]
    fits = [Fit(number, 0, Member(clone(estimator), one)) for number, one in enumerate(grid)]
    settings = FitSettings(None, None, np.nan, False, Threads(1))
    assert [task.positions for task in make_tasks(fits, {}, settings)] == [(1, 0)]


def test_each_candidate_has_steps_of_its_own():
    estimator = make_pipeline(Counts(), LogisticRegression())

    def spoils(fitted, X, y):
        score = fitted.score(X, y)
        fitted[0].scale_ *= 100  # what a careless scorer might do
        return score

    candidates = [{"logisticregression__C": C} for C in (1, 1.0, 10)]
    assert scores(estimator, candidates, scoring=spoils) == alone(estimator, candidates)


@pytest.mark.parametrize("seed", [None, np.random.RandomState(0)])
def test_steps_without_an_integer_seed_are_not_shared(seed):
    Counts.fits = 0
    estimator = make_pipeline(Counts(random_state=seed), LogisticRegression())
    scores(estimator, [{"logisticregression__C": C} for C in (0.1, 1)])
    assert Counts.fits == 2 * len(FOLDS)


def test_routed_metadata_tells_steps_apart():
    Counts.fits = 0
    estimator = make_pipeline(Counts(), LogisticRegression())
    workbench = Workbench(SearchData(X, Y, {"counts__sample_weight": np.ones(len(Y))}, {}), FOLDS)
    for _ in range(2):
        scores(estimator, [{}], workbench=workbench)
    assert Counts.fits == len(FOLDS)
    weighted = Workbench(
        SearchData(X, Y, {"counts__sample_weight": np.arange(len(Y))}, {}), FOLDS, workbench.kept
    )
    scores(estimator, [{}], workbench=weighted)
    assert Counts.fits == 2 * len(FOLDS)


def test_a_memory_of_the_users_is_respected(tmp_path):
    estimator = Pipeline(
        [("pca", PCA(3, random_state=0)), ("last", LogisticRegression())], memory=str(tmp_path)
    )
    scores(estimator, [{"last__C": 1}, {"last__C": 2}])
    assert len(list(tmp_path.rglob("output.pkl"))) == len(FOLDS)


@pytest.fixture
def built(monkeypatch):
    """Counts the quantised matrices that XGBoost builds."""
    count = []
    original = xgboost.sklearn.QuantileDMatrix

    def build(*args, **kwargs):
        count.append(kwargs.get("max_bin"))
        return original(*args, **kwargs)

    monkeypatch.setattr(xgboost.sklearn, "QuantileDMatrix", build)
    return count


XGB = {"n_estimators": 5, "n_jobs": 1, "random_state": 0, "subsample": 0.7}


@pytest.mark.parametrize("kind", [np.array, sparse.csr_matrix, pd.DataFrame])
def test_a_quantised_matrix_is_built_once_a_fold(built, kind):
    candidates = [{"max_depth": d, "reg_alpha": a} for d in (2, 4) for a in (0, 1)]
    found = scores(XGBClassifier(**XGB), candidates, kind(X), scoring="neg_log_loss")
    assert len(built) == len(FOLDS)
    built.clear()
    assert found == alone(XGBClassifier(**XGB), candidates, kind(X), scoring="neg_log_loss")
    assert len(built) == len(FOLDS) * len(candidates)


@pytest.mark.parametrize(("budget", "times"), [(0, 3), (1 << 20, 2)])
def test_of_other_folds_only_what_is_small_is_kept(built, monkeypatch, budget, times):
    monkeypatch.setattr(workbench_module, "BUDGET_OF_OTHER_FOLDS", budget)
    workbench = Workbench(SearchData(X, Y, {}, {}), FOLDS)
    settings = FitSettings(check_scoring(XGBClassifier()), None, "raise", False, Threads(1))
    for fold in (0, 0, 1, 1, 0):
        fit_and_score([Member(XGBClassifier(**XGB), {})], fold, workbench, settings)
    assert len(built) == times


def test_what_shapes_a_quantised_matrix_tells_it_apart(built):
    candidates = [{}, {"max_bin": 16}, {"n_jobs": 2}, {"tree_method": "approx"}, {"booster": "gblinear"}, {}]
    found = scores(XGBClassifier(**XGB), candidates, scoring="neg_log_loss")
    assert len(built) == 2 * len(FOLDS)
    expected = [{**one, "n_jobs": 1} for one in candidates]
    assert found == alone(XGBClassifier(**XGB), expected, scoring="neg_log_loss")


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_weights_and_other_metadata_go_into_it(booster):
    weights = {"sample_weight": np.linspace(0.1, 2, len(Y))}
    candidates = [{"max_depth": 2}, {"max_depth": 3}]
    model = XGBRegressor(**XGB, booster=booster)
    found = scores(model, candidates, y=X[:, 0], fit_params=weights)
    assert found == alone(model, candidates, y=X[:, 0], fit_params=weights)


def test_the_estimator_is_left_as_it_was():
    model = XGBClassifier(**XGB)
    member = Member(model, {})
    workbench = Workbench(SearchData(X, Y, {}, {}), FOLDS)
    fit_and_score([member], 0, workbench, FitSettings(lambda *_: 0.0, None, "raise", False, Threads(1)))
    assert "_create_dmatrix" not in vars(model)


def test_ranking_shares_it_too(built):
    qid = np.repeat(np.arange(40), 5)
    folds = [(np.arange(100), np.arange(100, 200)), (np.arange(100, 200), np.arange(100))]
    workbench = Workbench(SearchData(X, Y, {"qid": qid}, {}), folds)
    settings = FitSettings(
        lambda model, X, y: float(model.predict(X).sum()), None, "raise", False, Threads(1)
    )
    for fold, (train, test) in enumerate(folds):
        for depth in (2, 3):
            member = Member(XGBRanker(**XGB), {"max_depth": depth})
            (result,) = fit_and_score([member], fold, workbench, settings)
            expected = XGBRanker(**XGB, max_depth=depth).fit(X[train], Y[train], qid=qid[train])
            assert result.test_scores == float(expected.predict(X[test]).sum())
    assert len(built) == 2 + 4
