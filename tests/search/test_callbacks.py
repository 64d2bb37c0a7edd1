"""What callbacks are told by our searches, against what scikit-learn's own tell them."""

from __future__ import annotations

import types
import warnings

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import sparksweep
from sparksweep.search.callbacks import FitCallbacks, has_callbacks
from sparksweep.search.workbench import SearchData
from tests.search.estimators import Constant
from tests.search.recorder import PropagatedRecorder, Recorder, tasks, told

callback = pytest.importorskip("sklearn.callback", reason="callbacks came with scikit-learn 1.9")

X, Y = make_classification(n_samples=80, n_features=5, random_state=0)
WEIGHTS = np.random.default_rng(0).uniform(0.1, 5, len(Y))


def both(sc, tmp_path, recorder, estimator, grid, X=X, fit_params=None, **arguments):
    """Return what ours and what scikit-learn's search told."""
    paths = tmp_path / "ours", tmp_path / "theirs"
    ours = sparksweep.GridSearchCV(estimator, grid, sc=sc, **arguments)
    theirs = model_selection.GridSearchCV(estimator, grid, **arguments)
    for search, path in zip((ours, theirs), paths, strict=True):
        search.set_callbacks(recorder(path)).fit(X, Y, **(fit_params or {}))
    return tuple(map(told, paths))


@pytest.mark.parametrize("recorder", [Recorder, PropagatedRecorder])
@pytest.mark.parametrize("refit", [True, False])
def test_tells_what_scikit_learn_tells(spark_context, tmp_path, recorder, refit):
    """Every task with its place in the tree, the rows and weights of its fold, and no other task."""
    ours, theirs = both(
        spark_context,
        tmp_path,
        recorder,
        LogisticRegression(max_iter=5),
        {"C": [0.1, 1]},
        cv=KFold(3),
        refit=refit,
        fit_params={"sample_weight": WEIGHTS},
    )
    assert ours == theirs
    assert sum(ours.values()) > 2 * (2 + 6 + refit)


def test_a_kernel_is_cut_by_columns_too(spark_context, tmp_path):
    ours, theirs = both(
        spark_context,
        tmp_path,
        Recorder,
        SVC(),
        [{"kernel": ["precomputed"], "C": [1, 2]}],
        X=X @ X.T,
        cv=2,
    )
    assert ours == theirs


def test_an_estimator_without_callbacks_is_named_once_in_a_warning(spark_context, tmp_path):
    def fit():
        return both(spark_context, tmp_path, PropagatedRecorder, Constant(), {"value": [0, 1]}, cv=2)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        ours, theirs = fit()
    assert ours == theirs
    texts = [str(warning.message) for warning in caught]
    assert any("The estimator Constant does not support callbacks" in text for text in texts)


def test_steps_of_a_pipeline_tell(spark_context, tmp_path):
    pipeline = Pipeline([("scale", StandardScaler()), ("model", LogisticRegression(max_iter=5))])
    ours, theirs = both(
        spark_context, tmp_path, PropagatedRecorder, pipeline, {"model__C": [0.1, 1]}, cv=2, refit=False
    )
    scaled = ("GridSearchCV.fit", "GridSearchCV.search", "Pipeline.fit")
    # The scaler is fitted once a fold, so one of the two candidates has no task for it.
    missing = theirs - ours
    assert all("fit-transform-scale" in line or "StandardScaler" in line for line in missing)
    assert not ours - theirs
    assert tasks(tmp_path / "ours")[scaled] == 4


def test_a_candidate_cut_from_another_fit_is_told_of(spark_context, tmp_path):
    """Each fit ends once for callbacks: the longest as the pipeline's own, the others as the search's."""
    pipeline = Pipeline(
        [("scale", StandardScaler()), ("model", HistGradientBoostingClassifier(random_state=0))]
    )
    pipeline.set_params(model__early_stopping=False)
    path = tmp_path / "told"
    search = sparksweep.GridSearchCV(
        pipeline, {"model__max_iter": [2, 4, 6]}, sc=spark_context, cv=2, refit=False
    ).set_callbacks(PropagatedRecorder(path))
    search.fit(X, Y)
    ended = tasks(path)
    above = "GridSearchCV.fit", "GridSearchCV.search"
    assert ended[(*above, "Pipeline.fit")] == 2
    assert ended[(*above, "GridSearchCV.candidate-split-evaluation")] == 4
    assert ended[(*above, "Pipeline.fit", "Pipeline.fit-final-estimator")] == 2
    assert ended[above] == 1


