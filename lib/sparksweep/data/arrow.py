"""Rows between Spark and the driver, as Arrow batches and never as Python objects."""

from __future__ import annotations

import warnings

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from sparksweep.data.settings import settings

__all__ = ["from_pandas", "to_pandas"]

# Off by default before Spark 4.2.
_ARROW = {
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
}


def to_pandas(frame: DataFrame) -> pd.DataFrame:
    """Bring a DataFrame of numbers and strings to the driver."""
    with settings(frame.sparkSession, _ARROW), warnings.catch_warnings():
        # Where the job fails, Spark prints its whole stack trace as a warning before it raises it.
        warnings.filterwarnings("ignore", message="toPandas attempted Arrow", category=UserWarning)
        return frame.toPandas()


def from_pandas(spark: SparkSession, frame: pd.DataFrame, schema: str) -> DataFrame:
    """Send a pandas DataFrame to Spark."""
    with settings(spark, _ARROW):
        return spark.createDataFrame(frame, schema)
