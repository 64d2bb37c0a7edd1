"""How our runs stand in MLflow: the names of their tags, and its words for HyperDrive's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

__all__ = [
    "ERROR_TAG",
    "FROM_MLFLOW",
    "GOAL_TAG",
    "HOST_TAG",
    "PRIMARY_TAG",
    "SETTING_TAG",
    "STATUS_TAG",
    "TO_MLFLOW",
]

#: HyperDrive's word for the status, the parameters of a child run as JSON, where it ran, why it failed.
STATUS_TAG = "sparksweep.status"
SETTING_TAG = "sparksweep.parameters"
HOST_TAG = "sparksweep.host"
ERROR_TAG = "sparksweep.error"

#: Of a sweep: its primary metric, and ``maximize`` or ``minimize``.
PRIMARY_TAG = "sparksweep.primary_metric"
GOAL_TAG = "sparksweep.goal"

#: MLflow's words for how a run ended, and HyperDrive's for all of MLflow's.
TO_MLFLOW: Mapping[str, Literal["FINISHED", "FAILED", "KILLED"]] = {
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
}
FROM_MLFLOW: Mapping[str, str] = {
    "RUNNING": "Running",
    "SCHEDULED": "Queued",
    "FINISHED": "Completed",
    "FAILED": "Failed",
    "KILLED": "Canceled",
}
