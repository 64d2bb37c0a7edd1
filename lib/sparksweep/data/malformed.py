"""What to say when a file holds something that its table cannot hold.

Tables are read so that Spark ends the job at the first malformed value that it meets, and it parses only
the columns that are used. Its error says little, so only then the files are read once more, in full, to
find the row, its line and how many there are like it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from sparksweep.data.schemas import SCHEMAS
from sparksweep.data.settings import settings
from sparksweep.data.source import csv_reader, file_position, literal_path
from sparksweep.data.tables import Tables
from sparksweep.errors import DataError

__all__ = ["explain_malformed"]

_RECORD = "_malformed_record"

# What Spark's errors say: of a malformed row; of a time in Spark 3, where Spark 2 might have read it.
_SIGNS = ("Parse Mode: FAILFAST", "spark.sql.legacy.timeParserPolicy")


@contextmanager
def explain_malformed(tables: Tables) -> Iterator[None]:
    """Turn Spark's error over a malformed row into one that names file, line and value.

    Put it around whatever makes Spark read the tables.

    Raises
    ------
    DataError
        In place of the error by which Spark refused a row.
    """
    try:
        yield
    except Exception as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        # Without this, Spark 3 refuses to say "no time" of what Spark 2 took for one.
        with settings(tables.events.sparkSession, {"spark.sql.legacy.timeParserPolicy": "CORRECTED"}):
            for name in tables.files:
                explanation = _explain(getattr(tables, name), name, tables.files[name])
                if explanation:
                    raise DataError(explanation) from error
        raise


def _explain(table: DataFrame, name: str, file: str) -> str | None:
    spark, schema = table.sparkSession, SCHEMAS[name]
    path = literal_path(unquote(table.inputFiles()[0]))
    rows = (
        csv_reader(spark, StructType([*schema, StructField(_RECORD, StringType())]), mode="PERMISSIVE")
        .option("columnNameOfCorruptRecord", _RECORD)
        .csv(path)
        .select(file_position(), "*")
        .where(F.col(_RECORD).isNotNull())
    )
    # Every column is asked for, because Spark parses no others. The position comes first, so the least
    # of these structs is the first of the rows.
    found = rows.agg(F.count("*").alias("count"), F.min(F.struct("*")).alias("first")).first()
    if found is None or found["first"] is None:
        return None
    record: str = found["first"][_RECORD]
    # Text files, unlike Spark's tables, number their lines in file order for the asking.
    lines = spark.sparkContext.textFile(path).zipWithIndex()
    number = 1 + lines.filter(lambda line: line[0] == record).first()[1]
    count = found["count"]
    like = f" ({count} such rows)" if count > 1 else ""
    return (
        f"{file}, line {number}: {_what_is_wrong(found['first'], record, schema)}{like}: "
        "correct the file or remove the row"
    )


def _what_is_wrong(parsed: Row, record: str, schema: StructType) -> str:
    values = next(csv.reader([record.replace("\0", "\ufffd")]), [])
    if len(values) != len(schema):
        return f"{len(values)} values instead of {len(schema)} in {record!r}"
    for field, value in zip(schema, values, strict=True):
        if parsed[field.name] is None and value.strip():
            return (
                f"{value!r} in column {field.name} is no {_KINDS[field.dataType.typeName()]}, in {record!r}"
            )
    return f"{record!r} cannot be read"


_KINDS = {
    "long": "whole number of 64 bits",
    "integer": "whole number of 32 bits",
    "double": "number",
    "timestamp": "time of the form 2016-05-01 13:00:00",
}
