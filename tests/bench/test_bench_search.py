"""The benchmark of the search compares like with like, at a tiny size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from sklearn.model_selection import StratifiedKFold

from tests.bench import environments
from tests.bench.contenders import boosting, ours, scikit_learn, spark_sklearn_algorithm
from tests.bench.environments import Environment
from tests.bench.figures import Race, Run, compare_scores, figures_of
from tests.bench.measure import Measurement
from tests.bench.workload import FOLDS, Outcome, Workload, make_workload, read_workload, write_workload


@pytest.fixture(scope="module")
def workload() -> Workload:
    whole = make_workload("sparse-16", scale=0.004, rounds=1)
    grid = {"n_estimators": [2, 3], "max_depth": [2], "subsample": [0.5, 0.7]}
    return replace(whole, grid=grid)


@pytest.fixture(scope="module")
def reference(workload: Workload) -> Outcome:
    return scikit_learn.search(workload)


def test_contenders_give_scikit_learns_scores(
    workload: Workload, reference: Outcome, spark_session: SparkSession
) -> None:
    assert np.shape(reference.scores) == (4, FOLDS)
    assert len({tuple(row) for row in reference.scores}) == 4
    for module in (ours, spark_sklearn_algorithm):
        assert compare_scores(module.search(workload).scores, reference.scores) == "equal", module.__name__


def test_the_boosting_that_counts_is_that_of_the_longest_fits(workload: Workload, reference: Outcome) -> None:
    longest = [workload.candidates.index(candidate) for candidate in workload.longest]

    outcome = boosting.search(workload)

    assert [workload.candidates[i]["n_estimators"] for i in longest] == [3, 3]
    assert outcome.scores == [reference.scores[i] for i in longest]
    assert outcome.seconds > 0


@pytest.mark.parametrize("name", ["sparse-16", "dense"])
def test_contenders_read_what_was_written(name: str, tmp_path: Path) -> None:
    written = make_workload(name, scale=0.004, rounds=2)
    write_workload(written, tmp_path)

    read = read_workload(tmp_path)

    assert (read.grid, read.parameters) == (written.grid, written.parameters)
    difference = read.X != written.X
    assert not (difference.nnz if name == "sparse-16" else difference.any())
    np.testing.assert_array_equal(read.y, written.y)
    for fold, (_, test) in enumerate(StratifiedKFold(FOLDS).split(read.X, read.y)):
        np.testing.assert_array_equal(np.flatnonzero(read.folds == fold), test)


def test_grids_have_the_published_shapes() -> None:
    small, large = (make_workload(name, 0.004, rounds=100) for name in ("sparse-16", "sparse-120"))
    assert small.X.shape == (298, 21_509)
    assert (len(small.candidates), small.grid["n_estimators"]) == (16, [300, 400])
    assert (len(large.candidates), large.grid["n_estimators"]) == (120, [300, 400, 500, 600, 700])
    assert (len(small.longest), len(large.longest)) == (8, 24)


@pytest.mark.parametrize(
    ("scores", "word"),
    [
        ([[-1.0, -2.0], [-3.0, -4.0]], "equal"),
        ([[-1.5], [-3.5]], "equal"),  # the means alone
        ([[-1.0, -2.0], [-3.0, np.nextafter(-4.0, 0)]], "within 4.4e-16"),
        ([[-1.5], [np.nan]], "within 0.0e+00"),
        ([[np.nan], [np.nan]], "none"),
    ],
)
def test_comparing_scores(scores: list[list[float]], word: str) -> None:
    assert compare_scores(scores, [[-1.0, -2.0], [-3.0, -4.0]]) == word


def _run(seconds: float, workers_mib: float = 100, work: float | None = None, score: float = -1.0) -> Run:
    measured = Measurement(seconds + 5, 1000, workers_mib, 0.1, "")
    return Run(Outcome(seconds, [[score]], work), measured, seconds + 5)


def test_the_figures_are_ratios_to_the_best_peer_that_searched_all() -> None:
    runs = {
        "sparksweep": [_run(10, workers_mib=300), _run(14, workers_mib=300), _run(12, workers_mib=300)],
        "scikit-learn": [_run(40, workers_mib=200)],
        "mlflow-optuna": [_run(30, workers_mib=600)],
        "joblib-spark": [_run(5, score=np.nan)],
    }
    ratio, bound, memory, least = figures_of(Race("sparse-120", 600, runs, boosting=20.0))
    assert (ratio.value, ratio.at_most) == (12 / 30, 0.32)
    assert "mlflow-optuna" in ratio.words
    assert (bound.value, bound.at_most) == (12 / (20 / 2), 1.08)
    assert (memory.value, memory.at_most) == (300 / 600, 1.0)
    assert "mlflow-optuna" in memory.words
    assert (least.value, least.at_most) == (300 / 200, 1.0)
    assert "scikit-learn" in least.words


def test_the_overhead_is_what_two_cores_did_beside_the_fits() -> None:
    (figure,) = figures_of(Race("dense", 400, {"sparksweep": [_run(10, work=12.0)]}))
    assert (figure.value, figure.at_most) == (1000 * (2 * 10 - 12) / 400, 30)


def test_an_environment_that_cannot_be_had_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("spark-sklearn==0.3.0\n")
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    old = Environment("old", requirements, is_old=True)
    assert old.absence == "not set up; make bench-search does that"

    monkeypatch.setattr(environments, "find_java", lambda version: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    old.set_up()

    assert old.absence == "there is no Python 3.7 on the PATH, and pyenv has none"
    assert old.absence in capsys.readouterr().out
