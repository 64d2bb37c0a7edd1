"""A folder of a blob container, by azure-storage-blob."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import (
    BlobPrefix,
    BlobProperties,
    ContainerClient,
    ContentSettings,
    LinearRetry,
)

from sparksweep.errors import StorageError
from sparksweep.storage.blob_errors import blob_errors, without_warnings
from sparksweep.storage.blob_uri import BlobFolder, parse_blob_uri
from sparksweep.storage.store import StoredFile, checked_name

__all__ = ["BlobStore"]

# Bytes of a request, and requests for one blob at a time.
_BLOCK = 8 << 20
_AT_ONCE = 4

# Seconds between four attempts: a dead endpoint ends after some ten. The default takes a minute and a half.
_RETRY: dict[str, Any] = {"backoff": 3, "retry_total": 3, "random_jitter_range": 1}


class BlobStore:
    """A folder of a blob container, as a :class:`~sparksweep.storage.Store`.

    A blob appears whole when its upload ends, so nothing is renamed here.
    """

    def __init__(self, folder: BlobFolder, client: ContainerClient) -> None:
        self._folder = folder
        self._client = client

    @classmethod
    def open(cls, uri: str, environ: Mapping[str, str] = os.environ) -> BlobStore:
        """Open a folder with the credentials of an environment.

        Raises
        ------
        StorageError
            If the URI or a credential is malformed, or if there is no credential.
        """
        folder = parse_blob_uri(uri, environ)
        client = ContainerClient(
            folder.credentials.blob_endpoint,
            folder.container,
            credential=_credential(folder),
            retry_policy=LinearRetry(**_RETRY),
            connection_timeout=5,
            read_timeout=60,
            max_single_get_size=_BLOCK,
            max_chunk_get_size=_BLOCK,
            max_block_size=_BLOCK,
            max_single_put_size=_BLOCK,
        )
        return cls(folder, client)

    @property
    def uri(self) -> str:
        """The folder as the user wrote it."""
        return self._folder.uri

    @property
    def container(self) -> str:
        """The container's name."""
        return self._folder.container

    @property
    def origin(self) -> str:
        """The folder's full address, by which it is told from all others."""
        return self._folder.origin

    def list(self) -> Sequence[StoredFile]:
        """Return the blobs that lie directly in the folder, by name. No container is an error."""
        return [
            _stored(self._relative(found.name), found)
            for found in self._entries()
            if not isinstance(found, BlobPrefix) and not _marks_a_folder(found)
        ]

    def folders(self) -> Sequence[str]:
        """Return the names of the folders that lie directly in the folder."""
        return [
            self._relative(found.name).rstrip("/")
            for found in self._entries()
            if isinstance(found, BlobPrefix)
        ]

    def exists(self, name: str) -> bool:
        """Return whether there is such a blob."""
        with blob_errors(self._folder, name):
            return bool(self._blob(name).exists())

    def stat(self, name: str) -> StoredFile:
        """Return size, ETag and, where it has one, MD5 of a blob."""
        with blob_errors(self._folder, name):
            return _stored(name, self._blob(name).get_blob_properties())

    def read(self, name: str) -> bytes:
        """Return a blob's content."""
        with blob_errors(self._folder, name):
            return bytes(self._blob(name).download_blob(max_concurrency=_AT_ONCE).readall())

    def read_range(self, file: StoredFile, offset: int, length: int) -> bytes:
        """Return part of a blob, which must still be of the given version."""
        unchanged = {"etag": file.version, "match_condition": MatchConditions.IfNotModified}
        with blob_errors(self._folder, file.name):
            return bytes(self._blob(file.name).download_blob(offset, length, **unchanged).readall())

    def write(self, name: str, content: bytes | Path) -> None:
        """Upload a blob, with its MD5."""
        if isinstance(content, Path):
            self.upload(name, content)
        else:
            self._upload(name, content, hashlib.md5(content, usedforsecurity=False).digest())

    def upload(
        self,
        name: str,
        path: Path,
        *,
        unless: bytes | None = None,
        report: Callable[[int], None] = lambda _count: None,
    ) -> bool:
        """Upload a file unless it has a given MD5, and return whether it was uploaded.

        ``report`` is told of bytes as they leave, from several threads.
        """
        try:
            before = path.stat()
            with path.open("rb") as file:
                md5 = _md5(file)
                if md5 == unless:
                    return False
                file.seek(0)
                self._upload(name, file, md5, report)
            after = path.stat()
        except OSError as error:
            raise StorageError(f"{path} cannot be read ({error.strerror}): check the file") from None
        if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
            raise StorageError(f"{path} changed while it was uploaded: upload it again when it is complete")
        return True

    def claim(self, name: str, content: bytes) -> bool:
        """Upload a blob if there is none of that name."""
        md5 = bytearray(hashlib.md5(content, usedforsecurity=False).digest())
        with blob_errors(self._folder, name):
            try:
                self._blob(name).upload_blob(content, content_settings=ContentSettings(content_md5=md5))
            except ResourceExistsError:
                return False
        return True

    def delete(self, name: str) -> None:
        """Delete a blob, if there is one."""
        with blob_errors(self._folder, name), contextlib.suppress(ResourceNotFoundError):
            self._blob(name).delete_blob()

    def remove_if_empty(self) -> None:
        """Do nothing: a folder of blobs is there as long as a blob is in it."""

    def check_writable(self) -> None:
        """Write and delete an empty blob."""
        probe = f".writable-{secrets.token_hex(4)}"
        self.write(probe, b"")
        self.delete(probe)

    def create_container(self) -> None:
        """Make the container if there is none of its name."""
        with blob_errors(self._folder):
            # Many a signature may list blobs, but ask nothing about the container itself.
            try:
                next(iter(self._client.list_blobs(results_per_page=1)), None)
            except ResourceNotFoundError:
                with contextlib.suppress(ResourceExistsError):  # somebody else has made it meanwhile
                    self._client.create_container()

    def child(self, name: str) -> BlobStore:
        """Return a folder in this one."""
        name = checked_name(name)
        inner = replace(self._folder, uri=f"{self.uri}/{name}", prefix=self._full(name))
        return BlobStore(inner, self._client)

    def url(self, name: str) -> str:
        """Return the blob's address for Spark: ``abfss://CONTAINER@ACCOUNT.dfs...``."""
        known = self._folder.credentials
        scheme = "abfss" if known.blob_endpoint.startswith("https:") else "abfs"
        return f"{scheme}://{self.container}@{known.data_lake_host}/{self._full(checked_name(name))}"

    def _full(self, name: str) -> str:
        return f"{self._folder.prefix}/{name}" if self._folder.prefix else name

    def _relative(self, name: str) -> str:
        return name[len(self._full("")) :]

    def _blob(self, name: str) -> Any:
        return self._client.get_blob_client(self._full(checked_name(name)))

    def _entries(self) -> Iterator[BlobProperties | BlobPrefix]:
        with blob_errors(self._folder):
            found = self._client.walk_blobs(self._full(""), include=["metadata"], delimiter="/")
            for entry in sorted(found, key=lambda entry: entry.name):
                name = self._relative(entry.name)
                if name and not name.startswith("."):
                    yield entry

    def _upload(
        self,
        name: str,
        content: bytes | IO[bytes],
        md5: bytes,
        report: Callable[[int], None] = lambda _count: None,
    ) -> None:
        sent = 0

        def progress(current: int, _total: int | None) -> None:
            nonlocal sent
            report(current - sent)
            sent = current

        with blob_errors(self._folder, name):
            self._blob(name).upload_blob(
                content,
                overwrite=True,
                max_concurrency=_AT_ONCE,
                content_settings=ContentSettings(content_md5=bytearray(md5)),
                progress_hook=progress,
            )


