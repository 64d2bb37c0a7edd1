"""The samplers, under the names of Azure ML: what a user asks for, and its YAML form.

=============================  =========================  =============  ================
sampler                        distributions              with a policy  YAML ``type``
=============================  =========================  =============  ================
``GridParameterSampling``      choice                     yes            ``grid``
``RandomParameterSampling``    all                        yes            ``random``
``BayesianParameterSampling``  choice, uniform, quniform  no             ``bayesian``
``TPEParameterSampling``       all                        yes            ``tpe``
=============================  =========================  =============  ================

The first three are HyperDrive's, with its limits; the last one is not. A sampler is a value that can be kept
and compared; its ``start`` gives what proposes settings while a sweep runs (``proposals.py``). The grid ends
after its last setting. So do the others where the search space has an end: only choice, randint and the
uniform distributions with a step.

>>> from sparksweep.hyperdrive import choice
>>> sampler = GridParameterSampling({"depth": choice(3, 5), "rate": choice(0.1, 0.3)})
>>> grid = sampler.start(maximize=True)
>>> grid.ask(), grid.ask()
({'depth': 3, 'rate': 0.1}, {'depth': 3, 'rate': 0.3})
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import InitVar, dataclass, field, fields, replace
from typing import Any, ClassVar, TypeAlias

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import (
    check_keys,
    check_number,
    check_variable,
    check_whole,
    type_in,
    yaml_number,
)
from sparksweep.hyperdrive.sampling.distributions import Distribution
from sparksweep.hyperdrive.sampling.proposals import GridProposals, Known, Proposals, RandomProposals
from sparksweep.hyperdrive.sampling.spaces import with_logbase
from sparksweep.hyperdrive.sampling.trees import leaves

__all__ = [
    "BayesianParameterSampling",
    "GridParameterSampling",
    "RandomParameterSampling",
    "Sampling",
    "TPEParameterSampling",
    "sampling_from_yaml",
    "sampling_to_yaml",
]


@dataclass(frozen=True)
class GridParameterSampling:
    """Every combination of the options, the last parameter changing fastest.

    Parameters
    ----------
    parameter_space : mapping of str to distribution
        Choices. An option that is a mapping may hold choices too.

    Raises
    ------
    ConfigError
        If there is anything else than a choice.
    """

    parameter_space: Mapping[str, Distribution]

    allows_policy: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_space(self, "RandomParameterSampling", {"choice"})

    def seeded(self) -> GridParameterSampling:
        """Return the sampler itself: no chance plays a part."""
        return self

    def start(self, *, maximize: bool, known: Known = ()) -> Proposals:  # noqa: ARG002 - all start alike
        """Return what proposes settings in one sweep. Neither argument makes a difference here."""
        return GridProposals(self.parameter_space)


@dataclass(frozen=True)
class RandomParameterSampling:
    """Settings drawn by chance, or evenly from the whole space by Sobol's sequence.

    Parameters
    ----------
    parameter_space : mapping of str to distribution
    properties : mapping, optional
        ``seed``, ``rule`` and ``logbase`` may stand here too, where the SDK v1 has its further properties.
    seed : int, optional
        At least 0. The same seed gives the same settings; None gives others every time.
    rule : {"random", "sobol"}, default "random"
    logbase : float or "e", optional
        The base of all distributions with a logarithm: with 10, ``loguniform(-3, 0)`` is from 0.001 to 1.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """

    parameter_space: Mapping[str, Distribution]
    properties: InitVar[Mapping[str, Any] | None] = None
    seed: int | None = field(default=None, kw_only=True)
    rule: str = field(default="random", kw_only=True)
    logbase: float | str | None = field(default=None, kw_only=True)

    allows_policy: ClassVar[bool] = True

    def __post_init__(self, properties: Mapping[str, Any] | None) -> None:
        _take_properties(self, properties, ("seed", "rule", "logbase"))
        _check_space(self)
        _check_seed(self, self.seed)
        if self.rule not in ("random", "sobol"):
            raise ConfigError(f"{_name(self)}: rule must be 'random' or 'sobol', but {self.rule!r} was given")
        if self.logbase not in (None, "e"):
            base = check_number(_name(self), "logbase", self.logbase)
            if base <= 0 or base == 1:
                raise ConfigError(f"{_name(self)}: logbase must be above 0 and not 1, but {base!r} was given")
        self._space()

    def seeded(self) -> RandomParameterSampling:
        """Return the sampler with a seed, which is drawn where it has none."""
        return self if self.seed is not None else replace(self, seed=_drawn_seed())

    def start(self, *, maximize: bool, known: Known = ()) -> Proposals:  # noqa: ARG002 - all start alike
        """Return what proposes settings in one sweep. Neither argument makes a difference here."""
        seed = _drawn_seed() if self.seed is None else self.seed
        return RandomProposals(self._space(), seed, is_sobol=self.rule == "sobol")

    def _space(self) -> Mapping[str, Distribution]:
        if self.logbase is None or self.logbase == "e":
            return self.parameter_space
        return {name: with_logbase(one, float(self.logbase)) for name, one in self.parameter_space.items()}


@dataclass(frozen=True)
class BayesianParameterSampling:
    """Settings that promise most after what earlier runs reported, within HyperDrive's limits.

    Pending runs count as bad ones, so that runs at the same time try different things. Still each learns from
    those alone that ended before it: few concurrent runs find more than many with the same total.

    Parameters
    ----------
    parameter_space : mapping of str to distribution
        Choices, uniform and quniform.
    properties : mapping, optional
        ``seed`` may stand here too, where the SDK v1 has its further properties.
    seed : int, optional
        At least 0. The same seed gives the same settings after the same reports; None gives others every
        time.

    Raises
    ------
    ConfigError
        If an argument cannot be used, or there is another distribution.
    """

    parameter_space: Mapping[str, Distribution]
    properties: InitVar[Mapping[str, Any] | None] = None
    seed: int | None = field(default=None, kw_only=True)

    allows_policy: ClassVar[bool] = False

    def __post_init__(self, properties: Mapping[str, Any] | None) -> None:
        _take_properties(self, properties, ("seed",))
        _check_space(self, "TPEParameterSampling", {"choice", "uniform", "quniform"})
        _check_seed(self, self.seed)

    def seeded(self) -> BayesianParameterSampling:
        """Return the sampler with a seed, which is drawn where it has none."""
        return self if self.seed is not None else replace(self, seed=_drawn_seed())

    def start(self, *, maximize: bool, known: Known = ()) -> Proposals:
        """Return what proposes settings in one sweep.

        Parameters
        ----------
        maximize : bool
            Whether a greater value is better.
        known : iterable of (setting, value)
            What runs of earlier sweeps had and reached, to begin with. What this search space does not have
            is left out; the others are not proposed again where the space has an end.
        """
        return _tpe(self.parameter_space, self.seed, known, maximize=maximize)


@dataclass(frozen=True)
class TPEParameterSampling:
    """As :class:`BayesianParameterSampling`, over every distribution and beside policies.

    A run that a policy stopped counts with the best value that it had reported.

    Parameters
    ----------
    parameter_space : mapping of str to distribution
    seed : int, optional
        As there.

    Raises
    ------
    ConfigError
        If an argument cannot be used.
    """

    parameter_space: Mapping[str, Distribution]
    seed: int | None = field(default=None, kw_only=True)

    allows_policy: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_space(self)
        _check_seed(self, self.seed)

    def seeded(self) -> TPEParameterSampling:
        """Return the sampler with a seed, which is drawn where it has none."""
        return self if self.seed is not None else replace(self, seed=_drawn_seed())

    def start(self, *, maximize: bool, known: Known = ()) -> Proposals:
        """Return what proposes settings in one sweep, as :meth:`BayesianParameterSampling.start`."""
        return _tpe(self.parameter_space, self.seed, known, maximize=maximize)


Sampling: TypeAlias = (
    GridParameterSampling | RandomParameterSampling | BayesianParameterSampling | TPEParameterSampling
)

_TYPES: dict[str, type[Sampling]] = {
    "random": RandomParameterSampling,
    "grid": GridParameterSampling,
    "bayesian": BayesianParameterSampling,
    "tpe": TPEParameterSampling,
}


def sampling_from_yaml(section: Any, parameter_space: Mapping[str, Distribution]) -> Sampling:
    """Return the sampler that the ``sampling_algorithm`` of an Azure ML v2 sweep asks for.

    Parameters
    ----------
    section : str or mapping
        ``random``, ``grid``, ``bayesian`` or ``tpe``; or a mapping with that as its ``type`` and the
        sampler's arguments. ``bayesian`` takes a ``seed`` too, which Azure ML has for ``random`` alone.
    parameter_space : mapping of str to distribution

    Raises
    ------
    ConfigError
        If it is none of these, or the sampler refuses its arguments.
    """
    where = "sampling_algorithm"
    section = {"type": section} if isinstance(section, str) else section
    sampling = _TYPES[type_in(where, section, _TYPES)]
    check_keys(where, section, ("type",), _options(sampling))
    return sampling(
        parameter_space, **{name: yaml_number(section[name]) for name in section if name != "type"}
    )


def sampling_to_yaml(sampling: Sampling) -> dict[str, Any]:
    """Return a sampler in the YAML form of Azure ML v2, without its search space."""
    kind = next(name for name, one in _TYPES.items() if isinstance(sampling, one))
    options = {name: getattr(sampling, name) for name in _options(type(sampling))}
    return {"type": kind, **{name: value for name, value in options.items() if value is not None}}


def _options(sampling: type[Sampling]) -> list[str]:
    return [one.name for one in fields(sampling) if one.name != "parameter_space"]


def _name(sampling: Sampling) -> str:
    return type(sampling).__name__


def _take_properties(sampling: Sampling, properties: Any, known: Collection[str]) -> None:
    if properties is None:
        return
    where = f"{_name(sampling)}: properties"
    if not isinstance(properties, Mapping):
        raise ConfigError(f"{where} must be a mapping, but {properties!r} was given")
    check_keys(where, properties, (), known)
    for name, value in properties.items():
        if getattr(sampling, name) != getattr(type(sampling), name):
            raise ConfigError(f"{where}: {name} is an argument too; give it once")
        object.__setattr__(sampling, name, value)


def _check_space(sampling: Sampling, instead: str = "", allowed: Collection[str] = ()) -> None:
    space = sampling.parameter_space
    where = f"{_name(sampling)}: parameter_space"
    if not isinstance(space, Mapping) or not space:
        raise ConfigError(f"{where} must map names to distributions, but {space!r} was given")
    for name, distribution in space.items():
        if not isinstance(name, str):
            raise ConfigError(f"{where} must map names to distributions, but {name!r} is no name")
        check_variable(where, name)  # scripts have it in their environment, too
        if not isinstance(distribution, Distribution):
            raise ConfigError(
                f"{where}: {name} must be a distribution such as choice(...), not {distribution!r}"
            )
        for _, inner in leaves(distribution):
            if allowed and inner.type not in allowed:
                raise ConfigError(
                    f"{where}: {name} is {inner.type}, but {_name(sampling)} takes only "
                    f"{', '.join(sorted(allowed))}; {instead} takes every distribution"
                )


def _check_seed(sampling: Sampling, seed: Any) -> None:
    if seed is not None:
        check_whole(_name(sampling), "seed", seed, least=0)


def _drawn_seed() -> int:
    return secrets.randbits(32)


def _tpe(space: Mapping[str, Distribution], seed: int | None, known: Known, *, maximize: bool) -> Proposals:
    from sparksweep.hyperdrive.sampling.tpe import TPEProposals  # noqa: PLC0415 - Optuna only for those who ask for it

    return TPEProposals(space, _drawn_seed() if seed is None else seed, known, maximize=maximize)
