"""Hyperparameter tuning as Azure ML's HyperDrive does it: search spaces, samplers, early termination."""

from __future__ import annotations

from sparksweep.hyperdrive.halving import SuccessiveHalvingPolicy
from sparksweep.hyperdrive.policies import (
    BanditPolicy,
    MedianStoppingPolicy,
    NoTerminationPolicy,
    TruncationSelectionPolicy,
)
from sparksweep.hyperdrive.samplers import (
    BayesianParameterSampling,
    GridParameterSampling,
    RandomParameterSampling,
    TPEParameterSampling,
)
from sparksweep.hyperdrive.spaces import (
    choice,
    lognormal,
    loguniform,
    normal,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
)

__all__ = [
    "BanditPolicy",
    "BayesianParameterSampling",
    "GridParameterSampling",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "RandomParameterSampling",
    "SuccessiveHalvingPolicy",
    "TPEParameterSampling",
    "TruncationSelectionPolicy",
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
]
