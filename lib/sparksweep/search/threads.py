"""How many threads a fit may use. A fit never takes more cores than Spark gave to its task."""

from __future__ import annotations

from typing import Any

__all__ = ["THREAD_PARAMETERS", "limit_threads", "task_threads"]

#: The names under which estimators take their number of threads, alone or behind ``step__``.
THREAD_PARAMETERS = ("n_jobs", "nthread", "thread_count")


def limit_threads(estimator: Any, threads: int) -> dict[str, Any]:
    """Set the thread parameters of an estimator and of its parts to at most ``threads``, in place.

    Returns the parameters that it changed, with the values that they had.

    A number from 1 to ``threads`` stays. None stays too where it means one thread, as in scikit-learn;
    in XGBoost, LightGBM and CatBoost it means every core of the machine, so there it becomes ``threads``,
    like -1 and 0 everywhere.
    """
    changed = {}
    parameters = estimator.get_params(deep=True)
    for name, value in parameters.items():
        owner, _, parameter = name.rpartition("__")
        if parameter not in THREAD_PARAMETERS:
            continue
        part = parameters[owner] if owner else estimator
        none_means_all = not type(part).__module__.startswith("sklearn.")
        takes_all = value is None and none_means_all
        takes_more = value is not None and not 1 <= value <= threads
        if takes_all or takes_more:
            changed[name] = value
    estimator.set_params(**dict.fromkeys(changed, threads))
    return changed


def task_threads(asked: int | None, cores: int) -> int:
    """Return how many threads each fit may use, where Spark gives each task so many ``cores``.

    Raises
    ------
    ValueError
        If more were asked for than Spark gives.
    """
    if asked is None:
        return cores
    if not 1 <= asked <= cores:
        raise ValueError(
            f"threads={asked} cannot be had: Spark gives each task {cores} core(s). Give a number from 1 to "
            f"{cores}, or start Spark with spark.task.cpus={max(asked, 1)}."
        )
    return asked
