"""What Azure's exceptions mean, in one sentence and without a secret.

The messages of the SDK hold XML, request ids and, where the network fails, the URL with its signature;
so nothing of them is repeated but the status and the code.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
)

from sparksweep.errors import StorageError
from sparksweep.storage.blob_uri import BlobFolder

__all__ = ["blob_errors", "without_warnings"]


@contextmanager
def blob_errors(folder: BlobFolder, name: str | None = None) -> Iterator[None]:
    """Raise what Azure raises inside as a StorageError about a folder, or about a blob in it."""
    try:
        yield
    except AzureError as error:
        # Not even as the cause: a stack trace would show the signature.
        raise StorageError(_sentence(error, folder, name)) from None


@contextmanager
def without_warnings(name: str) -> Iterator[None]:
    """Silence a library's logger: the sentence that follows says it shorter."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _sentence(error: AzureError, folder: BlobFolder, name: str | None) -> str:
    place = folder.uri if name is None else f"{folder.uri}/{name}"
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status is None:
        return f"{place}: {_not_answered(error, folder)}"
    return f"{place}: the storage account {folder.credentials.account} {_answered(error, status, folder)}"


def _not_answered(error: AzureError, folder: BlobFolder) -> str:
    host = urlsplit(folder.credentials.blob_endpoint).netloc
    if isinstance(error, ClientAuthenticationError):
        return (
            "no identity was found: set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or "
            "AZURE_STORAGE_CONNECTION_STRING, or log in with 'az login'"
        )
    if isinstance(error, ServiceRequestError):
        return f"{host} cannot be reached: check the account's name, the endpoint and the network"
    return f"the connection to {host} broke again and again: check the network and start again"


def _answered(error: AzureError, status: int, folder: BlobFolder) -> str:
    code = _code(error)
    if status in (401, 403):
        return f"refused {_refused(folder)} ({status} {code})"
    if code == "ContainerNotFound":
        return f"has no container {folder.container}: create it, or name one that it has"
    if status == 404:
        return "has no such blob: check the name"
    if status == 412:
        return "has another version of it than a moment ago: start again when nobody writes to it"
    return f"answered {status} {code}: start again, or look the code up in Azure's documentation"


def _refused(folder: BlobFolder) -> str:
    known = folder.credentials
    if known.key is not None:
        return f"the key in {known.source}: copy key1 or key2 anew from its page 'Access keys'"
    if known.sas is not None:
        return (
            f"the signature in {known.source}: make a new one that has not expired and that allows to read "
            "and list, and for an output to create, write and delete"
        )
    return (
        "the identity that DefaultAzureCredential found: give it the role Storage Blob Data Reader, or "
        "Storage Blob Data Contributor for an output"
    )


def _code(error: AzureError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "without a code")
