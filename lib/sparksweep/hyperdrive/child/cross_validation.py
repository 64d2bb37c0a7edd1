"""Cross-validates one parameter setting as a child run, and reports while it boosts. No Spark here.

The folds of an XGBoost estimator boost side by side, each in a thread of its own, since XGBoost keeps its
random state by thread: boosters that take turns in one thread differ from separate fits. After every so many
rounds the folds wait for one another, and what the caller says of their mean score ends all of them or none.
"""

from __future__ import annotations

import math
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import clone

from sparksweep.hyperdrive.arguments import check_whole
from sparksweep.hyperdrive.child.boosting import Lockstep, boosting_rounds, watch
from sparksweep.search.fit import FitSettings, Member, Warned, as_number, fit_and_score
from sparksweep.search.paths import path_of
from sparksweep.search.rows import split_metadata, split_rows
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import Fold, SearchData, Workbench

__all__ = ["CrossValidated", "Report", "cross_validate"]


@dataclass(frozen=True)
class Report:
    """The mean over the folds of the score, at interval 1, 2, and so on.

    ``rounds`` is the number of boosting rounds, None where the estimator has none. ``scores`` has one a fold.
    """

    interval: int
    rounds: int | None
    value: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class CrossValidated:
    """What a child run came to.

    ``is_stopped`` says whether a report's answer ended the boosting; the word that follows the last report
    comes too late for that. ``error`` is the text of the traceback of a fit or a score that failed.
    """

    reports: tuple[Report, ...]
    is_stopped: bool
    error: str | None
    warned: tuple[Warned, ...]


