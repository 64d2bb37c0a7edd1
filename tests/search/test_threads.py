from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from sparksweep.search.threads import Threads


@pytest.mark.parametrize(
    ("own", "limit", "expected"), [(None, 2, 2), (-1, 2, 2), (0, 2, 2), (8, 2, 2), (1, 2, 1), (2, 2, 2)]
)
def test_xgboost_gets_at_most_the_limit(own, limit, expected):
    model = XGBClassifier(n_jobs=own)
    changed = Threads(limit).limit(model)
    assert model.n_jobs == expected
    assert changed == ({} if own == expected else {"n_jobs": own})


@pytest.mark.parametrize(("own", "expected"), [(None, None), (1, 1), (-1, 2), (4, 2)])
def test_none_of_scikit_learn_stays(own, expected):
    model = RandomForestClassifier(n_jobs=own)
    Threads(2).limit(model)
    assert model.n_jobs == expected


def test_steps_of_a_pipeline():
    model = Pipeline([("forest", RandomForestClassifier(n_jobs=-1)), ("boost", XGBClassifier())])
    changed = Threads(1).limit(model)
    assert model["forest"].n_jobs == model["boost"].n_jobs == 1
    assert changed == {"forest__n_jobs": -1, "boost__n_jobs": None}
    model.set_params(**changed)
    assert model["forest"].n_jobs == -1
    assert model["boost"].n_jobs is None


def test_a_number_that_was_asked_for_is_everybodys():
    model = Pipeline([("forest", RandomForestClassifier(n_jobs=None)), ("boost", XGBClassifier(n_jobs=1))])
    Threads(3, is_asked=True).limit(model)
    assert model["forest"].n_jobs == model["boost"].n_jobs == 3


def test_the_seed_of_xgboost_is_not_drawn():
    model = XGBClassifier(random_state=np.random.RandomState(0), n_jobs=-1)
    Threads(2).limit(model)
    assert model.get_params()["random_state"] == np.random.RandomState(0).randint(np.iinfo(np.int32).max)
