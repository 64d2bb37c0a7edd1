"""A driver that only listens: it starts child runs of scripts, and keeps what comes of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from pyspark import SparkContext

from sparksweep.hyperdrive.child.script_trial import ScriptTrial
from sparksweep.hyperdrive.child.snapshot import take_snapshot
from sparksweep.hyperdrive.child.task import Ended
from sparksweep.hyperdrive.driver.launcher import Returned, SparkLauncher
from sparksweep.hyperdrive.driver.report_server import Heard, ReportServer
from tests.hyperdrive.processes import within


class Driver:
    """What it heard, by run: attempts and metrics; and what came back: how a run ended, and its files."""

    launcher: SparkLauncher

    def __init__(self) -> None:
        self.stops: set[str] = set()
        self.attempts: dict[str, list[int]] = {}
        self.values: dict[str, list[tuple[str, float]]] = {}
        self.ended: dict[str, Ended] = {}
        self.files: dict[str, dict[str, bytes]] = {}

    def hear(self, heard: Heard) -> None:
        attempts = self.attempts.setdefault(heard.run, [])
        if heard.attempt not in attempts:
            attempts.append(heard.attempt)
            self.values[heard.run] = []
        known = self.values[heard.run]
        new = heard.metrics[len(known) - heard.first :]
        known += [(metric.name, metric.value) for metric in new]
        heard.answer.set_result(heard.run in self.stops)

    def returned(self, one: Returned) -> None:
        self.files[one.run] = {
            path.relative_to(one.files).as_posix(): path.read_bytes()
            for path in one.files.rglob("*")
            if path.is_file()
        }
        self.ended[one.run] = one.ended

    def log(self, run: str) -> str:
        return self.files[run]["user_logs/std_log.txt"].decode()

    def wait(self, *runs: str, seconds: float = 60) -> list[Ended]:
        within(seconds, lambda: all(run in self.ended for run in runs))
        return [self.ended[run] for run in runs]


@contextmanager
def driving(sc: SparkContext, trial: ScriptTrial) -> Iterator[Driver]:
    driver = Driver()
    with ReportServer(driver.hear) as server:
        driver.launcher = SparkLauncher(sc, trial, server.address, driver.returned)
        with closing(driver.launcher):
            yield driver


def script_trial(folder: Path, script: str | None, **other) -> ScriptTrial:
    """Return a trial of train.py in a folder, which is written; of the folder alone where that is None."""
    folder.mkdir(exist_ok=True)
    if script is not None:
        (folder / "train.py").write_text(script, encoding="utf-8")
    parts = {
        "script": None if "command" in other else "train.py",
        "arguments": (),
        "command": None,
        "inputs": (),
        "literals": {},
        "environ": {},
        "seconds": 60.0,
        **other,
    }
    return ScriptTrial(np.frombuffer(take_snapshot(folder), np.uint8), **parts)
