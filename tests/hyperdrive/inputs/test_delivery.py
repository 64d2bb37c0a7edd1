"""Datasets and named inputs: what they name, how their bytes travel, and what of them lies on a host."""

from __future__ import annotations

import fcntl
import multiprocessing
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparksweep.errors import ConfigError, StorageError
from sparksweep.hyperdrive import Dataset
from sparksweep.hyperdrive.inputs.dataset import InputDataset, NamedInput
from sparksweep.hyperdrive.inputs.delivery import PackedFile, PackedInput, pack, unpacked, work_folder
from sparksweep.hyperdrive.inputs.named import INPUTS, read_inputs, write_inputs
from sparksweep.storage import BlobStore
from tests.blob_server import new_container

ROWS = pd.DataFrame({"x": [1, 2, 3], "y": ["a", "b", "c"]})


@pytest.fixture(name="data")
def folder_of_data(tmp_path):
    folder = tmp_path / "data"
    (folder / "deep").mkdir(parents=True)
    ROWS[:2].to_csv(folder / "1.csv", index=False)
    ROWS[2:].to_csv(folder / "2.csv", index=False)
    ROWS.to_csv(folder / "all.csv.gz", index=False)
    ROWS.to_parquet(folder / "all.parquet")
    (folder / "_SUCCESS").touch()
    (folder / "deep" / "1.csv").write_text("x,y\n9,z\n")
    return folder


@pytest.fixture(name="host")
def folder_of_the_host(tmp_path, monkeypatch):
    monkeypatch.delenv("LOCAL_DIRS", raising=False)
    monkeypatch.setenv("SPARK_LOCAL_DIRS", str(tmp_path / "host"))
    return tmp_path / "host" / "sparksweep"


def names(dataset):
    return [file.name for file in dataset.find(None)]


# What a dataset names.


def test_a_file(data):
    dataset = Dataset.Tabular.from_delimited_files(data / "1.csv")
    assert names(dataset) == ["1.csv"]
    pd.testing.assert_frame_equal(dataset.to_pandas_dataframe(), ROWS[:2])


def test_a_file_of_the_working_directory(data, monkeypatch):
    monkeypatch.chdir(data)
    dataset = Dataset.Tabular.from_delimited_files("1.csv")
    pd.testing.assert_frame_equal(dataset.to_pandas_dataframe(), ROWS[:2])


def test_a_pattern_and_a_list(data):
    for path in (f"{data}/*.csv", [data / "1.csv", str(data / "2.csv")], f"{data}/[12].csv"):
        dataset = Dataset.Tabular.from_delimited_files(path)
        pd.testing.assert_frame_equal(dataset.to_pandas_dataframe(), ROWS)


@pytest.mark.parametrize(
    "dataset",
    [Dataset.Tabular.from_delimited_files("all.csv.gz"), Dataset.Tabular.from_parquet_files("all.parquet")],
)
def test_other_forms(data, monkeypatch, dataset):
    monkeypatch.chdir(data)
    pd.testing.assert_frame_equal(dataset.to_pandas_dataframe(), ROWS)


def test_a_folder_of_rows_is_what_lies_in_it(data):
    (data / "all.csv.gz").unlink()
    (data / "all.parquet").unlink()
    pd.testing.assert_frame_equal(Dataset.Tabular.from_delimited_files(str(data)).to_pandas_dataframe(), ROWS)


def test_a_folder_of_files_is_all_below_it(data):
    below = ["1.csv", "2.csv", "_SUCCESS", "all.csv.gz", "all.parquet", "deep/1.csv"]
    assert names(Dataset.File.from_files(data)) == below
    assert names(Dataset((f"{data}/",), "folder")) == below


@pytest.mark.parametrize("path", ["nothing.csv", "*.txt", "no-such-folder/"])
def test_what_is_not_there(data, path):
    with pytest.raises(StorageError, match=rf"{re.escape(path)}: there is no such file, and no folder"):
        Dataset.File.from_files(f"{data}/{path}").find(None)


@pytest.mark.parametrize("path", [None, [], 5, [5], ()])
def test_no_path(path):
    with pytest.raises(ConfigError, match="needs a path, a URI, or a list of them"):
        Dataset.Tabular.from_delimited_files(path)


def test_arguments_that_have_no_counterpart():
    Dataset.Tabular.from_delimited_files("a.csv", validate=False, infer_column_types=True)
    with pytest.raises(ConfigError, match="from_delimited_files: separator is not supported"):
        Dataset.Tabular.from_delimited_files("a.csv", separator=";")


@pytest.mark.parametrize("name", ["", "training data", "1st", None, "a/b", "a.b"])
def test_names_of_inputs(name):
    with pytest.raises(ConfigError, match="as_named_input: .* is no name"):
        Dataset.File.from_files("a").as_named_input(name)


def test_mounted(data):
    named = Dataset.File.from_files(data).as_named_input("data")
    assert (named.as_path, named.as_mount().as_path, named.as_download().as_path) == (False, True, True)


# How they travel.


def named(name, *paths, kind="files"):
    return NamedInput(name, Dataset(tuple(map(str, paths)), kind))


def from_elsewhere(packed):
    """The same input as a cluster sends it: by its bytes."""
    files = [
        PackedFile(file.name, file.version, content=np.frombuffer(file.path.read_bytes(), np.uint8))
        for file in packed.files
    ]
    return PackedInput(packed.name, packed.kind, tuple(files), None)


def test_a_local_master_sees_the_files_themselves(spark_session, data, host):
    packed = pack([named("one", data / "1.csv"), named("all", data, kind="folder")], spark_session)
    assert [file.content for one in packed for file in one.files] == [None] * 7
    with unpacked(packed) as inputs:
        assert inputs["one"].paths == (data / "1.csv",)
        assert inputs["all"].folder == data
        assert inputs["all"].paths[-1] == data / "deep" / "1.csv"
    assert not list(host.glob("inputs-*"))


