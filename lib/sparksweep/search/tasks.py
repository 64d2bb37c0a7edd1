"""Which fits of a search are one piece of work, and in which order the pieces are done."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import joblib

from sparksweep.search.callbacks import needs_own_fit
from sparksweep.search.cost import estimated_cost
from sparksweep.search.fit import FitSettings, Member
from sparksweep.search.paths import is_seeded, path_of
from sparksweep.search.steps import steps_key

__all__ = ["Fit", "Task", "in_turn", "make_tasks"]


@dataclass(frozen=True)
class Fit:
    """One candidate on one fold. ``member`` holds a clone that belongs to this fit alone."""

    candidate: int
    fold: int
    member: Member


@dataclass(frozen=True)
class Task:
    """Fits of one fold that are done at once: on one boosting path, or the same candidate several times.

    ``positions`` are theirs in the list of all fits, ``members`` stand the longest first. ``cost`` is an
    estimate that means something only beside the costs of the other tasks. ``steps`` is equal for tasks
    whose first pipeline steps are.
    """

    fold: int
    positions: tuple[int, ...]
    members: tuple[Member, ...]
    cost: float = 1.0
    steps: str = ""

    def without(self, done: Container[int]) -> Task | None:
        """Return what is left when the fits at some positions are done; None if nothing is."""
        left = [number for number, position in enumerate(self.positions) if position not in done]
        if not left:
            return None
        return replace(
            self,
            positions=tuple(self.positions[number] for number in left),
            members=tuple(self.members[number] for number in left),
        )


@dataclass(frozen=True)
class _Candidate:
    """What decides about the fits of a candidate, the same on every fold."""

    # Candidates of one group are one fit a fold; they differ in rounds or not at all.
    group: Any
    rounds: int = 0
    cost: float = 1.0
    steps: str = ""


def make_tasks(fits: Sequence[Fit], fit_params: Mapping[str, Any], settings: FitSettings) -> list[Task]:
    """Return the tasks that do all fits."""
    candidates: dict[int, _Candidate] = {}
    groups: defaultdict[tuple[int, Any], list[int]] = defaultdict(list)
    for position, fit in enumerate(fits):
        # All folds of a candidate are alike: it is looked up once.
        if fit.candidate not in candidates:
            candidates[fit.candidate] = _look_up(fit, fit_params, settings)
        groups[fit.fold, candidates[fit.candidate].group].append(position)
    tasks = []
    for (fold, _), positions in groups.items():
        ordered = sorted(positions, key=lambda position: -candidates[fits[position].candidate].rounds)
        first = candidates[fits[ordered[0]].candidate]
        members = tuple(fits[position].member for position in ordered)
        tasks.append(Task(fold, tuple(ordered), members, first.cost, first.steps))
    return tasks


def in_turn(tasks: Sequence[Task], slots: int) -> list[Task]:
    """Return tasks in the order in which they are to begin, where ``slots`` run at once.

    The shortest come last, the longest of them first (Graham's LPT rule), so that all slots end at about the
    same time: as many as keep the other slots busy while one is at the longest task of all. Before these the
    order does not matter for that. So tasks of one fold stand together there, and of these the ones with
    the same first pipeline steps: a worker then finds what its last task has made.
    """
    by_cost = sorted(tasks, key=lambda task: (-task.cost, task.fold, task.steps))
    split, spent = len(by_cost), 0.0
    while split and spent < slots * by_cost[0].cost:
        split -= 1
        spent += by_cost[split].cost
    return sorted(by_cost[:split], key=lambda task: (task.fold, task.steps, -task.cost)) + by_cost[split:]


def _look_up(fit: Fit, fit_params: Mapping[str, Any], settings: FitSettings) -> _Candidate:
    # A copy and not a clone: of an XGBoost estimator with a RandomState that would change the fit.
    member = Member(copy.deepcopy(fit.member.estimator), fit.member.parameters)
    alone = ("alone", fit.candidate)
    try:
        estimator = member.prepare(settings)
        cost = estimated_cost(estimator)
        if needs_own_fit(estimator, fit.member.place):
            return _Candidate(alone, 0, cost)
        steps = steps_key(estimator) or ""
        path = path_of(estimator, fit_params)
        if path is not None:
            rest = {name: value for name, value in fit.member.parameters.items() if name != path.parameter}
            return _Candidate(("path", path.parameter, joblib.hash(rest)), path.rounds, cost, steps)
        if is_seeded(estimator):
            return _Candidate(("same", joblib.hash(fit.member.parameters)), 0, cost, steps)
    except Exception:  # a parameter that does not exist, or that has no hash: the fit itself will tell
        return _Candidate(alone)
    return _Candidate(alone, 0, cost, steps)
