"""Sets of a device's events as bits, so that a union of events is ``bit_or`` and a count is ``bit_count``.

A device's distinct events are numbered 0, 1, 2, ... Event ``n`` is the bit ``n % 64`` of the device's
block ``n // 64``. Rows that say "these events of the device had this" carry

==================  ======  ==============================================================
column              type    meaning
==================  ======  ==============================================================
``device_id``       long
``device_events``   int     how many distinct events the device has
``block``           int     which 64 events
``events``          long    which of them, a bit each
==================  ======  ==============================================================

beside what the events had. A repeated row changes nothing, since a set holds an event once. And an
app that the device opens day after day is one short row rather than a row an event, which is what
makes it cheap to go on from apps to labels and from labels to categories.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

__all__ = ["number_events", "share_of_events", "unite_events"]


def number_events(events: DataFrame, devices: DataFrame) -> DataFrame:
    """Give each event of a known device its place among the device's events.

    Parameters
    ----------
    events : DataFrame of (event_id, device_id, timestamp)
        Rows that repeat an event keep its number. Rows without an id and rows of unknown devices drop out.
    devices : DataFrame of (device_id)
        The known devices.

    Returns
    -------
    DataFrame of (device_id, device_events, block, events, event_id, timestamp)
        ``events`` holds the one event.
    """
    by_device = Window.partitionBy("device_id")
    return (
        events.where(F.col("event_id").isNotNull())
        .join(F.broadcast(devices), on="device_id", how="left_semi")
        .withColumn("number", F.dense_rank().over(by_device.orderBy("event_id")) - 1)
        .withColumn("device_events", F.max("number").over(by_device) + 1)
        .select(
            "device_id",
            "device_events",
            F.expr("number div 64").cast("int").alias("block"),
            F.expr("shiftleft(1L, number % 64)").alias("events"),
            "event_id",
            "timestamp",
        )
    )


def unite_events(rows: DataFrame, *keys: str) -> DataFrame:
    """Return one row a device, value of ``keys`` and block: the union of the rows' events."""
    return rows.groupBy("device_id", "device_events", *keys, "block").agg(
        F.expr("bit_or(events)").alias("events")
    )


def share_of_events(rows: DataFrame) -> DataFrame:
    """Return (device_id, feature, value): the share of the device's events that had the feature."""
    return (
        rows.transform(unite_events, "feature")
        .groupBy("device_id", "device_events", "feature")
        .agg(F.expr("sum(bit_count(events))").alias("with_feature"))
        .select("device_id", "feature", (F.col("with_feature") / F.col("device_events")).alias("value"))
    )
