from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sparksweep.search.kept import Kept, nbytes, protect


def test_makes_once_and_drops_the_least_recently_used():
    kept, made = Kept(budget=100), []

    def get(key, size=40):
        return kept.get(key, size, lambda: made.append(key) or key.upper())

    assert [get("a"), get("b"), get("a"), get("c"), get("a"), get("b")] == list("ABACAB")
    assert made == ["a", "b", "c", "b"]


def test_the_newest_stays_whatever_its_size():
    kept, made = Kept(budget=100), []
    for key in ("a", "large", "large", "a"):
        kept.get(key, 1000 if key == "large" else 1, lambda key=key: made.append(key))
    assert made == ["a", "large", "a"]


def test_shrinks_to_what_was_used_last():
    kept, made = Kept(budget=100), []
    for key in "abc":
        kept.get(key, 30, lambda key=key: made.append(key))
    kept.shrink(60)
    for key in "bca":
        kept.get(key, 30, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "a"]


def test_names_hold_until_they_are_forgotten():
    kept, X = Kept(), np.zeros(3)
    kept.name(X, "train")
    assert kept.name_of(X) == "train"
    assert kept.name_of(X.copy()) is None
    kept.forget_names()
    assert kept.name_of(X) is None


@pytest.mark.parametrize(
    ("value", "can"),
    [
        (np.zeros((3, 2)), True),
        (sparse.csr_matrix(np.eye(3)), True),
        (None, True),
        (np.array(["a", None], dtype=object), False),
        (pd.DataFrame({"a": [1]}), False),
        (sparse.coo_matrix(np.eye(3)), False),
        ([1, 2], False),
    ],
)
def test_protects_what_can_be(value, can):
    assert protect(value) is can
    if can and value is not None:
        with pytest.raises(ValueError, match="read-only"):
            value[0, 0] = 5


def test_sizes():
    assert nbytes(np.zeros((3, 2))) == 48
    assert nbytes(sparse.csr_matrix(np.eye(3))) == 3 * 8 + 3 * 4 + 4 * 4
    assert nbytes(pd.DataFrame({"a": [1.0, 2.0]}, index=pd.RangeIndex(2))) >= 16
    assert nbytes(["a"]) == 0
