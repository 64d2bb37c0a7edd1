"""The files of a sweep that is over: its runs by rank, all that they logged, and the best of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED
from sparksweep.hyperdrive.driver.children import Child, as_json
from sparksweep.search.runs import versions_of
from sparksweep.storage import Store

__all__ = ["SweepResults", "is_column", "ranked"]

_PACKAGES = ("pyspark", "xgboost", "scikit-learn", "numpy", "optuna")

# Runs on the screen; all of them are in results.csv.
_SHOWN = 10

# The columns of results.csv before and behind that of the primary metric. The parameters stand before
# the last one.
_FIRST, _THEN = ("rank", "run", "status"), ("last", "intervals", "seconds", "error")
_PARAMETER = "param_"


def is_column(name: str) -> bool:
    """Return whether ``results.csv`` has, or may have, a column of this name beside the primary metric's."""
    return name in (*_FIRST, *_THEN) or name.startswith(_PARAMETER)


def ranked(children: Sequence[Child], *, maximize: bool) -> list[Child]:
    """Return runs, those with the best primary metric first; ties by number.

    Those that failed stand behind all others that have any: nobody knows what their value is worth, and the
    sampler is not told it. Those that have none stand last.
    """

    def place(child: Child) -> tuple[int, float, int]:
        value = child.best(maximize=maximize)
        if value is None:
            return 2, 0.0, child.number
        return int(child.status == FAILED), (-value if maximize else value), child.number

    return sorted(children, key=place)


class SweepResults:
    """What a sweep came to.

    Parameters
    ----------
    sweep_id : str
    children : sequence of Child
    primary : str
        The primary metric.
    maximize : bool
    seconds : float
        That drivers have worked on it.
    why_over : str or None
        Why not all runs were made.
    """

    def __init__(
        self,
        sweep_id: str,
        children: Sequence[Child],
        primary: str,
        *,
        maximize: bool,
        seconds: float,
        why_over: str | None,
    ) -> None:
        self.sweep_id = sweep_id
        self.primary = primary
        self.maximize = maximize
        self.seconds = seconds
        self.why_over = why_over
        self.children = ranked(children, maximize=maximize)

    @property
    def best(self) -> Child | None:
        """The run with the best primary metric, whether it completed or was stopped.

        None if none has any but runs that failed.
        """
        first = next(iter(self.children), None)
        return first if first is not None and self._is_ranked(first) else None

    @property
    def status(self) -> str:
        """HyperDrive's word: Failed where there is no best run, Canceled where it ended too soon."""
        if self.why_over is not None:
            return CANCELED
        return FAILED if self.best is None else COMPLETED

    @property
    def counts(self) -> dict[str, int]:
        """How many runs there were, and how they ended."""
        by_status = [child.status for child in self.children]
        return {
            "runs": len(self.children),
            "completed": by_status.count(COMPLETED),
            "stopped_early": sum(child.is_stopped_early for child in self.children),
            "canceled": by_status.count(CANCELED) - sum(child.is_stopped_early for child in self.children),
            "failed": by_status.count(FAILED),
        }

    def table(self) -> pd.DataFrame:
        """Return a row a run, by rank, which runs that failed or have no primary metric do not have."""
        rows = []
        for rank, child in enumerate(self.children, 1):
            rows.append(
                {
                    "rank": rank if self._is_ranked(child) else None,
                    "run": child.id,
                    "status": "Stopped early" if child.is_stopped_early else child.status,
                    self.primary: child.best(maximize=self.maximize),
                    "last": child.values[-1] if child.values else None,
                    "intervals": len(child.values),
                    "seconds": None if child.seconds is None else round(child.seconds, 1),
                    **{f"{_PARAMETER}{name}": _text(value) for name, value in child.setting.items()},
                    "error": child.error if child.status == FAILED else None,
                }
            )
        # Without a run there is no row to tell the columns.
        table: pd.DataFrame = pd.DataFrame(rows, columns=None if rows else [*_FIRST, self.primary, *_THEN])
        table["rank"] = table["rank"].astype("Int64")
        return table

    def metrics(self) -> pd.DataFrame:
        """Return all that the runs logged: run, metric, step, value, seconds since 1970."""
        table: pd.DataFrame = pd.DataFrame(
            [
                (child.id, metric.name, metric.step, metric.value, metric.time)
                for child in sorted(self.children, key=lambda child: child.number)
                for metric in child.metrics
            ],
            columns=["run", "metric", "step", "value", "time"],
        )
        return table

    def summary(self) -> str:
        """Return what a person wants to see first: the counts, and the ten best runs."""
        counts = ", ".join(
            f"{count} {name.replace('_', ' ')}" for name, count in self.counts.items() if count
        )
        over = "" if self.why_over is None else f" ({self.why_over})"
        shown = self.table().drop(columns=["error", "last"]).head(_SHOWN)
        shown["run"] = [name.rpartition("_")[2] for name in shown["run"]]
        shown = shown.rename(columns=lambda name: name.removeprefix(_PARAMETER))
        return f"\n{counts}{over}; {self.seconds:.1f} s\n\n{shown.to_string(index=False)}"

    def write(self, store: Store, more: Mapping[str, Any]) -> None:
        """Write ``results.csv``, ``metrics.csv`` and, last, ``best.json``: it says that the rest is there.

        ``more`` stands in ``best.json``, too.
        """
        for name, table in (("results.csv", self.table()), ("metrics.csv", self.metrics())):
            # The name of a metric may hold half a surrogate pair, which has no bytes in UTF-8.
            store.write(name, table.to_csv(index=False, lineterminator="\n").encode(errors="replace"))
        store.write("best.json", (json.dumps({**self._best(), **more}, indent=2) + "\n").encode())

    def _is_ranked(self, child: Child) -> bool:
        return child.status != FAILED and child.best(maximize=self.maximize) is not None

    def _best(self) -> Mapping[str, Any]:
        best = self.best
        return {
            "run_id": self.sweep_id,
            "status": self.status,
            **({} if self.why_over is None else {"ended_because": self.why_over}),
            "metric": self.primary,
            "goal": "maximize" if self.maximize else "minimize",
            "best_run": None if best is None else best.id,
            "best_score": None if best is None else best.best(maximize=self.maximize),
            "best_parameters": None if best is None else as_json(best.setting),
            **self.counts,
            "seconds": round(self.seconds, 3),
            "versions": versions_of(*_PACKAGES),
        }


def _text(value: Any) -> Any:
    plain = as_json(value)
    return json.dumps(plain) if isinstance(plain, list | dict) else plain
