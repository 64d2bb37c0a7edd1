"""What a benchmark of the search fits: one estimator, one grid, one matrix, and the folds.

A workload is written to a folder once and read by every contender, so that all have the same bytes. One of them
runs on Python 3.7 with the packages of its time, so this module keeps to what both know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.model_selection import ParameterGrid, StratifiedKFold

__all__ = ["FOLDS", "SCORING", "Outcome", "Workload", "make_workload", "read_workload", "write_workload"]

FOLDS = 5
SCORING = "neg_log_loss"

_ROWS, _COLUMNS, _CLASSES = 74_645, 21_509, 12  # of the published sample
_VALUES_A_ROW = 41


@dataclass(frozen=True)
class Workload:
    """Data, folds and candidates of one search with XGBoost's classifier.

    ``folds`` says for each row in which test fold it lies; ``parameters`` are those that all candidates share.
    """

    X: Any
    y: Any
    folds: Any
    parameters: dict[str, Any]
    grid: dict[str, list[Any]]

    @property
    def candidates(self) -> list[dict[str, Any]]:
        return list(ParameterGrid(self.grid))

    @property
    def fits(self) -> int:
        return len(self.candidates) * FOLDS

    @property
    def longest(self) -> list[dict[str, Any]]:
        """The candidates with the most rounds: all that differ only in the rounds are prefixes of one of them."""
        if "n_estimators" not in self.grid:
            return self.candidates
        rounds = max(self.grid["n_estimators"])
        return [candidate for candidate in self.candidates if candidate["n_estimators"] == rounds]


@dataclass(frozen=True)
class Outcome:
    """What a contender found: ``scores`` has a row a candidate, and a column a fold or the mean alone.

    ``seconds`` is the wall time of the search without the refit, ``work_seconds`` the sum over all fits of
    fitting and scoring, where the contender tells. ``remark`` is what a reader should know beside.
    """

    seconds: float
    scores: list[list[float]]
    work_seconds: float | None = None
    remark: str = ""


def make_workload(name: str, scale: float = 1.0, rounds: int = 1) -> Workload:
    """Return a workload by its name.

    ``scale`` is the share of the sample's rows, ``rounds`` what the published ratios of round counts (3 and 4;
    3, 4, 5, 6 and 7) are multiplied with. The dense table has one size and fixed rounds.
    """
    if name == "dense":
        return _dense()
    common = {
        "objective": "multi:softprob",
        "tree_method": "hist",
        "learning_rate": 0.1,
        "reg_alpha": 1,
        "n_jobs": 1,
        "random_state": 0,
    }
    if name == "sparse-16":
        grid = {
            "n_estimators": [3 * rounds, 4 * rounds],
            "max_depth": [3, 4],
            "colsample_bylevel": [0.01, 0.1],
            "subsample": [0.5, 0.7],
        }
    else:
        grid = {
            "n_estimators": [number * rounds for number in (3, 4, 5, 6, 7)],
            "max_depth": [4],
            "colsample_bylevel": [0.01, 0.1, 0.5, 1.0],
            "subsample": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        }
    X, y = _sample_like(int(_ROWS * scale))
    return Workload(X, y, _fold_of_rows(X, y), common, grid)


def _dense() -> Workload:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 20)).astype(np.float32)
    y = (X[:, :10].sum(axis=1) + X[:, 0] * X[:, 1] + rng.normal(size=len(X)) > 0).astype(np.int64)
    common = {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "n_estimators": 10,
        "n_jobs": 1,
        "random_state": 0,
    }
    grid = {"max_depth": [2, 3, 4, 5], "learning_rate": [round(0.02 * step, 2) for step in range(1, 21)]}
    return Workload(X, y, _fold_of_rows(X, y), common, grid)


def _sample_like(rows: int) -> tuple[Any, Any]:
    """Return a matrix as wide as the sample's, and classes that depend on it.

    Zipf's law for the columns, as of apps and models: some are in most rows, most in a few. Half of the columns
    are indicators, the others hold shares of a few events.
    """
    rng = np.random.default_rng(0)
    popularity = 1 / np.arange(1, _COLUMNS + 1) ** 0.9
    picked = rng.choice(_COLUMNS, size=rows * _VALUES_A_ROW, p=popularity / popularity.sum())
    events = rng.integers(1, 13, size=len(picked))
    shares = np.ceil(rng.uniform(size=len(picked)) * events) / events
    values = np.where(picked % 2 == 0, 1, shares).astype(np.float32)
    # A column that is picked twice in a row adds up.
    X = sparse.csr_matrix((values, (np.repeat(np.arange(rows), _VALUES_A_ROW), picked)), (rows, _COLUMNS))
    weights = rng.normal(size=(_COLUMNS, _CLASSES)) / 4
    return X, (X @ weights + rng.gumbel(size=(rows, _CLASSES))).argmax(axis=1)


def _fold_of_rows(X: Any, y: Any) -> Any:
    """Return the fold of each row that scikit-learn's ``cv=5`` gives to a classifier."""
    folds = np.empty(len(y), dtype=np.int32)
    for fold, (_, test) in enumerate(StratifiedKFold(FOLDS).split(X, y)):
        folds[test] = fold
    return folds


def write_workload(workload: Workload, folder: Path) -> None:
    """Write a workload into a folder that exists."""
    if sparse.issparse(workload.X):
        sparse.save_npz(folder / "X.npz", workload.X, compressed=False)
    else:
        np.save(folder / "X.npy", workload.X)
    np.save(folder / "y.npy", workload.y)
    np.save(folder / "folds.npy", workload.folds)
    settings = {"parameters": workload.parameters, "grid": workload.grid}
    (folder / "workload.json").write_text(json.dumps(settings), encoding="utf-8")


def read_workload(folder: Path) -> Workload:
    """Read what :func:`write_workload` wrote."""
    is_sparse = (folder / "X.npz").exists()
    X = sparse.load_npz(str(folder / "X.npz")) if is_sparse else np.load(str(folder / "X.npy"))
    settings = json.loads((folder / "workload.json").read_text(encoding="utf-8"))
    y, folds = np.load(str(folder / "y.npy")), np.load(str(folder / "folds.npy"))
    return Workload(X, y, folds, settings["parameters"], settings["grid"])
