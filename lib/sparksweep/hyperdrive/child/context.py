"""The run as a training script sees it, under Azure ML's names.

Inside a sweep what a script logs goes to the task that started it, and on to the driver. Outside, the same
script runs alone: what it logs is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.child.relay import API
from sparksweep.hyperdrive.inputs.dataset import InputDataset
from sparksweep.hyperdrive.inputs.named import read_inputs

__all__ = [
    "ADDRESS",
    "ARTIFACTS",
    "RUN_ID",
    "TOKEN",
    "ScriptRun",
    "get_azureml_logger",
    "get_context",
    "tell",
]

#: Environment variables of a script in a sweep: the run, the folder of its artifacts, and where it logs.
#: MLflow has variables of its own for that, which a user may set to something else.
RUN_ID = "SPARKSWEEP_RUN_ID"
ARTIFACTS = "SPARKSWEEP_ARTIFACTS"
ADDRESS = "SPARKSWEEP_ADDRESS"
TOKEN = "SPARKSWEEP_TOKEN"  # noqa: S105 - the name of a variable

_OUTSIDE = "OfflineRun"
_SECONDS = 30.0

# What odd values raise that are asked for their number or their text, such as a whole number beyond the
# floats, or a tensor of two entries. A script does not end by what it logs.
_ODD = (ArithmeticError, RuntimeError, TypeError, ValueError)


class ScriptRun:
    """What ``Run.get_context()`` returns in a script.

    Attributes
    ----------
    id : str
        Of the child run; ``OfflineRun`` outside a sweep.
    input_datasets : mapping of str to InputDataset
        By the names that ``as_named_input`` gave.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.id = environ.get(RUN_ID, _OUTSIDE)
        self.input_datasets = _Inputs(read_inputs(environ))
        self._is_outside = RUN_ID not in environ
        self._artifacts = Path(environ[ARTIFACTS]) if ARTIFACTS in environ else None
        self._address = environ.get(ADDRESS, "")
        self._token = environ.get(TOKEN, "")

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:  # noqa: ARG002 - Azure ML's form
        """Log a value. The n-th number of the primary metric is the run's interval n.

        A number, also of NumPy, is a metric; anything else becomes a tag.
        """
        number = _number(value)
        if number is None:
            self.tag(name, value)
            return
        metric = {"key": name, "value": str(number), "timestamp": int(1000 * time.time())}
        self._send(
            {"metrics": [metric if step is None else {**metric, "step": int(step)}]}, f"{name}: {number}"
        )

    def log_list(self, name: str, value: Sequence[Any], description: str = "") -> None:  # noqa: ARG002 - as above
        """Log the entries of a list one after the other."""
        for entry in value:
            self.log(name, entry)

    def log_row(self, name: str, description: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002 - as above
        """Log each value of a row under ``name.key``."""
        for key, value in kwargs.items():
            self.log(f"{name}.{key}", value)

    def log_table(self, name: str, value: Mapping[str, Any], description: str = "") -> None:  # noqa: ARG002 - as above
        """Log the columns of a table, each as a list, under ``name.key``."""
        for key, column in value.items():
            entries = column.tolist() if hasattr(column, "tolist") else column  # NumPy's and pandas' columns
            self.log_list(f"{name}.{key}", entries if isinstance(entries, list | tuple) else [entries])

    def tag(self, key: str, value: Any = "") -> None:
        """Set a tag of the run."""
        text = _text(value)
        self._send({"tags": [{"key": key, "value": text}]}, f"{key}: {text}")

    def upload_file(self, name: str, path_or_stream: str | Path | IO[bytes]) -> None:
        """Keep a file of the script with the run, under a relative name. Outside a sweep nothing is done.

        Raises
        ------
        ConfigError
            If the name is none, or leads out of the run's files.
        """
        if self._artifacts is None:
            return
        target = (self._artifacts / name).resolve()
        if self._artifacts.resolve() not in target.parents:
            raise ConfigError(f"upload_file: {name!r} is no relative name of a file")
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(path_or_stream, str | Path):
            shutil.copyfile(path_or_stream, target)
        else:
            target.write_bytes(path_or_stream.read())

    def upload_folder(self, name: str, path: str | Path) -> None:
        """Keep the files of a folder with the run, as :meth:`upload_file`."""
        for file in sorted(Path(path).rglob("*")):
            if file.is_file():
                self.upload_file(f"{name}/{file.relative_to(path).as_posix()}", file)

    def complete(self) -> None:
        """Do nothing: the run is complete when the script ends with exit code 0."""

    def flush(self) -> None:
        """Do nothing: what is logged is sent at once."""

    def _send(self, content: Mapping[str, Any], told: str) -> None:
        if self._is_outside:
            sys.stdout.write(f"{told}\n")
            return
        tell(self._address, self._token, content)


def get_context(allow_offline: bool = True) -> ScriptRun:
    """Return the run of this script.

    Raises
    ------
    ConfigError
        If the script runs outside a sweep, and ``allow_offline`` is False.
    """
    if not allow_offline and RUN_ID not in os.environ:
        raise ConfigError("this script runs outside a sweep, and allow_offline is False: start it by a sweep")
    return ScriptRun()


def get_azureml_logger() -> ScriptRun:
    """Return the run of this script, under the name that it had in Azure ML Workbench of 2017."""
    return get_context()


def tell(address: str, token: str, content: Mapping[str, Any]) -> None:
    """Send what was logged to the task. A task that is gone is no error: it ends this process by itself."""
    request = urllib.request.Request(  # noqa: S310 - the address is http, from the task that started us
        f"{address}{API}/runs/log-batch",
        json.dumps(content).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        raise ValueError(f"this cannot be logged: {error.read().decode(errors='replace')}") from None
    except OSError as error:
        sys.stderr.write(f"what was logged did not reach the sweep: {type(error).__name__}\n")


class _Inputs(dict[str, InputDataset]):
    def __missing__(self, name: str) -> InputDataset:
        known = ", ".join(self) or "none"
        raise ConfigError(
            f"there is no input {name!r}; known: {known}. Name it by as_named_input({name!r}) "
            "in the arguments or the inputs of the ScriptRunConfig"
        )


def _number(value: Any) -> float | None:
    if isinstance(value, str | bytes):
        return None
    try:
        return float(value)
    except _ODD:
        return None


def _text(value: Any) -> str:
    try:
        return str(value)
    except _ODD as error:
        return f"{type(value).__name__}: {error}"
