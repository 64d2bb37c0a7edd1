"""The benchmark compares like with like: DuckDB gives the same matrices."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest

from sparksweep.features import FAMILIES
from tests.bench.duckdb_features import COLUMNS, duckdb_features
from tests.bench.pandas_features import pandas_features
from tests.data.competition import write_competition
from tests.features.oracle import Rows, columns_by_hand, features_by_hand, random_tables

FORMATS = ["csv", "parquet", "parquet_folders"]


def _write(folder: Path, rows: Rows, file_format: str) -> Path:
    write_competition(folder, **rows)
    if file_format == "csv":
        return folder
    for table in COLUMNS:
        source = f"read_csv('{folder / table}.csv', header = true, delim = ',', quote = '\"', escape = '\"')"
        target = folder / f"{table}.parquet"
        if file_format == "parquet":
            duckdb.execute(f"COPY (FROM {source}) TO '{target}'")
        else:
            target.mkdir()
            for part, rows_of_part in enumerate(("LIMIT 9", "OFFSET 9")):
                duckdb.execute(f"COPY (FROM {source} {rows_of_part}) TO '{target}/part-{part}.parquet'")
        (folder / f"{table}.csv").unlink()
    return folder


def _without_gaps(rows: Rows) -> Rows:
    """Drop what pandas cannot have: an event without a time, and rows without an id."""
    ids = {"app_events": (0, 1), "app_labels": (0, 1), "events": (0, 1, 2)}
    return {
        table: [row for row in of_table if all(row[column] != "" for column in ids.get(table, ()))]
        for table, of_table in rows.items()
    }


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("value", ["fraction", "indicator"])
@pytest.mark.parametrize("seed", [0, 1])
def test_duckdb_gives_the_matrices_of_pandas(tmp_path: Path, seed: int, value: str, file_format: str) -> None:
    rows = _without_gaps(random_tables(seed))
    theirs = pandas_features(write_competition(tmp_path / "pandas", **rows), value)

    ours = duckdb_features(_write(tmp_path / "duckdb", rows, file_format), value)

    assert ours[2] == theirs[2]
    for our_X, their_X in zip(ours[:2], theirs[:2], strict=True):
        assert our_X.shape == their_X.shape
        for part in ("indptr", "indices", "data"):
            ours_of_it, theirs_of_it = getattr(our_X, part), getattr(their_X, part)
            assert ours_of_it.dtype == theirs_of_it.dtype
            np.testing.assert_array_equal(ours_of_it, theirs_of_it)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("value", ["fraction", "indicator"])
@pytest.mark.parametrize("seed", [0, 1])
def test_duckdb_gives_what_plain_python_computes(
    tmp_path: Path, seed: int, value: str, file_format: str
) -> None:
    rows = random_tables(seed)
    features = features_by_hand(rows, dict.fromkeys(FAMILIES, value))
    names = columns_by_hand(features)

    X_train, X_test, our_names = duckdb_features(_write(tmp_path, rows, file_format), value)

    assert our_names == tuple(names)
    for X, part in ((X_train, "train"), (X_test, "test")):
        devices = dict.fromkeys(row[0] for row in rows[f"gender_age_{part}"])
        by_hand = [[features.get((device, name), 0) for name in names] for device in devices]
        np.testing.assert_array_equal(X.toarray(), np.array(by_hand, np.float32))
