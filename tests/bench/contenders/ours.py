"""sparksweep's own search."""

from __future__ import annotations

from xgboost import XGBClassifier

from sparksweep import GridSearchCV
from tests.bench.contenders.machine import start_spark
from tests.bench.contenders.timed import fit_timed
from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    grid_search = GridSearchCV(
        XGBClassifier(**workload.parameters),
        workload.grid,
        sc=start_spark().sparkContext,
        scoring=SCORING,
        cv=FOLDS,
        refit=False,
        error_score="raise",
        progress=False,
    )
    return fit_timed(grid_search, workload)
