"""The distributions of a search space, under the names of Azure ML, and their YAML form.

The functions have the names and arguments of ``azureml.train.hyperdrive`` (SDK v1, module
``parameter_expressions``). Beyond it, a step ``q`` need not be whole, and an option of :func:`choice` may
be a mapping that holds further distributions, as in Azure ML v2.

>>> lr = loguniform(-6, -1)
>>> to_yaml({"lr": lr})
{'lr': {'type': 'loguniform', 'min_value': -6, 'max_value': -1}}
>>> from_yaml(_) == {"lr": lr}
True
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import (
    check_keys,
    check_number,
    check_variable,
    check_whole,
    plain,
    type_in,
    yaml_number,
)
from sparksweep.hyperdrive.sampling.distributions import Choice, Distribution, Normal, Randint, Uniform

__all__ = [
    "choice",
    "from_yaml",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "to_yaml",
    "uniform",
    "with_logbase",
]


def choice(*options: Any) -> Choice:
    """Return a choice among options.

    Parameters
    ----------
    *options
        The options one by one, or a single list, range or one-dimensional array of them. An option that is
        a mapping may hold further distributions; a draw gives it with their values.

    Raises
    ------
    ConfigError
        If there is no option, one is NaN, or a list or range stands among others.

    Examples
    --------
    >>> choice(range(3)) == choice(0, 1, 2) == choice([0, 1, 2])
    True
    >>> kernel = choice({"name": "linear"}, {"name": "rbf", "gamma": loguniform(-3, 3)})
    """
    if any(isinstance(option, list | range | np.ndarray) for option in options):
        if len(options) > 1:
            raise ConfigError("choice: give its options one by one, or all of them in one list or range")
        options = tuple(options[0])
    if not options:
        raise ConfigError("choice: there is no option; give at least one")
    return Choice(tuple(_option(option) for option in options))


def randint(upper: int) -> Randint:
    """Return the distribution of the whole numbers 0, 1, ..., ``upper - 1``.

    Raises
    ------
    ConfigError
        If ``upper`` is not a whole number of at least 1.
    """
    return Randint(check_whole("randint", "upper", upper, least=1))


def uniform(min_value: float, max_value: float) -> Uniform:
    """Return the uniform distribution on [``min_value``, ``max_value``].

    Bounds in the wrong order are taken the other way round, with a warning; equal bounds give a constant.

    Raises
    ------
    ConfigError
        If a bound is not a finite number.
    """
    return _uniform("uniform", min_value, max_value)


def quniform(min_value: float, max_value: float, q: float) -> Uniform:
    """Return the distribution of ``round(uniform(min_value, max_value) / q) * q``.

    Raises
    ------
    ConfigError
        As for :func:`uniform`; or if ``q`` is not a number above 0.
    """
    return _uniform("quniform", min_value, max_value, q=_step("quniform", q))


def loguniform(min_value: float, max_value: float) -> Uniform:
    """Return the distribution of ``exp(uniform(min_value, max_value))``: the bounds are natural logarithms.

    Raises
    ------
    ConfigError
        As for :func:`uniform`; or if a value would be too large for a float.
    """
    return _uniform("loguniform", min_value, max_value, logbase=math.e)


def qloguniform(min_value: float, max_value: float, q: float) -> Uniform:
    """Return the distribution of ``round(exp(uniform(min_value, max_value)) / q) * q``.

    Raises
    ------
    ConfigError
        As for :func:`loguniform` and :func:`quniform`.
    """
    return _uniform("qloguniform", min_value, max_value, logbase=math.e, q=_step("qloguniform", q))


def normal(mu: float, sigma: float) -> Normal:
    """Return the normal distribution with mean ``mu`` and standard deviation ``sigma``.

    Raises
    ------
    ConfigError
        If an argument is not a finite number, or ``sigma`` is below 0.
    """
    return _normal("normal", mu, sigma)


def qnormal(mu: float, sigma: float, q: float) -> Normal:
    """Return the distribution of ``round(normal(mu, sigma) / q) * q``.

    Raises
    ------
    ConfigError
        As for :func:`normal`; or if ``q`` is not a number above 0.
    """
    return _normal("qnormal", mu, sigma, q=_step("qnormal", q))


def lognormal(mu: float, sigma: float) -> Normal:
    """Return the distribution of ``exp(normal(mu, sigma))``: the arguments are those of the logarithm.

    Raises
    ------
    ConfigError
        As for :func:`normal`; or if a value would be too large for a float.
    """
    return _normal("lognormal", mu, sigma, logbase=math.e)


def qlognormal(mu: float, sigma: float, q: float) -> Normal:
    """Return the distribution of ``round(exp(normal(mu, sigma)) / q) * q``.

    Raises
    ------
    ConfigError
        As for :func:`lognormal` and :func:`qnormal`.
    """
    return _normal("qlognormal", mu, sigma, logbase=math.e, q=_step("qlognormal", q))


def with_logbase(entry: Any, base: float) -> Any:
    """Return a tree of distributions whose logarithms have another base than e, as v2's ``logbase`` asks."""
    if isinstance(entry, Mapping):
        return {name: with_logbase(inner, base) for name, inner in entry.items()}
    if isinstance(entry, Choice):
        return Choice(tuple(with_logbase(option, base) for option in entry.values))
    has_log = isinstance(entry, Uniform | Normal) and entry.logbase is not None
    return replace(entry, logbase=base) if has_log else entry


