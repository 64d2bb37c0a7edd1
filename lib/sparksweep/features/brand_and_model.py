"""What a device is: its phone brand and its model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparksweep.features.vocabulary import Vocabulary

__all__ = ["brand_and_model"]


def brand_and_model(
    phones: pd.DataFrame, ids: npt.NDArray[np.int64], vocabulary: Vocabulary
) -> npt.NDArray[np.int32]:
    """Return the columns of ``phone_brand:小米`` and ``device_model:MI 3`` for each device.

    Parameters
    ----------
    phones : DataFrame of (device_id, phone_brand, device_model)
        Of several rows of one device, the first counts. An empty brand or model gives no feature.
    ids : int64 array of shape (n,)
        The devices.
    vocabulary : Vocabulary

    Returns
    -------
    int32 array of shape (n, 2)
        -1 where there is no feature.
    """
    first = phones.drop_duplicates("device_id").set_index("device_id").reindex(ids)
    columns = [
        _columns(first["phone_brand"], vocabulary.brands, 0),
        _columns(first["device_model"], vocabulary.models, len(vocabulary.brands)),
    ]
    return np.stack(columns, axis=1)


def _columns(names: pd.Series[str], known: tuple[str, ...], first: int) -> npt.NDArray[np.int32]:
    codes = pd.Index(known, dtype=object).get_indexer(names)
    return np.where(codes >= 0, codes + first, -1).astype(np.int32)