def _credential(folder: BlobFolder) -> Any:
    known = folder.credentials
    if known.key is not None:
        return {"account_name": known.account, "account_key": known.key}
    if known.sas is not None:
        return known.sas
    if not known.blob_endpoint.startswith("https:"):
        raise StorageError(
            f"{folder.uri}: without https the storage account {known.account} wants a key or a signature: "
            "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN"
        )
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow, and mostly not needed

    credential = DefaultAzureCredential()
    # Asked here once, it fails in a second. Inside of a request it would be asked four times, with pauses.
    with blob_errors(folder), without_warnings("azure.identity"):
        credential.get_token("https://storage.azure.com/.default")
    return credential


def _stored(name: str, found: BlobProperties) -> StoredFile:
    md5 = found.content_settings.content_md5
    etag = found.etag.strip('"')  # a listing has it without quotes, a blob's properties with them
    return StoredFile(name, found.size, f'"{etag}"', bytes(md5) if md5 else None)


def _marks_a_folder(found: BlobProperties) -> bool:
    """Whether it stands for a folder: Hadoop leaves such blobs, and data lakes list their folders so."""
    return bool(found.metadata) and "hdi_isfolder" in {key.lower() for key in found.metadata}


def _md5(file: IO[bytes]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for block in iter(partial(file.read, 1 << 20), b""):
        digest.update(block)
    return digest.digest()
