"""Bundles, by hand-worked tables and by a simulated Spark."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparksweep.search.schedule import LONG_AFTER, STOP_AFTER, Backlog


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_the_first_go_alone_and_the_rest_by_their_times():
    backlog = Backlog([1.0] * 100, slots=2)
    assert backlog.take() == [[0], [1], [2], [3]]
    assert backlog.take() == []
    backlog.ended([(0, 0.01)])
    assert backlog.take() == []  # Spark has one waiting for each slot still
    backlog.ended([(1, 0.01)])
    bundles = backlog.take()
    # 96 fits of 0.01 s are 0.48 s a slot, less than a bundle is to take at least: one for each.
    assert bundles == [list(range(4, 52)), list(range(52, 100))]


@pytest.mark.parametrize(
    ("seconds", "fits", "expected"),
    [
        (0.01, 300, 50),  # 1.5 s a slot: bundles of half a second
        (0.01, 600, 75),  # 3 s a slot: four bundles
        (0.01, 2000, 100),  # 10 s a slot: bundles of a second
        (0.3, 40, 3),  # 6 s a slot: bundles of a second at most
        (0.7, 40, 1),
    ],
)
def test_the_size_of_bundles(seconds, fits, expected):
    backlog = Backlog([1.0] * (fits + 4), slots=2)
    backlog.take()
    backlog.ended([(0, seconds)])
    backlog.ended([(1, seconds)])
    assert len(backlog.take()[0]) == expected


def test_long_fits_go_alone():
    backlog = Backlog([1.0] * 10, slots=2)
    backlog.take()
    backlog.ended([(0, 30.0)])
    backlog.ended([(1, 30.0)])
    assert backlog.take() == [[task] for task in range(4, 10)]


def test_fits_that_do_not_end_count_as_long():
    clock = Clock()
    backlog = Backlog([1.0] * 10, slots=2, clock=clock)
    backlog.take()
    assert backlog.wait() == LONG_AFTER
    clock.now = LONG_AFTER
    assert backlog.take() == [[task] for task in range(4, 10)]
    assert backlog.wait() is None


def test_costs_scale_the_times():
    backlog = Backlog([10.0] * 4 + [1.0] * 40, slots=2)
    backlog.take()
    for task in (0, 1):
        backlog.ended([(task, 0.5)])  # 0.05 s a unit of cost: bundles of half a second are 10 fits
    assert [len(bundle) for bundle in backlog.take()] == [10, 10, 10, 10]


def test_a_first_slow_fit_does_not_mislead():
    backlog = Backlog([1.0] * 84, slots=2)
    backlog.take()
    backlog.ended([(0, 5.0)])  # imports libraries
    backlog.ended([(1, 0.01)])
    backlog.ended([(2, 0.01)])
    backlog.ended([(3, 0.01)])
    assert len(backlog.take()[0]) == 40


def test_what_was_not_begun_goes_next():
    backlog = Backlog([1.0] * 9, slots=1, is_limited=True)
    assert backlog.take() == [[0]]
    backlog.ended([(0, 0.001)])
    assert backlog.take() == [[*range(1, 9)]]
    backlog.ended([(1, 4.0)], undone=[*range(2, 9)])
    assert backlog.take()[0][0] == 2


@given(
    st.lists(st.floats(0.001, 20), max_size=60),
    st.integers(1, 5),
    st.booleans(),
)
def test_every_task_is_done_once_and_no_more_at_once_than_allowed(seconds, slots, is_limited):
    """A Spark of so many slots that does what it is sent, first come, first served."""
    clock = Clock()
    backlog = Backlog([1.0] * len(seconds), slots, is_limited=is_limited, clock=clock)
    queue, running, done, most = [], [], [], 0
    while len(done) < len(seconds):
        queue += backlog.take()
        while queue and len(running) < slots:
            bundle, spent, begun = queue.pop(0), 0.0, []
            for task in bundle:
                if begun and spent >= STOP_AFTER:
                    break
                spent += seconds[task]
                begun.append(task)
            heapq.heappush(running, (clock.now + spent, begun, bundle[len(begun) :]))
        most = max(most, len(running) + (len(queue) if is_limited else 0))
        end, begun, undone = running[0]
        wait = backlog.wait()
        if wait is not None and clock.now + wait < end:
            clock.now += wait
            continue
        heapq.heappop(running)
        clock.now = end
        done += begun
        backlog.ended([(task, seconds[task]) for task in begun], undone)
    assert sorted(done) == list(range(len(seconds)))
    assert most <= slots
    assert backlog.take() == []


def test_a_limit_is_kept_from_the_beginning():
    backlog = Backlog([1.0] * 10, slots=3, is_limited=True)
    assert len(backlog.take()) == 3
    backlog.ended([(0, 9.0)])
    assert backlog.take() == [[3]]
    assert backlog.wait() is None


def test_nothing_to_do():
    assert Backlog([], slots=2).take() == []
