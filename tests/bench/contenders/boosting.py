"""The boosting that no exact search can avoid, in one process with one thread.

Candidates that differ only in their rounds are prefixes of the longest one, so these are the longest of each, once
a fold, by XGBoost's own API. Only the boosting counts, not cutting the folds, quantising or scoring.
"""

from __future__ import annotations

import time

import xgboost
from sklearn.metrics import log_loss
from xgboost import XGBClassifier

from tests.bench.workload import FOLDS, Outcome, Workload


def search(workload: Workload) -> Outcome:
    seconds, scores = 0.0, [[] for _ in workload.longest]
    for fold in range(FOLDS):
        train, test = workload.folds != fold, workload.folds == fold
        quantised = xgboost.QuantileDMatrix(workload.X[train], workload.y[train], nthread=1)
        unseen = xgboost.DMatrix(workload.X[test], nthread=1)
        for candidate, found in zip(workload.longest, scores, strict=True):
            rounds, parameters = _settings(workload, candidate)
            start = time.perf_counter()
            booster = xgboost.train(parameters, quantised, rounds)
            seconds += time.perf_counter() - start
            found.append(-log_loss(workload.y[test], booster.predict(unseen)))
    return Outcome(seconds, scores)


def _settings(workload: Workload, candidate: dict) -> tuple[int, dict]:
    estimator = XGBClassifier(**workload.parameters).set_params(**candidate)
    classes = int(workload.y.max()) + 1
    parameters = estimator.get_xgb_params()
    return estimator.n_estimators, parameters | ({"num_class": classes} if classes > 2 else {})
