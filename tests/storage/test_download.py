"""Downloads from a real blob server, with a network in between that breaks where a test wants it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from azure.storage.blob import BlobBlock

from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore, LocalStore, fetch
from tests.conftest import ROOT
from tests.storage.conftest import IMPATIENT
from tests.storage.proxy import Proxy

LARGE = os.urandom(1_000_003)
RANGE = 65_536


@pytest.fixture(autouse=True)
def _small_and_impatient(monkeypatch):
    monkeypatch.setattr("sparksweep.storage.download._RANGE", RANGE)
    monkeypatch.setattr("sparksweep.storage.download._AT_ONCE", 2)
    monkeypatch.setattr("sparksweep.storage.download._AHEAD", 3)
    monkeypatch.setattr("sparksweep.storage.blob._RETRY", IMPATIENT)


@pytest.fixture
def network(container):
    with Proxy(container.server.port) as proxy:
        yield proxy


@pytest.fixture
def interrupt(tmp_path, monkeypatch):
    """A function that downloads the beginning of a blob into ``tmp_path`` and returns what is left of it."""
    whole = BlobStore.read_range

    def start(store, name):
        left = iter(range(5))

        def read_range(*arguments):
            if next(left, None) is None:
                raise StorageError("enough")
            return whole(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(BlobStore, "read_range", read_range)
            with pytest.raises(StorageError, match="enough"):
                fetch(store, [name], tmp_path)
        (part,) = parts(tmp_path)
        assert LARGE.startswith(part.read_bytes())
        assert part.stat().st_size >= RANGE
        return part

    return start


@pytest.fixture
def blobs(container):
    """Three blobs, and the container that has them."""
    store = container.open("data")
    store.write("large.csv", LARGE)
    store.write("small.csv", b"x\n1\n")
    store.write("inner/empty.csv", b"")
    return container


NAMES = ["large.csv", "small.csv", "inner/empty.csv"]


def content(folder, names=NAMES):
    return {name: folder.read(name) for name in names}


EXPECTED = {"large.csv": LARGE, "small.csv": b"x\n1\n", "inner/empty.csv": b""}


def parts(cache):
    return sorted(cache.rglob("*.part"))


def test_blobs_arrive_whole_and_only_once(blobs, network, tmp_path):
    store = blobs.open("data", port=network.port)
    first = fetch(store, NAMES, tmp_path)
    assert isinstance(first, LocalStore)
    assert content(first) == EXPECTED
    assert network.received > len(LARGE)
    before = network.received
    second = fetch(store, NAMES, tmp_path)
    assert content(second) == EXPECTED
    assert network.received - before < 10_000, "only the ETags were asked for"
    assert second == first
    assert parts(tmp_path) == []
    assert fetch(store, [], tmp_path).list() == []


def test_a_newer_blob_is_fetched_alone_and_leaves_the_older_one_to_who_reads_it(blobs, network, tmp_path):
    store = blobs.open("data", port=network.port)
    old = fetch(store, NAMES, tmp_path)
    store.write("small.csv", b"y\n2\n")
    before = network.received
    new = fetch(store, NAMES, tmp_path)
    assert network.received - before < 10_000
    assert content(new) == {**EXPECTED, "small.csv": b"y\n2\n"}
    assert content(old) == EXPECTED


def test_two_folders_of_blobs_have_places_of_their_own(blobs, tmp_path):
    blobs.open("other").write("small.csv", b"another")
    one, two = (fetch(blobs.open(folder), ["small.csv"], tmp_path) for folder in ("data", "other"))
    assert (one.read("small.csv"), two.read("small.csv")) == (b"x\n1\n", b"another")
    assert one.root.parent != two.root.parent


def test_a_download_that_was_cut_goes_on_where_it_ended(blobs, network, tmp_path):
    store = blobs.open("data", port=network.port)
    network.cut_after(len(LARGE) // 2)
    with pytest.raises(StorageError, match=r"large\.csv: (the connection to .* broke|.* be reached)"):
        fetch(store, NAMES, tmp_path)
    (part,) = parts(tmp_path)
    begun = part.read_bytes()
    assert RANGE <= len(begun) < len(LARGE)
    assert begun == LARGE[: len(begun)]
    network.mend()
    before = network.received
    assert content(fetch(store, NAMES, tmp_path)) == EXPECTED
    assert network.received - before < len(LARGE) - len(begun) + 20_000
    assert parts(tmp_path) == []


def test_a_cut_that_is_mended_at_once_is_not_noticed(blobs, network, tmp_path):
    network.cut_after(len(LARGE) // 2, mend=True)
    assert content(fetch(blobs.open("data", port=network.port), NAMES, tmp_path)) == EXPECTED
    assert network.cuts == 1


def test_the_beginning_of_an_older_blob_is_not_gone_on_with(blobs, interrupt, tmp_path):
    store, changed = blobs.open("data"), LARGE[::-1]
    interrupt(store, "large.csv")
    store.write("large.csv", changed)
    assert fetch(store, ["large.csv"], tmp_path).read("large.csv") == changed


def test_a_blob_that_changes_while_it_is_read_is_refused(blobs):
    store = blobs.open("data")
    seen = store.stat("large.csv")
    assert store.read_range(seen, 10, 5) == LARGE[10:15]
    store.write("large.csv", LARGE)
    with pytest.raises(StorageError, match=r"large\.csv: .* another version of it than a moment ago"):
        store.read_range(seen, 10, 5)


def test_damaged_bytes_are_found_by_their_md5_and_thrown_away(blobs, interrupt, tmp_path):
    store = blobs.open("data")
    part = interrupt(store, "large.csv")
    part.write_bytes(b"?" * part.stat().st_size)
    with pytest.raises(StorageError, match=r"large\.csv did not arrive as .* MD5"):
        fetch(store, NAMES, tmp_path)
    assert content(fetch(store, NAMES, tmp_path)) == EXPECTED


def test_a_blob_without_md5_arrives_too_and_is_told_by_its_size(blobs, interrupt, tmp_path):
    store = blobs.open("data")
    client = store._client.get_blob_client("data/blocks.csv")
    client.stage_block("1", LARGE)
    client.commit_block_list([BlobBlock("1")])
    assert store.stat("blocks.csv").md5 is None
    interrupt(store, "blocks.csv").write_bytes(LARGE + b"?")
    with pytest.raises(StorageError, match=r"blocks\.csv did not arrive as .* 1,000,003 bytes"):
        fetch(store, ["blocks.csv"], tmp_path)
    assert fetch(store, ["blocks.csv"], tmp_path).read("blocks.csv") == LARGE


FETCH = """
import sys
from pathlib import Path
from sparksweep.storage import BlobStore, fetch
import sparksweep.storage.download as download
download._RANGE = 65536
store = BlobStore.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
found = fetch(store, ["large.csv"], Path(sys.argv[2]))
print(found.root, flush=True)
"""


def test_two_processes_fetch_into_one_cache(blobs, network, tmp_path):
    environ = {**os.environ, **blobs.server.environ(port=network.port), "PYTHONPATH": str(ROOT / "lib")}
    command = [sys.executable, "-c", FETCH, f"az://{blobs.name}/data", tmp_path / "cache"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen(command, env=environ, text=True, **pipes) for _ in range(2)]
    assert [process.stdout.readline() for process in both] == ["ready\n", "ready\n"]
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in both]
    assert network.received < 1.5 * len(LARGE), "one waited for the other"
    assert [process.returncode for process in both] == [0, 0], said
    (folder,) = {out.strip() for out, _ in said}
    assert content(LocalStore(tmp_path / folder), ["large.csv"]) == {"large.csv": LARGE}


def test_a_snapshot_that_nobody_asks_for_any_more_leaves_the_cache(blobs, tmp_path):
    old = fetch(blobs.open("data"), NAMES, tmp_path)
    long_ago = time.time() - 20 * 24 * 3600
    for path in [old.root, *old.root.parent.joinpath("files").iterdir()]:
        os.utime(path, (long_ago, long_ago))
    blobs.open("data").write("small.csv", b"y\n2\n")
    new = fetch(blobs.open("data"), NAMES, tmp_path)
    assert not old.root.exists()
    assert content(new) == {**EXPECTED, "small.csv": b"y\n2\n"}
    assert len(list((new.root.parent / "files").iterdir())) == len(NAMES)


def test_a_snapshot_that_is_asked_for_stays(blobs, tmp_path):
    old = fetch(blobs.open("data"), NAMES, tmp_path)
    os.utime(old.root, (0, 0))
    assert content(fetch(blobs.open("data"), NAMES, tmp_path)) == EXPECTED


def test_progress_is_told_in_lines_where_there_is_no_terminal(blobs, tmp_path, capsys):
    store = blobs.open("data")
    fetch(store, NAMES, tmp_path / "a")
    assert f"downloading 3 files of {store.uri}: 1.0 of 1.0 MB" in capsys.readouterr().err
    fetch(store, NAMES, tmp_path / "b", progress=False)
    assert capsys.readouterr().err == ""


def test_a_missing_blob_is_named(blobs, tmp_path):
    with pytest.raises(StorageError, match=r"data/none\.csv: .* has no such blob"):
        fetch(blobs.open("data"), ["none.csv"], tmp_path)


def test_a_cache_that_cannot_be_written_is_named(blobs, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        StorageError, match=rf"the cache {tmp_path}/file/.* cannot be written \(Not a directory\)"
    ):
        fetch(blobs.open("data"), NAMES, tmp_path / "file")
    with pytest.raises(StorageError, match="abfss://c@a/cache cannot take blobs"):
        fetch(blobs.open("data"), NAMES, "abfss://c@a/cache")


def test_a_disk_without_hard_links(blobs, network, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = blobs.open("data", port=network.port)
    assert content(fetch(store, NAMES, tmp_path)) == EXPECTED
    before = network.received
    assert content(fetch(store, NAMES, tmp_path)) == EXPECTED
    assert network.received - before < 10_000


def test_open_reads_the_environment_of_the_process(container, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "")
    for name, value in container.server.environ().items():
        monkeypatch.setenv(name, value)
    assert BlobStore.open(f"az://{container.name}").list() == []
