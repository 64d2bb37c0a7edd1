"""What the jobs tell the run history."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from sparksweep.history import History
from sparksweep.report.run_folder import Results
from sparksweep.storage import Store

__all__ = ["open_history", "record_search"]

# Under this name MLflow has the searches.
_EXPERIMENT = "sweeps"

# What MLflow's page shows of a search's folder. Model and predictions stay where they are.
_SHOWN = ("best.json", "results.csv", "sweeping_results.txt")


def open_history(setting: bool | str) -> AbstractContextManager[History | None]:
    """Open what the key ``history`` of a configuration asks for; None where it asks for none.

    Raises
    ------
    SetupError, ConfigError
        If MLflow is missing, or cannot keep a history there.
    """
    if setting is False:
        return nullcontext()
    return History.open(None if setting is True else setting)


def record_search(
    history: History, run_id: str, results: Results, folder: Store, asked: Mapping[str, Any]
) -> None:
    """Put a search into the history: a run, and under it one a candidate with its scores.

    Parameters
    ----------
    run_id : str
    results : Results
    folder : Store
        The run's folder, whose tables are shown.
    asked : mapping
        What all candidates share.
    """
    search = results.search
    found, best = search.cv_results_, int(search.best_index_)
    history.start(run_id, experiment=_EXPERIMENT, parameters=dict(asked), tags={"folder": folder.uri})
    for candidate, parameters in enumerate(found["params"]):
        child = f"{run_id}_{candidate}"
        history.start(child, experiment=_EXPERIMENT, parent=run_id, parameters=parameters)
        history.log(child, results.metric, float(found["mean_test_score"][candidate]), 0)
        history.log(child, f"{results.metric}_std", float(found["std_test_score"][candidate]), 0)
        for fold in range(search.n_splits_):
            history.log(
                child, f"{results.metric}_fold", float(found[f"split{fold}_test_score"][candidate]), fold
            )
        history.end(child, "FINISHED")
    history.log(run_id, results.metric, float(search.best_score_), 0)
    history.tag(run_id, {"best_run": f"{run_id}_{best}"})
    with tempfile.TemporaryDirectory() as place:
        for name in _SHOWN:
            Path(place, name).write_bytes(folder.read(name))
        history.add_files(run_id, Path(place))
        history.end(run_id, "FINISHED")
        history.flush(60.0)
