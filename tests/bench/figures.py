"""What the benchmark of the search prints: a table a workload, and the figures to reach at the end."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.bench.contenders.machine import CORES
from tests.bench.measure import Measurement
from tests.bench.workload import Outcome

__all__ = ["Race", "Run", "compare_scores", "print_figures", "print_race"]

OURS, REFERENCE = "sparksweep", "scikit-learn"


@dataclass(frozen=True)
class Run:
    """One run of a contender; ``seconds`` has the start of its processes in it."""

    outcome: Outcome
    measured: Measurement
    seconds: float


@dataclass
class Race:
    """The runs of the contenders on one workload, and why some are absent.

    ``boosting`` is the seconds that no exact search can avoid, of all cores together.
    """

    workload: str
    fits: int
    runs: dict[str, list[Run]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    boosting: float | None = None

    def seconds(self, name: str) -> float:
        return statistics.median(run.outcome.seconds for run in self.runs[name])

    def tree_mib(self, name: str) -> float:
        return statistics.median(run.measured.peak_mib for run in self.runs[name])

    def workers_mib(self, name: str) -> float:
        return statistics.median(run.measured.workers_mib for run in self.runs[name])

    def overhead_ms(self, name: str) -> float | None:
        """Milliseconds of a core that a fit costs beyond fitting and scoring; None where it does not tell."""
        overheads = [
            1000 * (CORES * run.outcome.seconds - run.outcome.work_seconds) / self.fits
            for run in self.runs[name]
            if run.outcome.work_seconds is not None
        ]
        return statistics.median(overheads) if overheads else None

    @property
    def peers(self) -> list[str]:
        """The other contenders that searched the whole grid, the quickest first."""
        whole = [name for name in self.runs if name != OURS and not self._missed(name)]
        return sorted(whole, key=self.seconds)

    def _missed(self, name: str) -> bool:
        return bool(np.isnan(self.runs[name][0].outcome.scores).any())


def compare_scores(scores: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]) -> str:
    """Say whether scores are the reference's to the last bit, else their largest difference.

    A contender that tells only the mean of the folds is compared with the mean.
    """
    ours, theirs = np.asarray(scores), np.asarray(reference)
    if ours.shape != theirs.shape:
        theirs = np.average(theirs, axis=1)[:, np.newaxis]
    if np.array_equal(ours, theirs):
        return "equal"
    difference = np.abs(ours - theirs)
    return "none" if np.isnan(difference).all() else f"within {np.nanmax(difference):.1e}"


def print_race(race: Race) -> None:
    """Print a line a contender; medians of its runs."""
    print(
        f"{'':26}{'seconds':>9}{'min-max':>15}{'runs':>6}{'tree MiB':>10}{'workers MiB':>13}"
        f"{'ms a fit beyond':>17}  scores and scikit-learn's"
    )
    for name, runs in race.runs.items():
        times = [run.outcome.seconds for run in runs]
        overhead = race.overhead_ms(name)
        same = {_scores_word(race, run) for run in runs}
        words = ["/".join(sorted(same)), *{run.outcome.remark for run in runs if run.outcome.remark}]
        print(
            f"{name:26}{race.seconds(name):9.1f}{f'{min(times):.1f}-{max(times):.1f}':>15}{len(times):6d}"
            f"{race.tree_mib(name):10.0f}{race.workers_mib(name):13.0f}"
            f"{'' if overhead is None else f'{overhead:.0f}':>17}  {'; '.join(words)}"
        )
    for name, reason in race.absent.items():
        if name not in race.runs:
            print(f"{name:26}   absent: {reason}")
        else:
            print(f"{name:26}   no further run: {reason}")
    if race.boosting is not None:
        print(f"boosting that no exact search can avoid: {race.boosting:.1f} s of {CORES} cores together")
    looking = sum(run.measured.sampling_seconds for runs in race.runs.values() for run in runs)
    running = sum(run.seconds for runs in race.runs.values() for run in runs)
    if running:
        print(f"looking at the memory took {looking / running:.1%} of a core")


def _scores_word(race: Race, run: Run) -> str:
    if REFERENCE not in race.runs:
        return ""
    return compare_scores(run.outcome.scores, race.runs[REFERENCE][0].outcome.scores)


@dataclass(frozen=True)
class Figure:
    """A figure, and the most that it may be."""

    words: str
    value: float
    at_most: float


def print_figures(races: Sequence[Race]) -> None:
    """Print the ratios to the best peer, and which of the figures to reach are reached."""
    figures = [figure for race in races for figure in figures_of(race)]
    if not figures:
        return
    print(f"\n{'figures to reach':76}{'measured':>10}{'at most':>10}")
    for figure in figures:
        verdict = "reached" if figure.value <= figure.at_most else "missed"
        print(f"{figure.words:76}{figure.value:10.2f}{figure.at_most:10.2f}  {verdict}")


def figures_of(race: Race) -> Iterator[Figure]:
    """Give the figures that one workload shows."""
    if OURS not in race.runs:
        return
    ratio = {"sparse-16": 0.60, "sparse-120": 0.32}.get(race.workload)
    if race.peers and ratio is not None:
        best = race.peers[0]
        words = f"{race.workload}: seconds / those of the best peer ({best})"
        yield Figure(words, race.seconds(OURS) / race.seconds(best), ratio)
    if race.boosting is not None:
        words = f"{race.workload}: seconds / (boosting that cannot be avoided / {CORES} cores)"
        yield Figure(words, race.seconds(OURS) / (race.boosting / CORES), 1.08)
    overhead = race.overhead_ms(OURS)
    if race.workload == "dense" and overhead is not None:
        yield Figure("dense: ms a fit beyond fitting and scoring", overhead, 30)
    if race.peers:
        # The best peer may be the quickest or the leanest.
        for best in dict.fromkeys((race.peers[0], min(race.peers, key=race.workers_mib))):
            words = f"{race.workload}: peak memory of the workers / that of {best}"
            yield Figure(words, race.workers_mib(OURS) / race.workers_mib(best), 1.0)
