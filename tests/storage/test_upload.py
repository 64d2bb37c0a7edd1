"""A folder into a container: the library's part, and the job as a person runs it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore, Uploaded, fetch, upload_folder
from tests.blob_server import new_container
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path):
    files = {
        "a.csv": b"x\n1\n",
        "b c,é.csv.zip": os.urandom(300_000),
        "journal/1/0.json": b"{}",
        "empty": b"",
    }
    for name, content in {**files, ".hidden": b"0", ".git/config": b"0"}.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "in", files


def test_a_folder_becomes_blobs_with_their_md5(folder, container, capsys):
    path, files = folder
    store = container.open("prefix")
    done = upload_folder(path, store)
    assert done == Uploaded(tuple(sorted(files)), (), sum(map(len, files.values())))
    for name, content in files.items():
        assert store.read(name) == content
        assert store.stat(name).md5 == hashlib.md5(content).digest()
    blobs = [blob.name for blob in store._client.list_blobs()]
    assert sorted(blobs) == sorted(f"prefix/{name}" for name in files)
    assert f"uploading to {store.uri}: 0.3 of 0.3 MB" in capsys.readouterr().err


def test_what_is_there_already_stays(folder, container, capsys):
    path, files = folder
    store = container.open("prefix")
    upload_folder(path, store, progress=False)
    before = {name: store.stat(name).version for name in files}
    (path / "a.csv").write_bytes(b"x\n2\n")
    (path / "journal" / "1" / "1.json").write_bytes(b"[]")
    done = upload_folder(path, store, progress=False)
    assert done == Uploaded(("a.csv", "journal/1/1.json"), ("b c,é.csv.zip", "empty", "journal/1/0.json"), 6)
    changed = {name for name in files if store.stat(name).version != before[name]}
    assert changed == {"a.csv"}
    assert capsys.readouterr().err == ""


def test_a_large_file_goes_up_in_blocks_and_comes_back(container, tmp_path, monkeypatch):
    monkeypatch.setattr("sparksweep.storage.blob._BLOCK", 100_000)
    (tmp_path / "in").mkdir()
    content = os.urandom(1_000_003)
    (tmp_path / "in" / "large.csv").write_bytes(content)
    store = container.open()
    upload_folder(tmp_path / "in", store, progress=False)
    blocks = store._client.get_blob_client("large.csv").get_block_list()[0]
    assert len(blocks) == 11
    assert store.stat("large.csv").md5 == hashlib.md5(content).digest()
    assert fetch(store, ["large.csv"], tmp_path / "cache", progress=False).read("large.csv") == content


@pytest.mark.parametrize("name", ["none", "empty"])
def test_nothing_to_upload(blob_server, tmp_path, name):
    (tmp_path / "empty").mkdir()
    store = BlobStore.open(f"az://{new_container()}", blob_server.environ())
    with pytest.raises(StorageError, match=rf"{tmp_path}/{name}(: there is no such folder| holds no files)"):
        upload_folder(tmp_path / name, store)
    with pytest.raises(StorageError, match="has no container"):
        store.list()


def run_job(*arguments, **environ):
    known = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
    command = [sys.executable, ROOT / "jobs" / "upload_dataset.py", *arguments]
    done = subprocess.run(command, env={**known, **environ}, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_job(folder, blob_server):
    path, files = folder
    uri = f"az://{new_container()}/prefix"
    options = ("--input", path, "--output", uri)
    assert run_job(*options, **blob_server.environ())[:2] == (
        0,
        f"{uri}: 4 files uploaded, 0 there already\n",
    )
    code, out, err = run_job(*options, **blob_server.environ())
    assert (code, out) == (0, f"{uri}: 0 files uploaded, 4 there already\n")
    assert "MB" in err
    assert BlobStore.open(uri, blob_server.environ()).read("a.csv") == files["a.csv"]


def test_the_job_refuses_in_one_sentence(folder):
    code, out, err = run_job("--input", folder[0], "--output", "az://data/in")
    assert (code, out) == (2, "")
    assert err.startswith("error: az://data/in names no storage account: set AZURE_STORAGE_ACCOUNT")
    assert len(err.splitlines()) == 1


def test_the_job_explains_itself():
    code, out, _ = run_job("--help")
    assert code == 0
    for word in ("--input DIR", "--output URI", "az://CONTAINER/PREFIX", "AZURE_STORAGE_CONNECTION_STRING"):
        assert word in out
