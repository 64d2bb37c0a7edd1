"""scikit-learn's callbacks, such as its ProgressBar and ScoringMonitor, on a search whose fits are elsewhere.

Callbacks are told of a tree of tasks: the fit of the search; in it "search" and "refit-with-best-params"; in
"search" a "candidate-split-evaluation" for each fit; and in that the tasks of the estimator itself, where it
supports callbacks. The search's own tasks are told on the driver. A fit begins and ends for callbacks when
its result arrives, one right after the other; one that a journal already had does so at the start.

Tasks of the estimator are told where it is fitted, to pickled copies of the callbacks. As with scikit-learn's
own processes, a callback has to send on what it is told, and scikit-learn's do so by a local socket. They are
therefore told where Spark's workers are processes of the driver's host, that is, on a local master; elsewhere
a warning says that they are not. An estimator that tells of its iterations is fitted for each candidate. A
pipeline that was cut from the fit of another, and a step that was taken over, have no tasks of their own.

Before scikit-learn 1.9 there are no callbacks, and nothing here does anything.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, TypeVar, cast

from pyspark import TaskContext, cloudpickle
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sparksweep.search.rows import split_metadata, split_rows
from sparksweep.search.workbench import Fold, SearchData
from sparksweep.session import create_session

try:
    from sklearn.callback import AutoPropagatedCallback, with_callbacks
except ImportError:  # scikit-learn 1.8 and older
    AutoPropagatedCallback = with_callbacks = None

__all__ = [
    "FitCallbacks",
    "FitPlace",
    "SearchCallbacks",
    "give_callbacks",
    "has_callbacks",
    "needs_own_fit",
    "take_callbacks",
    "tears_down",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])


def tears_down(fit: _Method) -> _Method:
    """Decorate ``fit`` so that its callbacks are torn down however it ends."""
    return fit if with_callbacks is None else cast("_Method", with_callbacks(fit))


def has_callbacks(estimator: Any) -> bool:
    """Tell whether an estimator or a step of a pipeline has callbacks of its own."""
    return any(map(_own, _parts(estimator)))


def needs_own_fit(estimator: Any, place: FitPlace | None) -> bool:
    """Tell whether callbacks are to be told of each fit of an estimator, so that none may be shared.

    They are where it has callbacks of its own, and where it tells those of the search of its iterations. The
    steps, of which a pipeline tells, are not worth a fit that can be shared.
    """
    if has_callbacks(estimator):
        return True
    return place is not None and type(estimator) is not Pipeline and hasattr(estimator, "set_callbacks")


def take_callbacks(estimator: Any) -> list[list[Any]]:
    """Take the callbacks from an estimator that is fitted where they could not report, and return them."""
    parts = _parts(estimator)
    callbacks = [_own(part) for part in parts]
    give_callbacks(estimator, [[] for _ in parts])
    return callbacks


def give_callbacks(estimator: Any, callbacks: Sequence[Sequence[Any]]) -> None:
    """Give an estimator, or one like it, what :func:`take_callbacks` took."""
    for part, own in zip(_parts(estimator), callbacks, strict=True):
        if hasattr(part, "set_callbacks"):
            part.set_callbacks(*own)


class SearchCallbacks:
    """What the callbacks of a search are told during one call of its ``fit``.

    Parameters
    ----------
    search : estimator
    X, y : array-like
    params : mapping
        The parameters of ``fit``, of which callbacks are told the sample weights.
    """

    def __init__(self, search: Any, X: Any, y: Any, params: Mapping[str, Any]) -> None:
        self._search = search
        self._told = {"estimator": search, "X": X, "y": y, "metadata": _metadata(params)}
        self._root: Any = None
        if with_callbacks is not None:
            self._root = search._init_callback_context(max_subtasks=1 + (search.refit is not False))
            self._root.call_on_fit_task_begin(**self._told)

    def run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        """Call the search's ``_run_search`` as scikit-learn does; one of a user's may not know callbacks."""
        run: Any = self._search._run_search
        if "callback_ctx" in signature(run).parameters:
            run(evaluate_candidates, callback_ctx=self._root)
        else:
            run(evaluate_candidates)

    @contextmanager
    def refit(self, best: Any) -> Iterator[None]:
        """Tell of the refit of the best estimator, which happens in the block."""
        if self._root is None:
            yield
            return
        context = self._root.subcontext(task_name="refit-with-best-params")
        with ExitStack() as stack:
            if self._search.refit_on == "driver":  # elsewhere only this task is told of
                stack.enter_context(context.propagate_callback_context(best))
            context.call_on_fit_task_begin(**self._told)
            yield
        context.call_on_fit_task_end(**self._told)

    def end(self) -> None:
        """Tell of the end of the whole fit."""
        if self._root is not None:
            self._root.call_on_fit_task_end(**self._told)


@dataclass(frozen=True)
class FitPlace:
    """Where a fit stands in the tree of tasks. It goes with the fit to where that is done."""

    search_task: bytes
    task_id: int

    @contextmanager
    def propagate(self, estimator: Any) -> Iterator[None]:
        """Let the callbacks of the search be told of the tasks of an estimator fitted in the block."""
        # A tree of its own, in which this fit is alone: the whole one would grow with every fit.
        context = _evaluation(cloudpickle.loads(self.search_task), self.task_id)
        with ExitStack() as stack:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # that it has no callbacks: the driver says it
                stack.enter_context(context.propagate_callback_context(estimator))
            yield


class FitCallbacks:
    """What callbacks are told of the fits of one call of ``evaluate_candidates``.

    Parameters
    ----------
    search : estimator
    context : CallbackContext or None
        Of the task that these fits belong to; with None nobody is told.
    base_estimator : estimator
        What is cloned for each fit.
    data : SearchData
    folds : sequence of (train, test)
    """

    def __init__(
        self, search: Any, context: Any, base_estimator: Any, data: SearchData, folds: Sequence[Fold]
    ) -> None:
        self._search = search
        self._base_estimator = base_estimator
        self._data = data
        self._folds = folds
        own = has_callbacks(base_estimator)
        self._context = context if own or _own(search) else None
        self._search_task: bytes | None = None
        self._is_stripped = False
        if self._context is None:
            return
        if not own and not any(isinstance(callback, AutoPropagatedCallback) for callback in _own(search)):
            return
        if _is_near(search):
            # Before the fits are added to it, so that it stays small.
            self._search_task = cloudpickle.dumps(context)  # type: ignore[no-untyped-call]  # pyspark's has no types
        else:
            self._is_stripped = True
            warnings.warn(
                "Spark's executors are on other hosts than the callbacks, which are therefore told of the "
                f"tasks of {type(search).__name__} but not of those of {type(base_estimator).__name__}.",
                stacklevel=5,
            )

    def prepare(self, estimator: Any) -> Any:
        """Return a clone for a fit without callbacks of its own if they could not report from there."""
        if self._is_stripped:
            take_callbacks(estimator)
        return estimator

    def place(self, number: int) -> FitPlace | None:
        """Return what goes with a fit so that callbacks are told of the estimator's tasks."""
        return None if self._search_task is None else FitPlace(self._search_task, number)

    def tell(self, number: int, fold: int, member: Any, *, was_fitted: bool = True) -> None:
        """Tell that a fit began and ended.

        Parameters
        ----------
        number : int
            Its task id.
        fold : int
        member : Member
            The candidate.
        was_fitted : bool
            False for one whose result is another fit's or a journal's: the estimator told nothing of it.
        """
        if self._context is None:
            return
        context = _evaluation(self._context, number)
        if self._search_task is not None and was_fitted:
            # Leaves out callbacks that the estimator tells. Where it refuses them, its fit has failed.
            with suppress(TypeError), context.propagate_callback_context(self._base_estimator):
                pass
        train, _ = self._folds[fold]

        @cache
        def rows() -> tuple[Any, Any]:
            estimator = clone(member.estimator).set_params(**clone(dict(member.parameters), safe=False))
            return split_rows(estimator, self._data.X, self._data.y, train)

        told = {
            "estimator": self._search,
            "X": lambda: rows()[0],
            "y": lambda: rows()[1],
            "metadata": lambda: _metadata(split_metadata(self._data.X, self._data.fit_params, train)),
        }
        context.call_on_fit_task_begin(**told)
        context.call_on_fit_task_end(**told)


def _own(estimator: Any) -> list[Any]:
    return list(getattr(estimator, "_skl_callbacks", ()))


def _parts(estimator: Any) -> list[Any]:
    steps = [step for _, step in estimator.steps] if type(estimator) is Pipeline else []
    return [estimator, *steps]


def _evaluation(context: Any, number: int) -> Any:
    return context.subcontext(task_name="candidate-split-evaluation", task_id=number)


def _metadata(params: Mapping[str, Any]) -> dict[str, Any] | None:
    weights = params.get("sample_weight")
    return None if weights is None else {"sample_weight": weights}


def _is_near(search: Any) -> bool:
    """Tell whether fits are done on the host of this process, as far as the master says."""
    if TaskContext.get() is not None:
        return True  # a search inside a search does them in its own process
    sc = search.sc or create_session("sparksweep").sparkContext
    return str(sc.master).startswith("local")
