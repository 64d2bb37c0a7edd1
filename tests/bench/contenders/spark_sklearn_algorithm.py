"""How spark-sklearn 0.3.0 searches, on today's packages.

X and y are broadcast once, each fit is a task, and each task splits the data anew to find its fold.
"""

from __future__ import annotations

import time
from itertools import islice

import numpy as np
from sklearn.base import clone
from sklearn.metrics import get_scorer
from sklearn.model_selection import StratifiedKFold
from xgboost import XGBClassifier

from tests.bench.contenders.machine import start_spark
from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    context = start_spark().sparkContext
    estimator, cv, scorer = XGBClassifier(**workload.parameters), StratifiedKFold(FOLDS), get_scorer(SCORING)
    start = time.perf_counter()
    X_sent, y_sent = context.broadcast(workload.X), context.broadcast(workload.y)

    def fit_and_score(fit):
        parameters, fold = fit
        X, y = X_sent.value, y_sent.value
        train, test = next(islice(cv.split(X, y), fold, fold + 1))
        model = clone(estimator).set_params(**parameters).fit(X[train], y[train])
        return scorer(model, X[test], y[test])

    fits = [(parameters, fold) for parameters in workload.candidates for fold in range(FOLDS)]
    scores = context.parallelize(fits, len(fits)).map(fit_and_score).collect()
    seconds = time.perf_counter() - start
    return Outcome(seconds, np.reshape(scores, (-1, FOLDS)).tolist())
