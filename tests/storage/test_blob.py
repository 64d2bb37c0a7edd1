"""What a real blob server refuses, and what the user reads then."""

from __future__ import annotations

import logging
import re
import socket
import traceback
from datetime import datetime, timedelta, timezone

import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from sparksweep.errors import StorageError
from sparksweep.storage import BlobStore, StoredFile
from tests.blob_server import new_container
from tests.storage.conftest import IMPATIENT
from tests.storage.contract import check_store

WRONG_KEY = "d3Jvbmc="


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("sparksweep.storage.blob._RETRY", IMPATIENT)


def signature(server, *, hours=1, **permissions):
    return generate_account_sas(
        server.account,
        server.key,
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(**permissions),
        datetime.now(timezone.utc) + timedelta(hours=hours),
    )


def signed(server, token):
    """An environment with a signature instead of a key."""
    connection = f"BlobEndpoint={server.endpoint};AccountName={server.account};SharedAccessSignature={token}"
    return {"AZURE_STORAGE_CONNECTION_STRING": connection}


EVERYTHING = {"read": True, "list": True, "write": True, "create": True, "delete": True}
ACTIONS = {
    "list": lambda store: store.list(),
    "folders": lambda store: store.folders(),
    "exists": lambda store: store.exists("x.csv"),
    "stat": lambda store: store.stat("x.csv"),
    "read": lambda store: store.read("x.csv"),
    "write": lambda store: store.write("x.csv", b"1"),
    "range": lambda store: store.read_range(StoredFile("x.csv", 9, '"0x1"'), 0, 9),
    "claim": lambda store: store.claim("x.csv", b"1"),
    "delete": lambda store: store.delete("x.csv"),
    "check": lambda store: store.check_writable(),
    "create": lambda store: store.create_container(),
}


def refusal(action, store, *secrets):
    """Return the one sentence of a refusal, after looking for secrets in it and its stack trace."""
    with pytest.raises(StorageError) as refused:
        action(store)
    sentence = str(refused.value)
    shown = "".join(traceback.format_exception(refused.value))
    assert "\n" not in sentence
    assert "<" not in sentence
    assert "azure.core" not in shown, "the SDK's own messages repeat URLs"
    for secret in secrets:
        assert secret not in shown
    return sentence


@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
def test_a_wrong_key(container, action):
    sentence = refusal(action, container.open("in", key=WRONG_KEY), WRONG_KEY, container.server.key)
    assert re.fullmatch(
        rf"az://{container.name}/in\S*: the storage account sweeptests refused the key in "
        r"AZURE_STORAGE_CONNECTION_STRING: copy key1 or key2 anew from its page 'Access keys' \(403 \w+\)",
        sentence,
    )


@pytest.mark.parametrize("action", [name for name in ACTIONS if name not in ("exists", "delete", "create")])
def test_a_missing_container(blob_server, action):
    name = new_container()
    store = BlobStore.open(f"az://{name}/in", blob_server.environ())
    sentence = refusal(ACTIONS[action], store, blob_server.key)
    assert sentence.endswith(f"has no container {name}: create it, or name one that it has")


def test_a_missing_container_has_no_files_and_can_be_made(blob_server):
    store = BlobStore.open(f"az://{new_container()}/in", blob_server.environ())
    assert not store.exists("x.csv")
    store.delete("x.csv")
    store.create_container()
    store.create_container()
    assert list(store.list()) == []


@pytest.mark.parametrize("action", [ACTIONS["stat"], ACTIONS["read"]])
def test_a_missing_blob(container, action):
    sentence = refusal(action, container.open("in"), container.server.key)
    assert sentence == (
        f"az://{container.name}/in/x.csv: the storage account sweeptests has no such blob: check the name"
    )


def test_a_signature_opens_the_store(container, tmp_path):
    environ = signed(container.server, signature(container.server, **EVERYTHING))
    store = BlobStore.open(f"az://{container.name}/in", environ)
    store.create_container()
    check_store(store, tmp_path)


