"""A sweep: files -> features -> search -> the run's folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession
from xgboost import XGBClassifier, XGBRegressor

from sparksweep.config import JobConfig, parse_options
from sparksweep.errors import ConfigError
from sparksweep.pipeline.command import exit_code, open_spark, say
from sparksweep.pipeline.examples import Examples, find_examples
from sparksweep.pipeline.run_history import open_history, record_search
from sparksweep.report.run_folder import Predictions, Results, write_latest, write_run
from sparksweep.report.table import screen_table
from sparksweep.search import AllFitsFailedError, GridSearchCV
from sparksweep.search.runs import RunChooser
from sparksweep.storage import open_store

__all__ = ["run_job", "sweep"]


def run_job(description: str, default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a sweep job from its command line and return the exit code, see :func:`exit_code`."""

    def work() -> None:
        options = parse_options(description, default_config, arguments)
        config = options.config
        with open_spark(config.spark, config.uris) as spark:
            sweep(config, spark, fresh=options.fresh, resume=options.resume)

    return exit_code(work)


def sweep(config: JobConfig, spark: SparkSession, *, fresh: bool = False, resume: str | None = None) -> str:
    """Do everything that a configuration asks for, and return the URI of the run's folder.

    A run that was interrupted goes on where it stopped: the newest one with the same data and search,
    unless ``fresh`` asks for a new one or ``resume`` names one.

    Raises
    ------
    SparksweepError
        If input, output or a parameter cannot be used. Nothing is left half-written then.
    """
    seconds = _Seconds()
    output = open_store(config.output, spark=spark)
    output.check_writable()
    with seconds.of("features"):
        examples = find_examples(config, spark)
    say(f"{examples.words} in {seconds.spent['features']:.1f} s")
    with RunChooser(output, fresh=fresh, resume=resume, say=say) as run:
        with seconds.of("search"):
            search = _search(config, examples, spark, run)
        predictions = None
        if examples.new is not None:
            with seconds.of("predictions"):
                ids, X = examples.new
                predictions = Predictions(ids, search.predict_proba(X))
        results = Results(
            search,
            config.metric,
            examples.classes,
            examples.feature_names,
            examples.scale,
            seconds.spent,
            predictions,
            examples.families,
            examples.data_report,
        )
        folder = output.child(run.run_id)
        write_run(folder, run.run_id, results)
        write_latest(output, run.run_id)
    say(_summary(results))
    say(f"\nThe run's folder: {folder.uri}")
    with open_history(config.history) as history:  # when all is told: MLflow takes some seconds
        if history is not None:
            record_search(history, run.run_id, results, folder, config.search.parameters)
    return folder.uri


def _search(config: JobConfig, examples: Examples, spark: SparkSession, run: RunChooser) -> GridSearchCV:
    asked = config.search
    estimator = XGBClassifier if examples.classes else XGBRegressor
    search = GridSearchCV(
        estimator(**asked.parameters),
        asked.grid,
        sc=spark.sparkContext,
        scoring=config.metric,
        cv=asked.folds,
        n_jobs=asked.n_jobs,
        threads=asked.threads,
        journal=run,
        refit_on=asked.refit_on,
        progress=True,
    )
    try:
        search.fit(examples.X, examples.y)
    except AllFitsFailedError as error:
        run.discard()
        raise ConfigError(
            f"every fit failed, the first with {error.error!r}: mend search.parameters or search.grid"
        ) from None
    if np.isnan(search.best_score_):
        run.discard()
        kind = f"{len(examples.classes)} classes" if examples.classes else "a regression"
        raise ConfigError(f"search.metric={config.metric} gives no score for {kind}: choose another metric")
    return search


def _summary(results: Results) -> str:
    return (
        f"\n{results.candidates} candidates, {results.fits} fits, {results.seconds['search']:.1f} s; "
        f"metric {results.metric}\n\n{screen_table(results.table)}"
    )


@dataclass
class _Seconds:
    """The wall time of each step."""

    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.spent[step] = time.perf_counter() - start
