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

__all__ = ["SweepResults", "ranked"]


_PACKAGES = ("pyspark", "xgboost", "scikit-learn", "numpy", "optuna")

# Runs on the screen; all of them are in results.csv.
_SHOWN = 10


def ranked(children: Sequence[Child], *, maximize: bool) -> list[Child]:
    """Return runs, those with the best primary metric first, those that have none last; ties by number."""

    def place(child: Child) -> tuple[float, int]:
        value = child.best(maximize=maximize)
        if value is None:
            return float("inf"), child.number
        return (-value if maximize else value), child.number

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
        """The run with the best primary metric, whether it completed or was stopped; None if none has any."""
        first = next(iter(self.children), None)
        return None if first is None or first.best(maximize=self.maximize) is None else first

    @property
    def status(self) -> str:
        """HyperDrive's word: Failed where no run has a primary metric, Canceled where it ended too soon."""
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
        """Return a row a run, by rank."""
        rows = []
        for rank, child in enumerate(self.children, 1):
            best = child.best(maximize=self.maximize)
            rows.append(
                {
                    "rank": rank if best is not None else None,
                    "run": child.id,
                    "status": "Stopped early" if child.is_stopped_early else child.status,
                    self.primary: best,
                    "last": child.values[-1] if child.values else None,
                    "intervals": len(child.values),
                    "seconds": None if child.seconds is None else round(child.seconds, 1),
                    **{f"param_{name}": _text(value) for name, value in child.setting.items()},
                    "error": child.error if child.status == FAILED else None,
                }
            )
        table: pd.DataFrame = pd.DataFrame(rows)
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
        shown["run"] = shown["run"].str.rpartition("_")[2]
        shown = shown.rename(columns=lambda name: name.removeprefix("param_"))
        return f"\n{counts}{over}; {self.seconds:.1f} s\n\n{shown.to_string(index=False)}"

    def write(self, store: Store, more: Mapping[str, Any]) -> None:
        """Write ``results.csv``, ``metrics.csv`` and, last, ``best.json``: it says that the rest is there.

        ``more`` stands in ``best.json``, too.
        """
        for name, table in (("results.csv", self.table()), ("metrics.csv", self.metrics())):
            store.write(name, table.to_csv(index=False, lineterminator="\n").encode())
        store.write("best.json", (json.dumps({**self._best(), **more}, indent=2) + "\n").encode())

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
