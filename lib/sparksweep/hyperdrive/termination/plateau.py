"""Stopping at a plateau: a policy that goes beyond HyperDrive."""

from __future__ import annotations

from dataclasses import dataclass

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import check_number, check_whole
from sparksweep.hyperdrive.termination.reports import Reports, check_intervals, fires

__all__ = ["PlateauStoppingPolicy"]


@dataclass(frozen=True)
class PlateauStoppingPolicy:
    """Stop a run that gets no better any more.

    A run is stopped when its last ``patience`` reports have raised its best by ``min_delta`` or less. Other
    runs make no difference: a slow one has its time, and the best one is stopped as well, with the best that
    it had. It suits runs that pass their best and get worse, as boosting does when it overfits. What else
    holds of all policies is in :mod:`sparksweep.hyperdrive.termination.policies`.

    The rule is that of XGBoost's ``early_stopping_rounds`` and Keras's ``EarlyStopping``, on the driver.

    Parameters
    ----------
    patience : int, default 5
        In reports, at least 1.
    min_delta : float, default 0
        In units of the metric, at least 0.
    evaluation_interval : int, default 1
        Intervals from one decision to the next.
    delay_evaluation : int, default 0
        The policy does not fire before this interval.

    Raises
    ------
    ConfigError
        If an argument cannot be used.

    Examples
    --------
    Both have had two reports since their best. Only the first one has passed it:

    >>> runs = {"falls": [0.7, 0.8, 0.75, 0.74], "rises": [0.1, 0.2, 0.2, 0.3]}
    >>> policy = PlateauStoppingPolicy(patience=2)
    >>> [run for run in runs if policy.stops(run, Reports(runs, maximize=True))]
    ['falls']

    A gain of 0.1 in two reports is too little where more than 0.125 is asked for:

    >>> policy = PlateauStoppingPolicy(patience=2, min_delta=0.125)
    >>> [run for run in runs if policy.stops(run, Reports(runs, maximize=True))]
    ['falls', 'rises']
    """

    patience: int = 5
    min_delta: float = 0.0
    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        owner = "PlateauStoppingPolicy"
        check_intervals(owner, self.evaluation_interval, self.delay_evaluation)
        check_whole(owner, "patience", self.patience, least=1)
        if check_number(owner, "min_delta", self.min_delta) < 0:
            raise ConfigError(f"{owner}: min_delta must be 0 or more, but {self.min_delta!r} was given")

    def stops(self, run: str, reports: Reports) -> bool:
        """Return whether a run that has just reported is to be stopped, as ``BanditPolicy.stops``."""
        interval = len(reports.values[run])
        if interval < self.patience or not fires(interval, self.evaluation_interval, self.delay_evaluation):
            return False
        before = reports.best(run, interval - self.patience)
        return reports.best(run, interval) <= before + self.min_delta
