"""The driver of a sweep, with its runs played in one thread: what it starts, hears, decides, keeps and goes on with."""

from __future__ import annotations

import json
import math
import warnings
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress

import pytest

from sparksweep.errors import ConfigError, SetupError
from sparksweep.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    NoTerminationPolicy,
    RandomParameterSampling,
    SuccessiveHalvingPolicy,
    TPEParameterSampling,
    choice,
    uniform,
)
from sparksweep.hyperdrive.child.task import Ended
from sparksweep.hyperdrive.driver.children import EVENTS, POLICY
from sparksweep.hyperdrive.driver.launcher import Returned, SparkGone
from sparksweep.hyperdrive.driver.report_server import Heard
from sparksweep.hyperdrive.driver.sweep import Plan, Sweep
from sparksweep.hyperdrive.termination.reports import Reports
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.journal import Journal
from sparksweep.storage import LocalStore
from tests.hyperdrive.fakes import NOWHERE, Clock, Messages, Recorded, Runs, metrics

GRID = GridParameterSampling({"x": choice(1, 2, 3), "y": choice(10, 20)})
RANDOM = RandomParameterSampling({"x": uniform(0, 1)}, seed=3)
SWEEP = "sweep"
NO_POLICY = NoTerminationPolicy()


def plan(sampling=GRID, policy=NO_POLICY, total=100, concurrent=None, seconds=1e9, *, maximize=True):
    return Plan(sampling, policy, "score", maximize, total, concurrent, seconds)


def rising(setting):
    """Three values that rise to x."""
    return iter([setting["x"] / 3, setting["x"] / 2, setting["x"]])


class Driver:
    """A sweep with its journal in a folder, as one driver has it."""

    def __init__(self, folder, plan, curve=rising, slots=2, before_each=lambda: None):
        self.journal = Journal.open(LocalStore(folder), Fingerprint({"a": "sweep"}), EVENTS, flush_every=0.0)
        self.runs = Runs(curve, slots)
        self.recorded = Recorded()
        self.clock = Clock()
        messages = Messages(self.runs, before_each)
        try:
            self.sweep = Sweep(plan, SWEEP, self.journal, self.recorded, self.clock, messages)
        except BaseException:
            self.journal.close()
            raise
        self.runs.sweep = self.sweep

    def run(self):
        with self.journal:
            self.sweep.run(self.runs)
        return self


def events(folder):
    found = {}
    for file in folder.glob("batch-*.json"):
        found |= json.loads(file.read_text())["results"]
    return [found[key] for key in sorted(found)]


def kinds(folder, kind):
    return [event for event in events(folder) if event["kind"] == kind]


def statuses(driver):
    return Counter(child.status for child in driver.sweep.children)


def test_every_setting_of_a_grid_is_run_once(tmp_path):
    driver = Driver(tmp_path, plan()).run()
    settings = [child.setting for child in driver.sweep.children]
    assert settings == [{"x": x, "y": y} for x in (1, 2, 3) for y in (10, 20)]
    assert statuses(driver) == {"Completed": 6}
    assert [child.values for child in driver.sweep.children][-1] == (1.0, 1.5, 3)
    assert driver.runs.started == [f"{SWEEP}_{number}" for number in range(6)]
    assert [child.best(maximize=True) for child in driver.sweep.children] == [1, 1, 2, 2, 3, 3]
    assert [child.best(maximize=False) for child in driver.sweep.children][2] == 2 / 3


@pytest.mark.parametrize(
    ("slots", "concurrent", "total", "at_once"),
    [(2, None, 6, 2), (9, 3, 6, 3), (1, 5, 6, 1), (None, None, 4, 4)],
)
def test_no_more_runs_at_once_and_in_all_than_asked_for(tmp_path, slots, concurrent, total, at_once):
    driver = Driver(tmp_path, plan(total=total, concurrent=concurrent), slots=slots).run()
    assert driver.runs.most_at_once == at_once
    assert len(driver.runs.started) == total


def test_the_policy_stops_a_run_and_the_sampler_is_told_its_best(tmp_path):
    policy = BanditPolicy(slack_factor=0.2)
    driver = Driver(tmp_path, plan(policy=policy), slots=6).run()
    stopped = [child.number for child in driver.sweep.children if child.is_stopped_early]
    assert stopped == [0, 1, 2, 3]
    assert {child.error for child in driver.sweep.children if child.is_stopped_early} == {POLICY}
    told = {event["run"]: event["value"] for event in kinds(tmp_path, "tell")}
    assert told == {child.number: child.best(maximize=True) for child in driver.sweep.children}
    assert min(len(child.values) for child in driver.sweep.children) < 3


