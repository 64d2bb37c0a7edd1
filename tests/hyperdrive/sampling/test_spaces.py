"""Distributions: what they draw, what they refuse, their YAML form, and scikit-learn's use of them."""

from __future__ import annotations

import doctest
import json
import math
import pickle
import warnings

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV

import sparksweep
from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import (
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)
from sparksweep.hyperdrive.sampling import spaces
from sparksweep.hyperdrive.sampling.distributions import settle
from sparksweep.hyperdrive.sampling.spaces import from_yaml, to_yaml, with_logbase
from sparksweep.hyperdrive.sampling.trees import leaves, picks_at, picks_of, size_of

# The search space of the Azure SDK's own test of nested choices, shortened.
NESTED = """
lr: {type: uniform, min_value: 0.001, max_value: 0.1}
conv_size:
  type: choice
  values:
    - const_val: 999
      val1:
        type: choice
        values:
          - val11: {type: loguniform, min_value: -6, max_value: -1}
          - val12: hello!
            val13: {type: choice, values: [1, 2, 3]}
    - val5: {type: qnormal, mu: 0, sigma: 1, q: 0.4}
    - val8: {type: randint, upper: 100}
    - 7
"""

EACH = {
    "choice": choice("a", 2, 0.5, None, True),
    "randint": randint(7),
    "uniform": uniform(-1, 3),
    "quniform": quniform(0, 10, 2),
    "loguniform": loguniform(-3, 2),
    "qloguniform": qloguniform(0, 3, 0.5),
    "normal": normal(10, 3),
    "qnormal": qnormal(0, 2, 0.25),
    "lognormal": lognormal(0, 1),
    "qlognormal": qlognormal(1, 1, 2),
}


def quantiles(distribution, count=20_001):
    return np.array([distribution.pick((n + 0.5) / count) for n in range(count)])


@pytest.mark.parametrize("module", [spaces])
def test_the_examples_of_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize(
    ("distribution", "same"),
    [
        (uniform(-1, 3), stats.uniform(-1, 4)),
        (loguniform(-3, 2), stats.loguniform(math.exp(-3), math.exp(2))),
        (normal(10, 3), stats.norm(10, 3)),
        (lognormal(0.5, 1.5), stats.lognorm(1.5, scale=math.exp(0.5))),
    ],
)
def test_a_continuous_distribution_is_that_of_scipy(distribution, same):
    for unit in (0.001, 0.1, 0.5, 0.77, 0.999):
        assert distribution.pick(unit) == pytest.approx(same.ppf(unit), rel=1e-12)


@pytest.mark.parametrize(
    ("stepped", "smooth", "q"),
    [
        (quniform(0, 10, 3), uniform(0, 10), 3),
        (quniform(-1, 1, 0.25), uniform(-1, 1), 0.25),
        (qloguniform(0, 3, 2), loguniform(0, 3), 2),
        (qnormal(0, 5, 2), normal(0, 5), 2),
        (qlognormal(1, 1, 0.5), lognormal(1, 1), 0.5),
    ],
)
def test_a_step_rounds_to_its_multiples(stepped, smooth, q):
    for unit in np.linspace(0, 1, 101):
        value = stepped.pick(unit)
        assert value == round(smooth.pick(unit) / q) * q
        assert type(value) is type(q)


def test_the_ends_are_finite_and_the_bounds_hold():
    for name, distribution in EACH.items():
        for unit in (0.0, 2.0**-60, 1.0):
            assert math.isfinite(distribution.pick(unit)), name
    assert {uniform(0.1, 0.3).pick(unit) for unit in (0.0, 1.0)} == {0.1, 0.3}
    assert randint(7).pick(1.0) == 6
    # By rounding a value may leave the bounds, as the formula says.
    assert quniform(1, 10, 4).pick(1.0) == 8
    assert quniform(0, 11, 4).pick(1.0) == 12


def test_every_value_of_a_choice_and_of_randint_is_as_likely():
    for distribution, count in ((choice(*"abc"), 3), (randint(5), 5)):
        _, counts = np.unique(quantiles(distribution), return_counts=True)
        assert len(counts) == count
        assert np.ptp(counts) <= 1


@pytest.mark.parametrize("name", EACH)
def test_a_draw_is_a_plain_value(name):
    value = EACH[name].rvs(random_state=np.random.RandomState(3))
    assert type(value) in (int, float, str, bool, type(None))
    assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("state", [5, np.random.RandomState, np.random.default_rng])
def test_a_seed_gives_the_same_draws(name, state):
    first, again = (
        EACH[name].rvs(size=(4, 5), random_state=state if state == 5 else state(5)) for _ in range(2)
    )
    assert first.shape == (4, 5)
    assert first.tolist() == again.tolist()
    assert len({repr(value) for value in EACH[name].rvs(size=50).tolist()}) > 1


