"""Which row of a matrix a device has, and which column a feature, as tables for Spark to join."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from sparksweep.data import from_pandas

__all__ = ["column_of_feature", "row_of_device"]


def row_of_device(spark: SparkSession, ids: npt.NDArray[np.int64]) -> DataFrame:
    """Return (device_id: long, row: int), the place of each device in ``ids``."""
    frame = pd.DataFrame({"device_id": ids, "row": np.arange(len(ids), dtype=np.int32)})
    return from_pandas(spark, frame, "device_id long, row int")


def column_of_feature(spark: SparkSession, names: Sequence[str]) -> DataFrame:
    """Return (feature: string, column: int), the place of each feature in ``names``."""
    frame = pd.DataFrame({"feature": list(names), "column": np.arange(len(names), dtype=np.int32)})
    return from_pandas(spark, frame, "feature string, column int")