def cross_validate(
    estimator: Any,
    parameters: Mapping[str, Any],
    data: SearchData,
    folds: Sequence[Fold],
    scorer: Callable[..., Any],
    *,
    interval: int,
    threads: Threads,
    cores: int,
    report: Callable[[Report], bool],
    gpu: str | None = None,
) -> CrossValidated:
    """Fit an estimator with one parameter setting on every fold, and report the mean score on the way.

    XGBoost's classifier, regressor and ranker, alone or at a pipeline's end, are scored after ``interval``
    rounds, after twice as many, and so on, and at the end. The score after n rounds is, to the last bit,
    scikit-learn's ``mean_test_score`` of the same setting with n for ``n_estimators``, on the same folds and
    with the same number of threads. Where a second fit would not be the first one again (a pipeline's
    step that draws without a seed) or n rounds know of the rounds to come (a callback of the user's that
    counts on them), it is the score of this very fit, as it stands after n rounds. The same goes for
    sampling without a seed, which XGBoost does by a fixed one. A fold that a callback of the user's has ended
    keeps its last score.

    Everything else is scored at the end alone: other estimators, ``dart`` and ``gblinear``, and
    ``early_stopping_rounds``. Their folds are fitted one after the other.

    Parameters
    ----------
    estimator : estimator
        It is cloned, not changed.
    parameters : mapping
        What is set on it.
    data : SearchData
        Nobody writes to it: each fold gets its own rows.
    folds : sequence of (train, test)
        Row numbers of X.
    scorer : callable
        ``scorer(estimator, X, y)``, one number.
    interval : int
        Rounds from one report to the next.
    threads : Threads
        Those of each fit.
    cores : int
        Those of the task: at most so many threads compute at once.
    report : callable
        Called in the thread of the caller, while all folds wait. True ends them.
    gpu : str, optional
        The address of the task's GPU.

    Raises
    ------
    ConfigError
        If ``interval`` is not a whole number of at least 1.
    Exception
        What ``report`` raises. No thread is left then either.
    """
    check_whole("cross_validate", "interval", interval, least=1)
    settings = FitSettings(scorer, None, "raise", return_train_score=False, threads=threads, gpu=gpu)
    reports: list[Report] = []

    def tell(rounds: int | None, scores: Sequence[float]) -> bool:
        reports.append(Report(len(reports) + 1, rounds, _mean(scores), tuple(scores)))
        return report(reports[-1])

    with warnings.catch_warnings(record=True) as caught:
        # Around all threads, since what it changes is the whole process's.
        warnings.simplefilter("always")
        try:
            base = clone(estimator)  # as the search does, so that all folds have one seed
            fits = [_FoldFit(clone(base), parameters, data, fold, settings) for fold in folds]
            rounds = boosting_rounds(fits[0].estimator)
        except Exception:
            end = _End(error=traceback.format_exc())
        else:
            if rounds is None:
                end = _fit_in_turn(base, parameters, data, folds, settings)
            else:
                end = _boost(fits, interval, rounds, max(1, cores // threads.count), tell)
    if end.scores is not None:
        tell(end.rounds, end.scores)
    warned = (*end.warned, *(Warned(str(warning.message), warning.category) for warning in caught))
    return CrossValidated(tuple(reports), end.is_stopped, end.error, tuple(dict.fromkeys(warned)))


@dataclass(frozen=True)
class _End:
    """How the fits ended; ``scores`` is None where they were stopped or failed."""

    scores: Sequence[float] | None = None
    rounds: int | None = None
    is_stopped: bool = False
    error: str | None = None
    warned: tuple[Warned, ...] = ()


def _fit_in_turn(
    base: Any, parameters: Mapping[str, Any], data: SearchData, folds: Sequence[Fold], settings: FitSettings
) -> _End:
    workbench = Workbench(data, folds)
    scores: list[float] = []
    warned: tuple[Warned, ...] = ()
    try:
        for fold in range(len(folds)):
            member = Member(clone(base), parameters)
            (result,) = fit_and_score([member], fold, workbench, settings)
            warned += result.warned
            scores.append(float(as_number(result.test_scores, settings.scorer)))
    except Exception:
        return _End(error=traceback.format_exc(), warned=warned)
    fitted = member.estimator
    path = path_of(fitted, data.fit_params)
    rounds = path.rounds if path is not None else getattr(fitted, "get_num_boosting_rounds", lambda: None)()
    return _End(scores, rounds, warned=warned)


def _boost(
    fits: Sequence[_FoldFit],
    interval: int,
    rounds: int,
    at_once: int,
    tell: Callable[[int, Sequence[float]], bool],
) -> _End:
    lockstep = Lockstep(len(fits), at_once)
    config = get_config()  # scikit-learn's is a thread's own
    reported = count(interval, interval)

    def boost(fold: int) -> float:
        with config_context(**config):
            return fits[fold].boost(lockstep, fold, interval, rounds)

    scores = lockstep.run(boost, lambda scores: tell(next(reported), scores))
    is_stopped = scores is None and lockstep.error is None
    return _End(scores, int(rounds), is_stopped, lockstep.error)


class _FoldFit:
    """One fold of an estimator that is watched while it boosts.

    Rows are taken by ``split_rows``: a Workbench keeps them for fits to come, of which there are none, and
    serves one fit at a time.
    """

    def __init__(
        self,
        estimator: Any,
        parameters: Mapping[str, Any],
        data: SearchData,
        fold: Fold,
        settings: FitSettings,
    ) -> None:
        self.estimator = Member(estimator, parameters).prepare(settings)
        self._data = data
        self._train, self._test = fold
        self._scorer = settings.scorer

    def boost(self, lockstep: Lockstep, fold: int, interval: int, rounds: int) -> float:
        """Fit and return the last score, NaN if the lockstep ended before."""
        data = self._data
        X, y = split_rows(self.estimator, data.X, data.y, self._train)
        fit_params = split_metadata(data.X, data.fit_params, self._train)

        def after_round(done: int, so_far: Callable[[], Any]) -> bool:
            if done % interval or done == rounds:
                return lockstep.next_turn(fold)
            return lockstep.meet(fold, self._score(so_far()))

        with watch(self.estimator, after_round):
            self.estimator.fit(X, y, **fit_params)
        return math.nan if lockstep.is_over else self._score(self.estimator)

    def _score(self, estimator: Any) -> float:
        # Rows of its own each time: a step that writes to them must not spoil the next score.
        X, y = split_rows(estimator, self._data.X, self._data.y, self._test, self._train)
        score_params = split_metadata(self._data.X, self._data.score_params, self._test)
        return float(as_number(self._scorer(estimator, X, y, **score_params), self._scorer))


def _mean(scores: Sequence[float]) -> float:
    """Return the mean as scikit-learn's search takes it, so that the bits agree."""
    return float(np.average(np.array([scores], dtype=np.float64), axis=1)[0])
