"""Tables -> features: Spark joins, NumPy computes in its tasks; and the one step to the sparse matrices."""

from __future__ import annotations

from sparksweep.features.build import Features, build_features
from sparksweep.features.matrix import FeatureMatrix, to_matrix
from sparksweep.features.rows import occurring_columns, to_csr, with_columns
from sparksweep.features.tall import read_features, write_features
from sparksweep.features.vocabulary import FAMILIES, Value, unused_tables

__all__ = [
    "FAMILIES",
    "FeatureMatrix",
    "Features",
    "Value",
    "build_features",
    "occurring_columns",
    "read_features",
    "to_csr",
    "to_matrix",
    "unused_tables",
    "with_columns",
    "write_features",
]
