"""Spark itself on blobs, through hadoop-azure and with executors: in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from sparksweep.dependencies import hadoop_version, read
from sparksweep.storage import BlobStore
from tests.blob_server import new_container
from tests.conftest import ROOT


def hadoop_azure():
    """The jar that spark_dependencies.yml names for this Spark."""
    (version,) = {p.version for p in read().packages_for(hadoop_version()) if p.artifact == "hadoop-azure"}
    jar = ROOT / ".cache" / "jars" / f"hadoop-azure-{version}.jar"
    if not jar.exists():
        pytest.fail(
            f"{jar.name}, by which Spark reads blobs, is not there: run make setup-test", pytrace=False
        )
    return jar


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return tmp_path_factory.mktemp("events")


@pytest.fixture(scope="module")
def job(blob_server, events, tmp_path_factory):
    """What cluster_job.py saw, and all that it said."""
    name = new_container()
    store = BlobStore.open(f"az://{name}/in", blob_server.environ())
    store.create_container()
    store.write("devices.csv", b"x,y\n" + b"".join(b"%d,a\n" % number for number in range(1000)))
    root = store.url("devices.csv").removesuffix("/in/devices.csv")
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "storage" / "cluster_job.py", hadoop_azure(), root, events],
        env={**os.environ, **blob_server.environ()},
        cwd=tmp_path_factory.mktemp("cwd"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "said": done.stdout + done.stderr}


def test_it_is_a_store(job):
    assert job["store"] == "as it should"


def test_spark_reads_what_was_uploaded_and_writes_it_back(job):
    assert job["csv"]["rows"] == 1000
    assert job["csv"]["total"] == 999 * 1000 / 2
    assert len(job["csv"]["parts"]) > 0


def test_writers_of_one_file_do_not_tear_it(job):
    assert job["race"] == {"failures": [], "whole": True, "files": 1}


def test_a_journal_of_a_search(job):
    assert job["journal"] == {
        "opened": 1,
        "results": True,
        "fingerprint": True,
        "batches": True,
        "records": 1,
    }


def test_refusals_are_one_sentence(job):
    words = {
        "missing container": "the storage account has no such container",
        "other account": "Spark has no credentials for this storage account: set AZURE_STORAGE_ACCOUNT",
        "wrong key": "access is denied: check the credentials",
        "wasb": "this Hadoop has no wasb any more: write abfss://",
    }
    for place, sentences in job["errors"].items():
        for action, sentence in sentences.items():
            assert words[place] in sentence, (place, action)
            assert "\n" not in sentence


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux has a path that means another file to each process"
)
def test_files_of_the_driver_that_executors_do_not_see(job):
    assert job["hosts"] == {"all see": [], "none sees": [socket.gethostname()]}


def test_staged_files_are_seen_by_executors_and_copied_once(job):
    assert job["staged"] == {"rows": 1, "kept": True}


def test_the_key_shows_nowhere(job, blob_server, events):
    log = "".join(path.read_text() for path in events.rglob("*") if path.is_file())
    shown = {name: job[name] for name in ("said", "environment page", "command line")}
    shown |= {"event log": log, "plan": job["csv"]["plan"], "errors": str(job["errors"])}
    for name, text in shown.items():
        assert blob_server.key not in text, name
        assert json.dumps(blob_server.key)[1:-1] not in text, name
        assert "d3Jvbmc=" not in text, name
    # These do tell of the setting, so they were the right places to look at.
    setting = f"fs.azure.account.key.{blob_server.account}.dfs.core.windows.net"
    assert setting in log
    assert setting in job["environment page"]
    assert "java" in job["command line"]
    assert "FileScan csv" in job["csv"]["plan"]
