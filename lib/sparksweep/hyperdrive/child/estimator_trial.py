"""A child run that cross-validates an estimator, on its executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn import config_context

from sparksweep.hyperdrive.child.cross_validation import Report, cross_validate
from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED, Attempt, Ended
from sparksweep.hyperdrive.metrics import Metric
from sparksweep.search.resources import gpu_of_task
from sparksweep.search.threads import Threads
from sparksweep.search.workbench import Fold, SearchData

__all__ = ["EstimatorTrial"]


@dataclass(frozen=True)
class EstimatorTrial:
    """An estimator, and all that its cross-validation needs.

    ``primary`` is the name under which the mean over the folds is logged; ``config`` is scikit-learn's own.
    """

    estimator: Any
    data: SearchData
    folds: Sequence[Fold]
    scorer: Callable[..., Any]
    primary: str
    interval: int
    threads: Threads
    config: Mapping[str, Any]

    def run(self, attempt: Attempt) -> Iterator[Ended | bytes]:
        """Cross-validate it; see :class:`~sparksweep.hyperdrive.child.task.Trial`. It has no files."""

        def report(result: Report) -> bool:
            step = result.interval if result.rounds is None else result.rounds
            attempt.link.log([Metric(self.primary, result.value, step, time.time())])
            return attempt.link.is_to_stop()

        with config_context(**self.config):
            found = cross_validate(
                self.estimator,
                attempt.setting,
                self.data,
                self.folds,
                self.scorer,
                interval=self.interval,
                threads=self.threads,
                cores=attempt.cores,
                report=report,
                gpu=gpu_of_task(),
            )
        if found.error is not None:
            yield Ended(FAILED, found.error)
            return
        tags = {
            f"split{number}_score": repr(score) for number, score in enumerate(_last_scores(found.reports))
        }
        if found.warned:
            tags["warnings"] = "\n".join(warned.message for warned in found.warned)[:5000]
        yield Ended(CANCELED if found.is_stopped else COMPLETED, tags=tags)


def _last_scores(reports: Sequence[Report]) -> Sequence[float]:
    return reports[-1].scores if reports else ()
