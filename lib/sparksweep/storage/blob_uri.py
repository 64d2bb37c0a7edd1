"""The two ways to write where blobs lie: ``az://CONTAINER/PREFIX``, and the URL of their folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from sparksweep.errors import StorageError
from sparksweep.storage.credentials import ACCOUNT, ACCOUNT_HOST, AzureCredentials, read_credentials

__all__ = ["BlobFolder", "parse_blob_uri"]

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CONTAINER = re.compile(r"\$root|\$web|(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class BlobFolder:
    """A folder of a container: its URI as a person wrote it, and what it means."""

    uri: str
    credentials: AzureCredentials
    container: str
    prefix: str

    @property
    def origin(self) -> str:
        """Its full address, by which it is told from other folders."""
        return f"{self.credentials.blob_endpoint}/{self.container}/{self.prefix}"


def parse_blob_uri(uri: str, environ: Mapping[str, str]) -> BlobFolder:
    """Read a URI, and the credentials for its account from an environment.

    Raises
    ------
    StorageError
        If it is malformed, if no account is named, or if the credentials are another account's.
    """
    place = urlsplit(uri)
    if place.query or place.fragment or "@" in place.netloc:
        # The message must not repeat the URI: this may be a signature.
        raise StorageError(
            f"a URI of blobs ends with the folder, but this one in {place.hostname} goes on: a shared access "
            "signature belongs into AZURE_STORAGE_SAS_TOKEN"
        )
    known = read_credentials(environ)
    segments = [unquote(part) if place.scheme != "az" else part for part in place.path.split("/") if part]
    if place.scheme == "az":
        segments.insert(0, place.netloc)
    elif host := ACCOUNT_HOST.fullmatch(place.hostname or ""):
        known = known.opening(host["account"], f"{place.scheme}://{place.netloc}", host["suffix"])
    else:
        known = _at_other_host(place, segments, known)
    if known.account is None:
        raise StorageError(
            f"{uri} names no storage account: set {ACCOUNT}, or AZURE_STORAGE_CONNECTION_STRING"
        )
    container, *folders = segments or [""]
    if not _CONTAINER.fullmatch(container):
        raise StorageError(
            f"{uri}: {container!r} cannot be a container, whose name has 3 to 63 small letters, digits and "
            "hyphens: write az://CONTAINER/PREFIX or https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"
        )
    return BlobFolder(uri.rstrip("/"), known, container, "/".join(folders))


def _at_other_host(place: SplitResult, segments: list[str], known: AzureCredentials) -> AzureCredentials:
    """Find the account of a URL that does not begin with it, and take the endpoint off its path.

    An emulator has the account as the first part of the path. Any other host must be the one that the
    connection string names.
    """
    origin = f"{place.scheme}://{place.netloc}"
    theirs = urlsplit(known.endpoint or "")
    if known.endpoint and f"{theirs.scheme}://{theirs.netloc}" == origin:
        inner = [part for part in theirs.path.split("/") if part]
        if segments[: len(inner)] == inner:
            del segments[: len(inner)]
            return known
    if place.hostname in ("localhost", "127.0.0.1", "::1") and segments:
        account = segments.pop(0)
        return known.opening(account, f"{origin}/{account}", known.suffix)
    raise StorageError(
        f"{origin} is not known to serve blobs: write https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX "
        "or az://CONTAINER/PREFIX, with BlobEndpoint=... in AZURE_STORAGE_CONNECTION_STRING"
    )
