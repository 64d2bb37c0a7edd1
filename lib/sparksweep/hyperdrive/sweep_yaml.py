"""A sweep job in the YAML of Azure ML v2: https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep.

What Spark has no use for is taken and named, so that a published sweep runs as it is, its input paths aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import (
    check_flag,
    check_keys,
    check_number,
    check_variable,
    check_whole,
    nearest,
    yaml_number,
)
from sparksweep.hyperdrive.inputs.dataset import Dataset, NamedInput
from sparksweep.hyperdrive.run_config import (
    MOST_RUNS,
    EstimatorRunConfig,
    HyperDriveConfig,
    PrimaryMetricGoal,
    ScriptRunConfig,
    check_goal_of_score,
    check_metric,
    check_policy,
)
from sparksweep.hyperdrive.sampling.samplers import sampling_from_yaml
from sparksweep.hyperdrive.sampling.spaces import from_yaml
from sparksweep.hyperdrive.termination.policies import policy_from_yaml

__all__ = ["SweepYaml"]

_REQUIRED = ("type", "trial", "search_space", "objective")
_OTHERS = (
    "sampling_algorithm",
    "limits",
    "early_termination",
    "inputs",
    "outputs",
    "experiment_name",
    "$schema",
)
_UNUSED = (
    "compute",
    "environment",
    "identity",
    "queue_settings",
    "resources",
    "services",
    "job_tier",
    "priority",
    "name",
    "display_name",
    "description",
    "tags",
    "properties",
)
_UNUSED_OF_TRIAL = ("environment", "resources", "distribution", "shm_size", "docker_args")
_KINDS = ("uri_file", "uri_folder")
_LIMITS = ("max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout")

# Azure ML's own defaults: seconds of the whole sweep, and of a trial.
_TIMEOUT = 60 * 24 * 3600
_TRIAL_TIMEOUT = 30 * 24 * 3600

# Rounds of boosting between two reports.
_INTERVAL = 10


@dataclass(frozen=True)
class SweepYaml:
    """The content of such a file, checked as far as it can be without its data.

    Parameters
    ----------
    values : mapping
    folder : Path
        Relative paths in it begin there.
    """

    values: Mapping[str, Any]
    folder: Path

    def __post_init__(self) -> None:
        check_keys("the sweep", self.values, _REQUIRED, (*_OTHERS, *_UNUSED))
        if self.values["type"] != "sweep":
            raise ConfigError(f"type: must be 'sweep', but {self.values['type']!r} was given")
        for name in ("trial", "search_space", "objective"):
            _mapping(name, self.values[name])
        check_keys("objective", self.values["objective"], ("goal", "primary_metric"), ())
        check_keys("limits", self._section("limits"), (), _LIMITS)
        trial = self.values["trial"]
        if "estimator" in trial:
            check_keys("trial", trial, ("estimator",), ("interval", "refit"))
            self._check_estimator(trial)
        else:
            check_keys("trial", trial, ("command",), ("code", "environment_variables", *_UNUSED_OF_TRIAL))
            self.config()
        _ = self.experiment  # which is checked by it

    def _check_estimator(self, trial: Mapping[str, Any]) -> None:
        _text("trial.estimator", trial["estimator"])
        check_whole("trial", "interval", self.interval, least=1)
        check_flag("trial", "refit", self.refit)
        if "trial_timeout" in self._section("limits"):
            raise ConfigError("limits.trial_timeout: an estimator's runs have none; leave it out")
        if self._section("inputs"):
            raise ConfigError("inputs: an estimator's data are those of its job file; leave it out")
        if self._section("outputs"):
            raise ConfigError("outputs: an estimator's runs have none; leave it out")
        check_goal_of_score("objective.goal", self._sweep["primary_metric_goal"])

    @cached_property
    def experiment(self) -> str:
        """The name under which the history has the sweep."""
        given = self.values.get("experiment_name")
        return ("" if given is None else _scalar("experiment_name", given)) or self.folder.absolute().name

    @property
    def unused(self) -> list[str]:
        """The keys that Spark has no use for."""
        trial = self.values["trial"]
        return [
            *(name for name in _UNUSED if name in self.values),
            *(f"trial.{name}" for name in _UNUSED_OF_TRIAL if name in trial),
        ]

    @property
    def estimator_job(self) -> Path | None:
        """The job file that says what is cross-validated; None where the trial is a command."""
        trial = self.values["trial"]
        return self.folder / str(trial["estimator"]) if "estimator" in trial else None

    @property
    def interval(self) -> int:
        """Rounds of boosting between two reports of an estimator."""
        interval: int = yaml_number(self.values["trial"].get("interval", _INTERVAL))
        return interval

    @property
    def refit(self) -> bool:
        """Whether the best setting of an estimator is fitted on all data."""
        refit: bool = self.values["trial"].get("refit", True)
        return refit

    def config(self, run_config: EstimatorRunConfig | None = None) -> HyperDriveConfig:
        """Return the sweep that the file asks for.

        Parameters
        ----------
        run_config : EstimatorRunConfig, optional
            What ``estimator_job`` stands for.

        Raises
        ------
        ConfigError
            If a key or value cannot be used.
        """
        return HyperDriveConfig(**self._sweep, run_config=run_config or self._script)

    @cached_property
    def _sweep(self) -> dict[str, Any]:
        """The arguments of the configuration beside what a run does."""
        limits = self._section("limits")
        objective = self.values["objective"]
        try:
            goal = PrimaryMetricGoal.from_str(objective["goal"])
        except ConfigError as error:
            raise ConfigError(f"objective.goal: {error}") from None
        at_once = limits.get("max_concurrent_trials")
        section = self.values.get("sampling_algorithm", "random")
        sampling = sampling_from_yaml(section, from_yaml(self.values["search_space"]))
        policy = policy_from_yaml(self.values.get("early_termination"))
        check_policy("early_termination", sampling, policy)
        return {
            "hyperparameter_sampling": sampling,
            "primary_metric_name": check_metric("objective", "primary_metric", objective["primary_metric"]),
            "primary_metric_goal": goal,
            "max_total_runs": _trials("max_total_trials", limits.get("max_total_trials", MOST_RUNS)),
            "max_concurrent_runs": None if at_once is None else _trials("max_concurrent_trials", at_once),
            "max_duration_minutes": _seconds("timeout", limits.get("timeout", _TIMEOUT)) / 60,
            "policy": policy,
        }

    @cached_property
    def _script(self) -> ScriptRunConfig:
        trial = self.values["trial"]
        command = _text("trial.command", trial["command"])
        if "$[[" in command:
            raise ConfigError("trial.command: optional parts, $[[...]], are not supported; write them out")
        given = _text("trial.code", trial.get("code", "."))
        code = self.folder / given
        if not code.is_dir():
            raise ConfigError(f"trial.code: {given!r} is no folder; a relative path begins at {self.folder}")
        inputs, literals = self._inputs()
        for name in self._section("outputs"):
            _check_name("outputs", name)
        outputs = {f"outputs.{name}": f"outputs/{name}" for name in self._section("outputs")}
        trial_timeout = self._section("limits").get("trial_timeout", _TRIAL_TIMEOUT)
        return ScriptRunConfig(
            code,
            command=command,
            inputs=inputs,
            literals={**literals, **outputs},
            environment_variables=self._environment(),
            max_run_duration_seconds=_seconds("trial_timeout", trial_timeout),
        )

    def _environment(self) -> dict[str, str]:
        where = "trial.environment_variables"
        given = self.values["trial"].get("environment_variables")
        variables = {} if given is None else _mapping(where, given)
        for name in variables:
            check_variable(where, name)
        return {name: _scalar(f"{where}.{name}", value) for name, value in variables.items()}

    def _inputs(self) -> tuple[list[NamedInput], dict[str, str]]:
        inputs, literals = [], {}
        for name, given in self._section("inputs").items():
            _check_name("inputs", name)
            where = f"inputs.{name}"
            if not isinstance(given, Mapping):
                literals[where] = _scalar(where, given)
                continue
            check_keys(where, given, ("path",), ("type", "mode", "description"))
            kind = given.get("type", "uri_folder")
            if kind not in _KINDS:
                raise ConfigError(f"{where}.type: {kind!r} is not supported{nearest(str(kind), _KINDS)}")
            dataset = Dataset(
                (self._place(where, given["path"]),), "folder" if kind == "uri_folder" else "files"
            )
            inputs.append(NamedInput(name, dataset))
        return inputs, literals

    def _place(self, where: str, path: Any) -> str:
        text = _text(f"{where}.path", path)
        if text.startswith("azureml:"):
            raise ConfigError(
                f"{where}.path: {text} names an asset of an Azure ML workspace; give a path, or a URI such "
                "as abfss://..."
            )
        return text if "://" in text else str(self.folder / text)

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self.values.get(name)
        return {} if section is None else _mapping(name, section)


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: must hold keys with values, but {value!r} was given")
    return value


def _text(where: str, value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ConfigError(f"{where}: must be a text that is not empty, but {value!r} was given")


def _scalar(where: str, value: Any) -> str:
    """Return what YAML has read of one word as text: a number, a date or a truth value too."""
    if value is None or isinstance(value, Mapping | list):
        raise ConfigError(f"{where}: must be a text or a number, but {value!r} was given")
    return str(value)


def _check_name(where: str, name: Any) -> None:
    """Check the name of an input or an output: places of a command have it, and files."""
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(f"{where}: {name!r} is no name; take letters, digits and _")


def _trials(name: str, value: Any) -> int:
    return check_whole("limits", name, yaml_number(value), least=1, most=MOST_RUNS)


def _seconds(name: str, value: Any) -> float:
    number = check_number("limits", name, yaml_number(value))
    if number <= 0:
        raise ConfigError(f"limits.{name}: must be above 0, but {value!r} was given")
    return float(number)