def test_several_reports_in_one_message_are_decided_one_by_one(tmp_path):
    """The policy fires at interval 2 alone; a message that brings three reports does not step over it."""
    policy = BanditPolicy(slack_factor=0.0, evaluation_interval=2)
    driver = Driver(tmp_path, plan(policy=policy), slots=6)
    for child_number, values in ((0, [9.0, 9.0]), (1, [1.0, 1.0, 99.0])):
        driver.sweep._fill(driver.runs)
        answer = Future()
        heard = Heard(f"{SWEEP}_{child_number}", 1000, "host", 0, metrics(values), answer)
        stop = driver.sweep._take(heard)
    assert stop is True
    assert kinds_in(driver, "stop") == [1]
    driver.journal.close()


def kinds_in(driver, word):
    return [child.number for child in driver.sweep.children if child.word is not None]


def test_other_metrics_are_kept_and_count_for_nothing(tmp_path):
    driver = Driver(tmp_path, plan(policy=BanditPolicy(slack_factor=0.0)))
    driver.sweep._fill(driver.runs)
    heard = Heard(f"{SWEEP}_0", 1000, "host", 0, (*metrics([1.0], "loss"), *metrics([2.0])), Future())
    assert driver.sweep._take(heard) is False
    child = driver.sweep.children[0]
    assert child.values == (2.0,)
    assert [metric.name for metric in child.metrics] == ["loss", "score"]
    driver.journal.close()
    # One event an interval, however much else is logged in it.
    assert [len(event["metrics"]) for event in kinds(tmp_path, "heard")] == [2]


def test_metrics_after_the_last_interval_are_kept_at_once(tmp_path):
    driver = Driver(tmp_path, plan())
    driver.sweep._fill(driver.runs)
    logged = (*metrics([1.0]), *metrics([1.0, 2.0], "loss"), *metrics([3.0]), *metrics([4.0, 5.0], "loss"))
    driver.sweep._take(Heard(f"{SWEEP}_0", 1000, "host", 0, logged, Future()))
    driver.journal.close()
    assert [len(event["metrics"]) for event in kinds(tmp_path, "heard")] == [1, 3, 2]
    assert driver.sweep.children[0].metrics == logged
    assert driver.sweep.children[0].values == (1.0, 3.0)


def test_a_message_that_comes_twice_counts_once(tmp_path):
    driver = Driver(tmp_path, plan())
    driver.sweep._fill(driver.runs)
    for first, values in ((0, [1.0]), (0, [1.0, 2.0]), (2, []), (1, [2.0])):
        driver.sweep._take(Heard(f"{SWEEP}_0", 1000, "host", first, metrics(values), Future()))
    assert driver.sweep.children[0].values == (1.0, 2.0)
    driver.journal.close()


def test_a_new_attempt_begins_afresh_and_the_old_one_is_sent_home(tmp_path):
    driver = Driver(tmp_path, plan())
    driver.sweep._fill(driver.runs)
    run = f"{SWEEP}_0"
    driver.sweep._take(Heard(run, 1000, "host", 0, metrics([1.0, 2.0]), Future()))
    assert driver.sweep._take(Heard(run, 1001, "other", 0, metrics([5.0]), Future())) is False
    child = driver.sweep.children[0]
    assert (child.values, child.host, child.attempt) == ((5.0,), "other", 1001)
    assert driver.sweep._take(Heard(run, 1000, "host", 2, metrics([3.0]), Future())) is True
    assert driver.sweep.children[0].values == (5.0,)
    assert driver.recorded.new_attempts == [run, run]
    assert driver.sweep._take(Heard("a stranger", 1, "host", 0, (), Future())) is False
    driver.journal.close()


def test_what_did_not_arrive_while_a_run_ran_comes_with_its_end(tmp_path):
    driver = Driver(tmp_path, plan())
    driver.sweep._fill(driver.runs)
    run = f"{SWEEP}_0"
    driver.sweep._take(Heard(run, 1000, "host", 0, metrics([1.0]), Future()))
    driver.sweep._end(
        Returned(run, Ended("Completed", None, 1000, "host", 1.0, metrics([1.0, 2.0])), NOWHERE)
    )
    assert driver.sweep.children[0].values == (1.0, 2.0)
    run = f"{SWEEP}_1"  # never heard of: the driver could not be reached at all
    driver.sweep._end(Returned(run, Ended("Completed", None, 1002, "host", 1.0, metrics([4.0])), NOWHERE))
    assert driver.sweep.children[1].values == (4.0,)
    assert driver.sweep.children[1].attempt == 1002
    driver.journal.close()


