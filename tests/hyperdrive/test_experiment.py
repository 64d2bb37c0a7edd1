"""Sweeps by the names of Azure ML's SDK: submitted, watched, asked, canceled, and found again later."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from sparksweep.errors import ConfigError, SparksweepError
from sparksweep.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    EstimatorRunConfig,
    Experiment,
    GridParameterSampling,
    HyperDriveConfig,
    HyperDriveRun,
    MedianStoppingPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    Run,
    ScriptRunConfig,
    Workspace,
    choice,
    uniform,
)

SCRIPT = """
import sys, time
from pathlib import Path
from sparksweep.hyperdrive import Run

run = Run.get_context()
rate = float(sys.argv[sys.argv.index("--rate") + 1])
for step in range(4):
    run.log("loss", rate / (step + 1))
    time.sleep(0.02)
run.tag("kind", "toy")
Path("outputs/model.txt").write_text(f"{rate:g}")
run.log("n", 7)
time.sleep(float(sys.argv[sys.argv.index("--sleep") + 1]))
"""


@pytest.fixture(scope="module", name="workspace")
def a_workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    return Workspace("toy", folder / "runs", f"sqlite:///{folder}/mlflow.db")


@pytest.fixture(scope="module", name="source")
def a_source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "train.py").write_text(SCRIPT)
    return folder


def config(source, sleep=0.0, **changes):
    options = {
        "hyperparameter_sampling": GridParameterSampling({"--rate": choice(4, 2, 8)}),
        "primary_metric_name": "loss",
        "primary_metric_goal": PrimaryMetricGoal.MINIMIZE,
        "max_total_runs": 10,
        "run_config": ScriptRunConfig(source, "train.py", ["--sleep", sleep]),
        **changes,
    }
    return HyperDriveConfig(**options)


@pytest.fixture(scope="module", name="done")
def a_sweep_that_is_done(spark_session, workspace, source):
    run = Experiment(workspace, "toys").submit(config(source), tags={"who": "me"})
    run.wait_for_completion()
    return run


def test_children_by_their_primary_metric(done):
    rows = done.get_children_sorted_by_primary_metric()
    assert [(json.loads(row["hyperparameters"]), row["best_primary_metric"]) for row in rows] == [
        ({"--rate": 2}, 0.5),
        ({"--rate": 4}, 1.0),
        ({"--rate": 8}, 2.0),
    ]
    assert {row["status"] for row in rows} == {"Completed"}
    assert [row["run_id"] for row in rows] == [f"{done.id}_{number}" for number in (1, 0, 2)]
    assert done.get_children_sorted_by_primary_metric(top=1) == rows[:1]
    assert done.get_children_sorted_by_primary_metric(reverse=True) == rows[::-1]
    assert [child.id for child in done.get_children()] == [f"{done.id}_{number}" for number in (2, 1, 0)]
    assert done.get_hyperparameters()[f"{done.id}_2"] == '{"--rate": 8}'


def test_the_best_run(done, tmp_path, monkeypatch):
    best = done.get_best_run_by_primary_metric()
    assert best.id == f"{done.id}_1"
    assert best.parent.id == done.id
    assert best.get_metrics() == {"loss": [2.0, 1.0, 2 / 3, 0.5], "n": 7.0}
    assert best.get_metrics("n") == {"n": 7.0}
    assert done.get_metrics()[best.id] == best.get_metrics()
    assert best.get_status() == "Completed"
    assert best.get_tags()["kind"] == "toy"
    details = best.get_details()
    assert details["runDefinition"]["arguments"] == ["--sleep", "0.0", "--rate", "2"]
    assert details["endTimeUtc"] > details["startTimeUtc"]
    assert best.get_file_names() == ["outputs/model.txt", "user_logs/std_log.txt"]
    best.download_file("outputs/model.txt", tmp_path / "best.txt")
    assert (tmp_path / "best.txt").read_text() == "2"
    best.download_files("outputs", tmp_path / "all")
    assert (tmp_path / "all" / "outputs" / "model.txt").read_text() == "2"
    monkeypatch.chdir(tmp_path)
    best.download_file("outputs/model.txt")
    assert (tmp_path / "model.txt").exists()


def test_the_sweep_itself(done):
    assert done.get_status() == "Completed"
    assert done.get_tags()["who"] == "me"
    assert done.parent is None
    assert done.hyperdrive_config.max_total_runs == 10
    with pytest.raises(ConfigError, match="the history has no run"):
        Run(done.experiment, "another").get_status()


def test_another_process_finds_it_again(done, workspace):
    code = f"""
