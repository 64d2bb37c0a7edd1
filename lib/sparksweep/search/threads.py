"""How many threads a fit may use. A fit never takes more cores than Spark gave to its task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["THREAD_PARAMETERS", "Threads"]

#: The names under which estimators take their number of threads, alone or behind ``step__``.
THREAD_PARAMETERS = ("n_jobs", "nthread", "thread_count")


@dataclass(frozen=True)
class Threads:
    """The threads of every fit of a search.

    ``is_asked`` says whether the user asked for this number. If not, it is the most that a fit may have, and
    an estimator keeps a smaller one of its own.
    """

    count: int
    is_asked: bool = False

    def limit(self, estimator: Any) -> dict[str, Any]:
        """Set the thread parameters of an estimator and of its parts, in place.

        Returns the parameters that it changed, with the values that they had.

        Unless the number was asked for, one from 1 to ``count`` stays, and so does None where it means one
        thread, as in scikit-learn; in XGBoost, LightGBM and CatBoost it means every core of the machine, so
        there it becomes ``count``, like -1 and 0 everywhere.
        """
        changed = {}
        parameters = _parameters(estimator)
        for name, value in parameters.items():
            owner, _, parameter = name.rpartition("__")
            if parameter not in THREAD_PARAMETERS:
                continue
            part = parameters[owner] if owner else estimator
            if self._allows(value, part):
                continue
            changed[name] = value
        if changed:
            estimator.set_params(**dict.fromkeys(changed, self.count))
        return changed

    def _allows(self, value: Any, part: Any) -> bool:
        if self.is_asked:
            return bool(value == self.count)
        if value is None:
            return type(part).__module__.startswith("sklearn.")
        return bool(1 <= value <= self.count)


def _parameters(estimator: Any) -> dict[str, Any]:
    if type(estimator).__module__.startswith("xgboost."):
        # Its get_params draws a number from a RandomState that it is given, and so changes the fit.
        return {name: vars(estimator)[name] for name in THREAD_PARAMETERS if name in vars(estimator)}
    parameters: dict[str, Any] = estimator.get_params(deep=True)
    return parameters
