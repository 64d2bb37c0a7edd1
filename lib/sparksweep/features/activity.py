"""When a device is active: the weekdays, the hours, and the hours of the week of its events, in UTC."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparksweep.features.event_sets import share_of_events, unite_events

__all__ = ["activity"]


def activity(events: DataFrame, families: Collection[str]) -> DataFrame:
    """Return the share of a device's events in each hour of the week, each hour of the day, each weekday.

    Parameters
    ----------
    events : DataFrame
        What :func:`~sparksweep.features.event_sets.number_events` gives. An event without a timestamp
        counts among the device's events and falls into no hour.
    families : collection of str
        Which of them: ``weekday`` (``weekday:0`` is Monday), ``hour`` (``hour:13`` is 13:00 to 13:59) and
        ``weekday_hour`` (``weekday_hour:0-13``).

    Returns
    -------
    DataFrame of (device_id, feature, value)
    """
    names = {
        "weekday": F.concat(F.lit("weekday:"), "weekday"),
        "hour": F.concat(F.lit("hour:"), "hour"),
        "weekday_hour": F.concat(F.lit("weekday_hour:"), "weekday", F.lit("-"), "hour"),
    }
    feature = F.explode(F.array(*(name for family, name in names.items() if family in families)))
    return (
        events.where(F.col("timestamp").isNotNull())
        .withColumn("weekday", F.expr("weekday(timestamp)"))
        .withColumn("hour", F.hour("timestamp"))
        .transform(unite_events, "weekday", "hour")
        .withColumn("feature", feature)
        .transform(share_of_events)
    )
