"""HyperDrive's job in this process: a sweep's YAML, its runs on Spark, its folder and its history."""

from __future__ import annotations

import csv
import json
import sys

import joblib
import numpy as np
import pytest
import xgboost
import yaml
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from sparksweep.errors import SetupError
from sparksweep.history import History
from sparksweep.pipeline import run_hyperdrive
from tests.conftest import ROOT, check_refusal

SCRIPT = """
import argparse, os
from sparksweep.hyperdrive import Run

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--data")
args = parser.parse_args()
run = Run.get_context()
for step in range(3):
    run.log("score", args.rate * (step + 1))
run.log("rows", sum(1 for _ in open(args.data)))
with open("outputs/rate.txt", "w") as file:
    file.write(str(args.rate))
if args.rate == 3:
    raise SystemExit("rate 3 is too much")
"""

SWEEP = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json",
    "type": "sweep",
    "experiment_name": "rates",
    "trial": {
        "code": "src",
        "command": "python train.py --rate ${{search_space.rate}} --data ${{inputs.data}}",
        "environment": "azureml:AzureML-sklearn-1.0-ubuntu20.04-py38-cpu@latest",
    },
    "compute": "azureml:cpu-cluster",
    "inputs": {"data": {"type": "uri_file", "path": "data.csv"}},
    "sampling_algorithm": "grid",
    "search_space": {"rate": {"type": "choice", "values": [1, 2, 3, 4]}},
    "objective": {"goal": "maximize", "primary_metric": "score"},
    "limits": {"max_total_trials": 4, "max_concurrent_trials": 2, "timeout": 7200},
}


