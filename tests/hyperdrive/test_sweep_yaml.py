"""A sweep's YAML: what is refused before Spark starts, by the keys that the user wrote, and what is read as what."""

from __future__ import annotations

import pytest
import yaml

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import PlateauStoppingPolicy
from sparksweep.hyperdrive.sweep_yaml import SweepYaml

SCRIPT = """
type: sweep
trial: {code: src, command: python train.py}
search_space: {x: {type: uniform, min_value: 0, max_value: 1}}
objective: {goal: minimize, primary_metric: loss}
"""
ESTIMATOR = """
type: sweep
trial: {estimator: job.yml}
search_space: {max_depth: {type: choice, values: [1, 2]}}
objective: {goal: maximize, primary_metric: roc_auc}
"""


@pytest.fixture(name="read")
def reader(tmp_path):
    (tmp_path / "src").mkdir()

    def read(base, changes):
        return SweepYaml({**yaml.safe_load(base), **yaml.safe_load(changes)}, tmp_path)

    return read


# In both kinds of sweeps.
REFUSED = {
    "early_termination: {type: bandi}": "early_termination: the type 'bandi' is unknown; did you mean 'bandit'?",
    "search_space: {a: 5}": "search_space.a: must be a mapping with the key 'type', but 5 was given",
    "search_space: {a=b: {type: randint, upper: 2}}": "search_space: 'a=b' is no name",
    "sampling_algorithm: sobol": "sampling_algorithm: the type 'sobol' is unknown",
    "{sampling_algorithm: bayesian, early_termination: {type: median_stopping}}": (
        "early_termination: BayesianParameterSampling takes no early termination policy"
    ),
    "objective: {goal: best, primary_metric: loss}": "objective.goal: the goal must be maximize or minimize",
    "objective: {goal: maximize, primary_metric: 5}": "objective: primary_metric must be a text, but 5 was given",
    "objective: {goal: maximize, primary_metric: rank}": "objective: primary_metric 'rank' is the name of a column",
    "limits: {max_total_trials: 5000}": (
        "limits: max_total_trials must be a whole number from 1 to 1000, but 5000 was given"
    ),
    "limits: {max_concurrent_trials: 0}": "limits: max_concurrent_trials must be a whole number from 1 to 1000",
    "limits: {timeout: 0}": "limits.timeout: must be above 0, but 0 was given",
    "limits: {timeout: soon}": "limits: timeout must be a finite number, but 'soon' was given",
    f"limits: {{timeout: 1{'0' * 400}}}": "limits: timeout must be a finite number, but 1000",
    "limits: []": "limits: must hold keys with values, but [] was given",
    "experiment_name: [a]": "experiment_name: must be a text or a number, but ['a'] was given",
}
SCRIPTS = {
    "trial: {command: ls, code: }": "trial.code: must be a text that is not empty, but None was given",
    "trial: {command: ls, code: nowhere}": "trial.code: 'nowhere' is no folder; a relative path begins at ",
    "trial: {command: ''}": "trial.command: must be a text that is not empty, but '' was given",
    "trial: {command: [ls]}": "trial.command: must be a text that is not empty, but ['ls'] was given",
    "trial: {command: ls, environment_variables: [A=1]}": (
        "trial.environment_variables: must hold keys with values, but ['A=1'] was given"
    ),
    "trial: {command: ls, environment_variables: A=1}": (
        "trial.environment_variables: must hold keys with values, but 'A=1' was given"
    ),
    "trial: {command: ls, environment_variables: {A=1: 2}}": "trial.environment_variables: 'A=1' is no name",
    'trial: {command: ls, environment_variables: {"A\\0": 2}}': "trial.environment_variables: 'A\\x00' is no name",
    "trial: {command: ls, environment_variables: {A: }}": (
        "trial.environment_variables.A: must be a text or a number, but None was given"
    ),
    "inputs: {data: }": "inputs.data: must be a text or a number, but None was given",
    "inputs: {data: {path: }}": "inputs.data.path: must be a text that is not empty, but None was given",
    "inputs: {data: {path: a, type: uri_fil}}": (
        "inputs.data.type: 'uri_fil' is not supported; did you mean 'uri_file'?"
    ),
    "inputs: {my-data: {path: a}}": "inputs: 'my-data' is no name; take letters, digits and _",
    'outputs: {"../../x": {}}': "outputs: '../../x' is no name; take letters, digits and _",
    "limits: {trial_timeout: -1}": "limits.trial_timeout: must be above 0, but -1 was given",
}
ESTIMATORS = {
    "trial: {estimator: }": "trial.estimator: must be a text that is not empty, but None was given",
    "trial: {estimator: [a]}": "trial.estimator: must be a text that is not empty, but ['a'] was given",
    "trial: {estimator: a, interval: 0}": "trial: interval must be a whole number of at least 1, but 0 was given",
    "trial: {estimator: a, refit: 'no'}": "trial: refit must be True or False, but 'no' was given",
    "limits: {trial_timeout: 5}": "limits.trial_timeout: an estimator's runs have none; leave it out",
    "inputs: {data: {path: a}}": "inputs: an estimator's data are those of its job file; leave it out",
    "outputs: {model: {}}": "outputs: an estimator's runs have none; leave it out",
    "objective: {goal: minimize, primary_metric: log_loss}": (
        "objective.goal: a score of scikit-learn's is greater where it is better; give maximize"
    ),
}


@pytest.mark.parametrize(
    ("base", "changes", "told"),
    [
        *((base, *case) for base in (SCRIPT, ESTIMATOR) for case in REFUSED.items()),
        *((SCRIPT, *case) for case in SCRIPTS.items()),
        *((ESTIMATOR, *case) for case in ESTIMATORS.items()),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_key(read, base, changes, told):
    with pytest.raises(ConfigError) as caught:
        read(base, changes)
    assert str(caught.value).startswith(told)


def test_numbers_that_yaml_takes_for_texts(read):
    config = read(
        SCRIPT,
        """
        limits: {timeout: 12e2, trial_timeout: 1e4}
        early_termination: {type: plateau_stopping, min_delta: 1e-4}
        sampling_algorithm: {type: random, logbase: 1e1}
        """,
    ).config()
    assert (config.max_duration_minutes, config.run_config.max_run_duration_seconds) == (20, 10_000)
    assert config.policy == PlateauStoppingPolicy(min_delta=1e-4)
    assert config.hyperparameter_sampling.logbase == 10


def test_what_is_left_out_or_null(read):
    asked = read(SCRIPT, "{limits: null, inputs: null, outputs: null, experiment_name: null}")
    assert asked.config().max_total_runs == 1000
    assert asked.experiment == asked.folder.name
    assert asked.unused == []
    asked = read(ESTIMATOR, "{inputs: {}, outputs: null, experiment_name: 7}")
    assert (asked.experiment, asked.interval, asked.refit) == ("7", 10, True)


def test_every_key_without_a_use_is_named(read):
    asked = read(
        SCRIPT, "{$schema: a, tags: {a: b}, name: a, display_name: b, description: c, properties: {d: e}}"
    )
    assert asked.unused == ["name", "display_name", "description", "tags", "properties"]
