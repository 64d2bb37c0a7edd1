"""What becomes of the best run of an estimator's sweep: its setting, fitted on all data."""

from __future__ import annotations

from typing import Any

from sklearn.base import clone

from sparksweep.hyperdrive.child.boosting import boosting_rounds, set_rounds
from sparksweep.hyperdrive.child.estimator_trial import EstimatorTrial
from sparksweep.hyperdrive.driver.children import Child
from sparksweep.search.refit import fit_on_all

__all__ = ["refit"]


def refit(trial: EstimatorTrial, best: Child, *, maximize: bool) -> tuple[Any, int | None]:
    """Fit the estimator of a sweep on all data, in this process.

    Parameters
    ----------
    trial : EstimatorTrial
    best : Child
        A run with the primary metric, whose setting is taken.
    maximize : bool

    Returns
    -------
    estimator
        The one that a grid search would have refitted.
    rounds : int or None
        Of boosting: as many as the run had at its best report, which need not be its last. None where the
        estimator reports once, at its end.
    """
    estimator = clone(trial.estimator).set_params(**clone(dict(best.setting), safe=False))
    rounds = None
    if boosting_rounds(estimator) is not None:
        value = best.best(maximize=maximize)
        of_primary = (metric for metric in best.metrics if metric.name == trial.primary)
        rounds = next(metric.step for metric in of_primary if metric.value == value)
        set_rounds(estimator, rounds)
    return fit_on_all(estimator, trial.data, trial.threads), rounds
