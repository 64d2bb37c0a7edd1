"""Which fits of a search are one piece of work, and in which order the pieces are done."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import joblib

from sparksweep.search.callbacks import needs_own_fit
from sparksweep.search.cost import estimated_cost
from sparksweep.search.fit import FitSettings, Member
from sparksweep.search.paths import is_seeded, path_of
from sparksweep.search.steps import steps_key

__all__ = ["Fit", "Task", "make_tasks"]


@dataclass(frozen=True)
class Fit:
    """One candidate on one fold. ``member`` holds a clone that belongs to this fit alone."""

    candidate: int
    fold: int
    member: Member


@dataclass(frozen=True)
class Task:
    """Fits of one fold that are done at once: on one boosting path, or the same candidate several times.

    ``positions`` are theirs in the list of all fits, ``members`` stand the longest first, and ``cost`` is an
    estimate that means something only beside the costs of the other tasks.
    """

    fold: int
    positions: tuple[int, ...]
    members: tuple[Member, ...]
    cost: float = 1.0


@dataclass(frozen=True)
class _Candidate:
    """What decides about the fits of a candidate, the same on every fold."""

    # Candidates of one group are one fit a fold; they differ in rounds or not at all.
    group: Any
    rounds: int = 0
    cost: float = 1.0
    # Tasks with the same steps follow one another, so that a worker finds them fitted.
    steps: str = field(default="")


def make_tasks(fits: Sequence[Fit], fit_params: Mapping[str, Any], settings: FitSettings) -> list[Task]:
    """Return the tasks that do all fits, the most costly first, so that none that is long begins last.

    Of equal cost, those of one fold and with the same first pipeline steps stand together.
    """
    candidates: dict[int, _Candidate] = {}
    groups: defaultdict[tuple[int, Any], list[int]] = defaultdict(list)
    for position, fit in enumerate(fits):
        # All folds of a candidate are alike: it is looked up once.
        if fit.candidate not in candidates:
            candidates[fit.candidate] = _look_up(fit, fit_params, settings)
        groups[fit.fold, candidates[fit.candidate].group].append(position)
    tasks, order = [], {}
    for (fold, _), positions in groups.items():
        ordered = sorted(positions, key=lambda position: -candidates[fits[position].candidate].rounds)
        first = candidates[fits[ordered[0]].candidate]
        members = tuple(fits[position].member for position in ordered)
        order[ordered[0]] = (-first.cost, fold, first.steps)
        tasks.append(Task(fold, tuple(ordered), members, first.cost))
    return sorted(tasks, key=lambda task: order[task.positions[0]])


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
