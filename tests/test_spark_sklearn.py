"""The call forms of spark-sklearn 0.3.0, and the listing of the sample that used it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score

from sparksweep.spark_sklearn import GridScore, GridSearchCV, RandomizedSearchCV

X, Y = make_classification(n_samples=110, n_features=6, n_informative=4, random_state=1)


def test_a_grid_score_prints_as_it_did():
    # mean and population deviation of (-2, -4): -3 and 1
    assert repr(GridScore({"a": 1, "b": "x"}, -3.0, np.array([-2.0, -4.0]))) == (
        "mean: -3.00000, std: 1.00000, params: {'a': 1, 'b': 'x'}"
    )


def test_the_listing_of_the_sample(spark_context, capsys):
    """From ``sc = SparkContext.getOrCreate()`` to the loop over ``grid_scores_``, its import line changed."""
    listing = """
from pyspark import SparkContext
from sparksweep.spark_sklearn import GridSearchCV
from xgboost import XGBClassifier

tuned_parameters = [{'n_estimators': [3, 4], 'max_depth': [2, 3], 'objective': ['binary:logistic'],
                     'reg_alpha': [1], 'reg_lambda': [1], 'colsample_bytree': [1], 'learning_rate': [0.1],
                     'colsample_bylevel': [0.1], 'subsample': [0.5]}]
clf = XGBClassifier(seed=0)
metric = 'neg_log_loss'

sc = SparkContext.getOrCreate()
clf_cv = GridSearchCV(sc=sc, param_grid=tuned_parameters, estimator=clf, scoring=metric, cv=5)
model = clf_cv.fit(X, y)

print("metric = ", metric)
for i in range(len(model.grid_scores_)):
    print(model.grid_scores_[i])
"""
    names = {"X": X, "y": Y}
    exec(listing, names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "metric =  neg_log_loss"
    assert len(lines) == 5
    for line, parameters, mean in zip(
        lines[1:],
        names["model"].cv_results_["params"],
        names["model"].cv_results_["mean_test_score"],
        strict=True,
    ):
        assert line.startswith(f"mean: {mean:.5f}, std: 0.")
        assert line.endswith(f"params: {parameters}")


def test_positional_arguments_and_grid_order(spark_context):
    search = GridSearchCV(spark_context, LogisticRegression(), {"C": [10, 0.1]}).fit(X, Y)
    assert [score.parameters for score in search.grid_scores_] == [{"C": 10}, {"C": 0.1}]
    for score in search.grid_scores_:
        expected = cross_val_score(LogisticRegression(**score.parameters), X, Y)
        np.testing.assert_array_equal(score.cv_validation_scores, expected)
        assert score.mean_validation_score == np.average(expected)


def test_iid_weighs_folds_by_their_size(spark_context):
    cv = [(np.arange(30, 110), np.arange(30)), (np.arange(30), np.arange(30, 110))]
    even = GridSearchCV(spark_context, LogisticRegression(), {"C": [1e-4, 1]}, cv=cv).fit(X, Y)
    weighted = GridSearchCV(spark_context, LogisticRegression(), {"C": [1e-4, 1]}, cv=cv, iid=True).fit(X, Y)
    for plain, heavy in zip(even.grid_scores_, weighted.grid_scores_, strict=True):
        first, second = plain.cv_validation_scores
        assert plain.mean_validation_score == pytest.approx((first + second) / 2)
        assert heavy.mean_validation_score == pytest.approx((30 * first + 80 * second) / 110)
    first, second = weighted.grid_scores_[0].cv_validation_scores
    mean = (30 * first + 80 * second) / 110
    expected = np.sqrt((30 * (first - mean) ** 2 + 80 * (second - mean) ** 2) / 110)
    assert weighted.cv_results_["std_test_score"][0] == pytest.approx(expected)


def test_fit_params_of_the_constructor(spark_context):
    weights = np.where(Y == 1, 5.0, 0.2)
    search = GridSearchCV(
        spark_context, LogisticRegression(), {"C": [1]}, fit_params={"sample_weight": weights}, cv=KFold(3)
    ).fit(X, Y)
    plain = LogisticRegression(C=1).fit(X, Y, sample_weight=weights)
    np.testing.assert_array_equal(search.best_estimator_.coef_, plain.coef_)


def test_groups_and_random_search(spark_context):
    groups = np.arange(len(Y)) % 5
    search = RandomizedSearchCV(
        spark_context, LogisticRegression(), {"C": [0.1, 1, 10]}, 2, random_state=0, n_jobs=1
    ).fit(X, Y, groups)
    assert len(search.grid_scores_) == 2
