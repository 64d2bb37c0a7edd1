"""A sweep from its configuration to its folder: what the API and the job have in common."""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from pyspark.sql import SparkSession
from sklearn import get_config
from sklearn.base import clone

from sparksweep.errors import ConfigError
from sparksweep.history import History
from sparksweep.hyperdrive.arguments import as_list
from sparksweep.hyperdrive.child.estimator_trial import EstimatorTrial
from sparksweep.hyperdrive.child.placeholders import places
from sparksweep.hyperdrive.child.script_trial import InputPath, ScriptTrial
from sparksweep.hyperdrive.child.snapshot import take_snapshot
from sparksweep.hyperdrive.child.task import Trial
from sparksweep.hyperdrive.driver.children import as_json
from sparksweep.hyperdrive.driver.launcher import Returned, SparkGone, SparkLauncher
from sparksweep.hyperdrive.driver.progress import SweepProgress
from sparksweep.hyperdrive.driver.recorder import SweepRecorder
from sparksweep.hyperdrive.driver.report_server import ReportServer
from sparksweep.hyperdrive.driver.results import SweepResults
from sparksweep.hyperdrive.driver.sweep import BY_USER, Plan, Sweep
from sparksweep.hyperdrive.inputs.dataset import NamedInput
from sparksweep.hyperdrive.inputs.delivery import pack
from sparksweep.hyperdrive.refit import refit
from sparksweep.hyperdrive.run_config import EstimatorRunConfig, HyperDriveConfig, ScriptRunConfig
from sparksweep.hyperdrive.sampling.samplers import sampling_to_yaml
from sparksweep.hyperdrive.sampling.spaces import to_yaml
from sparksweep.hyperdrive.tags import GOAL_TAG, PRIMARY_TAG, STATUS_TAG, TO_MLFLOW
from sparksweep.hyperdrive.termination.policies import policy_to_yaml
from sparksweep.search import GridSearchCV
from sparksweep.search.fingerprint import Fingerprint, fingerprint_of
from sparksweep.search.resources import Cluster
from sparksweep.search.runs import RunChooser
from sparksweep.search.threads import Threads
from sparksweep.storage import LocalStore, Store

__all__ = ["PreparedSweep", "execute", "prepare"]

# Seconds for what the history does not know yet when the runs have ended, or are to be ended.
_FILES_WITHIN = 20.0

_PORT = "spark.sparksweep.port"
_LAST_PORT = 65_535

KnownRuns = Iterable[tuple[Mapping[str, Any], float]]


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep that can begin: what its runs do, what tells it from others, its plan, the driver's port."""

    config: HyperDriveConfig
    trial: Trial
    fingerprint: Fingerprint
    plan: Plan
    port: int


def prepare(
    config: HyperDriveConfig, spark: SparkSession, output: Store, known: KnownRuns = ()
) -> PreparedSweep:
    """Read and check all that a sweep needs before it begins.

    Parameters
    ----------
    config : HyperDriveConfig
    spark : SparkSession
    output : Store
        The folder of all runs, which is no part of a script's source even if it lies in it.
    known : iterable of (setting, value)
        What runs of earlier sweeps had and reached.

    Raises
    ------
    SparksweepError
        If something is missing or cannot be used.
    """
    run, port = config.trial, _port(spark)
    if isinstance(run, ScriptRunConfig):
        trial, parts = _script(run, config, spark, output)
    else:
        trial, parts = _estimator(run, config, spark)
    sampling = config.hyperparameter_sampling
    space = json.dumps(as_json(to_yaml(sampling.parameter_space)), sort_keys=True)
    fingerprint = Fingerprint(
        {
            "search_space": _digest(space),
            "sampling_algorithm": json.dumps(sampling_to_yaml(sampling), sort_keys=True),
            "early_termination": json.dumps(policy_to_yaml(config.early_termination), sort_keys=True),
            "objective": f"{config.primary_metric_goal.value.lower()} {config.primary_metric_name}",
            **parts,
        }
    )
    plan = Plan(
        sampling,
        config.early_termination,
        config.primary_metric_name,
        config.maximize,
        config.max_total_runs,
        config.max_concurrent_runs,
        60.0 * config.max_duration_minutes,
        tuple(known),
    )
    return PreparedSweep(config, trial, fingerprint, plan, port)


