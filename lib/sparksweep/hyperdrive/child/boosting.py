"""What the folds of an XGBoost estimator need to boost side by side and be scored on the way.

XGBoost keeps its random state by thread: boosters that take turns in one thread differ from separate fits. So
each fold has a thread of its own, in a :class:`Lockstep`.

A callback sees the booster after each round. :func:`watch` makes of it what scorers take, a fitted estimator,
which is to the last bit the one that a fit of so many rounds gives. Predicting does not change the rounds
that follow. One attribute that is no part of XGBoost's public interface is replaced in a copy of the
estimator: ``XGBModel._Booster``.
"""

from __future__ import annotations

import copy
import math
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from xgboost import Booster, XGBClassifier, XGBRanker, XGBRegressor
from xgboost.callback import TrainingCallback

__all__ = ["Lockstep", "boosting_rounds", "set_rounds", "watch"]

#: Called after each round with their number and a function that makes the estimator of so many rounds. True
#: ends the boosting.
AfterRound = Callable[[int, Callable[[], Any]], bool]

# By exact type: a subclass may do anything in its fit, and a forest of XGBoost has one round.
_KINDS = (XGBClassifier, XGBRegressor, XGBRanker)
# Parameters by which rounds work on trees that are there already.
_NOT_GROWING = {"process_type", "updater"}


def boosting_rounds(estimator: Any) -> int | None:
    """Return how many rounds an estimator is to boost, or None where it cannot be watched.

    Watched are XGBoost's classifier, regressor and ranker, also at a pipeline's end, where each round adds
    trees and leaves those before it alone: not ``dart`` and ``gblinear``. With ``early_stopping_rounds`` the
    fit itself has its ways to end.
    """
    model = _model_of(estimator)
    if type(model) not in _KINDS:
        return None
    if model.booster not in {None, "gbtree"} or model.early_stopping_rounds is not None:
        return None
    if _NOT_GROWING & set(getattr(model, "kwargs", None) or {}):
        return None
    rounds: int = model.get_num_boosting_rounds()
    return rounds


def set_rounds(estimator: Any, rounds: int) -> None:
    """Set how many rounds an estimator is to boost, for which :func:`boosting_rounds` gives a number."""
    _model_of(estimator).set_params(n_estimators=rounds)


@contextmanager
def watch(estimator: Any, after_round: AfterRound) -> Iterator[None]:
    """Call a function after each round of the fit that the block holds.

    Parameters
    ----------
    estimator : estimator
        One for which :func:`boosting_rounds` gives a number. Callbacks of its own stay, and come first.
    after_round : callable
        Called with the number of rounds and a function without arguments, which returns a fitted estimator of
        so many rounds. That one shares its booster with the fit: it is good until the call ends.
    """
    model = _model_of(estimator)
    own = model.callbacks
    # Not by set_params, which is for users: nothing else of the estimator is to change.
    model.callbacks = [_Watcher(estimator, own, after_round)]
    try:
        yield
    finally:
        model.callbacks = own


class Lockstep:
    """Threads of which at most so many compute at once, and which meet now and then.

    A member that waits for the others does not hold a core. Where the members do not go evenly into the
    cores, one that is ahead gives way after its turn to one that is behind, so that no core is idle before
    a meeting.
    """

    def __init__(self, members: int, at_once: int) -> None:
        self.error: str | None = None
        self.is_over = False
        self._changed = threading.Condition()
        self._free = at_once
        self._is_even = members % at_once == 0
        self._turns = [0] * members
        self._waiting: set[int] = set()
        self._met: dict[int, float] = {}
        self._ended: dict[int, float] = {}

    def run(
        self, work: Callable[[int], float], decide: Callable[[Sequence[float]], bool]
    ) -> list[float] | None:
        """Run ``work(member)`` in a thread each, and ask at each meeting whether all are to end.

        Returns what the members returned, or None if they were to end or one failed. A member that has ended
        takes part in meetings by what it returned. Whatever happens, all threads have ended then.
        """
        threads: list[threading.Thread] = []
        try:
            for member in range(len(self._turns)):
                thread = threading.Thread(target=self._work, args=(work, member))
                thread.start()
                threads.append(thread)
            while (values := self._next_meeting()) is not None:
                if decide(values):
                    return None
                self._go_on()
            return (
                None
                if self.error is not None
                else [self._ended[member] for member in range(len(self._turns))]
            )
        finally:
            with self._changed:
                self.is_over = True
                self._changed.notify_all()
            for thread in threads:
                thread.join()

    def next_turn(self, member: int) -> bool:
        """Say that a member has had a turn. Returns whether it is to end."""
        with self._changed:
            self._turns[member] += 1
            if not self._is_even and any(self._turns[other] < self._turns[member] for other in self._waiting):
                self._give_core()
                self._take_core(member)
            return self.is_over

    def meet(self, member: int, value: float) -> bool:
        """Say that a member has had a turn, wait for the others, and return whether it is to end."""
        with self._changed:
            self._turns[member] += 1
            self._met[member] = value
            self._give_core()
            self._changed.wait_for(lambda: self.is_over or member not in self._met)
            self._take_core(member)
            return self.is_over

    def _work(self, work: Callable[[int], float], member: int) -> None:
        with self._changed:
            self._take_core(member)
        try:
            value = math.nan if self.is_over else work(member)
        except BaseException:  # an exit, too: it would end this thread and leave the others waiting
            with self._changed:
                self.error = self.error or traceback.format_exc()
                self.is_over = True
                self._give_core()
        else:
            with self._changed:
                self._ended[member] = value
                self._give_core()

    def _take_core(self, member: int) -> None:
        self._waiting.add(member)
        # Those who are to end need no core, and may exceed their number.
        self._changed.wait_for(
            lambda: (
                self.is_over
                or (self._free > 0 and member == min(self._waiting, key=lambda one: (self._turns[one], one)))
            )
        )
        self._waiting.remove(member)
        self._free -= 1
        self._changed.notify_all()

    def _give_core(self) -> None:
        self._free += 1
        self._changed.notify_all()

    def _next_meeting(self) -> list[float] | None:
        with self._changed:
            self._changed.wait_for(
                lambda: self.is_over or len(self._met) + len(self._ended) == len(self._turns)
            )
            if self.is_over or not self._met:
                return None
            values = {**self._ended, **self._met}
        return [values[member] for member in range(len(values))]

    def _go_on(self) -> None:
        with self._changed:
            self._met.clear()
            self._changed.notify_all()


