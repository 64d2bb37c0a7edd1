"""What a sweep learns from: the features of the competition's devices, or a table of the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pyspark.sql import SparkSession
from scipy.sparse import csr_matrix
from sklearn.preprocessing import LabelEncoder

from sparksweep.config import DataConfig, JobConfig
from sparksweep.data import read_devices, read_examples
from sparksweep.data.synthetic import write_dataset
from sparksweep.errors import DataError
from sparksweep.features import build_features, read_features, to_matrix, unused_tables, write_features
from sparksweep.pipeline.command import say
from sparksweep.pipeline.data_report import data_report
from sparksweep.pipeline.tables import open_tables
from sparksweep.storage import LocalStore, open_store

__all__ = ["Examples", "find_examples"]


def find_examples(config: JobConfig, spark: SparkSession) -> Examples:
    """Read, or compute, what a configuration asks to learn from.

    Raises
    ------
    SparksweepError
        If the input cannot be used.
    """
    return _of_devices(config, spark) if config.data is None else _of_own(config, config.data, spark)


@dataclass(frozen=True)
class Examples:
    """What a sweep learns from, and whom it predicts.

    ``y`` holds the places of ``classes``, or numbers where there are none. ``new`` is the ids and X of what
    the best estimator is to predict. ``words`` say what there is, and ``scale`` counts it. ``families`` are
    those of the features of devices, each with its value; ``data_report`` is the text of a CSV that
    says what became of the rows of their files.
    """

    X: Any
    y: npt.NDArray[Any]
    classes: tuple[str, ...]
    feature_names: tuple[str, ...]
    words: str
    scale: dict[str, int]
    new: tuple[npt.NDArray[np.int64], Any] | None = None
    families: dict[str, str] | None = None
    data_report: str | None = None


def _of_own(config: JobConfig, own: DataConfig, spark: SparkSession) -> Examples:
    """Read a table or matrix of the user's own."""
    read = read_examples(
        own.path,
        label=own.label,
        features=own.features,
        ignored=own.ignored,
        spark=spark,
        cache=config.cache,
    )
    y: npt.NDArray[Any] = read.labels
    classes: tuple[str, ...] = ()
    if own.task == "classification":
        y, classes = _encode(read.labels, config.search.folds, own.path, "rows")
    elif not np.issubdtype(y.dtype, np.number) or not np.isfinite(y).all():
        raise DataError(
            f"{own.path}: the labels are not all numbers: mend them, or set data.task: classification"
        )
    rows, columns = read.X.shape
    values = int(read.X.nnz) if isinstance(read.X, csr_matrix) else read.X.size
    return Examples(
        read.X,
        y,
        classes,
        read.feature_names,
        f"{rows:,} rows, {columns:,} features, {values:,} values",
        {"rows": rows, "features": columns, "values": values},
    )


def _of_devices(config: JobConfig, spark: SparkSession) -> Examples:
    """Compute the features of the competition's devices."""
    store = open_store(cast("str", config.input), spark=spark)  # there is one where there are no own data
    if config.synthetic is not None and isinstance(store, LocalStore) and not store.list():
        say(f"Writing a synthetic dataset of scale {config.synthetic.scale:g} to {store.uri}")
        write_dataset(store.root, scale=config.synthetic.scale, seed=config.synthetic.seed)
    families = config.features.families
    without = unused_tables(families if config.features.read is None else ())
    tables = open_tables(store, spark, config, without=without)
    devices = read_devices(tables)
    y, classes = _encode(devices.groups, config.search.folds, tables.files["gender_age_train"], "devices")
    if config.features.read is not None:
        place = open_store(config.features.read, spark=spark)
        features = read_features(spark, place, families, devices.ids)
    else:
        features = build_features(tables, families, devices.ids)
    if config.features.write is not None:
        features = write_features(features, families, open_store(config.features.write, spark=spark))
    matrix = to_matrix(features, devices)
    features.rows.unpersist()
    (train, columns), test = matrix.X_train.shape, matrix.X_test.shape[0]
    values = int(matrix.X_train.nnz)
    return Examples(
        matrix.X_train,
        y,
        classes,
        matrix.feature_names,
        f"{train:,} training and {test:,} test devices, {columns:,} features, {values:,} values",
        {"train_devices": train, "test_devices": test, "features": columns, "values": values},
        (devices.test_ids, matrix.X_test),
        dict(families),
        data_report(tables, devices, matrix),
    )


def _encode(
    labels: npt.NDArray[Any], folds: int, file: str, what: str
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Return the place of each label among the classes, and the classes."""
    if np.issubdtype(labels.dtype, np.floating):
        if not np.isfinite(labels).all():
            raise DataError(f"{file}: some labels are missing or infinite: leave these {what} out")
        if not (labels == np.round(labels)).all():
            raise DataError(
                f"{file}: the labels have fractions, so they are no classes: set data.task: regression"
            )
        labels = labels.astype(np.int64)
    encoder = LabelEncoder()
    y = encoder.fit_transform(labels)
    classes, counts = encoder.classes_, np.bincount(y)
    smallest = counts.argmin()
    if counts[smallest] < folds:
        raise DataError(
            f"{file}: the class {str(classes[smallest])!r} has {counts[smallest]} {what}, fewer than "
            f"search.folds={folds}: lower search.folds or add {what}"
        )
    if len(classes) < 2:
        raise DataError(f"{file}: all {what} are of the class {str(classes[0])!r}: there is nothing to learn")
    return y, tuple(map(str, classes))
