"""Who we are to an Azure storage account: from the environment, under the names of the Azure CLI.

::

    AZURE_STORAGE_CONNECTION_STRING                  account, key or signature, and endpoint in one
    AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_KEY         account and key
    AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_SAS_TOKEN   account and shared access signature
    AZURE_STORAGE_ACCOUNT                            the identity that DefaultAzureCredential finds

The first that is set is taken. The account may be missing where the URI names it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, urlsplit

from sparksweep.errors import StorageError

__all__ = ["AzureCredentials", "hadoop_configuration", "read_credentials"]

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
ACCOUNT = "AZURE_STORAGE_ACCOUNT"
KEY = "AZURE_STORAGE_KEY"
SAS_TOKEN = "AZURE_STORAGE_SAS_TOKEN"  # noqa: S105 - the name of a variable

PUBLIC_CLOUD = "core.windows.net"

#: The host of an account's blobs, under its old name and under that of the data lake.
ACCOUNT_HOST = re.compile(r"(?P<account>[a-z0-9]+)\.(?:blob|dfs)\.(?P<suffix>.+)")


@dataclass(frozen=True)
class AzureCredentials:
    """A storage account and what opens it. Key and signature stay out of its repr.

    Attributes
    ----------
    account : str or None
        None where only the URI will tell.
    key, sas : str or None
        At most one of them; none means the identity that DefaultAzureCredential finds.
    endpoint : str or None
        Where the blobs are served, if that is not ``https://ACCOUNT.blob.SUFFIX``.
    suffix : str
        The domain of the cloud.
    source : str
        The variable that a person has to mend if the account refuses.
    """

    account: str | None = None
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    suffix: str = PUBLIC_CLOUD
    source: str = ACCOUNT

    @property
    def blob_endpoint(self) -> str:
        """The URL of the account's blobs, without a slash at its end."""
        return self.endpoint or f"https://{self.account}.blob.{self.suffix}"

    @property
    def data_lake_host(self) -> str:
        """The host name by which abfs and abfss URIs name the account."""
        return f"{self.account}.dfs.{self.suffix}"

    def opening(self, account: str, endpoint: str | None, suffix: str) -> AzureCredentials:
        """Return these credentials for the account that a URI names.

        Raises
        ------
        StorageError
            If they belong to another account.
        """
        if self.account not in (None, account):
            raise StorageError(
                f"the URI names the storage account {account}, but {self.source} is for {self.account}: "
                "let both name the same one"
            )
        return replace(self, account=account, endpoint=endpoint or self.endpoint, suffix=suffix)


def read_credentials(environ: Mapping[str, str]) -> AzureCredentials:
    """Read the credentials of an environment; an empty variable counts as missing.

    Raises
    ------
    StorageError
        If a connection string or a key is malformed. Neither is repeated.
    """
    account = environ.get(ACCOUNT) or None
    if connection := environ.get(CONNECTION_STRING):
        return _parsed(connection)
    if key := environ.get(KEY):
        return AzureCredentials(account, key=_checked_key(key.strip(), KEY), source=KEY)
    if sas := environ.get(SAS_TOKEN):
        return AzureCredentials(account, sas=sas.strip().removeprefix("?"), source=SAS_TOKEN)
    return AzureCredentials(account)


