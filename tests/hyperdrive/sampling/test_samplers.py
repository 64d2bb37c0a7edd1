"""Samplers: what they refuse, what they propose, and how they go on after an interruption."""

from __future__ import annotations

import doctest
import itertools
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
import yaml
from scipy import stats

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import (
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
    TPEParameterSampling,
    choice,
    loguniform,
    normal,
    qloguniform,
    quniform,
    randint,
    uniform,
)
from sparksweep.hyperdrive.sampling import samplers
from sparksweep.hyperdrive.sampling.proposals import Distinct
from sparksweep.hyperdrive.sampling.samplers import sampling_from_yaml, sampling_to_yaml

FINITE = {"depth": choice(3, 5, 7), "rate": choice(0.1, 0.3), "step": quniform(0, 4, 2)}
ENDLESS = {
    "rate": loguniform(-6, 0),
    "depth": randint(9),
    "kernel": choice("linear", {"gamma": normal(0, 1), "degree": choice(2, 3)}),
}
CHANCE = [
    RandomParameterSampling(FINITE, seed=1),
    RandomParameterSampling(FINITE, seed=1, rule="sobol"),
    RandomParameterSampling(ENDLESS, seed=1),
    RandomParameterSampling(ENDLESS, seed=1, rule="sobol"),
    BayesianParameterSampling(FINITE, seed=1),
    TPEParameterSampling(ENDLESS, seed=1),
]


def loss(setting):
    """A smooth function of either space that prefers small depths."""
    kernel = setting.get("kernel", "linear")
    gamma = 0 if kernel == "linear" else kernel["gamma"]
    return setting["depth"] + math.log(setting["rate"]) ** 2 + gamma**2


def ask(proposals, count):
    return list(
        itertools.takewhile(lambda setting: setting is not None, (proposals.ask() for _ in range(count)))
    )


def sweep(proposals, events):
    """Ask for a setting at each None, tell the loss of one at each number; return what was asked."""
    asked = []
    for event in events:
        if event is None:
            asked.append(proposals.ask())
        else:
            proposals.tell(event, loss(asked[event]) if event % 5 else None)
    return asked


def test_the_examples_of_the_docstrings():
    result = doctest.testmod(samplers)
    assert result.attempted
    assert not result.failed


def test_the_grid_is_every_combination_in_order():
    space = {"a": choice(1, 2), "b": choice("x", {"c": choice(True, False)})}
    grid = GridParameterSampling(space).start(maximize=True)
    options = ["x", {"c": True}, {"c": False}]
    assert ask(grid, 99) == [{"a": a, "b": b} for a in (1, 2) for b in options]
    grid.tell(0, 1.0)
    assert grid.ask() is None


@pytest.mark.parametrize("sampling", CHANCE[:2])
def test_a_finite_space_is_drawn_without_repetition_and_ends(sampling):
    proposals = sampling.start(maximize=True)
    settings = [tuple(setting.values()) for setting in ask(proposals, 99)]
    assert sorted(settings) == sorted(itertools.product((3, 5, 7), (0.1, 0.3), (0, 2, 4)))
    assert settings != sorted(settings)
    assert proposals.ask() is None


def test_what_learns_does_not_repeat_itself_either():
    space = {**FINITE, "rounds": quniform(10, 40, 10)}
    proposals = BayesianParameterSampling(space, seed=0).start(maximize=False)
    settings, losses = [], []
    while (setting := proposals.ask()) is not None:
        losses.append(loss(setting) + setting["rounds"])
        proposals.tell(len(settings), losses[-1])
        settings.append(tuple(setting.values()))
    assert len(settings) == len(set(settings)) == 3 * 2 * 3 * 4
    # It learns: what is good comes first.
    assert np.mean(losses[:36]) < np.mean(losses[36:]) - 5


def test_the_settings_that_are_left_are_found_where_chance_hardly_finds_them():
    # 40 has a share of 4e-8 of the draws: only the last quarter of a step rounds to it.
    space = {"x": quniform(0, 35.000001, 10), "y": choice(1, 2)}
    for sampling in (RandomParameterSampling(space, seed=0), TPEParameterSampling(space, seed=0)):
        settings = ask(sampling.start(maximize=True), 99)
        assert sorted(tuple(one.values()) for one in settings) == list(
            itertools.product((0, 10, 20, 30, 40), (1, 2))
        )


def test_a_space_with_more_settings_than_64_bits_count_is_no_list():
    space = {str(n): randint(10**9) for n in range(5)}
    distinct = Distinct(space, seed=0)
    assert distinct.add_any(0) != distinct.add_any(1)
    assert not distinct.is_exhausted


