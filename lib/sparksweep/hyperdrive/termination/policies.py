"""The early termination policies, under the names of Azure ML, and their YAML form.

A child run reports its primary metric now and then; its n-th report is its *interval* n. After every report
a policy says whether the run is to be stopped. It is a pure function of the reports and knows no clock.

* A policy *fires* at the intervals that are multiples of ``evaluation_interval`` and not below
  ``delay_evaluation``, at no others.
* A run is compared at its own interval N. Of the other runs, too, only the intervals 1 to N count, however
  far they are. A run that has reported less than that counts with what it has reported.
* Runs that have ended count as they stand, whether they completed, failed or were stopped.
* NaN and infinities count as nothing reported. A run that has reported nothing else is worse than all others.
* Who stands exactly on a threshold is not stopped; but a gain of exactly ``min_delta`` is too little for
  ``PlateauStoppingPolicy``, so that with its default of 0 a run is stopped that gains nothing.
* A run that is done again, because the machine was lost that it ran on, starts at interval 1 again: what it
  had reported is forgotten before a policy is asked.

The pages and the SDK of Azure ML leave open the least number of runs for a median, how a percentage of runs
is rounded, ties, and metrics below 0 under a ``slack_factor``. The classes say what holds here. For a metric
that is minimised, everything holds of its negative.

>>> reports = Reports({"run_0": [0.5, 0.8], "run_1": [0.4, 0.6]}, maximize=True)
>>> BanditPolicy(slack_factor=0.2).stops("run_1", reports)
True
"""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields
from statistics import fmean, median
from typing import Any, TypeAlias

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import (
    check_flag,
    check_keys,
    check_number,
    check_whole,
    type_in,
    yaml_number,
)
from sparksweep.hyperdrive.termination.halving import SuccessiveHalvingPolicy
from sparksweep.hyperdrive.termination.plateau import PlateauStoppingPolicy
from sparksweep.hyperdrive.termination.reports import Reports, check_intervals, fires

__all__ = [
    "BanditPolicy",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "Policy",
    "TruncationSelectionPolicy",
    "policy_from_yaml",
    "policy_to_yaml",
]

# The median of one run is that run, and of two runs their mean: three are the least of which it is more.
_LEAST_OTHERS = 3


@dataclass(frozen=True)
class NoTerminationPolicy:
    """Every run ends by itself."""

    def stops(self, run: str, reports: Reports) -> bool:  # noqa: ARG002 - all policies are asked alike
        """Return False."""
        return False


