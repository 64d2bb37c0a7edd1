from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import joblib
import numpy as np
import pytest
import xgboost
from sklearn import model_selection

from sparksweep.report.run_folder import Predictions, Results, write_latest, write_run

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
Y = np.arange(60) % 3


class Memory:
    """A store that keeps what is written, in order."""

    def __init__(self):
        self.files = {}

    def write(self, name, content):
        self.files[name] = content.read_bytes() if isinstance(content, Path) else content


@pytest.fixture(scope="module")
def results():
    search = model_selection.GridSearchCV(
        xgboost.XGBClassifier(n_estimators=3, random_state=0),
        {"max_depth": [1, 2]},
        scoring="neg_log_loss",
        cv=2,
    ).fit(X, Y)
    search.fit_errors_ = {}
    return Results(
        search=search,
        metric="neg_log_loss",
        classes=("F23-", "F24-26", "M22-"),
        feature_names=("phone_brand:小米", 'app:"1",2', "hour:3"),
        scale={"train_devices": 60, "test_devices": 2, "features": 3},
        seconds={"search": 1.23456},
        predictions=Predictions(np.array([-(2**62), 7]), search.predict_proba(X[:2])),
    )


@pytest.fixture(scope="module")
def files(results):
    store = Memory()
    write_run(store, "a-run", results)
    return store.files


def rows(content):
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_best_json_is_last_and_says_it_all(files, results):
    assert list(files)[-1] == "best.json"
    best = json.loads(files["best.json"])
    assert best["run_id"] == "a-run"
    assert best["best_parameters"] == results.search.best_params_
    assert best["best_score"] == results.search.best_score_
    assert (best["candidates"], best["fits"], best["failed_fits"]) == (2, 4, 0)
    assert (best["train_devices"], best["test_devices"], best["features"]) == (60, 2, 3)
    assert best["classes"] == ["F23-", "F24-26", "M22-"]
    assert best["seconds"] == {"search": 1.235}
    assert best["versions"]["xgboost"] == xgboost.__version__


def test_sweeping_results_in_grid_order(files, results):
    first, *lines = files["sweeping_results.txt"].decode().splitlines()
    assert first == "metric =  neg_log_loss"
    cv_results = results.search.cv_results_
    assert lines == [
        f"mean: {mean:.5f}, std: {std:.5f}, params: {parameters}"
        for mean, std, parameters in zip(
            cv_results["mean_test_score"], cv_results["std_test_score"], cv_results["params"], strict=True
        )
    ]


def test_results_csv_is_ranked(files, results):
    table = rows(files["results.csv"])
    assert [row["rank"] for row in table] == ["1", "2"]
    assert float(table[0]["mean"]) == results.search.best_score_
    assert table[0]["max_depth"] == str(results.search.best_params_["max_depth"])


def test_models_predict_what_the_search_predicts(files, results, tmp_path):
    for name in ("model.joblib", "model.ubj"):
        (tmp_path / name).write_bytes(files[name])
    expected = results.search.predict_proba(X)
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict_proba(X), expected)
    booster = xgboost.Booster(model_file=tmp_path / "model.ubj")
    np.testing.assert_array_equal(booster.predict(xgboost.DMatrix(X)), expected)


def test_feature_names_keep_commas_quotes_and_chinese(files, results):
    table = rows(files["feature_names.csv"])
    assert [row["feature"] for row in table] == list(results.feature_names)
    assert [row["column"] for row in table] == ["0", "1", "2"]


def test_predictions_are_exact(files, results):
    table = rows(files["predictions.csv"])
    assert list(table[0]) == ["device_id", "F23-", "F24-26", "M22-"]
    assert [int(row["device_id"]) for row in table] == [-(2**62), 7]
    written = np.array([[row[name] for name in results.classes] for row in table]).astype(np.float32)
    np.testing.assert_array_equal(written, results.predictions.probabilities)


def test_latest_names_the_run():
    store = Memory()
    write_latest(store, "a-run")
    assert store.files == {"latest.txt": b"a-run\n"}
