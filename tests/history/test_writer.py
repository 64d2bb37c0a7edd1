"""What happens while the store is away: a server that is started late, or never."""

from __future__ import annotations

import shutil
import time

import pytest

from sparksweep.errors import StorageError
from sparksweep.history import History
from sparksweep.history.connection import Connection
from sparksweep.history.place import Place
from sparksweep.history.records import Report, Start
from sparksweep.history.writer import Writer
from tests.history.server import free_port, tracking_server


def test_a_server_that_comes_late(tmp_path, empty_database, capfd, monkeypatch, warned):
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok3n")
    history = History.open(f"http://me:s3cret@127.0.0.1:{port}")
    history.start("s", experiment="exp", parameters={"a?": 1})
    for number in range(3):
        history.start(f"s_{number}", experiment="exp", parent="s")
        for step in range(1200):
            history.log(f"s_{number}", "m", float("nan") if step else float("inf"), step)
        history.end(f"s_{number}", "FINISHED")
    assert not history.flush()
    assert not history.flush()
    with pytest.raises(StorageError) as refusal:
        history.find("s")
    (warning,) = warned()
    assert f"the MLflow server http://127.0.0.1:{port} does not answer" in warning
    assert "set MLFLOW_TRACKING_URI; the sweep goes on" in warning
    assert "s3cret" not in warning + str(refusal.value)
    assert warning.startswith(str(refusal.value))

    outputs = tmp_path / "outputs"
    (outputs / "deep").mkdir(parents=True)
    (outputs / "deep" / "a b.txt").write_bytes(b"kept")
    with tracking_server(tmp_path, port):
        history.add_files("s", outputs)
        assert history.flush(timeout=60)
        assert [child.id for child in history.children("s")] == ["s_0", "s_1", "s_2"]
        assert {child.status for child in history.children("s")} == {"FINISHED"}
        assert history.find("s_2").end_time >= history.find("s_2").start_time
        assert history.find("s").parameters == {"a?": "1"}
        reports = history.metric("s_1", "m")
        assert len(reports) == 1200
        assert reports[0] == (0, float("inf"))
        assert reports[5][1] != reports[5][1]
        large = {f"p{number}": "ü" * 7500 for number in range(130)}
        history.start("large", experiment="exp", parameters=large)
        assert history.find("large").parameters == large
        history.reset("s_1")
        assert history.metric("s_1", "m") == []
        assert history.files("s") == ["deep/a b.txt"]
        history.download("s", "deep/a b.txt", tmp_path / "got")
        assert (tmp_path / "got").read_bytes() == b"kept"
        history.close()
    out, _ = capfd.readouterr()
    assert out == ""


def test_close_gives_up(warned):
    history = History.open(f"http://127.0.0.1:{free_port()}")
    history.start("s", experiment="exp")
    for step in range(1500):
        history.log("s", "m", 1.0, step)
    history.close(timeout=0.5)
    assert warned()[-1].startswith("1,501 entries of the run history could not be written: the MLflow server")
    history.log("s", "m", 1.0, 9)
    history.close()
    assert len(warned()) == 2


def test_the_oldest_reports_go_first(tmp_path, empty_database, warned):
    connection = Connection(Place.choose(f"http://127.0.0.1:{free_port()}"))
    writer = Writer(connection, limit=10)
    writer.put(Start("s", "exp", "s", None, {}, {}, 1))
    for step in range(100):
        writer.put(Report("s", "m", float(step), step, step))
    assert not writer.flush()
    (dropped,) = [text for text in warned() if "more than 10 reports wait" in text]
    assert dropped.endswith("the oldest are left out of the history")

    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    connection.place = Place.choose(f"sqlite:///{tmp_path}/mlflow.db")
    assert writer.flush()
    history = History(connection, writer)
    assert history.metric("s", "m") == [(step, float(step)) for step in range(90, 100)]
    history.close()


def test_a_run_that_alone_fails_does_not_hold_up_others(uri, tmp_path, warned):
    history = History.open(uri)
    (tmp_path / "mlruns").write_text("no folder")
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "x").write_text("x")
    history.start("s", experiment="exp")
    history.add_files("s", outputs)
    history.end("s", "FINISHED")
    for step in range(6):
        history.log("t", "m", step, step) if step else history.start("t", experiment="exp")
        history.flush()
    deadline = time.monotonic() + 10
    while not history.flush():
        assert time.monotonic() < deadline
        history.log("t", "m", 7, 7)
    texts = warned()
    assert len([text for text in texts if "the sweep goes on" in text]) >= 1
    assert len([text for text in texts if "something of run s is left out" in text]) == 1
    assert history.find("s").status == "FINISHED"
    assert len(history.metric("t", "m")) >= 5
    history.close()
