"""The user's code on its way to the executors."""

from __future__ import annotations

import io
import os
import zipfile

import numpy as np
import pytest

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.child import snapshot
from sparksweep.hyperdrive.child.snapshot import take_snapshot, unpack


@pytest.fixture(name="code")
def source_directory(tmp_path):
    folder = tmp_path / "code"
    (folder / "package" / "deep").mkdir(parents=True)
    (folder / "train.py").write_text("print('é')\n", encoding="utf-8")
    (folder / "package" / "__init__.py").touch()
    (folder / "package" / "deep" / "données 1.bin").write_bytes(bytes(range(256)))
    (folder / "run.sh").write_text("#!/bin/sh\necho ran\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_what_is_taken_is_what_is_unpacked(code, tmp_path):
    unpack(take_snapshot(code), tmp_path / "there")
    assert files(tmp_path / "there") == files(code)


def test_it_travels_as_an_array(code, tmp_path):
    array = np.frombuffer(take_snapshot(code), np.uint8)
    unpack(array.data, tmp_path / "there")
    assert files(tmp_path / "there") == files(code)


def test_programs_stay_executable(code, tmp_path):
    unpack(take_snapshot(code), tmp_path / "there")
    assert os.access(tmp_path / "there" / "run.sh", os.X_OK)
    assert not (tmp_path / "there" / "train.py").stat().st_mode & 0o111


def test_the_same_files_are_the_same_bytes(code):
    first = take_snapshot(code)
    os.utime(code / "train.py", (0, 0))
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "train.pyc").write_bytes(b"x")
    assert take_snapshot(code) == first
    (code / "train.py").write_text("print('e')\n")
    assert take_snapshot(code) != first


@pytest.mark.parametrize("name", [".git", "__pycache__", ".ipynb_checkpoints", ".venv", "mlruns"])
def test_what_tools_leave_behind_stays(code, name):
    for parent in (code, code / "package"):
        (parent / name).mkdir()
        (parent / name / "file").write_text("x")
    names = zipfile.ZipFile(io.BytesIO(take_snapshot(code))).namelist()
    assert sorted(names) == ["package/__init__.py", "package/deep/données 1.bin", "run.sh", "train.py"]


def test_too_much_is_refused(code, monkeypatch):
    monkeypatch.setattr(snapshot, "MOST_BYTES", 2 << 20)
    with (code / "data.bin").open("wb") as large:
        large.truncate((2 << 20) - sum(map(len, files(code).values())))
    take_snapshot(code)
    with (code / "more").open("wb") as more:
        more.write(b"x")
    with pytest.raises(ConfigError) as refused:
        take_snapshot(code)
    assert str(refused.value) == (
        f"source_directory {str(code)!r} holds more than 2 MB: move data out of it, and name it as an input"
    )


def test_links_are_followed_but_not_in_circles(code, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "shared.py").write_text("x = 1\n")
    (code / "shared").symlink_to(tmp_path / "elsewhere")
    (code / "alias.py").symlink_to(code / "train.py")
    (code / "package" / "up").symlink_to(code)
    (code / "package" / "here").symlink_to(code / "package")
    (code / "broken").symlink_to(code / "there-is-none")
    names = zipfile.ZipFile(io.BytesIO(take_snapshot(code))).namelist()
    assert sorted(names) == [
        "alias.py",
        "package/__init__.py",
        "package/deep/données 1.bin",
        "run.sh",
        "shared/shared.py",
        "train.py",
    ]


def test_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    unpack(take_snapshot(tmp_path / "empty"), tmp_path / "there")
    assert not (tmp_path / "there").exists() or files(tmp_path / "there") == {}


def test_the_runs_that_lie_in_the_source_are_no_part_of_it(code):
    before = take_snapshot(code, code / "output")
    (code / "output" / "run").mkdir(parents=True)
    (code / "output" / "run" / "best.json").write_text("{}")
    (code / "mlflow.db").write_text("x")
    (code / "mlflow.db-journal").write_text("x")
    assert take_snapshot(code, code / "." / "output") == before
    assert take_snapshot(code) != before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_named(code):
    (code / "train.py").chmod(0)
    with pytest.raises(ConfigError, match=r"train\.py cannot be read"):
        take_snapshot(code)
