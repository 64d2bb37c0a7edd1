"""Policies: tables worked by hand, laws that hold for all reports, and a second implementation."""

from __future__ import annotations

import doctest
import math
import pickle

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PlateauStoppingPolicy,
    SuccessiveHalvingPolicy,
    TruncationSelectionPolicy,
)
from sparksweep.hyperdrive.termination import halving, plateau, policies
from sparksweep.hyperdrive.termination.policies import policy_from_yaml, policy_to_yaml
from sparksweep.hyperdrive.termination.reports import Reports

NAN, INF = math.nan, math.inf


def stopped(policy, runs, *, maximize=True, ended=()):
    """Return the runs that the policy would stop, had each just reported its last value."""
    reports = Reports(runs, maximize=maximize, ended=ended)
    return [run for run in runs if policy.stops(run, reports)]


def negative(runs):
    return {run: [-value for value in values] for run, values in runs.items()}


@pytest.mark.parametrize("module", [policies, halving, plateau])
def test_the_examples_of_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("evaluation_interval", "delay_evaluation", "fires_at"),
    [
        (1, 0, range(1, 13)),
        (1, 5, range(5, 13)),
        (3, 0, (3, 6, 9, 12)),
        (3, 6, (6, 9, 12)),
        (3, 7, (9, 12)),
        (5, 11, ()),
    ],
)
@pytest.mark.parametrize(
    "policy",
    [
        lambda **given: BanditPolicy(slack_amount=0, **given),
        lambda **given: TruncationSelectionPolicy(50, **given),
    ],
)
def test_when_a_policy_fires(policy, evaluation_interval, delay_evaluation, fires_at):
    made = policy(evaluation_interval=evaluation_interval, delay_evaluation=delay_evaluation)
    found = [
        n
        for n in range(13)
        if made.stops("low", Reports({"low": [0.0] * n, "high": [1.0] * n}, maximize=True))
    ]
    assert found == list(fires_at)


