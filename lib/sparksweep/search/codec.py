"""How a journal holds results: as JSON, which runs no code when it is read."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from sparksweep.search.fit import FitResult, Warned

__all__ = ["FIT_RESULTS", "Codec"]

Result = TypeVar("Result")


@dataclass(frozen=True)
class Codec(Generic[Result]):
    """Two functions that undo each other.

    ``encode`` returns what JSON holds of a result, or None if it cannot hold it exactly. ``decode`` takes
    that, and raises ValueError, TypeError, KeyError or AttributeError for anything else.
    """

    encode: Callable[[Result], dict[str, Any] | None]
    decode: Callable[[Mapping[str, Any]], Result]


def _encode(result: FitResult) -> dict[str, Any] | None:
    """Return what JSON holds of a result, or None if it cannot hold a score exactly."""
    try:
        train = None if result.train_scores is None else _scores(result.train_scores)
        return {
            "test_scores": _scores(result.test_scores),
            "train_scores": train,
            "fit_error": result.fit_error,
            "fit_time": float(result.fit_time),
            "score_time": float(result.score_time),
            "n_test_samples": int(result.n_test_samples),
            "warned": [
                [warned.message, f"{warned.category.__module__}:{warned.category.__qualname__}"]
                for warned in result.warned
            ],
        }
    except _InexactError:
        return None


def _decode(encoded: Mapping[str, Any]) -> FitResult:
    warned = tuple(Warned(message, _category(name)) for message, name in encoded["warned"])
    return FitResult(**{**encoded, "warned": warned})


class _InexactError(Exception):
    """JSON cannot hold a score as it is."""


def _scores(scores: Any) -> Any:
    if type(scores) is dict:
        if not all(type(name) is str for name in scores):
            raise _InexactError
        return {name: _scores(score) for name, score in scores.items()}
    if type(scores) is np.float64:
        return float(scores)
    # Python itself refuses to write integers of thousands of digits.
    if type(scores) in (bool, float) or (type(scores) is int and abs(scores) < 2**1000):
        return scores
    raise _InexactError


def _category(name: str) -> type[Warning]:
    """Return a kind of warnings by its module and name; UserWarning if this process does not know it."""
    module, _, path = name.partition(":")
    found: Any = None
    if module.partition(".")[0] in sys.modules:  # a file may not make us import what nobody uses
        with suppress(Exception):
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
    return found if isinstance(found, type) and issubclass(found, Warning) else UserWarning


#: The results of fits.
FIT_RESULTS = Codec(_encode, _decode)