@pytest.mark.parametrize(
    "sampling", CHANCE, ids=lambda sampling: f"{type(sampling).__name__}-{len(sampling.parameter_space)}"
)
def test_a_seed_gives_the_same_settings(sampling):
    first, again = (ask(sampling.start(maximize=True), 12) for _ in range(2))
    assert first == again
    other = sampling_from_yaml({**sampling_to_yaml(sampling), "seed": 2}, sampling.parameter_space)
    assert ask(other.start(maximize=True), 12) != first


@pytest.mark.parametrize("kind", [RandomParameterSampling, BayesianParameterSampling, TPEParameterSampling])
def test_without_a_seed_the_settings_are_others_every_time(kind):
    sampling = kind({"x": uniform(0, 1)})
    first, other = (ask(sampling.start(maximize=True), 2) for _ in range(2))
    assert first != other
    seeded = sampling.seeded()
    assert seeded.seed is not None
    assert seeded.seeded() == seeded
    assert ask(seeded.start(maximize=True), 2) == ask(seeded.start(maximize=True), 2)


@pytest.mark.parametrize(
    "sampling", [GridParameterSampling({"depth": choice(range(40)), "rate": choice(0.1)}), *CHANCE]
)
@pytest.mark.parametrize("cut", [1, 17, 30])
def test_an_interrupted_sweep_goes_on_as_if_it_had_not_been(sampling, cut):
    # Four runs at a time: four are asked, then one ends and the next is asked; every fifth fails.
    events = [None] * 4 + [event for number in range(14) for event in (number, None)]
    whole = sweep(sampling.start(maximize=False), events)
    resumed = sampling_from_yaml(sampling_to_yaml(sampling), sampling.parameter_space).start(maximize=False)
    asked = sweep(resumed, events[:cut])
    for event in events[cut:]:
        asked += sweep_on(resumed, event, asked)
    assert asked == whole
    assert len({repr(setting) for setting in whole}) == 18


def sweep_on(proposals, event, asked):
    if event is None:
        return [proposals.ask()]
    proposals.tell(event, loss(asked[event]) if event % 5 else None)
    return []


def test_random_settings_have_their_distributions():
    settings = ask(RandomParameterSampling(ENDLESS, seed=0).start(maximize=True), 1500)
    logs = [math.log(setting["rate"]) for setting in settings]
    assert stats.kstest(logs, stats.uniform(-6, 6).cdf).pvalue > 0.01
    gammas = [setting["kernel"]["gamma"] for setting in settings if setting["kernel"] != "linear"]
    assert stats.kstest(gammas, stats.norm.cdf).pvalue > 0.01
    assert stats.binomtest(len(gammas), 1500).pvalue > 0.01
    assert set(settings[0]) == {"rate", "depth", "kernel"}


def test_sobol_covers_the_space_more_evenly_than_chance():
    space = {"a": uniform(0, 1), "b": uniform(0, 1)}

    def cells(rule, seed):
        settings = ask(RandomParameterSampling(space, seed=seed, rule=rule).start(maximize=True), 64)
        return len({(int(one["a"] * 8), int(one["b"] * 8)) for one in settings})

    # 64 points of a Sobol sequence in two dimensions hit each of 8 x 8 cells once: a (0, 2)-sequence.
    assert [cells("sobol", seed) for seed in range(5)] == [64] * 5
    assert max(cells("random", seed) for seed in range(5)) < 56


def test_seed_rule_and_logbase_may_stand_among_the_properties():
    properties = {"seed": 3, "rule": "sobol", "logbase": 10}
    sampling = RandomParameterSampling(ENDLESS, properties)
    assert sampling == RandomParameterSampling(ENDLESS, seed=3, rule="sobol", logbase=10)
    assert BayesianParameterSampling(FINITE, properties={"seed": 3}) == BayesianParameterSampling(
        FINITE, seed=3
    )
    for setting in ask(sampling.start(maximize=True), 40):
        assert 1e-6 <= setting["rate"] <= 1
    assert min(setting["rate"] for setting in ask(sampling.start(maximize=True), 40)) < math.exp(-6)
    euler = RandomParameterSampling(ENDLESS, seed=3, logbase="e").start(maximize=True)
    assert ask(euler, 5) == ask(RandomParameterSampling(ENDLESS, seed=3).start(maximize=True), 5)


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("kind", [BayesianParameterSampling, TPEParameterSampling])
def test_what_learns_finds_more_than_chance(kind, maximize):
    space = {"x": uniform(-5, 5), "n": quniform(-20, 20, 1), "c": choice("a", "b", "c")}

    def best(sampling):
        proposals, lowest = sampling.start(maximize=maximize), math.inf
        for number in range(40):
            setting = proposals.ask()
            value = (setting["x"] - 1) ** 2 + ((setting["n"] - 3) / 4) ** 2 + 5 * (setting["c"] != "b")
            proposals.tell(number, -value if maximize else value)
            lowest = min(lowest, value)
        return lowest

    learns = [best(kind(space, seed=seed)) for seed in range(5)]
    chance = [best(RandomParameterSampling(space, seed=seed)) for seed in range(5)]
    assert np.median(learns) < np.median(chance) / 3


