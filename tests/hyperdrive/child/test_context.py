"""The run as a training script sees it: inside a sweep, outside of one, and what its import costs."""

from __future__ import annotations

import decimal
import io
import json
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive import Run, get_azureml_logger
from sparksweep.hyperdrive.child.context import ADDRESS, ARTIFACTS, RUN_ID, TOKEN, ScriptRun, tell
from sparksweep.hyperdrive.child.relay import Relay
from sparksweep.hyperdrive.inputs.dataset import InputDataset
from sparksweep.hyperdrive.inputs.named import INPUTS, write_inputs


class TwoEntries:
    """As a tensor of PyTorch has them."""

    def __float__(self):
        raise RuntimeError("a Tensor with 2 elements cannot be converted to Scalar")

    def __str__(self):
        return "two entries"


@pytest.fixture(name="relay")
def running_relay(tmp_path):
    taken = []
    with Relay("sweep_0", tmp_path / "artifacts", taken.extend) as relay:
        relay.taken = taken
        yield relay


@pytest.fixture(name="environ")
def environment_of_a_script(relay, tmp_path):
    (tmp_path / "artifacts").mkdir()
    return {
        RUN_ID: "sweep_0",
        ARTIFACTS: str(tmp_path / "artifacts"),
        ADDRESS: relay.url,
        TOKEN: relay.token,
    }


@pytest.fixture(name="run")
def run_of_a_script(environ):
    return ScriptRun(environ)


def logged(relay):
    return [(metric.name, metric.value, metric.step) for metric in relay.taken]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.5, 0.5),
        (3, 3.0),
        (True, 1.0),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7.0),
        (np.bool_(False), 0.0),
        (np.array(0.25), 0.25),
        (decimal.Decimal("0.1"), 0.1),
        (math.inf, math.inf),
        (-np.inf, -math.inf),
        (10**30, 1e30),
    ],
)
def test_a_number_is_a_metric(run, relay, value, number):
    run.log("Accuracy", value, description="how good")
    assert logged(relay) == [("Accuracy", number, 0)]
    assert relay.logged.tags == {}


def test_nan_is_a_metric(run, relay):
    run.log("loss", np.nan)
    ((_, value, _),) = logged(relay)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.5", "0.5"),
        ("rbf", "rbf"),
        (None, "None"),
        ([1, 2], "[1, 2]"),
        (np.array([1, 2]), "[1 2]"),
        ({}, "{}"),
        (10**400, str(10**400)),
        (TwoEntries(), "two entries"),
    ],
)
def test_anything_else_is_a_tag(run, relay, value, text):
    run.log("kernel", value)
    assert relay.logged.tags == {"kernel": text}
    assert relay.taken == []


def test_what_has_no_text_ends_no_script(run, relay):
    run.log("n", 10**5000)  # of more digits than Python writes
    assert relay.logged.tags["n"].startswith("int: ")


def test_steps(run, relay):
    run.log("loss", 3)
    run.log("loss", 2)
    run.log("loss", 1, step=np.int64(10))
    assert logged(relay) == [("loss", 3.0, 0), ("loss", 2.0, 1), ("loss", 1.0, 10)]


def test_lists_rows_and_tables(run, relay):
    run.log_list("loss", [0.3, 0.2])
    run.log_row("point", x=1, y=2.5)
    run.log_table("curve", {"fpr": np.array([0.0, 1.0]), "tpr": (0.5, 1), "auc": 0.9, "best": pd.Series([7])})
    assert logged(relay) == [
        ("loss", 0.3, 0),
        ("loss", 0.2, 1),
        ("point.x", 1.0, 0),
        ("point.y", 2.5, 0),
        ("curve.fpr", 0.0, 0),
        ("curve.fpr", 1.0, 1),
        ("curve.tpr", 0.5, 0),
        ("curve.tpr", 1.0, 1),
        ("curve.auc", 0.9, 0),
        ("curve.best", 7.0, 0),
    ]


def test_tags(run, relay):
    run.tag("note", 5)
    run.tag("mark")
    assert relay.logged.tags == {"note": "5", "mark": ""}


def test_names_and_texts_in_any_language(run, relay):
    run.log("précision ≥ 50 %", 1)
    run.tag("品牌", 'a "b"\n')
    assert relay.taken[0].name == "précision ≥ 50 %"
    assert relay.logged.tags == {"品牌": 'a "b"\n'}


