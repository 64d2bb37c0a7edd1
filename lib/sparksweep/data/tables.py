"""The seven tables, as they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from pyspark.sql import DataFrame

from sparksweep.data.parts import Summary

__all__ = ["Tables"]


@dataclass(frozen=True)
class Tables:
    """The seven tables of the competition, with the columns that are used.

    The small ones are on the driver, their rows in the order of the file; ``events`` and ``app_events`` are
    Spark's. ``app_events`` has a row for every run of rows with one ``event_id``, with their ``app_ids`` as
    the bytes of int64 numbers.

    Attributes
    ----------
    files : mapping of table name to str
        The file of each table in the words of the user, for messages.
    summaries : mapping of table name to Summary
        What each file holds, and what became of its rows.
    """

    gender_age_train: pd.DataFrame
    gender_age_test: pd.DataFrame
    phone_brand_device_model: pd.DataFrame
    app_labels: pd.DataFrame
    label_categories: pd.DataFrame
    events: DataFrame
    app_events: DataFrame
    files: Mapping[str, str]
    summaries: Mapping[str, Summary]
