"""Tables and matrices of the user's own, as pandas, SciPy and scikit-learn write them."""

from __future__ import annotations

import bz2
import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import dump_svmlight_file, load_iris

from sparksweep.data import read_examples
from sparksweep.errors import DataError, StorageError
from sparksweep.storage import HadoopStore, open_store, opening
from tests.blob_server import new_container

IRIS = load_iris(as_frame=True)
TABLE = IRIS.frame.assign(kind=IRIS.target_names[IRIS.target]).drop(columns="target")
X = IRIS.data.to_numpy(dtype=np.float32)
NAMES = tuple(IRIS.data.columns)


def check(examples, labels, names=NAMES):
    found = examples.X.toarray() if sparse.issparse(examples.X) else examples.X
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X)
    np.testing.assert_array_equal(examples.labels, labels)
    assert examples.feature_names == names


CSV = TABLE.to_csv(index=False).encode()
COMPRESSED = {
    ".csv": CSV,
    ".csv.gz": gzip.compress(CSV),
    ".csv.bz2": bz2.compress(CSV),
}


@pytest.mark.parametrize("suffix", [*COMPRESSED, ".csv.zip", ".CSV"])
def test_csv(tmp_path, suffix):
    path = tmp_path / f"iris{suffix}"
    if suffix == ".csv.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("iris.csv", CSV)
    else:
        path.write_bytes(COMPRESSED[suffix.lower()])
    check(read_examples(str(path), label="kind"), TABLE["kind"])


def test_a_byte_order_mark_and_line_ends_of_windows(tmp_path):
    path = tmp_path / "iris.csv"
    path.write_bytes(b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n"))
    check(read_examples(str(path), label="kind"), TABLE["kind"])


def test_parquet(tmp_path):
    TABLE.to_parquet(tmp_path / "iris.parquet")
    check(read_examples(str(tmp_path / "iris.parquet"), label="kind"), TABLE["kind"])


def test_a_folder_that_spark_wrote_keeps_its_order(tmp_path, spark_session):
    folder = tmp_path / "iris"
    spark_session.createDataFrame(TABLE).repartition(1).sortWithinPartitions("kind").coalesce(
        1
    ).write.parquet(str(folder))
    TABLE.iloc[:0].to_parquet(folder / "zzz.parquet")
    examples = read_examples(str(folder), label="kind")
    assert len(examples.X) == len(X)
    assert examples.labels.tolist() == sorted(TABLE["kind"])


def test_columns_are_chosen_and_ignored(tmp_path):
    path = tmp_path / "iris.csv"
    TABLE.assign(id=range(len(TABLE)), note="x").to_csv(path, index=False)
    check(read_examples(str(path), label="kind", ignored=["id", "note"]), TABLE["kind"])
    chosen = read_examples(str(path), label="kind", features=[NAMES[2], NAMES[0]])
    np.testing.assert_array_equal(chosen.X, X[:, [2, 0]])
    assert chosen.feature_names == (NAMES[2], NAMES[0])


def test_what_is_missing_stays_missing_and_truth_is_a_number(tmp_path):
    path = tmp_path / "t.parquet"
    table = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], dtype="Int64"),
            "true": [True, False, True],
            "half": [0.5, np.nan, 1.5],
            "y": [0, 1, 0],
        }
    )
    table.to_parquet(path)
    examples = read_examples(str(path), label="y")
    np.testing.assert_array_equal(
        examples.X, np.array([[1, 1, 0.5], [np.nan, 0, np.nan], [3, 1, 1.5]], dtype=np.float32)
    )


@pytest.mark.parametrize("name", ["y", "kind"])
def test_a_sparse_matrix_as_scipy_writes_it(tmp_path, name):
    path = tmp_path / "iris.npz"
    sparse.save_npz(path, sparse.csr_matrix(X))
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez_compressed(path, **content, **{name: TABLE["kind"].to_numpy(dtype=str)})
    examples = read_examples(str(path), label=None if name == "y" else name)
    assert sparse.issparse(examples.X)
    check(examples, TABLE["kind"], ("f0", "f1", "f2", "f3"))


def test_a_dense_matrix_with_names(tmp_path):
    path = tmp_path / "iris.npz"
    np.savez(path, X=X.astype(float), y=IRIS.target, feature_names=np.array(NAMES))
    check(read_examples(str(path)), IRIS.target)


@pytest.mark.parametrize("suffix", [".svm", ".svmlight", ".libsvm", ".svm.gz", ".libsvm.bz2"])
def test_svmlight(tmp_path, suffix):
    path = tmp_path / "iris.svm"
    dump_svmlight_file(X, IRIS.target, str(path))
    named = tmp_path / f"named{suffix}"
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(named.suffix, bytes)
    named.write_bytes(pack(path.read_bytes()))
    check(read_examples(str(named)), IRIS.target, ("f0", "f1", "f2", "f3"))


def test_a_table_in_a_container(blob_server, tmp_path, monkeypatch):
    for name, value in blob_server.environ().items():
        monkeypatch.setenv(name, value)
    store = open_store(f"az://{new_container()}/tables")
    store.create_container()
    store.write("iris.csv", CSV)
    check(read_examples(f"{store.uri}/iris.csv", label="kind", cache=str(tmp_path)), TABLE["kind"])