def test_files_are_kept_under_their_names(run, tmp_path):
    model = tmp_path / "model.txt"
    model.write_text("trees")
    run.upload_file("models/first.txt", model)
    run.upload_file("stream.bin", io.BytesIO(b"\x00\x01"))
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "deep" / "b.txt").write_text("b")
    run.upload_folder("all", str(folder))
    artifacts = tmp_path / "artifacts"
    assert (artifacts / "models" / "first.txt").read_text() == "trees"
    assert (artifacts / "stream.bin").read_bytes() == b"\x00\x01"
    assert (artifacts / "all" / "deep" / "b.txt").read_text() == "b"
    run.upload_file("models/first.txt", folder / "a.txt")
    assert (artifacts / "models" / "first.txt").read_text() == "a"


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt", "/tmp/escaped.txt", "", "."])
def test_a_name_that_leaves_the_folder_is_refused(run, tmp_path, name):
    source = tmp_path / "source.txt"
    source.write_text("x")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match="is no relative name of a file") as refused:
        run.upload_file(name, source)
    assert repr(name) in str(refused.value)
    assert set(tmp_path.rglob("*")) == before


def test_a_link_does_not_lead_out_of_the_folder(run, tmp_path):
    (tmp_path / "artifacts" / "link").symlink_to(tmp_path)
    with pytest.raises(ConfigError, match="upload_file: 'link/out.txt'"):
        run.upload_file("link/out.txt", io.BytesIO(b"x"))


def test_inputs(environ, tmp_path):
    rows = pd.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    rows.to_csv(tmp_path / "1.csv", index=False)
    rows.to_csv(tmp_path / "2.csv", index=False)
    inputs = {
        "training_data": InputDataset("csv", (tmp_path / "1.csv", tmp_path / "2.csv"), tmp_path),
        "images": InputDataset("files", (tmp_path / "1.csv",), tmp_path),
    }
    run = ScriptRun({**environ, INPUTS: write_inputs(inputs)})
    frame = run.input_datasets["training_data"].to_pandas_dataframe()
    pd.testing.assert_frame_equal(frame, pd.concat([rows, rows], ignore_index=True))
    assert run.input_datasets["images"].to_path() == [str(tmp_path / "1.csv")]
    with pytest.raises(ConfigError, match="of files, not of rows"):
        run.input_datasets["images"].to_pandas_dataframe()
    with pytest.raises(ConfigError) as refused:
        run.input_datasets["training"]
    assert str(refused.value) == (
        "there is no input 'training'; known: training_data, images. "
        "Name it by as_named_input('training') in the arguments or the inputs of the ScriptRunConfig"
    )


def test_without_inputs_none_is_known(run):
    with pytest.raises(ConfigError, match="known: none"):
        run.input_datasets["x"]


def test_outside_a_sweep_what_is_logged_is_printed(capsys, tmp_path):
    run = ScriptRun({})
    assert run.id == "OfflineRun"
    run.log("Accuracy", np.float64(0.5))
    run.log("kernel", "rbf")
    run.log_row("point", x=1)
    run.tag("note", "first")
    run.upload_file("a.txt", tmp_path / "there-is-none")
    run.complete()
    run.flush()
    assert capsys.readouterr().out == "Accuracy: 0.5\nkernel: rbf\npoint.x: 1.0\nnote: first\n"
    assert run.input_datasets == {}


def test_the_run_is_found_by_the_environment(environ, monkeypatch, relay):
    monkeypatch.delenv(RUN_ID, raising=False)
    assert Run.get_context().id == "OfflineRun"
    with pytest.raises(ConfigError, match="runs outside a sweep, and allow_offline is False"):
        Run.get_context(allow_offline=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    Run.get_context(allow_offline=False).log("a", 1)
    get_azureml_logger().log("a", 2)
    assert logged(relay) == [("a", 1.0, 0), ("a", 2.0, 1)]


def test_a_proxy_is_not_asked(run, relay, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    run.log("a", 1)
    assert logged(relay) == [("a", 1.0, 0)]


def test_a_task_that_is_gone_ends_nothing(tmp_path, capsys):
    with Relay("sweep_0", tmp_path, print) as gone:
        pass
    tell(gone.url, gone.token, {})
    said = capsys.readouterr().err
    assert said.startswith("what was logged did not reach the sweep: ")
    assert gone.token not in said


def test_what_the_task_refuses_is_an_error(run):
    with pytest.raises(ValueError, match="this cannot be logged: .*out of range") as refused:
        run.log("a", 1, step=2**70)
    assert "MLFLOW" not in str(refused.value)


def test_a_script_starts_without_the_heavy_libraries():
    heavy = (
        "pyspark",
        "sklearn",
        "pandas",
        "numpy",
        "xgboost",
        "mlflow",
        "optuna",
        "starlette",
        "uvicorn",
        "scipy",
    )
    code = (
        "from sparksweep.hyperdrive import Run, get_azureml_logger; import sys, json; Run.get_context(); "
        f"print(json.dumps([name for name in {heavy} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ, check=True)
    assert json.loads(done.stdout) == []
