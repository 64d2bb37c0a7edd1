"""Boosting paths: what is cut from a long fit is the short fit, to the last bit; what is not is refused."""

from __future__ import annotations

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier
from xgboost.callback import TrainingCallback

import sparksweep
from sparksweep.search.fit import FitSettings, Member
from sparksweep.search.paths import path_of
from sparksweep.search.tasks import Fit, in_turn, make_tasks
from sparksweep.search.threads import Threads
from tests.search.estimators import FailsForSeed

X, Y = make_classification(n_samples=300, n_features=12, n_informative=6, n_classes=3, random_state=0)
BINARY = (Y > 0).astype(int)
TARGET = X[:, 0] * 3 + Y
SEED = {"random_state": 7}
XGB = {"n_jobs": 1, "max_depth": 3, **SEED}
SAMPLED = {"subsample": 0.6, "colsample_bylevel": 0.5, "colsample_bytree": 0.8}
QID = np.repeat(np.arange(30), 10)
SETTINGS = FitSettings(None, None, np.nan, False, Threads(1))

CASES = {
    **{
        f"xgboost {m}": (XGBClassifier(tree_method=m, **XGB, **SAMPLED), Y, {})
        for m in ("hist", "approx", "exact")
    },
    "xgboost binary": (XGBClassifier(**XGB), BINARY, {}),
    "xgboost softprob": (XGBClassifier(objective="multi:softprob", **XGB), Y, {}),
    "xgboost no chance, no seed": (XGBClassifier(n_jobs=1), Y, {}),
    "xgboost parallel trees": (XGBClassifier(num_parallel_tree=3, **XGB, **SAMPLED), Y, {}),
    "xgboost regression": (XGBRegressor(**XGB, **SAMPLED), TARGET, {}),
    "xgboost ranking": (XGBRanker(**XGB, **SAMPLED), Y, {"qid": QID}),
    "xgboost weights": (XGBClassifier(**XGB), Y, {"sample_weight": np.linspace(0.1, 2, len(Y))}),
    "xgboost evaluation": (
        XGBClassifier(eval_metric=["mlogloss", "merror"], **XGB),
        Y,
        {"eval_set": [(X[:50], Y[:50])], "verbose": False},
    ),
    "lightgbm": (LGBMClassifier(n_jobs=1, subsample=0.6, subsample_freq=1, verbose=-1, **SEED), Y, {}),
    "lightgbm regression": (LGBMRegressor(n_jobs=1, colsample_bytree=0.5, verbose=-1, **SEED), TARGET, {}),
    "forest": (RandomForestClassifier(**SEED), Y, {}),
    "forest regression": (RandomForestRegressor(max_features=0.5, **SEED), TARGET, {}),
    "extra trees": (ExtraTreesClassifier(**SEED), Y, {}),
    "extra trees regression": (ExtraTreesRegressor(bootstrap=True, **SEED), TARGET, {}),
    "gradient boosting": (GradientBoostingClassifier(subsample=0.7, max_features=3, **SEED), Y, {}),
    "gradient boosting binary": (GradientBoostingClassifier(**SEED), BINARY, {}),
    "gradient boosting regression": (GradientBoostingRegressor(**SEED), TARGET, {}),
    "hist boosting": (HistGradientBoostingClassifier(early_stopping=False, **SEED), Y, {}),
    "hist boosting regression": (HistGradientBoostingRegressor(early_stopping=False, **SEED), TARGET, {}),
    "ada": (AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, max_features=2), **SEED), Y, {}),
    "ada that stops": (AdaBoostClassifier(DecisionTreeClassifier(), **SEED), Y, {}),
    "ada regression": (AdaBoostRegressor(**SEED), TARGET, {}),
    "bagging": (BaggingClassifier(max_samples=0.5, max_features=0.5, **SEED), Y, {}),
    "bagging regression": (BaggingRegressor(**SEED), TARGET, {}),
    "pipeline": (make_pipeline(StandardScaler(), XGBClassifier(**XGB, **SAMPLED)), Y, {}),
}
IGNORED = {"_rng"}  # where chance stood when the fit ended