# Every table: the policy, the runs' reports for a metric that is maximised, and who would be stopped.
BANDIT = [
    # The SDK's own example: 0.8 / 1.2 = 0.667 and 0.8 - 0.2 = 0.6.
    (BanditPolicy(slack_factor=0.2), {"x": [0.8], "a": [0.67], "b": [0.66]}, ["b"]),
    (BanditPolicy(slack_amount=0.25), {"x": [0.75], "a": [0.5], "b": [0.49]}, ["b"]),
    # Exactly on the threshold: 0.5 * (1 + 0.5) = 0.75.
    (BanditPolicy(slack_factor=0.5), {"x": [0.75], "a": [0.5], "b": [0.49]}, ["b"]),
    # The best so far counts, not the last value; of the best run, too, only what it had at that interval.
    (BanditPolicy(slack_amount=0.1), {"x": [0.5, 0.4, 0.9], "a": [0.45, 0.0], "b": [0.3]}, ["b"]),
    # A run that ended early counts with what it had, a run that is behind as well.
    (BanditPolicy(slack_amount=0.1), {"x": [0.9], "a": [0.7, 0.7, 0.7]}, ["a"]),
    # No slack: all but the best; equal ones are best.
    (BanditPolicy(slack_factor=0), {"x": [0.5], "y": [0.5], "a": [0.49]}, ["a"]),
    # Below 0: -1 * 1.5 = -1.5. A ratio of 1 / 1.5 would have stopped x itself.
    (BanditPolicy(slack_factor=0.5), {"x": [-1.0], "a": [-1.5], "b": [-1.6]}, ["b"]),
    # At 0 nothing is allowed, and below a best that is positive no ratio helps.
    (BanditPolicy(slack_factor=0.5), {"x": [0.0], "a": [-0.001]}, ["a"]),
    (BanditPolicy(slack_factor=0.5), {"x": [0.1], "a": [-0.1]}, ["a"]),
    # NaN and infinities are nothing. A run of nothing else is the worst, but where all are, nobody stops.
    (BanditPolicy(slack_amount=0.1), {"x": [NAN, 0.8], "a": [0.75, INF], "b": [NAN, NAN]}, ["b"]),
    (BanditPolicy(slack_factor=0.1), {"a": [NAN], "b": [-INF], "c": [INF]}, []),
    (BanditPolicy(slack_amount=0.1), {"a": [NAN], "b": [-INF], "c": [INF]}, []),
    (BanditPolicy(slack_factor=0.1), {"alone": [0.1]}, []),
]
MEDIAN = [
    # Means at interval 1: the median of the three others decides.
    (MedianStoppingPolicy(), {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}, ["a", "b"]),
    # Two others are too few, and so are three of which one has reported nothing finite.
    (MedianStoppingPolicy(), {"a": [0.1], "b": [0.2], "c": [0.3]}, []),
    (MedianStoppingPolicy(), {"a": [0.1], "b": [0.2], "c": [0.3], "d": [NAN]}, ["d"]),
    # Four others: the mean of the two in the middle. For e that is (0.25 + 0.75) / 2, on which it stands.
    (MedianStoppingPolicy(), {"a": [0.125], "b": [0.25], "c": [0.75], "d": [1.0], "e": [0.5]}, ["a", "b"]),
    # Its best against their means: d's last values are poor, its 0.5 is not.
    (MedianStoppingPolicy(), {"a": [0.2, 0.6], "b": [0.3, 0.7], "c": [0.0, 0.4], "d": [0.5, 0.0]}, []),
    # At interval 2 the means of the others are 0.2, 0.3 and 0.4, whatever they reported later.
    (
        MedianStoppingPolicy(delay_evaluation=2),
        {"a": [0.1, 0.3, 0.9], "b": [0.2, 0.4, 0.9], "c": [0.4], "d": [0.1, 0.29]},
        ["d"],
    ),
    # NaN is left out of a mean: 0.4 and not NaN.
    (MedianStoppingPolicy(), {"a": [NAN, 0.4], "b": [0.5], "c": [0.6], "d": [0.1, 0.45]}, ["a", "d"]),
]
TRUNCATION = [
    (TruncationSelectionPolicy(20), {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}, []),
    (TruncationSelectionPolicy(20), {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4], "e": [0.5]}, ["a"]),
    (TruncationSelectionPolicy(20), {str(n): [float(n)] for n in range(9)}, ["0"]),
    (TruncationSelectionPolicy(20), {str(n): [float(n)] for n in range(10)}, ["0", "1"]),
    (TruncationSelectionPolicy(99), {str(n): [float(n)] for n in range(10)}, [str(n) for n in range(9)]),
    # Equal runs: both fit into two of four, three do not, and four of four never do.
    (TruncationSelectionPolicy(50), {"a": [0.1], "b": [0.1], "c": [0.3], "d": [0.4]}, ["a", "b"]),
    (TruncationSelectionPolicy(50), {"a": [0.1], "b": [0.1], "c": [0.1], "d": [0.4]}, []),
    (TruncationSelectionPolicy(99), {"a": [0.1], "b": [0.1]}, []),
    # The best so far counts; of c, which is further on, only interval 1 for the others.
    (
        TruncationSelectionPolicy(50),
        {"a": [0.5, 0.1], "b": [0.4, 0.3], "c": [0.3, 0.6, 0.9], "d": [0.2]},
        ["b", "d"],
    ),
    # NaN is the bottom.
    (TruncationSelectionPolicy(34), {"a": [0.5], "b": [0.4], "c": [NAN]}, ["c"]),
    (TruncationSelectionPolicy(99), {"alone": [0.1]}, []),
]
HALVING = [
    (
        SuccessiveHalvingPolicy(1, 2),
        {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4], "e": [0.5]},
        ["a", "b", "c"],
    ),
    # The rung at 2 has three runs, of which one goes on; the one at 4 has one; 3 is none.
    (
        SuccessiveHalvingPolicy(1, 2),
        {"a": [0.1, 0.2], "b": [0.2, 0.3], "c": [0.3, 0.4, 0.5, 0.6], "d": [0.1]},
        ["a", "b", "d"],
    ),
    (SuccessiveHalvingPolicy(1, 2), {"a": [0.1] * 3, "b": [0.2] * 3}, []),
    (SuccessiveHalvingPolicy(1, 2, delay_evaluation=2), {"a": [0.1], "b": [0.2]}, []),
    (SuccessiveHalvingPolicy(3, 2), {"a": [0.1] * 6, "b": [0.2] * 9, "c": [0.3] * 12}, ["a"]),
    # Equal runs go on together.
    (SuccessiveHalvingPolicy(1, 4), {"a": [0.5], "b": [0.5], "c": [0.1]}, ["c"]),
    (SuccessiveHalvingPolicy(1, 4), {"a": [NAN], "b": [0.5], "c": [NAN]}, ["a", "c"]),
]
PLATEAU = [
    # Two reports without a gain, one report, a gain in the last one, and one that only comes back to its best.
    (
        PlateauStoppingPolicy(2),
        {"a": [0.1, 0.5, 0.4, 0.5], "b": [0.1, 0.4, 0.5, 0.4], "c": [0.5, 0.1, 0.1, 0.6], "d": [0.5] * 3},
        ["a", "d"],
    ),
    # Too early to say, alone as in company.
    (PlateauStoppingPolicy(2), {"a": [0.5, 0.4], "b": [0.5], "x": [0.9, 1.0, 1.1]}, []),
    # The best one as well, and also where all others are worse.
    (PlateauStoppingPolicy(1), {"x": [0.9, 0.8], "a": [0.1, 0.2]}, ["x"]),
    # A gain counts if it is more than min_delta: 0.25 in two reports, in one step or in two.
    (
        PlateauStoppingPolicy(2, 0.25),
        {"a": [0.5, 0.625, 0.75], "b": [0.5, 0.625, 0.8], "c": [0.5, 0.8, 0.1]},
        ["a"],
    ),
    # At multiples of 2 that are not below 4. The fifth report of b is not looked at.
    (
        PlateauStoppingPolicy(1, evaluation_interval=2, delay_evaluation=4),
        {"a": [0.5] * 2, "b": [0.5] * 5, "c": [0.5] * 4, "d": [0.5] * 3},
        ["c"],
    ),
    # NaN is no gain, nor are infinities; who never reported a number has had its patience too.
    (
        PlateauStoppingPolicy(2),
        {"a": [0.5, NAN, INF], "b": [NAN, NAN], "c": [NAN], "d": [NAN, 0.5], "e": [NAN, -INF, 0.1]},
        ["a", "b"],
    ),
]
TABLES = [
    *BANDIT,
    *MEDIAN,
    *TRUNCATION,
    *HALVING,
    *PLATEAU,
    (NoTerminationPolicy(), {"a": [0.1], "b": [0.9]}, []),
]


