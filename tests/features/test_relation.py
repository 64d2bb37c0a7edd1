"""Relations against sets of pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sparksweep.features.relation import Relation

SIZE = 6
PAIRS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, 9)), max_size=40)


def _relation(pairs: list[tuple[int, int]]) -> Relation:
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return Relation.of(left, right, SIZE)


@settings(deadline=None)
@given(PAIRS)
def test_each_left_code_has_its_right_codes_sorted_and_once(pairs: list[tuple[int, int]]) -> None:
    relation = _relation(pairs)
    assert len(relation.starts) == SIZE + 1
    found = [
        relation.codes[relation.starts[code] : relation.starts[code + 1]].tolist() for code in range(SIZE)
    ]
    assert found == [sorted({right for left, right in pairs if left == code}) for code in range(SIZE)]


@settings(deadline=None)
@given(PAIRS, st.lists(st.integers(0, SIZE - 1), max_size=20))
def test_follow_gives_every_right_code_of_every_place(pairs: list[tuple[int, int]], lefts: list[int]) -> None:
    codes, places = _relation(pairs).follow(np.array(lefts, np.int64))
    expected = [
        (right, place)
        for place, code in enumerate(lefts)
        for right in sorted({right for left, right in pairs if left == code})
    ]
    assert list(zip(codes.tolist(), places.tolist(), strict=True)) == expected


def test_a_relation_without_codes() -> None:
    none = np.empty(0, np.int64)
    relation = Relation.of(none, none, 0)
    codes, places = relation.follow(none)
    assert relation.starts.tolist() == [0]
    assert codes.tolist() == places.tolist() == []
