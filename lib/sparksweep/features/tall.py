"""Features as a tall table in Parquet, for other users and for sweeps that need not compute them again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast, StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scipy import sparse

from sparksweep.errors import ConfigError, StorageError
from sparksweep.features.build import Features
from sparksweep.features.kernel import as_bytes
from sparksweep.features.places import column_of_feature, row_of_device
from sparksweep.features.rows import to_csr
from sparksweep.features.vocabulary import Value
from sparksweep.storage import Store

__all__ = ["read_features", "write_features"]

_TABLE = "features.parquet"
# Names the families and all features. Written last: its presence says that the table is complete.
_TOLD = "features.json"

_DEVICES_A_TASK = 12_000

_Batches = Iterable[pa.RecordBatch]
_Task = Callable[[_Batches], Iterator[pa.RecordBatch]]


def write_features(features: Features, families: Mapping[str, Value], folder: Store) -> Features:
    """Write features as Parquet: ``device_id``, ``feature``, ``value``, a row for each that is not 0.

    Parameters
    ----------
    features : Features
        A device that stands there twice is written once.
    families : mapping of family to value
        What the features are.
    folder : Store
        A folder that Spark can write to and that holds no features yet.

    Returns
    -------
    Features
        The same, computed and kept on Spark's disks, so that nobody computes them again.

    Raises
    ------
    StorageError
        If the folder holds features, or cannot be written.
    """
    if folder.exists(_TOLD):
        raise StorageError(
            f"{folder.uri} holds features already: name another folder in features.write, or take these by "
            "features.read"
        )
    folder.check_writable()
    rows = features.rows.persist(StorageLevel.DISK_ONLY)
    known = rows.sparkSession.sparkContext.broadcast((features.ids, features.names))
    table = rows.select("row", "columns", "values").mapInArrow(
        _to_tall(known), "device_id bigint, feature string, value float"
    )
    table.write.mode("overwrite").option("compression", "zstd").parquet(folder.url(_TABLE))
    told = {"families": dict(families), "features": features.names}
    folder.write(_TOLD, json.dumps(told, ensure_ascii=False).encode())
    return Features(rows, features.names, features.ids)


def _to_tall(known: Broadcast[tuple[npt.NDArray[np.int64], tuple[str, ...]]]) -> _Task:
    def task(batches: _Batches) -> Iterator[pa.RecordBatch]:
        ids, names = known.value
        is_first = np.zeros(len(ids), np.bool_)
        is_first[np.unique(ids, return_index=True)[1]] = True
        texts = pa.array(names, pa.string())
        for batch in batches:
            chosen = batch.filter(pa.array(is_first[batch.column("row").to_numpy()]))
            X = to_csr(chosen.column("columns").to_pylist(), chosen.column("values").to_pylist(), len(names))
            of_row = np.repeat(ids[chosen.column("row").to_numpy()], np.diff(X.indptr))
            columns = [pa.array(of_row), texts.take(pa.array(X.indices)), pa.array(X.data)]
            yield pa.RecordBatch.from_arrays(columns, names=["device_id", "feature", "value"])

    return task


def read_features(
    spark: SparkSession, folder: Store, families: Mapping[str, Value], ids: npt.NDArray[np.int64]
) -> Features:
    """Return features that :func:`write_features` has written.

    Parameters
    ----------
    spark : SparkSession
    folder : Store
    families : mapping of family to value
        What the features must be.
    ids : int64 array
        The devices. One that the table does not have has no features.

    Raises
    ------
    StorageError
        If the folder holds no complete features.
    ConfigError
        If the features are of other families, or have other values.
    """
    if not folder.exists(_TOLD):
        raise StorageError(
            f"{folder.uri} holds no complete features: name a folder that features.write has filled"
        )
    told = json.loads(folder.read(_TOLD))
    if told["families"] != dict(families):
        raise ConfigError(
            f"{folder.uri} holds the features {_shown(told['families'])} and the configuration asks for "
            f"{_shown(families)}: make the two agree"
        )
    names: Sequence[str] = told["features"]
    devices = row_of_device(spark, ids)
    partitions = max(spark.sparkContext.defaultParallelism, math.ceil(len(ids) / _DEVICES_A_TASK))
    values = (
        spark.read.schema("device_id bigint, feature string, value float")
        .parquet(folder.url(_TABLE))
        .join(F.broadcast(devices), on="device_id", how="inner")
        .join(F.broadcast(column_of_feature(spark, names)), on="feature", how="inner")
        .select("row", "column", "value")
        .unionByName(devices.select("row"), allowMissingColumns=True)
        .repartition(partitions, "row")
    )
    rows = values.mapInArrow(_to_rows(len(names)), "row int, columns binary, values binary")
    return Features(rows, tuple(names), ids)


def _to_rows(n_features: int) -> _Task:
    def task(batches: _Batches) -> Iterator[pa.RecordBatch]:
        table = pa.Table.from_batches(list(batches), _TRIPLES)
        rows, place = np.unique(table["row"].to_numpy(), return_inverse=True)
        has_value = table["column"].is_valid()
        columns, values = (table[name].filter(has_value).to_numpy() for name in ("column", "value"))
        places = place[has_value.to_numpy()], columns
        X = sparse.csr_matrix((values, places), shape=(len(rows), n_features))
        X.sort_indices()
        bytes_of = as_bytes(X.indptr, X.indices.astype(np.int32)), as_bytes(X.indptr, X.data)
        yield pa.RecordBatch.from_arrays([pa.array(rows), *bytes_of], names=["row", "columns", "values"])

    return task


_TRIPLES = pa.schema([("row", pa.int32()), ("column", pa.int32()), ("value", pa.float32())])


def _shown(families: Mapping[str, str]) -> str:
    return ", ".join(f"{family} ({value})" for family, value in families.items())
