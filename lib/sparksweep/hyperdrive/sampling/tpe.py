"""The tree-structured Parzen estimator of Optuna: proposals that learn.

It is the sampler behind both names, ``BayesianParameterSampling`` and ``TPEParameterSampling``. Optuna's
Gaussian process needs PyTorch, which is larger than everything else that sparksweep stands on. TPE is
multivariate, and takes pending runs for bad ones (the constant liar), so that settings that are asked at the
same time keep their distance. Until ten runs have ended the settings are random.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna

from sparksweep.hyperdrive.sampling.distributions import Choice, Distribution, Path, Pick
from sparksweep.hyperdrive.sampling.proposals import ATTEMPTS, Distinct, Known, Picker, Space, resolve
from sparksweep.hyperdrive.sampling.trees import picks_of

__all__ = ["TPEProposals"]


class TPEProposals:
    """Settings that promise most after what was told.

    Optuna knows a choice as categories, and every other distribution as the number between 0 and 1 at which
    its quantile is the value. So before anything is known a value is as likely as its distribution says.

    The state of Optuna's random numbers cannot be saved. Every ask therefore has a sampler of its own, with
    a seed from the sweep's seed and the number of the setting.

    Parameters
    ----------
    space : mapping of str to Distribution
    seed : int
        At least 0.
    known : iterable of (setting, value)
        What earlier sweeps found.
    maximize : bool
        Whether a greater value is better.
    """

    def __init__(self, space: Space, seed: int, known: Known = (), *, maximize: bool) -> None:
        self._space = space
        self._seed = seed
        self._distinct = Distinct(space, seed)
        with _quiet():
            self._study = optuna.create_study(direction="maximize" if maximize else "minimize")
        # By our numbers. Optuna's count the settings too that were asked again.
        self._trials: list[optuna.trial.Trial] = []
        for setting, value in known:
            picks = picks_of(space, setting)
            if picks is not None:
                self._distinct.add(picks)
                self._end(self._take(picks)[0], value)

    def ask(self) -> dict[str, Any] | None:
        """As in :class:`Proposals`."""
        if self._distinct.is_exhausted:
            return None
        for attempt in range(ATTEMPTS):
            trial, setting, picks = self._draw(attempt)
            if self._distinct.add(picks):
                break
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            trial, setting = self._take(self._distinct.add_any(len(self._trials)))
        self._trials.append(trial)
        return setting

    def tell(self, number: int, value: float | None) -> None:
        """As in :class:`Proposals`; a run that failed is left out of the model."""
        self._end(self._trials[number], value)

    def _end(self, trial: optuna.trial.Trial, value: float | None) -> None:
        if value is None or not math.isfinite(value):
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _draw(self, attempt: int) -> tuple[optuna.trial.Trial, dict[str, Any], dict[Path, Pick]]:
        seed = int(np.random.SeedSequence([self._seed, len(self._trials), attempt]).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
        trial = self._study.ask()
        return trial, *resolve(self._space, _suggested_by(trial))

    def _take(self, picks: dict[Path, Pick]) -> tuple[optuna.trial.Trial, dict[str, Any]]:
        """Make a trial of a setting that is given."""
        numbers: dict[str, float] = {}

        def noted(path: Path, distribution: Distribution) -> Pick:
            pick = picks[path]
            numbers[str(path)] = pick if isinstance(distribution, Choice) else distribution.unit(pick)
            return pick

        resolve(self._space, noted)
        self._study.enqueue_trial(numbers)
        trial = self._study.ask()
        return trial, resolve(self._space, _suggested_by(trial))[0]


def _suggested_by(trial: optuna.trial.Trial) -> Picker:
    def pick(path: Path, distribution: Distribution) -> Pick:
        if isinstance(distribution, Choice):
            return trial.suggest_categorical(str(path), range(len(distribution.values)))
        return distribution.pick(trial.suggest_float(str(path), 0.0, 1.0))

    return pick


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from saying that there is a study, which is no news for the user of a sweep."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
