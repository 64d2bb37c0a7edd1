"""The devices of the two device files, in the order of the files: the rows of the matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparksweep.data.tables import Tables
from sparksweep.errors import DataError

__all__ = ["Devices", "read_devices", "read_test_ids"]


@dataclass(frozen=True)
class Devices:
    """What the rows of the training and of the test matrix are.

    Attributes
    ----------
    train_ids, test_ids : int64 array
        Device ids in the order of ``gender_age_train`` and ``gender_age_test``, each once a file.
    groups : array of str, as long as ``train_ids``
        The class of each training device.
    """

    train_ids: npt.NDArray[np.int64]
    groups: npt.NDArray[np.str_]
    test_ids: npt.NDArray[np.int64]

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The training devices and then the test devices."""
        return np.concatenate([self.train_ids, self.test_ids])


def read_devices(tables: Tables) -> Devices:
    """Read the devices and the target.

    A device that a file names twice is kept once, where it stands first. A device of both files has a row
    in both matrices.

    Raises
    ------
    DataError
        If a row has no device id, a training row no group, or two training rows of one device disagree.
    """
    train = tables.gender_age_train
    _check_ids(train, tables.files["gender_age_train"])
    _check_train(train, tables.files["gender_age_train"])
    train = train.drop_duplicates("device_id")
    return Devices(
        train_ids=train["device_id"].to_numpy(np.int64),
        groups=train["group"].to_numpy(np.str_),
        test_ids=read_test_ids(tables),
    )


def read_test_ids(tables: Tables) -> npt.NDArray[np.int64]:
    """Read the devices of ``gender_age_test`` alone, in the order of the file and each once.

    Raises
    ------
    DataError
        If a row has no device id.
    """
    test = tables.gender_age_test
    _check_ids(test, tables.files["gender_age_test"])
    ids: npt.NDArray[np.int64] = test["device_id"].drop_duplicates().to_numpy(np.int64)
    return ids


def _check_ids(rows: pd.DataFrame, file: str) -> None:
    missing = int(rows["device_id"].isna().sum())
    if missing:
        raise DataError(f"{file}: rows without a device_id ({missing}): give each its device or remove it")


def _check_train(rows: pd.DataFrame, file: str) -> None:
    without = rows["device_id"][rows["group"] == ""]
    if len(without):
        raise DataError(
            f"{file}: device {without.iloc[0]} has no group ({len(without)} such rows): "
            "give each training device its group or remove the row"
        )
    different = rows.drop_duplicates()
    twice = different[different.duplicated("device_id", keep=False)]
    if len(twice):
        device = twice["device_id"].iloc[0]
        values = twice[twice["device_id"] == device].drop(columns="device_id")
        texts = [
            ",".join("" if pd.isna(v) else f"{v}" for v in row) for row in values.itertuples(index=False)
        ]
        raise DataError(
            f"{file}: device {device} stands there with {' and with '.join(texts)} "
            f"({twice['device_id'].nunique()} such devices): keep the row that is right"
        )
