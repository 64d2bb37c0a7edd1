"""What earlier sweeps found out: the sampler of a new one is told it before the first run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.arguments import as_list
from sparksweep.hyperdrive.runs import HyperDriveRun, Run

__all__ = ["known_settings"]


def known_settings(sweeps: Any, children: Any) -> list[tuple[Mapping[str, Any], float]]:
    """Return what runs of earlier sweeps had and reached, as far as the history can tell.

    Parameters
    ----------
    sweeps : HyperDriveRun, list of them or None
    children : Run, list of them or None

    Raises
    ------
    ConfigError
        If they are something else.
    """
    known: list[tuple[Mapping[str, Any], float]] = []
    for sweep in as_list(sweeps):
        if not isinstance(sweep, HyperDriveRun):
            raise ConfigError(f"resume_from: {sweep!r} is no HyperDriveRun")
        rows = sweep.get_children_sorted_by_primary_metric(discard_no_metric=True)
        known += _known(rows)
    rows_of: dict[str, list[dict[str, Any]]] = {}
    for child in as_list(children):
        parent = child.parent if isinstance(child, Run) else None
        if parent is None:
            raise ConfigError(f"resume_child_runs: {child!r} is no child run of a sweep")
        if parent.id not in rows_of:
            rows_of[parent.id] = parent.get_children_sorted_by_primary_metric(discard_no_metric=True)
        known += _known([row for row in rows_of[parent.id] if row["run_id"] == child.id])
    return known


def _known(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], float]]:
    for row in rows:
        try:
            setting = json.loads(row["hyperparameters"])
        except ValueError:  # it was too long for the history, which has only its beginning
            continue
        yield setting, row["best_primary_metric"]
