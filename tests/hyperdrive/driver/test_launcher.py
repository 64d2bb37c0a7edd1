"""What the launcher makes of Spark: how many runs at once, and what it says when Spark fails or has gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sparksweep.hyperdrive.child.link import Address
from sparksweep.hyperdrive.driver import launcher
from sparksweep.hyperdrive.driver.launcher import SparkLauncher
from tests.conftest import ROOT
from tests.hyperdrive.child_runs import driving, script_trial


def test_executors_that_come_later_count(spark_session, monkeypatch):
    cores = iter([2, 64])
    monkeypatch.setattr(launcher, "_slots", lambda _: next(cores))
    monkeypatch.setattr(launcher, "_SLOTS_FOR", 0.0)
    made = SparkLauncher(spark_session.sparkContext, None, Address("127.0.0.1", 1, ""), lambda _: None)
    try:
        assert [made.slots, made.slots, made.slots] == [2, 64, 64]
    finally:
        made.close()


def test_a_fault_in_the_task_is_told_by_its_name(spark_session, tmp_path):
    trial = script_trial(tmp_path / "code", "", environ={"A=B": "1"})
    with driving(spark_session.sparkContext, trial) as driver:
        driver.launcher.start("sweep_0", {}, 1)
        (ended,) = driver.wait("sweep_0")
    assert ended.status == "Failed"
    assert ended.error == "Spark could not do the run: ValueError: illegal environment variable name"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 failed 4 times: org.apache."
            "spark.api.python.PythonException: Traceback (most recent call last):\n"
            '  File "a.py", line 3, in run\n    import nothing\n'
            "ModuleNotFoundError: No module named 'nothing'\n\n\tat org.apache.spark.api.python.Base.handle(P:1)",
            "ModuleNotFoundError: No module named 'nothing'",
        ),
        (
            "org.apache.spark.SparkException: Job 3 cancelled\n\tat x",
            "org.apache.spark.SparkException: Job 3 cancelled",
        ),
        ("java.io.IOException: gone", "java.io.IOException: gone"),
        ("a\nmy.package.OwnError: 3\nb", "my.package.OwnError: 3"),
        ("", "RuntimeError"),
    ],
)
def test_what_is_told_of_a_job_that_failed(text, told):
    assert launcher._told(RuntimeError(text)) == f"Spark could not do the run: {told}"


PROGRAM = """
import json, sys, threading, time
from pathlib import Path

sys.path.insert(0, sys.argv[1])  # which executors do not see
from pyspark.sql import SparkSession
from sparksweep.errors import SetupError
from sparksweep.hyperdrive import *

folder = Path(sys.argv[2])
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
workspace = Workspace("w", folder / "runs", f"sqlite:///{folder}/mlflow.db")

def submit(sleep):
    trial = ScriptRunConfig(folder / "code", "train.py", ["--sleep", sleep])
    return Experiment(workspace, "gone").submit(
        HyperDriveConfig(
            GridParameterSampling({"--rate": choice(1, 2, 3, 4)}),
            "rate", PrimaryMetricGoal.MAXIMIZE, max_total_runs=4, run_config=trial,
        ),
        spark=spark,
    )

first = submit(0)
said = {"first": first.wait_for_completion()["status"]}
second = submit(60)
while len(second.get_metrics()) < 2:
    time.sleep(0.2)
spark.sparkContext._jsc.sc().stop()
try:
    second.wait_for_completion()
except SetupError as error:
    said["error"] = str(error)
events = {}
for file in (folder / "runs" / second.id / "journal").glob("batch-*.json"):
    events |= json.loads(file.read_text())["results"]
said["ended"] = sum(event["kind"] == "end" for event in events.values())
said["begun"] = sum(event["kind"] == "start" for event in events.values())
(folder / "said.json").write_text(json.dumps(said))
"""

SCRIPT = """
import sys, time
from sparksweep.hyperdrive import Run

Run.get_context().log("rate", float(sys.argv[sys.argv.index("--rate") + 1]))
time.sleep(float(sys.argv[sys.argv.index("--sleep") + 1]))
"""


def test_runs_are_not_to_blame_for_a_spark_that_ends(tmp_path):
    """Neither does the session have to be one of ours: its executors are sent the package."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SCRIPT)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "lib"), str(tmp_path)],
        env={**environ, "SPARK_LOCAL_IP": "127.0.0.1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (tmp_path / "said.json").exists(), done.stderr[-5000:]
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["first"] == "Completed"
    assert said["error"].startswith("Spark has ended while runs were at work")
    assert (said["begun"], said["ended"]) == (2, 0)