def test_scikit_learn_draws_candidates():
    space = {**EACH, "nested": from_yaml(yaml.safe_load(NESTED))["conv_size"]}
    candidates = list(ParameterSampler(space, n_iter=20, random_state=0))
    assert candidates == list(ParameterSampler(space, n_iter=20, random_state=0))
    assert json.loads(json.dumps(candidates)) == candidates
    assert {type(candidate["nested"]) for candidate in candidates} == {dict, int}


def test_a_randomized_search_takes_them(spark_context):
    X = np.random.default_rng(0).normal(size=(40, 3))
    y = X @ [1.0, 2.0, 3.0]
    space = {"alpha": loguniform(-5, 5), "fit_intercept": choice(True, False), "random_state": randint(9)}
    arguments = {"n_iter": 6, "cv": 2, "random_state": 1}
    theirs = clone(RandomizedSearchCV(Ridge(), space, **arguments)).fit(X, y)
    ours = clone(sparksweep.RandomizedSearchCV(Ridge(), space, sc=spark_context, **arguments)).fit(X, y)
    assert type(theirs.best_params_["alpha"]) is float
    assert type(theirs.best_params_["random_state"]) is int
    assert len(set(theirs.cv_results_["param_alpha"])) == 6
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert ours.best_params_ == theirs.best_params_


def test_options_come_one_by_one_or_in_one_list():
    assert choice(1, 2) == choice([1, 2]) == choice(range(1, 3)) == choice(np.array([1, 2]))
    # As in the SDK a tuple is an option, and a list in a list is one.
    assert choice((1, 2)).values == ((1, 2),)
    assert choice([[1, 2], [3]]).values == ([1, 2], [3])
    assert choice((50,), (50, 20)).rvs(size=3, random_state=0).tolist() == [(50, 20), (50,), (50,)]
    assert [type(value) for value in choice(*np.logspace(0, 1, 2), {"n": np.int64(3)}).values] == [
        float,
        float,
        dict,
    ]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (choice, "choice: there is no option; give at least one"),
        (lambda: choice([]), "choice: there is no option; give at least one"),
        (lambda: choice(range(0)), "choice: there is no option; give at least one"),
        (lambda: choice([1], 2), "choice: give its options one by one, or all of them in one list or range"),
        (
            lambda: choice(1, range(3)),
            "choice: give its options one by one, or all of them in one list or range",
        ),
        (lambda: randint(0), "randint: upper must be a whole number of at least 1, but 0 was given"),
        (lambda: randint(2.0), "randint: upper must be a whole number of at least 1, but 2.0 was given"),
        (lambda: randint(True), "randint: upper must be a whole number of at least 1, but True was given"),
        (lambda: uniform([1, 2], 3), "uniform: min_value must be a finite number, but [1, 2] was given"),
        (lambda: uniform(1, "2"), "uniform: max_value must be a finite number, but '2' was given"),
        (lambda: uniform(False, 1), "uniform: min_value must be a finite number, but False was given"),
        (lambda: uniform(math.nan, 1), "uniform: min_value must be a finite number, but nan was given"),
        (
            lambda: uniform(0, 10**400),
            f"uniform: max_value must be a finite number, but {10**400} was given",
        ),
        (
            lambda: choice(0, math.nan),
            "choice: nan cannot be told from others in a setting; leave it out",
        ),
        (
            lambda: choice([{"missing": np.float32(math.nan)}]),
            "choice: nan cannot be told from others in a setting; leave it out",
        ),
        (lambda: uniform(0, math.inf), "uniform: max_value must be a finite number, but inf was given"),
        (lambda: uniform(-1e308, 1e308), "uniform: its values are too large for a float"),
        (lambda: quniform(1, 2, 0), "quniform: q must be above 0, but 0 was given"),
        (lambda: quniform(1, 2, -0.5), "quniform: q must be above 0, but -0.5 was given"),
        (lambda: quniform(1, 2, None), "quniform: q must be a finite number, but None was given"),
        (lambda: quniform(1, 2, 1e-320), "quniform: its values are too large for a float"),
        (lambda: qloguniform(1, 2, [1]), "qloguniform: q must be a finite number, but [1] was given"),
        (
            lambda: loguniform(1, 1000),
            "loguniform: its values are too large for a float; its arguments are those of the logarithm",
        ),
        (lambda: normal(0, -1), "normal: sigma must be 0 or more, but -1 was given"),
        (lambda: qnormal("a", 1, 1), "qnormal: mu must be a finite number, but 'a' was given"),
        (lambda: qlognormal(0, -0.1, 1), "qlognormal: sigma must be 0 or more, but -0.1 was given"),
        (
            lambda: lognormal(0, 100),
            "lognormal: its values are too large for a float; its arguments are those of the logarithm",
        ),
    ],
)
def test_a_wrong_argument_is_refused_by_name(make, told):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value) == told


