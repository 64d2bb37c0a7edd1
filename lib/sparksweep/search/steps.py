"""Steps of pipelines that several candidates have in common are fitted once a fold.

A :class:`~sklearn.pipeline.Pipeline` takes for ``memory`` any object with a method ``cache``, by which it
fits its transformers. :func:`shared_steps` lends it one that remembers, in this process, what a transformer
with these parameters made of this input; each candidate gets a copy of the fitted transformer of its own.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sklearn.pipeline import Pipeline

from sparksweep.search.callbacks import has_callbacks
from sparksweep.search.kept import Kept, content_key, nbytes, protect
from sparksweep.search.paths import is_seeded

__all__ = ["shared_steps", "steps_key"]


@contextmanager
def shared_steps(estimator: Any, kept: Kept) -> Iterator[None]:
    """Let a pipeline's fit take steps from ``kept``. A ``memory`` of the user's is left to do its work."""
    if not _can_share(estimator):
        yield
        return
    estimator.memory = _Memory(kept)
    try:
        yield
    finally:
        estimator.memory = None


def steps_key(estimator: Any) -> str | None:
    """Return what pipelines have in common whose steps before the last are equal; None if nothing."""
    if not _can_share(estimator):
        return None
    before = [step for name, step in estimator.steps[:-1]]
    return content_key(before) if all(map(_is_shareable, before)) else None


def _can_share(estimator: Any) -> bool:
    return (
        type(estimator) is Pipeline
        and estimator.memory is None
        and len(estimator.steps) > 1
        and not has_callbacks(estimator)
    )


def _is_shareable(step: Any) -> bool:
    return step is None or isinstance(step, str) or is_seeded(step)


class _Memory:
    """What a pipeline takes for a :class:`joblib.Memory`."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def cache(
        self, function: Callable[..., tuple[Any, Any]], ignore: Sequence[str] = ()
    ) -> Callable[..., tuple[Any, Any]]:
        """Return the function that fits one transformer, with what it did before remembered.

        ``ignore`` names arguments that do not change what it does.
        """

        def fit_transform(transformer: Any, X: Any, y: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            known = self._kept.name_of(X)
            if known is None or not is_seeded(transformer):
                return function(transformer, X, y, *args, **kwargs)
            routed = {name: value for name, value in kwargs.items() if name not in ignore}
            rest = content_key((transformer, args, routed))
            if rest is None:
                return function(transformer, X, y, *args, **kwargs)
            # y is the training side's, which X's name says too.
            key = ("step", known, rest)
            output, fitted = self._kept.get(
                key, nbytes(X), lambda: function(transformer, X, y, *args, **kwargs)
            )
            if not protect(output):
                output = copy.deepcopy(output)
            self._kept.name(output, key)
            return output, copy.deepcopy(fitted)

        return fit_transform
