"""A logged number on its way from a child run to the driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Metric"]

# MLflow keeps steps, and times in milliseconds, in 64 bits.
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Metric:
    """A value that a run logged under a name.

    ``step`` is the one that was given, else how often the name was logged before; ``time`` is in seconds
    since 1970, by the clock of the executor. ValueError if they are not what a history can hold.
    """

    name: str
    value: float
    step: int
    time: float

    def __post_init__(self) -> None:
        if not -_LARGEST <= self.step <= _LARGEST or not 0 <= 1000 * self.time <= _LARGEST:
            raise ValueError(f"{self.name[:100]!r}: the step or the time is out of range")

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold, which knows neither NaN nor infinities."""
        return {"name": self.name, "value": str(self.value), "step": self.step, "time": self.time}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Metric:
        """Return the metric that :meth:`to_json` wrote. ValueError, TypeError or KeyError if it is none."""
        name, step = content["name"], content["step"]
        if not isinstance(name, str) or isinstance(step, bool) or not isinstance(step, int):
            raise TypeError("name must be a text and step a whole number")
        return cls(name, float(content["value"]), step, float(content["time"]))
