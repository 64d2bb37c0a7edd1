"""Which setting comes next: samplers as they are while a sweep runs, for the grid, chance and Sobol.

A driver asks for settings and tells how their runs ended; nothing else goes between the two, see
:class:`Proposals`. The n-th setting depends on the seed, on n, and on what was asked and told before, in
order. So a sweep that was interrupted asks and tells again what it had asked and told, and goes on as if
nothing had happened.

No setting comes twice where a search space has an end of them (only choice, randint and the uniform
distributions with a step): when all have come, there is none left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np

from sparksweep.hyperdrive.sampling.distributions import Distribution, Path, Pick, settle
from sparksweep.hyperdrive.sampling.trees import leaves, picks_at, size_of

__all__ = [
    "ATTEMPTS",
    "Distinct",
    "GridProposals",
    "Known",
    "Picker",
    "Proposals",
    "RandomProposals",
    "Space",
    "resolve",
]

Space: TypeAlias = Mapping[str, Distribution]
Picker: TypeAlias = Callable[[Path, Distribution], Pick]
Known: TypeAlias = Iterable[tuple[Mapping[str, Any], float]]

#: How often is drawn what has come before, until one of the settings that are left is taken instead.
ATTEMPTS = 10


class Proposals(Protocol):
    """What a driver needs of a sampler."""

    def ask(self) -> dict[str, Any] | None:
        """Return the next setting, a value a parameter; None if there is none left.

        The first setting has the number 0, the next one 1, and so on.
        """

    def tell(self, number: int, value: float | None) -> None:
        """Say how the run of a setting ended, once a setting.

        Parameters
        ----------
        number : int
            Of the setting.
        value : float or None
            The best primary metric that the run reported, also if it was stopped early. None, NaN or an
            infinity if it failed.
        """


class GridProposals:
    """Every setting once, the last parameter changing fastest."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._size = size_of(space) or 0
        self._asked = 0

    def ask(self) -> dict[str, Any] | None:
        """As in :class:`Proposals`."""
        if self._asked == self._size:
            return None
        picks = picks_at(self._space, self._asked)
        self._asked += 1
        return resolve(self._space, lambda path, _: picks[path])[0]

    def tell(self, number: int, value: float | None) -> None:
        """As in :class:`Proposals`; the grid does not learn."""


class RandomProposals:
    """Settings drawn by chance, or evenly from the whole space by Sobol's sequence.

    Parameters
    ----------
    space : mapping of str to Distribution
    seed : int
        At least 0.
    is_sobol : bool
        Take a scrambled Sobol sequence with a dimension a distribution, those under every option too (Owen
        1998; :class:`scipy.stats.qmc.Sobol`), in the place of random numbers.
    """

    def __init__(self, space: Space, seed: int, *, is_sobol: bool = False) -> None:
        self._space = space
        self._seed = seed
        self._distinct = Distinct(space, seed)
        self._next_point = _sobol(space, seed) if is_sobol else None
        self._asked = 0

    def ask(self) -> dict[str, Any] | None:
        """As in :class:`Proposals`."""
        if self._distinct.is_exhausted:
            return None
        number = self._asked
        self._asked += 1
        for attempt in range(ATTEMPTS):
            setting, picks = resolve(self._space, self._picker(number, attempt))
            if self._distinct.add(picks):
                return setting
        picks = self._distinct.add_any(number)
        return resolve(self._space, lambda path, _: picks[path])[0]

    def tell(self, number: int, value: float | None) -> None:
        """As in :class:`Proposals`; chance does not learn."""

    def _picker(self, number: int, attempt: int) -> Picker:
        if self._next_point is None:
            rng = np.random.default_rng([self._seed, number, attempt])
            return lambda _, distribution: distribution.pick(rng.random())
        point = self._next_point()
        return lambda path, distribution: distribution.pick(point[path])


class Distinct:
    """The settings that have come, so that none comes twice where there is an end of them."""

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._size = size_of(space)
        self._seen: set[tuple[tuple[Path, Pick], ...]] = set()

    @property
    def is_exhausted(self) -> bool:
        """Whether all settings have come."""
        return self._size is not None and len(self._seen) == self._size

    def add(self, picks: Mapping[Path, Pick]) -> bool:
        """Note the picks of a setting; return whether it has not come before."""
        if self._size is None:
            return True
        before = len(self._seen)
        self._seen.add(tuple(picks.items()))
        return len(self._seen) > before

    def add_any(self, number: int) -> dict[Path, Pick]:
        """Note and return the picks of a setting that has not come before: the first after a random one.

        That takes at most one step more than settings have come.
        """
        # Python's own whole numbers: a space may have more settings than 64 bits count.
        start = int.from_bytes(np.random.default_rng([self._seed, number, ATTEMPTS]).bytes(32), "big")
        picks = picks_at(self._space, start % (self._size or 1))
        while not self.add(picks):
            start += 1
            picks = picks_at(self._space, start % (self._size or 1))
        return picks


def resolve(space: Space, picker: Picker) -> tuple[dict[str, Any], dict[Path, Pick]]:
    """Return a setting and the picks that it is made of."""
    picks: dict[Path, Pick] = {}

    def picked(path: Path, distribution: Distribution) -> Pick:
        picks[path] = picker(path, distribution)
        return picks[path]

    return settle(space, picked), picks


def _sobol(space: Space, seed: int) -> Callable[[], dict[Path, float]]:
    from scipy.stats import qmc  # noqa: PLC0415 - a second, which only those wait for who ask for it

    paths = [path for path, _ in leaves(space)]
    engine = qmc.Sobol(len(paths), scramble=True, seed=seed)
    # A coordinate is a multiple of 2**-30, 0 among them: the middle of its interval never is an end.
    return lambda: dict(zip(paths, (engine.random(1)[0] + 2.0**-31).tolist(), strict=True))
