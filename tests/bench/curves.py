"""The learning curves of the 120-candidate grid: the score of each boosting path after every so many rounds.

The grid is that of ``conf/distributed_sweep_600_fits.yml``. Its candidates that differ only in the rounds are one
path, so 24 paths of 700 rounds on each of 5 folds have in them whatever a run on its search space can report.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xgboost
from sklearn.model_selection import ParameterGrid, StratifiedKFold
from tqdm import tqdm

from sparksweep.config import load_config

__all__ = ["FEATURES", "Curves", "Task", "boost", "cached_curves", "compute_curves", "published_task"]

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = ROOT / "conf" / "distributed_sweep_600_fits.yml"

_FOUR = ("brand_model", "weekday", "hour", "weekday_hour")

#: The sample's feature sets. All eight take several times as long, and at a scale that two cores manage most paths are
#: at their best long before the 300 rounds with which the grid begins. Of the first four alone it has its best at 500.
FEATURES = {"four": _FOUR, "eight": (*_FOUR, "app", "label", "category", "word")}

_PROCESSES = 2


@dataclass(frozen=True)
class Curves:
    """What the grid's paths score on the way, and how long they take.

    Attributes
    ----------
    names : tuple of str
        Of the parameters in which paths differ.
    paths : tuple of tuple
        Their values, a tuple a path.
    interval : int
        Rounds from one score to the next.
    scores : array of shape (paths, intervals)
        The mean test score over the folds after 1, 2, ... intervals. Greater is better.
    seconds : array of shape (paths, folds)
        Processor seconds of all rounds of a path on a fold.
    rounds : tuple of int
        Those that the grid has candidates for.
    """

    names: tuple[str, ...]
    paths: tuple[tuple[Any, ...], ...]
    interval: int
    scores: Any
    seconds: Any
    rounds: tuple[int, ...]

    @property
    def most_rounds(self) -> int:
        return max(self.rounds)

    @property
    def grid_rounds(self) -> int:
        """Rounds of boosting a fold that the grid needs where candidates share their paths."""
        return len(self.paths) * self.most_rounds

    @property
    def grid_best(self) -> float:
        """The best score of a candidate of the grid."""
        return float(self.scores[:, [count // self.interval - 1 for count in self.rounds]].max())

    @property
    def grid_scores(self) -> dict[tuple[Any, ...], float]:
        """The best score of a candidate of each path."""
        columns = [count // self.interval - 1 for count in self.rounds]
        return dict(zip(self.paths, self.scores[:, columns].max(axis=1).tolist(), strict=True))

    @property
    def best_anywhere(self) -> float:
        """The best score of all, also between the grid's counts of rounds."""
        return float(self.scores.max())

    def path_of(self, setting: Mapping[str, Any]) -> int:
        return self.paths.index(tuple(setting[name] for name in self.names))

    def grid_makespan(self, slots: int) -> float:
        """Seconds that the grid takes on so many slots: a fit a path and fold, the longest first."""
        free = [0.0] * slots
        for seconds in sorted(self.seconds.ravel().tolist(), reverse=True):
            free[free.index(min(free))] += seconds
        return max(free)


@dataclass(frozen=True)
class Task:
    """What the curves are computed of: data, XGBoost's fixed parameters, the grid, folds, rounds an interval."""

    X: Any
    y: Any
    parameters: Mapping[str, Any]
    grid: Mapping[str, Sequence[Any]]
    folds: int
    interval: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.grid if name != "n_estimators"))

    @property
    def paths(self) -> tuple[tuple[Any, ...], ...]:
        grid = ParameterGrid({name: self.grid[name] for name in self.names})
        return tuple(tuple(point[name] for name in self.names) for point in grid)

    def split(self, fold: int) -> tuple[Any, Any]:
        return list(StratifiedKFold(self.folds).split(self.X, self.y))[fold]