def hadoop_configuration(environ: Mapping[str, str], uris: Iterable[str] | None = None) -> dict[str, str]:
    """Return what abfs, abfss, wasb and wasbs need for the account of the environment.

    Where it holds neither key nor signature, the cluster's own configuration decides, such as a managed
    identity.

    Parameters
    ----------
    environ : mapping
        Such as ``os.environ``.
    uris : iterable of str, optional
        What the job reads and writes. If given, nothing is returned unless one of them lies in Azure.
        Also, wasb wants a signature for each container, and finds them here.

    Returns
    -------
    dict
        Hadoop properties, without ``spark.hadoop.`` before them. Keys and signatures stand only under
        ``fs.azure.account.key.*`` and ``fs.azure.sas.*``, which ``spark.redaction.regex`` has to cover.

    Raises
    ------
    StorageError
        If a connection string or a key is malformed.
    """
    places = [urlsplit(uri) for uri in uris or ()]
    azure = ("az", "http", "https", "abfs", "abfss", "wasb", "wasbs")
    if uris is not None and not any(place.scheme in azure for place in places):
        return {}
    known = _of_the_account_in(places, read_credentials(environ))
    if known.account is None:
        return {}
    lake, blobs = known.data_lake_host, f"{known.account}.blob.{known.suffix}"
    settings = {}
    if known.key is not None:
        settings[f"fs.azure.account.auth.type.{lake}"] = "SharedKey"
        settings[f"fs.azure.account.key.{lake}"] = known.key
        settings[f"fs.azure.account.key.{blobs}"] = known.key
    elif known.sas is not None:
        settings[f"fs.azure.account.auth.type.{lake}"] = "SAS"
        settings[f"fs.azure.sas.fixed.token.{lake}"] = known.sas  # Hadoop 3.4.1 and newer
        for place in places:
            if place.scheme in ("wasb", "wasbs") and place.hostname == blobs and place.username:
                settings[f"fs.azure.sas.{place.username}.{blobs}"] = known.sas
    return {**settings, **_other_endpoint(known)}


def _of_the_account_in(places: Iterable[SplitResult], known: AzureCredentials) -> AzureCredentials:
    for place in places:
        host = ACCOUNT_HOST.fullmatch(place.hostname or "")
        if host and known.account in (None, host["account"]):
            return known.opening(host["account"], None, host["suffix"])
    return known


def _other_endpoint(known: AzureCredentials) -> dict[str, str]:
    """Return what leads abfs to an emulator, the one kind of endpoint of its own that it can use."""
    place = urlsplit(known.endpoint or "")
    if place.path.strip("/") != known.account:
        return {}
    return {
        "fs.azure.abfs.endpoint": place.netloc,
        "fs.azure.always.use.https": str(place.scheme == "https").lower(),
        "fs.azure.networking.library": "JDK_HTTP_URL_CONNECTION",
        "fs.azure.metrics.collection.enabled": "false",
    }


def _parsed(connection: str) -> AzureCredentials:
    pairs = [part.partition("=") for part in connection.split(";") if part.strip()]
    parts = {name.strip().lower(): value.strip() for name, _, value in pairs}
    endpoint = parts.get("blobendpoint", "").rstrip("/") or None
    named = ACCOUNT_HOST.fullmatch(urlsplit(endpoint or "").hostname or "")
    account = parts.get("accountname") or (named["account"] if named else None)
    if account is None:
        raise StorageError(
            f"{CONNECTION_STRING} names no account: copy it whole from the account's page 'Access keys', "
            "AccountName=... included"
        )
    protocol = parts.get("defaultendpointsprotocol", "https")
    suffix = named["suffix"] if named else parts.get("endpointsuffix") or PUBLIC_CLOUD
    if endpoint is None and protocol != "https":
        endpoint = f"{protocol}://{account}.blob.{suffix}"
    key, sas = parts.get("accountkey"), parts.get("sharedaccesssignature")
    if not key and not sas:
        raise StorageError(
            f"{CONNECTION_STRING} holds neither AccountKey=... nor SharedAccessSignature=...: copy it whole "
            "from the account's page 'Access keys'"
        )
    return AzureCredentials(
        account,
        key=_checked_key(key, CONNECTION_STRING) if key else None,
        sas=sas.removeprefix("?") if sas and not key else None,
        endpoint=endpoint,
        suffix=suffix,
        source=CONNECTION_STRING,
    )


def _checked_key(key: str, source: str) -> str:
    try:
        base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise StorageError(
            f"{source} holds no storage key, since it is not base64: copy key1 or key2 anew from the "
            "account's page 'Access keys'"
        ) from None
    return key
