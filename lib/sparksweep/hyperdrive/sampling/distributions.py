"""What a hyperparameter may be: four kinds of distribution, and the trees that they form.

All ten distributions of Azure ML are one of these four, as they are or with a logarithm or a step:

============  ==================================================================
``Choice``    choice
``Randint``   randint
``Uniform``   uniform, loguniform, quniform, qloguniform
``Normal``    normal, lognormal, qnormal, qlognormal
============  ==================================================================

Every draw is the quantile function at a number between 0 and 1. So random numbers, a Sobol sequence and a
model of the past draw from the same distribution in the same way.

A search space is a tree: a mapping of names to distributions, where an option of a choice may itself be a
mapping that holds further distributions. The words for it: a *pick* is what one distribution gave (the
number, or the position of the option of a choice); a *path* says where in the tree it stands; a *setting*
is the tree with every distribution replaced by what was picked.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparksweep.errors import ConfigError

__all__ = [
    "Choice",
    "Distribution",
    "Normal",
    "Path",
    "Pick",
    "Randint",
    "Uniform",
    "settle",
]

Pick: TypeAlias = float
Path: TypeAlias = tuple[str | int, ...]

# The numbers at which the quantile function of a normal distribution is taken end here, 8.2 standard
# deviations from the mean: beyond lies the infinite.
_LEAST, _MOST = 2.0**-53, 1 - 2.0**-53
_TAIL = 8.3


class Distribution(ABC):
    """What the four kinds have in common: draws, as scikit-learn's ``RandomizedSearchCV`` asks for them."""

    @property
    @abstractmethod
    def type(self) -> str:
        """The name in Azure ML's vocabulary, such as ``qloguniform``."""

    @abstractmethod
    def pick(self, unit: float) -> Pick:
        """Return the quantile at a number from 0 to 1."""

    @abstractmethod
    def unit(self, pick: Pick) -> float:
        """Return a number from 0 to 1 at which the quantile is a pick."""

    def rvs(self, size: int | tuple[int, ...] | None = None, random_state: Any = None) -> Any:
        """Draw from the distribution.

        Parameters
        ----------
        size : int or tuple of int, optional
            The shape of what is returned. Without it, one value.
        random_state : int, numpy.random.Generator, numpy.random.RandomState or None
            Where chance comes from. An int seeds a generator; None draws other values every time.

        Returns
        -------
        value, or ndarray of values
            A value is a Python int or float, or the option of a choice as it was given. An array of options
            has the dtype object.
        """
        has_state = isinstance(random_state, np.random.Generator | np.random.RandomState)
        rng = random_state if has_state else np.random.default_rng(random_state)

        def value() -> Any:
            return settle(self, lambda _, distribution: distribution.pick(rng.random()))

        if size is None:
            return value()
        drawn: NDArray[Any] = np.empty(size, dtype=object)
        for place in np.ndindex(drawn.shape):
            drawn[place] = value()
        return drawn if isinstance(self, Choice) else np.array(drawn.tolist())


@dataclass(frozen=True)
class Choice(Distribution):
    """One of several options, each as likely as the others. A pick is the position of the option."""

    values: tuple[Any, ...]

    @property
    def type(self) -> str:
        """As in the base class."""
        return "choice"

    def pick(self, unit: float) -> int:
        """As in the base class."""
        return min(int(unit * len(self.values)), len(self.values) - 1)

    def unit(self, pick: Pick) -> float:
        """As in the base class."""
        return (pick + 0.5) / len(self.values)


@dataclass(frozen=True)
class Randint(Distribution):
    """A whole number from 0 to ``upper - 1``, each as likely as the others."""

    upper: int

    @property
    def type(self) -> str:
        """As in the base class."""
        return "randint"

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.upper

    def nth(self, index: int) -> int:
        """Return a value by its position among all values."""
        return index

    def pick(self, unit: float) -> int:
        """As in the base class."""
        return min(int(unit * self.upper), self.upper - 1)

    def unit(self, pick: Pick) -> float:
        """As in the base class."""
        return (pick + 0.5) / self.upper


