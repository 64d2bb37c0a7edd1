"""Who tunes in the benchmark of samplers and policies, and how they are set."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import optuna

from sparksweep.hyperdrive import (
    BanditPolicy,
    BayesianParameterSampling,
    GridParameterSampling,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    PlateauStoppingPolicy,
    RandomParameterSampling,
    SuccessiveHalvingPolicy,
    TPEParameterSampling,
    TruncationSelectionPolicy,
    choice,
)
from sparksweep.hyperdrive.sampling.samplers import Sampling
from sparksweep.hyperdrive.termination.policies import Policy
from tests.bench.curves import Curves
from tests.bench.replay import Replay, replay_optuna, replay_sweep

__all__ = ["CONTENDERS", "Contender", "Settings", "contend"]

_SEEDED = {
    "random": RandomParameterSampling,
    "bayesian": BayesianParameterSampling,
    "tpe": TPEParameterSampling,
}


@dataclass(frozen=True)
class Settings:
    """How the policies are set, in rounds; the same for all seeds, and as far as can be for Optuna's pruners.

    Nobody is compared with others before ``delay`` rounds, those of the grid's shortest candidates, since paths with
    few columns start slowly; then every ``every`` rounds, as the grid's candidates go on. The slack is three times
    what the score may be off. ``patience`` is counted in reports.
    """

    interval: int
    delay: int = 300
    every: int = 100
    slack: float = 0.003
    percentage: int = 50
    reduction: int = 2
    patience: int = 3

    def policies(self) -> dict[str, Policy]:
        delay, every = self.delay // self.interval, self.every // self.interval
        return {
            "none": NoTerminationPolicy(),
            "bandit": BanditPolicy(every, slack_amount=self.slack, delay_evaluation=delay),
            "median": MedianStoppingPolicy(every, delay_evaluation=delay),
            "truncation": TruncationSelectionPolicy(self.percentage, every, delay),
            "halving": SuccessiveHalvingPolicy(delay, self.reduction),
            "plateau": PlateauStoppingPolicy(self.patience),
        }

    def pruners(self, most_rounds: int) -> dict[str, Callable[[], optuna.pruners.BasePruner]]:
        return {
            "hyperband": lambda: optuna.pruners.HyperbandPruner(self.delay, most_rounds, self.reduction),
            "median": lambda: optuna.pruners.MedianPruner(3, self.delay - 1, self.every),
            # Its patience is over with the report after so many.
            "patient": lambda: optuna.pruners.PatientPruner(None, self.patience - 1),
        }


@dataclass(frozen=True)
class Contender:
    """A sampler, and what ends its runs early."""

    sampler: str
    policy: str

    @property
    def name(self) -> str:
        return f"{self.sampler} + {self.policy}"


CONTENDERS = {
    contender.name: contender
    for contender in [
        *(
            Contender(sampler, policy)
            for sampler in ("grid", "random", "bayesian", "tpe")
            for policy in ("none", "bandit", "median", "truncation", "halving", "plateau")
            if policy == "none" or sampler != "bayesian"
        ),
        Contender("optuna", "hyperband"),
        Contender("optuna", "median"),
        Contender("optuna", "patient"),
    ]
}


def contend(
    contender: Contender, curves: Curves, settings: Settings, slots: int, seed: int, target: float
) -> Replay:
    """Let a contender search until it has reached the target or boosted as many rounds as the grid."""
    budget = curves.grid_rounds
    if contender.sampler == "optuna":
        pruner = settings.pruners(curves.most_rounds)[contender.policy]
        return replay_optuna(curves, pruner, seed, slots, target, budget)
    sampling = _sampling(contender, curves, seed)
    return replay_sweep(curves, sampling, settings.policies()[contender.policy], slots, target, budget)


def _sampling(contender: Contender, curves: Curves, seed: int) -> Sampling:
    rounds = curves.rounds if contender.policy == "none" else (curves.most_rounds,)
    options = {"n_estimators": list(rounds)} | {
        name: sorted({path[place] for path in curves.paths}) for place, name in enumerate(curves.names)
    }
    if contender.sampler == "grid":
        # Whether the best ones are listed first is chance.
        rng = random.Random(seed)
        options = {name: rng.sample(values, len(values)) for name, values in options.items()}
        return GridParameterSampling({name: choice(*values) for name, values in options.items()})
    return _SEEDED[contender.sampler]({name: choice(*values) for name, values in options.items()}, seed=seed)