def test_a_run_that_fails_fails_alone(tmp_path):
    def curve(setting):
        yield 1.0
        if setting["x"] == 2:
            raise ValueError("no such solver")

    driver = Driver(tmp_path, plan(), curve).run()
    assert statuses(driver) == {"Completed": 4, "Failed": 2}
    failed = driver.sweep.children[2]
    assert failed.error == "no such solver"
    told = {event["run"]: event["value"] for event in kinds(tmp_path, "tell")}
    assert told == {0: 1.0, 1: 1.0, 2: None, 3: None, 4: 1.0, 5: 1.0}


def test_nan_counts_as_nothing(tmp_path):
    driver = Driver(tmp_path, plan(total=1), lambda _: iter([math.nan, 0.5, math.inf])).run()
    child = driver.sweep.children[0]
    assert child.best(maximize=True) == 0.5
    assert math.isnan(child.values[0])
    assert len(child.values) == 3


def test_a_sweep_that_takes_too_long_ends_with_what_it_has(tmp_path):
    driver = Driver(tmp_path, plan(RANDOM, total=1000, seconds=5.0), lambda _: iter([1.0] * 1000))
    driver.run()
    assert driver.sweep.why_over == "the sweep has taken 0.0833333 minutes"
    assert set(statuses(driver)) == {"Canceled"}
    assert len(driver.sweep.children) == 2
    assert {child.error for child in driver.sweep.children} == {driver.sweep.why_over}
    assert not any(child.is_stopped_early for child in driver.sweep.children)


def test_time_before_an_interruption_counts(tmp_path):
    first = Driver(tmp_path, plan(RANDOM, total=3, seconds=100.0))
    first.clock.now += 60.0
    first.run()
    again = Driver(tmp_path, plan(RANDOM, total=3, seconds=100.0))
    assert 60.0 <= again.sweep.seconds < 62.0
    again.journal.close()


def test_a_sweep_is_canceled_by_its_user(tmp_path):
    driver = Driver(tmp_path, plan(RANDOM, total=1000), lambda _: iter([1.0] * 5))
    steps = iter(range(1000))
    driver.sweep._messages._before_each = lambda: driver.sweep.cancel() if next(steps) == 20 else None
    driver.run()
    assert driver.sweep.why_over == "canceled by the user"
    assert statuses(driver)["Canceled"] == 2
    assert statuses(driver)["Completed"] == len(driver.sweep.children) - 2


def test_another_spark_does_again_what_the_one_that_ended_had_begun(tmp_path):
    driver = Driver(tmp_path, plan())
    steps = iter(range(1000))
    driver.sweep._messages._before_each = lambda: driver.sweep.hear(SparkGone()) if next(steps) == 9 else None
    with pytest.raises(SetupError, match="Spark has ended while runs were at work"):
        driver.run()
    ended = statuses(driver)
    assert 0 < ended["Completed"] < 6
    assert "Failed" not in ended
    again = Driver(tmp_path, plan()).run()
    assert statuses(again) == {"Completed": 6}
    assert len(again.runs.started) == 6 - ended["Completed"]


def test_a_run_that_does_not_end_by_itself_is_ended_by_force(tmp_path):
    policy = BanditPolicy(slack_factor=0.0)
    driver = Driver(tmp_path, plan(policy=policy, total=2), lambda setting: iter([setting["y"]] * 100))
    driver.runs.obey = lambda: driver.clock.__setattr__("now", driver.clock.now + 1.0)
    driver.run()
    assert driver.runs.cancelled == [f"{SWEEP}_0"]
    assert driver.sweep.children[0].is_stopped_early


def test_a_space_that_has_an_end_ends_the_sweep(tmp_path):
    sampling = RandomParameterSampling({"x": choice(1, 2, 3)}, seed=0)
    driver = Driver(tmp_path, plan(sampling, total=50)).run()
    assert sorted(child.setting["x"] for child in driver.sweep.children) == [1, 2, 3]


def interrupted(folder, plan, curve, after, slots=2):
    """Leave the journal as a driver does that is gone after so many messages, whatever had been written."""

    class GoneError(Exception):
        pass

    steps = iter(range(100_000))

    def before_each():
        if next(steps) == after:
            raise GoneError

    driver = Driver(folder, plan, curve, slots, before_each)
    with suppress(GoneError):
        driver.run()
    return driver


