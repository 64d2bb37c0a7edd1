"""How a dataset is written: the same bytes again, all or nothing, and the job's mistakes."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import zipfile

import pytest

from sparksweep.data.synthetic import Shape, write_dataset
from sparksweep.errors import ConfigError, StorageError
from tests.conftest import ROOT

TINY = 0.002
# Of the seven CSVs at this scale and seed 0. Who changes what is drawn writes the new one here; nothing
# else (a Python, a numpy, a machine) may change it.
SHA256 = "15c12d81605470c64564b0a8bd13392aaf354d13d2e1e25671bf30bbe26c1bcd"


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def make(*options, **limits):
    """Run the job in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "make_dataset.py"), *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **limits,
    )


def test_the_bytes_follow_from_scale_and_seed(tmp_path):
    write_dataset(tmp_path / "one", scale=TINY, seed=0)
    write_dataset(tmp_path / "two", scale=TINY, seed=0)
    write_dataset(tmp_path / "other", scale=TINY, seed=1)

    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two")
    other = contents(tmp_path / "other")
    assert list(one) == list(other) == sorted(f"{name}.csv" for name in Shape(TINY).rows)
    assert [name for name in one if one[name] == other[name]] == []
    assert hashlib.sha256(b"".join(one.values())).hexdigest() == SHA256


def test_zips_hold_the_same_csvs_and_are_the_same_bytes_again(tmp_path, monkeypatch):
    write_dataset(tmp_path / "plain", scale=TINY, seed=0)
    write_dataset(tmp_path / "one", scale=TINY, seed=0, zipped=True)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    write_dataset(tmp_path / "two", scale=TINY, seed=0, zipped=True)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    inside = {}
    for path in (tmp_path / "one").iterdir():
        with zipfile.ZipFile(path) as archive:
            (entry,) = archive.infolist()
            assert path.name == f"{entry.filename}.zip"
            assert entry.date_time == (2016, 5, 8, 0, 0, 0)
            inside[entry.filename] = archive.read(entry)
    assert inside == contents(tmp_path / "plain")


@pytest.mark.parametrize("zipped", [False, True])
def test_what_was_written_is_reported_file_by_file(tmp_path, zipped):
    seen = []

    def progress(table):
        assert table.path.exists()
        assert not list(tmp_path.glob("*.csv*"))
        seen.append(table.name)

    written = write_dataset(tmp_path, scale=TINY, seed=3, zipped=zipped, progress=progress)

    assert seen == list(Shape(TINY).rows)
    assert {table.name: table.rows for table in written} == Shape(TINY).rows
    for table in written:
        assert table.path == tmp_path / f"{table.name}.csv{'.zip' if zipped else ''}"
        assert table.path.stat().st_size == table.bytes
        assert table.seconds >= 0
    assert len(list(tmp_path.iterdir())) == 7


def test_an_interrupt_leaves_nothing(tmp_path):
    def interrupt(table):
        if table.name == "events":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, scale=TINY, progress=interrupt)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["events.csv", "app_labels.csv.zip"])
def test_a_table_that_is_there_is_not_overwritten(tmp_path, name):
    (tmp_path / name).write_text("real")

    with pytest.raises(StorageError, match=rf"{name}: there is such a table already"):
        write_dataset(tmp_path, scale=TINY)

    assert contents(tmp_path) == {name: b"real"}


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="seed=-1"):
        write_dataset(tmp_path / "dataset", scale=TINY, seed=-1)

    assert not (tmp_path / "dataset").exists()


def test_the_job_prints_a_line_a_file(tmp_path):
    done = make("--scale", TINY, "--output", tmp_path, "--zip")

    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 7
    size = (tmp_path / "events.csv.zip").stat().st_size
    assert f"events.csv.zip: 6,506 rows, {size:,} bytes, " in done.stdout


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--scale", "0.001"], "error: scale=0.001: a dataset can be written at a scale from 0.002 to 10;"),
        (["--scale", "0.002", "--seed", "-1"], "error: seed=-1:"),
        (["--scale", "0.002"], "dataset: the dataset cannot be written there (File exists);"),
    ],
)
def test_a_mistake_ends_the_job_in_one_sentence(tmp_path, options, sentence):
    (tmp_path / "dataset").write_text("a file, not a folder")

    done = make(*options, "--output", tmp_path / "dataset")

    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert contents(tmp_path) == {"dataset": b"a file, not a folder"}


def test_a_disk_that_takes_no_more_ends_the_job_in_one_sentence_and_nothing_is_left(tmp_path):
    def at_most_a_million_bytes_a_file():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = make("--scale", TINY, "--output", tmp_path, preexec_fn=at_most_a_million_bytes_a_file)

    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 4
    assert done.stderr.startswith(f"error: {tmp_path}: the dataset cannot be written there (")
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
