"""Joins the rooms for the jobs, and alone knows them all."""

from __future__ import annotations

from sparksweep.pipeline.hyperdrive import hyperdrive, run_hyperdrive
from sparksweep.pipeline.score import run_score, score
from sparksweep.pipeline.sweep import run_job, sweep

__all__ = ["hyperdrive", "run_hyperdrive", "run_job", "run_score", "score", "sweep"]