from sparksweep.hyperdrive import Experiment, HyperDriveRun, Workspace
workspace = Workspace("toy", {workspace.output!r}, {workspace.tracking_uri!r})
(run,) = Experiment(workspace, "toys").get_runs()
best = run.get_best_run_by_primary_metric()
print(run.id, best.id, best.get_metrics("n"), run.get_status(), run.wait_for_completion()["status"])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.split() == [done.id, f"{done.id}_1", "{'n':", "7.0}", "Completed", "Completed"]


def test_output_is_shown(spark_session, workspace, source, capsys):
    one = GridParameterSampling({"--rate": choice(3)})
    run = Experiment(workspace, "shown").submit(config(source, hyperparameter_sampling=one))
    run.wait_for_completion(show_output=True)
    out = capsys.readouterr().out
    assert f"RunId: {run.id}" in out
    assert "best 0.75 (0)" in out
    assert out.endswith("Status: Completed\n")


def test_a_sweep_is_canceled(spark_session, workspace, source):
    sampling = RandomParameterSampling({"--rate": uniform(1, 2)})
    run = Experiment(workspace, "canceled").submit(
        config(source, sleep=100.0, hyperparameter_sampling=sampling, max_total_runs=50)
    )
    while sum("n" in metrics for metrics in run.get_metrics().values()) < 2:
        time.sleep(0.2)
    assert run.get_status() == "Running"
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    rows = run.get_children_sorted_by_primary_metric()
    assert {row["status"] for row in rows} == {"Canceled"}
    assert len(rows) == 2
    assert run.get_best_run_by_primary_metric(include_canceled=False) is None
    assert run.get_best_run_by_primary_metric() is not None
    # What had been written is brought back.
    assert "outputs/model.txt" in run.get_best_run_by_primary_metric().get_file_names()


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_sweep_that_comes_to_nothing(spark_session, workspace, source):
    run = Experiment(workspace, "nothing").submit(
        config(source, run_config=ScriptRunConfig(source, command="python train.py"), primary_metric_name="x")
    )
    with pytest.raises(SparksweepError, match="no run logged the primary metric"):
        run.wait_for_completion()
    assert run.wait_for_completion(raise_on_error=False)["status"] == "Failed"
    (child, *_) = run.get_children()
    assert child.get_status() == "Failed"
    assert "the script ended with exit code 1" in child.get_details()["error"]


def test_a_sampler_is_told_of_earlier_sweeps(spark_session, workspace, source, done):
    """The whole space is known: nothing is left to propose but what the earlier sweep did not have."""
    sampling = BayesianParameterSampling({"--rate": choice(2, 4, 8, 16)}, seed=0)
    experiment = Experiment(workspace, "warm")
    warm = experiment.submit(config(source, hyperparameter_sampling=sampling, resume_from=done))
    warm.wait_for_completion()
    assert [json.loads(one) for one in warm.get_hyperparameters().values()] == [{"--rate": 16}]
    children = [Run(experiment, f"{done.id}_{number}") for number in (0, 2)]
    warm = experiment.submit(config(source, hyperparameter_sampling=sampling, resume_child_runs=children))
    warm.wait_for_completion()
    assert {json.loads(one)["--rate"] for one in warm.get_hyperparameters().values()} == {2, 16}
    with pytest.raises(ConfigError, match="resume_from: 3 is no HyperDriveRun"):
        experiment.submit(config(source, resume_from=3))
    with pytest.raises(ConfigError, match="resume_child_runs"):
        experiment.submit(config(source, resume_child_runs=[HyperDriveRun(experiment, done.id)]))


