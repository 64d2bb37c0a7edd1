"""Where the history lies: MLflow's tracking URI, what of it may be shown, and how a database is made."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from sparksweep.errors import ConfigError, SetupError, StorageError

__all__ = ["Place"]

_REMEDY = "install it with `pip install mlflow`"
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
# Seconds to wait for a server to take a connection, and for a new database.
_CONNECT = 5.0
_CREATE = 300.0

# MLflow migrates a new database through all its versions, in seconds and not as one transaction.
# A folder of the user's may have modules named like others: the current one is taken off the path.
_CREATE_DATABASE = (
    "import sys; sys.path[:] = [part for part in sys.path if part]; from mlflow import MlflowClient; "
    "MlflowClient(tracking_uri=sys.argv[1]).search_experiments()"
)


@dataclass(frozen=True)
class Place:
    """A tracking store of MLflow's.

    Attributes
    ----------
    uri : str
        What MLflow is given. It may hold a password and is not shown.
    """

    uri: str = field(repr=False)

    @classmethod
    def choose(cls, tracking_uri: str | None, environ: Mapping[str, str] = os.environ) -> Place:
        """Return the store of a URI, else of MLFLOW_TRACKING_URI, else ``mlflow.db`` in the current folder.

        Raises
        ------
        SetupError
            If MLflow, or what it needs for databases, is not installed.
        ConfigError
            If the URI names a database in memory or a path with a question mark.
        """
        uri = tracking_uri or environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"
        if importlib.util.find_spec("mlflow") is None:
            raise SetupError(f"the run history needs MLflow, which is not installed: {_REMEDY}")
        if uri.startswith("sqlite:"):
            if importlib.util.find_spec("sqlalchemy") is None:
                raise SetupError(
                    f"the run history needs all of MLflow, and only a part is installed: {_REMEDY}"
                )
            return cls(_absolute(uri))
        if "://" not in uri and not uri.startswith(("file:", "databricks", "uc")):
            return cls(Path(uri).expanduser().absolute().as_uri())
        return cls(uri)

    @property
    def shown(self) -> str:
        """The URI without user, password and query, for messages."""
        return re.sub(r"//[^/]*@", "//", self.uri).partition("?")[0]

    @property
    def is_http(self) -> bool:
        """Whether a tracking server answers for the store."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def database(self) -> Path | None:
        """The file of a SQLite store."""
        if not self.uri.startswith("sqlite:"):
            return None
        return Path(self.uri.partition(":///")[2].partition("?")[0])

    @property
    def is_new(self) -> bool:
        """Whether there is no history yet, as far as that is known without asking MLflow."""
        return self.database is not None and not self.database.exists()

    def artifacts(self, experiment: str) -> str | None:
        """Return the URI for the files of a new experiment; None where the store itself knows a place."""
        if self.database is None:
            return None
        folder = re.sub(r"[^\w.-]", "_", experiment).lstrip(".")[:100] or "_"
        return (self.database.parent / "mlruns" / folder).as_uri()

    def make_ready(self) -> None:
        """Make the database if it is missing, and see whether a server takes connections.

        MLflow's own retries would wait for a dead server for minutes.

        Raises
        ------
        StorageError
            If the database cannot be made, or the server does not answer.
        """
        if self.is_new:
            self._create()
        if not self.is_http:
            return
        parts = urlsplit(self.uri)
        host = parts.hostname or ""
        if parts.scheme in getproxies() and not proxy_bypass(host):
            return
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((host, port), timeout=_CONNECT).close()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StorageError(
                f"the MLflow server {self.shown} does not answer ({reason}): "
                "start it, or set MLFLOW_TRACKING_URI"
            ) from None

    def scrub(self, text: str) -> str:
        """Return a text of MLflow's without the credentials that it may hold."""
        text = text.replace(self.uri, self.shown)
        secrets = [os.environ.get(name) for name in _SECRETS]
        password = re.search(r"//[^/@:]*:([^/]*)@", self.uri)
        if password:
            secrets += [password[1], unquote(password[1])]
        for secret in secrets:
            text = text.replace(secret, "***") if secret else text
        return re.sub(r"//[^/\s@]+@", "//", text)

    def _create(self) -> None:
        # In a process of its own, since alembic has one global state a process; under a temporary name, since
        # a database that is migrated by half is of no use; and the first of two made at once stays.
        target = self.database
        assert target is not None  # only a database is new
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder:
                made = Path(folder) / target.name
                # A session of its own, so that Ctrl-C in a terminal leaves it alone.
                subprocess.run(
                    [sys.executable, "-c", _CREATE_DATABASE, f"sqlite:///{made}"],
                    cwd=target.parent,
                    env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_CREATE,
                    check=True,
                    start_new_session=True,
                )
                try:
                    os.link(made, target)
                except FileExistsError:
                    return
                except OSError:  # a file system without hard links
                    if not target.exists():
                        made.rename(target)
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or ["it ended without a word"]
            raise StorageError(f"MLflow cannot make the database {target}: {lines[-1]}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = getattr(error, "strerror", None) or "it takes too long"
            raise StorageError(
                f"MLflow's database {target} cannot be made ({reason}): "
                "name a place to write to in MLFLOW_TRACKING_URI, such as sqlite:////PATH/mlflow.db"
            ) from None


def _absolute(uri: str) -> str:
    path, mark, query = uri.partition("?")
    name = path.partition(":///")[2]
    if not name or name == ":memory:":
        raise ConfigError(f"tracking URI {uri}: a database in memory keeps no history; name a file")
    full = Path(name).expanduser().absolute()
    if "?" in str(full):
        raise ConfigError(f"tracking URI {uri}: SQLite's URI cannot name a path with a question mark: {full}")
    return f"{path.partition(':///')[0]}:///{full}{mark}{query}"
