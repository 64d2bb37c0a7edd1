"""The seven tables, as Spark reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import DataFrame

__all__ = ["Tables"]


@dataclass(frozen=True)
class Tables:
    """The seven tables of the competition, nothing of them read yet.

    The columns are those of :data:`~sparksweep.data.schemas.SCHEMAS`. Where the order of the rows means
    something (the two device tables and the phones) a column ``position`` comes before them: it sorts
    the rows as they stand in the file, however Spark splits it.

    Attributes
    ----------
    files : mapping of table name to str
        The file of each table in the words of the user, for messages.
    """

    gender_age_train: DataFrame
    gender_age_test: DataFrame
    phone_brand_device_model: DataFrame
    events: DataFrame
    app_events: DataFrame
    app_labels: DataFrame
    label_categories: DataFrame
    files: Mapping[str, str]
