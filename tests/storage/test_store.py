from __future__ import annotations

from sparksweep.storage import HadoopStore, LocalStore
from tests.storage.contract import check_store


def test_a_local_folder_is_a_store(tmp_path):
    check_store(LocalStore(tmp_path / "made" / "as needed"), tmp_path)
    assert list(tmp_path.rglob("*.tmp")) == []


def test_a_folder_of_blobs_is_a_store(container, tmp_path):
    check_store(container.open("runs/of today"), tmp_path)
    names = [file.name for file in container.open("runs").list()]
    assert names == []


def test_a_whole_container_is_a_store(container, tmp_path):
    check_store(container.open(), tmp_path)


def test_a_hadoop_file_system_is_a_store(spark_session, tmp_path):
    folder = tmp_path / "made" / "as needed"
    check_store(HadoopStore(f"file://{folder}/", spark_session), tmp_path)
    temporary = [path.name for path in folder.rglob("*.tmp")]
    assert temporary == []