@pytest.mark.parametrize(
    ("hours", "permissions", "action"),
    [
        (-1, EVERYTHING, "list"),
        (1, {"list": True}, "read"),
        (1, {"read": True}, "list"),
        (1, {"read": True, "list": True}, "write"),
    ],
    ids=["expired", "no read", "no list", "no write"],
)
def test_a_signature_that_does_not_open_it(container, hours, permissions, action):
    container.open("in").write("x.csv", b"1")
    token = signature(container.server, hours=hours, **permissions)
    store = BlobStore.open(f"az://{container.name}/in", signed(container.server, token))
    sentence = refusal(ACTIONS[action], store, token, token.rpartition("sig=")[2])
    assert re.search(
        r"refused the signature in AZURE_STORAGE_CONNECTION_STRING: make a new one .*\(403 \w+\)$", sentence
    )


@pytest.mark.parametrize("action", ACTIONS.values(), ids=list(ACTIONS))
def test_a_host_that_does_not_answer(container, action, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    token = signature(container.server, **EVERYTHING)
    environ = {
        name: value.replace(str(container.server.port), str(port))
        for name, value in signed(container.server, token).items()
    }
    with caplog.at_level(logging.INFO):
        sentence = refusal(action, BlobStore.open(f"az://{container.name}/in", environ), token, "sig=")
    assert f"127.0.0.1:{port} cannot be reached" in sentence
    assert token.rpartition("sig=")[2] not in caplog.text


def test_no_credentials_at_all(monkeypatch, caplog):
    # Only the environment is asked, so that the test means the same on a machine that has an identity.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StorageError, match=r"no identity was found: set AZURE_STORAGE_KEY, .*'az login'$"):
        BlobStore.open("https://sweeptests.blob.core.windows.net/data", {})
    assert caplog.text == ""


def test_an_identity_needs_https(blob_server):
    with pytest.raises(StorageError, match=r"without https .* wants a key or a signature"):
        BlobStore.open(f"{blob_server.endpoint}/data", {})


def test_markers_of_folders_are_not_files(container):
    store = container.open()
    store._client.upload_blob("runs", b"", metadata={"hdi_isfolder": "true"})
    store._client.upload_blob("runs/", b"")
    store.write("runs/1/best.json", b"{}")
    store.write(".hidden", b"")
    assert list(store.list()) == []
    assert list(store.folders()) == ["runs"]
    assert list(store.child("runs").list()) == []
    assert list(store.child("runs").folders()) == ["1"]


def test_a_file_that_changes_while_it_is_uploaded_is_refused(container, tmp_path):
    path = tmp_path / "growing.csv"
    path.write_bytes(b"1\n" * 100)

    def grow(_count):
        with path.open("ab") as file:
            file.write(b"2\n")

    with pytest.raises(StorageError, match=r"growing\.csv changed while it was uploaded"):
        container.open().upload("growing.csv", path, report=grow)


def test_the_address_for_spark():
    environ = {"AZURE_STORAGE_ACCOUNT": "sweeptests", "AZURE_STORAGE_KEY": "a2V5"}
    assert BlobStore.open("az://data/in/", environ).url("a b.csv") == (
        "abfss://data@sweeptests.dfs.core.windows.net/in/a b.csv"
    )
    assert BlobStore.open("az://data", environ).child("in").url("x/y.csv") == (
        "abfss://data@sweeptests.dfs.core.windows.net/in/x/y.csv"
    )
    url = "https://sweeptests.blob.core.chinacloudapi.cn/data"
    assert BlobStore.open(url, environ).url("x") == "abfss://data@sweeptests.dfs.core.chinacloudapi.cn/x"
    emulator = BlobStore.open("http://127.0.0.1:10000/sweeptests/data", environ)
    assert emulator.url("x") == "abfs://data@sweeptests.dfs.core.windows.net/x"
