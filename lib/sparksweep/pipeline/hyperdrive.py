"""A HyperDrive job: a sweep in the YAML of Azure ML v2 -> child runs -> the sweep's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from xgboost import XGBClassifier, XGBRegressor

from sparksweep.config import JobConfig, SweepOptions, load_config, parse_sweep_options
from sparksweep.errors import ConfigError, SparksweepError
from sparksweep.hyperdrive.driver.children import EVENTS, Event
from sparksweep.hyperdrive.driver.results import SweepResults
from sparksweep.hyperdrive.execution import execute, prepare
from sparksweep.hyperdrive.run_config import EstimatorRunConfig
from sparksweep.hyperdrive.sweep_yaml import SweepYaml
from sparksweep.pipeline.command import exit_code, open_spark, say
from sparksweep.pipeline.examples import Examples, find_examples
from sparksweep.pipeline.run_history import open_history
from sparksweep.report.run_folder import Predictions, write_for_scoring, write_latest
from sparksweep.search.runs import RunChooser
from sparksweep.storage import Store, open_store

__all__ = ["hyperdrive", "run_hyperdrive"]


def run_hyperdrive(description: str, default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a HyperDrive job from its command line and return the exit code, see :func:`exit_code`."""

    def work() -> None:
        options = parse_sweep_options(description, default_config, arguments)
        try:
            asked = SweepYaml(options.values, options.path.parent)
            job = None if asked.estimator_job is None else load_config(asked.estimator_job)
        except SparksweepError as error:
            raise type(error)(f"{options.path}: {error}") from None
        uris = (options.config.output, *_uris(options.values), *(() if job is None else job.uris))
        with open_spark(options.config.spark, uris) as spark:
            hyperdrive(asked, job, options, spark)

    return exit_code(work)


def hyperdrive(
    asked: SweepYaml, job: JobConfig | None, options: SweepOptions, spark: SparkSession
) -> SweepResults:
    """Run the sweep of a file, and return what it came to.

    A sweep that was interrupted goes on where it stopped.

    Parameters
    ----------
    asked : SweepYaml
    job : JobConfig or None
        What a trial cross-validates; None where the trial is a command.
    options : SweepOptions
    spark : SparkSession

    Raises
    ------
    SparksweepError
        If something is missing or cannot be used; or if there is no best run.
    """
    if asked.unused:
        say(f"Not used on Spark: {', '.join(asked.unused)}")
    output = open_store(options.config.output, spark=spark)
    output.check_writable()
    try:
        run_config, examples = None, None
        if job is not None:
            examples = find_examples(job, spark)
            say(examples.words)
            run_config = _estimator(asked, job, examples)
        prepared = prepare(asked.config(run_config), spark, output)
    except ConfigError as error:
        raise ConfigError(f"{options.path}: {error}") from None

    def finish(store: Store, model: Any) -> dict[str, Any]:
        return {} if examples is None else _keep_for_scoring(examples, store, model)

    with (
        open_history(options.config.history) as history,
        RunChooser(
            output, fresh=options.fresh, resume=options.resume, say=say, codec=EVENTS, told=_told
        ) as runs,
    ):
        results = execute(
            prepared,
            spark,
            output,
            runs,
            experiment=asked.experiment,
            history=history,
            progress=True,
            finish=finish,
        )
    folder = output.child(results.sweep_id)
    say(f"{results.summary()}\n\nThe run's folder: {folder.uri}")
    if results.best is None:
        # Only scripts have logs.
        told = "children/0/user_logs/std_log.txt" if job is None else "results.csv, column error"
        raise ConfigError(
            f"no run has logged the metric {results.primary!r} without failing: look at {folder.uri}/{told}"
        )
    write_latest(output, results.sweep_id)
    return results


def _estimator(asked: SweepYaml, job: JobConfig, examples: Examples) -> EstimatorRunConfig:
    """Return what a trial cross-validates: data, folds, metric and fixed parameters of a sweep job's file."""
    estimator = XGBClassifier if examples.classes else XGBRegressor
    threads = job.search.threads
    return EstimatorRunConfig(
        estimator(**job.search.parameters),
        examples.X,
        examples.y,
        cv=job.search.folds,
        scoring=job.metric,
        interval=asked.interval,
        threads=threads if isinstance(threads, int) else None,
        refit=asked.refit,
    )


def _keep_for_scoring(examples: Examples, store: Store, model: Any) -> dict[str, Any]:
    """Write what ``jobs/score.py`` needs, and the predictions, and return what ``best.json`` says of them."""
    predictions = None
    if examples.new is not None:
        ids, X = examples.new
        predictions = Predictions(ids, model.predict_proba(X))
    names, classes = examples.feature_names, examples.classes
    write_for_scoring(store, model, names, classes, predictions, examples.data_report)
    families = {} if examples.families is None else {"families": examples.families}
    return {"classes": classes, **families, **examples.scale}


def _told(events: Mapping[str, Event]) -> str:
    ended = sum(event["kind"] == "end" for event in events.values())
    return f"{ended:,} runs have ended already"


def _uris(values: Mapping[str, Any]) -> list[str]:
    inputs = values.get("inputs")
    given = inputs.values() if isinstance(inputs, Mapping) else ()
    return [str(one["path"]) for one in given if isinstance(one, Mapping) and "path" in one]