def boost(task: Task, path: int, fold: int) -> tuple[list[float], float]:
    """Boost a path on a fold. Return its test scores after each interval, and processor seconds."""
    began = time.process_time()
    train, test = task.split(fold)
    data = xgboost.QuantileDMatrix(task.X[train], task.y[train], nthread=1)
    unseen = xgboost.QuantileDMatrix(task.X[test], task.y[test], ref=data, nthread=1)
    fixed = {
        **task.parameters,
        **dict(zip(task.names, task.paths[path], strict=True)),
        "num_class": len(np.unique(task.y)),
        "eval_metric": "mlogloss",
        "nthread": 1,
        "seed": task.parameters.get("random_state", 0),
    }
    fixed.pop("random_state", None)
    losses: dict[str, dict[str, list[float]]] = {}
    # XGBoost keeps the margins of what it evaluates, so a look at every round costs next to nothing.
    xgboost.train(
        fixed,
        data,
        max(task.grid["n_estimators"]),
        evals=[(unseen, "test")],
        evals_result=losses,
        verbose_eval=False,
    )
    each = losses["test"]["mlogloss"][task.interval - 1 :: task.interval]
    return [-loss for loss in each], time.process_time() - began


def compute_curves(task: Task, processes: int = _PROCESSES) -> Curves:
    """Boost all paths on all folds, two at a time and with a thread each."""
    shape = len(task.paths), task.folds
    intervals = max(task.grid["n_estimators"]) // task.interval
    scores, seconds = np.empty((*shape, intervals)), np.empty(shape)
    with ProcessPoolExecutor(
        processes, multiprocessing.get_context("spawn"), initializer=_receive, initargs=(task,)
    ) as pool:
        asked = {pool.submit(_boost_received, *one): one for one in np.ndindex(shape)}
        for done in tqdm(as_completed(asked), "learning curves", len(asked), unit="fit", file=sys.stdout):
            scores[asked[done]], seconds[asked[done]] = done.result()
    rounds = tuple(sorted(task.grid["n_estimators"]))
    return Curves(task.names, task.paths, task.interval, scores.mean(axis=1), seconds, rounds)


_received: list[Task] = []


def _receive(task: Task) -> None:
    _received[:] = [task]


def _boost_received(path: int, fold: int) -> tuple[list[float], float]:
    return boost(_received[0], path, fold)


def cached_curves(file: Path, compute: Callable[[], Curves]) -> Curves:
    """Read curves from a file, or compute them and write it."""
    if not file.exists():
        curves = compute()
        file.parent.mkdir(parents=True, exist_ok=True)
        growing = file.with_suffix(".tmp.npz")
        # As text, which knows whole numbers from others.
        np.savez(growing, **{**vars(curves), "paths": json.dumps(curves.paths)})
        growing.rename(file)
    with np.load(file) as stored:
        return Curves(
            tuple(stored["names"].tolist()),
            tuple(map(tuple, json.loads(str(stored["paths"])))),
            int(stored["interval"]),
            stored["scores"],
            stored["seconds"],
            tuple(stored["rounds"].tolist()),
        )


def published_task(scale: float, interval: int, families: Sequence[str]) -> Task:
    """Compute the features of a synthetic dataset; return them with the grid and parameters of the published sweep."""
    from sparksweep.data import read_devices, read_tables
    from sparksweep.data.synthetic import write_dataset
    from sparksweep.features import build_features, to_matrix
    from sparksweep.session import create_session
    from sparksweep.storage import LocalStore

    folder = ROOT / ".cache" / "bench" / f"scale-{scale:g}"
    if not (folder / "events.csv").exists():
        print(f"Writing a dataset of scale {scale:g} to {folder}", flush=True)
        write_dataset(folder, scale=scale, seed=0)
    spark = create_session("bench", master=f"local[{_PROCESSES}]", conf={"spark.ui.enabled": "false"})
    try:
        with TemporaryDirectory() as cache:
            tables = read_tables(spark, LocalStore(folder), cache=cache, progress=False)
            devices = read_devices(tables)
            # Indicators have two bins a column, and boost several times as fast as shares.
            features = build_features(tables, dict.fromkeys(families, "indicator"), devices.ids)
            X = to_matrix(features, devices).X_train
    finally:
        spark.stop()
    search = load_config(CONFIG).search
    y = np.unique(devices.groups, return_inverse=True)[1]
    return Task(X, y, dict(search.parameters), dict(search.grid), search.folds, interval)
