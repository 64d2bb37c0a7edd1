"""A matrix or table of the user's own -> X, labels and the names of the columns.

Everything is read on the driver, in the order of the file, since folds depend on that order and the search
holds X there anyway.
"""

from __future__ import annotations

import bz2
import difflib
import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.sql import SparkSession
from scipy.sparse import csr_matrix
from sklearn.datasets import load_svmlight_file

from sparksweep.errors import DataError, StorageError
from sparksweep.storage import BlobStore, LocalStore, Store, fetch, open_file

__all__ = ["Examples", "read_examples"]

_COMPRESSED = (".gz", ".bz2", ".zip")
# What libraries raise for a file that is torn or something else. Those of pandas and Arrow are ValueErrors.
_UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Examples:
    """What a search learns from.

    Attributes
    ----------
    X : csr_matrix or array of float32
        Shape (n_samples, n_features).
    labels : array
        Shape (n_samples,): numbers or texts, as they stand in the file.
    feature_names : tuple of str
    """

    X: csr_matrix | npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    feature_names: tuple[str, ...]


def read_examples(
    uri: str,
    *,
    label: str | None = None,
    features: Sequence[str] | None = None,
    ignored: Sequence[str] = (),
    spark: SparkSession | None = None,
    cache: str = ".cache/sparksweep",
) -> Examples:
    """Read a file that holds features and labels. What it is, its name says.

    * ``.parquet``, or a folder of such files: a table.
    * ``.csv``, also with ``.gz``, ``.bz2`` or ``.zip``: a table with a header.
    * ``.npz``: a CSR matrix as SciPy writes it, or a dense array ``X``, with the labels beside it.
    * ``.svm``, ``.svmlight``, ``.libsvm``, also with ``.gz`` or ``.bz2``: the svmlight format.

    Parameters
    ----------
    uri : str
        A path, ``az://``, ``https://`` of a blob, or a URI that Spark's Hadoop reads.
    label : str, optional
        The column of the labels; of an ``.npz`` the name of their array, by default ``y``.
    features : sequence of str, optional
        The columns of a table that are features; by default all others.
    ignored : sequence of str
        Columns of a table that are not.
    spark : SparkSession, optional
        Needed for URIs of Hadoop.
    cache : str
        A folder of this machine for blobs.

    Raises
    ------
    StorageError
        If there is no such file, or if it cannot be read.
    DataError
        If it is not what its name says, or if a column is missing, is no number, or has no labels.
    """
    store, names = _files(uri, spark)
    ending = _ending(names[0], uri)
    if ending in _MATRICES and (features is not None or ignored):
        raise DataError(f"{uri} is no table: leave data.features and data.ignored out")
    if isinstance(store, BlobStore):
        store = fetch(store, names, f"{cache}/blobs")
    try:
        if ending in _MATRICES:
            return _MATRICES[ending](_source(store, names[0]), uri, label)
        table = pd.concat([_TABLES[ending](_source(store, name), name) for name in names], ignore_index=True)
    except _UNREADABLE as error:
        raise DataError(f"{uri} cannot be read: {' '.join(str(error).split())}") from None
    return _from_table(table, uri, label, features, ignored)


def _files(uri: str, spark: SparkSession | None) -> tuple[Store, list[str]]:
    """Return the folder of a file, or of the Parquet files of a folder, and their names."""
    store, name = open_file(uri, spark=spark)
    if store.exists(name):
        return store, [name]
    folder = store.child(name)
    names = [file.name for file in folder.list() if file.name.endswith(".parquet")]
    if not names:
        raise StorageError(f"{uri}: there is no such file, and no folder of that name with .parquet files")
    return folder, names


def _ending(name: str, uri: str) -> str:
    """Return what a file's name ends with, but for how it is compressed."""
    endings = [ending for ending in Path(name.lower()).suffixes if ending not in _COMPRESSED]
    known = [*_TABLES, *_MATRICES]
    if not endings or endings[-1] not in known:
        raise DataError(f"{uri}: what it holds is told by its name, which must end with {', '.join(known)}")
    return endings[-1]


def _source(store: Store, name: str) -> Path | io.BytesIO:
    return store.path(name) if isinstance(store, LocalStore) else io.BytesIO(store.read(name))


def _read_parquet(source: Path | io.BytesIO, _: str) -> pd.DataFrame:
    return pd.read_parquet(source)


def _read_csv(source: Path | io.BytesIO, name: str) -> pd.DataFrame:
    compression: Any = {".gz": "gzip", ".bz2": "bz2", ".zip": "zip"}.get(Path(name).suffix.lower())
    return pd.read_csv(source, compression=compression, encoding="utf-8-sig", low_memory=False)