class _Watcher(TrainingCallback):
    """Comes after the user's own callbacks, which it calls itself: XGBoost 3.0 keeps callbacks in a set."""

    def __init__(
        self, estimator: Any, own: Sequence[TrainingCallback] | None, after_round: AfterRound
    ) -> None:
        super().__init__()
        self._estimator = estimator
        self._own = own
        self._callbacks = tuple(dict.fromkeys(own or ()))
        self._after_round = after_round
        # A callback of the user's may set a best iteration, with which predictions begin anew. A GPU sums
        # the trees of a prediction before it adds what it is to start from.
        is_steady = not own and _model_of(estimator).device in {None, "cpu"}
        self._margins = _Margins() if is_steady else None

    def before_training(self, model: Any) -> Any:
        for callback in self._callbacks:
            model = callback.before_training(model)
        return model

    def after_training(self, model: Any) -> Any:
        for callback in self._callbacks:
            model = callback.after_training(model)
        return model

    def before_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        return any(callback.before_iteration(model, epoch, evals_log) for callback in self._callbacks)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        if any(callback.after_iteration(model, epoch, evals_log) for callback in self._callbacks):
            return True
        return self._after_round(epoch + 1, partial(self._so_far, model, epoch + 1, evals_log))

    def _so_far(self, booster: Booster, rounds: int, evals_log: Mapping[str, Any]) -> Any:
        model = copy.copy(_model_of(self._estimator))
        model.n_estimators = rounds
        model.callbacks = self._own
        model._Booster = booster
        if type(model) is XGBClassifier and model.n_classes_ > 2 and not callable(model.objective):
            # What its fit sets at the end.
            model.objective = "multi:softmax" if model.objective == "multi:softmax" else "multi:softprob"
        if evals_log:
            model.evals_result_ = {
                data: OrderedDict((metric, list(values)) for metric, values in metrics.items())
                for data, metrics in evals_log.items()
            }
        if self._margins is not None:
            self._margins.lend(model, booster.num_boosted_rounds())
        return _with_model(self._estimator, model)


class _Margins:
    """What the rounds so far predict of one X, so that later predictions need only the rounds since.

    XGBoost adds the trees of a prediction one by one to the margin that it is given, or else to the base
    score: a prediction that goes on from the margin of the first rounds has the bits of one from the start.
    Without this, predicting at every tenth of some hundred rounds may take half as long as the fit.
    """

    def __init__(self) -> None:
        self._X: Any = None
        self._before: tuple[int, Any] = 0, None
        self._now: tuple[int, Any] = 0, None

    def lend(self, model: Any, rounds: int) -> None:
        """Let a model of so many rounds predict by these margins, where it is asked for nothing special."""
        margin = model.predict
        for name in ("predict", "predict_proba"):
            if hasattr(model, name):
                setattr(model, name, self._lent(getattr(model, name), margin, rounds))

    def _lent(
        self, method: Callable[..., Any], margin: Callable[..., Any], rounds: int
    ) -> Callable[..., Any]:
        @wraps(method)  # scorers ask for a method's name
        def predict(X: Any, *args: Any, **arguments: Any) -> Any:
            if args or arguments or not self._is_known(X):
                return method(X, *args, **arguments)
            if rounds > self._now[0]:
                self._before = self._now
                self._now = rounds, margin(X, output_margin=True, **self._rest(rounds))
            return method(X, **self._rest(rounds))

        return predict

    def _rest(self, rounds: int) -> dict[str, Any]:
        start, margin = self._before
        return {"base_margin": margin, "iteration_range": (start, rounds)}

    def _is_known(self, X: Any) -> bool:
        """Tell whether X is the one of the margins, by content, since a pipeline makes it anew each time."""
        if self._X is None and _parts(X):
            self._X = X.copy()
        held, given = _parts(self._X), _parts(X)
        return (
            type(X) is type(self._X)
            and bool(given)
            and X.shape == self._X.shape
            and all(
                one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
                for one, other in zip(held, given, strict=True)
            )
        )


def _parts(X: Any) -> list[Any]:
    """Return the numeric arrays that an array or a CSR matrix consists of; none of anything else."""
    if sparse.issparse(X) and X.format == "csr":
        return [X.data, X.indices, X.indptr]
    return [X] if type(X) is np.ndarray and X.dtype.kind in "fiub" else []


def _model_of(estimator: Any) -> Any:
    return _model_of(estimator.steps[-1][1]) if type(estimator) is Pipeline else estimator


def _with_model(estimator: Any, model: Any) -> Any:
    if type(estimator) is not Pipeline:
        return model
    *before, (name, last) = estimator.steps
    twin = copy.copy(estimator)
    twin.steps = [*before, (name, _with_model(last, model))]
    return twin
