"""The history in a SQLite database, read back by itself and by MLflow's own client."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import threading
import time
import warnings
from datetime import datetime, timezone
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sparksweep.errors import ConfigError, StorageError
from sparksweep.history import RUN_ID_TAG, History, RecordedRun, connection

INF = float("inf")


def mlflow_run(uri, run):
    client = MlflowClient(tracking_uri=uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (found,) = client.search_runs(experiments, f"tags.`{RUN_ID_TAG}` = '{run}'")
    return found


def test_a_sweep_is_read_back_in_another_history(history, uri, monkeypatch):
    monkeypatch.setattr(connection, "_PAGE", 2)
    before = datetime.now(timezone.utc)
    history.start(
        "s", experiment="exp", name="a sweep", parameters={"goal": "max", "n": 5}, tags={"kind": "grid"}
    )
    for number in range(5):
        history.start(f"s_{number}", experiment="exp", parent="s", parameters={"x?": number})
        history.log(f"s_{number}", "score", number / 4, 0)
    history.tag("s_1", {"note (mine)": "fine"})
    history.end("s_1", "FAILED")
    history.start("t", experiment="exp")
    history.close()

    history = History.open(uri)
    sweep = history.find("s")
    assert sweep == RecordedRun(
        "s",
        "exp",
        "a sweep",
        None,
        "RUNNING",
        {"goal": "max", "n": "5"},
        {},
        {"kind": "grid"},
        sweep.start_time,
        None,
    )
    assert abs((sweep.start_time - before).total_seconds()) < 60
    children = history.children("s")
    assert [child.id for child in children] == ["s_0", "s_1", "s_2", "s_3", "s_4"]
    assert [child.parameters for child in children] == [{"x?": str(number)} for number in range(5)]
    assert [child.metrics["score"] for child in children] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (children[1].status, children[1].tags, children[1].parent) == (
        "FAILED",
        {"note (mine)": "fine"},
        "s",
    )
    assert children[1].end_time >= children[1].start_time
    assert [run.id for run in history.runs("exp")] == ["t", "s"]
    assert history.find("s", "exp").id == "s"
    assert history.find("s", "other") is None
    assert history.find("nobody") is None
    assert history.runs("other") == []
    # MLflow's page nests runs by this tag.
    assert mlflow_run(uri, "s_3").data.tags["mlflow.parentRunId"] == mlflow_run(uri, "s").info.run_id


def test_metrics(history):
    history.start("s", experiment="exp")
    for step, value in [(2, INF), (0, math.nan), (1, 5.0), (1, -INF), (1, 4.0), (1, 4.0), (3, 0.5)]:
        history.log("s", "m (1)", value, step, timestamp=1.8e9)
    history.log("s", "m [1]", -1.0, 0)
    found = history.metric("s", "m (1)")
    assert math.isnan(found[0][1])
    assert found[1:] == [(1, 5.0), (1, -INF), (1, 4.0), (1, 4.0), (2, INF), (3, 0.5)]
    assert history.metric("s", "m [1]") == [(0, -1.0)]
    assert history.metric("s", "none") == []
    assert history.find("s").metrics == {"m (1)": 0.5, "m [1]": -1.0}


def test_more_than_a_batch_holds(history, monkeypatch):
    sizes = []
    log_batch = MlflowClient.log_batch

    def record_size(client, run, metrics, params, tags, **options):
        entries = [(p.key, p.value) for p in [*params, *tags]] + [dict(m) for m in metrics]
        sizes.append(len(json.dumps(entries)))
        return log_batch(client, run, metrics, params, tags, **options)

    monkeypatch.setattr(MlflowClient, "log_batch", record_size)
    parameters = {f"p{number}": "ü" * 7500 for number in range(130)}
    history.start(
        "s", experiment="exp", parameters=parameters, tags={f"t{number}": "x" * 7000 for number in range(110)}
    )
    for step in range(2500):
        history.log("s", "m", step, step)
    history.tag("s", {f"u{number}": "y" for number in range(150)})
    assert history.metric("s", "m") == [(step, float(step)) for step in range(2500)]
    found = history.find("s")
    assert found.parameters == parameters
    assert len(found.tags) == 260
    # The limit of a call to MLflow's REST interface, which not every server enforces.
    assert 500_000 < max(sizes) < 1_000_000


def test_a_run_that_goes_on(history, uri):
    history.start("s", experiment="exp", parameters={"a": 1})
    history.log("s", "m", 1.0, 0)
    history.end("s", "KILLED")
    history.close()
    first = history.find("s")
    with History.open(uri) as history:
        history.start("s", experiment="exp", parameters={"a": 1}, tags={"more": "yes"})
        history.log("s", "m", 2.0, 1)
        again = history.find("s")
        assert (again.status, again.tags, again.start_time) == ("RUNNING", {"more": "yes"}, first.start_time)
        assert history.metric("s", "m") == [(0, 1.0), (1, 2.0)]
        assert len(history.runs("exp")) == 1


def test_a_run_with_other_parameters_is_another_run(history, uri):
    history.start("s", experiment="exp", parameters={"a": 1})
    history.log("s", "m", 1.0, 0)
    history.start("s_0", experiment="exp", parent="s", parameters={"x": 1})
    history.log("s_0", "m", 1.0, 0)
    old = mlflow_run(uri, "s").info.run_id if history.flush() else ""
    history.start("s", experiment="exp", parameters={"a": 1, "b": 2})
    history.start("s_0", experiment="exp", parent="s", parameters={"x": 1})
    assert [run.parameters for run in history.runs("exp")] == [{"a": "1", "b": "2"}]
    assert history.metric("s", "m") == []
    assert history.metric("s_0", "m") == [(0, 1.0)]
    new = mlflow_run(uri, "s").info.run_id
    assert new != old
    assert mlflow_run(uri, "s_0").data.tags["mlflow.parentRunId"] == new


def test_parameters_that_were_written_by_half(history, uri):
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("exp")
    half = client.create_run(experiment, tags={RUN_ID_TAG: "s", "sparksweep.parent_run_id": "-"}).info.run_id
    client.log_param(half, "a", "1")
    history.start("s", experiment="exp", parameters={"a": 1, "b": 2})
    assert history.find("s").parameters == {"a": "1", "b": "2"}
    assert mlflow_run(uri, "s").info.run_id == half


def test_a_run_that_is_done_again(history, uri):
    history.start("s", experiment="exp")
    for number in range(3):
        history.start(
            f"s_{number}", experiment="exp", parent="s", name="child", parameters={"x!": 1}, tags={"t": "u"}
        )
        history.log(f"s_{number}", "m", 1.0, 0)
    before = history.find("s_1")
    history.reset("s_1")
    history.log("s_1", "m", 3.0, 0)
    history.end("s_1", "FINISHED")
    after = history.find("s_1")
    assert history.metric("s_1", "m") == [(0, 3.0)]
    assert (after.name, after.parameters, after.tags) == ("child", {"x!": "1"}, {"t": "u"})
    assert after.start_time == before.start_time
    assert [child.id for child in history.children("s")] == ["s_0", "s_1", "s_2"]
    history.reset("s")
    assert history.flush()
    assert mlflow_run(uri, "s_2").data.tags["mlflow.parentRunId"] == mlflow_run(uri, "s").info.run_id


def test_files(history, tmp_path):
    outputs = tmp_path / "outputs"
    (outputs / "deep" / "er").mkdir(parents=True)
    (outputs / "deep" / "er" / "a b.txt").write_bytes(b"1")
    (outputs / "model#1.bin").write_bytes(b"\x00\xff")
    for name in ("z", "a", "m"):
        (outputs / name).write_text(name)
    history.start("s", experiment="exp")
    history.add_files("s", outputs)
    assert history.files("s") == ["a", "deep/er/a b.txt", "m", "model#1.bin", "z"]
    target = tmp_path / "new" / "model"
    history.download("s", "model#1.bin", target)
    assert target.read_bytes() == b"\x00\xff"
    assert [path.name for path in target.parent.iterdir()] == ["model"]
    with pytest.raises(StorageError, match=r"run s has no file 'deep'"):
        history.download("s", "deep", target)
    with pytest.raises(StorageError, match=r"has no run t"):
        history.files("t")
    with pytest.raises(StorageError, match=r"cannot be written"):
        history.download("s", "model#1.bin", target / "below")
    assert (tmp_path / "mlruns" / "exp").is_dir()
    assert not (Path.cwd() / "mlruns" / "exp").exists()


def test_a_folder_that_is_gone_ends_nothing(history, tmp_path, warned):
    history.start("s", experiment="exp")
    history.add_files("s", tmp_path / "gone")
    history.log("s", "m", 1.0, 0)
    assert history.metric("s", "m") == [(0, 1.0)]
    (warning,) = warned()
    assert re.match(r"something of run s is left out of the history: .*/gone, whose files", warning)


def test_a_run_that_somebody_deletes(history, uri, warned):
    history.start("s", experiment="exp")
    history.start("t", experiment="exp")
    assert history.flush()
    MlflowClient(tracking_uri=uri).delete_run(mlflow_run(uri, "s").info.run_id)
    for step in range(100):
        history.log("s", "m", step, step)
        history.log("t", "m", step, step)
    history.end("s", "FINISHED")
    assert history.flush()
    assert len(history.metric("t", "m")) == 100
    assert history.find("s") is None
    (warning,) = warned()
    assert warning.startswith("something of run s is left out of the history: MLflow at sqlite:///")


def test_a_run_that_was_never_started(history, warned):
    history.start("s", experiment="exp")
    history.log("x", "m", 1.0, 0)
    history.start("x_0", experiment="exp", parent="x")
    assert history.find("x_0").parent == "x"
    (warning,) = warned()
    assert re.search("run x is left out .* it was not started", warning)


def test_a_deleted_experiment(history, uri, warned):
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("exp")
    client.delete_experiment(experiment)
    history.start("s", experiment="exp")
    assert not history.flush()
    (warning,) = warned()
    assert re.search(rf"restore --experiment-id {experiment}.*the sweep goes on", warning)
    with pytest.raises(StorageError, match="'exp' .* is deleted: bring it back with `mlflow experiments"):
        history.runs("exp")
    history.start("t", experiment="other")
    history.log("t", "m", 1.0, 0)
    assert history.metric("t", "m") == [(0, 1.0)]
    client.restore_experiment(experiment)
    assert [run.id for run in history.runs("exp")] == ["s"]
    client.delete_experiment(experiment)
    history.start("s2", experiment="exp")
    assert not history.flush()
    assert f"restore --experiment-id {experiment}" in warned()[-1]
    client.restore_experiment(experiment)
    assert [run.id for run in history.runs("exp")] == ["s2", "s"]


@pytest.mark.parametrize(
    ("run", "experiment"), [("", "e"), ("a'b", "e"), ("a b", "e"), ("s", ""), ("s", "e" * 501)]
)
def test_ids_and_names_that_cannot_be(history, run, experiment):
    with pytest.raises(ConfigError, match=r"run id|experiment"):
        history.start(run, experiment=experiment)


def test_warnings_as_errors_do_not_end_the_thread(history, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history.start("s", experiment="exp")
        history.add_files("s", tmp_path / "gone")
        history.log("s", "m", 1.0, 0)
        assert history.flush()
    assert history.metric("s", "m") == [(0, 1.0)]


def test_many_threads(history):
    history.start("s", experiment="exp")

    def report(number):
        history.start(f"s_{number}", experiment="exp", parent="s")
        for step in range(200):
            history.log(f"s_{number}", "m", step * number, step)

    threads = [threading.Thread(target=report, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    children = {child.id: child.metrics["m"] for child in history.children("s")}
    assert children == {f"s_{number}": 199.0 * number for number in range(8)}


SWEEP = """
import logging, sys
from sparksweep.history import History
name, folder = sys.argv[1:]
logging.basicConfig(level=logging.INFO, format="chatter %(name)s %(message)s")
history = History.open(f"sqlite:///{folder}/mlflow.db")
history.start(name, experiment="exp", parameters={"p": name})
for number in range(10):
    history.start(f"{name}_{number}", experiment="exp", parent=name)
    for step in range(20):
        history.log(f"{name}_{number}", "m", step, step)
    history.end(f"{name}_{number}", "FINISHED")
