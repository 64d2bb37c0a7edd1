"""What a device runs: its apps, and the labels, categories and category words of its apps.

Each step starts from the sets of events of the step before: events list apps, apps have labels, and a
label has its own name, a category and the category's words.
"""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from sparksweep.features.event_sets import share_of_events, unite_events

__all__ = ["app", "apps_of_devices", "labels"]


def apps_of_devices(app_events: DataFrame, events: DataFrame) -> DataFrame:
    """Return the events of each device that list each app.

    Parameters
    ----------
    app_events : DataFrame of (event_id, app_id)
        An app that an event lists twice counts once, installed or active or not. Unknown events drop out.
    events : DataFrame
        What :func:`~sparksweep.features.event_sets.number_events` gives.

    Returns
    -------
    DataFrame of (device_id, device_events, app_id, block, events)
        Partitioned by device: what follows needs no other shuffle, and shares this one.
    """
    return (
        app_events.select("event_id", "app_id")
        .where(F.col("app_id").isNotNull())
        .join(events.drop("timestamp"), on="event_id", how="inner")
        .transform(unite_events, "app_id")
        .repartition("device_id")
    )


def app(apps: DataFrame) -> DataFrame:
    """Return (device_id, feature, value): ``app:-123`` is the share of the events that list the app."""
    return apps.withColumn("feature", F.concat(F.lit("app:"), "app_id")).transform(share_of_events)


def labels(
    apps: DataFrame, app_labels: DataFrame, label_categories: DataFrame, families: Collection[str]
) -> DataFrame:
    """Return the share of a device's events that list an app with a label, with a category, with a word.

    Parameters
    ----------
    apps : DataFrame
        What :func:`apps_of_devices` gives.
    app_labels : DataFrame of (app_id, label_id)
    label_categories : DataFrame of (label_id, category)
        A label that it does not know has no category. Labels whose categories are the same after
        cleaning are one category.
    families : collection of str
        Which of them: ``label`` (``label:251``), ``category`` (``category:game art``) and ``word``
        (``word:game``, where one of the categories has the word).

    Returns
    -------
    DataFrame of (device_id, feature, value)
    """
    known = app_labels.where(F.col("label_id").isNotNull())
    own = [F.array(F.concat(F.lit("label:"), "label_id"))] if "label" in families else []
    none = F.array().cast("array<string>")
    names = F.concat(none, *own, F.coalesce("names", none))
    return (
        apps.join(F.broadcast(known), on="app_id", how="inner")
        .transform(unite_events, "label_id")
        .join(F.broadcast(_names(label_categories, families)), on="label_id", how="left")
        .withColumn("feature", F.explode(names))
        .transform(share_of_events)
    )


def _names(label_categories: DataFrame, families: Collection[str]) -> DataFrame:
    """Return (label_id, names): the features that an app has by the categories of a label."""
    category = F.array(F.concat(F.lit("category:"), "category"))
    words = F.transform(F.split("category", " "), lambda word: F.concat(F.lit("word:"), word))
    chosen = [names for family, names in (("category", category), ("word", words)) if family in families]
    return (
        label_categories.select("label_id", _cleaned("category").alias("category"))
        .select("label_id", F.explode(F.concat(F.array().cast("array<string>"), *chosen)).alias("name"))
        .groupBy("label_id")
        .agg(F.collect_set("name").alias("names"))
    )


def _cleaned(category: str) -> Column:
    """Return a category name in lower case, ``game-`` as ``game ``, each of ``( ) _ /`` as a space.

    Then spaces at the ends go and several in a row become one. Where nothing is left, it is ``missing``.
    """
    spaced = F.translate(F.regexp_replace(F.lower(category), "game-", "game "), "()_/", "    ")
    name = F.trim(F.regexp_replace(spaced, r"\s+", " "))
    return F.when(F.length(name) > 0, name).otherwise("missing")