def test_an_estimator(spark_session, workspace):
    X, y = load_iris(return_X_y=True)
    cv = StratifiedKFold(4, shuffle=True, random_state=1)
    estimator = XGBClassifier(n_estimators=8, subsample=0.5, random_state=0, n_jobs=1)
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(
            GridParameterSampling({"max_depth": choice(1, 3)}),
            "neg_log_loss",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=2,
            policy=MedianStoppingPolicy(),
            run_config=EstimatorRunConfig(estimator, X, y, cv=cv, scoring="neg_log_loss", interval=4),
        )
    )
    run.wait_for_completion()
    theirs = GridSearchCV(
        estimator, {"max_depth": [1, 3], "n_estimators": [4, 8]}, cv=cv, scoring="neg_log_loss"
    ).fit(X, y)
    scores = theirs.cv_results_["mean_test_score"].reshape(2, 2)
    for number in range(2):
        found = Run(run.experiment, f"{run.id}_{number}").get_metrics("neg_log_loss")["neg_log_loss"]
        np.testing.assert_array_equal(found, scores[number])


def test_the_best_setting_is_fitted_on_all_data_with_the_rounds_that_it_was_best_after(
    spark_session, workspace, tmp_path
):
    X, y = load_iris(return_X_y=True)
    weights = np.linspace(0.1, 3.0, len(y))
    # It overfits at once: the last report is not the best.
    estimator = XGBClassifier(n_estimators=24, learning_rate=1.0, subsample=0.5, random_state=0, n_jobs=1)
    pipeline = Pipeline([("scale", StandardScaler()), ("model", estimator)])
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(
            GridParameterSampling({"model__max_depth": choice(1, 3)}),
            "loss",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=2,
            run_config=EstimatorRunConfig(
                pipeline,
                X,
                y,
                cv=3,
                scoring="neg_log_loss",
                interval=2,
                fit_params={"model__sample_weight": weights},
            ),
        )
    )
    run.wait_for_completion()
    theirs = GridSearchCV(
        pipeline,
        {"model__max_depth": [1, 3], "model__n_estimators": list(range(2, 25, 2))},
        cv=3,
        scoring="neg_log_loss",
    ).fit(X, y, model__sample_weight=weights)
    assert theirs.best_params_["model__n_estimators"] < 24
    best = run.get_best_run_by_primary_metric()
    assert best.get_file_names() == ["outputs/model.joblib"]
    best.download_file("outputs/model.joblib", tmp_path / "model.joblib")
    for file in (tmp_path / "model.joblib", Path(workspace.output, run.id, "model.joblib")):
        ours = joblib.load(file)
        np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
        assert ours.get_params()["model__n_estimators"] == theirs.best_params_["model__n_estimators"]
    said = json.loads(Path(workspace.output, run.id, "best.json").read_text())
    assert said["best_rounds"] == theirs.best_params_["model__n_estimators"]


class Fragile(LogisticRegression):
    """Takes no more than 100 rows."""

    def fit(self, X, y):
        if len(X) > 100:
            raise MemoryError("too many rows")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore:.*could not be fitted:RuntimeWarning")
@pytest.mark.parametrize(
    ("estimator", "refit", "said"),
    [
        (Fragile(max_iter=500), True, {"refit_error": "MemoryError('too many rows')"}),
        (LogisticRegression(max_iter=500), False, {}),
    ],
)
def test_a_sweep_without_a_refit_has_its_table(spark_session, workspace, estimator, refit, said):
    X, y = load_iris(return_X_y=True)
    trial = EstimatorRunConfig(estimator, X, y, cv=3, refit=refit)
    sampling = GridParameterSampling({"C": choice(0.1, 10.0)})
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(sampling, "accuracy", PrimaryMetricGoal.MAXIMIZE, max_total_runs=2, run_config=trial)
    )
    assert run.wait_for_completion()["status"] == "Completed"
    folder = Path(workspace.output, run.id)
    best = json.loads((folder / "best.json").read_text())
    assert {name: best[name] for name in best if "refit" in name or "rounds" in name} == said
    assert not (folder / "model.joblib").exists()
    assert run.get_best_run_by_primary_metric().get_file_names() == []


