"""scikit-learn's search with a process a core."""

from __future__ import annotations

from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from tests.bench.contenders.machine import CORES
from tests.bench.contenders.timed import fit_timed
from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    grid_search = GridSearchCV(
        XGBClassifier(**workload.parameters),
        workload.grid,
        scoring=SCORING,
        cv=FOLDS,
        n_jobs=CORES,
        refit=False,
        error_score="raise",
    )
    return fit_timed(grid_search, workload)
