"""The fits of one task: candidates on one fold, scored. No Spark here, so tests feed it plain arrays."""

from __future__ import annotations

import copy
import numbers
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from sklearn.base import clone

from sparksweep.search.callbacks import FitPlace
from sparksweep.search.paths import path_of
from sparksweep.search.quantised import shared_quantiles
from sparksweep.search.resources import use_gpu
from sparksweep.search.rows import sample_count
from sparksweep.search.steps import shared_steps
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import Sides, Workbench

__all__ = ["FitResult", "FitSettings", "Member", "Warned", "as_number", "fit_and_score", "tells_of_writing"]

Scores = Any  # a float, or a dict of floats by the metric's name


@dataclass(frozen=True)
class FitSettings:
    """How each fit of a search is done and scored.

    ``metrics`` names the scores where scikit-learn's scorer gives one a name, and is None for a single
    score and for a callable, of which only a call can tell. ``gpu`` is the address of the task's GPU.
    """

    scorer: Callable[..., Any]
    metrics: tuple[str, ...] | None
    error_score: float | str
    return_train_score: bool
    threads: Threads
    gpu: str | None = None

    def with_threads(self, threads: Threads) -> FitSettings:
        """Return the same settings for other threads."""
        return replace(self, threads=threads)


@dataclass(frozen=True)
class Member:
    """A candidate of a task: a clone of the estimator that is its own, and the parameters to set on it."""

    estimator: Any
    parameters: Mapping[str, Any]
    place: FitPlace | None = None

    def prepare(self, settings: FitSettings) -> Any:
        """Return the clone with its parameters set. Estimators among them are cloned."""
        estimator = self.estimator.set_params(**clone(dict(self.parameters), safe=False))
        settings.threads.limit(estimator)
        use_gpu(estimator, settings.gpu)
        return estimator


@dataclass(frozen=True)
class Warned:
    """A warning that a fit gave on its executor, to be given again on the driver."""

    message: str
    category: type[Warning]


@dataclass(frozen=True)
class FitResult:
    """What one candidate on one fold came to. Times are seconds; ``fit_error`` is a traceback's text."""

    test_scores: Scores
    train_scores: Scores | None
    fit_error: str | None
    fit_time: float
    score_time: float
    n_test_samples: int
    warned: tuple[Warned, ...] = ()
    is_cut: bool = False


def fit_and_score(
    members: Sequence[Member], fold: int, workbench: Workbench, settings: FitSettings
) -> list[FitResult]:
    """Fit candidates on the training side of a fold and score them on its test side.

    The steps, their order and what counts as time are those of scikit-learn's own search, so that the
    scores are the same to the last bit.

    Parameters
    ----------
    members : sequence of Member
        One candidate, or several on one boosting path, the longest first: that one is fitted, and the
        others are cut from it. If it fails, the next one is fitted. Members of the same number of rounds
        are one fit.

    Returns
    -------
    list of FitResult
        One a member. ``fit_time`` of one that was cut is its share of the long fit's, by rounds.

    Raises
    ------
    Exception
        What fitting or scoring raised if ``error_score`` is "raise"; always a parameter that the
        estimator does not have, and a score that is not a number.
    """
    results: list[FitResult] = []
    while len(results) < len(members):
        longest, *shorter = members[len(results) :]
        fitted, result = _fit_and_score_one(longest, fold, workbench, settings)
        results.append(result)
        if fitted.error is None:
            cut = (fitted.cut(member, settings).score(settings) for member in shorter)
            results += [replace(result, is_cut=True) for result in cut]
    return results


def _fit_and_score_one(
    member: Member, fold: int, workbench: Workbench, settings: FitSettings
) -> tuple[_Fitted, FitResult]:
    """Fit on shared, read-only data; once more on its own if the estimator or scorer writes to them."""
    kind = type(member.estimator)
    if kind not in workbench.writers:
        # For a second try. Not by clone, which draws a number from the RandomState of an XGBoost estimator.
        untouched = replace(member, estimator=copy.deepcopy(member.estimator))
        try:
            fitted = _fit(member, fold, workbench, settings, own=False)
            result = fitted.score(settings)
        except Exception as error:
            if not tells_of_writing(str(error)):
                raise
        else:
            texts = (fitted.error or "", *(warned.message for warned in result.warned))
            if not any(map(tells_of_writing, texts)):
                return fitted, result
        workbench.writers.add(kind)
        member = untouched
    fitted = _fit(member, fold, workbench, settings, own=True)
    return fitted, fitted.score(settings)


def tells_of_writing(text: str) -> bool:
    """Return whether an error is one of an estimator that writes to data which are read-only."""
    # NumPy and Cython: "... is read-only"; NumPy again: "cannot set WRITEABLE flag to True of this array".
    return "read-only" in text or "WRITEABLE" in text


