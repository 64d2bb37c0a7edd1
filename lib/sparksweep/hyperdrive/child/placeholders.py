"""A run's parameters in the command of its script: as options, or in the places of Azure ML v2.

Such a place is ``${{search_space.rate}}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from sparksweep.errors import ConfigError

__all__ = ["as_options", "as_text", "fill", "places"]

_PLACE = re.compile(r"\$\{\{\s*([\w.\-]+)\s*\}\}")


def as_text(value: Any) -> str:
    """Return a parameter as it stands on a command line: mappings and lists as JSON."""
    return json.dumps(value) if isinstance(value, Mapping | list | tuple) else str(value)


def as_options(setting: Mapping[str, Any]) -> list[str]:
    """Return parameters as ``--name value``; a name that begins with a dash stays as it is."""
    pairs = (
        (name if name.startswith("-") else f"--{name}", as_text(value)) for name, value in setting.items()
    )
    return [word for pair in pairs for word in pair]


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
