"""A run's model on new devices: files -> features with the run's columns -> probabilities."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyspark import Broadcast, StorageLevel
from pyspark.sql import DataFrame, SparkSession
from xgboost import XGBClassifier

from sparksweep.config import ScoreConfig, parse_score_options
from sparksweep.data import read_test_ids, to_pandas
from sparksweep.errors import ConfigError, StorageError
from sparksweep.features import build_features, occurring_columns, to_csr, unused_tables, with_columns
from sparksweep.pipeline.command import exit_code, open_spark, say
from sparksweep.pipeline.tables import open_tables
from sparksweep.report.run_folder import Predictions
from sparksweep.storage import Store, open_file, open_store

__all__ = ["run_score", "score"]


def run_score(description: str, default_config: Path, arguments: Sequence[str] | None = None) -> int:
    """Score devices from the command line and return the exit code, see :func:`exit_code`."""

    def work() -> None:
        config = parse_score_options(description, default_config, arguments)
        with open_spark(config.spark, config.uris) as spark:
            score(config, spark)

    return exit_code(work)


def score(config: ScoreConfig, spark: SparkSession) -> str:
    """Write what a run's model says of devices, and return the file's URI.

    The file has ``device_id`` and a probability a class, and the devices in the order of
    ``gender_age_test``. Features that the run did not have drop out, and are counted.

    Raises
    ------
    SparksweepError
        If the run, the input or the output cannot be used. Nothing is left half-written then.
    """
    start = time.perf_counter()
    output, name = open_file(config.output, spark=spark)
    output.check_writable()
    run = _Run(_run_folder(config.run, spark))
    store = open_store(config.devices, spark=spark)
    without = ("gender_age_train", *unused_tables(run.families))
    tables = open_tables(store, spark, config, without=without)
    ids = read_test_ids(tables)
    features = build_features(tables, run.families, ids)
    rows = features.rows.select("row", "columns", "values").persist(StorageLevel.DISK_ONLY)
    try:
        columns = run.columns_of(features.names)
        probabilities = _predict(rows, columns, run, spark)
        unknown = int((columns[occurring_columns(rows)] < 0).sum())
    finally:
        rows.unpersist()
    output.write(name, Predictions(ids, probabilities).to_csv(run.classes).encode())
    say(
        f"{len(ids):,} devices, {unknown:,} features that the run does not know, "
        f"{time.perf_counter() - start:.1f} s\n\n{config.output}"
    )
    return config.output


class _Run:
    """What scoring needs of a complete run's folder. Nothing of it is unpickled."""

    def __init__(self, folder: Store) -> None:
        best = json.loads(folder.read("best.json"))
        if "families" not in best:
            raise ConfigError(
                f"{folder.uri}: this run did not learn from features of devices: name a run that did"
            )
        self.families = best["families"]
        self.classes = tuple(best["classes"])
        names = pd.read_csv(io.BytesIO(folder.read("feature_names.csv")), keep_default_na=False)
        self.feature_names = tuple(names["feature"].astype(str))
        self.model = folder.read("model.ubj")

    def columns_of(self, names: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the run's column of each feature, -1 where it has none."""
        columns: npt.NDArray[np.int32] = pd.Index(self.feature_names).get_indexer(names).astype(np.int32)
        return columns


def _run_folder(uri: str, spark: SparkSession) -> Store:
    """Return a run's folder: the one that is named, or the newest complete one in a folder of runs."""
    store = open_store(uri, spark=spark)
    if not store.exists("best.json") and store.exists("latest.txt"):
        store = store.child(store.read("latest.txt").decode().strip())
    if not store.exists("best.json"):
        raise StorageError(
            f"{store.uri} is no complete run: name a folder that holds best.json, or the folder of all runs"
        )
    return store


def _predict(
    rows: DataFrame, columns: npt.NDArray[np.int32], run: _Run, spark: SparkSession
) -> npt.NDArray[np.float32]:
    """Predict in Spark's partitions, and bring the probabilities to the driver in the order of the rows."""
    threads = int(spark.sparkContext.getConf().get("spark.task.cpus") or 1)
    known = spark.sparkContext.broadcast((run.model, columns))
    classes = [f"p{number}" for number in range(len(run.classes))]
    schema = ", ".join(["row int", *(f"{name} float" for name in classes)])
    predict = _predictor(known, len(run.feature_names), threads)
    found = to_pandas(rows.mapInArrow(predict, schema)).sort_values("row")
    known.destroy()
    probabilities: npt.NDArray[np.float32] = found[classes].to_numpy(np.float32)
    return probabilities


def _predictor(
    known: Broadcast[tuple[bytes, npt.NDArray[np.int32]]], n_features: int, threads: int
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def predict(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        content, places = known.value
        model = XGBClassifier(n_jobs=threads)
        model.load_model(bytearray(content))
        for batch in batches:
            if batch.num_rows == 0:
                continue
            X = to_csr(batch.column("columns").to_pylist(), batch.column("values").to_pylist(), len(places))
            found = model.predict_proba(with_columns(X, places, n_features)).T
            columns = [batch.column("row"), *(pa.array(np.ascontiguousarray(column)) for column in found)]
            names = ["row", *(f"p{number}" for number in range(len(found)))]
            yield pa.RecordBatch.from_arrays(columns, names=names)

    return predict