def execute(
    prepared: PreparedSweep,
    spark: SparkSession,
    output: Store,
    runs: RunChooser,
    *,
    experiment: str,
    history: History | None = None,
    progress: bool | None = None,
    begun: Callable[[str, Sweep], None] = lambda _run, _sweep: None,
    finish: Callable[[Store, Any], Mapping[str, Any]] = lambda _store, _model: {},
) -> SweepResults:
    """Run a sweep and write its folder.

    Parameters
    ----------
    prepared : PreparedSweep
    spark : SparkSession
    output : Store
        The folder of all runs.
    runs : RunChooser
        Finds the sweep to go on with, or a name for a new one.
    experiment : str
        Under which the history has it.
    history : History, optional
    progress : bool, optional
        None shows a bar where standard error is a terminal; True also writes lines where it is not.
    begun : callable
        Takes the sweep's id and the sweep, once both are there.
    finish : callable
        Takes the sweep's folder and the refitted estimator, before ``best.json`` is written, and returns what
        else is to stand in it. It is not called where nothing is refitted.

    Raises
    ------
    SparksweepError
        If the journal cannot be used, or the driver cannot listen.
    """
    plan = prepared.plan
    with ExitStack() as opened:
        journal = opened.enter_context(runs(prepared.fingerprint))
        store = output.child(runs.run_id)
        shown = opened.enter_context(SweepProgress(plan.max_total_runs, progress, maximize=plan.maximize))
        recorder = SweepRecorder(history, experiment, runs.run_id, plan.primary, store, shown.show)
        if history is not None:
            goal = prepared.config.primary_metric_goal.value.lower()
            tags = {STATUS_TAG: "Running", PRIMARY_TAG: plan.primary, GOAL_TAG: goal}
            history.start(
                runs.run_id, experiment=experiment, parameters=_described(prepared.config), tags=tags
            )
        sweep = Sweep(plan, runs.run_id, journal, recorder)
        shown.watch(sweep)
        recorder.catch_up(sweep.children)
        server = opened.enter_context(_open_server(sweep, spark, prepared.port))

        def returned(one: Returned | SparkGone) -> None:
            try:
                if isinstance(one, Returned):
                    recorder.keep(one)
            finally:  # without this word the sweep would wait for ever
                sweep.hear(one)

        launcher = SparkLauncher(spark.sparkContext, prepared.trial, server.address, returned)
        with closing(launcher):
            begun(runs.run_id, sweep)
            try:
                sweep.run(launcher)
            finally:
                if history is not None:
                    history.flush(_FILES_WITHIN)  # it takes files from where the launcher has put them
            results = SweepResults(
                runs.run_id,
                sweep.children,
                plan.primary,
                maximize=plan.maximize,
                seconds=sweep.seconds,
                why_over=sweep.why_over,
            )
        results.write(store, _refit(prepared, results, store, history, finish, shown.say))
        if history is not None:
            _end_history(history, results)
    return results