@pytest.mark.parametrize("make", [uniform, loguniform, lambda *bounds: quniform(*bounds, 0.1)])
def test_bounds_in_the_wrong_order_are_put_right_with_a_warning(make):
    with pytest.warns(UserWarning, match=r"min_value 0.5 is above max_value 0.1; they are taken") as caught:
        turned = make(0.5, 0.1)
    assert turned == make(0.1, 0.5)
    if make is uniform:  # the warning points at whoever wrote the bounds
        assert caught[0].filename == __file__


def test_equal_bounds_and_no_deviation_are_a_constant():
    assert set(uniform(0.1, 0.1).rvs(size=999)) == {0.1}
    assert set(normal(0.1, 0).rvs(size=9)) == {0.1}
    assert normal(0.1, 0).unit(0.1) == 0.5
    assert size_of(quniform(3, 3, 1)) == 1


def test_they_are_values():
    for name, distribution in EACH.items():
        assert pickle.loads(pickle.dumps(distribution)) == distribution
        assert distribution.type == name
        with pytest.raises(AttributeError):
            distribution.q = 1


def test_the_yaml_form_is_that_of_azure_ml():
    section = yaml.safe_load(
        """
        a: {type: choice, values: [16, 32, x]}
        b: {type: randint, upper: 5}
        c: {type: uniform, min_value: 0.05, max_value: 0.1}
        d: {type: qloguniform, min_value: 0, max_value: 3, q: 0.5}
        e: {type: normal, mu: 10, sigma: 3}
        f: {type: qlognormal, mu: 1, sigma: 1, q: 2}
        """
    )
    space = from_yaml(section)
    assert space == {
        "a": choice(16, 32, "x"),
        "b": randint(5),
        "c": uniform(0.05, 0.1),
        "d": qloguniform(0, 3, 0.5),
        "e": normal(10, 3),
        "f": qlognormal(1, 1, 2),
    }
    assert to_yaml(space) == section
    # Types in any case, and numbers that YAML 1.1 takes for texts.
    written = "x: {type: Uniform, max_value: 1e-3, min_value: 1e-5}"
    assert from_yaml(yaml.safe_load(written)) == {"x": uniform(1e-5, 1e-3)}
    assert from_yaml({"n": {"type": "randint", "upper": "7"}}) == {"n": randint(7)}


def test_every_distribution_survives_yaml_and_json():
    nested = from_yaml(yaml.safe_load(NESTED))
    for space in (
        EACH,
        nested,
        {"one": choice({"a": EACH["qnormal"], "b": 1}, {"c": choice({"d": normal(0, 1)})})},
    ):
        assert from_yaml(yaml.safe_load(yaml.safe_dump(to_yaml(space)))) == space
        assert from_yaml(json.loads(json.dumps(to_yaml(space)))) == space
    assert to_yaml(nested) == yaml.safe_load(NESTED)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "search_space: must map names to distributions, but [] was given"),
        ("{}", "search_space: must map names to distributions, but {} was given"),
        ("x=1: 3", "search_space: 'x=1' is no name; give a text without = and NUL"),
        ("7: 3", "search_space: 7 is no name; give a text without = and NUL"),
        ("x: 3", "search_space.x: must be a mapping with the key 'type', but 3 was given"),
        (
            "x: {values: [1]}",
            "search_space.x: must be a mapping with the key 'type', but {'values': [1]} was given",
        ),
        ("x: {type: unifrom}", "search_space.x: the type 'unifrom' is unknown; did you mean 'uniform'?"),
        ("x: {type: uniform, min_value: 1}", "search_space.x: the key 'max_value' is missing"),
        (
            "x: {type: uniform, min: 1}",
            "search_space.x: unknown key 'min'; known are type, min_value, max_value",
        ),
        ("x: {type: choice, values: 3}", "search_space.x.values: must be a list, but 3 was given"),
        (
            "x: {type: uniform, min_value: .inf, max_value: inf}",
            "search_space.x: uniform: min_value must be a finite number, but inf was given",
        ),
        (
            "x: {type: choice, values: [.nan, 0]}",
            "search_space.x: choice: nan cannot be told from others in a setting; leave it out",
        ),
        ("x: {type: choice, values: []}", "search_space.x: choice: there is no option; give at least one"),
        (
            "x: {type: uniform, min_value: [1], max_value: 2}",
            "search_space.x: uniform: min_value must be a finite number, but [1] was given",
        ),
        (
            "x: {type: choice, values: [{y: {type: quniform, min_value: 1, max_value: 2, q: 0}}]}",
            "search_space.x.values.y: quniform: q must be above 0, but 0 was given",
        ),
    ],
)
def test_a_fault_in_the_yaml_is_named(text, told):
    with pytest.raises(ConfigError) as caught:
        from_yaml(yaml.safe_load(text))
    assert str(caught.value) == told


