"""Spark's Python daemon, with the libraries of a search imported before it forks its workers.

Spark starts one daemon an executor, which forks a worker for each slot. With Spark's own each worker imports
scikit-learn, pandas and XGBoost for itself, some 100 MB a slot. What was imported before the fork lies in
memory once, whatever the number of slots, and a worker that Spark ended for idleness is soon replaced.

Spark runs it by ``spark.python.daemon.module=sparksweep.daemon`` where the executors' Python can
import this package when it starts. :func:`~sparksweep.session.create_session` sets it for a local master on
Linux.
"""

from __future__ import annotations

import gc

import xgboost  # noqa: F401 - for the workers
from pyspark import daemon
from sklearn import metrics, model_selection  # noqa: F401 - for the workers

import sparksweep.features
import sparksweep.search.engine  # noqa: F401 - for the workers

__all__ = ["main"]


def main() -> None:
    """Do as Spark's daemon does, until Spark ends it."""
    # The collector writes to each object that it looks at, but not to frozen ones: their pages stay shared.
    gc.collect()
    gc.freeze()
    daemon.manager()


if __name__ == "__main__":
    main()
