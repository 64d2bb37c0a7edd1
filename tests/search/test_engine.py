"""The engine: one broadcast, results as they end, retries, and cancellation."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from sklearn.metrics import check_scoring

from sparksweep.search.engine import LocalEngine, SparkEngine
from sparksweep.search.fit import FitSettings, Member, SearchData
from sparksweep.search.tasks import Fit
from tests.search.estimators import Constant

Y = np.arange(20) % 2
FOLDS = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]


class CountsPickles(np.ndarray):
    pickles = 0

    def __reduce__(self):
        type(self).pickles += 1
        return super().__reduce__()


def engine(sc, X=None, slots=None, kind=SparkEngine):
    X = np.zeros((20, 1)) if X is None else X
    settings = FitSettings(check_scoring(Constant(), None), None, np.nan, False, 1)
    data = SearchData(X, Y, {}, {})
    return LocalEngine(data, settings) if kind is LocalEngine else SparkEngine(sc, data, settings, slots)


def fits(*parameters):
    return [
        Fit(i, fold, Member(Constant(), one))
        for i, one in enumerate(parameters)
        for fold in range(len(FOLDS))
    ]


def test_data_are_sent_once(spark_context):
    X = np.zeros((20, 1)).view(CountsPickles)
    CountsPickles.pickles = 0
    with_data = engine(spark_context, X)
    for _ in range(2):
        assert len(list(with_data.run(fits(*[{"value": 0}] * 4), FOLDS))) == 8
    with_data.close()
    assert CountsPickles.pickles == 1


def test_both_engines_give_the_same(spark_context):
    jobs = fits({"value": 0}, {"value": 1}, {"fail": True})
    here = dict(engine(None, kind=LocalEngine).run(jobs, FOLDS))
    spark = dict(engine(spark_context).run(jobs, FOLDS))
    assert list(here) == sorted(spark) == list(range(6))
    for position, result in here.items():
        np.testing.assert_equal(spark[position].test_scores, result.test_scores)
        assert (spark[position].fit_error is None) == (result.fit_error is None)


def test_a_result_arrives_before_the_others_end(spark_context, tmp_path):
    gate = tmp_path / "gate"
    arrived = []
    for position, _ in engine(spark_context).run(fits({"value": 0}, {"wait_for": str(gate)}), FOLDS):
        arrived.append(position)
        if len(arrived) == 2:
            gate.touch()  # without it the two others would wait for ever
    assert set(arrived[:2]) == {0, 1}
    assert set(arrived[2:]) == {2, 3}


def test_a_dead_worker_is_retried_and_counted_once(spark_context, tmp_path):
    jobs = fits({"value": 0}, {"value": 1, "die_once": str(tmp_path / "died")}, {"value": 1})
    results = list(engine(spark_context).run(jobs, FOLDS))
    assert (tmp_path / "died").exists()
    assert sorted(position for position, _ in results) == list(range(6))
    assert all(result.test_scores == 0.5 for _, result in results)


def test_leaving_early_cancels_the_rest(spark_context, tmp_path):
    never = {"wait_for": str(tmp_path / "never")}
    results = engine(spark_context).run(fits({"value": 0}, never, never), FOLDS)
    next(results)
    results.close()
    deadline = time.monotonic() + 30
    while spark_context.statusTracker().getActiveJobsIds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_job_that_spark_gives_up_raises(spark_context):
    class Exits(Constant):
        def fit(self, X, y):
            os._exit(3)

    with pytest.raises(Exception, match=r"aborted|crashed|exit"):
        list(engine(spark_context).run([Fit(0, 0, Member(Exits(), {}))], FOLDS))


def test_two_engines_at_once(spark_context):
    """Job groups and accumulators of one search do not touch those of another."""
    seen = {}

    def go(name, value):
        seen[name] = sorted(
            position for position, _ in engine(spark_context).run(fits({"value": value}), FOLDS)
        )

    threads = [threading.Thread(target=go, args=(name, name)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {0: [0, 1], 1: [0, 1]}