@pytest.mark.parametrize(("policy", "runs", "expected"), TABLES)
def test_a_table_worked_by_hand(policy, runs, expected):
    assert stopped(policy, runs) == expected
    # A metric that is minimised is the negative of one that is maximised.
    assert stopped(policy, negative(runs), maximize=False) == expected


@pytest.mark.parametrize(
    ("policy", "losses", "expected"),
    [
        # A loss: 0.8 * 1.25 = 1.0 and 0.5 + 0.25.
        (BanditPolicy(slack_factor=0.25), {"x": [0.8], "a": [1.0], "b": [1.01]}, ["b"]),
        (BanditPolicy(slack_amount=0.25), {"x": [0.5], "a": [0.75], "b": [0.76]}, ["b"]),
        # A loss below 0: -1.5 / 1.5 = -1.
        (BanditPolicy(slack_factor=0.5), {"x": [-1.5], "a": [-1.0], "b": [-0.9]}, ["b"]),
        (MedianStoppingPolicy(), {"a": [4.0, 2.0], "b": [3.0], "c": [2.0], "d": [9.0, 3.1]}, ["d"]),
        (
            TruncationSelectionPolicy(40),
            {"a": [1.0], "b": [5.0], "c": [2.0], "d": [4.0], "e": [3.0]},
            ["b", "d"],
        ),
        (SuccessiveHalvingPolicy(1, 2), {"a": [1.0], "b": [5.0], "c": [2.0], "d": [4.0]}, ["b", "d"]),
        (PlateauStoppingPolicy(2), {"a": [1.0, 0.5, 0.6, 0.5], "b": [1.0, 0.6, 0.6, 0.5]}, ["a"]),
    ],
)
def test_a_table_of_losses(policy, losses, expected):
    assert stopped(policy, losses, maximize=False) == expected


