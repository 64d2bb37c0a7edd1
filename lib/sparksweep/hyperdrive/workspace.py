"""Where sweeps are kept: a folder of runs, and a history."""

from __future__ import annotations

import json
from pathlib import Path

from sparksweep.errors import ConfigError
from sparksweep.history import History

__all__ = ["Workspace"]


class Workspace:
    """Where sweeps are kept: a folder of runs, and a history in MLflow.

    Parameters
    ----------
    name : str
    output : str
        A path, or the URI of a Hadoop file system.
    tracking_uri : str, optional
        Of MLflow; by default what ``MLFLOW_TRACKING_URI`` names, else ``mlflow.db`` in the current folder.
    """

    def __init__(
        self, name: str = "local", output: str | Path = "output/hyperdrive", tracking_uri: str | None = None
    ) -> None:
        self.name = name
        self.output = str(output)
        self.tracking_uri = tracking_uri
        self._history: History | None = None

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Workspace:
        """Return the workspace of this machine.

        Parameters
        ----------
        path : path, optional
            A ``config.json`` of Azure ML, of which only ``workspace_name`` counts. By default the one in the
            current folder, if there is one.

        Raises
        ------
        ConfigError
            If the file that is named is missing or torn.
        """
        file = Path("config.json" if path is None else path)
        if path is None and not file.exists():
            return cls()
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            return cls(str(content.get("workspace_name", "local")))
        except (OSError, ValueError, AttributeError):
            raise ConfigError(f"{file}: this is no config.json of a workspace; leave it out") from None

    @property
    def history(self) -> History:
        """The run history, opened when it is first asked for."""
        if self._history is None:
            self._history = History.open(self.tracking_uri)
        return self._history
