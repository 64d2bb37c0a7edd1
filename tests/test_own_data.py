"""A sweep over a table or matrix of the user's own, from the file to the run's folder."""

from __future__ import annotations

import csv
import json

import joblib
import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier, XGBRegressor

from sparksweep.config import load_config
from sparksweep.history import History
from sparksweep.pipeline import run_job
from tests.conftest import ROOT, check_refusal

CONFIG = ROOT / "conf" / "own_table.yml"
GRID = {"n_estimators": [3, 5], "max_depth": [2]}


@pytest.fixture
def sweep(spark_session, tmp_path, capsys):
    """Run the job in this process and return exit code, the run's folder, standard output, standard error."""

    def run(path, *settings):
        words = [f"data.path={path}", f"output={tmp_path / 'runs'}", f"search.grid={GRID}", *settings]
        code = run_job("A sweep.", CONFIG, [part for word in words for part in ("--set", word)])
        latest = tmp_path / "runs" / "latest.txt"
        folder = latest.parent / latest.read_text().strip() if latest.exists() else None
        return code, folder, *capsys.readouterr()

    return run


def check(folder, X, y, estimator, metric):
    """Compare a run with scikit-learn's own search."""
    theirs = GridSearchCV(estimator, GRID, scoring=metric, cv=5).fit(X, y)
    with (folder / "results.csv").open(newline="") as file:
        rows = {int(row["n_estimators"]): row for row in csv.DictReader(file)}
    for candidate, parameters in enumerate(theirs.cv_results_["params"]):
        for fold in range(5):
            found = float(rows[parameters["n_estimators"]][f"fold{fold}"])
            assert found == theirs.cv_results_[f"split{fold}_test_score"][candidate]
    best = json.loads((folder / "best.json").read_text())
    assert (best["metric"], best["rows"], best["features"]) == (metric, *X.shape)
    model = joblib.load(folder / "model.joblib")
    np.testing.assert_array_equal(model.predict(X), theirs.predict(X))
    assert not (folder / "predictions.csv").exists()
    return best


def estimator(kind):
    return kind(**load_config(CONFIG).search.parameters, n_jobs=1)


def test_the_history_has_the_search(tmp_path, sweep):
    load_breast_cancer(as_frame=True).frame.to_csv(tmp_path / "table.csv", index=False)
    place = f"sqlite:///{tmp_path}/mlflow.db"
    code, folder, _, err = sweep(
        tmp_path / "table.csv", "data.label=target", "search.metric=roc_auc", f"history={place}"
    )
    assert code == 0, err
    with (folder / "results.csv").open(newline="") as file:
        rows = {int(row["n_estimators"]): row for row in csv.DictReader(file)}
    with History.open(place) as history:
        (run,) = history.runs("sweeps")
        assert (run.id, run.status) == (folder.name, "FINISHED")
        assert run.parameters["tree_method"] == "hist"
        assert history.files(run.id) == ["best.json", "results.csv", "sweeping_results.txt"]
        children = history.children(run.id)
        assert [int(child.parameters["n_estimators"]) for child in children] == GRID["n_estimators"]
        for child in children:
            row = rows[int(child.parameters["n_estimators"])]
            assert child.metrics["roc_auc"] == float(row["mean"])
            assert [value for _, value in history.metric(child.id, "roc_auc_fold")] == [
                float(row[f"fold{fold}"]) for fold in range(5)
            ]
        best = max(children, key=lambda child: child.metrics["roc_auc"])
        assert run.tags["best_run"] == best.id
        assert run.metrics["roc_auc"] == best.metrics["roc_auc"]