@dataclass(frozen=True)
class Uniform(Distribution):
    """x uniform on [``min_value``, ``max_value``]; then ``logbase**x`` and the step ``q``, where given.

    The step is ``round(value / q) * q``, Python's round: half to even, and an int where ``q`` is one. By
    rounding a value may leave the bounds by up to q / 2, as HyperDrive's do.
    """

    min_value: float
    max_value: float
    logbase: float | None = None
    q: float | None = None

    def __post_init__(self) -> None:
        _check_finite(self, self.min_value, self.max_value)

    @property
    def type(self) -> str:
        """As in the base class."""
        return _prefix(self) + "uniform"

    @property
    def size(self) -> int | None:
        """How many values there are; None without a step."""
        if self.q is None:
            return None
        first, last = self._steps(self.q)
        return last - first + 1

    def nth(self, index: int) -> Pick:
        """Return a value by its position among all values, of which there is a finite number."""
        if self.q is None:
            raise ValueError(f"{self.type} has no finite number of values")
        return (self._steps(self.q)[0] + index) * self.q

    def pick(self, unit: float) -> Pick:
        """As in the base class."""
        low, high = self.min_value, self.max_value
        return _shaped(self, float(min(max(low + unit * (high - low), low), high)))

    def unit(self, pick: Pick) -> float:
        """As in the base class."""
        low, high = self.min_value, self.max_value
        if low == high:
            return 0.0
        return (min(max(_unraised(self.logbase, pick), low), high) - low) / (high - low)

    def _steps(self, q: float) -> tuple[int, int]:
        """Return the least and the greatest value in steps."""
        ends = (_raised(self.logbase, self.min_value), _raised(self.logbase, self.max_value))
        first, last = sorted(round(end / q) for end in ends)
        return first, last


@dataclass(frozen=True)
class Normal(Distribution):
    """x normal with mean ``mu`` and standard deviation ``sigma``; then as for :class:`Uniform`."""

    mu: float
    sigma: float
    logbase: float | None = None
    q: float | None = None

    def __post_init__(self) -> None:
        _check_finite(self, self.mu - _TAIL * self.sigma, self.mu + _TAIL * self.sigma)

    @property
    def type(self) -> str:
        """As in the base class."""
        return _prefix(self) + "normal"

    def pick(self, unit: float) -> Pick:
        """As in the base class."""
        return _shaped(self, self.mu + self.sigma * NormalDist().inv_cdf(min(max(unit, _LEAST), _MOST)))

    def unit(self, pick: Pick) -> float:
        """As in the base class."""
        x = _unraised(self.logbase, pick)
        return NormalDist().cdf((x - self.mu) / self.sigma) if self.sigma > 0 else 0.5


def settle(entry: Any, pick: Callable[[Path, Distribution], Pick], path: Path = ()) -> Any:
    """Return the setting of a tree, where ``pick`` is asked for every distribution that is met.

    Distributions under an option that was not picked are not met.
    """
    if isinstance(entry, Mapping):
        return {name: settle(inner, pick, (*path, name)) for name, inner in entry.items()}
    if isinstance(entry, Choice):
        index = int(pick(path, entry))
        return settle(entry.values[index], pick, (*path, index))
    return pick(path, entry) if isinstance(entry, Distribution) else entry


def _prefix(distribution: Uniform | Normal) -> str:
    return ("" if distribution.q is None else "q") + ("" if distribution.logbase is None else "log")


def _raised(base: float | None, x: float) -> float:
    if base is None:
        return x
    return math.exp(x) if base == math.e else float(base) ** x


def _unraised(base: float | None, value: float) -> float:
    """Turn :func:`_raised` round. A step may have rounded to 0, which has an infinite logarithm."""
    if base is None:
        return value
    if value > 0:
        return math.log(value) / math.log(base)
    return -math.inf if base > 1 else math.inf


def _shaped(distribution: Uniform | Normal, x: float) -> float:
    value = _raised(distribution.logbase, x)
    return value if distribution.q is None else round(value / distribution.q) * distribution.q


def _check_finite(distribution: Uniform | Normal, low: float, high: float) -> None:
    try:
        is_finite = all(
            map(math.isfinite, (high - low, _shaped(distribution, low), _shaped(distribution, high)))
        )
    except OverflowError:
        is_finite = False
    if not is_finite:
        hint = "" if distribution.logbase is None else "; its arguments are those of the logarithm"
        raise ConfigError(f"{distribution.type}: its values are too large for a float{hint}")