def _refit(
    prepared: PreparedSweep,
    results: SweepResults,
    store: Store,
    history: History | None,
    finish: Callable[[Store, Any], Mapping[str, Any]],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Refit what is to be, keep it, and return what ``best.json`` says of it."""
    trial, run, best = prepared.trial, prepared.config.trial, results.best
    is_asked = isinstance(run, EstimatorRunConfig) and run.refit and results.why_over != BY_USER
    if not is_asked or best is None or not isinstance(trial, EstimatorTrial):
        return {}
    say(f"Fitting the setting of run {best.number} on all data")
    try:
        model, rounds = refit(trial, best, maximize=results.maximize)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "outputs", "model.joblib")
            file.parent.mkdir()
            joblib.dump(model, file, compress=3)
            store.write(file.name, file)
            if history is not None:
                history.add_files(best.id, Path(folder))
                history.flush(_FILES_WITHIN)
        return {**({} if rounds is None else {"best_rounds": rounds}), **finish(store, model)}
    except Exception as error:
        # An estimator may raise anything, or have no pickle. The night's runs are not lost for it.
        warnings.warn(
            f"no model is kept: the setting of {best.id} could not be fitted on all data, or not be written: "
            f"{error!r}",
            RuntimeWarning,
            stacklevel=2,
        )
        return {"refit_error": repr(error)}


def _end_history(history: History, results: SweepResults) -> None:
    best = results.best
    tags = {STATUS_TAG: results.status}
    if best is not None:
        tags["best_run"] = best.id
        history.log(results.sweep_id, results.primary, best.best(maximize=results.maximize) or 0.0, step=0)
    history.tag(results.sweep_id, tags)
    history.end(results.sweep_id, TO_MLFLOW[results.status])


def _open_server(sweep: Sweep, spark: SparkSession, port: int) -> ReportServer:
    """Listen where Spark's own driver does."""
    conf = spark.sparkContext.getConf()
    known_as = conf.get("spark.driver.host") or "127.0.0.1"
    host = conf.get("spark.driver.bindAddress") or known_as
    return ReportServer(sweep.hear, host=host, port=port, known_as=known_as)


def _port(spark: SparkSession) -> int:
    """Return what ``spark.sparksweep.port`` says; 0 is any port that is free."""
    given = spark.sparkContext.getConf().get(_PORT) or "0"
    if not given.isdecimal() or int(given) > _LAST_PORT:
        raise ConfigError(f"{_PORT} must be a port from 0 to {_LAST_PORT}, but {given!r} was given")
    return int(given)


def _script(
    run: ScriptRunConfig, config: HyperDriveConfig, spark: SparkSession, output: Store
) -> tuple[Trial, dict[str, str]]:
    runs = output.root if isinstance(output, LocalStore) else None
    snapshot = take_snapshot(Path(run.source_directory), runs)
    inputs = pack(run.named_inputs, spark)
    arguments = [
        InputPath(one.name) if isinstance(one, NamedInput) and one.as_path else _named(one)
        for one in run.arguments or ()
    ]
    _check_command(run, config, [one.name for one in inputs])
    trial = ScriptTrial(
        np.frombuffer(snapshot, np.uint8),
        run.script,
        arguments,
        run.command,
        inputs,
        run.literals,
        dict(run.environment_variables),
        float(run.max_run_duration_seconds),
    )
    call = [run.script, list(map(repr, arguments)), run.command, sorted(run.environment_variables.items())]
    parts = {
        "code": _digest(snapshot),
        "command": _digest(json.dumps([*call, sorted(run.literals.items())])),
        "inputs": _digest("\n".join(f"{one.name} {one.digest}" for one in inputs)),
    }
    return trial, parts


def _check_command(run: ScriptRunConfig, config: HyperDriveConfig, inputs: list[str]) -> None:
    text = run.command if isinstance(run.command, str) else " ".join(run.command or ())
    known = {f"search_space.{name.lstrip('-')}" for name in config.hyperparameter_sampling.parameter_space}
    known |= {f"inputs.{name}" for name in inputs} | set(run.literals)
    for place in places(text):
        if place not in known:
            names = ", ".join(sorted(known))
            raise ConfigError(f"command: nothing is known for ${{{{{place}}}}}; known: {names or 'nothing'}")


def _estimator(
    run: EstimatorRunConfig, config: HyperDriveConfig, spark: SparkSession
) -> tuple[Trial, dict[str, str]]:
    names = set(run.estimator.get_params(deep=True))
    for name in config.hyperparameter_sampling.parameter_space:
        if name not in names:
            raise ConfigError(f"parameter_space: {type(run.estimator).__name__} has no parameter {name!r}")
    search = GridSearchCV(run.estimator, {}, scoring=run.scoring, cv=run.cv)
    data, folds, scorer = search.cross_validation(run.X, run.y, **run.fit_params)
    threads = _threads(run, Cluster.of(spark.sparkContext))
    trial = EstimatorTrial(
        clone(run.estimator),
        data,
        folds,
        scorer,
        config.primary_metric_name,
        run.interval,
        threads,
        get_config(),
    )
    whole = fingerprint_of(
        estimator=run.estimator,
        candidates_source=[],
        data=data,
        folds=folds,
        scorers=scorer,
        metrics=None,
        error_score="raise",
        return_train_score=False,
        threads=threads.count,
    )
    return trial, {**whole.parts, "interval": str(run.interval)}


def _threads(run: EstimatorRunConfig, cluster: Cluster) -> Threads:
    """Return those of every fit. A run is one task, and its folds share the cores of that."""
    if run.threads is None:
        return Threads(cluster.task_cpus)
    if not 1 <= run.threads <= cluster.task_cpus:
        raise ConfigError(
            f"threads={run.threads}: Spark gives each run {cluster.task_cpus} core(s); give a number from 1 "
            f"to that, or start Spark with spark.task.cpus={max(1, run.threads)}"
        )
    return Threads(run.threads, is_asked=True)


def _described(config: HyperDriveConfig) -> dict[str, Any]:
    """Return what the history shows of a sweep's configuration."""
    sampling, run, earlier = config.hyperparameter_sampling, config.trial, as_list(config.resume_from)
    told: dict[str, Any] = {
        "sampling_algorithm": sampling_to_yaml(sampling)["type"],
        "early_termination": (policy_to_yaml(config.early_termination) or {"type": "none"})["type"],
        "max_total_runs": config.max_total_runs,
    }
    if isinstance(run, ScriptRunConfig) and run.arguments:
        told["arguments"] = json.dumps(list(map(_named, run.arguments)))
    if earlier:
        told["resume_from"] = json.dumps([one.id for one in earlier])
    return told


def _named(argument: Any) -> str:
    return argument.name if isinstance(argument, NamedInput) else str(argument)


def _digest(text: str | bytes) -> str:
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()