def test_callbacks_of_the_estimator_itself(spark_context):
    """scikit-learn's ScoringMonitor, set on the estimator, logs the same scores under the same tasks."""
    logs = []
    for kind in (sparksweep.GridSearchCV, model_selection.GridSearchCV):
        monitor = callback.ScoringMonitor(scoring="accuracy")
        estimator = LogisticRegression(max_iter=4).set_callbacks(monitor)
        # The same candidate twice: the monitor is to see each of its fits.
        kind(estimator, {"C": [1, 1]}, cv=2).fit(X, Y)
        logs.append(monitor.get_logs().data)
    ours, theirs = logs
    assert len(ours) > 8
    assert ours == theirs


def test_a_step_with_callbacks_of_its_own(spark_context, tmp_path):
    """It is fitted for each candidate, and so is the pipeline, though both could be shared."""
    for kind, name in ((sparksweep.GridSearchCV, "ours"), (model_selection.GridSearchCV, "theirs")):
        scaler = StandardScaler().set_callbacks(Recorder(tmp_path / name))
        model = HistGradientBoostingClassifier(random_state=0, early_stopping=False)
        kind(Pipeline([("scale", scaler), ("model", model)]), {"model__max_iter": [2, 4]}, cv=2).fit(X, Y)
    assert told(tmp_path / "ours") == told(tmp_path / "theirs")


def test_fits_that_a_journal_had_are_told_of(spark_context, tmp_path):
    for name in ("first", "second"):
        search = sparksweep.GridSearchCV(
            LogisticRegression(max_iter=3),
            {"C": [0.1, 1]},
            cv=2,
            sc=spark_context,
            journal=tmp_path / "journal",
        )
        search.set_callbacks(Recorder(tmp_path / name)).fit(X, Y)
    assert told(tmp_path / "first") == told(tmp_path / "second")


def test_a_search_inside_a_search(spark_context, tmp_path):
    inner = sparksweep.GridSearchCV(LogisticRegression(max_iter=3), {"C": [0.1, 1]}, cv=2, sc=spark_context)
    ours = sparksweep.GridSearchCV(inner, {"estimator__fit_intercept": [True, False]}, cv=2, sc=spark_context)
    ours.set_callbacks(PropagatedRecorder(tmp_path / "ours")).fit(X, Y)
    inner = model_selection.GridSearchCV(LogisticRegression(max_iter=3), {"C": [0.1, 1]}, cv=2)
    theirs = model_selection.GridSearchCV(inner, {"estimator__fit_intercept": [True, False]}, cv=2)
    theirs.set_callbacks(PropagatedRecorder(tmp_path / "theirs")).fit(X, Y)
    assert told(tmp_path / "ours") == told(tmp_path / "theirs")


def test_callbacks_are_torn_down_when_a_fit_raises(spark_context, tmp_path):
    search = sparksweep.GridSearchCV(
        Constant(), {"fail": [True]}, cv=2, sc=spark_context, error_score="raise"
    ).set_callbacks(Recorder(tmp_path / "told"))
    with pytest.raises(ArithmeticError, match="asked to fail"):
        search.fit(X, Y)
    assert sum(tasks(tmp_path / "told", "teardown").values()) == 1
    ended = tasks(tmp_path / "told")
    assert ended["GridSearchCV.fit", "GridSearchCV.search", "GridSearchCV.candidate-split-evaluation"] >= 1


def test_the_refit_on_an_executor_is_told_of_on_the_driver(spark_context, tmp_path):
    monitor = Recorder(tmp_path / "own")
    search = sparksweep.GridSearchCV(
        LogisticRegression(max_iter=3).set_callbacks(monitor),
        {"C": [1]},
        cv=2,
        sc=spark_context,
        refit_on="executor",
    ).set_callbacks(PropagatedRecorder(tmp_path / "told"))
    search.fit(X, Y)
    assert tasks(tmp_path / "told")["GridSearchCV.fit", "GridSearchCV.refit-with-best-params"] == 1
    assert has_callbacks(search.best_estimator_)
    assert not hasattr(search.best_estimator_, "_parent_callback_ctx")


def test_on_other_hosts_only_the_search_tells():
    """A callback could not report from there, and scikit-learn's ProgressBar would fail the fit."""
    search = sparksweep.GridSearchCV(
        Pipeline([("model", LogisticRegression().set_callbacks(Recorder("unused")))]), {}
    )
    search.sc = types.SimpleNamespace(master="spark://elsewhere:7077")
    search.set_callbacks(PropagatedRecorder("unused"))
    data = SearchData(X, Y, {}, {})
    with pytest.warns(UserWarning, match="on other hosts .* but not of those of Pipeline"):
        callbacks = FitCallbacks(search, object(), search.estimator, data, [])
    assert callbacks.place(0) is None
    assert not has_callbacks(callbacks.prepare(search.estimator))


def test_the_names_that_grid_py_lists_are_scikit_learns():
    assert callable(model_selection.GridSearchCV._init_callback_context)
    recorder = Recorder("unused")
    assert clone(LogisticRegression().set_callbacks(recorder))._skl_callbacks == [recorder]
