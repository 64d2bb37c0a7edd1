"""The machine that every contender gets: two cores, and Spark in one process on them."""

from __future__ import annotations

from pyspark.sql import SparkSession

from sparksweep.session import create_session

__all__ = ["CORES", "start_spark"]

CORES = 2


def start_spark() -> SparkSession:
    """Start Spark with two slots, or take the session that runs."""
    return create_session("bench", master=f"local[{CORES}]", conf={"spark.ui.enabled": "false"})
