"""What scikit-learn's search does with the results of its fits before it makes ``cv_results_`` of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from joblib.logger import short_format_time
from sklearn.exceptions import FitFailedWarning

from sparksweep.search.fit import FitResult, Warned

__all__ = ["AllFitsFailedError", "as_rows", "fit_line", "give_warnings", "warn_of_failed_fits"]

_LINE = 80


class AllFitsFailedError(ValueError):
    """Every fit of a search failed. ``error`` is the last line of the first one's traceback."""

    def __init__(self, message: str, error: str) -> None:
        super().__init__(message)
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.error)


def as_rows(
    results: Sequence[FitResult], *, is_scoring_callable: bool, error_score: Any
) -> list[dict[str, Any]]:
    """Return a dict a fit, as scikit-learn's ``_format_results`` takes them.

    A callable ``scoring`` may return several metrics, which is known once one fit has succeeded. Fits
    that failed then get the error score under each of those names.
    """
    names: list[str] | None = None
    if is_scoring_callable:
        good = next((result.test_scores for result in results if result.fit_error is None), None)
        names = list(good) if isinstance(good, dict) else None
    rows = []
    for result in results:
        test_scores, train_scores = result.test_scores, result.train_scores
        if names is not None and result.fit_error is not None:
            test_scores = dict.fromkeys(names, error_score)
            train_scores = None if train_scores is None else dict(test_scores)
        row = {
            "fit_error": result.fit_error,
            "test_scores": test_scores,
            "n_test_samples": result.n_test_samples,
            "fit_time": result.fit_time,
            "score_time": result.score_time,
        }
        rows.append(row if train_scores is None else {**row, "train_scores": train_scores})
    return rows


def warn_of_failed_fits(results: Sequence[FitResult], error_score: Any) -> None:
    """Raise AllFitsFailedError if every fit failed, warn if some did; with the texts of their tracebacks."""
    errors = Counter(result.fit_error for result in results if result.fit_error is not None)
    if not errors:
        return
    rule = "-" * _LINE + "\n"
    details = "\n".join(
        f"{rule}{count} fits failed with the following error:\n{error}" for error, count in errors.items()
    )
    failed = sum(errors.values())
    if failed == len(results):
        raise AllFitsFailedError(
            f"\nAll the {failed} fits failed.\nIt is very likely that your model is misconfigured.\n"
            "You can try to debug the error by setting error_score='raise'.\n\n"
            f"Below are more details about the failures:\n{details}",
            next(iter(errors)).strip().splitlines()[-1],
        )
    warnings.warn(
        f"\n{failed} fits failed out of a total of {len(results)}.\n"
        f"The score on these train-test partitions for these parameters will be set to {error_score}.\n"
        "If these failures are not expected, you can try to debug them by setting error_score='raise'.\n\n"
        f"Below are more details about the failures:\n{details}",
        FitFailedWarning,
        stacklevel=4,
    )


def give_warnings(warned: Iterable[tuple[Warned, ...]]) -> None:
    """Give the warnings of the fits on the driver, each text once."""
    for warning in dict.fromkeys(chain.from_iterable(warned)):
        warnings.warn(warning.message, warning.category, stacklevel=4)


def fit_line(
    result: FitResult,
    parameters: Mapping[str, Any],
    *,
    verbose: int,
    fold: tuple[int, int],
    candidate: tuple[int, int],
) -> str:
    """Return the line that scikit-learn prints when a fit ends, for ``verbose`` of 2 and more.

    Parameters
    ----------
    fold, candidate : (int, int)
        Position from 0, and how many there are.
    """
    progress = f" {fold[0] + 1}/{fold[1]}" if verbose > 2 else ""
    if verbose > 9:
        progress += f"; {candidate[0] + 1}/{candidate[1]}"
    head = f"[CV{progress}] END "
    text = ", ".join(f"{name}={parameters[name]}" for name in sorted(parameters))
    tail = text + (";" if text else "")
    if verbose > 2:
        tail += _scores_text(result)
    tail += f" total time={short_format_time(result.fit_time + result.score_time)}"
    return head + "." * (_LINE - len(head) - len(tail)) + tail


def _scores_text(result: FitResult) -> str:
    test, train = result.test_scores, result.train_scores
    if isinstance(test, dict):
        text = ""
        for name in sorted(test):
            text += f" {name}: ("
            if isinstance(train, dict):
                text += f"train={train[name]:.3f}, "
            text += f"test={test[name]:.3f})"
        return text
    if train is not None:
        return f", score=(train={train:.3f}, test={test:.3f})"
    return f", score={test:.3f}"