def test_a_table_with_classes(tmp_path, sweep):
    data = load_breast_cancer(as_frame=True)
    kind = data.target_names[data.target]
    path = tmp_path / "table.csv"
    data.data.assign(kind=kind, patient=range(len(kind))).to_csv(path, index=False)
    code, folder, out, err = sweep(path, "data.label=kind", "data.ignored=[patient]")
    assert code == 0, err
    assert "569 rows, 30 features, 17,070 values" in out
    X = data.data.to_numpy(dtype=np.float32)
    # The classes are sorted, as scikit-learn sorts them: benign is 0.
    best = check(folder, X, (kind == "malignant").astype(int), estimator(XGBClassifier), "neg_log_loss")
    assert best["classes"] == ["benign", "malignant"]
    with (folder / "feature_names.csv").open(newline="") as file:
        assert [row["feature"] for row in csv.DictReader(file)] == list(data.data.columns)


def test_a_sparse_matrix_with_numbered_classes(tmp_path, sweep):
    X, y = load_breast_cancer(return_X_y=True)
    X = sparse.csr_matrix(np.where(np.median(X, axis=0) > X, 0, X).astype(np.float32))
    path = tmp_path / "matrix.npz"
    parts = {name: getattr(X, name) for name in ("data", "indices", "indptr", "shape")}
    np.savez(path, **parts, format=b"csr", y=y)
    code, folder, _, err = sweep(path, "data.label=null", "search.metric=roc_auc")
    assert code == 0, err
    best = check(folder, X, y, estimator(XGBClassifier), "roc_auc")
    assert best["classes"] == ["0", "1"]
    assert best["values"] == X.nnz


def test_a_regression(tmp_path, sweep):
    data = load_diabetes(as_frame=True)
    path = tmp_path / "table.parquet"
    data.frame.to_parquet(path)
    code, folder, _, err = sweep(path, "data.label=target", "data.task=regression")
    assert code == 0, err
    X = data.data.to_numpy(dtype=np.float32)
    best = check(folder, X, data.target, estimator(XGBRegressor), "neg_root_mean_squared_error")
    assert best["classes"] == []


MISTAKES = {
    "both sources": (["input=data"], ["input", "data"]),
    "a class of one row": (["data.label=rare"], ["table.csv", "'rare'", "1 rows", "search.folds=5"]),
    "one class": (["data.label=same"], ["table.csv", "'same'", "nothing to learn"]),
    "fractions as classes": (["data.label=target"], ["table.csv", "data.task: regression"]),
    "texts as numbers": (["data.label=same", "data.task=regression"], ["table.csv", "not all numbers"]),
    "a metric for classes": (
        ["data.label=target", "data.task=regression", "search.metric=neg_log_loss"],
        ["search.metric=neg_log_loss", "a regression"],
    ),
    "an unknown key": (["data.labels=target"], ["labels", "did you mean 'label'"]),
}


@pytest.mark.filterwarnings("ignore")  # scikit-learn's, of scores that cannot be had
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence(tmp_path, sweep, mistake):
    settings, words = MISTAKES[mistake]
    table = load_diabetes(as_frame=True).frame.assign(same="same", target=lambda table: table["target"] + 0.5)
    table["rare"] = ["rare", *["often"] * (len(table) - 1)]
    path = tmp_path / "table.csv"
    table.to_csv(path, index=False)
    ignored = [name for name in ("same", "rare", "target") if f"data.label={name}" not in settings]
    code, folder, _, err = sweep(path, f"data.ignored={ignored}", *settings)
    check_refusal(code, err, words)
    assert folder is None
    assert not list((tmp_path / "runs").glob("*"))


def test_labels_that_are_missing_in_a_matrix(tmp_path, sweep):
    np.savez(tmp_path / "matrix.npz", X=np.eye(9), y=np.array([0.0, 1, np.nan] * 3))
    code, _, _, err = sweep(tmp_path / "matrix.npz", "data.label=null")
    assert code == 2
    assert "some labels are missing" in err


def test_neither_source_is_named(tmp_path, capsys):
    path = tmp_path / "job.yml"
    path.write_text("search:\n  grid: {max_depth: [3]}\n")
    assert run_job("A sweep.", path, []) == 2
    assert "give one of input" in capsys.readouterr().err
