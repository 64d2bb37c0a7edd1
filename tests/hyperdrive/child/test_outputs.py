"""The files of a child run on their way back."""

from __future__ import annotations

import os
import zipfile

import pytest

from sparksweep.hyperdrive.child import outputs
from sparksweep.hyperdrive.child.outputs import LOG, collect, pack, unpack


@pytest.fixture(name="folders")
def folders_of_a_run(tmp_path):
    artifacts, written, logs = (
        tmp_path / "artifacts",
        tmp_path / "code" / "outputs",
        tmp_path / "code" / "logs",
    )
    for folder in (artifacts, written / "deep", logs):
        folder.mkdir(parents=True)
    (artifacts / "plot.png").write_bytes(b"\x89PNG")
    (written / "model.bin").write_bytes(os.urandom(1000))
    (written / "deep" / "naïve 1.txt").write_text("x")
    (logs / "train.log").write_text("epoch 1\n")
    return [("", artifacts), ("outputs/", written), ("logs/", logs)]


def there(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def brought(folders, tmp_path, log=None):
    taken, left_out = collect(folders)
    unpack(pack(taken, log), tmp_path / "back")
    return there(tmp_path / "back"), left_out


def test_all_files_come_back(folders, tmp_path):
    log = tmp_path / "log"
    log.write_text("said\n")
    back, left_out = brought(folders, tmp_path, log)
    assert left_out == []
    expected = {
        f"{prefix}{name}": content for prefix, folder in folders for name, content in there(folder).items()
    }
    assert back == {**expected, LOG: b"said\n"}
    assert set(expected) == {"plot.png", "outputs/model.bin", "outputs/deep/naïve 1.txt", "logs/train.log"}


def test_in_pieces(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "_PIECE", 100)
    taken, _ = collect(folders)
    pieces = list(pack(taken, None))
    assert len(pieces) > 10
    assert all(len(piece) <= 100 for piece in pieces)
    unpack(pieces, tmp_path / "back")
    assert there(tmp_path / "back")["outputs/model.bin"] == (folders[1][1] / "model.bin").read_bytes()


def test_nothing_at_all(tmp_path):
    unpack([], tmp_path / "back")
    assert not (tmp_path / "back").exists()
    assert brought([("", tmp_path / "there-is-none")], tmp_path) == ({}, [])


def test_of_two_files_with_one_name_the_first_counts(folders, tmp_path):
    """A script that writes outputs/model.bin and uploads it under the same name."""
    (folders[0][1] / "outputs").mkdir()
    (folders[0][1] / "outputs" / "model.bin").write_bytes(b"uploaded")
    taken, _ = collect(folders)
    assert [name for name, _ in taken].count("outputs/model.bin") == 1
    assert brought(folders, tmp_path)[0]["outputs/model.bin"] == b"uploaded"


def test_the_largest_files_are_left_out(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_BYTES", 1000)
    (folders[1][1] / "large.bin").write_bytes(bytes(1001))
    back, left_out = brought(folders, tmp_path)
    assert set(back) == {"plot.png", "outputs/deep/naïve 1.txt", "logs/train.log"}
    # The small ones have taken some of its room.
    assert left_out == ["outputs/model.bin", "outputs/large.bin"]


def test_the_bound_itself_is_brought(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_BYTES", 1000)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "exact.bin").write_bytes(bytes(1000))
    assert brought([("", tmp_path / "x")], tmp_path)[1] == []


def test_links_are_passed_over(folders, tmp_path):
    (tmp_path / "secret").write_text("x")
    (folders[1][1] / "link").symlink_to(tmp_path / "secret")
    (folders[1][1] / "up").symlink_to(tmp_path)
    (folders[1][1] / "broken").symlink_to("there-is-none")
    os.mkfifo(folders[1][1] / "pipe")
    back, left_out = brought(folders, tmp_path)
    assert set(back) == {"plot.png", "outputs/model.bin", "outputs/deep/naïve 1.txt", "logs/train.log"}
    assert left_out == []


def test_files_that_a_zip_finds_odd(folders, tmp_path):
    old = folders[1][1] / "old.txt"
    old.write_text("from 1970")
    os.utime(old, (0, 0))
    (folders[1][1] / os.fsdecode(b"torn-\xff.txt")).write_text("x")
    back, _ = brought(folders, tmp_path)
    assert back["outputs/old.txt"] == b"from 1970"
    assert back["outputs/torn-?.txt"] == b"x"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_named(folders, tmp_path):
    (folders[1][1] / "model.bin").chmod(0)
    back, left_out = brought(folders, tmp_path)
    assert left_out == ["outputs/model.bin"]
    assert "logs/train.log" in back


def test_of_a_long_log_the_end_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "MOST_LOG_BYTES", 1000)
    log = tmp_path / "log"
    for size, expected in ((1000, b"a" * 1000), (1001, b"[the beginning is left out]\n" + b"a" * 1000)):
        log.write_bytes(b"b" * (size - 1000) + b"a" * 1000)
        assert brought([], tmp_path, log)[0] == {LOG: expected}


def test_what_comes_back_stays_in_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../escaped.txt", "x")
        archive.writestr("/absolute.txt", "x")
    unpack([(tmp_path / "evil.zip").read_bytes()], tmp_path / "back")
    assert set(there(tmp_path / "back")) == {"escaped.txt", "absolute.txt"}
    assert not (tmp_path / "escaped.txt").exists()
