"""The files of a sweep that is over: who is the best, who has a rank, and what is written in odd cases."""

from __future__ import annotations

import csv
import json

import pytest

from sparksweep.hyperdrive.driver.children import POLICY, Child
from sparksweep.hyperdrive.driver.results import SweepResults, is_column
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.storage import LocalStore


def child(number, value=None, status="Completed", **more):
    values = () if value is None else (value,)
    return Child(number, f"sweep_{number}", {"x": number}, status, values=values, **more)


def results(*children, maximize=True):
    return SweepResults("sweep", children, "score", maximize=maximize, seconds=1.0, why_over=None)


def written(of, folder):
    of.write(LocalStore(folder), {})
    return json.loads((folder / "best.json").read_text())


@pytest.mark.parametrize("maximize", [True, False])
def test_a_run_that_failed_is_never_the_best(maximize):
    failed, worse = (0.9, 0.5) if maximize else (0.1, 0.5)
    of = results(
        child(0, failed, "Failed"), child(1), child(2, worse), child(3, status="Failed"), maximize=maximize
    )
    assert of.best.number == 2
    assert of.table()[["rank", "run", "score"]].astype(object).fillna("").to_numpy().tolist() == [
        [1, "sweep_2", worse],
        ["", "sweep_0", failed],
        ["", "sweep_1", ""],
        ["", "sweep_3", ""],
    ]


def test_runs_that_were_stopped_count():
    stopped = child(0, 0.9, "Canceled", word=POLICY)
    of = results(stopped, child(1, 0.5))
    assert of.best is stopped
    assert of.table()["status"].tolist() == ["Stopped early", "Completed"]


def test_where_all_runs_failed_there_is_no_best(tmp_path):
    best = written(results(child(0, 0.9, "Failed")), tmp_path)
    assert (best["status"], best["best_run"], best["failed"]) == ("Failed", None, 1)


def test_without_a_run_the_files_are_written(tmp_path):
    of = results()
    best = written(of, tmp_path)
    assert (best["best_run"], best["runs"], best["status"]) == (None, 0, "Failed")
    (line,) = (tmp_path / "results.csv").read_text().splitlines()
    assert line == "rank,run,status,score,last,intervals,seconds,error"
    assert "1.0 s" in of.summary()


def test_an_odd_name_of_a_metric_is_written(tmp_path):
    metric = Metric("half \ud83d of it", 1.0, 0, 0.0)
    written(results(child(0, 0.5, metrics=(metric,))), tmp_path)
    with (tmp_path / "metrics.csv").open(newline="", encoding="utf-8") as opened:
        assert [row["metric"] for row in csv.DictReader(opened)] == ["half ? of it"]


def test_every_column_but_the_metrics_own_is_known():
    columns = list(results(child(0, 0.5)).table())
    assert [name for name in columns if not is_column(name)] == ["score"]