def _read_npz(source: Path | io.BytesIO, uri: str, label: str | None) -> Examples:
    label = label or "y"
    with np.load(source, allow_pickle=False) as arrays:
        if label not in arrays:
            raise DataError(
                f"{uri} has no array {label!r} with the labels, only {', '.join(arrays)}: save one beside "
                "the matrix, or name it by data.label"
            )
        if "X" in arrays:
            X: Any = np.ascontiguousarray(arrays["X"], dtype=np.float32)
        elif {"data", "indices", "indptr", "shape"} <= set(arrays) and _text(arrays) == "csr":
            parts = arrays["data"].astype(np.float32), arrays["indices"], arrays["indptr"]
            X = csr_matrix(parts, shape=tuple(arrays["shape"]))
            X.check_format(full_check=True)
            X.sort_indices()
        else:
            raise DataError(
                f"{uri} holds neither a CSR matrix (data, indices, indptr and shape, as "
                "scipy.sparse.save_npz writes it) nor an array X"
            )
        labels = arrays[label]
        named = arrays.get("feature_names")
    if X.ndim != 2 or labels.shape != X.shape[:1]:
        raise DataError(f"{uri}: X has the shape {X.shape} and {label} {labels.shape}: give each row a label")
    if named is not None and named.shape != X.shape[1:]:
        raise DataError(f"{uri}: there are {len(named)} feature_names for {X.shape[1]} columns")
    return Examples(X, labels, _numbered(X) if named is None else tuple(map(str, named)))


def _text(arrays: Any) -> str:
    """Return the format of a sparse matrix, which SciPy writes as bytes."""
    written = arrays["format"].item() if "format" in arrays else b"csr"
    return written.decode() if isinstance(written, bytes) else str(written)


def _read_svmlight(source: Path | io.BytesIO, uri: str, label: str | None) -> Examples:
    if label is not None:
        raise DataError(
            f"{uri}: the labels of an svmlight file stand first in each line: leave data.label out"
        )
    with _opened(source, uri) as file:
        X, labels = load_svmlight_file(file, dtype=np.float32)
    return Examples(X, labels, _numbered(X))


def _opened(source: Path | io.BytesIO, name: str) -> AbstractContextManager[IO[bytes]]:
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.open(source))
    if name.endswith(".bz2"):
        return bz2.open(source)
    return source.open("rb") if isinstance(source, Path) else source


_TABLES: dict[str, Callable[[Path | io.BytesIO, str], pd.DataFrame]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
}
_MATRICES: dict[str, Callable[[Path | io.BytesIO, str, str | None], Examples]] = {
    ".npz": _read_npz,
    ".svm": _read_svmlight,
    ".svmlight": _read_svmlight,
    ".libsvm": _read_svmlight,
}


def _numbered(X: Any) -> tuple[str, ...]:
    return tuple(f"f{column}" for column in range(X.shape[1]))


def _from_table(
    table: pd.DataFrame, uri: str, label: str | None, features: Sequence[str] | None, ignored: Sequence[str]
) -> Examples:
    columns = list(map(str, table.columns))
    table.columns = pd.Index(columns)
    if label is None:
        raise DataError(f"{uri}: which column holds the labels? Name it by data.label: {_some(columns)}")
    for name in (label, *(features or ()), *ignored):
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {_some(columns)}"
            raise DataError(f"{uri} has no column {name!r}; {hint}")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise DataError(f"{uri} has two columns {twice!r}: rename one")
    chosen = [name for name in columns if name != label] if features is None else list(features)
    chosen = [name for name in chosen if name not in ignored]
    if not chosen or label in chosen:
        raise DataError(f"{uri}: there must be features, and the label {label!r} must not be one")
    if len(table) == 0:
        raise DataError(f"{uri} has a header but no row: it must hold at least one")
    labels = table[label]
    empty = labels.isna().to_numpy()
    if empty.any():
        raise DataError(
            f"{uri}: {empty.sum()} rows have no label in {label!r}, the first is row {empty.argmax() + 1}: "
            "leave them out"
        )
    for name in chosen:
        _check_number(table[name], uri)
    X = table[chosen].to_numpy(dtype=np.float32, na_value=np.nan)
    return Examples(np.ascontiguousarray(X), labels.to_numpy(), tuple(chosen))


def _check_number(column: pd.Series[Any], uri: str) -> None:
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        return
    numbers = (
        pd.to_numeric(column, errors="coerce") if column.dtype == object else column.map(lambda _: np.nan)
    )
    wrong = numbers.isna() & column.notna()
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"{uri}: the column {column.name!r} is not numbers, row {row + 1} has {column.iloc[row]!r}: "
            "encode it as numbers, or name it under data.ignored"
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
