"""In which order tasks begin, and what is left of one."""

from __future__ import annotations

import heapq
from itertools import pairwise

import numpy as np
import pytest

from sparksweep.search.tasks import Task, in_turn


def makespan(costs, slots):
    """When the last of them ends, where each slot that is free begins the next one."""
    free = [0.0] * slots
    for cost in costs:
        heapq.heappush(free, heapq.heappop(free) + cost)
    return max(free)


def tasks_of(costs, folds, steps=1):
    return [Task(n % folds, (n,), (None,), cost, str(n // folds % steps)) for n, cost in enumerate(costs)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("slots", [1, 2, 7, 40])
def test_slots_end_at_about_the_same_time(seed, slots):
    rng = np.random.default_rng(seed)
    costs = rng.choice([1.0, 2.0, 3.5, 10.0, rng.uniform(0.1, 30)], size=int(rng.integers(1, 300)))
    tasks = tasks_of(costs, 5, steps=3)
    ordered = in_turn(tasks, slots)
    assert sorted(task.positions for task in ordered) == [task.positions for task in tasks]
    # LPT is within 4/3 of the best order (Graham 1969), and no order is better than what is compared with here.
    best = max(costs.max(), costs.sum() / slots)
    assert makespan([task.cost for task in ordered], slots) <= 4 / 3 * best + 1e-9


def test_a_long_task_does_not_begin_last():
    ordered = in_turn(tasks_of([1.0] * 50 + [30.0], folds=5), slots=4)
    assert makespan([task.cost for task in ordered], 4) <= 31


def test_tasks_of_a_fold_and_of_its_steps_stand_together():
    tasks = tasks_of(np.tile([1.0, 3.0, 2.0], 60), folds=5, steps=3)
    ordered = in_turn(tasks, slots=2)
    places = [(task.fold, task.steps) for task in ordered]
    # The last few are the shortest, whatever their fold.
    shortest = [task.cost for task in ordered[-6:]]
    assert shortest == [1.0] * 6
    assert sum(one != other for one, other in pairwise(places[:-6])) == 5 * 3 - 1


def test_what_is_left_of_a_task_keeps_its_order():
    task = Task(1, (4, 2, 7), ("longest", "shorter", "shortest"), 3.0, "steps")
    assert task.without({4, 5}) == Task(1, (2, 7), ("shorter", "shortest"), 3.0, "steps")
    assert task.without({}) == task
    assert task.without({2, 4, 7}) is None
