"""Cross-validation that reports while it boosts: each report is, to the last bit, that of a shorter fit."""

from __future__ import annotations

import threading
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring, log_loss
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier, XGBRanker, XGBRegressor, XGBRFClassifier
from xgboost.callback import EarlyStopping, LearningRateScheduler, TrainingCallback

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.child.boosting import Lockstep
from sparksweep.hyperdrive.child.cross_validation import Report, cross_validate
from sparksweep.search.fit import Warned
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import SearchData

pytestmark = pytest.mark.timeout(120)  # a deadlock is to fail soon

X, Y = make_classification(n_samples=240, n_features=10, n_informative=6, n_classes=3, random_state=0)
X_SPARSE = sparse.csr_matrix(np.where(np.abs(X) > 1, X, 0))
X_GAPS = np.where(np.abs(X) < 0.2, np.nan, X)
FRAME = pd.DataFrame(X, columns=[f"f{i}" for i in range(10)]).assign(kind=pd.Categorical(list("abcd") * 60))
BINARY = (Y > 0).astype(int)
TARGET = X[:, 0] * 3 + Y
COUNTS = np.round(np.abs(TARGET))
WEIGHT = np.linspace(0.1, 2, len(Y))
QID = np.repeat(np.arange(24), 10)
FOLDS = list(StratifiedKFold(3).split(X, Y))
FIRST_OF_A_FOLD = X[FOLDS[1][1][0]]
XGB = {"n_jobs": 1, "max_depth": 3, "random_state": 7}
SAMPLED = {"subsample": 0.6, "colsample_bylevel": 0.5, "colsample_bytree": 0.8}


def run(
    estimator, parameters, X=X, y=Y, folds=FOLDS, scoring=None, fit_params=None, score_params=None, **how
):
    """Cross-validate and keep what was reported."""
    data = SearchData(X, y, fit_params or {}, score_params or {})
    scorer = check_scoring(estimator, scoring=scoring)
    told = []
    how = {"interval": 4, "threads": Threads(1), "cores": 2, "report": told.append, **how}
    result = cross_validate(estimator, parameters, data, folds, scorer, **how)
    assert told in ([], list(result.reports))
    return result


def by_scikit_learn(
    estimator, parameters, rounds, X=X, y=Y, folds=FOLDS, scoring=None, fit_params=None, name="n_estimators"
):
    """Return scikit-learn's results for explicit numbers of rounds."""
    grid = {**{key: [value] for key, value in parameters.items()}, name: rounds}
    search = GridSearchCV(estimator, grid, cv=folds, scoring=scoring, refit=False, error_score="raise")
    results = search.fit(X, y, **(fit_params or {})).cv_results_
    scores = np.column_stack([results[f"split{fold}_test_score"] for fold in range(len(folds))])
    return [
        Report(number + 1, n, mean, tuple(row))
        for number, (n, mean, row) in enumerate(zip(rounds, results["mean_test_score"], scores, strict=True))
    ]


def quantile_loss(estimator, X, y):
    predicted = estimator.predict(X)
    assert predicted.shape == (len(y), 2)
    return -float(np.abs(predicted - y[:, None]).mean())


def decided(estimator, X, y):
    """Something of every kind of prediction, in float32."""
    margin = estimator.predict(X, output_margin=True)
    return (
        -log_loss(y, estimator.predict_proba(X)) - np.abs(margin).mean() + (estimator.predict(X) == y).mean()
    )


