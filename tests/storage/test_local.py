from __future__ import annotations

import errno
import os
import sys
import threading
from pathlib import Path

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import LocalStore


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
