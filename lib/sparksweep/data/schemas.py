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

__all__ = ["LARGE", "REQUIRED", "SCHEMAS", "UNUSED"]


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

#: Columns that no feature needs. They are not parsed: whatever stands there is right.
UNUSED = frozenset({"longitude", "latitude", "is_installed", "is_active"})

#: The columns without which a row says nothing, and drops out. The device files are checked by themselves.
REQUIRED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "phone_brand_device_model": ("device_id",),
        "events": ("event_id", "device_id"),
        "app_events": ("event_id", "app_id"),
        "app_labels": ("app_id", "label_id"),
        "label_categories": ("label_id",),
    }
)

#: The tables that grow with the events; the others fit on the driver.
LARGE = ("events", "app_events")
