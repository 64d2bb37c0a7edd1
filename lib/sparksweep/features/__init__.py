"""DataFrame -> DataFrame: the feature families, and the one step to the sparse matrices."""

from __future__ import annotations

from sparksweep.features.build import FAMILIES, Value, build_features
from sparksweep.features.matrix import FeatureMatrix, to_matrix

__all__ = ["FAMILIES", "FeatureMatrix", "Value", "build_features", "to_matrix"]
