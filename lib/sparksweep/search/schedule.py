"""How many fits a Spark task does: one, unless they are so short that the task itself would cost more.

A Spark task costs some 40 to 100 ms, whatever it does. What fits cost is known only when some have ended, so
the first ones go out alone. From their times the others are put into bundles of about a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import monotonic

import numpy as np

__all__ = ["STOP_AFTER", "Backlog"]

#: Seconds that a bundle is meant to take, at most; and at least, unless some slot would have none.
BUNDLE_SECONDS = 1.0
LEAST_SECONDS = 0.5
#: Seconds after which a bundle begins no other fit, and gives back what it has not begun.
STOP_AFTER = 3.0
#: Seconds after which fits that have not ended count as long; workers need some to start.
LONG_AFTER = 20.0
#: Bundles for each slot, so that slots end at about the same time.
BUNDLES_A_SLOT = 4


class Backlog:
    """The tasks that are not with Spark yet, and when to send how many.

    Parameters
    ----------
    costs : sequence of float
        An estimate for each task, in the order in which they are to be done. Tasks are named by position.
    slots : int
        Tasks that run at once.
    is_limited : bool
        Whether no more than that may be sent at once. Else all are sent as soon as their times are known, so
        that Spark never waits for the driver and a cluster that grows sees how much there is to do.
    """

    def __init__(
        self,
        costs: Sequence[float],
        slots: int,
        *,
        is_limited: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._costs = costs
        self._slots = slots
        self._is_limited = is_limited
        self._clock = clock
        self._waiting = deque(range(len(costs)))
        self._in_flight = 0
        self._sent_at: float | None = None
        self._rates: list[float] = []

    def take(self) -> list[list[int]]:
        """Return the bundles that are to be sent now, which may be none."""
        if not self._waiting:
            return []
        if self._is_limited:
            room = self._slots - self._in_flight
        elif self._sent_at is None:
            room = 2 * self._slots
        elif self._in_flight <= self._slots or self._clock() - self._sent_at >= LONG_AFTER:
            room = len(self._waiting)
        else:
            room = 0
        bundles: list[list[int]] = []
        rate = self._rate()
        seconds = self._bundle_seconds(rate)
        while len(bundles) < room and self._waiting:
            bundles.append(self._bundle(rate, seconds))
        if bundles:
            self._in_flight += len(bundles)
            self._sent_at = self._clock()
        return bundles

    def wait(self) -> float | None:
        """Return the seconds after which :meth:`take` is to be asked again even if nothing ends."""
        if self._is_limited or not self._waiting or self._sent_at is None:
            return None
        return max(0.0, self._sent_at + LONG_AFTER - self._clock())

    def ended(self, seconds: Iterable[tuple[int, float]], undone: Iterable[int] = ()) -> None:
        """Take note of a bundle's end: the seconds of each task, and the tasks that it did not begin."""
        self._in_flight -= 1
        self._rates += [spent / self._costs[task] for task, spent in seconds]
        self._waiting.extendleft(reversed(list(undone)))

    def _bundle_seconds(self, rate: float) -> float:
        share = rate * sum(self._costs[task] for task in self._waiting) / self._slots
        return min(BUNDLE_SECONDS, max(share / BUNDLES_A_SLOT, min(LEAST_SECONDS, share)))

    def _bundle(self, rate: float, seconds: float) -> list[int]:
        bundle: list[int] = []
        spent = 0.0
        while self._waiting:
            spent += rate * self._costs[self._waiting[0]]
            # The little more is for what rounding adds up.
            if bundle and spent > seconds * 1.001:
                break
            bundle.append(self._waiting.popleft())
        return bundle

    def _rate(self) -> float:
        """Return the seconds of a unit of cost; without end where nothing is known, so that all go alone."""
        # The first fit of a worker is slow, since it imports libraries: a low quantile leaves it out.
        return float(np.quantile(self._rates, 0.25)) if self._rates else float("inf")