@pytest.mark.parametrize(
    "name", ["iris.csv", "iris.csv.gz", "iris.parquet", "folder", "iris.npz", "iris.svm.gz"]
)
def test_what_hadoop_reads(tmp_path, spark_session, monkeypatch, name):
    (tmp_path / "iris.csv").write_bytes(CSV)
    (tmp_path / "iris.csv.gz").write_bytes(gzip.compress(CSV))
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "iris.parquet", tmp_path / "folder" / "part-0.parquet"):
        TABLE.to_parquet(path)
    np.savez(
        tmp_path / "iris.npz", X=X, kind=TABLE["kind"].to_numpy(dtype=str), feature_names=np.array(NAMES)
    )
    with gzip.open(tmp_path / "iris.svm.gz", "wb") as file:
        dump_svmlight_file(X, IRIS.target, file)
    # As for abfss:// and hdfs://, without a cluster.
    monkeypatch.setattr(opening, "open_store", lambda uri, spark: HadoopStore(f"file://{uri}", spark))
    is_svmlight = ".svm" in name
    found = read_examples(
        str(tmp_path / name), label=None if is_svmlight else "kind", spark=spark_session, cache=str(tmp_path)
    )
    numbered = ("f0", "f1", "f2", "f3")
    check(found, IRIS.target if is_svmlight else TABLE["kind"], numbered if is_svmlight else NAMES)


def spoiled(column, row, value):
    table = TABLE.astype({column: object})
    table.loc[row, column] = value
    return table


MISTAKES = {
    "no such file": (None, "none.csv", {"label": "kind"}, StorageError, ["none.csv", "no such file"]),
    "no such column": (TABLE, "t.csv", {"label": "kin"}, DataError, ["no column 'kin'", "'kind'"]),
    "no label named": (TABLE, "t.csv", {}, DataError, ["data.label", "kind"]),
    "a text": (
        spoiled(NAMES[0], 6, "wide"),
        "t.csv",
        {"label": "kind"},
        DataError,
        [NAMES[0], "row 7", "'wide'"],
    ),
    "an empty label": (spoiled("kind", 3, None), "t.csv", {"label": "kind"}, DataError, ["1 rows", "row 4"]),
    "no rows": (TABLE.iloc[:0], "t.csv", {"label": "kind"}, DataError, ["no row"]),
    "an empty file": (b"", "t.csv", {"label": "kind"}, DataError, ["t.csv", "No columns"]),
    "too many fields": (b"a,b\n1,2\n1,2,3\n", "t.csv", {"label": "a"}, DataError, ["line 3"]),
    "no Parquet": (CSV, "t.parquet", {"label": "kind"}, DataError, ["t.parquet", "cannot be read"]),
    "no zip": (CSV, "t.csv.zip", {"label": "kind"}, DataError, ["t.csv.zip", "cannot be read"]),
    "a torn zip": (
        gzip.compress(CSV)[:-99],
        "t.csv.gz",
        {"label": "kind"},
        DataError,
        ["t.csv.gz", "cannot be"],
    ),
    "no svmlight": (CSV, "t.svm", {}, DataError, ["t.svm", "cannot be read"]),
    "no npz": (CSV, "t.npz", {}, DataError, ["t.npz", "cannot be read"]),
    "a label of svmlight": (b"1 1:2\n", "t.svm", {"label": "y"}, DataError, ["data.label"]),
    "features of svmlight": (b"1 1:2\n", "t.svm", {"features": ["y"]}, DataError, ["data.features"]),
    "another ending": (CSV, "t.txt", {"label": "kind"}, DataError, ["t.txt", ".parquet", ".csv"]),
    "the label as a feature": (
        TABLE,
        "t.csv",
        {"label": "kind", "features": [NAMES[0], "kind"]},
        DataError,
        ["'kind' must not be one"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence(tmp_path, mistake):
    content, name, how, kind, words = MISTAKES[mistake]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content.to_csv(path, index=False)
    with pytest.raises(kind) as caught:
        read_examples(str(path), **how)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


MATRICES = {
    "no labels": ({"X": X}, ["no array 'y'", "X"]),
    "no matrix": ({"y": X[:, 0], "data": X}, ["neither a CSR matrix"]),
    "labels of other rows": ({"X": X, "y": X[:3, 0]}, ["(150, 4)", "(3,)"]),
    "names of other columns": (
        {"X": X, "y": X[:, 0], "feature_names": np.array(["a"])},
        ["1 feature_names", "4"],
    ),
    "objects": ({"X": X, "y": np.array([{}] * len(X))}, ["allow_pickle"]),
    "indices out of range": (
        {"data": [1.0], "indices": [9], "indptr": [0, 1], "shape": [1, 2], "format": b"csr", "y": [1]},
        ["cannot be read"],
    ),
    "columns first": (
        {"data": [1.0], "indices": [0], "indptr": [0, 1], "shape": [1, 1], "format": b"csc", "y": [1]},
        ["neither a CSR matrix"],
    ),
}


@pytest.mark.parametrize("mistake", MATRICES)
def test_a_matrix_that_is_none_is_one_sentence(tmp_path, mistake):
    arrays, words = MATRICES[mistake]
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read_examples(str(tmp_path / "t.npz"))
    for word in words:
        assert word in str(caught.value)
