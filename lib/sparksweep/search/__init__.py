"""(X, y) -> results: candidates, folds, fits, the Spark engine, and the two search classes."""

from __future__ import annotations

from sparksweep.search.grid import GridSearchCV, RandomizedSearchCV
from sparksweep.search.outcomes import AllFitsFailedError

__all__ = ["AllFitsFailedError", "GridSearchCV", "RandomizedSearchCV"]
