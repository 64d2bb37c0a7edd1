"""Run by test_child_runs.py in a process of its own: child runs on executors that are killed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import psutil

from sparksweep.session import create_session
from tests.hyperdrive.child_runs import driving, script_trial
from tests.hyperdrive.processes import is_running, pids, within

SCRIPT = """
import os, subprocess, sys, time
from pathlib import Path
from sparksweep.hyperdrive import Run

folder = Path(os.environ["FOLDER"])
name = next(name for name in ("first", "second", "third") if not (folder / name).exists())
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(90)"])
Run.get_context().log("Accuracy", {"first": 0, "second": 1, "third": 2}[name])
Path("outputs", "attempt.txt").write_text(name)
(folder / name).write_text(f"{os.getpid()} {child.pid}\\n")
while name != "second":
    time.sleep(0.05)
"""


def main(folder: Path) -> None:
    spark = create_session("child-runs", master="local-cluster[2,1,1024]", conf={"spark.ui.enabled": "false"})
    (folder / "application").write_text(spark.sparkContext.applicationId)
    trial = script_trial(folder / "code", SCRIPT, environ={"FOLDER": str(folder)})
    with driving(spark.sparkContext, trial) as driver:
        driver.launcher.start("sweep_0", {}, 1)
        group = pids(folder / "first", 2)
        within(60, lambda: driver.values.get("sweep_0"))
        executor_of(group[0]).kill()
        within(30, lambda: not any(map(is_running, group)))
        (ended,) = driver.wait("sweep_0", seconds=90)
        result = {
            "left": [process for process in group if is_running(process)],
            "attempts": driver.attempts["sweep_0"],
            "ended": [ended.status, ended.error, ended.attempt],
            "values": driver.values["sweep_0"],
            "metrics": [(metric.name, metric.value) for metric in ended.metrics],
            "outputs": {
                name: content.decode()
                for name, content in driver.files["sweep_0"].items()
                if name.startswith("outputs/")
            },
        }
        write(folder / "executor.json", result)
        driver.launcher.start("sweep_1", {}, 1)
        pids(folder / "third", 2)
        write(folder / "ready.json", {})
        time.sleep(600)


def executor_of(process: int) -> psutil.Process:
    parents = psutil.Process(process).parents()
    return next(one for one in parents if "CoarseGrainedExecutorBackend" in " ".join(one.cmdline()))


def write(path: Path, content: dict[str, object]) -> None:
    growing = path.with_suffix(".part")
    growing.write_text(json.dumps(content))
    growing.rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
