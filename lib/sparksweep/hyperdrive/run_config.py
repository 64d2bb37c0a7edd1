"""What a child run does, and how a sweep goes: the configurations, under the names of Azure ML."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import check_flag, check_number, check_variable, check_whole
from sparksweep.hyperdrive.driver.results import is_column
from sparksweep.hyperdrive.inputs.dataset import NamedInput
from sparksweep.hyperdrive.sampling.samplers import Sampling
from sparksweep.hyperdrive.termination.policies import NoTerminationPolicy, Policy

__all__ = [
    "MOST_RUNS",
    "EstimatorRunConfig",
    "HyperDriveConfig",
    "PrimaryMetricGoal",
    "ScriptRunConfig",
    "check_goal_of_score",
    "check_metric",
    "check_policy",
]

#: Azure ML's own bound.
MOST_RUNS = 1000


class PrimaryMetricGoal(enum.Enum):
    """Whether a greater or a smaller primary metric is better."""

    MAXIMIZE = "MAXIMIZE"
    MINIMIZE = "MINIMIZE"

    @classmethod
    def from_str(cls, goal: str) -> PrimaryMetricGoal:
        """Return the goal of a word, in capitals or not.

        Raises
        ------
        ConfigError
            If it is another word.
        """
        try:
            return cls(str(goal).upper())
        except ValueError:
            raise ConfigError(f"the goal must be maximize or minimize, but {goal!r} was given") from None


def check_metric(owner: str, name: str, value: Any) -> str:
    """Return the name of a primary metric.

    Raises
    ------
    ConfigError
        If it is no text, or a column of ``results.csv`` has that name.
    """
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{owner}: {name} must be a text, but {value!r} was given")
    if is_column(value):
        raise ConfigError(
            f"{owner}: {name} {value!r} is the name of a column of results.csv; log it under another name"
        )
    return value


def check_goal_of_score(where: str, goal: PrimaryMetricGoal) -> None:
    """Check the goal of a sweep whose runs cross-validate an estimator.

    Raises
    ------
    ConfigError
        If the score is to be minimised: the worst setting would be found, and fitted on all data.
    """
    if goal is PrimaryMetricGoal.MINIMIZE:
        raise ConfigError(
            f"{where}: a score of scikit-learn's is greater where it is better; give maximize, and a scorer "
            "such as neg_log_loss"
        )


def check_policy(owner: str, sampling: Sampling, policy: Policy) -> None:
    """Check that a sampler takes a policy beside it.

    Raises
    ------
    ConfigError
        If it does not.
    """
    if not sampling.allows_policy and not isinstance(policy, NoTerminationPolicy):
        raise ConfigError(
            f"{owner}: {type(sampling).__name__} takes no early termination policy; "
            "leave the policy out, or take TPEParameterSampling"
        )


@dataclass(frozen=True)
class ScriptRunConfig:
    """A child run that executes a training script.

    Give ``script`` and ``arguments``, to which the parameters of the run are added as ``--name value``; or a
    ``command``, in which ``${{search_space.NAME}}`` and ``${{inputs.NAME}}`` stand for values and paths.

    Parameters
    ----------
    source_directory : path
        Its files are sent to the executors, at most 300 MB of them; each run works in a copy of its own.
    script : str, optional
        In the source directory, run by the executors' Python.
    arguments : sequence, optional
        Texts, numbers, and :class:`NamedInput`, which is passed as its name, or as a path after
        ``as_mount()``.
    command : str or sequence of str, optional
        A text is run by the shell, a sequence is a program and its arguments.
    inputs : sequence of NamedInput, or mapping of str to NamedInput
        What the script finds by ``run.input_datasets`` beside those among the arguments.
    literals : mapping of str to str
        What else stands for places of a command, such as ``inputs.kernel`` or ``outputs.model``.
    environment_variables : mapping of str to str
    max_run_duration_seconds : float
        After which a run is canceled.
    run_config, compute_target, environment, docker_runtime_config, distributed_job_config
        Of Azure ML; Spark's executors are what they are, so they are taken and not used.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """

    source_directory: str | Path
    script: str | None = None
    arguments: Sequence[Any] | None = None
    run_config: Any = None
    compute_target: Any = None
    environment: Any = None
    distributed_job_config: Any = None
    resume_from: Any = None
    max_run_duration_seconds: float = 30 * 24 * 3600
    command: str | Sequence[str] | None = None
    docker_runtime_config: Any = None
    inputs: Sequence[NamedInput] | Mapping[str, NamedInput] = field(default=(), kw_only=True)
    literals: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    environment_variables: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        owner = "ScriptRunConfig"
        folder = Path(self.source_directory)
        if not folder.is_dir():
            raise ConfigError(f"{owner}: source_directory {str(folder)!r} is no folder")
        if (self.script is None) == (self.command is None):
            raise ConfigError(f"{owner}: give exactly one of script and command")
        if self.script is not None and not (folder / self.script).is_file():
            raise ConfigError(f"{owner}: there is no script {self.script!r} in {str(folder)!r}")
        if self.command is not None and self.arguments:
            raise ConfigError(f"{owner}: arguments belong to a script; write them into the command")
        if isinstance(self.arguments, str):
            raise ConfigError(f"{owner}: arguments must be a list, but {self.arguments!r} was given")
        if self.resume_from is not None:
            raise ConfigError(f"{owner}: resume_from is not supported; give it to HyperDriveConfig")
        if check_number(owner, "max_run_duration_seconds", self.max_run_duration_seconds) <= 0:
            raise ConfigError(f"{owner}: max_run_duration_seconds must be above 0")
        self._check_environment(f"{owner}: environment_variables")
        names = [one.name for one in self.named_inputs]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"{owner}: the input {name!r} is given twice")

    def _check_environment(self, where: str) -> None:
        if not isinstance(self.environment_variables, Mapping):
            raise ConfigError(
                f"{where} must map names to texts, but {self.environment_variables!r} was given"
            )
        for name, value in self.environment_variables.items():
            check_variable(where, name)
            if not isinstance(value, str) or "\0" in value:
                raise ConfigError(f"{where}: {name} must be a text without NUL, but {value!r} was given")

    @property
    def named_inputs(self) -> tuple[NamedInput, ...]:
        """All inputs, those among the arguments first."""
        others = self.inputs.values() if isinstance(self.inputs, Mapping) else self.inputs
        among = dict.fromkeys(one for one in self.arguments or () if isinstance(one, NamedInput))
        return (*among, *(one for one in others if one not in among))


