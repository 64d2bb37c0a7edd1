"""Azurite, a real blob server, for the tests that read and write blobs."""

from __future__ import annotations

import base64
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HOME = Path(__file__).parent.parent / ".cache" / "azurite"

# Node ends with this process, however it ends: its standard input closes then.
_START = """
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
require(process.argv[1]);
"""


@dataclass(frozen=True)
class BlobServer:
    """A blob server that runs, with one account that exists nowhere else."""

    port: int
    account: str
    key: str = field(repr=False)
    scheme: str = "http"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{self.account}"

    def environ(self, *, key: str | None = None, port: int | None = None) -> dict[str, str]:
        """The environment of a person who works with this account, or with a wrong key or by another port."""
        endpoint = self.endpoint.replace(str(self.port), str(port or self.port))
        parts = [f"DefaultEndpointsProtocol={self.scheme}", f"AccountName={self.account}"]
        parts += [f"AccountKey={key or self.key}", f"BlobEndpoint={endpoint}"]
        return {"AZURE_STORAGE_CONNECTION_STRING": ";".join(parts)}


def new_container() -> str:
    return f"tests-{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def blob_server() -> Iterator[BlobServer]:
    with start_blob_server() as server:
        yield server


@contextmanager
def start_blob_server(*options: str | Path) -> Iterator[BlobServer]:
    """Start a server on a free port, with options of Azurite's beside the usual ones."""
    node, main = HOME / "node", HOME / "node_modules" / ".bin" / "azurite-blob"
    if not node.exists() or not main.exists():
        pytest.fail(
            "Azurite, the blob server of the tests, is not installed: run make setup-test", pytrace=False
        )
    account, key = "sweeptests", base64.b64encode(secrets.token_bytes(64)).decode()
    usual = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry"]
    usual += ["--inMemoryPersistence", "--extentMemoryLimit", "512", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [node, "-e", _START, main.resolve(), *usual, *options],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        scheme, port = _address(process)
        yield BlobServer(port, account, key, scheme)
    finally:
        process.communicate(timeout=30)


def _address(process: subprocess.Popen[str]) -> tuple[str, int]:
    said = []
    for line in process.stdout or ():
        said.append(line)
        if listens := re.search(r"listens on (https?)://127\.0\.0\.1:(\d+)", line):
            return listens[1], int(listens[2])
    pytest.fail(f"Azurite ended at once and said:\n{''.join(said)}", pytrace=False)
