"""The fit on all data."""

from __future__ import annotations

from typing import Any

from threadpoolctl import threadpool_limits

from sparksweep.search.threads import Threads
from sparksweep.search.workbench import SearchData

__all__ = ["fit_on_all"]


def fit_on_all(estimator: Any, data: SearchData, threads: Threads) -> Any:
    """Fit an estimator in this process with so many threads, and return it with its own number of them."""
    asked = threads.limit(estimator)
    arguments = (data.X,) if data.y is None else (data.X, data.y)
    with threadpool_limits(threads.count):
        estimator.fit(*arguments, **data.fit_params)
    return estimator.set_params(**asked) if asked else estimator
