"""What the configurations of a sweep refuse, in one sentence, and what they make of their arguments."""

from __future__ import annotations

import pytest
from sklearn.svm import SVC

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    Dataset,
    EstimatorRunConfig,
    HyperDriveConfig,
    NoTerminationPolicy,
    PrimaryMetricGoal,
    RandomParameterSampling,
    ScriptRunConfig,
    choice,
    uniform,
)

RANDOM = RandomParameterSampling({"x": uniform(0, 1)})
DATA = Dataset.Tabular.from_delimited_files("a.csv").as_named_input("data")


@pytest.fixture(name="source")
def a_folder(tmp_path):
    (tmp_path / "train.py").write_text("")
    return tmp_path


SCRIPTS = {
    "no folder": ({"source_directory": "nowhere"}, "source_directory 'nowhere' is no folder"),
    "no script": ({"script": "other.py"}, "there is no script 'other.py'"),
    "neither": ({"script": None}, "exactly one of script and command"),
    "both": ({"command": "ls"}, "exactly one of script and command"),
    "arguments of a command": ({"script": None, "command": "ls", "arguments": ["-l"]}, "belong to a script"),
    "a text": ({"arguments": "--a 1"}, "arguments must be a list"),
    "an input twice": ({"arguments": [DATA], "inputs": [DATA.as_mount()]}, "the input 'data' is given twice"),
    "resume": ({"resume_from": 1}, "give it to HyperDriveConfig"),
    "no mapping": (
        {"environment_variables": ["A=1"]},
        r"environment_variables must map names to texts, but \['A=1'\] was given",
    ),
    "variable": ({"environment_variables": {"A=B": "1"}}, "environment_variables: 'A=B' is no name"),
    "number": ({"environment_variables": {"A": 1}}, "A must be a text without NUL, but 1 was given"),
    "time": ({"max_run_duration_seconds": 0}, "max_run_duration_seconds must be above 0"),
}


@pytest.mark.parametrize(("changes", "words"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_refused(source, changes, words):
    arguments = {"source_directory": source, "script": "train.py", **changes}
    with pytest.raises(ConfigError, match=f"^ScriptRunConfig: .*{words}"):
        ScriptRunConfig(**arguments)


def test_inputs_stand_among_the_arguments_or_beside_them(source):
    other = Dataset.File.from_files("b").as_named_input("other")
    config = ScriptRunConfig(source, "train.py", ["--data", DATA, "--again", DATA], inputs={"any": other})
    assert config.named_inputs == (DATA, other)
    with pytest.raises(ConfigError, match="'my data' is no name"):
        Dataset.File.from_files("b").as_named_input("my data")


SWEEPS = {
    "sampler": ({"hyperparameter_sampling": {"x": choice(1)}}, "must be a sampler"),
    "metric": ({"primary_metric_name": ""}, "primary_metric_name must be a text, but '' was given"),
    "column": ({"primary_metric_name": "seconds"}, "'seconds' is the name of a column of results.csv"),
    "parameter's column": ({"primary_metric_name": "param_x"}, "log it under another name"),
    "goal": ({"primary_metric_goal": "maximize"}, r"PrimaryMetricGoal\.MAXIMIZE"),
    "no runs": ({"max_total_runs": 0}, "max_total_runs must be a whole number from 1 to 1000"),
    "too many": ({"max_total_runs": 1001}, "from 1 to 1000"),
    "at once": ({"max_concurrent_runs": 2.0}, "max_concurrent_runs must be a whole number"),
    "minutes": ({"max_duration_minutes": -1}, "max_duration_minutes must be above 0"),
    "policy": ({"policy": "bandit"}, "policy must be a policy"),
    "no trial": ({"run_config": None}, "exactly one of run_config and estimator"),
    "two trials": (
        {"estimator": EstimatorRunConfig(SVC(), [[1]], [1])},
        "exactly one of run_config and estimator",
    ),
    "other trial": ({"run_config": "train.py"}, "'train.py' is neither"),
    "a score that is minimised": (
        {
            "run_config": EstimatorRunConfig(SVC(), [[1]], [1]),
            "primary_metric_goal": PrimaryMetricGoal.MINIMIZE,
        },
        "primary_metric_goal: a score of scikit-learn's is greater where it is better; give maximize",
    ),
    "pipeline": ({"pipeline": 1}, "pipeline is not supported"),
    "custom_run_id": ({"custom_run_id": "mine"}, "custom_run_id is not supported"),
}


@pytest.mark.parametrize(("changes", "words"), SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_is_refused(source, changes, words):
    with pytest.raises(ConfigError, match=f"^HyperDriveConfig: .*{words}"):
        sweep(source, **changes)


def sweep(source, **changes):
    arguments = {
        "hyperparameter_sampling": RANDOM,
        "primary_metric_name": "score",
        "primary_metric_goal": PrimaryMetricGoal.MAXIMIZE,
        "max_total_runs": 3,
        "run_config": ScriptRunConfig(source, "train.py"),
        **changes,
    }
    return HyperDriveConfig(**arguments)


def test_bayesian_sampling_takes_no_policy(source):
    bayesian = BayesianParameterSampling({"x": uniform(0, 1)})
    with pytest.raises(
        ConfigError, match="takes no early termination policy; leave the policy out, or take TPE"
    ):
        sweep(source, hyperparameter_sampling=bayesian, policy=BanditPolicy(slack_factor=0.1))
    config = sweep(source, hyperparameter_sampling=bayesian, policy=NoTerminationPolicy())
    assert config.early_termination == NoTerminationPolicy()
    assert sweep(source).early_termination == NoTerminationPolicy()


def test_the_first_arguments_may_be_positional_as_in_the_sdk(source):
    run = ScriptRunConfig(source, "train.py")
    config = HyperDriveConfig(RANDOM, "loss", PrimaryMetricGoal.MINIMIZE, 5, 2, 60, None, None, run)
    assert (config.max_total_runs, config.max_concurrent_runs, config.max_duration_minutes) == (5, 2, 60)
    assert config.trial is run
    assert not config.maximize


def test_goals_by_their_words():
    assert PrimaryMetricGoal.from_str("Maximize") is PrimaryMetricGoal.MAXIMIZE
    with pytest.raises(ConfigError, match="must be maximize or minimize, but 'best'"):
        PrimaryMetricGoal.from_str("best")


def test_an_estimator_is_refused():
    with pytest.raises(ConfigError, match="interval must be a whole number of at least 1"):
        EstimatorRunConfig(SVC(), [[1]], [1], interval=0)
    with pytest.raises(ConfigError, match="'SVC' is no estimator"):
        EstimatorRunConfig("SVC", [[1]], [1])
