from __future__ import annotations

import traceback

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import HadoopStore
from sparksweep.storage.hadoop_errors import hadoop_errors


@pytest.fixture
def store(spark_session, tmp_path):
    return HadoopStore(f"file://{tmp_path}", spark_session)


@pytest.fixture(params=["in one step", "deleted first"])
def way(request, monkeypatch):
    """The two ways in which a file takes the place of another."""
    if request.param == "in one step":  # as on HDFS
        monkeypatch.setattr("sparksweep.storage.hadoop._REPLACING", ("file",))


def test_a_file_takes_the_place_of_another(store, way):
    for content in (b"1", b"2", b"3"):
        store.write("latest.txt", content)
        assert store.read("latest.txt") == content
    assert [file.name for file in store.list()] == ["latest.txt"]


def test_a_write_that_fails_leaves_nothing(store, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        StorageError, match=rf"file://{tmp_path}/file/.*: a file lies where a folder is needed"
    ):
        store.child("file").check_writable()
    (tmp_path / "folder" / "best.json" / "inner").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"folder/best\.json"):
        store.child("folder").write("best.json", b"{}")
    left = [path.name for path in tmp_path.rglob("*") if path.suffix != ".crc"]
    assert sorted(left) == ["best.json", "file", "folder", "inner"]


def test_the_settings_of_the_session_count(spark_session):
    other = spark_session.newSession()
    other.conf.set("fs.gopher.impl", "org.apache.hadoop.fs.LocalFileSystem")
    with pytest.raises(StorageError, match="Spark has no file system for this"):
        HadoopStore("gopher://settings/x", spark_session)
    with pytest.raises(StorageError, match=r"Hadoop says .*Wrong FS: gopher://settings/x"):
        HadoopStore("gopher://settings/x", other).list()


def fail_in_java(spark, message):
    promise = spark._jvm.java.util.concurrent.CompletableFuture()
    promise.completeExceptionally(spark._jvm.java.io.IOException(message))
    with hadoop_errors("abfs://c@a/x"):
        promise.get()


def test_what_java_says_after_a_question_mark_is_not_repeated(spark_session):
    message = "Odd, GET, http://127.0.0.1/c?sv=1&sig=SECRET, rId: 1\nmore"
    with pytest.raises(StorageError) as refused:
        fail_in_java(spark_session, message)
    sentence = "abfs://c@a/x: Hadoop says 'IOException: Odd, GET, http://127.0.0.1/c rId: 1': check the URI"
    assert str(refused.value) == f"{sentence} and what the file system allows"
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))
