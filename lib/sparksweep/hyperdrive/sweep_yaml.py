"""A sweep job in the YAML of Azure ML v2: https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-sweep.

What Spark has no use for is taken and named, so that a published sweep runs as it is, its input paths aside.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import check_keys, check_number
from sparksweep.hyperdrive.inputs.dataset import Dataset, NamedInput
from sparksweep.hyperdrive.run_config import (
    EstimatorRunConfig,
    HyperDriveConfig,
    PrimaryMetricGoal,
    ScriptRunConfig,
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
    "tags",
)
_NAMES = ("$schema", "name", "display_name", "description", "properties")
_UNUSED = (
    "compute",
    "environment",
    "identity",
    "queue_settings",
    "resources",
    "services",
    "job_tier",
    "priority",
)
_UNUSED_OF_TRIAL = ("environment", "resources", "distribution", "shm_size", "docker_args")
_LIMITS = ("max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout")

# Azure ML's own defaults: the most trials there can be, and seconds of the whole sweep.
_MOST_TRIALS = 1000
_TIMEOUT = 60 * 24 * 3600
_TRIAL_TIMEOUT = 30 * 24 * 3600


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
        check_keys("the sweep", self.values, _REQUIRED, (*_OTHERS, *_NAMES, *_UNUSED))
        if self.values["type"] != "sweep":
            raise ConfigError(f"type: must be 'sweep', but {self.values['type']!r} was given")
        for name in ("trial", "search_space", "objective"):
            _mapping(name, self.values[name])
        check_keys("objective", self.values["objective"], ("goal", "primary_metric"), ())
        check_keys("limits", self._section("limits"), (), _LIMITS)
        trial = self.values["trial"]
        if "estimator" in trial:
            check_keys("trial", trial, ("estimator",), ("interval", "refit"))
        else:
            check_keys("trial", trial, ("command",), ("code", "environment_variables", *_UNUSED_OF_TRIAL))

    @property
    def experiment(self) -> str:
        """The name under which the history has the sweep."""
        return str(self.values.get("experiment_name") or self.folder.absolute().name)

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
        interval: int = self.values["trial"].get("interval", 10)
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
        limits = self._section("limits")
        objective = self.values["objective"]
        try:
            goal = PrimaryMetricGoal.from_str(objective["goal"])
        except ConfigError as error:
            raise ConfigError(f"objective.goal: {error}") from None
        section = self.values.get("sampling_algorithm", "random")
        return HyperDriveConfig(
            sampling_from_yaml(section, from_yaml(self.values["search_space"])),
            objective["primary_metric"],
            goal,
            max_total_runs=limits.get("max_total_trials", _MOST_TRIALS),
            max_concurrent_runs=limits.get("max_concurrent_trials"),
            max_duration_minutes=_positive("limits.timeout", limits.get("timeout", _TIMEOUT)) / 60,
            policy=policy_from_yaml(self.values.get("early_termination")),
            run_config=run_config or self._script(),
        )

    def _script(self) -> ScriptRunConfig:
        trial = self.values["trial"]
        if not isinstance(trial["command"], str):
            raise ConfigError(f"trial.command: must be a text, but {trial['command']!r} was given")
        if "$[[" in trial["command"]:
            raise ConfigError("trial.command: optional parts, $[[...]], are not supported; write them out")
        inputs, literals = self._inputs()
        outputs = {f"outputs.{name}": f"outputs/{name}" for name in self._section("outputs")}
        return ScriptRunConfig(
            self.folder / str(trial.get("code", ".")),
            command=trial["command"],
            inputs=inputs,
            literals={**literals, **outputs},
            environment_variables={
                name: str(value) for name, value in (trial.get("environment_variables") or {}).items()
            },
            max_run_duration_seconds=_positive(
                "limits.trial_timeout", self._section("limits").get("trial_timeout", _TRIAL_TIMEOUT)
            ),
        )

    def _inputs(self) -> tuple[list[NamedInput], dict[str, str]]:
        inputs, literals = [], {}
        for name, given in self._section("inputs").items():
            if not isinstance(given, Mapping):
                literals[f"inputs.{name}"] = str(given)
                continue
            where = f"inputs.{name}"
            check_keys(where, given, ("path",), ("type", "mode", "description"))
            kind = given.get("type", "uri_folder")
            if kind not in ("uri_file", "uri_folder"):
                close = difflib.get_close_matches(str(kind), ("uri_file", "uri_folder"), 1)
                hint = f"; did you mean {close[0]!r}?" if close else "; give uri_file or uri_folder"
                raise ConfigError(f"{where}.type: {kind!r} is not supported{hint}")
            dataset = Dataset(
                (self._place(where, given["path"]),), "folder" if kind == "uri_folder" else "files"
            )
            inputs.append(NamedInput(name, dataset))
        return inputs, literals

    def _place(self, where: str, path: Any) -> str:
        text = str(path)
        if text.startswith("azureml:"):
            raise ConfigError(
                f"{where}.path: {text} names an asset of an Azure ML workspace; give a path, or a URI such "
                "as abfss://..."
            )
        return text if "://" in text else str(self.folder / text)

    def _section(self, name: str) -> Mapping[str, Any]:
        return _mapping(name, self.values.get(name) or {})


def _mapping(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name}: must hold keys with values, but {value!r} was given")
    return value


def _positive(name: str, value: Any) -> float:
    number = check_number("limits", name.removeprefix("limits."), value)
    if number <= 0:
        raise ConfigError(f"{name}: must be above 0, but {value!r} was given")
    return float(number)