def test_runs_that_ended_count_unless_they_are_excluded():
    runs = {"a": [0.1], "b": [0.2], "c": [0.3], "d": [0.4]}
    for ended in ((), ("a",), ("a", "d")):
        assert stopped(TruncationSelectionPolicy(25), runs, ended=ended) == ["a"]
        assert stopped(BanditPolicy(slack_amount=0.15), runs, ended=ended) == ["a", "b"]
    without = TruncationSelectionPolicy(34, exclude_finished_jobs=True)
    # Of b, c and d a third is one.
    assert without.stops("b", Reports(runs, maximize=True, ended={"a"}))
    assert not without.stops("c", Reports(runs, maximize=True, ended={"a"}))
    assert not without.stops("b", Reports(runs, maximize=True, ended={"a", "d"}))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (BanditPolicy, "BanditPolicy: give exactly one of slack_factor and slack_amount"),
        (
            lambda: BanditPolicy(1, 0.1, 0.1),
            "BanditPolicy: give exactly one of slack_factor and slack_amount",
        ),
        (
            lambda: BanditPolicy(slack_factor=-0.1),
            "BanditPolicy: slack_factor must be 0 or more, but -0.1 was given",
        ),
        (
            lambda: BanditPolicy(slack_amount="1"),
            "BanditPolicy: slack_amount must be a finite number, but '1' was given",
        ),
        (
            lambda: BanditPolicy(0, 0.1),
            "BanditPolicy: evaluation_interval must be a whole number of at least 1, but 0 was given",
        ),
        (
            lambda: MedianStoppingPolicy(delay_evaluation=-1),
            "MedianStoppingPolicy: delay_evaluation must be a whole number of at least 0, but -1 was given",
        ),
        (
            lambda: MedianStoppingPolicy(1.5),
            "MedianStoppingPolicy: evaluation_interval must be a whole number of at least 1, but 1.5 was given",
        ),
        (
            lambda: TruncationSelectionPolicy(100),
            "TruncationSelectionPolicy: truncation_percentage must be a whole number from 1 to 99, but 100 was given",
        ),
        (
            lambda: TruncationSelectionPolicy(0.2),
            "TruncationSelectionPolicy: truncation_percentage must be a whole number from 1 to 99, but 0.2 was given",
        ),
        (
            lambda: TruncationSelectionPolicy(20, exclude_finished_jobs="false"),
            "TruncationSelectionPolicy: exclude_finished_jobs must be True or False, but 'false' was given",
        ),
        (
            lambda: SuccessiveHalvingPolicy(reduction_factor=1),
            "SuccessiveHalvingPolicy: reduction_factor must be a whole number of at least 2, but 1 was given",
        ),
        (
            lambda: PlateauStoppingPolicy(0),
            "PlateauStoppingPolicy: patience must be a whole number of at least 1, but 0 was given",
        ),
        (
            lambda: PlateauStoppingPolicy(min_delta=-0.1),
            "PlateauStoppingPolicy: min_delta must be 0 or more, but -0.1 was given",
        ),
    ],
)
def test_a_wrong_argument_is_refused_by_name(make, told):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (
            "{type: bandit, slack_factor: 0.1, evaluation_interval: 1, delay_evaluation: 5}",
            BanditPolicy(slack_factor=0.1, delay_evaluation=5),
        ),
        ("{type: Bandit, slack_amount: 0.2}", BanditPolicy(1, None, 0.2, 0)),
        ("{type: median_stopping, delay_evaluation: 5}", MedianStoppingPolicy(1, 5)),
        ("{type: MedianStopping}", MedianStoppingPolicy()),
        (
            "{type: truncation_selection, evaluation_interval: 100, delay_evaluation: 200, truncation_percentage: 40}",
            TruncationSelectionPolicy(40, 100, 200),
        ),
        (
            "{type: truncation_selection, truncation_percentage: 20, exclude_finished_jobs: true}",
            TruncationSelectionPolicy(20, exclude_finished_jobs=True),
        ),
        ("{type: successive_halving, reduction_factor: 3}", SuccessiveHalvingPolicy(reduction_factor=3)),
        # Numbers that YAML 1.1 takes for texts.
        ("{type: bandit, slack_factor: 1e-2}", BanditPolicy(slack_factor=0.01)),
        ("{type: plateau_stopping, min_delta: 1e-4}", PlateauStoppingPolicy(min_delta=1e-4)),
        ("{type: plateau_stopping, patience: 3}", PlateauStoppingPolicy(3)),
        ("null", NoTerminationPolicy()),
    ],
)
def test_the_yaml_form_is_that_of_azure_ml(text, policy):
    assert policy_from_yaml(yaml.safe_load(text)) == policy
    assert policy_from_yaml(yaml.safe_load(yaml.safe_dump(policy_to_yaml(policy)))) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bandit", "early_termination: must be a mapping with the key 'type', but 'bandit' was given"),
        ("{type: bandito}", "early_termination: the type 'bandito' is unknown; did you mean 'bandit'?"),
        (
            "{type: bandit, slack_facto: 1}",
            "early_termination: unknown key 'slack_facto'; did you mean 'slack_factor'?",
        ),
        ("{type: truncation_selection}", "early_termination: the key 'truncation_percentage' is missing"),
        (
            "{type: truncation_selection, truncation_percentage: 5, exclude_finished_jobs: 'no'}",
            "TruncationSelectionPolicy: exclude_finished_jobs must be True or False, but 'no' was given",
        ),
        (
            "{type: bandit, slack_amount: 1e999}",
            "BanditPolicy: slack_amount must be a finite number, but '1e999' was given",
        ),
        ("{type: bandit}", "BanditPolicy: give exactly one of slack_factor and slack_amount"),
    ],
)
def test_a_fault_in_the_yaml_is_named(text, told):
    with pytest.raises(ConfigError) as caught:
        policy_from_yaml(yaml.safe_load(text))
    assert str(caught.value) == told


