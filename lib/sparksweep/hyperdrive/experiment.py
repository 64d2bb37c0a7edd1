"""Experiments, by the names of Azure ML: where sweeps are submitted and found."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from pyspark.sql import SparkSession

from sparksweep.errors import ConfigError
from sparksweep.hyperdrive.driver.children import EVENTS
from sparksweep.hyperdrive.driver.sweep import Sweep
from sparksweep.hyperdrive.execution import execute, prepare
from sparksweep.hyperdrive.run_config import HyperDriveConfig
from sparksweep.hyperdrive.runs import HyperDriveRun, Live
from sparksweep.hyperdrive.warm_start import known_settings
from sparksweep.hyperdrive.workspace import Workspace
from sparksweep.search.runs import RunChooser
from sparksweep.session import create_session
from sparksweep.storage import open_store

__all__ = ["Experiment"]


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
        output = open_store(self.workspace.output, spark=spark)
        output.check_writable()
        known = known_settings(config.resume_from, config.resume_child_runs)
        prepared = prepare(config, spark, output, known)
        live = Live()

        def begun(run_id: str, sweep: Sweep) -> None:
            live.begin(run_id, sweep)
            if tags:
                self.workspace.history.tag(run_id, tags)

        def work() -> None:
            try:
                with RunChooser(output, fresh=True, codec=EVENTS) as runs:
                    execute(
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

        threading.Thread(target=work, name="sweep").start()
        return HyperDriveRun(self, live.wait_for_id(), config, live=live)

    def get_runs(self) -> Iterator[HyperDriveRun]:
        """Yield the sweeps of this experiment, the newest first."""
        for recorded in self.workspace.history.runs(self.name):
            yield HyperDriveRun(self, recorded.id)