@dataclass(frozen=True)
class EstimatorRunConfig:
    """A child run that cross-validates an estimator, and reports while it boosts.

    The run's parameters are set on the estimator. Every ``interval`` rounds of boosting, and at the end, it
    reports the mean over the folds of its score: the very score that
    :class:`~sparksweep.GridSearchCV` has for as many rounds. Estimators without rounds report once.

    Parameters
    ----------
    estimator : estimator
        Of scikit-learn or with its interface.
    X : array-like or sparse matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), optional
    cv : int, splitter or iterable, optional
        As in scikit-learn.
    scoring : str or callable, optional
        As in scikit-learn; the primary metric of the sweep is the score, under whatever name.
    interval : int
        Rounds of boosting between two reports.
    threads : int, optional
        Of every fit; by default the estimator's own number, but never more than ``spark.task.cpus``.
    fit_params : mapping
        For ``fit``; what has one entry a sample is cut with the folds.
    refit : bool, default True
        Whether the best run's setting is fitted on all data at the end, on the driver, with as many rounds as
        it was best after. The estimator is then ``model.joblib`` in the sweep's folder, and in the history
        ``outputs/model.joblib`` of that run. Not after a user has canceled the sweep.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """

    estimator: Any
    X: Any
    y: Any = None
    cv: Any = None
    scoring: Any = None
    interval: int = 10
    threads: int | None = None
    fit_params: Mapping[str, Any] = field(default_factory=dict)
    refit: bool = True

    def __post_init__(self) -> None:
        check_whole("EstimatorRunConfig", "interval", self.interval, least=1)
        check_flag("EstimatorRunConfig", "refit", self.refit)
        if not hasattr(self.estimator, "get_params") or not hasattr(self.estimator, "fit"):
            raise ConfigError(
                f"EstimatorRunConfig: {self.estimator!r} is no estimator of scikit-learn's kind"
            )