def test_pending_runs_are_kept_clear_of():
    """Settings that are asked at the same time keep a greater distance than if nobody knew of the others."""

    def gap(seed, are_pending):
        proposals = TPEParameterSampling({"x": uniform(0, 1)}, seed=seed).start(maximize=False)
        for number in range(20):
            proposals.tell(number, (proposals.ask()["x"] - 0.5) ** 2)
        asked = []
        for number in range(20, 30):
            asked.append(proposals.ask()["x"])
            if not are_pending:
                proposals.tell(number, None)  # it has failed, and is forgotten
        return np.median(np.diff(np.sort(asked)))

    for seed in range(4):
        assert gap(seed, are_pending=True) > 2 * gap(seed, are_pending=False)


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_a_run_that_failed_is_left_out(value):
    proposals = TPEParameterSampling({"x": uniform(0, 1)}, seed=0).start(maximize=False)
    for number in range(15):
        setting = proposals.ask()
        proposals.tell(number, value if number % 3 == 0 else setting["x"])
    assert np.mean([setting["x"] for setting in ask(proposals, 5)]) < 0.5


@pytest.mark.parametrize("kind", [BayesianParameterSampling, TPEParameterSampling])
def test_what_earlier_sweeps_found_is_known_from_the_start(kind):
    space = {"x": uniform(0, 1), "c": choice("a", "b")}
    known = [({"x": n / 40, "c": "ab"[n % 2]}, (n / 40 - 0.9) ** 2 + n % 2) for n in range(40)]
    strange = [({"x": 3.0, "c": "a"}, -9.0), ({"y": 0.1}, -9.0), ({"x": 0.1, "c": "a"}, math.nan)]
    fresh = kind(space, seed=0).start(maximize=False)
    warm = kind(space, seed=0).start(maximize=False, known=[*known, *strange])
    warm_settings, fresh_settings = ask(warm, 8), ask(fresh, 8)
    assert np.median([abs(setting["x"] - 0.9) for setting in warm_settings]) < 0.2
    assert np.median([abs(setting["x"] - 0.9) for setting in fresh_settings]) > 0.2
    # A number is one of this sweep's settings.
    warm.tell(0, 1.0)


def test_what_is_known_is_not_proposed_again():
    known = [({"depth": depth, "rate": 0.1, "step": step}, 1.0) for depth in (3, 5) for step in (0, 2, 4)]
    settings = ask(BayesianParameterSampling(FINITE, seed=0).start(maximize=True, known=known), 99)
    assert len(settings) == 18 - 6
    assert not [setting for setting, _ in known if setting in settings]


