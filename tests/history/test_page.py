"""The page as a person has it: the command, MLflow's real server behind it, and Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sparksweep.history import History
from tests.history.server import free_port, group_members

PAGE = [sys.executable, "-m", "sparksweep.history.page"]


def server_of(page):
    """Return the process group of the server that a page has started."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    (child,) = [int(line.split()[0]) for line in listed.splitlines() if int(line.split()[1]) == page.pid]
    return os.getpgid(child)


def test_the_newest_sweep(uri, tmp_path):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    (outputs / "note.txt").write_text("found")
    with History.open(uri) as history:
        for run in ("old", "new"):
            history.start(run, experiment="exp")
            history.start(f"{run}_0", experiment="exp", parent=run)
        history.add_files("new", outputs)
    environ = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    page = subprocess.Popen(PAGE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)
    try:
        line = page.stdout.readline()
        found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/#/experiments/(\d+)/runs/([0-9a-f]{32})\n", line)
        assert found, page.communicate()
        address, experiment, run = found.groups()
        group = server_of(page)
        with urllib.request.urlopen(line.strip()) as answer:
            assert b"<title>MLflow</title>" in answer.read()
        question = urllib.request.Request(
            f"{address}/api/2.0/mlflow/runs/search",
            json.dumps({"experiment_ids": [experiment]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(question) as answer:
            runs = {run["info"]["run_id"]: run["info"]["run_name"] for run in json.load(answer)["runs"]}
        assert runs[run] == "new"
        assert sorted(runs.values()) == ["new", "new_0", "old", "old_0"]
        with urllib.request.urlopen(f"{address}/get-artifact?path=note.txt&run_uuid={run}") as answer:
            assert answer.read() == b"found"
        page.send_signal(signal.SIGINT)
        assert page.communicate(timeout=30) == ("", "")
        assert page.returncode == 0
        assert group_members(group) == []
    finally:
        page.kill()


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("sqlite:///{folder}/none.db", "error: sqlite:///{folder}/none.db has no sweep yet: run one"),
        (
            "sqlite:///:memory:",
            "error: tracking URI sqlite:///:memory:: a database in memory keeps no history",
        ),
        (
            "http://u:s3cret@127.0.0.1:{port}",
            "error: the MLflow server http://127.0.0.1:{port} does not answer",
        ),
    ],
)
def test_nothing_to_show(tmp_path, uri, sentence):
    names = {"folder": tmp_path, "port": free_port()}
    done = subprocess.run(
        [*PAGE, "--tracking-uri", uri.format(**names)], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence.format(**names))
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken(uri):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as taken:
        port = taken.server_address[1]
        command = [*PAGE, "--tracking-uri", uri, "--port", str(port)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.match(rf"error: --port {port} cannot be used .*: take another one\n$", done.stderr)
