"""A run's folder: the files that a sweep leaves, in an order that tells a complete run from a torn one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from sparksweep.report.table import results_table
from sparksweep.search.grid_scores import grid_scores
from sparksweep.search.runs import versions_of

__all__ = ["Predictions", "Results", "RunStore", "write_for_scoring", "write_latest", "write_run"]


_PACKAGES = ("pyspark", "xgboost", "scikit-learn", "numpy", "scipy", "pandas")


class RunStore(Protocol):
    """What this room needs of a place to write to."""

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file whole, by a temporary name and a rename."""


@dataclass(frozen=True)
class Predictions:
    """Probabilities for the test devices: ``ids`` (n,), ``probabilities`` (n, n_classes)."""

    ids: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]

    def to_csv(self, classes: tuple[str, ...]) -> str:
        """Return the text of a CSV with ``device_id`` and a column a class."""
        table = pd.DataFrame(self.probabilities, columns=list(classes))
        table.insert(0, "device_id", self.ids)
        return str(table.to_csv(index=False, lineterminator="\n"))


@dataclass(frozen=True)
class Results:
    """What a sweep found.

    ``search`` is the fitted search; ``scale`` counts the data (devices, features, ...); ``seconds`` is
    the wall time of each step of the job. ``families`` are those of the features, each with its value, where
    the features are those of devices; ``data_report`` is then the text of ``data_report.csv``.
    """

    search: Any
    metric: str
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    scale: Mapping[str, int]
    seconds: Mapping[str, float]
    predictions: Predictions | None
    families: Mapping[str, str] | None = None
    data_report: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """The ranked results table."""
        return results_table(self.search.cv_results_, self.search.n_splits_, self.search.fit_errors_)

    @property
    def candidates(self) -> int:
        """The number of candidates."""
        return len(self.search.cv_results_["params"])

    @property
    def fits(self) -> int:
        """The number of fits, the refit aside."""
        return self.candidates * int(self.search.n_splits_)

    def sweeping_results(self) -> str:
        """Return what the published sample printed: the metric, and a line a candidate in grid order."""
        scores = grid_scores(self.search.cv_results_, self.search.n_splits_)
        return "\n".join([f"metric =  {self.metric}", *map(repr, scores)]) + "\n"

    def best(self, run_id: str) -> dict[str, Any]:
        """Return the content of ``best.json``."""
        return {
            "run_id": run_id,
            "metric": self.metric,
            "best_score": float(self.search.best_score_),
            "best_parameters": self.search.best_params_,
            "candidates": self.candidates,
            "fits": self.fits,
            "failed_fits": len(self.search.fit_errors_),
            "classes": self.classes,
            **({} if self.families is None else {"families": self.families}),
            **self.scale,
            "seconds": {step: round(seconds, 3) for step, seconds in self.seconds.items()},
            "versions": versions_of(*_PACKAGES),
        }


def write_run(store: RunStore, run_id: str, results: Results) -> None:
    """Write the files of a complete run; ``best.json`` last, whose presence says that the rest is there."""
    store.write("sweeping_results.txt", results.sweeping_results().encode())
    store.write("results.csv", results.table.to_csv(index=False, lineterminator="\n").encode())
    estimator = results.search.best_estimator_
    write_for_scoring(
        store, estimator, results.feature_names, results.classes, results.predictions, results.data_report
    )
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "model.joblib")
        joblib.dump(estimator, model, compress=3)
        store.write(model.name, model)
    best = json.dumps(results.best(run_id), indent=2, ensure_ascii=False, default=_plain)
    store.write("best.json", (best + "\n").encode())


def write_for_scoring(
    store: RunStore,
    estimator: Any,
    feature_names: tuple[str, ...],
    classes: tuple[str, ...],
    predictions: Predictions | None,
    data_report: str | None,
) -> None:
    """Write what a later scoring needs of an XGBoost estimator, and what it predicts of the test devices."""
    store.write("feature_names.csv", _names_csv(feature_names).encode())
    if data_report is not None:
        store.write("data_report.csv", data_report.encode())
    if predictions is not None:
        store.write("predictions.csv", predictions.to_csv(classes).encode())
    with tempfile.TemporaryDirectory() as folder:
        booster = Path(folder, "model.ubj")
        estimator.get_booster().save_model(booster)
        store.write(booster.name, booster)


def write_latest(store: RunStore, run_id: str) -> None:
    """Name the newest complete run in ``latest.txt``, which lies beside the runs."""
    store.write("latest.txt", f"{run_id}\n".encode())


def _names_csv(names: tuple[str, ...]) -> str:
    table = pd.DataFrame({"column": np.arange(len(names)), "feature": names})
    return str(table.to_csv(index=False, lineterminator="\n"))


def _plain(value: Any) -> Any:
    """Return a numpy scalar as Python's own, for JSON."""
    return value.item() if isinstance(value, np.generic) else repr(value)
