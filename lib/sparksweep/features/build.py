"""The tables -> a row a device with its features: what Spark joins and shuffles, and the kernel computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparksweep.data import Tables
from sparksweep.features.brand_and_model import brand_and_model
from sparksweep.features.kernel import features_of_devices
from sparksweep.features.places import row_of_device
from sparksweep.features.vocabulary import Value, Vocabulary, read_vocabulary

__all__ = ["Features", "build_features"]

# Rows that a task takes on at once: their arrays and what is made of them take some 200 MB.
_EVENTS_A_TASK = 500_000
_APP_ROWS_A_TASK = 2_000_000

_FOUND = "row int, columns binary, values binary, events int, event_rows int, app_rows int"


@dataclass(frozen=True)
class Features:
    """The features of devices, still in Spark's partitions.

    Attributes
    ----------
    rows : DataFrame
        One row for each place in ``ids``. ``row`` (int) is the place; ``columns`` (binary) the sorted columns
        of the device's features as the bytes of int32 numbers, little-endian as every machine is that Spark
        runs on; ``values`` (binary) their values as the bytes of float32 numbers. Where they were computed
        from the tables, also ``events`` (int), how many distinct events the device has, ``event_rows``, in
        how many rows of ``events``, and ``app_rows``, with how many rows of ``app_events``.
    names : tuple of str
        The feature of each column. Some may not occur.
    ids : int64 array
        The devices.
    """

    rows: DataFrame
    names: tuple[str, ...]
    ids: npt.NDArray[np.int64]


def build_features(tables: Tables, families: Mapping[str, Value], ids: npt.NDArray[np.int64]) -> Features:
    """Return the features of devices.

    Spark brings together all that the tables say of a device: events are joined with the lists of apps by
    event, and shuffled by device. From there on a task has all of some devices, and computes their features
    with NumPy. The number of partitions follows the number of rows.

    Parameters
    ----------
    tables : Tables
        The small ones are read now, and it is found which apps there are; the rest is left to Spark.
    families : mapping of family to value
        The families that are on, out of :data:`~sparksweep.features.FAMILIES`. ``"fraction"`` is the share of
        the device's events, ``"indicator"`` is 1 where that share is not 0. ``brand_model`` and ``word`` are
        always 1.
    ids : int64 array
        The devices. One that stands there twice has two rows.

    Raises
    ------
    ConfigError
        If a family or a value is unknown, or no family is on.
    """
    vocabulary = read_vocabulary(tables, families)
    spark = tables.events.sparkSession
    partitions = _partitions(tables, spark.sparkContext.defaultParallelism)
    devices = row_of_device(spark, ids)
    about = tables.events.transform(_events, devices)
    if families.keys() & {"app", "label", "category", "word"}:
        # A hash table of a share of the lists, rather than a sort of both sides.
        lists = tables.app_events.withColumn("run", F.monotonically_increasing_id())
        lists = lists.repartition(partitions, "event_id").hint("shuffle_hash")
        about = about.repartition(partitions, "event_id").join(lists, on="event_id", how="left")
    else:
        nothing = F.lit(None)
        about = about.withColumns({"run": nothing.cast("bigint"), "app_ids": nothing.cast("binary")})
    about = about.unionByName(devices.select("row"), allowMissingColumns=True).repartition(partitions, "row")
    phones = brand_and_model(tables.phone_brand_device_model, ids, vocabulary)
    compute = _kernel(spark.sparkContext.broadcast((vocabulary, phones)))
    about = about.select("row", "event_id", "hour_of_week", "run", "app_ids")
    return Features(about.mapInArrow(compute, _FOUND), vocabulary.names, ids)


def _events(events: DataFrame, devices: DataFrame) -> DataFrame:
    """Return (row, event_id, hour_of_week) of the events of known devices; Monday 00:00 to 00:59 is 0."""
    return (
        events.join(F.broadcast(devices), on="device_id", how="inner")
        .withColumn("hour_of_week", F.expr("weekday(timestamp) * 24 + hour(timestamp)"))
        .select("row", "event_id", "hour_of_week")
    )


def _kernel(
    known: Broadcast[tuple[Vocabulary, npt.NDArray[np.int32]]],
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def compute(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        about = list(batches)
        if about:
            yield features_of_devices(pa.Table.from_batches(about), *known.value)

    return compute


def _partitions(tables: Tables, slots: int) -> int:
    """Return how many tasks the rows are for, at least one a slot of Spark."""
    events, app_events = (tables.summaries[name].rows for name in ("events", "app_events"))
    return max(slots, math.ceil(events / _EVENTS_A_TASK), math.ceil(app_events / _APP_ROWS_A_TASK))
