"""Spark ML's CrossValidator over XGBoost's own estimator for Spark, two fits at once.

A fit is a Spark job over a DataFrame, here with one worker. The time ends with the last evaluation: the refit that
follows cannot be turned off.
"""

from __future__ import annotations

import time
from typing import Any

from pyspark.ml.evaluation import Evaluator, MulticlassClassificationEvaluator
from pyspark.ml.linalg import DenseVector, SparseVector, VectorUDT
from pyspark.ml.tuning import CrossValidator
from pyspark.sql.types import IntegerType, StructField, StructType
from scipy import sparse
from xgboost.spark import SparkXGBClassifier

from tests.bench.contenders.machine import CORES, start_spark
from tests.bench.workload import FOLDS, Outcome, Workload

_SCHEMA = StructType(
    [
        StructField("features", VectorUDT(), nullable=False),
        StructField("label", IntegerType(), nullable=False),
        StructField("fold", IntegerType(), nullable=False),
    ]
)


class _TimedLogLoss(Evaluator):
    """The log loss, and when it was last computed."""

    def __init__(self) -> None:
        super().__init__()
        self.log_loss = MulticlassClassificationEvaluator(metricName="logLoss")
        self.last = 0.0

    def _evaluate(self, dataset: Any) -> float:
        value = self.log_loss.evaluate(dataset)
        self.last = time.perf_counter()
        return value

    def isLargerBetter(self) -> bool:
        return False


def search(workload: Workload) -> Outcome:
    spark = start_spark()
    rows = zip(_vectors(workload.X), workload.y.tolist(), workload.folds.tolist(), strict=True)
    table = spark.createDataFrame(rows, _SCHEMA).cache()
    table.count()
    # It sets the objective, the threads (spark.task.cpus) and the workers itself.
    own = {key: value for key, value in workload.parameters.items() if key not in {"objective", "n_jobs"}}
    if sparse.issparse(workload.X):
        own |= {"enable_sparse_data_optim": True, "missing": 0.0}
    estimator = SparkXGBClassifier(num_workers=1, **own)
    candidates = [
        {estimator.getParam(name): value for name, value in candidate.items()}
        for candidate in workload.candidates
    ]
    evaluator = _TimedLogLoss()
    validator = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=candidates,
        evaluator=evaluator,
        numFolds=FOLDS,
        foldCol="fold",
        parallelism=CORES,
    )
    start = time.perf_counter()
    model = validator.fit(table)
    return Outcome(evaluator.last - start, [[-loss] for loss in model.avgMetrics])


def _vectors(X: Any) -> Any:
    if not sparse.issparse(X):
        return map(DenseVector, X.astype(float))
    bounds = zip(X.indptr[:-1], X.indptr[1:], strict=True)
    return (SparseVector(X.shape[1], X.indices[a:b], X.data[a:b].astype(float)) for a, b in bounds)
