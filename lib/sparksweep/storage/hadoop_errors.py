"""What the exceptions of Hadoop's file systems mean, in one sentence and without a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.sql.utils import CapturedException  # type: ignore[attr-defined]  # public, as of 3.3

from sparksweep.errors import StorageError

__all__ = ["hadoop_errors", "is_missing"]

# What to look for in the classes and messages of an exception and its causes, and what to say then. The
# first that fits counts: a refused connection, for one, comes wrapped in a complaint about the configuration.
_MEANINGS = (
    (
        r"WASB Driver",
        "this Hadoop has no wasb any more: write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/...",
    ),
    (
        r"UnsupportedFileSystemException|No FileSystem for scheme|ClassNotFoundException",
        "Spark has no file system for this: correct the URI, or start Spark with the package for it, as "
        "spark_dependencies.yml does for Azure",
    ),
    (
        r"ConnectException|UnknownHostException|NoRouteToHostException|SocketTimeoutException",
        "its host cannot be reached: check the URI and the network",
    ),
    (
        r"KeyProviderException|fs\.azure\.account\.key|No credentials found|[Tt]oken provider",
        "Spark has no credentials for this storage account: set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, "
        "or AZURE_STORAGE_CONNECTION_STRING",
    ),
    (
        r"(container|filesystem) does not exist|ContainerNotFound|FilesystemNotFound",
        "the storage account has no such container: create it, or name one that it has",
    ),
    (
        r"AccessDeniedException|AccessControlException|AuthorizationException|AuthenticationFailed"
        r"|AuthorizationFailure|failed to authenticate|, 40[13],",
        "access is denied: check the credentials (for Azure AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or "
        "AZURE_STORAGE_CONNECTION_STRING) and what they allow",
    ),
    (
        r"FileAlreadyExistsException|ParentNotDirectoryException|PathConflict|Not a directory"
        r"|Parent path is not",
        "a file lies where a folder is needed: name another place",
    ),
    (r"FileNotFoundException", "there is no such file"),
)


@contextmanager
def hadoop_errors(place: str) -> Iterator[None]:
    """Raise what Java raises inside as a StorageError about a place."""
    try:
        yield
    except (Py4JJavaError, CapturedException) as error:
        # Not even as the cause: the messages repeat URLs, with what stands after their question mark.
        raise StorageError(f"{place}: {_meaning(error)}") from None


def is_missing(error: Py4JJavaError) -> bool:
    """Return whether it says that there is no such file or folder, in a place that is there itself."""
    return _meaning(error) == _MEANINGS[-1][1]


def _meaning(error: Py4JJavaError | CapturedException) -> str:
    told = _told(error)
    for pattern, meaning in _MEANINGS:
        if re.search(pattern, "\n".join(told)):
            return meaning
    cause = re.sub(r"\?\S*", "", told[-1]).split("\n")[0].strip()
    return f"Hadoop says {cause!r}: check the URI and what the file system allows"


def _told(error: Py4JJavaError | CapturedException) -> list[str]:
    """Return class and message of an exception and of its causes, the innermost last."""
    if not isinstance(error, Py4JJavaError):  # pyspark has made one of its own of it
        return [f"{type(error).__name__}: {error}"]
    told: list[str] = []
    java = error.java_exception
    while java is not None and len(told) < 10:
        told.append(f"{java.getClass().getSimpleName()}: {java.getMessage()}")
        java = java.getCause()
    return told