def from_yaml(search_space: Any) -> dict[str, Distribution]:
    """Return the distributions of a ``search_space`` in the YAML form of Azure ML v2.

    Raises
    ------
    ConfigError
        If an entry is not a distribution; the sentence begins with its key.
    """
    if not isinstance(search_space, Mapping) or not search_space:
        raise ConfigError(f"search_space: must map names to distributions, but {search_space!r} was given")
    for name in search_space:
        check_variable("search_space", name)
    return {name: _distribution(f"search_space.{name}", entry) for name, entry in search_space.items()}


def to_yaml(entry: Any) -> Any:
    """Return a search space in the YAML form of Azure ML v2, or a distribution or an option of one."""
    if isinstance(entry, Mapping):
        return {name: to_yaml(inner) for name, inner in entry.items()}
    if isinstance(entry, Choice):
        return {"type": "choice", "values": [to_yaml(option) for option in entry.values]}
    if isinstance(entry, Distribution):
        return {"type": entry.type, **{name: getattr(entry, name) for name in _ARGUMENTS[entry.type]}}
    return entry


_FUNCTIONS: dict[str, Callable[..., Distribution]] = {
    function.__name__: function
    for function in (
        *(choice, randint, uniform, quniform, loguniform, qloguniform),
        *(normal, qnormal, lognormal, qlognormal),
    )
}

# The keys of each type beside ``type``, which are the arguments of its function, in order.
_ARGUMENTS = {
    "choice": ("values",),
    "randint": ("upper",),
    **dict.fromkeys(("uniform", "loguniform"), ("min_value", "max_value")),
    **dict.fromkeys(("quniform", "qloguniform"), ("min_value", "max_value", "q")),
    **dict.fromkeys(("normal", "lognormal"), ("mu", "sigma")),
    **dict.fromkeys(("qnormal", "qlognormal"), ("mu", "sigma", "q")),
}


def _distribution(where: str, section: Any) -> Distribution:
    kind = type_in(where, section, _ARGUMENTS)
    names = _ARGUMENTS[kind]
    check_keys(where, section, ("type", *names), ())
    arguments = [_argument(f"{where}.{name}", section[name], name == "values") for name in names]
    try:
        return _FUNCTIONS[kind](*arguments)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _argument(where: str, value: Any, is_options: bool) -> Any:
    if is_options:
        if not isinstance(value, list):
            raise ConfigError(f"{where}: must be a list, but {value!r} was given")
        return [_inner(where, option) for option in value]
    return yaml_number(value)


def _inner(where: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {
        name: _distribution(f"{where}.{name}", inner) if isinstance(inner, Mapping) else inner
        for name, inner in value.items()
    }


def _option(option: Any) -> Any:
    if not isinstance(option, Mapping):
        return _comparable(option)
    return {name: _comparable(inner) for name, inner in option.items()}


def _comparable(option: Any) -> Any:
    value = plain(option)
    if isinstance(value, float) and math.isnan(value):
        # A sweep that goes on looks for a setting among those that it has had, and NaN is equal to nothing.
        raise ConfigError(f"choice: {value!r} cannot be told from others in a setting; leave it out")
    return value


def _uniform(
    name: str, min_value: Any, max_value: Any, *, logbase: float | None = None, q: float | None = None
) -> Uniform:
    low, high = check_number(name, "min_value", min_value), check_number(name, "max_value", max_value)
    if low > high:
        warnings.warn(
            f"{name}: min_value {low!r} is above max_value {high!r}; they are taken the other way round",
            stacklevel=3,
        )
        low, high = high, low
    return Uniform(low, high, logbase, q)


def _normal(
    name: str, mu: Any, sigma: Any, *, logbase: float | None = None, q: float | None = None
) -> Normal:
    mu, sigma = check_number(name, "mu", mu), check_number(name, "sigma", sigma)
    if sigma < 0:
        raise ConfigError(f"{name}: sigma must be 0 or more, but {sigma!r} was given")
    return Normal(mu, sigma, logbase, q)


def _step(name: str, q: Any) -> float:
    step = check_number(name, "q", q)
    if step <= 0:
        raise ConfigError(f"{name}: q must be above 0, but {q!r} was given")
    return step
