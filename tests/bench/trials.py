"""What the benchmark of samplers and policies prints: a line a contender, and the figure to reach."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.replay import Replay
from tests.bench.tuning import CONTENDERS

__all__ = ["Trials", "print_figure", "print_trials"]

SHARE, IN_SEEDS = 0.30, 0.9  # of the grid's rounds, and of the seeds


@dataclass(frozen=True)
class Trials:
    """What a contender needed with all seeds, beside a grid of so many rounds and seconds."""

    replays: Sequence[Replay]
    grid_rounds: int
    grid_seconds: float

    @property
    def reached(self) -> int:
        return sum(replay.is_reached for replay in self.replays)

    @property
    def shares(self) -> list[float]:
        """Of the grid's rounds, in order; infinite where the target was not reached."""
        return sorted(r.rounds / self.grid_rounds if r.is_reached else math.inf for r in self.replays)

    @property
    def share_of_most(self) -> float:
        """The share that 9 of 10 seeds do not exceed."""
        return self.shares[math.ceil(IN_SEEDS * len(self.replays)) - 1]

    @property
    def makespan(self) -> float:
        """The median of the seconds, as a share of the grid's."""
        return statistics.median_low(
            r.seconds / self.grid_seconds if r.is_reached else math.inf for r in self.replays
        )

    def within(self, share: float) -> int:
        return sum(one <= share for one in self.shares)


def print_trials(trials: Mapping[str, Trials]) -> None:
    """Print a line a contender. Medians over the seeds, where one that did not reach the target is the worst."""
    print(
        f"{'':22}{'reached':>10}{f'in {SHARE:.0%}':>9}{'rounds / grid':>15}{'min-max':>12}{'9 of 10':>9}"
        f"{'time / grid':>13}{'runs':>6}{'stopped':>9}"
    )
    for name, one in trials.items():
        of = len(one.replays)
        spread = f"{_number(one.shares[0])}-{_number(one.shares[-1])}"
        runs = statistics.median(replay.begun for replay in one.replays)
        stopped = statistics.median(replay.stopped for replay in one.replays)
        print(
            f"{name:22}{f'{one.reached}/{of}':>10}{f'{one.within(SHARE)}/{of}':>9}"
            f"{_number(statistics.median_low(one.shares)):>15}{spread:>12}{_number(one.share_of_most):>9}"
            f"{_number(one.makespan):>13}{runs:6.0f}{stopped:9.0f}"
        )


def _number(share: float) -> str:
    return f"{share:.2f}" if math.isfinite(share) else "never"


def print_figure(trials: Mapping[str, Trials]) -> None:
    """Print whether early termination reaches the figure: for the best of our combinations."""
    ours = {
        name: one
        for name, one in trials.items()
        if CONTENDERS[name].sampler != "optuna" and CONTENDERS[name].policy != "none"
    }
    if not ours:
        return
    best = min(ours, key=lambda name: (ours[name].share_of_most, statistics.median_low(ours[name].shares)))
    words = f"rounds / grid in 9 of 10 seeds, the best with early termination ({best})"
    value = ours[best].share_of_most
    print(f"{words:84}{_number(value):>8}, at most {SHARE:.2f}: {'reached' if value <= SHARE else 'missed'}")
    reaching = [name for name, one in ours.items() if one.share_of_most <= SHARE]
    print(f"those that reach it: {', '.join(reaching) or 'none'}")