history.end(name, "FINISHED")
if name == "a":
    assert history.flush()
    for number in range(100):
        history.log("a_0", "later", number, number)
        history.flush()
logging.getLogger("mine").info("heard")
# "b" ends without a word of good-bye.
"""


def test_two_sweeps_make_and_fill_one_database(tmp_path):
    folder = tmp_path / "with space"
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", SWEEP, name, str(folder)],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("a", "b")
    ]
    for program in programs:
        out, err = program.communicate(timeout=120)
        assert (program.returncode, out, err) == (0, "", "chatter mine heard\n")
    assert [path.name for path in folder.iterdir()] == ["mlflow.db"]
    history = History.open(f"sqlite:///{folder}/mlflow.db")
    assert {run.id for run in history.runs("exp")} == {"a", "b"}
    for name in ("a", "b"):
        children = history.children(name)
        assert [child.id for child in children] == [f"{name}_{number}" for number in range(10)]
        assert {(child.status, child.metrics["m"]) for child in children} == {("FINISHED", 19.0)}
    assert len(history.metric("a_0", "later")) == 100


def test_a_stream_of_reports_is_written_while_it_comes(history):
    history.start("s", experiment="exp")
    assert history.flush()
    deadline = time.monotonic() + 20
    reader = History.open(history.uri)
    history.log("s", "m", 1.0, 0)
    while not reader.metric("s", "m"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