CASES = {
    "multi-class": (XGBClassifier(**XGB), {}, {"scoring": "neg_log_loss"}),
    "accuracy": (XGBClassifier(**XGB), {"learning_rate": 0.1}, {}),
    "sparse": (XGBClassifier(**XGB, **SAMPLED), {}, {"X": X_SPARSE, "scoring": "neg_log_loss"}),
    "columns": (XGBClassifier(**XGB), {}, {"X": X_SPARSE.tocsc(), "scoring": "neg_log_loss"}),
    "gaps": (XGBClassifier(**XGB), {}, {"X": X_GAPS, "scoring": "neg_log_loss"}),
    "frame": (XGBClassifier(enable_categorical=True, **XGB), {}, {"X": FRAME, "scoring": "neg_log_loss"}),
    "binary": (XGBClassifier(**XGB, **SAMPLED), {}, {"y": BINARY, "scoring": "roc_auc"}),
    "hinge": (XGBClassifier(objective="binary:hinge", **XGB), {}, {"y": BINARY}),
    "softmax": (XGBClassifier(objective="multi:softmax", **XGB), {}, {"scoring": "neg_log_loss"}),
    "every method": (XGBClassifier(**XGB, **SAMPLED), {}, {"scoring": decided}),
    "regression": (XGBRegressor(**XGB, **SAMPLED), {}, {"y": TARGET}),
    "absolute": (XGBRegressor(objective="reg:absoluteerror", **XGB), {}, {"y": TARGET}),
    "a base score": (
        XGBRegressor(base_score=0.3, **XGB),
        {},
        {"y": TARGET, "scoring": "neg_mean_squared_error"},
    ),
    "counts": (XGBRegressor(objective="count:poisson", **XGB), {}, {"y": COUNTS}),
    "quantiles": (
        XGBRegressor(objective="reg:quantileerror", quantile_alpha=[0.2, 0.8], **XGB),
        {},
        {"y": TARGET, "scoring": quantile_loss},
    ),
    "two outputs": (XGBRegressor(**XGB), {}, {"y": np.column_stack([TARGET, X[:, 1]])}),
    "two outputs a tree": (
        XGBRegressor(multi_strategy="multi_output_tree", **XGB),
        {},
        {"y": np.column_stack([TARGET, X[:, 1]])},
    ),
    "exact": (XGBClassifier(tree_method="exact", **XGB, **SAMPLED), {}, {"scoring": "neg_log_loss"}),
    "approx": (XGBClassifier(tree_method="approx", **XGB, **SAMPLED), {}, {"scoring": "neg_log_loss"}),
    "parallel trees": (XGBClassifier(num_parallel_tree=3, **XGB, **SAMPLED), {}, {"scoring": "neg_log_loss"}),
    "sampling without a seed": (XGBClassifier(n_jobs=1, **SAMPLED), {}, {"scoring": "neg_log_loss"}),
    "evaluations": (
        XGBClassifier(eval_metric="mlogloss", **XGB),
        {},
        {"fit_params": {"eval_set": [(X[:50], Y[:50])], "verbose": False}, "scoring": "neg_log_loss"},
    ),
    "ten folds": (
        XGBClassifier(**XGB),
        {},
        {"folds": list(KFold(10, shuffle=True, random_state=1).split(X))},
    ),
    "a schedule of rates": (
        XGBClassifier(callbacks=[LearningRateScheduler([0.5] * 5 + [0.1] * 20)], **XGB),
        {},
        {"scoring": "neg_log_loss"},
    ),
    "pipeline": (
        make_pipeline(StandardScaler(), XGBClassifier(**XGB, **SAMPLED)),
        {"standardscaler__with_mean": False, "xgbclassifier__max_depth": 2},
        {"scoring": "neg_log_loss", "name": "xgbclassifier__n_estimators"},
    ),
    "pipeline that writes": (
        make_pipeline(StandardScaler(copy=False), XGBClassifier(**XGB)),
        {},
        {"scoring": "neg_log_loss", "name": "xgbclassifier__n_estimators"},
    ),
    "pipeline in a pipeline": (
        make_pipeline(StandardScaler(), make_pipeline("passthrough", XGBClassifier(**XGB))),
        {},
        {"scoring": "neg_log_loss", "name": "pipeline__xgbclassifier__n_estimators"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_reports_are_scikit_learns_scores(name):
    estimator, parameters, how = CASES[name]
    ours = {key: value for key, value in how.items() if key != "name"}
    result = run(estimator, {**parameters, how.get("name", "n_estimators"): 14}, **ours)
    assert result.error is None
    assert not result.is_stopped
    assert list(result.reports) == by_scikit_learn(estimator, parameters, [4, 8, 12, 14], **how)


@pytest.mark.parametrize("seed", range(6))
def test_sampling_of_the_folds_is_apart(seed):
    """Their random states must not mix, however the threads run."""
    parameters = {"random_state": seed, "max_depth": 2 + seed % 3}
    estimator = XGBClassifier(n_jobs=1, **SAMPLED)
    for cores in (1, 2, 3):
        result = run(
            estimator, {**parameters, "n_estimators": 9}, scoring="neg_log_loss", cores=cores, interval=3
        )
        assert list(result.reports) == by_scikit_learn(
            estimator, parameters, [3, 6, 9], scoring="neg_log_loss"
        )


def test_a_generator_gives_all_folds_one_seed():
    def make():
        return XGBClassifier(n_jobs=1, subsample=0.5, random_state=np.random.RandomState(3))

    ours = run(make(), {"n_estimators": 5}, scoring="neg_log_loss")
    assert list(ours.reports)[-1].scores == by_scikit_learn(make(), {}, [5], scoring="neg_log_loss")[0].scores


@pytest.mark.parametrize(
    ("interval", "rounds"),
    [(5, [5, 10]), (3, [3, 6, 9, 10]), (1, list(range(1, 11))), (10, [10]), (99, [10])],
)
def test_when_it_reports(interval, rounds):
    result = run(XGBClassifier(**XGB), {"n_estimators": 10}, interval=interval)
    assert [report.rounds for report in result.reports] == rounds
    assert [report.interval for report in result.reports] == list(range(1, len(rounds) + 1))


def test_the_number_of_rounds_that_xgboost_takes_where_none_is_given():
    result = run(XGBRegressor(**XGB), {}, y=TARGET, interval=40)
    assert [report.rounds for report in result.reports] == [40, 80, 100]


def test_ranking():
    folds = [(np.arange(80, 240), np.arange(80)), (np.arange(160), np.arange(160, 240))]

    def scoring(estimator, X, y):
        return np.corrcoef(estimator.predict(X), y)[0, 1]

    how = {"folds": folds, "scoring": scoring, "fit_params": {"qid": QID}}
    result = run(XGBRanker(**XGB), {"n_estimators": 6}, **how)
    assert list(result.reports) == by_scikit_learn(XGBRanker(**XGB), {}, [4, 6], **how)


@pytest.mark.parametrize("steps", [[], [StandardScaler()]])
def test_metadata_are_cut(steps):
    """scikit-learn's searches differ, by version, in what they pass to the scorer: this loop does not."""

    def scoring(estimator, X, y, sample_weight=None):
        return -log_loss(y, estimator.predict_proba(X), sample_weight=sample_weight)

    def fitted(rounds, rows):
        model = make_pipeline(*map(clone, steps), XGBClassifier(n_estimators=rounds, **XGB))
        return model.fit(X[rows], Y[rows], xgbclassifier__sample_weight=WEIGHT[rows])

    fit_params = {"xgbclassifier__sample_weight": WEIGHT}
    for score_params in ({}, {"sample_weight": WEIGHT}):
        how = {"fit_params": fit_params, "score_params": score_params, "scoring": scoring}
        result = run(make_pipeline(*steps, XGBClassifier(**XGB)), {"xgbclassifier__n_estimators": 6}, **how)
        for report, rounds in zip(result.reports, [4, 6], strict=True):
            cut = [(fitted(rounds, a), X[b], Y[b], WEIGHT[b] if score_params else None) for a, b in FOLDS]
            assert report.scores == tuple(scoring(*arguments) for arguments in cut)


class Seen:
    """A scorer that keeps what it sees of an estimator."""

    def __init__(self):
        self.seen = []

    def __call__(self, estimator, X, y):
        booster = estimator.get_booster()
        row = {
            "parameters": {
                k: v for k, v in estimator.get_params().items() if k not in {"missing", "callbacks"}
            },
            "callbacks": estimator.callbacks and [type(one) for one in estimator.callbacks],
            "booster": booster.save_raw("json"),
            "attributes": booster.attributes(),
            "classes": estimator.classes_.tolist(),
            "evaluated": estimator.evals_result(),
            "importances": estimator.feature_importances_.tolist(),
            "leaves": estimator.apply(X).tolist(),
            "names": set(vars(estimator)) - {"predict", "predict_proba", "_rng"},
        }
        self.seen.append(row)
        return 0.0


@pytest.mark.parametrize("callbacks", [None, [LearningRateScheduler([0.3] * 9)]])
def test_the_scorer_sees_a_fit_of_so_many_rounds(callbacks):
    estimator = XGBClassifier(callbacks=callbacks, **XGB)
    fit_params = {"eval_set": [(X[:50], Y[:50])], "verbose": False}
    ours, theirs = Seen(), Seen()
    folds = FOLDS[:1]
    run(estimator, {"n_estimators": 9}, scoring=ours, folds=folds, fit_params=fit_params)
    by_scikit_learn(estimator, {}, [4, 8, 9], scoring=theirs, folds=folds, fit_params=fit_params)
    assert ours.seen == theirs.seen


@pytest.mark.parametrize("step", [[], [StandardScaler()]])
def test_no_round_is_predicted_again_and_again(monkeypatch, step):
    plain = XGBRegressor.predict
    predicted = []

    def predict(self, X, *, iteration_range=None, **arguments):
        predicted.append(iteration_range)
        return plain(self, X, iteration_range=iteration_range, **arguments)

    monkeypatch.setattr(XGBRegressor, "predict", predict)
    estimator = make_pipeline(*step, XGBRegressor(n_estimators=12, **XGB))
    result = run(estimator, {}, y=TARGET, folds=FOLDS[:1], interval=3)
    spans = [(0, 3), (0, 3), (3, 6), (3, 6), (6, 9), (6, 9), None]  # its margin, and what was asked for
    assert predicted == spans
    assert len(result.reports) == 4


def test_two_predictions_on_other_rows():
    """Margins of one X must not be taken for another's, of the same shape or not."""

    def scoring(estimator, X, y):
        whole, half = estimator.predict_proba(X), estimator.predict_proba(X[:20])
        turned = estimator.predict_proba(X[::-1])
        np.testing.assert_array_equal(whole[:20], half)
        np.testing.assert_array_equal(whole, turned[::-1])
        return -log_loss(y, estimator.predict_proba(X))

    result = run(XGBClassifier(**XGB), {"n_estimators": 10}, scoring=scoring)
    assert result.error is None
    assert list(result.reports) == by_scikit_learn(XGBClassifier(**XGB), {}, [4, 8, 10], scoring=scoring)


class Counted(TrainingCallback):
    """Counts the rounds of every fit, and how many fits are in a round at once. Its copies share the counts."""

    lock = threading.Lock()

    @classmethod
    def reset(cls):
        cls.rounds, cls.computing, cls.most = {}, 0, 0

    def before_iteration(self, model, epoch, evals_log):
        with self.lock:
            Counted.computing += 1
            Counted.most = max(Counted.most, Counted.computing)
        return False

    def after_iteration(self, model, epoch, evals_log):
        with self.lock:
            Counted.computing -= 1
            self.rounds[id(model)] = model.num_boosted_rounds()
        return False


COUNTED = {**XGB, "callbacks": [Counted()]}
FIVE = list(StratifiedKFold(5).split(X, Y))


@pytest.mark.parametrize("last", [1, 3])
@pytest.mark.parametrize("cores", [1, 2, 5])
def test_a_stop_ends_all_folds(last, cores):
    Counted.reset()
    threads = threading.active_count()
    told = []

    def report(one):
        told.append(one)
        return len(told) == last

    result = run(XGBClassifier(**COUNTED), {"n_estimators": 500}, folds=FIVE, cores=cores, report=report)
    assert result.is_stopped
    assert result.error is None
    assert result.reports == tuple(told)
    assert len(told) == last
    assert list(Counted.rounds.values()) == [4 * last] * 5
    assert threading.active_count() == threads


def test_a_stop_after_the_last_report_comes_too_late():
    result = run(XGBClassifier(**XGB), {"n_estimators": 4}, report=lambda report: True)
    assert [report.rounds for report in result.reports] == [4]
    assert not result.is_stopped


@pytest.mark.parametrize("last", [1, 3])
def test_what_report_raises_comes_out(last):
    Counted.reset()
    threads = threading.active_count()
    told = []

    def report(one):
        told.append(one)
        if len(told) == last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(XGBClassifier(**COUNTED), {"n_estimators": 10}, report=report)
    assert threading.active_count() == threads
    assert list(Counted.rounds.values()) == [min(4 * last, 10)] * 3


@pytest.mark.parametrize(("cores", "threads", "most"), [(1, 1, 1), (4, 2, 2), (3, 4, 1), (2, 1, 2)])
def test_no_more_folds_compute_at_once_than_cores_allow(cores, threads, most):
    Counted.reset()
    folds = {"folds": FIVE, "scoring": "neg_log_loss"}
    estimator = XGBClassifier(**COUNTED)
    result = run(estimator, {"n_estimators": 9}, cores=cores, threads=Threads(threads), **folds)
    assert 1 <= Counted.most <= most
    assert sorted(Counted.rounds.values()) == [9] * 5
    assert list(result.reports) == by_scikit_learn(estimator, {}, [4, 8, 9], **folds)


class Together(TrainingCallback):
    """A round that begins only when another fold is in one, too."""

    barrier = threading.Barrier(2)

    def __deepcopy__(self, memo):
        return self

    def before_iteration(self, model, epoch, evals_log):
        self.barrier.wait(timeout=30)
        return False


def test_folds_compute_at_once_where_there_are_cores():
    result = run(XGBClassifier(callbacks=[Together()], **XGB), {"n_estimators": 6}, folds=FIVE[:4], cores=2)
    assert result.error is None


def test_threads_reach_the_estimator():
    def scoring(estimator, X, y):
        return estimator.n_jobs

    one = XGBClassifier(n_estimators=5)
    assert run(one, {}, scoring=scoring, threads=Threads(2), cores=2).reports[0].value == 2
    assert run(one, {"n_jobs": 1}, scoring=scoring, threads=Threads(2, is_asked=True)).reports[0].value == 2


def test_a_gpu_reaches_the_estimator():
    def scoring(estimator, X, y):
        return float(estimator.get_params()["device"] == "cuda:3")

    result = run(RandomForestOn(device="cuda"), {}, scoring=scoring, gpu="3")
    assert result.reports[0].value == 1


class RandomForestOn(RandomForestClassifier):
    def __init__(self, device="cpu"):
        super().__init__(n_estimators=2)
        self.device = device


def test_one_that_is_ahead_gives_way():
    turns, apart = [0, 0, 0], []
    lockstep = Lockstep(3, at_once=2)

    def work(member):
        if member == 1:  # keeps one core
            while sum(turns) < 40:
                time.sleep(0.005)
            return 0.0
        for _ in range(20):
            time.sleep(0.005)
            turns[member] += 1
            apart.append(abs(turns[0] - turns[2]))
            lockstep.next_turn(member)
        return 0.0

    assert lockstep.run(work, lambda values: False) == [0.0] * 3
    assert max(apart) <= 5


# --- What goes wrong ---


class Breaks(TrainingCallback):
    """Raises in the seventh round of one fold."""

    begun = 0
    lock = threading.Lock()

    def before_training(self, model):
        with self.lock:
            Breaks.begun += 1
            self.number = Breaks.begun
        return model

    def after_iteration(self, model, epoch, evals_log):
        if self.number == 2 and epoch == 6:
            raise ArithmeticError("asked to fail")
        return False


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_a_fold_that_fails_ends_the_others(cores):
    Breaks.begun = 0
    threads = threading.active_count()
    result = run(XGBClassifier(callbacks=[Breaks()], **XGB), {"n_estimators": 5000}, cores=cores)
    assert [report.rounds for report in result.reports] == [4]
    assert "Traceback" in result.error
    assert "ArithmeticError: asked to fail" in result.error
    assert not result.is_stopped
    assert threading.active_count() == threads


def test_a_fold_that_cannot_be_fitted():
    """Its training rows lack a class, which XGBoost refuses."""
    folds = [*FOLDS[:2], (np.flatnonzero(Y != 1), np.flatnonzero(Y == 1))]
    result = run(XGBClassifier(**XGB), {"n_estimators": 5000}, folds=folds)
    assert result.reports == ()
    assert "Invalid classes" in result.error


@pytest.mark.parametrize("estimator", [XGBClassifier(**XGB), LogisticRegression()])
@pytest.mark.parametrize(
    ("score", "words"),
    [(lambda: 1 / 0, "ZeroDivisionError"), (lambda: "high", "must return a number, got high")],
)
def test_a_scorer_that_fails(estimator, score, words):
    def scoring(estimator, X, y):
        return score() if (X[0] == FIRST_OF_A_FOLD).all() else 0.5

    result = run(estimator, {}, scoring=scoring)
    assert result.reports == ()
    assert words in result.error
    assert "Traceback" in result.error


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        (LogisticRegression(), {"nonsense": 1}),
        (make_pipeline(XGBClassifier(**XGB)), {"nowhere__max_depth": 1}),
        (XGBClassifier(**XGB), {"n_estimators": 5.5}),
        (XGBClassifier(**XGB), {"max_depth": "deep"}),
    ],
)
def test_parameters_that_cannot_be(estimator, parameters):
    result = run(estimator, parameters)
    assert result.reports == ()
    assert "Error" in result.error


def test_an_interval_that_is_none():
    with pytest.raises(ConfigError, match="interval must be a whole number of at least 1, but 0"):
        run(XGBClassifier(**XGB), {}, interval=0)


def test_a_score_that_is_nan_is_a_score():
    result = run(XGBClassifier(**XGB), {"n_estimators": 5}, scoring=lambda estimator, X, y: np.float32("nan"))
    assert [np.isnan(report.value) for report in result.reports] == [True, True]


# --- What is not watched ---

EVALUATED = {"eval_set": [(X[:80], Y[:80])], "verbose": False}
UNWATCHED = {
    "early stopping": (XGBClassifier(early_stopping_rounds=2, n_estimators=30, **XGB), EVALUATED, 30),
    "dart": (XGBClassifier(booster="dart", rate_drop=0.5, n_estimators=12, **XGB), {}, 12),
    "linear": (XGBClassifier(booster="gblinear", n_estimators=12, **XGB), {}, 12),
    "a forest of XGBoost": (XGBRFClassifier(n_estimators=12, **XGB), {}, 1),
    "logistic": (LogisticRegression(C=0.3), {}, None),
    "pipeline": (make_pipeline(StandardScaler(copy=False), LogisticRegression()), {}, None),
    "forest": (RandomForestClassifier(n_estimators=12, random_state=0), {}, 12),
}


@pytest.mark.parametrize("name", UNWATCHED)
def test_one_report_at_the_end(name):
    estimator, fit_params, rounds = UNWATCHED[name]
    how = {"scoring": "neg_log_loss", "fit_params": fit_params}
    result = run(estimator, {}, report=lambda report: True, **how)
    search = GridSearchCV(estimator, {}, cv=FOLDS, scoring="neg_log_loss", refit=False).fit(
        X, Y, **fit_params
    )
    (report,) = result.reports
    assert (report.interval, report.rounds) == (1, rounds)
    assert report.value == search.cv_results_["mean_test_score"][0]
    assert result.error is None
    assert not result.is_stopped


def test_a_fold_that_a_callback_ends_keeps_its_score():
    """A fit of more rounds would have ended there as well."""

    def make():
        return XGBClassifier(
            eval_metric="mlogloss",
            learning_rate=0.9,
            callbacks=[EarlyStopping(rounds=2, save_best=True)],
            **XGB,
        )

    how = {"fit_params": {"eval_set": [(X[5:60], Y[5:60])], "verbose": False}, "scoring": "neg_log_loss"}
    # Each fold ends where it no longer gets better on rows that are in part its own.
    result = run(make(), {"n_estimators": 200}, interval=8, **how)
    assert result.error is None
    rounds = [report.rounds for report in result.reports]
    assert rounds[-1] == 200
    assert 2 < len(rounds) < 25
    for ours, theirs in zip(result.reports, by_scikit_learn(make(), {}, rounds, **how), strict=True):
        assert ours == theirs


# --- What surrounds the fits ---


class Warns(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        warnings.warn("fitted", RuntimeWarning, stacklevel=2)
        self.fitted_ = True
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("last", [XGBClassifier(n_estimators=6, **XGB), LogisticRegression()])
def test_warnings_are_collected_each_text_once(last):
    def scoring(estimator, X, y):
        warnings.warn(f"scored {X[0, 0]:.3f}", UserWarning, stacklevel=2)
        return 0.5

    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as outside:
        warnings.simplefilter("always")
        result = run(make_pipeline(Warns(), last), {}, scoring=scoring)
    scored = {Warned(f"scored {X[test[0], 0]:.3f}", UserWarning) for _, test in FOLDS}
    assert set(result.warned) == {Warned("fitted", RuntimeWarning), *scored}
    assert len(result.warned) == 4
    assert outside == []
    assert warnings.filters == filters


@pytest.mark.parametrize("estimator", [XGBClassifier(n_estimators=6, **XGB), LogisticRegression()])
def test_the_threads_have_the_callers_configuration(estimator):
    def scoring(estimator, X, y):
        return float(get_config()["enable_metadata_routing"])

    with config_context(enable_metadata_routing=True):
        assert run(estimator, {}, scoring=scoring).reports[0].value == 1
    assert run(estimator, {}, scoring=scoring).reports[0].value == 0


def write(X):
    X += 1
    return X


@pytest.mark.parametrize("is_frozen", [True, False])
def test_nobody_writes_to_the_data(is_frozen):
    held, weight = X.copy(), WEIGHT.copy()
    held.flags.writeable = weight.flags.writeable = not is_frozen
    estimator = make_pipeline(FunctionTransformer(write), XGBClassifier(n_estimators=9, **XGB))
    before = clone(estimator).get_params()
    result = run(estimator, {}, X=held, fit_params={"xgbclassifier__sample_weight": weight})
    assert result.error is None
    np.testing.assert_array_equal(held, X)
    assert str(before) == str(estimator.get_params())
    assert not hasattr(estimator[-1], "_Booster")
