"""The YAML listings of Microsoft's pages on sweep jobs, CLI v2, as they are but for the paths of their inputs.

They lie in ``pages``, with scripts that take the same arguments and log in the same way. The pages:

* *how-to*: Hyperparameter tuning a model (v2)
* *reference*: CLI (v2) sweep job YAML schema; its examples are files of the repository azureml-examples, under
  cli/jobs/basics, cli/jobs/single-step/lightgbm/iris and cli/jobs/single-step/scikit-learn/iris

Left out: the listings of the Python SDK v2 (``command()``, ``sweep()``, ``SweepJob``, ``MLClient``), since the language that
is spoken here is the YAML, in which what they say about spaces, samplers, policies and limits stands below; ``az ml job
download``; pipelines with a sweep among their steps, and automated ML, which has keys of its own.
"""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import pytest
import yaml
from sklearn.datasets import load_iris
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sparksweep.errors import ConfigError
from sparksweep.history import History
from sparksweep.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    TruncationSelectionPolicy,
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from sparksweep.hyperdrive.sampling.spaces import from_yaml
from sparksweep.hyperdrive.sweep_yaml import SweepYaml
from sparksweep.pipeline import run_hyperdrive

PAGES = Path(__file__).parent / "pages"
FILES = ["hello/hello-sweep.yml", "lightgbm/job-sweep.yml", "iris/job-sweep.yml"]


def irises():
    data = load_iris(as_frame=True)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    return data.data.set_axis(names, axis=1).assign(species=data.target_names[data.target])


@pytest.fixture(scope="module", name="pages")
def the_pages_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages") / "pages"
    shutil.copytree(PAGES, folder)
    irises().to_csv(folder / "iris.csv", index=False)
    return folder


@pytest.fixture(name="sweep")
def a_sweep(pages, spark_session, capsys, tmp_path):
    """Run one of the files, and return the rows of its results and the sweep's folder."""

    def run(name, *options):
        code = run_hyperdrive("A page's sweep.", pages / name, [f"--set=output={tmp_path}", *options])
        err = capsys.readouterr().err
        assert code == 0, err
        folder = tmp_path / (tmp_path / "latest.txt").read_text().strip()
        return read(folder / "results.csv"), folder

    return run


