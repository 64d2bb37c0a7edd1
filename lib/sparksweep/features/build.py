"""All feature families of a configuration as one tall DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Literal

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from sparksweep.data import Tables
from sparksweep.errors import ConfigError
from sparksweep.features.activity import activity
from sparksweep.features.apps import app, apps_of_devices, labels
from sparksweep.features.brand_and_model import brand_and_model
from sparksweep.features.event_sets import number_events

__all__ = ["FAMILIES", "Value", "build_features"]

Value = Literal["fraction", "indicator"]

# In the order in which their columns stand in the matrix.
FAMILIES = ("brand_model", "weekday", "hour", "weekday_hour", "app", "label", "category", "word")


def build_features(tables: Tables, families: Mapping[str, Value]) -> DataFrame:
    """Return the features of all devices of ``gender_age_train`` and ``gender_age_test``.

    Parameters
    ----------
    tables : Tables
    families : mapping of family to value
        The families that are on, out of :data:`FAMILIES`. ``"fraction"`` is the share of the device's
        events, ``"indicator"`` is 1 where that share is not 0. ``brand_model`` and ``word`` are always 1.

    Returns
    -------
    DataFrame of (device_id: long, feature: string, value: double)
        One row a device and feature that is not 0. Nothing has been computed yet.

    Raises
    ------
    ConfigError
        If a family or a value is unknown, or no family is on.
    """
    _check(families)
    train, test = tables.gender_age_train, tables.gender_age_test
    devices = train.select("device_id").union(test.select("device_id"))
    events = tables.events.transform(number_events, devices)
    apps = tables.app_events.transform(apps_of_devices, events)

    parts = []
    if "brand_model" in families:
        parts.append(tables.phone_brand_device_model.transform(brand_and_model, devices))
    if chosen := families.keys() & {"weekday", "hour", "weekday_hour"}:
        parts.append(events.transform(activity, chosen))
    if "app" in families:
        parts.append(apps.transform(app))
    if chosen := families.keys() & {"label", "category", "word"}:
        parts.append(apps.transform(labels, tables.app_labels, tables.label_categories, chosen))

    indicators = [family for family, value in families.items() if value == "indicator" or family == "word"]
    is_indicator = F.substring_index("feature", ":", 1).isin(indicators)
    value = F.when(is_indicator, 1.0).otherwise(F.col("value"))
    return reduce(DataFrame.unionByName, parts).select("device_id", "feature", value.alias("value"))


def _check(families: Mapping[str, Value]) -> None:
    if not families:
        raise ConfigError(f"No feature family is on: choose at least one of {', '.join(FAMILIES)}")
    for family, value in families.items():
        if family not in FAMILIES:
            raise ConfigError(f"There is no feature family {family!r}: choose out of {', '.join(FAMILIES)}")
        if value not in ("fraction", "indicator"):
            raise ConfigError(
                f"The value of feature family {family} is {value!r}: it must be 'fraction' or 'indicator'"
            )