@dataclass(frozen=True)
class _Fitted:
    """An estimator that was fitted on one fold, or could not be, and the sides of the fold."""

    estimator: Any
    error: str | None
    seconds: float
    warned: tuple[Warned, ...]
    sides: Sides

    def cut(self, member: Member, settings: FitSettings) -> _Fitted:
        """Return what the fit of a member with at most so many rounds on the same path would be."""
        estimator = member.prepare(settings)
        ours = path_of(self.estimator, self.sides.fit_params)
        theirs = path_of(estimator, self.sides.fit_params)
        if ours is None or theirs is None or theirs.rounds == ours.rounds:
            return self  # the same candidate once more
        return replace(
            self,
            estimator=ours.cut(self.estimator, theirs.rounds),
            seconds=self.seconds * theirs.rounds / ours.rounds,
        )

    def score(self, settings: FitSettings) -> FitResult:
        """Score both sides as the settings ask."""
        with _recorded() as warned:
            start = time.perf_counter()
            test_scores = self._score(self.sides.test, settings)
            seconds = time.perf_counter() - start if self.error is None else 0.0
            train_scores = self._score(self.sides.train, settings) if settings.return_train_score else None
        return FitResult(
            test_scores,
            train_scores,
            self.error,
            self.seconds,
            seconds,
            sample_count(self.sides.test[0]),
            (*self.warned, *warned),
        )

    def _score(self, side: tuple[Any, Any, dict[str, Any]], settings: FitSettings) -> Scores:
        if self.error is None:
            return _score(self.estimator, *side, settings)
        if settings.metrics is None:
            return settings.error_score
        return dict.fromkeys(settings.metrics, settings.error_score)


def _fit(member: Member, fold: int, workbench: Workbench, settings: FitSettings, *, own: bool) -> _Fitted:
    with _recorded() as warned:
        estimator = member.prepare(settings)
        start = time.perf_counter()
        sides = workbench.sides(estimator, fold, own=own)
        X_train, y_train, _ = sides.train
        error = None
        steps = nullcontext() if own else shared_steps(estimator, workbench.kept)
        quantiles = nullcontext() if own else shared_quantiles(estimator, workbench.kept)
        told = nullcontext() if member.place is None else member.place.propagate(estimator)
        try:
            with steps, quantiles, told:
                if y_train is None:
                    estimator.fit(X_train, **sides.fit_params)
                else:
                    estimator.fit(X_train, y_train, **sides.fit_params)
        except Exception:
            if settings.error_score == "raise":
                raise
            error = traceback.format_exc()
        seconds = time.perf_counter() - start
    return _Fitted(estimator, error, seconds, tuple(warned), sides)


@contextmanager
def _recorded() -> Iterator[list[Warned]]:
    """Collect the warnings of a block, each text once. The list is filled when the block ends."""
    warned: list[Warned] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield warned
    warned += dict.fromkeys(Warned(str(warning.message), warning.category) for warning in caught)


def _score(estimator: Any, X: Any, y: Any, score_params: dict[str, Any], settings: FitSettings) -> Scores:
    arguments = (X,) if y is None else (X, y)
    try:
        scores = settings.scorer(estimator, *arguments, **score_params)
    except Exception:
        if settings.metrics is not None or settings.error_score == "raise":
            raise
        scores = settings.error_score
        _warn_of_failed_scoring(scores, traceback.format_exc())
    if not isinstance(scores, dict):
        return as_number(scores, settings.scorer)
    for name, score in scores.items():
        # scikit-learn's scorer of several metrics gives the traceback's text for one that failed.
        if settings.metrics is not None and isinstance(score, str):
            _warn_of_failed_scoring(settings.error_score, score)
            scores[name] = settings.error_score
        else:
            scores[name] = as_number(score, name)
    return scores


def _warn_of_failed_scoring(error_score: Any, details: str) -> None:
    warnings.warn(
        "Scoring failed. The score on this train-test partition for these parameters will be set to "
        f"{error_score}. Details: \n{details}",
        UserWarning,
        stacklevel=2,
    )


def as_number(score: Any, scorer: Any) -> Any:
    """Return a scorer's result as a number, an array of one entry too. ValueError if it is none."""
    if hasattr(score, "item"):
        with suppress(ValueError):  # an array of several entries is not a number; the check below says so
            score = score.item()
    if not isinstance(score, numbers.Number):
        raise ValueError(  # noqa: TRY004 - what scikit-learn raises
            f"scoring must return a number, got {score} ({type(score)}) instead. (scorer={scorer})"
        )
    return score
