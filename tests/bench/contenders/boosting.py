"""The boosting that no exact search can avoid, by XGBoost's own API, with all cores at it.

Candidates that differ only in their rounds are prefixes of the longest one, so these are the longest of each, once
a fold. Only the boosting counts, not cutting the folds, quantising or scoring. A core boosts more slowly while the
others do the same, as they do in a search, since all wait for the same memory; so each core has a process here too.
"""

from __future__ import annotations

import time
from typing import Any

import joblib
import xgboost
from sklearn.metrics import log_loss
from xgboost import XGBClassifier

from tests.bench.contenders.machine import CORES
from tests.bench.workload import FOLDS, Outcome, Workload


def search(workload: Workload) -> Outcome:
    # Each fold in as many parts as there are cores, so that none is idle at the end.
    parts = [(fold, part) for fold in range(FOLDS) for part in range(CORES)]
    done = joblib.Parallel(n_jobs=CORES)(joblib.delayed(_boost)(workload, *part) for part in parts)
    seconds, scores = 0.0, [[0.0] * FOLDS for _ in workload.longest]
    for (fold, _), of_part in zip(parts, done, strict=True):
        for number, spent, score in of_part:
            seconds += spent
            scores[number][fold] = score
    return Outcome(seconds, scores)


def _boost(workload: Workload, fold: int, part: int) -> list[tuple[int, float, float]]:
    """Return (number of the candidate, seconds, score) of every ``CORES``-th candidate on a fold."""
    train, test = workload.folds != fold, workload.folds == fold
    quantised = xgboost.QuantileDMatrix(workload.X[train], workload.y[train], nthread=1)
    unseen = xgboost.DMatrix(workload.X[test], nthread=1)
    done = []
    for number, candidate in list(enumerate(workload.longest))[part::CORES]:
        rounds, parameters = _settings(workload, candidate)
        start = time.perf_counter()
        booster = xgboost.train(parameters, quantised, rounds)
        seconds = time.perf_counter() - start
        done.append((number, seconds, -log_loss(workload.y[test], booster.predict(unseen))))
    return done


def _settings(workload: Workload, candidate: dict) -> tuple[int, dict[str, Any]]:
    estimator = XGBClassifier(**workload.parameters).set_params(**candidate)
    classes = int(workload.y.max()) + 1
    parameters = estimator.get_xgb_params()
    return estimator.n_estimators, parameters | ({"num_class": classes} if classes > 2 else {})
