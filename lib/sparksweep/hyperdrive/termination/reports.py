"""What a policy knows of the runs: their reports, and what follows from them at an interval."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sparksweep.hyperdrive.arguments import check_whole

__all__ = ["Reports", "check_intervals", "fires"]


@dataclass(frozen=True)
class Reports:
    """The primary metric of all runs that have reported, at interval 1, 2, and so on.

    Parameters
    ----------
    values : mapping of str to sequence of float
        By run.
    maximize : bool
        Whether a greater metric is better.
    ended : collection of str
        The runs that have ended, whichever way.
    """

    values: Mapping[str, Sequence[float]]
    maximize: bool
    ended: Collection[str] = ()

    def known(self, run: str, interval: int) -> list[float]:
        """Return what a run reported up to an interval, without NaN and infinities."""
        return list(filter(math.isfinite, self.values[run][:interval]))

    def best(self, run: str, interval: int) -> float:
        """Return the best of these, turned so that greater is better; -inf if there is none."""
        known = self.known(run, interval)
        if not known:
            return -math.inf
        return max(known) if self.maximize else -min(known)


def check_intervals(owner: str, evaluation_interval: int, delay_evaluation: int) -> None:
    """Check the two arguments that every policy has.

    Raises
    ------
    ConfigError
        If ``evaluation_interval`` is not a whole number of at least 1, or ``delay_evaluation`` of at least 0.
    """
    check_whole(owner, "evaluation_interval", evaluation_interval, least=1)
    check_whole(owner, "delay_evaluation", delay_evaluation, least=0)


def fires(interval: int, evaluation_interval: int, delay_evaluation: int) -> bool:
    """Return whether a policy decides at an interval; before the first report, 0, none does."""
    return interval >= max(1, delay_evaluation) and interval % evaluation_interval == 0
