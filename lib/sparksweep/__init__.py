"""Hyperparameter sweeps on Spark with scikit-learn's numbers."""

from __future__ import annotations

__version__ = "0.1.0"
