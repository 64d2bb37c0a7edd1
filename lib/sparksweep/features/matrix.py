"""Features -> the two CSR matrices: the one place where rows leave Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from sparksweep.data import Devices, to_pandas
from sparksweep.errors import DataError
from sparksweep.features.build import Features
from sparksweep.features.rows import to_csr

__all__ = ["FeatureMatrix", "to_matrix"]


@dataclass(frozen=True)
class FeatureMatrix:
    """The features of the training and of the test devices.

    Attributes
    ----------
    X_train, X_test : csr_matrix of float32
        Of shapes (training devices, features) and (test devices, features), with sorted indices and
        without stored zeros. They are parts of one pair of arrays.
    feature_names : tuple of str
        The name of each column. Every feature occurs in one of the matrices.
    devices : Devices
        What the rows are.
    used : mapping of str to int64 array
        ``events``, ``event_rows`` and ``app_rows`` of each training and then of each test device, see
        :class:`~sparksweep.features.Features`; empty where the features were read back.
    """

    X_train: csr_matrix
    X_test: csr_matrix
    feature_names: tuple[str, ...]
    devices: Devices
    used: Mapping[str, npt.NDArray[np.int64]]


def to_matrix(features: Features, devices: Devices) -> FeatureMatrix:
    """Compute the features and bring them to the driver.

    Parameters
    ----------
    features : Features
        Of the training devices and then the test devices.
    devices : Devices

    Raises
    ------
    DataError
        If no device has a feature.
    """
    found = to_pandas(features.rows).sort_values("row", ignore_index=True)
    X = to_csr(found.pop("columns").to_list(), found.pop("values").to_list(), len(features.names))
    occurs = np.bincount(X.indices, minlength=len(features.names)) > 0
    if not occurs.any():
        raise DataError(
            "No device of gender_age_train or gender_age_test has a feature: check that the other tables "
            "are about the same devices"
        )
    names = np.array(features.names, object)[occurs]
    place = np.cumsum(occurs, dtype=X.indices.dtype) - 1
    np.take(place, X.indices, out=X.indices, mode="clip")  # the other modes make a copy first
    n_train = len(devices.train_ids)
    return FeatureMatrix(
        _part(X, 0, n_train, len(names)),
        _part(X, n_train, X.shape[0], len(names)),
        tuple(names),
        devices,
        {name: found[name].to_numpy(np.int64) for name in found.columns.drop("row")},
    )


def _part(X: csr_matrix, first: int, end: int, n_features: int) -> csr_matrix:
    """Return some rows of a matrix without a copy of their values."""
    begin, stop = X.indptr[first], X.indptr[end]
    part = csr_matrix((end - first, n_features), dtype=X.dtype)
    # SciPy's constructor would copy a part that is less than half of the whole.
    part.data, part.indices = X.data[begin:stop], X.indices[begin:stop]
    part.indptr = X.indptr[first : end + 1] - begin
    part.has_canonical_format = True
    return part
