"""Scoring new devices with a run's model, and what the sweep itself said of them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import xgboost

from sparksweep.data.synthetic import write_dataset
from sparksweep.pipeline import run_hyperdrive, run_job, run_score
from tests.conftest import ROOT, check_refusal

SCORE, SWEEP = ROOT / "conf" / "score.yml", ROOT / "conf" / "sweep.yml"


@pytest.fixture(scope="module")
def swept(spark_session, tmp_path_factory):
    """A dataset and the folder of the runs of a sweep over it."""
    folder = tmp_path_factory.mktemp("swept")
    write_dataset(folder / "input", scale=0.01, seed=0)
    settings = [
        *(
            "synthetic=null",
            f"input={folder / 'input'}",
            f"output={folder / 'runs'}",
            f"cache={folder / 'cache'}",
        ),
        *("search.folds=2", "search.grid={n_estimators: [3], max_depth: [3]}", "features.app=indicator"),
    ]
    assert run_job("A sweep.", SWEEP, [word for setting in settings for word in ("--set", setting)]) == 0
    return folder


@pytest.fixture
def score(spark_session, swept, tmp_path, capsys):
    def run(run=None, devices=None, *settings):
        places = ["--run", str(run or swept / "runs"), "--devices", str(devices or swept / "input")]
        words = [word for setting in settings for word in ("--set", setting)]
        code = run_score(
            "Score.",
            SCORE,
            [*places, "--output", str(tmp_path / "new" / "scores.csv"), "--set", f"cache={tmp_path}", *words],
        )
        out, err = capsys.readouterr()
        return code, tmp_path / "new" / "scores.csv", out, err

    return run


def newest(swept):
    return swept / "runs" / (swept / "runs" / "latest.txt").read_text().strip()


def test_the_sweeps_devices_get_what_the_sweep_said_of_them(swept, score):
    code, path, out, err = score()
    assert code == 0, err
    assert path.read_bytes() == (newest(swept) / "predictions.csv").read_bytes()
    rows = len(path.read_text().splitlines()) - 1
    assert f"{rows:,} devices, 0 features that the run does not know" in out
    assert score(run=newest(swept))[1].read_bytes() == path.read_bytes()


def test_a_hyperdrive_sweeps_model_too(swept, score, tmp_path, capsys):
    settings = [
        *("synthetic: null", f"input: {swept / 'input'}", f"cache: {swept / 'cache'}", "history: false"),
        "search: {metric: neg_log_loss, folds: 2, grid: {n_estimators: [1]}}",
        "features: {app: indicator, label: indicator, category: false, word: false}",
    ]
    (tmp_path / "job.yml").write_text("\n".join(settings))
    (tmp_path / "sweep.yml").write_text(
        f"""
type: sweep
trial: {{estimator: job.yml, interval: 2}}
search_space:
  n_estimators: {{type: choice, values: [4]}}
  max_depth: {{type: choice, values: [2, 3]}}
objective: {{primary_metric: loss, goal: maximize}}
history: false
output: {tmp_path / "runs"}
"""
    )
    assert run_hyperdrive("A sweep.", tmp_path / "sweep.yml", []) == 0, capsys.readouterr().err
    code, path, _, err = score(run=tmp_path / "runs")
    assert code == 0, err
    run = tmp_path / "runs" / (tmp_path / "runs" / "latest.txt").read_text().strip()
    assert path.read_bytes() == (run / "predictions.csv").read_bytes()
    assert len(path.read_bytes().splitlines()) > 100
    best = json.loads((run / "best.json").read_text())
    assert best["families"]["app"] == best["families"]["label"] == "indicator"
    assert "word" not in best["families"]


def test_other_devices_need_no_training_file_and_may_have_new_features(swept, score, tmp_path):
    """An oracle without Spark: the probabilities of a device do not depend on who stands beside it."""
    devices = shutil.copytree(swept / "input", tmp_path / "devices")
    (devices / "gender_age_train.csv").unlink()
    ids = (devices / "gender_age_test.csv").read_text().splitlines()
    chosen = [*ids[40:60], ids[3], "-77"]  # -77 is in no other file
    (devices / "gender_age_test.csv").write_text("\n".join([ids[0], *chosen, ""]))
    phones = devices / "phone_brand_device_model.csv"
    header, *lines = phones.read_text(encoding="utf-8").splitlines()
    changed = [
        f"{ids[3]},brand that is new,model that is new" if line.startswith(f"{ids[3]},") else line
        for line in lines
    ]
    phones.write_text("\n".join([header, *changed, ""]), encoding="utf-8")
    code, path, out, err = score(None, devices)
    assert code == 0, err
    assert "22 devices, 2 features that the run does not know" in out
    found = pd.read_csv(path).set_index("device_id")
    assert list(found.index) == [int(one) for one in chosen]
    swept_says = pd.read_csv(newest(swept) / "predictions.csv").set_index("device_id")
    same = [int(one) for one in ids[40:60]]
    pd.testing.assert_frame_equal(found.loc[same], swept_says.loc[same], check_exact=True)
    names = pd.read_csv(newest(swept) / "feature_names.csv")
    booster = xgboost.Booster(model_file=newest(swept) / "model.ubj")
    nothing = booster.inplace_predict(np.zeros((1, len(names)), dtype=np.float32), missing=0)
    np.testing.assert_array_equal(found.loc[-77].to_numpy(np.float32), nothing[0])


MISTAKES = {
    "no run": ({"run": "nowhere"}, ["nowhere", "no complete run", "best.json"]),
    "no devices": ({"devices": "nowhere"}, ["nowhere", "gender_age_test.csv"]),
    "an unknown key": ({"settings": ["caches=x"]}, ["unknown key 'caches'", "'cache'"]),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_sentence(score, mistake, tmp_path):
    how, words = MISTAKES[mistake]
    places = {name: str(tmp_path / value) for name, value in how.items() if name != "settings"}
    code, path, _, err = score(places.get("run"), places.get("devices"), *how.get("settings", []))
    check_refusal(code, err, words)
    assert not path.exists()


def test_a_run_of_a_table_of_ones_own_has_no_features_to_compute(swept, score, tmp_path):
    run = shutil.copytree(newest(swept), tmp_path / "run")
    best = json.loads((run / "best.json").read_text())
    del best["families"]
    (run / "best.json").write_text(json.dumps(best))
    code, _, _, err = score(run)
    assert code == 2
    assert "did not learn from features of devices" in err


def test_what_each_family_holds_is_in_the_run(swept):
    families = json.loads((newest(swept) / "best.json").read_text())["families"]
    assert families["app"] == "indicator"
    assert families["label"] == "fraction"
