"""The run history of sweeps: runs, their parameters, metrics, tags and files, kept by MLflow.

:class:`History` writes them from a thread of its own and answers questions about them later, in any process.
``python -m sparksweep.history.page`` opens MLflow's page on the newest sweep.
"""

from __future__ import annotations

from sparksweep.history.names import RUN_ID_TAG
from sparksweep.history.records import RecordedRun
from sparksweep.history.store import History

__all__ = ["RUN_ID_TAG", "History", "RecordedRun"]
