"""Sets of events as bits against Python's sets."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sparksweep.features.event_sets import EventSets
from sparksweep.features.relation import Relation

CODES, RIGHT_CODES = 7, 5
# The ends of the first three blocks are as likely as all other numbers together.
NUMBERS = st.sampled_from([0, 1, 62, 63, 64, 65, 127, 128, 129]) | st.integers(0, 200)
# (device, number, codes) in any order, some of them several times.
EVENTS = st.lists(
    st.tuples(st.integers(0, 3), NUMBERS, st.lists(st.integers(0, CODES - 1), max_size=5)), max_size=60
)
PAIRS = st.lists(st.tuples(st.integers(0, CODES - 1), st.integers(0, RIGHT_CODES - 1)), max_size=15)
MANY = [(device, number, [number % CODES, 3]) for device in (2, 0) for number in reversed(range(300))]

Events = list[tuple[int, int, list[int]]]
ByHand = dict[tuple[int, int], set[int]]


def _sets(events: Events) -> EventSets:
    return EventSets.of(
        np.array([device for device, _, _ in events], np.int64),
        np.array([number for _, number, _ in events], np.int64),
        np.array([len(codes) for _, _, codes in events], np.int64),
        np.array([code for _, _, codes in events for code in codes], np.int64),
        CODES,
    )


def _by_hand(events: Events) -> ByHand:
    sets = defaultdict(set)
    for device, number, codes in events:
        for code in codes:
            sets[device, code].add(number)
    return dict(sets)


def _followed(sets: ByHand, pairs: list[tuple[int, int]]) -> ByHand:
    united = defaultdict(set)
    for (device, code), numbers in sets.items():
        for left, right in pairs:
            if left == code:
                united[device, right] |= numbers
    return dict(united)


def _relation(pairs: list[tuple[int, int]]) -> Relation:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return Relation.of(left, right, CODES)


def _unpacked(sets: EventSets) -> ByHand:
    assert sets.keys.dtype == np.int64
    assert sets.events.dtype == np.uint64
    assert (np.diff(sets.keys) > 0).all()
    assert (sets.events != 0).all()
    numbers = defaultdict(set)
    for key, bits in zip(sets.keys.tolist(), sets.events.tolist(), strict=True):
        pair, block = divmod(key, sets.blocks)
        numbers[divmod(pair, sets.codes)] |= {block * 64 + bit for bit in range(64) if bits >> bit & 1}
    return dict(numbers)


def _counted(sets: EventSets) -> list[tuple[tuple[int, int], int]]:
    device, code, counts = (part.tolist() for part in sets.count())
    return list(zip(zip(device, code, strict=True), counts, strict=True))


@settings(deadline=None)
@given(EVENTS)
@example([])
@example([(0, 0, [])])
@example(MANY)
def test_sets_of_events(events: Events) -> None:
    assert _unpacked(_sets(events)) == _by_hand(events)


@settings(deadline=None)
@given(EVENTS, st.integers(0, CODES - 1))
def test_one_code_an_event(events: Events, step: int) -> None:
    device, number = (np.array([event[i] for event in events], np.int64) for i in (0, 1))
    code = (number + step) % CODES
    expected = _by_hand([(event[0], event[1], [(event[1] + step) % CODES]) for event in events])
    assert _unpacked(EventSets.of(device, number, 1, code, CODES)) == expected


@settings(deadline=None)
@given(EVENTS, PAIRS)
@example([], [(0, 0)])
@example(MANY, [])
@example(MANY, [(code, 0) for code in range(CODES)])
def test_follow_unites_the_events_of_all_codes_that_lead_there(
    events: Events, pairs: list[tuple[int, int]]
) -> None:
    followed = _sets(events).follow(_relation(pairs), RIGHT_CODES)
    assert followed.codes == RIGHT_CODES
    assert _unpacked(followed) == _followed(_by_hand(events), pairs)


@settings(deadline=None)
@given(EVENTS)
@example([])
@example(MANY)
def test_counts_are_the_sizes_of_the_sets(events: Events) -> None:
    expected = [(pair, len(numbers)) for pair, numbers in sorted(_by_hand(events).items())]
    assert _counted(_sets(events)) == expected


@settings(deadline=None)
@given(EVENTS, PAIRS)
@example([], [])
@example(MANY, [(code, 0) for code in range(CODES)])
def test_without_events_the_pairs_are_left(events: Events, pairs: list[tuple[int, int]]) -> None:
    bare = _sets(events).without_events()
    by_hand = {pair: {0} for pair in _by_hand(events)}
    assert _unpacked(bare) == by_hand
    assert bare.blocks == 1
    followed = bare.follow(_relation(pairs), RIGHT_CODES)
    assert _unpacked(followed) == _followed(by_hand, pairs)
    assert {count for _, count in _counted(followed)} <= {1}


@pytest.mark.parametrize(("last", "blocks"), [(0, 1), (63, 1), (64, 2), (127, 2), (128, 3)])
def test_a_block_has_64_events(last: int, blocks: int) -> None:
    sets = _sets([(1, last, [0])])
    assert sets.blocks == blocks
    assert _unpacked(sets) == {(1, 0): {last}}


def test_no_event_takes_one_block() -> None:
    sets = _sets([])
    assert (sets.blocks, _unpacked(sets), _counted(sets)) == (1, {}, [])
