"""Which fits of a search are one task: those of one fold on one boosting path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
from sklearn.base import clone

from sparksweep.search.fit import Member
from sparksweep.search.paths import path_of

__all__ = ["Fit", "Task", "make_tasks"]


@dataclass(frozen=True)
class Fit:
    """One candidate on one fold. ``member`` holds a clone that belongs to this fit alone."""

    candidate: int
    fold: int
    member: Member


@dataclass(frozen=True)
class Task:
    """Fits of one fold that Spark does at once. ``positions`` are theirs in the list of all fits."""

    fold: int
    positions: tuple[int, ...]
    members: tuple[Member, ...]


def make_tasks(fits: Sequence[Fit], fit_params: Mapping[str, Any]) -> list[Task]:
    """Return the tasks that do all fits: one a boosting path and fold, the longest member first.

    Tasks stand in the order of their first fit.
    """
    rounds: dict[int, int] = {}
    groups: defaultdict[tuple[int, Any], list[int]] = defaultdict(list)
    keys: dict[int, Any] = {}
    for position, fit in enumerate(fits):
        # All folds of a candidate are on the same path: it is looked up once.
        if fit.candidate not in keys:
            keys[fit.candidate], rounds[fit.candidate] = _path_key(fit, fit_params)
        groups[fit.fold, keys[fit.candidate]].append(position)
    tasks = []
    for (fold, _), positions in groups.items():
        ordered = sorted(positions, key=lambda position: -rounds[fits[position].candidate])
        tasks.append(Task(fold, tuple(ordered), tuple(fits[position].member for position in ordered)))
    return tasks


def _path_key(fit: Fit, fit_params: Mapping[str, Any]) -> tuple[Any, int]:
    """Return what the candidates of a path have in common, and the candidate's rounds."""
    alone = ("alone", fit.candidate), 0
    try:
        estimator = Member(clone(fit.member.estimator), fit.member.parameters).prepare(threads=1)
    except Exception:
        return alone
    path = path_of(estimator, fit_params)
    if path is None:
        return alone
    rest = {name: value for name, value in fit.member.parameters.items() if name != path.parameter}
    return ("path", path.parameter, joblib.hash(rest)), path.rounds
