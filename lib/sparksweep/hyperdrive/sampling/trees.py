"""What can be said of a search space as a tree: its distributions, its size, its settings by number.

The words for it are those of :mod:`sparksweep.hyperdrive.sampling.distributions`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from sparksweep.hyperdrive.sampling.distributions import Choice, Distribution, Path, Pick, Randint, Uniform

__all__ = ["leaves", "picks_at", "picks_of", "size_of"]


def leaves(entry: Any, path: Path = ()) -> Iterator[tuple[Path, Distribution]]:
    """Yield every distribution of a tree with its path, those under every option too."""
    if isinstance(entry, Distribution):
        yield path, entry
    if isinstance(entry, Mapping):
        for name, inner in entry.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(entry, Choice):
        for index, inner in enumerate(entry.values):
            yield from leaves(inner, (*path, index))


def size_of(entry: Any) -> int | None:
    """Return how many settings a tree has; None if there is no end of them."""
    if isinstance(entry, Mapping | Choice):
        inner = entry.values() if isinstance(entry, Mapping) else entry.values
        sizes = [size for size in map(size_of, inner) if size is not None]
        if len(sizes) < len(inner):
            return None
        return math.prod(sizes) if isinstance(entry, Mapping) else sum(sizes)
    if isinstance(entry, Randint | Uniform):
        return entry.size
    return None if isinstance(entry, Distribution) else 1


def picks_at(entry: Any, index: int, path: Path = ()) -> dict[Path, Pick]:
    """Return the picks of a setting by its position among all, of which there is a finite number.

    The last name of a mapping changes fastest, as in :func:`itertools.product`.
    """
    picks: dict[Path, Pick] = {}
    if isinstance(entry, Mapping):
        for name in reversed(list(entry)):
            index, inner = divmod(index, size_of(entry[name]) or 1)
            picks = picks_at(entry[name], inner, (*path, name)) | picks
    elif isinstance(entry, Choice):
        for position, option in enumerate(entry.values):
            size = size_of(option) or 1
            if index < size:
                return {path: position} | picks_at(option, index, (*path, position))
            index -= size
    elif isinstance(entry, Randint | Uniform):
        picks[path] = entry.nth(index)
    return picks


def picks_of(entry: Any, setting: Any, path: Path = ()) -> dict[Path, Pick] | None:
    """Return the picks that give a setting; None if the tree has no such setting."""
    if isinstance(entry, Mapping):
        return _picks_of_names(entry, setting, path)
    if isinstance(entry, Choice):
        for index, option in enumerate(entry.values):
            found = picks_of(option, setting, (*path, index))
            if found is not None:
                return {path: index} | found
        return None
    if isinstance(entry, Distribution):
        return {path: setting} if _has_value(entry, setting) else None
    return {} if entry == setting else None


def _picks_of_names(entry: Mapping[Any, Any], setting: Any, path: Path) -> dict[Path, Pick] | None:
    if not isinstance(setting, Mapping) or setting.keys() != entry.keys():
        return None
    picks: dict[Path, Pick] = {}
    for name, inner in entry.items():
        found = picks_of(inner, setting[name], (*path, name))
        if found is None:
            return None
        picks |= found
    return picks


def _has_value(distribution: Distribution, value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    low, high = sorted((distribution.pick(0.0), distribution.pick(1.0)))
    is_whole = size_of(distribution) is not None
    return low <= value <= high and (not is_whole or distribution.pick(distribution.unit(value)) == value)
