"""Joins the rooms for the jobs: files -> features -> search -> the run's folder. It alone knows them all."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession
from sklearn.preprocessing import LabelEncoder
from xgboost import XGBClassifier

from sparksweep.config import JobConfig, SearchConfig, parse_options
from sparksweep.data import explain_malformed, find_tables, read_devices, read_tables
from sparksweep.data.synthetic import write_dataset
from sparksweep.errors import ConfigError, DataError, SparksweepError, StorageError
from sparksweep.features import FeatureMatrix, build_features, to_matrix
from sparksweep.report.run_folder import Predictions, Results, write_latest, write_run
from sparksweep.report.runs import RunChooser
from sparksweep.report.table import screen_table
from sparksweep.search import AllFitsFailedError, GridSearchCV
from sparksweep.session import open_session
from sparksweep.storage import (
    BlobStore,
    LocalStore,
    Store,
    fetch,
    hadoop_configuration,
    hosts_without,
    open_store,
    stage,
)

__all__ = ["run_job", "sweep"]


def run_job(description: str, default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Run a sweep job from its command line and return the exit code.

    0 after a complete run; 2 after an error that names its remedy, which is printed in one sentence;
    128 and the number of the signal after Ctrl-C and SIGTERM, as in a shell.
    """
    try:
        options = parse_options(description, default_config, arguments)
        config = options.config
        # Spark gets keys only where it reads or writes Azure itself.
        is_azure = any(uri.startswith(("abfs", "wasb")) for uri in config.uris)
        with (
            open_session(
                "sparksweep",
                master=config.spark.master,
                conf=config.spark.conf,
                hadoop_conf=hadoop_configuration(os.environ, config.uris) if is_azure else {},
                azure=is_azure,
            ) as spark,
            _terminable(),
        ):
            sweep(config, spark, fresh=options.fresh, resume=options.resume)
    except SparksweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("Run the same command again to go on.\n")
        return 128 + (signal.SIGTERM if isinstance(interrupt, _Terminated) else signal.SIGINT)
    return 0


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which is to end a sweep as Ctrl-C does."""


@contextmanager
def _terminable() -> Iterator[None]:
    def terminate(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
        matrix = _features(config, spark)
    scale = {
        "train_devices": matrix.X_train.shape[0],
        "test_devices": matrix.X_test.shape[0],
        "features": len(matrix.feature_names),
        "values": matrix.X_train.nnz,
    }
    _say(
        f"{scale['train_devices']:,} training and {scale['test_devices']:,} test devices, "
        f"{scale['features']:,} features, {scale['values']:,} values in {seconds.spent['features']:.1f} s"
    )
    with RunChooser(output, fresh=fresh, resume=resume, say=_say) as run:
        with seconds.of("search"):
            search, classes = _search(config.search, matrix, spark, run)
        with seconds.of("predictions"):
            predictions = Predictions(matrix.devices.test_ids, search.predict_proba(matrix.X_test))
        results = Results(
            search, config.search.metric, classes, matrix.feature_names, scale, seconds.spent, predictions
        )
        folder = output.child(run.run_id)
        write_run(folder, run.run_id, results)
        write_latest(output, run.run_id)
    _say(_summary(results))
    _say(f"\nThe run's folder: {folder.uri}")
    return folder.uri


def _features(config: JobConfig, spark: SparkSession) -> FeatureMatrix:
    store = open_store(config.input, spark=spark)
    if config.synthetic is not None and isinstance(store, LocalStore) and not store.list():
        _say(f"Writing a synthetic dataset of scale {config.synthetic.scale:g} to {store.uri}")
        write_dataset(store.root, scale=config.synthetic.scale, seed=config.synthetic.seed)
    store, cache = _where_executors_see(store, config, spark)
    tables = read_tables(spark, store, cache=cache)
    devices = read_devices(tables)
    _check_classes(devices.groups, config.search.folds, tables.files["gender_age_train"])
    with explain_malformed(tables):
        return to_matrix(build_features(tables, config.features.families), devices)


def _where_executors_see(store: Store, config: JobConfig, spark: SparkSession) -> tuple[Store, str]:
    """Return a store that Spark reads from every host, and where zips may be unpacked for all of them."""
    files = [table.file.name for table in find_tables(store)]
    if isinstance(store, BlobStore):
        store = fetch(store, files, f"{config.cache}/blobs")
    if config.staging is not None:
        shared = open_store(config.staging, spark=spark)
        return (stage(store, files, shared) if isinstance(store, LocalStore) else store), config.staging
    needed = [store.path(name) for name in files] if isinstance(store, LocalStore) else []
    if any(name.endswith(".zip") for name in files) and "://" not in config.cache:
        cache = LocalStore(Path(config.cache))
        cache.write("seen-by-executors", b"Whether all executors see this folder.\n")
        needed.append(cache.path("seen-by-executors"))
    blind = hosts_without(spark, needed)
    if blind:
        raise StorageError(
            f"{store.uri} or the cache {config.cache} is a folder of the driver, and the executors on "
            f"{', '.join(blind)} do not see it: set staging to a URI that all hosts share, such as "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER"
        )
    return store, config.cache


def _check_classes(groups: npt.NDArray[np.str_], folds: int, file: str) -> None:
    classes, counts = np.unique(groups, return_counts=True)
    smallest = counts.argmin()
    if counts[smallest] < folds:
        raise DataError(
            f"{file}: group {classes[smallest]!r} has {counts[smallest]} devices, fewer than "
            f"search.folds={folds}: lower search.folds or add devices"
        )
    if len(classes) < 2:
        raise DataError(f"{file}: all devices are of the group {classes[0]!r}: there is nothing to learn")


def _search(
    config: SearchConfig, matrix: FeatureMatrix, spark: SparkSession, run: RunChooser
) -> tuple[GridSearchCV, tuple[str, ...]]:
    encoder = LabelEncoder()
    y = encoder.fit_transform(matrix.devices.groups)
    search = GridSearchCV(
        XGBClassifier(**config.parameters),
        config.grid,
        sc=spark.sparkContext,
        scoring=config.metric,
        cv=config.folds,
        n_jobs=config.n_jobs,
        threads=config.threads,
        journal=run,
        refit_on=config.refit_on,
        progress=True,
    )
    try:
        search.fit(matrix.X_train, y)
    except AllFitsFailedError as error:
        run.discard()
        raise ConfigError(
            f"every fit failed, the first with {error.error!r}: mend search.parameters or search.grid"
        ) from None
    if np.isnan(search.best_score_):
        run.discard()
        raise ConfigError(
            f"search.metric={config.metric} gives no score for {len(encoder.classes_)} classes: "
            "choose another metric"
        )
    return search, tuple(map(str, encoder.classes_))


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


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
