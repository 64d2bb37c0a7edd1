"""The engine: one broadcast, results as they end, retries, and cancellation."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from sklearn.metrics import check_scoring

from sparksweep.search.engine import LocalEngine, SparkEngine
from sparksweep.search.fit import FitSettings, Member
from sparksweep.search.tasks import Fit, make_tasks
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import SearchData
from tests.search.estimators import Constant

Y = np.arange(20) % 2
FOLDS = [(np.arange(10), np.arange(10, 20)), (np.arange(10, 20), np.arange(10))]


class CountsPickles(np.ndarray):
    pickles = 0

    def __reduce__(self):
        type(self).pickles += 1
        return super().__reduce__()


SETTINGS = FitSettings(check_scoring(Constant(), None), None, np.nan, False, Threads(1))


def engine(sc, X=None):
    return SparkEngine(sc, SearchData(np.zeros((20, 1)) if X is None else X, Y, {}, {}))


def run(engine, fits, **how):
    """The fits of an engine, in the order in which they end."""
    if isinstance(engine, SparkEngine):
        how = {"slots": 2, **how}
    return engine.run(make_tasks(fits, {}, SETTINGS), FOLDS, SETTINGS, **how)


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
        assert len(list(run(with_data, fits(*[{"value": i % 2} for i in range(4)])))) == 8
    with_data.close()
    assert CountsPickles.pickles == 1


def test_both_engines_give_the_same(spark_context):
    jobs = fits({"value": 0}, {"value": 1}, {"fail": True})
    here = dict(run(LocalEngine(SearchData(np.zeros((20, 1)), Y, {}, {})), jobs))
    spark = dict(run(engine(spark_context), jobs))
    assert sorted(here) == sorted(spark) == list(range(6))
    for position, result in here.items():
        np.testing.assert_equal(spark[position].test_scores, result.test_scores)
        assert (spark[position].fit_error is None) == (result.fit_error is None)


def test_a_result_arrives_before_the_others_end(spark_context, tmp_path):
    gate = tmp_path / "gate"
    arrived = []
    for position, _ in run(engine(spark_context), fits({"value": 0}, {"wait_for": str(gate)})):
        arrived.append(position)
        if len(arrived) == 2:
            gate.touch()  # without it the two others would wait for ever
    assert set(arrived[:2]) == {0, 1}
    assert set(arrived[2:]) == {2, 3}


def test_a_dead_worker_is_retried_and_counted_once(spark_context, tmp_path):
    jobs = fits({"value": 0}, {"value": 1, "die_once": str(tmp_path / "died")}, {"value": 1})
    results = list(run(engine(spark_context), jobs))
    assert (tmp_path / "died").exists()
    assert sorted(position for position, _ in results) == list(range(6))
    assert all(result.test_scores == 0.5 for _, result in results)


def test_leaving_early_cancels_the_rest(spark_context, tmp_path):
    never = {"wait_for": str(tmp_path / "never")}
    results = run(engine(spark_context), fits({"value": 0}, never, {**never, "value": 1}))
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
        list(run(engine(spark_context), [Fit(0, 0, Member(Exits(), {}))]))


def test_two_engines_at_once(spark_context):
    """Job groups and accumulators of one search do not touch those of another."""
    seen = {}

    def go(name, value):
        seen[name] = sorted(position for position, _ in run(engine(spark_context), fits({"value": value})))

    threads = [threading.Thread(target=go, args=(name, name)) for name in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {0: [0, 1], 1: [0, 1]}
