"""What a device is: one-hot of its phone brand and of its model."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

__all__ = ["brand_and_model"]


def brand_and_model(phones: DataFrame, devices: DataFrame) -> DataFrame:
    """Return (device_id, feature, value): ``phone_brand:小米`` and ``device_model:MI 3``, with value 1.

    Parameters
    ----------
    phones : DataFrame of (position, device_id, phone_brand, device_model)
        Of several rows of one device, the one with the lowest ``position`` counts. An empty brand or
        model gives no feature.
    devices : DataFrame of (device_id)
        The known devices; others drop out.
    """
    first = F.min(F.struct("position", "phone_brand", "device_model"))
    names = F.array(
        F.concat(F.lit("phone_brand:"), F.expr("nullif(first.phone_brand, '')")),
        F.concat(F.lit("device_model:"), F.expr("nullif(first.device_model, '')")),
    )
    return (
        phones.join(F.broadcast(devices), on="device_id", how="left_semi")
        .groupBy("device_id")
        .agg(first.alias("first"))
        .select("device_id", F.explode(names).alias("feature"))
        .where(F.col("feature").isNotNull())
        .select("device_id", "feature", F.lit(1.0).alias("value"))
    )
