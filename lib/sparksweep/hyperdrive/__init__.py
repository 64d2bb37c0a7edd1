"""Hyperparameter tuning as Azure ML's HyperDrive does it: search spaces, samplers, early termination."""

from __future__ import annotations

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
    "BayesianParameterSampling",
    "GridParameterSampling",
    "RandomParameterSampling",
    "TPEParameterSampling",
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
