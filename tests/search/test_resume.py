"""A search that ends early and is started again with the same journal."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from xgboost import XGBClassifier

import sparksweep
from sparksweep.errors import ConfigError
from tests.search.estimators import NeedsPermission

X, Y = make_classification(n_samples=120, n_features=5, random_state=0)
VALUES = [0.1, 0.2, 0.3, 0.4]


def search(sc, folder, estimator=None, **arguments):
    """A search of NeedsPermission, which logs its fits in ``folder / 'log'``."""
    (folder / "log").mkdir(exist_ok=True)
    estimator = NeedsPermission(folder=str(folder)) if estimator is None else estimator
    arguments = {"param_grid": {"value": VALUES}, "cv": 3, "journal": folder / "journal", **arguments}
    return sparksweep.GridSearchCV(estimator, sc=sc, **arguments)


def fits(folder):
    return sorted(path.name.split("_")[0] for path in (folder / "log").iterdir())


def texts(warned):
    """Older versions of PySpark leave sockets to the garbage collector, which warns of them."""
    return {str(one.message) for one in warned if not issubclass(one.category, ResourceWarning)}


def split_scores(found):
    return {name: values for name, values in found.cv_results_.items() if name.startswith("split")}


def test_what_has_ended_is_not_fitted_again(spark_context, tmp_path):
    with pytest.raises(PermissionError):
        search(spark_context, tmp_path, error_score="raise", n_jobs=1).fit(X, Y)
    before = fits(tmp_path)
    assert 0 < len(before) < 3 * len(VALUES)
    (tmp_path / "permission").touch()
    resumed = search(spark_context, tmp_path, error_score="raise", n_jobs=1).fit(X, Y)
    after = fits(tmp_path)
    # Twelve fits and the refit; the one that failed has no mark of the first time.
    assert len(after) == 3 * len(VALUES) + 1
    quiet = search(spark_context, tmp_path, error_score="raise", journal=None).fit(X, Y)
    for name, values in split_scores(quiet).items():
        np.testing.assert_array_equal(split_scores(resumed)[name], values)
    theirs = model_selection.GridSearchCV(NeedsPermission(folder=str(tmp_path)), {"value": VALUES}, cv=3).fit(
        X, Y
    )
    for name, values in split_scores(theirs).items():
        np.testing.assert_array_equal(split_scores(resumed)[name], values)


def test_a_complete_journal_fits_nothing_and_gives_the_same(spark_context, tmp_path, capsys):
    (tmp_path / "permission").touch()
    first = search(spark_context, tmp_path, return_train_score=True).fit(X, Y)
    count = len(fits(tmp_path))
    second = search(spark_context, tmp_path, return_train_score=True, progress=True).fit(X, Y)
    assert len(fits(tmp_path)) == count + 1  # the refit
    for name, values in first.cv_results_.items():
        np.testing.assert_array_equal(second.cv_results_[name], values)
    assert "12 / 12 fits (12 of them in the journal)" in capsys.readouterr().err


def test_failures_scorers_and_warnings_come_back(spark_context, tmp_path):
    arguments = {"scoring": ["accuracy", "f1"], "refit": False, "error_score": -1.0}
    with pytest.warns(match="fits failed") as first_warnings:
        first = search(spark_context, tmp_path, **arguments).fit(X, Y)
    count = len(fits(tmp_path))
    with pytest.warns(match="fits failed") as second_warnings:
        second = search(spark_context, tmp_path, **arguments).fit(X, Y)
    assert len(fits(tmp_path)) == count
    assert second.fit_errors_ == first.fit_errors_
    assert len(first.fit_errors_) == 3
    assert texts(first_warnings) == texts(second_warnings)
    for name, values in first.cv_results_.items():
        np.testing.assert_array_equal(second.cv_results_[name], values)


def test_part_of_a_boosting_path_is_enough(spark_context, tmp_path):
    """Half of the journal is lost: what is fitted again has the bits of what was there."""
    estimator = XGBClassifier(n_jobs=1, random_state=0, subsample=0.6, max_depth=3)
    grid = {"n_estimators": [3, 6, 9]}
    arguments = {"estimator": estimator, "param_grid": grid, "scoring": "neg_log_loss"}
    first = search(spark_context, tmp_path, **arguments).fit(X, Y)
    batches = sorted((tmp_path / "journal").glob("batch-*.json"))
    results = json.loads(batches[0].read_text())["results"]
    batches[0].write_text(json.dumps({"results": {key: results[key] for key in [*results][::2]}}))
    second = search(spark_context, tmp_path, **arguments).fit(X, Y)
    for name, values in split_scores(first).items():
        np.testing.assert_array_equal(split_scores(second)[name], values)


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"estimator": RandomForestClassifier(random_state=1)}, "estimator"),
        ({"param_grid": {"n_estimators": [3, 5]}}, "parameters"),
        ({"cv": 4}, "folds"),
        ({"scoring": "f1"}, "scorers"),
        ({"return_train_score": True}, "return_train_score"),
        ({"error_score": 0}, "error_score"),
    ],
)
def test_another_search_is_refused(spark_context, tmp_path, other, named):
    ours = {"estimator": RandomForestClassifier(random_state=0), "param_grid": {"n_estimators": [3, 4]}}
    search(spark_context, tmp_path, **ours).fit(X, Y)
    with pytest.raises(ConfigError, match=rf"belongs to another search, with other {named}"):
        search(spark_context, tmp_path, **{**ours, **other}).fit(X, Y)


def test_other_data_are_refused(spark_context, tmp_path):
    ours = {"estimator": RandomForestClassifier(random_state=0), "param_grid": {"n_estimators": [3, 4]}}
    search(spark_context, tmp_path, **ours).fit(X, Y)
    changed = X.copy()
    changed[5, 2] = np.nextafter(changed[5, 2], 9)
    with pytest.raises(ConfigError, match="with other X"):
        search(spark_context, tmp_path, **ours).fit(changed, Y)
