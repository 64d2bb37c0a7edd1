"""What is asked of the history: a run as it was recorded, and the entries that are still to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

__all__ = ["AddFiles", "End", "Entry", "RecordedRun", "Report", "Reset", "Start", "Tag"]


@dataclass(frozen=True)
class RecordedRun:
    """A run as the history has it.

    Attributes
    ----------
    id : str
        The id under which the run was started.
    experiment, name : str
    parent : str or None
        The id of the run under which it stands.
    status : str
        MLflow's word: RUNNING, FINISHED, FAILED, KILLED or SCHEDULED.
    parameters : mapping of str to str
    metrics : mapping of str to float
        The value at the highest step of each metric.
    tags : mapping of str to str
        Without MLflow's own.
    start_time, end_time : datetime or None
        UTC.
    """

    id: str
    experiment: str
    name: str
    parent: str | None
    status: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    start_time: datetime | None = None
    end_time: datetime | None = None


# Times are whole milliseconds since 1970, which is what MLflow counts in.


@dataclass(frozen=True)
class Start:
    """A run begins or goes on. Parameters and tags are in the stored form."""

    run: str
    experiment: str
    name: str
    parent: str | None
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    time: int


@dataclass(frozen=True)
class Reset:
    """What a run has reported is forgotten."""

    run: str


@dataclass(frozen=True)
class Report:
    """A value of a metric. There may be hundreds of thousands that wait: no more than needed."""

    __slots__ = ("metric", "run", "step", "time", "value")
    run: str
    metric: str
    value: float
    step: int
    time: int


@dataclass(frozen=True)
class Tag:
    """Tags of a run, in the stored form."""

    run: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class AddFiles:
    """All files below a folder, which is then removed if that is asked for."""

    run: str
    folder: Path
    and_remove: bool = False


@dataclass(frozen=True)
class End:
    """A run ends."""

    run: str
    status: str
    time: int


Entry: TypeAlias = Start | Reset | Report | Tag | AddFiles | End
