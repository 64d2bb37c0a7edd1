"""What the tests of this room share: a blob server, and a container of their own in it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sparksweep.storage import BlobStore
from tests.blob_server import BlobServer, new_container

# Instead of the pauses between attempts, which add up to ten seconds.
IMPATIENT = {"backoff": 0, "retry_total": 1, "random_jitter_range": 0}


@dataclass(frozen=True)
class Container:
    """A container of the blob server, with the environment that opens it."""

    name: str
    server: BlobServer

    def open(self, folder: str = "", **environ) -> BlobStore:
        return BlobStore.open(f"az://{self.name}/{folder}", self.server.environ(**environ))


@pytest.fixture
def container(blob_server):
    made = Container(new_container(), blob_server)
    made.open().create_container()
    return made
