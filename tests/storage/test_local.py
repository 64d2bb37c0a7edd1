from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import LocalStore
from tests.storage.contract import race


def test_a_reader_never_sees_half_a_file(tmp_path):
    store = LocalStore(tmp_path)
    contents = [bytes([letter]) * 2_000_000 for letter in b"ab"]
    store.write("latest.txt", contents[0])
    torn, done = [], threading.Event()

    def read():
        while not done.is_set():
            seen = store.read("latest.txt")
            if seen not in contents:
                torn.append(len(seen))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(40):
        store.write("latest.txt", contents[turn % 2])
    done.set()
    reader.join()
    assert torn == []


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    store = LocalStore(tmp_path)
    store.write("best.json", b"old")

    def full(_file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        StorageError, match=rf"{tmp_path}/best\.json cannot be written \(No space left on device\)"
    ):
        store.write("best.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["best.json"]
    assert store.read("best.json") == b"old"


CLAIM = """
import sys
from pathlib import Path
from sparksweep.storage.local import LocalStore
folder, caller = sys.argv[1:]
store = LocalStore(Path(folder))
print("ready", flush=True)
sys.stdin.readline()
for name in range(300):
    if store.claim(str(name), caller.encode()):
        print(name)
"""


def test_of_several_processes_one_claims_a_name(tmp_path):
    command = [sys.executable, "-c", CLAIM, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    callers = {name: subprocess.Popen([*command, name], **pipes) for name in ("a", "b", "c")}
    for process in callers.values():
        assert process.stdout.readline() == "ready\n"
    for process in callers.values():
        process.stdin.write("go\n")
        process.stdin.flush()
    won = {name: process.communicate(timeout=120)[0].split() for name, process in callers.items()}
    assert sorted(int(name) for names in won.values() for name in names) == list(range(300))
    store = LocalStore(tmp_path)
    assert all(store.read(name) == caller.encode() for caller, names in won.items() for name in names)
    assert len(list(tmp_path.iterdir())) == 300


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_paths):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    store = LocalStore(tmp_path)
    assert store.claim("lock", b"mine")
    assert not store.claim("lock", b"yours")
    assert store.read("lock") == b"mine"
    assert race(store) == []


def test_a_link_whose_answer_is_lost_is_made_all_the_same(tmp_path, monkeypatch):
    link = os.link

    def link_and_ask_again(*paths):
        link(*paths)
        link(*paths)

    monkeypatch.setattr(os, "link", link_and_ask_again)
    store = LocalStore(tmp_path)
    assert store.claim("lock", b"mine")
    assert not store.claim("lock", b"yours")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_file_has_the_permissions_that_the_user_gives_to_all(tmp_path):
    before = os.umask(0o027)
    try:
        LocalStore(tmp_path).write("best.json", b"{}")
    finally:
        os.umask(before)
    assert (tmp_path / "best.json").stat().st_mode & 0o777 == 0o640


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    store = LocalStore(tmp_path / "file")
    with pytest.raises(StorageError, match=rf"{tmp_path}/file/.* cannot be written"):
        store.check_writable()
    with pytest.raises(StorageError, match=rf"{tmp_path}/file cannot be listed \(Not a directory\)"):
        store.list()
    with pytest.raises(StorageError, match=rf"{tmp_path}/file/x cannot be read \(Not a directory\)"):
        store.read("x")


@pytest.mark.skipif(sys.platform != "linux", reason="the folder where even root cannot write is Linux's")
def test_a_folder_that_cannot_be_written():
    with pytest.raises(StorageError, match=r"/proc/runs/.* cannot be written .*: name a folder that can be"):
        LocalStore(Path("/proc/runs")).check_writable()
    with pytest.raises(StorageError, match=r"/proc/lock cannot be written"):
        LocalStore(Path("/proc")).claim("lock", b"")
    with pytest.raises(StorageError, match=r"/proc/version cannot be deleted .*: check its folder's perm"):
        LocalStore(Path("/proc")).delete("version")


def test_links_are_followed_and_dead_ones_left_out(tmp_path):
    (tmp_path / "real.csv").write_bytes(b"123")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    (tmp_path / "dead.csv").symlink_to(tmp_path / "nothing")
    assert [(file.name, file.size) for file in LocalStore(tmp_path).list()] == [
        ("link.csv", 3),
        ("real.csv", 3),
    ]


def test_the_address_for_spark(tmp_path):
    assert LocalStore(tmp_path).url("a b/x.csv") == f"file://{tmp_path}/a b/x.csv"
