"""Hyperparameter sweeps on Spark with scikit-learn's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparksweep.search import GridSearchCV, RandomizedSearchCV

__all__ = ["GridSearchCV", "RandomizedSearchCV", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the searches when they are first asked for: the other rooms do without scikit-learn."""
    if name in ("GridSearchCV", "RandomizedSearchCV"):
        from sparksweep import search  # noqa: PLC0415 - see above

        return getattr(search, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
