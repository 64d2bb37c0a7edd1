"""DataFrame -> DataFrame: the feature families, and the one step to the sparse matrices."""

from __future__ import annotations

from sparksweep.features.build import FAMILIES, Value, build_features
from sparksweep.features.matrix import FeatureMatrix, to_matrix
from sparksweep.features.rows import sparse_rows, to_csr, unknown_features

__all__ = [
    "FAMILIES",
    "FeatureMatrix",
    "Value",
    "build_features",
    "sparse_rows",
    "to_csr",
    "to_matrix",
    "unknown_features",
]
