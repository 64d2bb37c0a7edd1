"""A rough estimate of what a fit costs, good for one thing: to begin the longest fits first."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

__all__ = ["estimated_cost"]

# Parameters that multiply the work, with what stands for None: XGBoost's own defaults.
_FACTORS = {"n_estimators": 100, "max_depth": 6, "num_parallel_tree": 1}


def estimated_cost(estimator: Any) -> float:
    """Return rounds x depth x trees a round where an estimator has such parameters, else 1.

    The last step of a Pipeline counts. Only the ratio of two costs of one search means anything.
    """
    last = estimator.steps[-1][1] if type(estimator) is Pipeline else estimator
    if not hasattr(last, "get_params"):
        return 1.0
    parameters = last.get_params(deep=False)
    names = [name for name in _FACTORS if name in parameters]
    if type(last).__name__.startswith("HistGradientBoosting"):
        names.append("max_iter")
    cost = 1.0
    for name in names:
        value = parameters[name]
        cost *= (
            float(value)
            if isinstance(value, (int, float, np.number)) and value > 0
            else _FACTORS.get(name, 1)
        )
    return cost