@pytest.fixture(name="sweep")
def sweep_job(spark_session, tmp_path, capsys):
    """Write a sweep's files, run the job, and return exit code, the sweep's folder, and what was printed."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    (tmp_path / "data.csv").write_text("a,b\n1,2\n3,4\n")

    def run(*options, **changes):
        content = {**SWEEP, "output": str(tmp_path / "runs"), **changes}
        file = tmp_path / "sweep.yml"
        file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value != "absent"}))
        code = run_hyperdrive("A sweep.", file, options)
        latest = tmp_path / "runs" / "latest.txt"
        folder = latest.parent / latest.read_text().strip() if latest.exists() else None
        return code, folder, *capsys.readouterr()

    return run


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


@pytest.mark.filterwarnings("ignore:.*rate 3 is too much:RuntimeWarning")
def test_a_sweep_of_a_script(sweep, tmp_path):
    history = f"sqlite:///{tmp_path}/mlflow.db"
    code, folder, out, err = sweep(history=history)
    assert code == 0, err
    assert "Not used on Spark: compute, trial.environment" in out
    assert "4 runs, 3 completed, 1 failed" in out
    table = rows(folder / "results.csv")
    assert [
        (row["rank"], row["run"][-1], row["status"], row["score"], row["param_rate"]) for row in table
    ] == [
        ("1", "3", "Completed", "12.0", "4"),
        ("2", "1", "Completed", "6.0", "2"),
        ("3", "0", "Completed", "3.0", "1"),
        ("", "2", "Failed", "9.0", "3"),
    ]
    assert table[3]["error"] == "the script ended with exit code 1: rate 3 is too much"
    best = json.loads((folder / "best.json").read_text())
    assert (best["best_run"][-1], best["best_score"], best["best_parameters"]) == ("3", 12.0, {"rate": 4})
    assert (best["runs"], best["completed"], best["failed"], best["status"]) == (4, 3, 1, "Completed")
    logged = [(row["run"][-1], row["metric"], float(row["value"])) for row in rows(folder / "metrics.csv")]
    assert [value for run, metric, value in logged if (run, metric) == ("1", "score")] == [2.0, 4.0, 6.0]
    assert [value for run, metric, value in logged if metric == "rows"] == [3.0] * 4
    assert (folder / "children" / "3" / "outputs" / "rate.txt").read_text() == "4.0"
    assert "rate 3 is too much" in (folder / "children" / "2" / "user_logs" / "std_log.txt").read_text()
    with History.open(history) as kept:
        (parent,) = kept.runs("rates")
        assert (parent.id, parent.status) == (folder.name, "FINISHED")
        children = kept.children(parent.id)
        assert [child.status for child in children] == ["FINISHED", "FINISHED", "FAILED", "FINISHED"]
        assert [child.parameters for child in children] == [{"rate": str(rate)} for rate in (1, 2, 3, 4)]
        assert kept.metric(children[1].id, "score") == [(0, 2.0), (1, 4.0), (2, 6.0)]
        assert kept.files(children[3].id) == ["outputs/rate.txt", "user_logs/std_log.txt"]


def test_runs_are_stopped_early(sweep):
    early = {"type": "bandit", "slack_factor": 0.1}
    space = {"rate": {"type": "choice", "values": [4, 1, 2]}}
    code, folder, _, err = sweep(early_termination=early, search_space=space, history=False)
    assert code == 0, err
    status = {row["param_rate"]: row["status"] for row in rows(folder / "results.csv")}
    # A script may be done before the word reaches it; it has nothing to do between two reports.
    assert status["4"] == "Completed"
    assert "stopped early" in err


def test_an_estimator_has_the_scores_of_the_grid_search(sweep, tmp_path):
    data = load_breast_cancer(as_frame=True)
    data.frame.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "job.yml").write_text(
        yaml.safe_dump(
            {
                "data": {"path": str(tmp_path / "table.csv"), "label": "target"},
                "search": {
                    "metric": "roc_auc",
                    "folds": 3,
                    "parameters": {"tree_method": "hist", "random_state": 0, "subsample": 0.7},
                    "grid": {"n_estimators": [1]},
                },
                "history": False,
            }
        )
    )
    space = {
        "max_depth": {"type": "choice", "values": [2, 4]},
        "n_estimators": {"type": "choice", "values": [7]},
    }
    code, folder, _, err = sweep(
        trial={"estimator": "job.yml", "interval": 3},
        search_space=space,
        inputs="absent",
        compute="absent",
        objective={"goal": "maximize", "primary_metric": "roc_auc"},
        history=False,
    )
    assert code == 0, err
    theirs = GridSearchCV(
        XGBClassifier(tree_method="hist", random_state=0, subsample=0.7, n_jobs=1),
        {"max_depth": [2, 4], "n_estimators": [3, 6, 7]},
        scoring="roc_auc",
        cv=3,
    ).fit(data.data.to_numpy(np.float32), data.target)
    found = {}
    depths = {row["run"]: int(row["param_max_depth"]) for row in rows(folder / "results.csv")}
    for row in rows(folder / "metrics.csv"):
        found[depths[row["run"]], int(row["step"])] = float(row["value"])
    expected = {
        (parameters["max_depth"], parameters["n_estimators"]): score
        for parameters, score in zip(
            theirs.cv_results_["params"], theirs.cv_results_["mean_test_score"], strict=True
        )
    }
    assert found == expected
    best = json.loads((folder / "best.json").read_text())
    assert best["best_score"] == theirs.best_score_
    assert (best["classes"], best["rows"], best["features"]) == (["0", "1"], 569, 30)
    setting = {**best["best_parameters"], "n_estimators": best["best_rounds"]}
    assert expected[setting["max_depth"], setting["n_estimators"]] == theirs.best_score_
    refitted = clone(theirs.estimator).set_params(**setting).fit(data.data.to_numpy(np.float32), data.target)
    margin = refitted.predict(data.data.to_numpy(np.float32), output_margin=True)
    ours = joblib.load(folder / "model.joblib").predict(data.data.to_numpy(np.float32), output_margin=True)
    np.testing.assert_array_equal(ours, margin)
    assert xgboost.Booster(model_file=folder / "model.ubj").num_boosted_rounds() == best["best_rounds"]
    names = [row["feature"] for row in rows(folder / "feature_names.csv")]
    assert names == list(data.data.columns)


def write_estimators_job(folder):
    load_breast_cancer(as_frame=True).frame.to_csv(folder / "table.csv", index=False)
    job = {
        "data": {"path": str(folder / "table.csv"), "label": "target"},
        "search": {"metric": "roc_auc", "folds": 2, "grid": {"n_estimators": [2]}},
    }
    (folder / "job.yml").write_text(yaml.safe_dump(job))


def test_an_estimators_sweep_without_a_model(sweep, tmp_path):
    write_estimators_job(tmp_path)
    code, folder, _, err = sweep(
        trial={"estimator": "job.yml", "refit": False},
        inputs="absent",
        search_space={"max_depth": {"type": "choice", "values": [2]}},
        history=False,
    )
    assert code == 0, err
    assert {file.name for file in folder.iterdir()} == {"best.json", "journal", "metrics.csv", "results.csv"}


def test_an_estimators_sweep_of_which_all_runs_fail(sweep, tmp_path):
    write_estimators_job(tmp_path)
    with pytest.warns(RuntimeWarning, match="max_depth"):
        code, _, _, err = sweep(
            trial={"estimator": "job.yml"},
            inputs="absent",
            search_space={"max_depth": {"type": "choice", "values": ["deep"]}},
            history=False,
        )
    check_refusal(code, err, ["no run has logged the metric 'score'", "results.csv, column error"])


def test_what_an_estimators_job_asks_for_is_known_before_spark_starts(sweep, tmp_path, monkeypatch):
    asked = []

    def no_spark(_, uris):
        asked.extend(uris)
        raise SetupError("there is no Spark")

    monkeypatch.setattr(sys.modules[run_hyperdrive.__module__], "open_spark", no_spark)
    uri = "abfss://data@account.dfs.core.windows.net/devices"
    job = {"input": uri, "search": {"grid": {"n_estimators": [2]}}}
    (tmp_path / "job.yml").write_text(yaml.safe_dump(job))
    how = {"trial": {"estimator": "job.yml"}, "inputs": "absent"}
    code, _, _, err = sweep(**how)
    check_refusal(code, err, ["there is no Spark"])
    assert uri in asked
    (tmp_path / "job.yml").write_text(yaml.safe_dump({**job, "inputt": uri}))
    code, _, _, err = sweep(**how)
    check_refusal(code, err, ["sweep.yml", "job.yml", "'inputt'", "did you mean"])


def test_a_sweep_without_a_primary_metric_fails(sweep):
    objective = {"goal": "maximize", "primary_metric": "Score"}
    with pytest.warns(
        RuntimeWarning, match="has not logged the primary metric 'Score'; it logged rows, score"
    ):
        code, latest, _, err = sweep(
            objective=objective, history=False, search_space={"rate": {"type": "choice", "values": [1]}}
        )
    check_refusal(code, err, ["no run has logged the metric 'Score'", "std_log.txt"])
    assert latest is None


REFUSED = {
    "type": ({"type": "command"}, ["sweep.yml", "type: must be 'sweep'", "'command'"]),
    "unknown key": (
        {"samplingalgorithm": "grid"},
        ["sweep.yml", "unknown key 'samplingalgorithm'", "sampling_algorithm"],
    ),
    "missing": ({"objective": "absent"}, ["'objective' is missing"]),
    "goal": ({"objective": {"goal": "best", "primary_metric": "x"}}, ["objective.goal", "'best'"]),
    "place": (
        {"trial": {"code": "src", "command": "python train.py ${{search_space.depth}}"}},
        ["sweep.yml", "${{search_space.depth}}", "search_space.rate"],
    ),
    "no code": ({"trial": {"code": "nowhere", "command": "ls"}}, ["trial.code", "'nowhere' is no folder"]),
    "no input": (
        {"inputs": {"data": {"type": "uri_file", "path": "other.csv"}}},
        ["other.csv", "no such file"],
    ),
    "asset": (
        {"inputs": {"data": {"path": "azureml:digits@latest"}}},
        ["inputs.data.path", "azureml:digits"],
    ),
    "policy": (
        {"sampling_algorithm": "bayesian", "early_termination": {"type": "median_stopping"}},
        ["BayesianParameterSampling", "no early termination policy"],
    ),
    "limits": ({"limits": {"max_total_trials": 0}}, ["limits: max_total_trials", "from 1 to 1000"]),
    "timeout": ({"limits": {"timeout": -1}}, ["limits.timeout", "above 0"]),
    "optional part": ({"trial": {"command": "python a.py $[[--x 1]]", "code": "src"}}, ["$[[...]]"]),
    "estimator's job": (
        {"trial": {"estimator": "absent.yml"}, "inputs": "absent"},
        ["absent.yml", "no such file"],
    ),
    "secret": ({"history": "http://me:secret@host:5000"}, ["history", "MLFLOW_TRACKING_USERNAME"]),
    "spark": ({"spark": {"masters": "local"}}, ["spark.masters", "did you mean"]),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_refused_in_a_sentence(sweep, changes, words):
    code, folder, _, err = sweep(**{"history": False, **changes})
    check_refusal(code, err, words)
    assert "secret" not in err or "secret," in err
    assert folder is None


def test_the_files_in_conf_are_sweeps():
    from sparksweep.config import parse_sweep_options  # noqa: PLC0415 - with the next one: only here
    from sparksweep.hyperdrive.sweep_yaml import SweepYaml  # noqa: PLC0415

    for file in (ROOT / "conf").glob("hyperdrive*.yml"):
        options = parse_sweep_options("", file, [])
        asked = SweepYaml(options.values, file.parent)
        assert asked.estimator_job is None or asked.estimator_job.exists()
        if asked.estimator_job is None:
            assert asked.config().max_total_runs == 12