def test_the_base_of_the_logarithm():
    space = with_logbase(
        {"a": choice({"b": loguniform(-3, 0)}), "c": qlognormal(1, 0, 1), "d": uniform(1, 2)}, 10
    )
    b = space["a"].values[0]["b"]
    assert [b.pick(unit) for unit in (0, 0.5, 1)] == pytest.approx([0.001, 10**-1.5, 1])
    assert space["c"].pick(0.3) == 10
    assert space["d"] == uniform(1, 2)
    assert with_logbase(loguniform(0, 2), 0.5).pick(1.0) == 0.25
    with pytest.raises(ConfigError, match="too large"):
        with_logbase(loguniform(0, 400), 10)


def test_a_setting_holds_what_was_picked_and_nothing_of_other_options():
    space = from_yaml(yaml.safe_load(NESTED))
    asked = []

    def middle(path, distribution):
        asked.append(path)
        return distribution.pick(0.0)

    assert settle(space, middle) == {
        "lr": 0.001,
        "conv_size": {"const_val": 999, "val1": {"val11": pytest.approx(math.exp(-6))}},
    }
    assert asked == [
        ("lr",),
        ("conv_size",),
        ("conv_size", 0, "val1"),
        ("conv_size", 0, "val1", 0, "val11"),
    ]
    assert len(list(leaves(space))) == 7


def test_settings_are_counted_and_numbered():
    space = {
        "a": choice(1, {"b": choice(5, 6), "c": randint(3)}),
        "d": quniform(0, 1, 0.5),
    }
    assert size_of(space) == (1 + 2 * 3) * 3
    settings = []
    for index in range(21):
        picks = picks_at(space, index)
        settings.append(settle(space, lambda path, _, picks=picks: picks[path]))
    assert settings[:4] == [
        {"a": 1, "d": 0},
        {"a": 1, "d": 0.5},
        {"a": 1, "d": 1},
        {"a": {"b": 5, "c": 0}, "d": 0},
    ]
    assert len({repr(setting) for setting in settings}) == 21
    assert size_of({"a": choice(1, 2), "b": normal(0, 1)}) is None
    assert size_of({"a": choice(1, {"b": uniform(0, 1)})}) is None
    assert size_of(quniform(0, 1e300, 1)) > 10**299


@pytest.mark.parametrize("name", EACH)
def test_a_pick_leads_back_to_its_quantile(name):
    distribution = EACH[name]
    for unit in (0.01, 0.3, 0.5, 0.9):
        pick = distribution.pick(unit)
        assert distribution.pick(distribution.unit(pick)) == pytest.approx(pick, rel=1e-12)
    if name in ("uniform", "loguniform", "normal", "lognormal"):
        assert distribution.unit(distribution.pick(0.3)) == pytest.approx(0.3)


def test_a_setting_leads_back_to_its_picks():
    space = {**EACH, **from_yaml(yaml.safe_load(NESTED))}
    rng = np.random.default_rng(0)
    for _ in range(50):
        picks = {}

        def picked(path, distribution, picks=picks):
            return picks.setdefault(path, distribution.pick(rng.random()))

        assert picks_of(space, settle(space, picked)) == picks


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (uniform(0, 1), 1.5),
        (uniform(0, 1), "0.5"),
        (uniform(0, 1), True),
        (quniform(0, 10, 2), 3),
        (loguniform(0, 1), 0),
        (randint(5), 5),
        (randint(5), 1.5),
        (choice(1, 2), 3),
        (choice(1, {"a": uniform(0, 1)}), {"a": 2}),
        (choice(1, {"a": uniform(0, 1)}), {"b": 0.5}),
        (choice(1, {"a": uniform(0, 1)}), {"a": 0.5, "b": 1}),
        ({"x": uniform(0, 1)}, 0.5),
    ],
)
def test_what_a_space_does_not_have_has_no_picks(distribution, value):
    assert picks_of(distribution, value) is None


@given(
    st.floats(-30, 30),
    st.floats(-30, 30),
    st.sampled_from([0.1, 0.25, 1, 3]),
    st.sampled_from([None, math.e, 2.0, 0.5]),
    st.floats(0, 1),
)
def test_the_values_of_a_uniform_distribution_with_a_step_can_be_numbered(low, high, q, base, unit):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        distribution = with_logbase((quniform if base is None else qloguniform)(low, high, q), base or 1)
    assert distribution.nth(0) <= distribution.pick(unit) <= distribution.nth(distribution.size - 1)
    index = int(unit * (distribution.size - 1))
    value = distribution.nth(index)
    assert distribution.pick(distribution.unit(value)) == value
    assert index == 0 or distribution.nth(index - 1) < value