INTERVALS = {"evaluation_interval": st.integers(1, 4), "delay_evaluation": st.integers(0, 4)}
POLICIES = st.one_of(
    st.builds(BanditPolicy, slack_factor=st.sampled_from([0, 0.25, 1]), **INTERVALS),
    st.builds(BanditPolicy, slack_amount=st.sampled_from([0, 0.25, 1]), **INTERVALS),
    st.builds(MedianStoppingPolicy, **INTERVALS),
    st.builds(
        TruncationSelectionPolicy, st.integers(1, 99), exclude_finished_jobs=st.booleans(), **INTERVALS
    ),
    st.builds(SuccessiveHalvingPolicy, reduction_factor=st.integers(2, 4), **INTERVALS),
)
# It alone has no regard for other runs.
PLATEAUS = st.builds(PlateauStoppingPolicy, st.integers(1, 4), st.sampled_from([0, 0.25, 1]), **INTERVALS)
# Few different values, so that there are ties; quarters, so that sums are exact.
VALUES = st.one_of(st.integers(-8, 8).map(lambda n: n / 4), st.sampled_from([NAN, INF, -INF]))
RUNS = st.lists(st.lists(VALUES, min_size=1, max_size=8), min_size=1, max_size=7).map(
    lambda columns: {f"run_{n}": values for n, values in enumerate(columns)}
)


@given(POLICIES | PLATEAUS, RUNS, st.booleans())
def test_a_change_of_sign_changes_nothing(policy, runs, maximize):
    assert stopped(policy, runs, maximize=maximize) == stopped(policy, negative(runs), maximize=not maximize)


@given(POLICIES | PLATEAUS, RUNS, st.booleans())
def test_the_order_of_the_runs_and_their_later_reports_change_nothing(policy, runs, maximize):
    run = min(runs)
    backwards = dict(reversed(runs.items()))
    later = {
        name: values + ([9.0, -9.0] if name != run and len(values) >= len(runs[run]) else [])
        for name, values in runs.items()
    }
    decisions = {
        policy.stops(run, Reports(some, maximize=maximize)) for some in (runs, backwards, later, runs)
    }
    assert len(decisions) == 1


