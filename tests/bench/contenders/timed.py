"""The time and the scores of a search that is fitted as scikit-learn's are."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tests.bench.workload import FOLDS, Outcome, Workload

__all__ = ["fit_timed"]


def fit_timed(search: Any, workload: Workload) -> Outcome:
    """Fit a search and read its outcome from ``cv_results_``."""
    start = time.perf_counter()
    search.fit(workload.X, workload.y)
    seconds = time.perf_counter() - start
    results = search.cv_results_
    scores = np.transpose([results[f"split{fold}_test_score"] for fold in range(FOLDS)])
    work = FOLDS * float(np.sum(results["mean_fit_time"]) + np.sum(results["mean_score_time"]))
    return Outcome(seconds, scores.tolist(), work)
