"""The HyperDrive job as a person starts it, and what becomes of its sweep when the driver is gone."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import yaml

from sparksweep.history import History
from tests.conftest import ROOT

# Each run leaves a line when it begins, and one when it ends by itself.
SCRIPT = """
import os, sys, time
from sparksweep.hyperdrive import Run

run, rate, log = Run.get_context(), float(sys.argv[1]), sys.argv[2]
def note(what):
    with open(log, "a") as file:
        file.write(f"{what} {run.id.rpartition('_')[2]} {rate!r} {os.getpid()}\\n")
note("begun")
for step in range(8):
    run.log("score", rate * (step + 1))
    time.sleep(0.15)
note("ended")
"""


def start(file, told, *options):
    command = [sys.executable, "jobs/hyperdrive.py", "--config", str(file), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told, start_new_session=True)


def notes(log):
    """Return (what, run, rate, process) of each line that the scripts have left."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(line.split()) for line in lines]


def write(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    sweep = {
        "type": "sweep",
        "experiment_name": "interrupted",
        "trial": {
            "code": "src",
            "command": f"python train.py ${{{{search_space.rate}}}} {tmp_path / 'log'}",
        },
        "search_space": {"rate": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": "tpe",
        "objective": {"goal": "maximize", "primary_metric": "score"},
        "limits": {"max_total_trials": 8, "max_concurrent_trials": 2},
        "early_termination": {"type": "median_stopping", "delay_evaluation": 4},
        "output": str(tmp_path / "runs"),
        "spark": {"master": "local[2,4]", "conf": {"spark.ui.enabled": "false"}},
    }
    (tmp_path / "sweep.yml").write_text(yaml.safe_dump(sweep))
    return tmp_path / "sweep.yml", tmp_path / "log", tmp_path / "told"


def begin(file, log, told):
    """Start a sweep, and return its process and family in the middle of it, when some runs have ended."""
    with told.open("w") as out:
        job = start(file, out)
    while job.poll() is None and sum(note[0] == "ended" for note in notes(log)) < 3:
        time.sleep(0.05)
    time.sleep(2.5)  # the journal has time to take it
    return job, psutil.Process(job.pid).children(recursive=True)


def test_a_sweep_that_is_terminated_leaves_nobody_behind(tmp_path):
    job, family = begin(*write(tmp_path))
    job.send_signal(signal.SIGTERM)
    told = tmp_path / "told"
    assert job.wait(timeout=60) == 143, told.read_text()
    _, orphans = psutil.wait_procs(family, timeout=30)
    assert not orphans
    assert "Traceback" not in told.read_text()
    assert told.read_text().endswith("Run the same command again to go on.\n")


def test_a_sweep_whose_driver_is_killed_goes_on(tmp_path):
    file, log, told = write(tmp_path)
    job, family = begin(file, log, told)
    job.kill()
    assert job.wait(timeout=60) == -signal.SIGKILL
    _, orphans = psutil.wait_procs(family, timeout=30)
    assert not orphans
    (run,) = [path.name for path in (tmp_path / "runs").iterdir()]
    journal = {}
    for batch in (tmp_path / "runs" / run / "journal").glob("batch-*.json"):
        journal |= json.loads(batch.read_text())["results"]
    ended = {event["run"] for event in journal.values() if event["kind"] == "end"}
    asked = {event["run"]: event["setting"] for event in journal.values() if event["kind"] == "ask"}
    assert len(ended) >= 3
    before = notes(log)

    with told.open("w") as out:
        assert start(file, out).wait(timeout=200) == 0, told.read_text()
    assert f"Going on with run {run}: {len(ended)} runs have ended already" in told.read_text()
    with (tmp_path / "runs" / run / "results.csv").open(newline="") as opened:
        table = list(csv.DictReader(opened))
    assert sorted(int(row["run"].rpartition("_")[2]) for row in table) == list(range(8))
    assert {row["status"] for row in table} <= {"Completed", "Stopped early"}
    rates = {int(row["run"].rpartition("_")[2]): float(row["param_rate"]) for row in table}
    assert {run: setting["rate"] for run, setting in asked.items()}.items() <= rates.items()
    assert len(set(rates.values())) == 8
    again = {int(note[1]) for note in notes(log)[len(before) :] if note[0] == "begun"}
    assert not again & ended  # none twice
    assert again == set(range(8)) - ended
    with History.open() as history:
        children = history.children(run)
        assert [child.id for child in children] == [f"{run}_{number}" for number in range(8)]
        assert {child.status for child in children} <= {"FINISHED", "KILLED"}
        for child in children:
            assert "user_logs/std_log.txt" in history.files(child.id)
            assert len(history.metric(child.id, "score")) in range(4, 9)
        assert history.find(run).status == "FINISHED"
    begun = Counter(int(note[1]) for note in notes(log) if note[0] == "begun")
    assert all(count <= 2 for count in begun.values())