@dataclass(frozen=True)
class HyperDriveConfig:
    """A sweep.

    Parameters
    ----------
    hyperparameter_sampling : sampler
    primary_metric_name : str
        The name under which the script logs it; not that of another column of ``results.csv``, such as
        ``seconds``.
    primary_metric_goal : PrimaryMetricGoal
        Scores of an estimator are maximised.
    max_total_runs : int
        1 to 1000.
    max_concurrent_runs : int, optional
        1 to 1000; by default as many as there can be. Spark's task slots bound it too.
    max_duration_minutes : float
        Of the whole sweep; what still runs then is canceled. Time in which no driver worked does not count.
    policy : policy, optional
        None is for :class:`NoTerminationPolicy`.
    estimator, run_config
        Exactly one: what a child run does. ``estimator`` is the place of the SDK's own estimators, and takes
        the same.
    resume_from : HyperDriveRun or list of HyperDriveRun, optional
        Sweeps whose runs the sampler is told before it begins.
    resume_child_runs : Run or list of Run, optional
        Runs that the sampler is told before it begins.
    pipeline, debug_flag, custom_run_id
        Are declined: pipelines and the service of Azure ML have no counterpart, and every sweep has an id.

    Raises
    ------
    ConfigError
        If an argument cannot be used, or a sampler refuses the policy.
    """

    hyperparameter_sampling: Sampling
    primary_metric_name: str
    primary_metric_goal: PrimaryMetricGoal
    max_total_runs: int
    max_concurrent_runs: int | None = None
    max_duration_minutes: float = 10080
    policy: Policy | None = None
    estimator: ScriptRunConfig | EstimatorRunConfig | None = None
    run_config: ScriptRunConfig | EstimatorRunConfig | None = None
    resume_from: Any = None
    resume_child_runs: Any = None
    pipeline: Any = None
    debug_flag: Any = None
    custom_run_id: str | None = None

    def __post_init__(self) -> None:
        owner = "HyperDriveConfig"
        for name in ("pipeline", "debug_flag", "custom_run_id"):
            if getattr(self, name) is not None:
                raise ConfigError(f"{owner}: {name} is not supported; leave it out")
        if not isinstance(self.hyperparameter_sampling, Sampling):
            raise ConfigError(
                f"{owner}: hyperparameter_sampling must be a sampler such as RandomParameterSampling(...), "
                f"not {self.hyperparameter_sampling!r}"
            )
        check_metric(owner, "primary_metric_name", self.primary_metric_name)
        if not isinstance(self.primary_metric_goal, PrimaryMetricGoal):
            raise ConfigError(
                f"{owner}: primary_metric_goal must be PrimaryMetricGoal.MAXIMIZE or .MINIMIZE, "
                f"not {self.primary_metric_goal!r}"
            )
        check_whole(owner, "max_total_runs", self.max_total_runs, least=1, most=MOST_RUNS)
        if self.max_concurrent_runs is not None:
            check_whole(owner, "max_concurrent_runs", self.max_concurrent_runs, least=1, most=MOST_RUNS)
        if check_number(owner, "max_duration_minutes", self.max_duration_minutes) <= 0:
            raise ConfigError(f"{owner}: max_duration_minutes must be above 0")
        if (self.estimator is None) == (self.run_config is None):
            raise ConfigError(f"{owner}: give exactly one of run_config and estimator")
        if not isinstance(self.trial, ScriptRunConfig | EstimatorRunConfig):
            raise ConfigError(
                f"{owner}: {self.trial!r} is neither a ScriptRunConfig nor an EstimatorRunConfig"
            )
        if isinstance(self.trial, EstimatorRunConfig):
            check_goal_of_score(f"{owner}: primary_metric_goal", self.primary_metric_goal)
        if self.policy is not None and not isinstance(self.policy, Policy):
            raise ConfigError(
                f"{owner}: policy must be a policy such as BanditPolicy(...), not {self.policy!r}"
            )
        check_policy(owner, self.hyperparameter_sampling, self.early_termination)

    @property
    def trial(self) -> ScriptRunConfig | EstimatorRunConfig:
        """What a child run does."""
        trial = self.run_config if self.run_config is not None else self.estimator
        assert trial is not None  # checked when this was made
        return trial

    @property
    def early_termination(self) -> Policy:
        """The policy, also where none was given."""
        return NoTerminationPolicy() if self.policy is None else self.policy

    @property
    def maximize(self) -> bool:
        """Whether a greater primary metric is better."""
        return self.primary_metric_goal is PrimaryMetricGoal.MAXIMIZE
