"""One fit: a candidate's parameters on one fold, scored. No Spark here, so tests feed it plain arrays."""

from __future__ import annotations

import numbers
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from sparksweep.search.rows import Indices, sample_count, split_metadata, split_rows
from sparksweep.search.threads import limit_threads

__all__ = ["FitResult", "FitSettings", "SearchData", "Warned", "fit_and_score"]

Scores = Any  # a float, or a dict of floats by the metric's name


@dataclass(frozen=True)
class SearchData:
    """What all fits of a search share. It is broadcast once; nobody writes to it.

    ``X`` has shape (n_samples, n_features); ``y`` is None, or has shape (n_samples,) or
    (n_samples, n_outputs). Metadata with one entry a sample is cut with them.
    """

    X: Any
    y: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]


@dataclass(frozen=True)
class FitSettings:
    """How each fit of a search is done and scored.

    ``metrics`` names the scores where scikit-learn's scorer gives one a name, and is None for a single
    score and for a callable, of which only a call can tell.
    """

    scorer: Callable[..., Any]
    metrics: tuple[str, ...] | None
    error_score: float | str
    return_train_score: bool
    threads: int


@dataclass(frozen=True)
class Warned:
    """A warning that a fit gave on its executor, to be given again on the driver."""

    message: str
    category: type[Warning]


@dataclass(frozen=True)
class FitResult:
    """What one fit came to. Times are seconds; ``fit_error`` is the text of the traceback."""

    test_scores: Scores
    train_scores: Scores | None
    fit_error: str | None
    fit_time: float
    score_time: float
    n_test_samples: int
    warned: tuple[Warned, ...] = ()


def fit_and_score(
    estimator: Any,
    parameters: Mapping[str, Any],
    data: SearchData,
    train: Indices,
    test: Indices,
    settings: FitSettings,
) -> FitResult:
    """Fit a clone's parameters on the rows ``train`` and score it on the rows ``test``.

    The steps, their order and what counts as time are those of scikit-learn's own search, so that the
    scores are the same to the last bit.

    Parameters
    ----------
    estimator : estimator
        A clone that belongs to this fit alone; it is changed.
    parameters : mapping
        The candidate. Estimators among its values are cloned.

    Raises
    ------
    Exception
        What fitting or scoring raised if ``error_score`` is "raise"; always a parameter that the
        estimator does not have, and a score that is not a number.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = _fit_and_score(estimator, parameters, data, train, test, settings)
    distinct = dict.fromkeys(Warned(str(warning.message), warning.category) for warning in caught)
    return FitResult(**{**result, "warned": tuple(distinct)})


def _fit_and_score(
    estimator: Any,
    parameters: Mapping[str, Any],
    data: SearchData,
    train: Indices,
    test: Indices,
    settings: FitSettings,
) -> dict[str, Any]:
    estimator = estimator.set_params(**clone(dict(parameters), safe=False))
    limit_threads(estimator, settings.threads)
    fit_params = split_metadata(data.X, data.fit_params, train)

    start = time.perf_counter()
    X_train, y_train = split_rows(estimator, data.X, data.y, train)
    X_test, y_test = split_rows(estimator, data.X, data.y, test, train)
    fit_error = None
    try:
        if y_train is None:
            estimator.fit(X_train, **fit_params)
        else:
            estimator.fit(X_train, y_train, **fit_params)
    except Exception:
        if settings.error_score == "raise":
            raise
        fit_error = traceback.format_exc()
    fitted = time.perf_counter()

    def score(X: Any, y: Any, rows: Indices) -> Scores:
        if fit_error is not None:
            return _error_scores(settings)
        return _score(estimator, X, y, split_metadata(data.X, data.score_params, rows), settings)

    test_scores = score(X_test, y_test, test)
    score_time = 0.0 if fit_error is not None else time.perf_counter() - fitted
    return {
        "test_scores": test_scores,
        "train_scores": score(X_train, y_train, train) if settings.return_train_score else None,
        "fit_error": fit_error,
        "fit_time": fitted - start,
        "score_time": score_time,
        "n_test_samples": sample_count(X_test),
    }


def _error_scores(settings: FitSettings) -> Any:
    if settings.metrics is None:
        return settings.error_score
    return dict.fromkeys(settings.metrics, settings.error_score)


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
        return _number(scores, settings.scorer)
    for name, score in scores.items():
        # scikit-learn's scorer of several metrics gives the traceback's text for one that failed.
        if settings.metrics is not None and isinstance(score, str):
            _warn_of_failed_scoring(settings.error_score, score)
            scores[name] = settings.error_score
        else:
            scores[name] = _number(score, name)
    return scores


def _warn_of_failed_scoring(error_score: Any, details: str) -> None:
    warnings.warn(
        "Scoring failed. The score on this train-test partition for these parameters will be set to "
        f"{error_score}. Details: \n{details}",
        UserWarning,
        stacklevel=2,
    )


def _number(score: Any, scorer: Any) -> Any:
    if hasattr(score, "item"):
        with suppress(ValueError):  # an array of several entries is not a number; the check below says so
            score = score.item()
    if not isinstance(score, numbers.Number):
        raise ValueError(  # noqa: TRY004 - what scikit-learn raises
            f"scoring must return a number, got {score} ({type(score)}) instead. (scorer={scorer})"
        )
    return score