@given(POLICIES, RUNS, st.booleans())
def test_the_best_run_goes_on(policy, runs, maximize):
    reports = Reports(runs, maximize=maximize)
    for run, values in runs.items():
        if reports.best(run, len(values)) == max(reports.best(other, len(values)) for other in runs):
            assert not policy.stops(run, reports)


@given(POLICIES | PLATEAUS, RUNS, st.booleans())
def test_it_stops_nobody_outside_its_intervals(policy, runs, maximize):
    for run in stopped(policy, runs, maximize=maximize):
        interval = len(runs[run])
        assert interval % policy.evaluation_interval == 0
        assert interval >= policy.delay_evaluation


@given(POLICIES, RUNS, st.booleans())
def test_who_is_better_than_a_run_that_goes_on_goes_on_too(policy, runs, maximize):
    run = min(runs)
    best = 9.0 if maximize else -9.0
    better = {**runs, run: [best, *runs[run][1:]]}
    assert not policy.stops(run, Reports(better, maximize=maximize))


def naive(policy, run, runs, maximize, ended):
    """The policies once more, from the words of their documentation alone, with plain loops."""
    n = len(runs[run])
    if n % policy.evaluation_interval or n < policy.delay_evaluation:
        return False
    sign = 1 if maximize else -1
    seen = {name: [sign * v for v in values[:n] if abs(v) < INF] for name, values in runs.items()}
    top = {name: sorted(values)[-1] if values else -INF for name, values in seen.items()}
    mine, best = top[run], sorted(top.values())[-1]
    if isinstance(policy, BanditPolicy):
        if best == -INF:
            return False
        if policy.slack_amount is not None:
            return best - mine > policy.slack_amount
        if best == 0:
            return mine < 0
        return (
            mine * (1 + policy.slack_factor) < best if best > 0 else mine / (1 + policy.slack_factor) < best
        )
    if isinstance(policy, MedianStoppingPolicy):
        means = sorted(sum(values) / len(values) for name, values in seen.items() if name != run and values)
        half = len(means) // 2
        return len(means) > 2 and mine < (
            means[half] if len(means) % 2 else (means[half - 1] + means[half]) / 2
        )
    if isinstance(policy, TruncationSelectionPolicy):
        ranked = sorted(
            top[name] for name in runs if name == run or not (policy.exclude_finished_jobs and name in ended)
        )
        cut = ranked[: len(ranked) * policy.truncation_percentage // 100]
        return mine in cut and ranked.count(mine) == cut.count(mine)
    rungs = [policy.evaluation_interval * policy.reduction_factor**k for k in range(20)]
    if n not in rungs:
        return False
    ranked = sorted((top[name] for name in runs if len(runs[name]) >= n), reverse=True)
    return mine not in ranked[: max(1, int(len(ranked) / policy.reduction_factor))]


@settings(max_examples=400)
@given(POLICIES, RUNS, st.booleans(), st.sets(st.integers(0, 6).map("run_{}".format)))
def test_a_second_implementation_decides_the_same(policy, runs, maximize, ended):
    expected = [run for run in runs if naive(policy, run, runs, maximize, ended)]
    assert stopped(policy, runs, maximize=maximize, ended=ended) == expected


def improvements(values, *, maximize):
    """The intervals at which a run had a best of its own, one report after the other."""
    best, found = None, []
    for interval, value in enumerate(values, 1):
        if math.isfinite(value) and (best is None or (value > best if maximize else value < best)):
            best = value
            found.append(interval)
    return found


@given(st.integers(1, 4), st.lists(VALUES, min_size=1, max_size=12), st.booleans())
def test_a_plateau_is_what_early_stopping_waits_for(patience, values, maximize):
    """With no min_delta: a run is stopped at the first interval that is so far from its last improvement."""
    stop = next(
        (
            n
            for n in range(1, len(values) + 1)
            if PlateauStoppingPolicy(patience).stops("a", Reports({"a": values[:n]}, maximize=maximize))
        ),
        None,
    )
    naive = next(
        (
            n
            for n in range(1, len(values) + 1)
            if n - max(improvements(values[:n], maximize=maximize), default=0) >= patience
        ),
        None,
    )
    assert stop == naive
