"""How Spark reads one CSV file of the competition."""

from __future__ import annotations

import re

from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from sparksweep.data.schemas import SCHEMAS, TIMESTAMP_FORMAT

__all__ = ["csv_reader", "empty_table", "file_position", "literal_path", "read_table"]

# The tables of which the order of the rows means something.
_ORDERED = ("gender_age_train", "gender_age_test", "phone_brand_device_model")


def csv_reader(spark: SparkSession, schema: StructType, mode: str) -> DataFrameReader:
    """Return a reader of CSV as RFC 4180 has it, in UTF-8, with a header line, times in UTC.

    Spaces around a value that is not quoted do not belong to it. Blank lines are skipped.
    """
    return (
        spark.read.schema(schema)
        .option("mode", mode)
        .option("header", True)
        .option("escape", '"')
        .option("ignoreLeadingWhiteSpace", True)
        .option("ignoreTrailingWhiteSpace", True)
        .option("timestampFormat", TIMESTAMP_FORMAT)
        .option("timeZone", "UTC")
    )


def read_table(spark: SparkSession, name: str, path: str) -> DataFrame:
    """Return the table at ``path``, which fails as soon as Spark meets a malformed value in a used column."""
    table = csv_reader(spark, SCHEMAS[name], mode="FAILFAST").csv(literal_path(path))
    return table.select(file_position(), "*") if name in _ORDERED else table


def empty_table(spark: SparkSession, name: str) -> DataFrame:
    """Return a table of that name without rows."""
    table = spark.createDataFrame([], SCHEMAS[name])
    return table.select(file_position(), "*") if name in _ORDERED else table


def literal_path(path: str) -> str:
    """Return a path that names one file also where its characters mean a pattern to Hadoop."""
    return re.sub(r"([\\*?\[\]{}])", r"\\\1", path)


def file_position() -> Column:
    """Return where a row stands in its file, for a DataFrame that comes straight from one.

    Spark may read the splits of a file in any order and several in one task. A split begins at a known
    byte, and within it the rows come in order.
    """
    split = F.expr("input_file_block_start()")
    return F.struct(split.alias("split"), F.monotonically_increasing_id().alias("row")).alias("position")