@dataclass(frozen=True)
class BanditPolicy:
    """Stop a run whose best so far is too far from the best run's at the same interval.

    With B the best that any run reported up to the interval and Y this run's best, where greater is better:

    ================================  =======================
    ``slack_amount``                  Y < B - amount
    ``slack_factor``, B at least 0    Y * (1 + factor) < B
    ``slack_factor``, B below 0       Y < B * (1 + factor)
    ================================  =======================

    The first two are the SDK's. The third is ours: a threshold of B / (1 + factor) would lie above a B below
    0, and the best run would stop itself. So the best run is never stopped, and a metric that is maximised
    and its negative that is minimised give the same decisions.

    Parameters
    ----------
    evaluation_interval : int, default 1
        Intervals from one decision to the next.
    slack_factor : float, optional
        A ratio, at least 0.
    slack_amount : float, optional
        In units of the metric, at least 0. Exactly one of the two is given.
    delay_evaluation : int, default 0
        The policy does not fire before this interval.

    Raises
    ------
    ConfigError
        If an argument cannot be used.

    Examples
    --------
    The best run had 0.8 at interval 2. With a factor of 0.2 the threshold is 0.8 / 1.2 = 0.667:

    >>> runs = {"best": [0.5, 0.8, 0.9], "low": [0.66, 0.1], "high": [0.1, 0.67]}
    >>> accuracy = Reports(runs, maximize=True)
    >>> policy = BanditPolicy(slack_factor=0.2)
    >>> policy.stops("low", accuracy), policy.stops("high", accuracy)
    (True, False)

    Beside a loss of 0.8 an amount of 0.2 allows 0.8 + 0.2, and a factor of 0.2 allows 0.8 * 1.2 = 0.96:

    >>> loss = Reports({"best": [0.8], "other": [0.98]}, maximize=False)
    >>> BanditPolicy(slack_amount=0.2).stops("other", loss), policy.stops("other", loss)
    (False, True)

    Beside a score of -0.8, which is maximised, a factor of 0.2 allows -0.8 * 1.2 = -0.96:

    >>> score = Reports({"best": [-0.8], "low": [-0.97], "high": [-0.95]}, maximize=True)
    >>> policy.stops("low", score), policy.stops("high", score)
    (True, False)
    """

    evaluation_interval: int = 1
    slack_factor: float | None = None
    slack_amount: float | None = None
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        check_intervals("BanditPolicy", self.evaluation_interval, self.delay_evaluation)
        given = [name for name in ("slack_factor", "slack_amount") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError("BanditPolicy: give exactly one of slack_factor and slack_amount")
        slack = check_number("BanditPolicy", given[0], getattr(self, given[0]))
        if slack < 0:
            raise ConfigError(f"BanditPolicy: {given[0]} must be 0 or more, but {slack!r} was given")

    def stops(self, run: str, reports: Reports) -> bool:
        """Return whether a run that has just reported is to be stopped.

        Parameters
        ----------
        run : str
        reports : Reports
            Of all runs that have reported, this one and its last report among them.
        """
        interval = len(reports.values[run])
        if not fires(interval, self.evaluation_interval, self.delay_evaluation):
            return False
        own = reports.best(run, interval)
        best = max(reports.best(other, interval) for other in reports.values)
        if self.slack_factor is not None:
            ratio = 1 + self.slack_factor
            return own * ratio < best if best >= 0 else own < best * ratio
        return own < best - (self.slack_amount or 0)


@dataclass(frozen=True)
class MedianStoppingPolicy:
    """Stop a run whose best so far is worse than the median of the other runs' means.

    At interval N each other run has the mean of what it reported at the intervals 1 to N. With fewer than
    three other runs nobody is stopped: the median of one is that run, and of two their mean. The median of
    an even number is the mean of the two in the middle.

    After D. Golovin et al., *Google Vizier: A Service for Black-Box Optimization*, KDD 2017, section 3.2.

    Parameters
    ----------
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
    The means up to interval 2 are 0.4, 0.5 and 0.6. Their median is 0.5:

    >>> others = {"a": [0.3, 0.5], "b": [0.4, 0.6, 0.9], "c": [0.6]}
    >>> MedianStoppingPolicy().stops("new", Reports({**others, "new": [0.2, 0.49]}, maximize=True))
    True
    >>> MedianStoppingPolicy().stops("new", Reports({**others, "new": [0.5, 0.1]}, maximize=True))
    False
    """

    evaluation_interval: int = 1
    delay_evaluation: int = 0

    def __post_init__(self) -> None:
        check_intervals("MedianStoppingPolicy", self.evaluation_interval, self.delay_evaluation)

    def stops(self, run: str, reports: Reports) -> bool:
        """Return whether a run that has just reported is to be stopped; see :meth:`BanditPolicy.stops`."""
        interval = len(reports.values[run])
        if not fires(interval, self.evaluation_interval, self.delay_evaluation):
            return False
        others = [reports.known(other, interval) for other in reports.values if other != run]
        means = [fmean(known) for known in others if known]
        if len(means) < _LEAST_OTHERS:
            return False
        middle = median(means)
        return reports.best(run, interval) < (middle if reports.maximize else -middle)


@dataclass(frozen=True)
class TruncationSelectionPolicy:
    """Stop the lowest runs, a percentage of all.

    At interval N every run, this one too, has its best of the intervals 1 to N. As many as the percentage of
    their number are to be stopped, rounded down: of 4 runs 20 % is none, of 9 one, of 10 two. Runs that are
    equal are stopped only if all of them are among that many from the bottom.

    A run that was stopped stays at the bottom of later rankings, so that others are stopped only as more runs
    report. With ``exclude_finished_jobs`` the percentage is one of those that still run, at every interval.

    Parameters
    ----------
    truncation_percentage : int
        From 1 to 99.
    evaluation_interval : int, default 1
        Intervals from one decision to the next.
    delay_evaluation : int, default 0
        The policy does not fire before this interval.
    exclude_finished_jobs : bool, default False
        Leave out runs that have ended, whichever way.

    Raises
    ------
    ConfigError
        If an argument cannot be used.

    Examples
    --------
    Two of five runs are 40 %. Where two are equal at the second place from the bottom, one is stopped:

    >>> runs = {"a": [0.1], "b": [0.2], "c": [0.3, 0.9], "d": [0.4], "e": [0.5]}
    >>> policy = TruncationSelectionPolicy(40)
    >>> [run for run in "abde" if policy.stops(run, Reports(runs, maximize=True))]
    ['a', 'b']
    >>> [run for run in "abde" if policy.stops(run, Reports({**runs, "b": [0.3]}, maximize=True))]
    ['a']
    """

    truncation_percentage: int
    evaluation_interval: int = 1
    delay_evaluation: int = 0
    exclude_finished_jobs: bool = False

    def __post_init__(self) -> None:
        owner = "TruncationSelectionPolicy"
        check_intervals(owner, self.evaluation_interval, self.delay_evaluation)
        check_whole(owner, "truncation_percentage", self.truncation_percentage, least=1, most=99)
        check_flag(owner, "exclude_finished_jobs", self.exclude_finished_jobs)

    def stops(self, run: str, reports: Reports) -> bool:
        """Return whether a run that has just reported is to be stopped; see :meth:`BanditPolicy.stops`."""
        interval = len(reports.values[run])
        if not fires(interval, self.evaluation_interval, self.delay_evaluation):
            return False
        left_out = set(reports.ended) - {run} if self.exclude_finished_jobs else set()
        bests = [reports.best(other, interval) for other in reports.values if other not in left_out]
        own = reports.best(run, interval)
        not_better = sum(best <= own for best in bests)
        return 100 * not_better <= self.truncation_percentage * len(bests)


Policy: TypeAlias = (
    NoTerminationPolicy
    | BanditPolicy
    | MedianStoppingPolicy
    | TruncationSelectionPolicy
    | SuccessiveHalvingPolicy
    | PlateauStoppingPolicy
)

_TYPES: dict[str, type[Any]] = {
    "bandit": BanditPolicy,
    "median_stopping": MedianStoppingPolicy,
    "truncation_selection": TruncationSelectionPolicy,
    "successive_halving": SuccessiveHalvingPolicy,
    "plateau_stopping": PlateauStoppingPolicy,
}


def policy_from_yaml(section: Any) -> Policy:
    """Return the policy that the ``early_termination`` of an Azure ML v2 sweep asks for.

    Parameters
    ----------
    section : mapping or None
        Its ``type`` is ``bandit``, ``median_stopping``, ``truncation_selection``, ``successive_halving`` or
        ``plateau_stopping``; its other keys are the arguments of the policy. None is for no policy.

    Raises
    ------
    ConfigError
        If it is none of these, or the policy refuses its arguments.
    """
    if section is None:
        return NoTerminationPolicy()
    where = "early_termination"
    kind = _TYPES[type_in(where, section, _TYPES)]
    required = [one.name for one in fields(kind) if one.default is MISSING]
    check_keys(where, section, ["type", *required], [one.name for one in fields(kind)])
    policy: Policy = kind(**{name: yaml_number(section[name]) for name in section if name != "type"})
    return policy


def policy_to_yaml(policy: Policy) -> dict[str, Any] | None:
    """Return a policy in the YAML form of Azure ML v2; None for no policy."""
    for name, kind in _TYPES.items():
        if isinstance(policy, kind):
            arguments = {key: value for key, value in asdict(policy).items() if value is not None}
            return {"type": name, **arguments}
    return None
