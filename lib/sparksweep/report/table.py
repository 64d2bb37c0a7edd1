"""The results table: a row a candidate, best first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["results_table", "screen_table"]

#: The columns that stand first in both tables.
_MEASURES = ["rank", "mean", "std"]


def results_table(
    cv_results: Mapping[str, Any], n_splits: int, fit_errors: Mapping[tuple[int, int], str]
) -> pd.DataFrame:
    """Return the ranked results of a search with one metric.

    Parameters
    ----------
    cv_results, n_splits, fit_errors
        ``cv_results_``, ``n_splits_`` and ``fit_errors_`` of a search.

    Returns
    -------
    DataFrame
        Columns ``rank`` (1 is best, equal means share one), ``mean``, ``std``, ``fold0`` ...,
        ``fit_seconds`` and ``score_seconds`` (means over the folds), one a parameter, and ``status``:
        "ok", or which folds failed and the first one's error. Ties stay in grid order.
    """
    columns: dict[str, Any] = {
        "rank": cv_results["rank_test_score"],
        "mean": cv_results["mean_test_score"],
        "std": cv_results["std_test_score"],
    }
    for fold in range(n_splits):
        columns[f"fold{fold}"] = cv_results[f"split{fold}_test_score"]
    columns["fit_seconds"] = cv_results["mean_fit_time"]
    columns["score_seconds"] = cv_results["mean_score_time"]
    for key in cv_results:
        if key.startswith("param_"):
            columns[key.removeprefix("param_")] = cv_results[key].tolist()
    table = pd.DataFrame(columns)
    table["status"] = [_status(candidate, n_splits, fit_errors) for candidate in range(len(table))]
    ranked: pd.DataFrame = table.sort_values("rank", kind="stable", ignore_index=True)
    return ranked


def screen_table(table: pd.DataFrame, rows: int = 20) -> str:
    """Return the first rows of a results table as text, with the columns that tell candidates apart."""
    names = list(table.columns)
    parameters = names[names.index("score_seconds") + 1 : -1]
    varied = [name for name in parameters if table[name].astype(str).nunique() > 1]
    status = [] if (table["status"] == "ok").all() else ["status"]
    shown = table.loc[: rows - 1, [*_MEASURES, "fit_seconds", *varied, *status]]
    formats = {"mean": "{:.5f}".format, "std": "{:.5f}".format, "fit_seconds": "{:.2f}".format}
    text = shown.to_string(index=False, formatters=formats)
    hidden = len(table) - len(shown)
    return text if hidden == 0 else f"{text}\n... and {hidden} more in results.csv"


def _status(candidate: int, n_splits: int, fit_errors: Mapping[tuple[int, int], str]) -> str:
    failed = [fold for fold in range(n_splits) if (candidate, fold) in fit_errors]
    if not failed:
        return "ok"
    error = fit_errors[candidate, failed[0]].strip().splitlines()[-1]
    return f"{len(failed)} of {n_splits} folds failed: {error}"