def test_nothing_is_said_of_a_study():
    code = "from sparksweep.hyperdrive import *; TPEParameterSampling({'x': uniform(0, 1)}).start(maximize=True).ask()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda: GridParameterSampling({"a": choice(1), "b": uniform(0, 1)}),
            "GridParameterSampling: parameter_space: b is uniform, but GridParameterSampling takes only choice; "
            "RandomParameterSampling takes every distribution",
        ),
        (
            lambda: GridParameterSampling({"a": choice(1, {"b": randint(3)})}),
            "GridParameterSampling: parameter_space: a is randint, but GridParameterSampling takes only choice; "
            "RandomParameterSampling takes every distribution",
        ),
        (
            lambda: BayesianParameterSampling({"b": qloguniform(0, 1, 1)}),
            "BayesianParameterSampling: parameter_space: b is qloguniform, but BayesianParameterSampling takes only "
            "choice, quniform, uniform; TPEParameterSampling takes every distribution",
        ),
        (
            lambda: RandomParameterSampling({}),
            "RandomParameterSampling: parameter_space must map names to distributions, but {} was given",
        ),
        (
            lambda: TPEParameterSampling({1: choice(1)}),
            "TPEParameterSampling: parameter_space must map names to distributions, but 1 is no name",
        ),
        (
            lambda: TPEParameterSampling({"a=b": choice(1)}),
            "TPEParameterSampling: parameter_space: 'a=b' is no name; give a text without = and NUL",
        ),
        (
            lambda: RandomParameterSampling({"a": [1, 2]}),
            "RandomParameterSampling: parameter_space: a must be a distribution such as choice(...), not [1, 2]",
        ),
        (
            lambda: RandomParameterSampling(FINITE, seed=-1),
            "RandomParameterSampling: seed must be a whole number of at least 0, but -1 was given",
        ),
        (
            lambda: TPEParameterSampling(FINITE, seed=1.5),
            "TPEParameterSampling: seed must be a whole number of at least 0, but 1.5 was given",
        ),
        (
            lambda: RandomParameterSampling(FINITE, rule="halton"),
            "RandomParameterSampling: rule must be 'random' or 'sobol', but 'halton' was given",
        ),
        (
            lambda: RandomParameterSampling(FINITE, logbase=1),
            "RandomParameterSampling: logbase must be above 0 and not 1, but 1 was given",
        ),
        (
            lambda: RandomParameterSampling(FINITE, logbase="ten"),
            "RandomParameterSampling: logbase must be a finite number, but 'ten' was given",
        ),
        (
            lambda: RandomParameterSampling({"a": loguniform(0, 400)}, logbase=10),
            "loguniform: its values are too large for a float; its arguments are those of the logarithm",
        ),
        (
            lambda: RandomParameterSampling(FINITE, {"sede": 1}),
            "RandomParameterSampling: properties: unknown key 'sede'; did you mean 'seed'?",
        ),
        (
            lambda: RandomParameterSampling(FINITE, {"seed": 1}, seed=2),
            "RandomParameterSampling: properties: seed is an argument too; give it once",
        ),
        (
            lambda: BayesianParameterSampling(FINITE, 5),
            "BayesianParameterSampling: properties must be a mapping, but 5 was given",
        ),
    ],
)
def test_what_a_sampler_cannot_do_it_refuses(make, told):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == told


@pytest.mark.parametrize(
    ("text", "sampling"),
    [
        ("random", RandomParameterSampling(FINITE)),
        ("grid", GridParameterSampling({"a": choice(1)})),
        ("Bayesian", BayesianParameterSampling(FINITE)),
        ("tpe", TPEParameterSampling(FINITE)),
        ("{type: random, seed: 123, rule: sobol}", RandomParameterSampling(FINITE, seed=123, rule="sobol")),
        ("{type: random, logbase: e}", RandomParameterSampling(FINITE, logbase="e")),
        ("{type: random, logbase: 1e1}", RandomParameterSampling(FINITE, logbase=10)),
        ("{type: random, logbase: 2.5}", RandomParameterSampling(FINITE, logbase=2.5)),
        ("{type: grid}", GridParameterSampling({"a": choice(1)})),
        ("{type: bayesian, seed: 0}", BayesianParameterSampling(FINITE, seed=0)),
        ("{type: tpe, seed: 7}", TPEParameterSampling(FINITE, seed=7)),
    ],
)
def test_the_yaml_form_is_that_of_azure_ml(text, sampling):
    space = sampling.parameter_space
    assert sampling_from_yaml(yaml.safe_load(text), space) == sampling
    assert sampling_from_yaml(sampling_to_yaml(sampling), space) == sampling
    assert pickle.loads(pickle.dumps(sampling)) == sampling


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("baysian", "sampling_algorithm: the type 'baysian' is unknown; did you mean 'bayesian'?"),
        ("null", "sampling_algorithm: must be a mapping with the key 'type', but None was given"),
        ("{type: grid, seed: 1}", "sampling_algorithm: unknown key 'seed'; known are type"),
        (
            "{type: random, seed: x}",
            "RandomParameterSampling: seed must be a whole number of at least 0, but 'x' was given",
        ),
    ],
)
def test_a_fault_in_the_yaml_is_named(text, told):
    with pytest.raises(ConfigError) as caught:
        sampling_from_yaml(yaml.safe_load(text), FINITE)
    assert str(caught.value) == told


def test_which_samplers_go_with_a_policy():
    kinds = [GridParameterSampling, RandomParameterSampling, BayesianParameterSampling, TPEParameterSampling]
    assert [kind.allows_policy for kind in kinds] == [True, True, False, True]


def test_the_package_imports_neither_spark_nor_what_few_need():
    heavy = {"pyspark", "optuna", "scipy", "sklearn", "pandas"}
    code = f"import sys, sparksweep.hyperdrive; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
