"""Our search against scikit-learn's, on the same folds, in one run: ``make bench-search``.

Two workloads: (a) a sparse matrix as wide as the published sample's, with the grid of the published sweep
at fewer rounds; (b) a dense table with short fits, where the overhead of the engine shows. Each contender
runs in a process of its own. Seconds are those of ``fit`` without the refit; starting Spark does not count,
its memory does.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time

import numpy as np
from measure import measure, print_table
from scipy import sparse
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from sparksweep import GridSearchCV
from sparksweep.session import create_session

CONTENDERS = ("scikit-learn", "sparksweep")
WORKLOADS = ("sparse", "dense")
CORES = 2


def workload(name: str, scale: float):
    """Return estimator, grid, X, y."""
    if name == "dense":
        X, y = make_classification(n_samples=2000, n_features=20, n_informative=10, random_state=0)
        return LogisticRegression(max_iter=50), {"C": np.logspace(-3, 3, 20).tolist()}, X, y
    rng = np.random.default_rng(0)
    rows, columns, per_row = int(74_645 * scale), 21_509, 41
    # Zipf's law for the columns, as of apps and models: some are in most rows, most in a few.
    popularity = 1 / np.arange(1, columns + 1) ** 0.9
    picked = rng.choice(columns, size=rows * per_row, p=popularity / popularity.sum())
    X = sparse.csr_matrix(
        (rng.uniform(0.1, 1, len(picked)).astype(np.float32), (np.repeat(np.arange(rows), per_row), picked)),
        (rows, columns),
    )
    weights = rng.normal(size=(columns, 12)) / 4
    y = (X @ weights + rng.gumbel(size=(rows, 12))).argmax(axis=1)
    estimator = XGBClassifier(
        objective="multi:softprob",
        tree_method="hist",
        learning_rate=0.1,
        reg_alpha=1,
        n_jobs=1,
        random_state=0,
    )
    grid = {
        "n_estimators": [6, 8],
        "max_depth": [3, 4],
        "colsample_bylevel": [0.01, 0.1],
        "subsample": [0.5, 0.7],
    }
    return estimator, grid, X, y


def contend(contender: str, name: str, scale: float) -> None:
    """Run one contender and print its seconds and scores as JSON."""
    estimator, grid, X, y = workload(name, scale)
    arguments = {"scoring": "neg_log_loss", "cv": 5, "refit": False}
    if contender == "scikit-learn":
        search = model_selection.GridSearchCV(estimator, grid, n_jobs=CORES, **arguments)
    else:
        spark = create_session("bench", master=f"local[{CORES}]", conf={"spark.ui.enabled": "false"})
        search = GridSearchCV(estimator, grid, sc=spark.sparkContext, progress=False, **arguments)
    start = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "scores": search.cv_results_["mean_test_score"].tolist()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each contender, taken in turn")
    parser.add_argument("--scale", type=float, default=0.2, help="rows of the sparse workload; 1 is 74,645")
    parser.add_argument("--contender", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--workload", choices=WORKLOADS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        contend(options.contender, options.workload, options.scale)
        return
    for name in WORKLOADS:
        estimator, grid, X, _ = workload(name, options.scale)
        fits = len(model_selection.ParameterGrid(grid)) * 5
        print(f"\n{name}: {X.shape[0]:,} x {X.shape[1]:,}, {fits} fits of {type(estimator).__name__}")
        runs, scores = {contender: [] for contender in CONTENDERS}, {}
        for _ in range(options.runs):
            for contender in CONTENDERS:
                command = [sys.executable, __file__, "--contender", contender, "--workload", name]
                # One thread a fit for both, so that their scores can be compared bit for bit.
                environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
                run = measure([*command, "--scale", str(options.scale)], env=environ)
                told = json.loads(run.output.splitlines()[-1])
                runs[contender].append((told["seconds"], run.peak_mib))
                scores[contender] = told["scores"]
        print_table(runs, CONTENDERS[0])
        print(f"scores equal to the last bit: {scores[CONTENDERS[0]] == scores[CONTENDERS[1]]}")


if __name__ == "__main__":
    main()
