from __future__ import annotations

import numpy as np
import pytest

from sparksweep.report.table import results_table, screen_table


@pytest.fixture
def cv_results():
    """Three candidates on two folds, written by hand; the last one failed on its second fold."""
    return {
        "mean_fit_time": np.array([1.0, 2.0, 0.5]),
        "mean_score_time": np.array([0.1, 0.2, 0.0]),
        "param_eta": np.ma.masked_array([0.1, 0.1, 0.1], dtype=object),
        "param_max_depth": np.ma.masked_array([3, 4, 99], mask=[False, False, True], dtype=object),
        "params": [{"max_depth": 3}, {"max_depth": 4}, {}],
        "split0_test_score": np.array([-2.5, -2.0, -3.0]),
        "split1_test_score": np.array([-2.5, -2.2, np.nan]),
        "mean_test_score": np.array([-2.5, -2.1, np.nan]),
        "std_test_score": np.array([0.0, 0.1, np.nan]),
        "rank_test_score": np.array([2, 1, 3], dtype=np.int32),
    }


ERRORS = {(2, 1): "Traceback (most recent call last):\n  ...\nValueError: no good\n"}


def test_best_first_with_every_column(cv_results):
    table = results_table(cv_results, 2, ERRORS)
    assert list(table.columns) == [
        *(
            "rank",
            "mean",
            "std",
            "fold0",
            "fold1",
            "fit_seconds",
            "score_seconds",
            "eta",
            "max_depth",
            "status",
        )
    ]
    assert table["rank"].tolist() == [1, 2, 3]
    assert table["mean"].tolist()[:2] == [-2.1, -2.5]
    assert table["fit_seconds"].tolist() == [2.0, 1.0, 0.5]
    assert table["max_depth"].tolist()[:2] == [4, 3]
    assert table["max_depth"].isna().tolist() == [False, False, True]
    assert table["status"].tolist() == ["ok", "ok", "1 of 2 folds failed: ValueError: no good"]


def test_screen_shows_what_tells_candidates_apart(cv_results):
    lines = screen_table(results_table(cv_results, 2, {})).splitlines()
    assert lines[0].split() == ["rank", "mean", "std", "fit_seconds", "max_depth"]
    assert lines[1].split()[:4] == ["1", "-2.10000", "0.10000", "2.00"]
    assert len(lines) == 4


def test_screen_names_failures_and_what_it_leaves_out(cv_results):
    table = results_table(cv_results, 2, ERRORS)
    assert "ValueError: no good" in screen_table(table)
    assert screen_table(table, rows=1).splitlines()[-1] == "... and 2 more in results.csv"
