"""The real spark-sklearn 0.3.0, on Python 3.7 with the packages of its time."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
from pyspark import SparkConf, SparkContext
from sklearn.model_selection import PredefinedSplit
from spark_sklearn import GridSearchCV
from xgboost import XGBClassifier

from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1"}
    context = SparkContext(
        conf=SparkConf().setMaster("local[2]").setAppName("bench").setAll(settings.items())
    )
    grid_search = GridSearchCV(
        context,
        XGBClassifier(**workload.parameters),
        workload.grid,
        scoring=SCORING,
        # Its scikit-learn has other stratified folds than today's.
        cv=PredefinedSplit(workload.folds),
        iid=False,
        refit=False,
        return_train_score=False,
    )
    start = time.perf_counter()
    grid_search.fit(workload.X, workload.y)
    seconds = time.perf_counter() - start
    results = grid_search.cv_results_
    scores = np.transpose([results[f"split{fold}_test_score"] for fold in range(FOLDS)])
    remark = "XGBoost 1.6"
    return Outcome(seconds, scores.tolist(), remark=remark)
