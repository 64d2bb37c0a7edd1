"""MLflow's MlflowSparkStudy over Optuna's grid sampler, with a store of its own in SQLite.

A trial is a candidate, cross-validated by scikit-learn. X and y are broadcast; without that every trial would
carry them.
"""

from __future__ import annotations

import tempfile
import time

import mlflow
import numpy as np
from mlflow.optuna.storage import MlflowStorage
from mlflow.pyspark.optuna.study import MlflowSparkStudy
from optuna.samplers import GridSampler
from optuna.trial import TrialState
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from xgboost import XGBClassifier

from tests.bench.contenders.machine import CORES, start_spark
from tests.bench.workload import FOLDS, SCORING, Outcome, Workload


def search(workload: Workload) -> Outcome:
    context = start_spark().sparkContext
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        experiment = mlflow.create_experiment("bench", artifact_location=f"file://{folder}/artifacts")
        return _search(workload, context, experiment)


def _search(workload, context, experiment: str) -> Outcome:
    estimator, grid = XGBClassifier(**workload.parameters), workload.grid
    start = time.perf_counter()
    X, y = context.broadcast(workload.X), context.broadcast(workload.y)

    def objective(trial):
        parameters = {name: trial.suggest_categorical(name, values) for name, values in grid.items()}
        model = clone(estimator).set_params(**parameters)
        scores = cross_val_score(model, X.value, y.value, cv=FOLDS, scoring=SCORING, error_score="raise")
        return scores.mean()

    study = MlflowSparkStudy(
        "bench", MlflowStorage(experiment_id=experiment), sampler=GridSampler(grid), direction="maximize"
    )
    study.optimize(objective, n_trials=len(workload.candidates), n_jobs=CORES)
    seconds = time.perf_counter() - start

    trials = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    found = {_key(trial.params): trial.value for trial in trials}
    scores = [[found.get(_key(candidate), np.nan)] for candidate in workload.candidates]
    missed = sum(_key(candidate) not in found for candidate in workload.candidates)
    remark = f"{len(trials)} trials missed {missed} candidates" if missed else ""
    return Outcome(seconds, scores, remark=remark)


def _key(parameters) -> tuple:
    return tuple(sorted(parameters.items()))
