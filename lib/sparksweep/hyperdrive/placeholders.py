"""The places in a command of Azure ML v2 that stand for values, such as ``${{search_space.rate}}``."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sparksweep.errors import ConfigError

__all__ = ["fill", "places"]

_PLACE = re.compile(r"\$\{\{\s*([\w.\-]+)\s*\}\}")


def places(command: str) -> tuple[str, ...]:
    """Return the names in a command, such as ``inputs.data``, each once."""
    return tuple(dict.fromkeys(_PLACE.findall(command)))


def fill(command: str, values: Mapping[str, str]) -> str:
    """Return a command with its places filled.

    Raises
    ------
    ConfigError
        If there is no value for a place.
    """

    def value(place: re.Match[str]) -> str:
        if place[1] not in values:
            raise ConfigError(
                f"command: there is no value for {place[0]}; known: {', '.join(values) or 'none'}"
            )
        return values[place[1]]

    return _PLACE.sub(value, command)
