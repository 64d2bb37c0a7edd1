"""A sweep over learning curves that are known: the driver that ships, with runs that take no time.

Boosting costs rounds and, on a clock that jumps from report to report, seconds; nothing else costs anything. Each
child run boosts all folds for itself in one slot, whether or not another one had the same path. A round counts when
its interval begins, so what other slots are at counts too when a contender is done.
"""

from __future__ import annotations

import heapq
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, Ended
from sparksweep.hyperdrive.driver.children import EVENTS, Child
from sparksweep.hyperdrive.driver.launcher import Returned
from sparksweep.hyperdrive.driver.report_server import Heard
from sparksweep.hyperdrive.driver.sweep import Plan, Sweep
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.hyperdrive.sampling.samplers import Sampling
from sparksweep.hyperdrive.termination.policies import Policy
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.journal import Journal
from sparksweep.storage import LocalStore
from tests.bench.curves import Curves

__all__ = ["NOWHERE", "Machine", "Nobody", "OverError", "Replay", "replay_optuna", "replay_sweep"]

_PRIMARY = "score"
NOWHERE = Path("/nonexistent")


@dataclass(frozen=True)
class Replay:
    """What one contender needed with one seed. ``rounds`` are those of one fold."""

    is_reached: bool
    rounds: int
    seconds: float
    begun: int
    stopped: int


class OverError(Exception):
    """The target is reached, or the budget is spent."""


class Machine:
    """What boosts: it gives reports in the order of their time.

    Parameters
    ----------
    curves : Curves
    target : float
        The score that ends it.
    budget : int
        The most rounds. An interval that does not fit into them is not begun.
    """

    def __init__(self, curves: Curves, target: float, budget: int) -> None:
        self._curves = curves
        self._target = target
        self._budget = budget
        self._seconds = curves.seconds.sum(axis=1) / curves.most_rounds * curves.interval
        self._due: list[tuple[float, int, str]] = []
        self._paths: dict[str, int] = {}
        self._lengths: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self.now = 0.0
        self.rounds = 0
        self.is_reached = False

    @property
    def begun(self) -> int:
        """Runs that have boosted."""
        return sum(done > 0 for done in self._done.values())

    def begin(self, run: str, setting: Mapping[str, Any]) -> None:
        """Begin a run with its first interval."""
        self._paths[run] = self._curves.path_of(setting)
        self._lengths[run] = setting["n_estimators"] // self._curves.interval
        self._done[run] = 0
        self.go_on(run)

    def go_on(self, run: str) -> bool:
        """Let a run boost its next interval. False if it has had all of them."""
        if self._done[run] == self._lengths[run]:
            return False
        if self.rounds + self._curves.interval <= self._budget:
            self.rounds += self._curves.interval
            self._done[run] += 1
            heapq.heappush(self._due, (self.now + float(self._seconds[self._paths[run]]), self.rounds, run))
        return True

    def next_report(self) -> tuple[str, int, float]:
        """Return the run that reports next, its interval, and the score. OverError if that is the end of all."""
        if not self._due:
            raise OverError
        self.now, _, run = heapq.heappop(self._due)
        score = float(self._curves.scores[self._paths[run], self._done[run] - 1])
        if score >= self._target:
            self.is_reached = True
            raise OverError
        return run, self._done[run], score

    def replay(self, stopped: int) -> Replay:
        """Say what has been needed."""
        return Replay(self.is_reached, self.rounds, self.now, self.begun, stopped)


def replay_sweep(
    curves: Curves, sampling: Sampling, policy: Policy, slots: int, target: float, budget: int
) -> Replay:
    """Let the driver of sweeps run until a score is reached or the rounds are spent."""
    runs = _Runs(Machine(curves, target, budget), slots)
    plan = Plan(sampling, policy, _PRIMARY, True, 1000, None, math.inf)
    with tempfile.TemporaryDirectory() as folder:
        store, fingerprint = LocalStore(Path(folder)), Fingerprint({"bench": "replay"})
        with Journal.open(store, fingerprint, EVENTS, flush_every=3600.0) as journal:
            sweep = Sweep(plan, "replay", journal, Nobody(), lambda: runs.machine.now, runs)
            with suppress(OverError):
                sweep.run(runs)
    return runs.machine.replay(sum(child.is_stopped_early for child in sweep.children))


class _Runs:
    """Spark's side of a sweep, and its queue: a run goes on, or ends, when the driver has answered its report."""

    def __init__(self, machine: Machine, slots: int) -> None:
        self.machine = machine
        self.slots = slots
        self._metrics: dict[str, tuple[Metric, ...]] = {}
        self._asked: tuple[str, Future[bool]] | None = None

    def start(self, run: str, setting: Mapping[str, Any], tries: int) -> None:
        self._metrics[run] = ()
        self.machine.begin(run, setting)

    def cancel(self, run: str) -> None:
        raise AssertionError(f"{run} ends when it is told to: there is nothing to end by force")

    def put(self, message: Heard | Returned | str, /) -> None:
        raise AssertionError(f"nobody else tells the sweep anything, but there is {message!r}")

    def get(self, *, timeout: float) -> Heard | Returned | str:
        if self._asked is not None:
            run, answer = self._asked
            self._asked = None
            if answer.result():
                return self._returned(run, CANCELED)
            if not self.machine.go_on(run):
                return self._returned(run, COMPLETED)
        run, interval, score = self.machine.next_report()
        metric = Metric(_PRIMARY, score, interval - 1, self.machine.now)
        self._metrics[run] += (metric,)
        self._asked = run, Future()
        return Heard(run, 0, "replay", interval - 1, (metric,), self._asked[1])

    def _returned(self, run: str, status: str) -> Returned:
        return Returned(run, Ended(status, metrics=self._metrics[run]), NOWHERE)


class Nobody:
    """Keeps and shows nothing of what a sweep tells."""

    def started(self, child: Child) -> None:
        pass

    def heard(self, child: Child, metrics: Sequence[Metric], *, is_new_attempt: bool) -> None:
        pass

    def ended(self, child: Child) -> None:
        pass


def replay_optuna(
    curves: Curves,
    pruner: Callable[[], optuna.pruners.BasePruner],
    seed: int,
    slots: int,
    target: float,
    budget: int,
) -> Replay:
    """Let Optuna, with its TPE sampler and one of its pruners, do the same."""
    machine = Machine(curves, target, budget)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # Hyperband gives a trial its bracket by the study's name, which would be another one every time.
        study = optuna.create_study(
            study_name=f"replay-{seed}",
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
            pruner=pruner(),
        )
    running: dict[str, optuna.trial.Trial] = {}
    best: dict[str, float] = {}
    stopped = 0
    try:
        while True:
            while len(running) < slots:
                trial = study.ask()
                running[str(trial.number)] = trial
                machine.begin(str(trial.number), _suggested(trial, curves))
            run, interval, score = machine.next_report()
            best[run] = max(score, best.get(run, score))
            running[run].report(score, step=interval * curves.interval)
            if running[run].should_prune():
                study.tell(running.pop(run), state=optuna.trial.TrialState.PRUNED)
                stopped += 1
            elif not machine.go_on(run):
                study.tell(running.pop(run), best[run])
    except OverError:
        return machine.replay(stopped)


def _suggested(trial: optuna.trial.Trial, curves: Curves) -> dict[str, Any]:
    """Return a setting of the same search space as the samplers have."""
    setting = {
        name: trial.suggest_categorical(name, sorted({path[place] for path in curves.paths}))
        for place, name in enumerate(curves.names)
    }
    return {**setting, "n_estimators": curves.most_rounds}
