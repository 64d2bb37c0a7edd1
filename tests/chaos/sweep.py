"""The driver of a sweep that is about to be killed: python -m tests.chaos.sweep JOURNAL RESULTS."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sklearn.datasets import make_classification

from sparksweep import GridSearchCV
from sparksweep.session import open_session
from tests.chaos.estimator import Watched

GRID = {"max_depth": [2, 3, 4], "reg_alpha": [0.0, 0.5, 1.0, 2.0]}
FOLDS = 3


def main(journal: str, results: str) -> None:
    X, y = make_classification(n_samples=3000, n_features=20, n_informative=8, n_classes=3, random_state=0)
    estimator = Watched(n_estimators=10, subsample=0.7, random_state=0, n_jobs=1)
    conf = {"spark.ui.enabled": "false", "spark.task.maxFailures": "10"}
    with open_session("chaos", master="local-cluster[2,1,1024]", conf=conf) as spark:
        search = GridSearchCV(
            estimator,
            GRID,
            sc=spark.sparkContext,
            scoring="neg_log_loss",
            cv=FOLDS,
            journal=journal,
            refit=False,
        ).fit(X, y)
        scores = {
            name: values.tolist() for name, values in search.cv_results_.items() if name.startswith("split")
        }
    growing = Path(f"{results}.tmp")
    growing.write_text(json.dumps(scores), encoding="utf-8")
    growing.rename(results)


if __name__ == "__main__":
    main(*sys.argv[1:])