def read(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


# Sweeps that run


def test_reference_hello_sweep(sweep):
    rows, folder = sweep("hello/hello-sweep.yml")
    assert [row["status"] for row in rows] == ["Completed"] * 4
    values = [float(row["random_metric"]) for row in rows]
    assert values == sorted(values)  # it is minimised
    assert {row["param_B"] for row in rows} <= {"hello", "world", "hello_world"}
    assert all(0.1 <= float(row["param_C"]) <= 1 for row in rows)
    with History.open() as history:
        assert history.find(folder.name).experiment == "hello-sweep-example"
        tags = history.children(folder.name)[0].tags
    setting = json.loads(tags["sparksweep.parameters"])
    # What the script was given stands there as the script logged it by mlflow.log_param.
    assert [tags[f"script.{name}"] for name in "ABC"] == ["0.5", setting["B"], str(setting["C"])]


def test_reference_sobol_and_a_seed_with_lightgbm(sweep):
    """MLflow's autologging reports after each round. Of the page's 20 trials the first 2."""
    rows, folder = sweep(
        "lightgbm/job-sweep.yml", "--set", "limits.max_total_trials=2", "--set", "history=false"
    )
    assert [(row["status"], row["intervals"]) for row in rows] == [("Completed", "16")] * 2
    asked = SweepYaml(yaml.safe_load((PAGES / "lightgbm/job-sweep.yml").read_text()), PAGES / "lightgbm")
    proposals = asked.config().hyperparameter_sampling.start(maximize=False)
    by_number = sorted(rows, key=lambda row: row["run"])
    for row, setting in zip(by_number, (proposals.ask(), proposals.ask()), strict=True):
        assert float(row["param_learning_rate"]) == pytest.approx(setting["learning_rate"])
        assert row["param_boosting"] == setting["boosting"]
    best = json.loads((folder / "best.json").read_text())
    assert (best["goal"], best["metric"]) == ("minimize", "test-multi_logloss")
    metrics = [float(row["value"]) for row in read(folder / "metrics.csv") if row["run"] == best["best_run"]]
    assert min(metrics) == best["best_score"]


def test_reference_basic_python_model(sweep):
    """The F1 score that MLflow logs of the training data is scikit-learn's. Of the page's 20 trials the first."""
    rows, _ = sweep("iris/job-sweep.yml", "--set", "limits.max_total_trials=1", "--set", "history=false")
    (row,) = rows
    data = irises()
    X, _, y, _ = train_test_split(data.drop(columns="species"), data.species, test_size=0.2, random_state=42)
    model = SVC(C=float(row["param_C"]), kernel=row["param_kernel"], coef0=float(row["param_coef0"])).fit(
        X, y
    )
    expected = f1_score(y, model.predict(X), average="weighted")
    assert float(row["training_f1_score"]) == pytest.approx(expected)


# Listings that define things


def test_how_to_search_space():
    space = from_yaml(
        yaml.safe_load("""
        conv_size:
            type: choice
            values: [2, 5, 7]
        dropout_rate:
            type: uniform
            min_value: 0.1
            max_value: 0.2
        """)
    )
    assert space == {"conv_size": choice(2, 5, 7), "dropout_rate": uniform(0.1, 0.2)}
    setting = RandomParameterSampling(space).start(maximize=True).ask()
    assert setting["conv_size"] in {2, 5, 7}
    assert 0.1 <= setting["dropout_rate"] <= 0.2


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_a_sweep(name):
    file = PAGES / name
    asked = SweepYaml(yaml.safe_load(file.read_text()), file.parent)
    config = asked.config()
    assert asked.experiment == yaml.safe_load(file.read_text())["display_name"]
    assert config.primary_metric_goal is PrimaryMetricGoal.MINIMIZE
    assert config.max_total_runs == (4 if "hello" in name else 20)
    assert config.max_concurrent_runs == (2 if "hello" in name else 10)
    assert config.max_duration_minutes == (60 if "hello" in name else 120)
    assert asked.unused == [
        *([] if "hello" in name else ["compute"]),
        *("display_name", "description", "trial.environment"),
    ]


def test_lightgbm_sweep_of_the_examples():
    """The same sweep as in azureml-examples, which is random without a seed."""
    file = PAGES / "lightgbm/job-sweep.yml"
    values = yaml.safe_load(file.read_text())
    sampling = (
        SweepYaml({**values, "sampling_algorithm": "random"}, file.parent).config().hyperparameter_sampling
    )
    assert (sampling.rule, sampling.seed) == ("random", None)
    assert sampling.parameter_space == {
        "learning_rate": uniform(0.01, 0.9),
        "boosting": choice("gbdt", "dart"),
    }


# The reference's tables: every form of every key.


def sweep_with(**changes):
    file = PAGES / "hello/hello-sweep.yml"
    return SweepYaml({**yaml.safe_load(file.read_text()), **changes}, file.parent)


EXPRESSIONS = {
    "choice": ("{type: choice, values: [16, 32, 64, 128]}", choice(16, 32, 64, 128)),
    "randint": ("{type: randint, upper: 5}", randint(5)),
    "uniform": ("{type: uniform, min_value: 0.05, max_value: 0.1}", uniform(0.05, 0.1)),
    "quniform": ("{type: quniform, min_value: 1, max_value: 100, q: 5}", quniform(1, 100, 5)),
    "loguniform": ("{type: loguniform, min_value: -6, max_value: -1}", loguniform(-6, -1)),
    "qloguniform": ("{type: qloguniform, min_value: 0, max_value: 5, q: 2}", qloguniform(0, 5, 2)),
    "normal": ("{type: normal, mu: 10, sigma: 3}", normal(10, 3)),
    "qnormal": ("{type: qnormal, mu: 10, sigma: 3, q: 1}", qnormal(10, 3, 1)),
    "lognormal": ("{type: lognormal, mu: 0, sigma: 1}", lognormal(0, 1)),
    "qlognormal": ("{type: qlognormal, mu: 2, sigma: 1, q: 3}", qlognormal(2, 1, 3)),
}
# What the tables say of the values: where they lie, and of what they are multiples.
BOUNDS = {
    "randint": (0, 4, 1),
    "uniform": (0.05, 0.1, None),
    "quniform": (0, 100, 5),
    "loguniform": (math.exp(-6), math.exp(-1), None),
    "qloguniform": (0, 2 * round(math.exp(5) / 2), 2),
    "qnormal": (-math.inf, math.inf, 1),
    "lognormal": (0, math.inf, None),
    "qlognormal": (0, math.inf, 3),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_parameter_expression(name):
    text, expected = EXPRESSIONS[name]
    config = sweep_with(
        search_space={"B": yaml.safe_load(text)}, trial={"command": "echo ${{search_space.B}}", "code": "src"}
    ).config()
    assert config.hyperparameter_sampling.parameter_space == {"B": expected}
    if name in BOUNDS:
        low, high, step = BOUNDS[name]
        drawn = expected.rvs(size=100, random_state=0)
        assert all(low <= value <= high for value in drawn)
        assert step is None or all(value % step == 0 for value in drawn)


CHOICES = {"B": {"type": "choice", "values": [16, 32]}, "C": {"type": "choice", "values": [1, 2, 3]}}
SPACE = {"B": choice(16, 32), "C": choice(1, 2, 3)}
SAMPLING = {
    "random": RandomParameterSampling(SPACE),
    "grid": GridParameterSampling(SPACE),
    "bayesian": BayesianParameterSampling(SPACE),
    "{type: random}": RandomParameterSampling(SPACE),
    "{type: random, seed: 123, rule: sobol}": RandomParameterSampling(SPACE, seed=123, rule="sobol"),
    # In Python, RandomSamplingAlgorithm(seed=999, rule="sobol", logbase="e").
    "{type: random, seed: 999, rule: sobol, logbase: e}": RandomParameterSampling(
        SPACE, seed=999, rule="sobol", logbase="e"
    ),
    "{type: grid}": GridParameterSampling(SPACE),
    "{type: bayesian}": BayesianParameterSampling(SPACE),
}


@pytest.mark.parametrize("text", SAMPLING)
def test_sampling_algorithm(text):
    asked = sweep_with(sampling_algorithm=yaml.safe_load(text), search_space=CHOICES)
    assert asked.config().hyperparameter_sampling == SAMPLING[text]


POLICIES = {
    "{type: bandit, slack_factor: 0.1, delay_evaluation: 5, evaluation_interval: 1}": BanditPolicy(
        slack_factor=0.1, delay_evaluation=5, evaluation_interval=1
    ),
    "{type: bandit, slack_amount: 0.2}": BanditPolicy(1, slack_amount=0.2, delay_evaluation=0),
    "{type: median_stopping, delay_evaluation: 5, evaluation_interval: 2}": MedianStoppingPolicy(2, 5),
    "{type: median_stopping}": MedianStoppingPolicy(1, 0),
    "{type: truncation_selection, truncation_percentage: 20, delay_evaluation: 5, exclude_finished_jobs: true}": (
        TruncationSelectionPolicy(20, 1, 5, exclude_finished_jobs=True)
    ),
    "null": NoTerminationPolicy(),
}


@pytest.mark.parametrize("text", POLICIES)
def test_early_termination(text):
    assert sweep_with(early_termination=yaml.safe_load(text)).config().early_termination == POLICIES[text]


@pytest.mark.parametrize(("goal", "maximize"), [("maximize", True), ("minimize", False), ("Maximize", True)])
def test_objective(goal, maximize):
    config = sweep_with(objective={"goal": goal, "primary_metric": "accuracy"}).config()
    assert (config.maximize, config.primary_metric_name) == (maximize, "accuracy")


def test_limits():
    limits = {"max_total_trials": 20, "max_concurrent_trials": 4, "timeout": 1200, "trial_timeout": 600}
    config = sweep_with(limits=limits).config()
    assert (config.max_total_runs, config.max_concurrent_runs) == (20, 4)
    assert (config.max_duration_minutes, config.run_config.max_run_duration_seconds) == (20, 600)
    config = sweep_with(limits={}).config()
    assert (config.max_total_runs, config.max_concurrent_runs) == (1000, None)


INPUTS = """
number: 0.5
count: 3
flag: true
text: gbdt
file: {type: uri_file, path: hello-sweep.yml, mode: download}
folder: {path: src, mode: ro_mount}
cloud: {type: uri_folder, path: 'abfss://datasets@account.dfs.core.windows.net/irises'}
"""


def test_inputs_and_outputs():
    names = ("number", "count", "flag", "text")
    command = " ".join(f"${{{{inputs.{name}}}}}" for name in (*names, "file", "folder", "cloud"))
    run = (
        sweep_with(
            inputs=yaml.safe_load(INPUTS),
            outputs={"model": {}, "table": {"type": "uri_folder", "mode": "upload"}},
            trial={"command": f"train {command} ${{{{outputs.model}}}}", "code": "src"},
        )
        .config()
        .run_config
    )
    assert {name: run.literals[f"inputs.{name}"] for name in names} == {
        "number": "0.5",
        "count": "3",
        "flag": "True",
        "text": "gbdt",
    }
    assert (run.literals["outputs.model"], run.literals["outputs.table"]) == (
        "outputs/model",
        "outputs/table",
    )
    kinds = {one.name: one.dataset.kind for one in run.named_inputs}
    assert kinds == {"file": "files", "folder": "folder", "cloud": "folder"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "mltable", "path": "."}, "'mltable' is not supported; known are uri_file, uri_folder"),
        ({"type": "mlflow_model", "path": "."}, "'mlflow_model' is not supported"),
        ({"path": "azureml:cifar10-data:1"}, "names an asset of an Azure ML workspace; give a path"),
    ],
)
def test_inputs_that_are_azures_are_declined(given, words):
    with pytest.raises(ConfigError, match=words):
        sweep_with(inputs={"A": given}).config()


def test_keys_that_spark_has_no_use_for_are_named():
    trial = {
        **yaml.safe_load((PAGES / "hello/hello-sweep.yml").read_text())["trial"],
        "environment_variables": {"LEVEL": 3},
        "distribution": {"type": "mpi", "process_count_per_instance": 1},
        "resources": {"instance_count": 1},
    }
    asked = sweep_with(
        trial=trial, compute="azureml:cpu-cluster", identity={"type": "user_identity"}, tags={"a": "b"}
    )
    assert asked.unused == [
        *("compute", "identity", "display_name", "description", "tags"),
        *("trial.environment", "trial.resources", "trial.distribution"),
    ]
    assert asked.config().run_config.environment_variables == {"LEVEL": "3"}
