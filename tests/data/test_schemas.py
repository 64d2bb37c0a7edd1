"""The schemas are those of the files that Kaggle publishes."""

from __future__ import annotations

from sparksweep.data import SCHEMAS
from sparksweep.data.parse import used_columns
from sparksweep.data.schemas import LARGE, REQUIRED, UNUSED

# The first lines of the competition's files, and Spark's word for each column's type.
PUBLISHED = {
    "gender_age_train": ("device_id,gender,age,group", "bigint,string,int,string"),
    "gender_age_test": ("device_id", "bigint"),
    "phone_brand_device_model": ("device_id,phone_brand,device_model", "bigint,string,string"),
    "events": ("event_id,device_id,timestamp,longitude,latitude", "bigint,bigint,timestamp,double,double"),
    "app_events": ("event_id,app_id,is_installed,is_active", "bigint,bigint,int,int"),
    "app_labels": ("app_id,label_id", "bigint,bigint"),
    "label_categories": ("label_id,category", "bigint,string"),
}


def test_tables_and_columns_are_the_published_ones() -> None:
    ours = {
        table: (",".join(schema.names), ",".join(field.dataType.simpleString() for field in schema))
        for table, schema in SCHEMAS.items()
    }
    assert ours == PUBLISHED


def test_what_is_said_of_columns_is_said_of_columns_that_are_read() -> None:
    read = {(table, name) for table in SCHEMAS for name in used_columns(table)}
    every = {(table, name) for table, schema in SCHEMAS.items() for name in schema.names}
    assert {name for _, name in every - read} == UNUSED
    assert {(table, name) for table, names in REQUIRED.items() for name in names} <= read
    assert set(LARGE) <= SCHEMAS.keys()
    # Texts are never missing, and all numbers but ages are ids.
    assert {name for _, name in read if name.endswith("_id")} == {
        name for table in SCHEMAS for name, kind in used_columns(table).items() if kind == "long"
    }
