"""Checks of what a user gives: each refuses with one sentence that names the place and the argument."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from sparksweep.errors import ConfigError

__all__ = [
    "as_list",
    "check_flag",
    "check_keys",
    "check_number",
    "check_variable",
    "check_whole",
    "nearest",
    "plain",
    "type_in",
    "yaml_number",
]


def as_list(value: Any) -> Sequence[Any]:
    """Return a list or tuple as it is, one value as a list of it, and None as an empty list."""
    if value is None:
        return []
    return value if isinstance(value, list | tuple) else [value]


def plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python one that JSON knows, and everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def yaml_number(value: Any) -> Any:
    """Return the finite number that a text of a YAML file is, and everything else as it is.

    YAML 1.1 reads ``1e-4``, without a point, as text. Azure ML takes it for the number, which is meant.
    """
    if not isinstance(value, str):
        return value
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        return number if _is_finite(number) else value
    return value


def check_number(owner: str, name: str, value: Any) -> float:
    """Return a finite number, an int where it was one.

    Raises
    ------
    ConfigError
        If it is anything else: a bool, a text, a list, NaN, or what is infinite as a float.
    """
    number = plain(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and _is_finite(number):
        return number
    raise ConfigError(f"{owner}: {name} must be a finite number, but {value!r} was given")


def check_whole(owner: str, name: str, value: Any, least: int, most: float = math.inf) -> int:
    """Return a whole number from ``least`` to ``most``.

    Raises
    ------
    ConfigError
        If it is anything else; a float or a bool is not a whole number.
    """
    number = plain(value)
    if isinstance(number, int) and not isinstance(number, bool) and least <= number <= most:
        return number
    span = f"of at least {least}" if math.isinf(most) else f"from {least} to {most}"
    raise ConfigError(f"{owner}: {name} must be a whole number {span}, but {value!r} was given")


def check_flag(owner: str, name: str, value: Any) -> bool:
    """Return a bool.

    Raises
    ------
    ConfigError
        If it is anything else; 0 and 1 are numbers.
    """
    if isinstance(value, bool):
        return value
    raise ConfigError(f"{owner}: {name} must be True or False, but {value!r} was given")


def check_variable(where: str, name: Any) -> None:
    """Check what is to be the name of an environment variable, or a part of one.

    Raises
    ------
    ConfigError
        If the operating system would not take it.
    """
    if not isinstance(name, str) or not name or "=" in name or "\0" in name:
        raise ConfigError(f"{where}: {name!r} is no name; give a text without = and NUL")


def type_in(where: str, section: Any, known: Collection[str]) -> str:
    """Return the ``type`` of a mapping, as it is written in ``known``.

    Azure ML takes ``MedianStopping`` for ``median_stopping``, and so does this.

    Raises
    ------
    ConfigError
        If the section is not a mapping with a known ``type``.
    """
    if not isinstance(section, Mapping) or "type" not in section:
        raise ConfigError(f"{where}: must be a mapping with the key 'type', but {section!r} was given")
    spelt = {_bare(name): name for name in known}
    name = spelt.get(_bare(str(section["type"])))
    if name is None:
        raise ConfigError(
            f"{where}: the type {section['type']!r} is unknown{nearest(str(section['type']), known)}"
        )
    return name


def check_keys(
    where: str, section: Mapping[str, Any], required: Collection[str], others: Collection[str]
) -> None:
    """Check which keys a mapping has.

    Raises
    ------
    ConfigError
        If a required key is missing, or one is neither required nor among the others.
    """
    for name in section:
        if name not in required and name not in others:
            raise ConfigError(f"{where}: unknown key {name!r}{nearest(str(name), [*required, *others])}")
    for name in required:
        if name not in section:
            raise ConfigError(f"{where}: the key {name!r} is missing")


def nearest(name: str, known: Collection[str]) -> str:
    """Return the end of a sentence on an unknown name: the known one that was meant, else all of them."""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"


def _bare(name: str) -> str:
    return name.replace("_", "").lower()


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number beyond the floats
        return False
