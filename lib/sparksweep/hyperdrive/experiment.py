"""Workspaces and experiments, by the names of Azure ML: where sweeps are submitted and found."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from sparksweep.errors import ConfigError
from sparksweep.history import History
from sparksweep.hyperdrive.children import EVENTS
from sparksweep.hyperdrive.execution import execute, prepare
from sparksweep.hyperdrive.run_config import HyperDriveConfig
from sparksweep.hyperdrive.runs import HyperDriveRun, Live, known_settings
from sparksweep.hyperdrive.sweep import Sweep
from sparksweep.search.runs import RunChooser
from sparksweep.session import create_session
from sparksweep.storage import open_store

__all__ = ["Experiment", "Workspace"]


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


class Experiment:
    """A name under which sweeps are kept together.

    Parameters
    ----------
    workspace : Workspace
    name : str
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        self.workspace = workspace
        self.name = name

    def submit(
        self,
        config: HyperDriveConfig,
        tags: Mapping[str, str] | None = None,
        *,
        spark: SparkSession | None = None,
    ) -> HyperDriveRun:
        """Begin a sweep, and return it while it runs in the background.

        A program that ends waits for it.

        Parameters
        ----------
        config : HyperDriveConfig
        tags : mapping, optional
            For the sweep in the history.
        spark : SparkSession, optional
            By default the one that runs, else a new one.

        Raises
        ------
        SparksweepError
            If something is missing or cannot be used.
        """
        if not isinstance(config, HyperDriveConfig):
            raise ConfigError(
                f"Experiment.submit: {type(config).__name__} was given; wrap it in a HyperDriveConfig, whose "
                "search space may have one choice of one option"
            )
        spark = spark or create_session("sparksweep")
        prepared = prepare(config, spark, known_settings(config.resume_from, config.resume_child_runs))
        output = open_store(self.workspace.output, spark=spark)
        output.check_writable()
        live = Live()

        def begun(run_id: str, sweep: Sweep) -> None:
            live.begin(run_id, sweep)
            if tags:
                self.workspace.history.tag(run_id, tags)

        def work() -> None:
            try:
                with RunChooser(output, fresh=True, codec=EVENTS) as runs:
                    live.results = execute(
                        prepared,
                        spark,
                        output,
                        runs,
                        experiment=self.name,
                        history=self.workspace.history,
                        progress=False,
                        begun=begun,
                    )
            except BaseException as error:
                live.error = error
                raise
            finally:
                live.end()

        live.thread = threading.Thread(target=work, name="sweep")
        live.thread.start()
        return HyperDriveRun(self, live.wait_for_id(), config=config, live=live)

    def get_runs(self) -> Iterator[HyperDriveRun]:
        """Yield the sweeps of this experiment, the newest first."""
        for recorded in self.workspace.history.runs(self.name):
            yield HyperDriveRun(self, recorded.id)
