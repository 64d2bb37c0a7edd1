from __future__ import annotations

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from sparksweep.search.threads import limit_threads, task_threads


@pytest.mark.parametrize(
    ("own", "limit", "expected"), [(None, 2, 2), (-1, 2, 2), (0, 2, 2), (8, 2, 2), (1, 2, 1), (2, 2, 2)]
)
def test_xgboost_gets_at_most_the_limit(own, limit, expected):
    model = XGBClassifier(n_jobs=own)
    changed = limit_threads(model, limit)
    assert model.n_jobs == expected
    assert changed == ({} if own == expected else {"n_jobs": own})


@pytest.mark.parametrize(("own", "expected"), [(None, None), (1, 1), (-1, 2), (4, 2)])
def test_none_of_scikit_learn_stays(own, expected):
    model = RandomForestClassifier(n_jobs=own)
    limit_threads(model, 2)
    assert model.n_jobs == expected


def test_steps_of_a_pipeline():
    model = Pipeline([("forest", RandomForestClassifier(n_jobs=-1)), ("boost", XGBClassifier())])
    changed = limit_threads(model, 1)
    assert model["forest"].n_jobs == model["boost"].n_jobs == 1
    assert changed == {"forest__n_jobs": -1, "boost__n_jobs": None}
    model.set_params(**changed)
    assert model["forest"].n_jobs == -1
    assert model["boost"].n_jobs is None


def test_threads_of_a_task():
    assert task_threads(None, 3) == 3
    assert task_threads(2, 3) == 2
    with pytest.raises(ValueError, match=r"threads=4 .* 3 core.* spark.task.cpus=4"):
        task_threads(4, 3)
    with pytest.raises(ValueError, match="threads=0"):
        task_threads(0, 3)
