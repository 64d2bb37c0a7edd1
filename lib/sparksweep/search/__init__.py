"""(X, y) -> results: candidates, folds, fits, the Spark engine, and the two search classes."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparksweep.search.grid import GridSearchCV, RandomizedSearchCV
    from sparksweep.search.outcomes import AllFitsFailedError

__all__ = ["AllFitsFailedError", "GridSearchCV", "RandomizedSearchCV"]

_MODULES = {"AllFitsFailedError": "outcomes", "GridSearchCV": "grid", "RandomizedSearchCV": "grid"}


def __getattr__(name: str) -> Any:
    """Import what is asked for: executors do the fits without the search classes and their storage."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
