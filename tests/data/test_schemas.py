"""The schemas are those of the files that Kaggle publishes."""

from __future__ import annotations

from sparksweep.data import SCHEMAS

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