def test_a_canceled_sweep_is_not_refitted(spark_session, workspace):
    X, y = load_iris(return_X_y=True)
    estimator = XGBClassifier(n_estimators=100_000, n_jobs=1)
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(
            GridParameterSampling({"max_depth": choice(1)}),
            "accuracy",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=1,
            run_config=EstimatorRunConfig(estimator, X, y, cv=3),
        )
    )
    while not run.get_metrics():
        time.sleep(0.2)
    run.cancel()
    assert run.wait_for_completion()["status"] == "Canceled"
    folder = Path(workspace.output, run.id)
    assert (folder / "best.json").exists()
    assert not (folder / "model.joblib").exists()


def test_weights_go_where_the_grid_search_sends_them(spark_session, workspace):
    X, y = load_iris(return_X_y=True)
    weights = np.linspace(0.1, 3.0, len(y))
    estimator = XGBClassifier(n_estimators=4, random_state=0, n_jobs=1)
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(
            GridParameterSampling({"max_depth": choice(2)}),
            "accuracy",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=1,
            run_config=EstimatorRunConfig(
                estimator, X, y, cv=3, scoring="neg_log_loss", fit_params={"sample_weight": weights}
            ),
        )
    )
    run.wait_for_completion()
    theirs = GridSearchCV(estimator, {"max_depth": [2]}, cv=3, scoring="neg_log_loss")
    theirs.fit(X, y, sample_weight=weights)
    (found,) = run.get_metrics().values()
    assert found == {"accuracy": theirs.cv_results_["mean_test_score"][0]}


def test_an_estimator_without_rounds_reports_once(spark_session, workspace):
    X, y = load_iris(return_X_y=True)
    run = Experiment(workspace, "iris").submit(
        HyperDriveConfig(
            GridParameterSampling({"C": choice(0.1, 10.0)}),
            "accuracy",
            PrimaryMetricGoal.MAXIMIZE,
            max_total_runs=2,
            policy=BanditPolicy(slack_factor=0.5),
            run_config=EstimatorRunConfig(LogisticRegression(max_iter=500), X, y, cv=3),
        )
    )
    run.wait_for_completion()
    theirs = GridSearchCV(LogisticRegression(max_iter=500), {"C": [0.1, 10.0]}, cv=3).fit(X, y)
    found = {
        json.loads(one)["C"]: run.get_metrics()[child]["accuracy"]
        for child, one in run.get_hyperparameters().items()
    }
    assert found == dict(zip([0.1, 10.0], theirs.cv_results_["mean_test_score"], strict=True))


def test_what_cannot_be_submitted(spark_session, workspace, source):
    experiment = Experiment(workspace, "refused")
    with pytest.raises(ConfigError, match="wrap it in a HyperDriveConfig"):
        experiment.submit(ScriptRunConfig(source, "train.py"))
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ConfigError, match="LogisticRegression has no parameter 'depth'"):
        experiment.submit(
            config(
                source,
                hyperparameter_sampling=GridParameterSampling({"depth": choice(1)}),
                primary_metric_goal=PrimaryMetricGoal.MAXIMIZE,
                run_config=EstimatorRunConfig(LogisticRegression(), X, y),
            )
        )


def test_workspaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Workspace.from_config().name == "local"
    (tmp_path / "config.json").write_text('{"subscription_id": "s", "workspace_name": "theirs"}')
    assert Workspace.from_config().name == "theirs"
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(ConfigError, match=r"torn\.json: this is no config\.json"):
        Workspace.from_config("torn.json")
