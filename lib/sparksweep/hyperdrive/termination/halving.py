"""Asynchronous successive halving: a policy that goes beyond HyperDrive."""

from __future__ import annotations

from dataclasses import dataclass

from sparksweep.hyperdrive.arguments import check_whole
from sparksweep.hyperdrive.termination.reports import Reports, check_intervals, fires

__all__ = ["SuccessiveHalvingPolicy"]


@dataclass(frozen=True)
class SuccessiveHalvingPolicy:
    """Stop a run unless it is among the best of those that came as far.

    The policy fires at the intervals ``evaluation_interval`` times 1, ``reduction_factor``, its square, and
    so on, which are called rungs. With n runs at a rung so far, this one among them, it goes on if it is one
    of the n / ``reduction_factor`` best, rounded down, but at least one. Equal runs go on together. What else
    holds of all policies is in :mod:`sparksweep.hyperdrive.termination.policies`.

    L. Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020 (ASHA), in the form that
    stops runs instead of pausing them: nobody waits for others, and who was stopped is not taken up again.

    Parameters
    ----------
    evaluation_interval : int, default 1
        The first rung, in intervals.
    reduction_factor : int, default 4
        At least 2. The default is the paper's.
    delay_evaluation : int, default 0
        Rungs below this interval are passed without a decision.

    Raises
    ------
    ConfigError
        If an argument cannot be used.

    Examples
    --------
    Of up to 7 runs at the first rung the best goes on, of 8 the best two:

    >>> policy = SuccessiveHalvingPolicy()
    >>> runs = {"a": [0.3], "b": [0.2]} | {f"low_{n}": [0.1] for n in range(5)}
    >>> [run for run in runs if not policy.stops(run, Reports(runs, maximize=True))]
    ['a']
    >>> [run for run in runs if not policy.stops(run, Reports({**runs, "c": [0.0]}, maximize=True))]
    ['a', 'b']

    The rungs:

    >>> curves = [Reports({"a": [2.0] * n, "b": [1.0] * n}, maximize=True) for n in range(100)]
    >>> [interval for interval, reports in enumerate(curves) if policy.stops("b", reports)]
    [1, 4, 16, 64]
    """

    evaluation_interval: int = 1
    reduction_factor: int = 4
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        check_intervals("SuccessiveHalvingPolicy", self.evaluation_interval, self.delay_evaluation)
        check_whole("SuccessiveHalvingPolicy", "reduction_factor", self.reduction_factor, least=2)

    def stops(self, run: str, reports: Reports) -> bool:
        """Return whether a run that has just reported is to be stopped, as ``BanditPolicy.stops``."""
        interval = len(reports.values[run])
        if not (fires(interval, self.evaluation_interval, self.delay_evaluation) and self._is_rung(interval)):
            return False
        bests = [
            reports.best(other, interval)
            for other, values in reports.values.items()
            if len(values) >= interval
        ]
        own = reports.best(run, interval)
        better = sum(best > own for best in bests)
        return better >= max(1, len(bests) // self.reduction_factor)

    def _is_rung(self, interval: int) -> bool:
        rung = self.evaluation_interval
        while rung < interval:
            rung *= self.reduction_factor
        return rung == interval