def ended_before(driver):
    return {child.number: child for child in driver.sweep.children if child.has_ended}


@pytest.mark.parametrize(
    "sampling",
    [
        GRID,
        RANDOM,
        RandomParameterSampling({"x": uniform(0, 1)}),
        RandomParameterSampling({"x": uniform(0, 1)}, seed=1, rule="sobol"),
    ],
    ids=["grid", "random", "random without a seed", "sobol"],
)
@pytest.mark.parametrize("after", [0, 1, 3, 7, 12, 20])
def test_an_interrupted_sweep_goes_on_as_if_nothing_had_happened(tmp_path, sampling, after):
    asked = plan(sampling, total=6)
    first = interrupted(tmp_path, asked, rising, after)
    before = ended_before(first)
    again = Driver(tmp_path, asked)
    assert ended_before(again) == before
    again.run()
    children = again.sweep.children
    assert [child.number for child in children] == list(range(6))
    assert statuses(again) == {"Completed": 6}
    assert not set(again.runs.started) & {child.id for child in before.values()}
    assert [child.setting for child in children[: len(first.sweep.children)]] == [
        child.setting for child in first.sweep.children
    ]
    if getattr(sampling, "seed", 0) is not None:
        whole = Driver(tmp_path / "whole", asked).run()
        assert [child.setting for child in children] == [child.setting for child in whole.sweep.children]
    assert len({json.dumps(child.setting) for child in children}) == 6
    assert Counter(event["run"] for event in kinds(tmp_path, "end")) == dict.fromkeys(range(6), 1)
    assert Counter(event["run"] for event in kinds(tmp_path, "tell")) == dict.fromkeys(range(6), 1)


@pytest.mark.parametrize("sampling", [TPEParameterSampling, BayesianParameterSampling])
def test_a_sampler_that_learns_is_told_again(tmp_path, sampling):
    asked = plan(sampling({"x": uniform(0, 1), "y": choice(1, 2)}, seed=5), total=14)
    whole = Driver(tmp_path / "whole", asked, slots=1).run()
    for after in (10, 30, 45):
        folder = tmp_path / str(after)
        # One run at a time, and whole runs: then the order of asking and telling is that of the quiet sweep.
        interrupted(folder, asked, rising, after, slots=1)
        again = Driver(folder, asked, slots=1).run()
        assert [child.setting for child in again.sweep.children] == [
            child.setting for child in whole.sweep.children
        ]


def test_runs_that_had_not_ended_are_done_again_from_their_first_interval(tmp_path):
    first = interrupted(tmp_path, plan(total=2), rising, 5)
    assert [len(child.values) for child in first.sweep.children] != [0, 0]
    assert statuses(first) == {"Running": 2}
    again = Driver(tmp_path, plan(total=2))
    assert [child.attempt for child in again.sweep.children] == [1000, 1000]
    again.sweep._fill(again.runs)
    assert [(child.status, child.values, child.tries) for child in again.sweep.children] == [
        ("Queued", (), 2)
    ] * 2
    again.run()
    assert [child.attempt for child in again.sweep.children] == [2000, 2000]
    assert [len(child.values) for child in again.sweep.children] == [3, 3]


def test_a_decision_of_the_policy_is_not_taken_back(tmp_path):
    """The driver has gone after it had decided, and before the run had ended."""
    asked = plan(policy=BanditPolicy(slack_factor=0.0), total=2)
    driver = Driver(tmp_path, asked)
    driver.sweep._fill(driver.runs)
    for number, value in ((1, 2.0), (0, 1.0)):
        driver.sweep._take(Heard(f"{SWEEP}_{number}", 1000, "host", 0, metrics([value]), Future()))
    driver.journal.close()
    again = Driver(tmp_path, asked, lambda _: iter([9.0]))
    assert again.sweep.children[0].is_stopped_early
    assert kinds_of(again, tmp_path, "tell") == {0: 1.0}
    assert again.recorded.lines == []  # it catches up on all that had ended, when it begins
    again.run()
    assert again.runs.started == [f"{SWEEP}_1"]
    assert statuses(again) == {"Canceled": 1, "Completed": 1}


def kinds_of(driver, folder, kind):
    import time  # noqa: PLC0415 - the journal writes in a thread

    for _ in range(100):
        found = {event["run"]: event["value"] for event in kinds(folder, kind)}
        if found:
            return found
        time.sleep(0.05)
    return {}


