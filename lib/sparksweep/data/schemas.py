"""The seven tables of the TalkingData competition, column by column, as Kaggle publishes them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pyspark.sql.types import (
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

__all__ = ["SCHEMAS", "TIMESTAMP_FORMAT"]

# How `events.csv` writes a time, in Spark's pattern letters. The clock is UTC.
TIMESTAMP_FORMAT = "yyyy-MM-dd HH:mm:ss"


def _table(**columns: DataType) -> StructType:
    return StructType([StructField(name, kind) for name, kind in columns.items()])


SCHEMAS: Mapping[str, StructType] = MappingProxyType(
    {
        "gender_age_train": _table(
            device_id=LongType(), gender=StringType(), age=IntegerType(), group=StringType()
        ),
        "gender_age_test": _table(device_id=LongType()),
        "phone_brand_device_model": _table(
            device_id=LongType(), phone_brand=StringType(), device_model=StringType()
        ),
        "events": _table(
            event_id=LongType(),
            device_id=LongType(),
            timestamp=TimestampType(),
            longitude=DoubleType(),
            latitude=DoubleType(),
        ),
        "app_events": _table(
            event_id=LongType(), app_id=LongType(), is_installed=IntegerType(), is_active=IntegerType()
        ),
        "app_labels": _table(app_id=LongType(), label_id=LongType()),
        "label_categories": _table(label_id=LongType(), category=StringType()),
    }
)
