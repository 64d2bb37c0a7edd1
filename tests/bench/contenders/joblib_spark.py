"""scikit-learn's search on joblib-spark's backend."""

from __future__ import annotations

import joblib
from joblibspark import register_spark
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from tests.bench.contenders.machine import CORES, start_spark
from tests.bench.contenders.timed import fit_timed
from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    start_spark()
    register_spark()
    grid_search = GridSearchCV(
        XGBClassifier(**workload.parameters),
        workload.grid,
        scoring=SCORING,
        cv=FOLDS,
        refit=False,
        error_score="raise",
    )
    with joblib.parallel_backend("spark", n_jobs=CORES):
        return fit_timed(grid_search, workload)