def test_more_runs_may_be_asked_for_when_a_sweep_goes_on(tmp_path):
    Driver(tmp_path, plan(RANDOM, total=2)).run()
    again = Driver(tmp_path, plan(RANDOM, total=5)).run()
    assert again.runs.started == [f"{SWEEP}_{number}" for number in (2, 3, 4)]


def test_fewer_runs_may_be_asked_for_when_a_sweep_goes_on(tmp_path):
    Driver(tmp_path, plan(RANDOM, total=4)).run()
    again = Driver(tmp_path, plan(RANDOM, total=2)).run()
    assert again.runs.started == []
    assert len(again.sweep.children) == 4


def test_a_sampler_that_proposes_otherwise_is_not_gone_on_with(tmp_path):
    Driver(tmp_path, plan(RANDOM, total=2)).run()
    other = RandomParameterSampling({"x": uniform(0, 2)}, seed=3)
    with pytest.raises(ConfigError, match="proposes another run 0 than it did before"):
        Driver(tmp_path, plan(other, total=2))


def test_policies_of_many_runs_decide_as_the_reports_say(tmp_path):
    """The oracle: after each message the policy is asked by hand, with what was known then."""
    policy = SuccessiveHalvingPolicy(reduction_factor=2)
    curves = {number: [math.sin(7 * number) + 0.1 * step for step in range(6)] for number in range(12)}
    sampling = GridParameterSampling({"x": choice(list(curves))})
    decisions = {}
    driver = Driver(tmp_path, plan(sampling, policy), lambda setting: iter(curves[setting["x"]]), slots=5)
    decide = driver.sweep._decide

    def watched(child):
        known = {other.id: other.values for other in driver.sweep.children if other.values}
        decisions.setdefault(child.number, []).append(policy.stops(child.id, Reports(known, maximize=True)))
        decide(child)

    driver.sweep._decide = watched
    driver.run()
    stopped = {child.number for child in driver.sweep.children if child.is_stopped_early}
    assert stopped == {number for number, told in decisions.items() if any(told)}
    assert 3 < len(stopped) < 12


def test_settings_that_json_does_not_know_are_journalled_by_their_repr(tmp_path):
    class Kernel:
        def __repr__(self):
            return "Kernel()"

    sampling = GridParameterSampling({"x": choice(1, 2), "kernel": choice(Kernel(), None)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        interrupted(tmp_path, plan(sampling), rising, 4)
        again = Driver(tmp_path, plan(sampling)).run()
    assert isinstance(again.sweep.children[0].setting["kernel"], Kernel)
    assert kinds(tmp_path, "ask")[0]["setting"] == {"x": 1, "kernel": "Kernel()"}


def test_a_journal_may_end_anywhere(tmp_path):
    """A driver that is killed leaves a beginning of what it noted, cut between any two events."""
    policy = BanditPolicy(slack_factor=0.2)
    whole = Driver(tmp_path / "whole", plan(policy=policy), slots=3).run()
    noted = events(tmp_path / "whole")
    for length in range(len(noted)):
        folder = tmp_path / str(length)
        folder.mkdir()
        results = {f"{number:09}": event for number, event in enumerate(noted[:length])}
        (folder / "batch-a-000001.json").write_text(json.dumps({"results": results}))
        ended = {event["run"]: event["status"] for event in noted[:length] if event["kind"] == "end"}
        again = Driver(folder, plan(policy=policy), slots=3)
        assert ended.items() <= {child.number: child.status for child in again.sweep.children}.items()
        again.run()
        assert [child.setting for child in again.sweep.children] == [
            child.setting for child in whole.sweep.children
        ]
        for kind in ("end", "tell"):
            assert Counter(event["run"] for event in kinds(folder, kind)) == dict.fromkeys(range(6), 1)


def test_a_run_that_completed_before_it_heard_the_word_is_complete(tmp_path):
    driver = Driver(tmp_path, plan(policy=BanditPolicy(slack_factor=0.0)))
    driver.sweep._fill(driver.runs)
    for number, value in ((1, 2.0), (0, 1.0)):
        stop = driver.sweep._take(Heard(f"{SWEEP}_{number}", 1000, "host", 0, metrics([value]), Future()))
    assert stop is True
    driver.sweep._end(
        Returned(f"{SWEEP}_0", Ended("Completed", None, 1000, "host", 1.0, metrics([1.0])), NOWHERE)
    )
    child = driver.sweep.children[0]
    assert (child.status, child.error, child.is_stopped_early) == ("Completed", None, False)
    driver.journal.close()
