from __future__ import annotations

from pathlib import Path

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore, LocalStore, open_file, open_store
from sparksweep.storage.blob_uri import parse_blob_uri

KEY = {"AZURE_STORAGE_KEY": "a2V5"}
ACCOUNT = {**KEY, "AZURE_STORAGE_ACCOUNT": "devices"}
EMULATOR = {
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=devices;AccountKey=a2V5;"
    "BlobEndpoint=http://blobs.example:10000/devices"
}


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("/data/in", "/data/in"),
        ("/data/a:b", "/data/a:b"),
        ("data/in", "{cwd}/data/in"),
        ("~/in", "{home}/in"),
        ("file:///data/in", "/data/in"),
        ("file:/data/in", "/data/in"),
        ("file://localhost/data/in", "/data/in"),
    ],
)
def test_folders(uri, path):
    store = open_store(uri)
    assert isinstance(store, LocalStore)
    assert store.uri == path.format(cwd=Path.cwd(), home=Path.home())


@pytest.mark.parametrize(
    ("uri", "environ", "origin"),
    [
        ("az://data/in", ACCOUNT, "https://devices.blob.core.windows.net/data/in"),
        ("az://data", ACCOUNT, "https://devices.blob.core.windows.net/data/"),
        ("az://data/in//x/", ACCOUNT, "https://devices.blob.core.windows.net/data/in/x"),
        ("az://data/a%20b", ACCOUNT, "https://devices.blob.core.windows.net/data/a%20b"),
        ("az://data/in", EMULATOR, "http://blobs.example:10000/devices/data/in"),
        (
            "https://devices.blob.core.windows.net/data/a%20b",
            KEY,
            "https://devices.blob.core.windows.net/data/a b",
        ),
        (
            "https://devices.blob.core.chinacloudapi.cn/data/in",
            ACCOUNT,
            "https://devices.blob.core.chinacloudapi.cn/data/in",
        ),
        ("http://127.0.0.1:10000/devices/data/in", KEY, "http://127.0.0.1:10000/devices/data/in"),
        (
            "http://blobs.example:10000/devices/data/in",
            EMULATOR,
            "http://blobs.example:10000/devices/data/in",
        ),
    ],
)
def test_blobs(uri, environ, origin):
    store = open_store(uri, environ=environ)
    assert isinstance(store, BlobStore)
    assert store.origin == origin
    assert store.uri == uri.rstrip("/")
    assert parse_blob_uri(uri, environ).credentials.account == "devices"


def test_whatever_else_spark_reads(spark_session):
    with pytest.raises(StorageError, match="only Spark reads hdfs://"):
        open_store("hdfs://namenode/runs")
    with pytest.raises(
        StorageError, match=r"gopher://x/y: Spark has no file system for this: .*spark_dependencies"
    ):
        open_store("gopher://x/y", spark=spark_session)
    with pytest.raises(StorageError, match=r"hdfs://127\.0\.0\.1:9/x: its host cannot be reached"):
        open_store("hdfs://127.0.0.1:9/x", spark=spark_session).list()


@pytest.mark.parametrize(
    ("uri", "environ", "message"),
    [
        ("az://data/in", {}, "names no storage account: set AZURE_STORAGE_ACCOUNT"),
        ("az://data/in", KEY, "names no storage account"),
        ("az://", ACCOUNT, "'' cannot be a container"),
        ("az://Data/in", ACCOUNT, "'Data' cannot be a container"),
        ("az://a--b/in", ACCOUNT, "'a--b' cannot be a container"),
        ("https://devices.blob.core.windows.net", KEY, "'' cannot be a container"),
        (
            "https://other.blob.core.windows.net/data",
            ACCOUNT,
            "names the storage account other, but AZURE_STORAGE_KEY is for devices",
        ),
        ("https://example.com/data", KEY, "https://example.com is not known to serve blobs"),
        ("http://blobs.example:10000/else/data", EMULATOR, "is not known to serve blobs"),
        ("file://host/data", {}, "names a folder of the host host: write file:///"),
    ],
)
def test_what_cannot_be_opened(uri, environ, message):
    with pytest.raises(StorageError, match=message):
        open_store(uri, environ=environ)


@pytest.mark.parametrize(
    "uri",
    [
        "https://devices.blob.core.windows.net/data?sv=2024&sig=SECRET",
        "https://devices.blob.core.windows.net/data/?token=SECRET",
        "https://SECRET@devices.blob.core.windows.net/data",
        "az://data/in?sp=r&sig=SECRET",
        "abfss://data@devices.dfs.core.windows.net/in?sig=SECRET",
        "/data/in?sig=SECRET",
    ],
)
def test_a_secret_in_the_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(StorageError, match="AZURE_STORAGE_SAS_TOKEN") as refused:
        open_store(uri, environ=KEY)
    assert "SECRET" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "folder", "name"),
    [
        ("table.csv", ".", "table.csv"),
        ("/table.csv", "/", "table.csv"),
        ("data/table/", "data", "table"),
        ("file:///data/table.csv", "/data", "table.csv"),
    ],
)
def test_a_file_is_opened_by_its_folder(uri, folder, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store, found = open_file(uri)
    assert isinstance(store, LocalStore)
    assert store.root == (tmp_path / folder).resolve()
    assert found == name