def assert_same(ours, theirs, where=""):
    """Compare two fitted estimators attribute by attribute."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, dict):
        assert set(ours) - IGNORED == set(theirs) - IGNORED, where
        for key in set(ours) - IGNORED:
            assert_same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple) or (isinstance(ours, np.ndarray) and ours.dtype == object):
        assert len(ours) == len(theirs), where
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other, f"{where}[]")
    elif isinstance(ours, np.ndarray):
        np.testing.assert_array_equal(ours, theirs, err_msg=where)
    elif hasattr(ours, "save_raw"):
        assert ours.save_raw("json") == theirs.save_raw("json"), where
    elif hasattr(ours, "model_to_string"):
        assert ours.num_trees() == theirs.num_trees(), where
    elif hasattr(ours, "__getstate__") and hasattr(ours, "node_count"):
        assert_same(ours.__getstate__(), theirs.__getstate__(), where)
    elif hasattr(ours, "__dict__") and type(ours).__module__.startswith(
        ("sklearn.", "xgboost.", "lightgbm.")
    ):
        assert_same(vars(ours), vars(theirs), where)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_what_is_cut_is_the_short_fit(name):
    estimator, y, fit_params = CASES[name]
    prefix = "xgbclassifier__" if name == "pipeline" else ""
    parameter = "max_iter" if name.startswith("hist") else "n_estimators"
    with threadpool_limits(1):
        long = clone(estimator).set_params(**{prefix + parameter: 12}).fit(X, y, **fit_params)
        path = path_of(long, fit_params)
        assert (path.parameter, path.rounds) == (prefix + parameter, 12)
        for rounds in (1, 5, 11):
            short = clone(estimator).set_params(**{prefix + parameter: rounds}).fit(X, y, **fit_params)
            cut = path.cut(long, rounds)
            assert_same(cut, short)
            for method in ("predict", "predict_proba", "decision_function"):
                if hasattr(short, method):
                    np.testing.assert_array_equal(getattr(cut, method)(X), getattr(short, method)(X))
            if hasattr(short, "feature_importances_"):
                np.testing.assert_array_equal(cut.feature_importances_, short.feature_importances_)
            assert cut.get_params()[prefix + parameter] == rounds
        assert long.get_params()[prefix + parameter] == 12


class Plain(TrainingCallback):
    pass


class Own(XGBClassifier):
    pass


REFUSED = {
    "dart": XGBClassifier(booster="dart", n_estimators=5, **SEED),
    "gblinear": XGBClassifier(booster="gblinear", n_estimators=5, **SEED),
    "a forest of XGBoost": XGBRFClassifier(n_estimators=5, **SEED),
    "early stopping": XGBClassifier(early_stopping_rounds=2, n_estimators=5, **SEED),
    "callbacks": XGBClassifier(callbacks=[Plain()], n_estimators=5, **SEED),
    "an update": XGBClassifier(process_type="update", n_estimators=5, **SEED),
    "sampling without a seed": XGBClassifier(subsample=0.5, n_estimators=5),
    "a default number": XGBClassifier(n_estimators=None, **SEED),
    "no rounds": XGBClassifier(n_estimators=0, **SEED),
    "half a round": XGBClassifier(n_estimators=5.0, **SEED),
    "a subclass": Own(n_estimators=5, **SEED),
    "lightgbm dart": LGBMClassifier(boosting_type="dart", **SEED),
    "lightgbm early stopping": LGBMClassifier(early_stopping_round=3, **SEED),
    "an objective of one's own": XGBClassifier(objective=lambda y, p: (p - y, y * 0 + 1), **SEED),
    "lightgbm by another name": LGBMClassifier(num_iterations=9, **SEED),
    "forest without a seed": RandomForestClassifier(),
    "forest with a generator": RandomForestClassifier(random_state=np.random.RandomState(0)),
    "forest out of bag": RandomForestClassifier(oob_score=True, **SEED),
    "forest warm": RandomForestClassifier(warm_start=True, **SEED),
    "boosting that stops": GradientBoostingClassifier(n_iter_no_change=3, **SEED),
    "hist boosting that may stop": HistGradientBoostingClassifier(**SEED),
    "bagging out of bag": BaggingClassifier(oob_score=True, **SEED),
    "no path": LogisticRegression(),
    "pipeline without one": make_pipeline(StandardScaler(), LogisticRegression()),
    "pipeline that ends early": make_pipeline(StandardScaler(), "passthrough"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    assert path_of(REFUSED[name], {}) is None


def test_a_model_to_go_on_from_is_refused():
    model = XGBClassifier(n_estimators=5, **SEED)
    assert path_of(model, {"sample_weight": Y}) is not None
    assert path_of(model, {"xgb_model": "file"}) is None
    assert path_of(LGBMClassifier(**SEED), {"init_model": "file"}) is None
    pipeline = make_pipeline(StandardScaler(), model)
    assert path_of(pipeline, {"xgbclassifier__sample_weight": Y}) is not None
    assert path_of(pipeline, {"xgbclassifier__xgb_model": "file"}) is None


def test_lightgbm_with_evaluations_is_refused():
    """Its ``best_score_`` is that of the last round."""
    assert path_of(LGBMClassifier(**SEED), {}) is not None
    assert path_of(LGBMClassifier(**SEED), {"eval_set": [(X, Y)]}) is None


def tasks(estimator, candidates, fit_params=None):
    fits = [
        Fit(i, fold, Member(clone(estimator), one)) for i, one in enumerate(candidates) for fold in range(2)
    ]
    ordered = in_turn(make_tasks(fits, fit_params or {}, SETTINGS), slots=100)
    return [(task.fold, task.positions) for task in ordered]


def test_one_task_a_path_and_fold_longest_first():
    grid = [{"n_estimators": n, "max_depth": depth} for depth in (2, 3) for n in (5, 9)]
    # Fits are numbered candidate by candidate, two folds each.
    assert tasks(XGBClassifier(**SEED), grid) == [(0, (6, 4)), (1, (7, 5)), (0, (2, 0)), (1, (3, 1))]


def test_candidates_off_the_path_are_tasks_of_their_own():
    grid = [{"n_estimators": 5}, {"n_estimators": 0}, {"n_estimators": 5.0}, {"nonsense": 1}]
    assert len(tasks(XGBClassifier(**SEED), grid)) == 8
    assert len(tasks(LogisticRegression(), [{"C": 1}, {"C": 1.0}])) == 4


def test_values_of_other_types_are_other_candidates():
    grid = [
        {"n_estimators": 5, "max_depth": 3, "reg_alpha": 1},
        {"n_estimators": 6, "max_depth": 3, "reg_alpha": 1.5},
    ]
    assert len(tasks(XGBClassifier(**SEED), grid)) == 4


BAGGED = BaggingClassifier(FailsForSeed(), n_estimators=9, **SEED).fit(X, Y).estimators_

SEARCHES = {
    "alone": (XGBClassifier(**XGB, **SAMPLED), {"n_estimators": [3, 8, 5], "max_depth": [2, 3]}, {}),
    "pipeline": (
        make_pipeline(StandardScaler(), XGBClassifier(**XGB)),
        {"xgbclassifier__n_estimators": [3, 6], "standardscaler__with_mean": [True, False]},
        {},
    ),
    "several scorers": (
        RandomForestClassifier(**SEED),
        {"n_estimators": [3, 6]},
        {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy", "return_train_score": True},
    ),
    "a longest fit that fails": (
        BaggingClassifier(FailsForSeed(bad_seed=BAGGED[6].random_state), **SEED),
        {"n_estimators": [4, 9, 2, 8]},
        {"error_score": -9.0},
    ),
    "every kind of number": (XGBClassifier(**XGB), {"n_estimators": [4, 5.5, np.int64(3)]}, {}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_gives_scikit_learns_scores(spark_context, name):
    estimator, grid, arguments = SEARCHES[name]
    ours = sparksweep.GridSearchCV(estimator, grid, sc=spark_context, cv=3, **arguments).fit(X, Y)
    with threadpool_limits(1):
        theirs = model_selection.GridSearchCV(estimator, grid, cv=3, **arguments).fit(X, Y)
    for key, expected in theirs.cv_results_.items():
        if "test_" in key or "train_" in key:
            np.testing.assert_array_equal(ours.cv_results_[key], expected)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_times_of_a_path_go_by_rounds(spark_context):
    search = sparksweep.GridSearchCV(
        XGBClassifier(**XGB), {"n_estimators": [10, 20]}, sc=spark_context, cv=3, refit=False
    ).fit(X, Y)
    short, long = np.array([search.cv_results_["mean_fit_time"][i] for i in range(2)])
    assert long > 0
    assert short == pytest.approx(long / 2)