def test_bytes_lie_on_a_host_once_while_they_are_used(spark_session, data, host):
    two = pack([named("one", data / "1.csv"), named("all", data, kind="folder")], spark_session)
    sent = tuple(map(from_elsewhere, two))
    with unpacked(sent) as first, unpacked(sent) as second:
        assert first == second
        everything = first["all"].folder
        assert {path.relative_to(everything).as_posix() for path in first["all"].paths} == set(
            names(Dataset.File.from_files(data))
        )
        for path in first["all"].paths:
            assert path.read_bytes() == (data / path.relative_to(everything)).read_bytes()
            assert not path.stat().st_mode & 0o222
        assert first["one"].paths[0].read_bytes() == (data / "1.csv").read_bytes()
        assert len(list(host.glob("inputs-*"))) == 1


def test_files_of_one_name_from_several_places(spark_session, data, host):
    (packed,) = pack([named("both", data / "1.csv", data / "deep" / "1.csv", kind="csv")], spark_session)
    with unpacked([from_elsewhere(packed)]) as inputs:
        frame = inputs["both"].to_pandas_dataframe()
    assert frame["y"].tolist() == ["a", "b", "z"]
    with unpacked([packed]) as inputs:
        pd.testing.assert_frame_equal(inputs["both"].to_pandas_dataframe(), frame)
        assert inputs["both"].folder == data


def test_an_empty_file(spark_session, data, host):
    (packed,) = pack([named("mark", data / "_SUCCESS")], spark_session)
    with unpacked([from_elsewhere(packed)]) as inputs:
        assert inputs["mark"].paths[0].read_bytes() == b""


def test_what_nobody_uses_any_more_goes_when_another_comes(spark_session, data, host):
    (first,) = map(from_elsewhere, pack([named("a", data / "1.csv")], spark_session))
    (second,) = map(from_elsewhere, pack([named("a", data / "2.csv")], spark_session))
    with unpacked([first]) as held:
        with unpacked([second]) as other:
            assert held["a"].paths[0].exists()
            assert other["a"].paths[0].read_bytes() == (data / "2.csv").read_bytes()
        with unpacked([first]):
            assert not other["a"].paths[0].exists()
            assert held["a"].paths[0].exists()


def test_another_content_is_another_input(spark_session, data):
    (before,) = pack([named("a", data / "1.csv")], spark_session)
    (again,) = pack([named("a", data / "1.csv")], spark_session)
    assert before.digest == again.digest
    (data / "1.csv").write_text("x,y\n5,e\n6,f\n7,g\n")
    (after,) = pack([named("a", data / "1.csv")], spark_session)
    assert after.digest != before.digest


def _use(packed, seen):
    with unpacked([packed]) as inputs:
        seen.put(inputs["a"].paths[0].stat().st_ino)


def test_workers_that_come_at_once_write_one_copy(spark_session, data, host):
    (packed,) = map(from_elsewhere, pack([named("a", data / "1.csv")], spark_session))
    fork = multiprocessing.get_context("fork")
    seen = fork.SimpleQueue()
    with unpacked([packed]) as ours:
        workers = [fork.Process(target=_use, args=(packed, seen)) for _ in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert {seen.get() for _ in workers} == {ours["a"].paths[0].stat().st_ino}


def test_a_worker_that_was_killed_holds_nothing(spark_session, data, host):
    (packed,) = map(from_elsewhere, pack([named("a", data / "1.csv")], spark_session))
    fork = multiprocessing.get_context("fork")
    begun = fork.Event()

    def hold():
        with unpacked([packed]):
            begun.set()
            fork.Event().wait(60)

    worker = fork.Process(target=hold)
    worker.start()
    assert begun.wait(30)
    worker.kill()
    worker.join()
    (used,) = host.glob("inputs-*/.used")
    with used.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_blobs_travel_by_their_bytes(spark_session, blob_server, host, monkeypatch):
    for name, value in blob_server.environ().items():
        monkeypatch.setenv(name, value)
    container = new_container()
    store = BlobStore.open(f"az://{container}", blob_server.environ())
    store.create_container()
    store.write("in/1.csv", b"x,y\n1,a\n")
    store.write("in/deep/2.csv", b"x,y\n2,b\n")
    inputs = [
        named("rows", f"az://{container}/in/*.csv", kind="csv"),
        named("all", f"az://{container}/in", kind="folder"),
    ]
    packed = pack(inputs, spark_session)
    store.write("in/1.csv", b"changed")
    with unpacked(packed) as there:
        assert there["rows"].to_pandas_dataframe().to_dict("list") == {"x": [1], "y": ["a"]}
        assert [path.relative_to(there["all"].folder).as_posix() for path in there["all"].paths] == [
            "1.csv",
            "deep/2.csv",
        ]


def test_what_a_script_reads_is_what_the_task_has_written(tmp_path):
    inputs = {
        "données": InputDataset("csv", (tmp_path / "a b.csv", Path("/x/'\"")), tmp_path),
        "none": InputDataset("folder", (), tmp_path),
    }
    assert read_inputs({INPUTS: write_inputs(inputs)}) == inputs
    assert read_inputs({}) == {}


def test_the_folder_of_a_run_is_its_own_and_goes(host):
    with work_folder("sweep_1") as first, work_folder("sweep_1") as second:
        assert first != second
        assert host in first.parents
        (first / "deep").mkdir()
        (first / "deep" / "file").touch()
    assert not first.exists()
    assert not second.exists()
    with work_folder("sweep_1") as third:
        shutil.rmtree(third)
