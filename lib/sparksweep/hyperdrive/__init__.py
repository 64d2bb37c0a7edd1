"""Hyperparameter tuning as Azure ML's HyperDrive does it, on Spark: the names of its SDK v1.

A training script imports :class:`Run` from here alone, so each name is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparksweep.hyperdrive.child.context import get_azureml_logger
    from sparksweep.hyperdrive.experiment import Experiment
    from sparksweep.hyperdrive.inputs.dataset import Dataset
    from sparksweep.hyperdrive.run_config import (
        EstimatorRunConfig,
        HyperDriveConfig,
        PrimaryMetricGoal,
        ScriptRunConfig,
    )
    from sparksweep.hyperdrive.runs import HyperDriveRun, Run
    from sparksweep.hyperdrive.sampling.samplers import (
        BayesianParameterSampling,
        GridParameterSampling,
        RandomParameterSampling,
        TPEParameterSampling,
    )
    from sparksweep.hyperdrive.sampling.spaces import (
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
    from sparksweep.hyperdrive.termination.halving import SuccessiveHalvingPolicy
    from sparksweep.hyperdrive.termination.plateau import PlateauStoppingPolicy
    from sparksweep.hyperdrive.termination.policies import (
        BanditPolicy,
        MedianStoppingPolicy,
        NoTerminationPolicy,
        TruncationSelectionPolicy,
    )
    from sparksweep.hyperdrive.workspace import Workspace

__all__ = [
    "BanditPolicy",
    "BayesianParameterSampling",
    "Dataset",
    "EstimatorRunConfig",
    "Experiment",
    "GridParameterSampling",
    "HyperDriveConfig",
    "HyperDriveRun",
    "MedianStoppingPolicy",
    "NoTerminationPolicy",
    "PlateauStoppingPolicy",
    "PrimaryMetricGoal",
    "RandomParameterSampling",
    "Run",
    "ScriptRunConfig",
    "SuccessiveHalvingPolicy",
    "TPEParameterSampling",
    "TruncationSelectionPolicy",
    "Workspace",
    "choice",
    "get_azureml_logger",
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

_MODULES = {
    "child.context": ("get_azureml_logger",),
    "inputs.dataset": ("Dataset",),
    "experiment": ("Experiment",),
    "termination.halving": ("SuccessiveHalvingPolicy",),
    "termination.plateau": ("PlateauStoppingPolicy",),
    "termination.policies": (
        "BanditPolicy",
        "MedianStoppingPolicy",
        "NoTerminationPolicy",
        "TruncationSelectionPolicy",
    ),
    "run_config": ("EstimatorRunConfig", "HyperDriveConfig", "PrimaryMetricGoal", "ScriptRunConfig"),
    "runs": ("HyperDriveRun", "Run"),
    "sampling.samplers": (
        "BayesianParameterSampling",
        "GridParameterSampling",
        "RandomParameterSampling",
        "TPEParameterSampling",
    ),
    "sampling.spaces": (
        *("choice", "randint", "uniform", "loguniform", "normal", "lognormal"),
        *("quniform", "qloguniform", "qnormal", "qlognormal"),
    ),
    "workspace": ("Workspace",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
