"""Azurite, a real blob server, for the tests that read and write blobs."""

from __future__ import annotations

import base64
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
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

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.account}"

    def environ(self, *, key: str | None = None, port: int | None = None) -> dict[str, str]:
        """The environment of a person who works with this account, or with a wrong key or by another port."""
        endpoint = self.endpoint.replace(str(self.port), str(port or self.port))
        parts = ["DefaultEndpointsProtocol=http", f"AccountName={self.account}"]
        parts += [f"AccountKey={key or self.key}", f"BlobEndpoint={endpoint}"]
        return {"AZURE_STORAGE_CONNECTION_STRING": ";".join(parts)}


def new_container() -> str:
    return f"tests-{secrets.token_hex(6)}"


@pytest.fixture(scope="session")
def blob_server() -> Iterator[BlobServer]:
    node, main = HOME / "node", HOME / "node_modules" / ".bin" / "azurite-blob"
    if not node.exists() or not main.exists():
        pytest.fail(
            "Azurite, the blob server of the tests, is not installed: run make setup-test", pytrace=False
        )
    account, key = "sweeptests", base64.b64encode(secrets.token_bytes(64)).decode()
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--disableTelemetry"]
    options += ["--inMemoryPersistence", "--extentMemoryLimit", "512", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [node, "-e", _START, main.resolve(), *options],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield BlobServer(_port(process), account, key)
    finally:
        process.communicate(timeout=30)


def _port(process: subprocess.Popen[str]) -> int:
    said = []
    for line in process.stdout:
        said.append(line)
        if listens := re.search(r"listens on http://127\.0\.0\.1:(\d+)", line):
            return int(listens[1])
    pytest.fail(f"Azurite ended at once and said:\n{''.join(said)}", pytrace=False)
