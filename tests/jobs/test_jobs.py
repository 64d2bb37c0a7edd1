"""The jobs as a person starts them: in a process of their own, that finds the package by itself."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from sparksweep.data.synthetic import write_dataset
from tests.blob_server import new_container
from tests.conftest import ROOT

JOBS = sorted((ROOT / "jobs").glob("*.py"))
SPARK_SUBMIT = Path(sys.executable).with_name("spark-submit")
GRID = "search.grid={n_estimators: [2, 4], max_depth: [2], colsample_bylevel: [0.1]}"
QUICK = [
    "--config",
    "conf/sweep.yml",
    "--set",
    "history=false",
    "--set",
    "synthetic=null",
    "--set",
    "search.folds=2",
    "--set",
    GRID,
]
JAR = "hadoop-azure-*.jar"


@pytest.fixture(scope="module")
def zipped(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zipped")
    write_dataset(folder, scale=0.01, seed=0, zipped=True)
    return folder


def start(command, cwd=ROOT, **environ):
    """Run a command as from a shell: without what the tests add to the environment."""
    clean = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SPARK_LOCAL_IP")
    }
    clean |= {"SPARK_LOCAL_IP": "127.0.0.1"} | environ
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def newest(output):
    return output / (output / "latest.txt").read_text().strip()


def test_bare_spark_submit_on_executors_of_their_own(zipped, tmp_path):
    """Two executors, each a process that has no lib/ on its path; the input is zipped."""
    output = tmp_path / "runs"
    master = ["--master", "local-cluster[2,1,1024]", "--conf", "spark.ui.enabled=false"]
    places = ["--set", f"input={zipped}", "--set", f"output={output}", "--set", f"cache={tmp_path / 'cache'}"]
    done = start([SPARK_SUBMIT, *master, "jobs/distributed_sweep.py", *QUICK, *places])
    assert done.returncode == 0, done.stderr
    best = json.loads((newest(output) / "best.json").read_text())
    assert (best["candidates"], best["fits"], best["failed_fits"]) == (2, 4, 0)
    assert "2 candidates, 4 fits" in done.stdout
    assert "4 / 4 fits" in done.stdout  # spark-submit joins the two streams of its Python


@pytest.mark.skipif(
    not Path("/proc/self/cwd").exists(), reason="a path that each process sees as its own is Linux's"
)
def test_a_folder_that_executors_do_not_see_is_refused(zipped, tmp_path):
    """The driver works in the folder above the data; an executor's own folder is another."""
    master = ["--master", "local-cluster[1,1,1024]", "--conf", "spark.ui.enabled=false"]
    places = ["--set", f"input=/proc/self/cwd/{zipped.name}", "--set", f"output={tmp_path / 'runs'}"]
    options = [word if word != "conf/sweep.yml" else ROOT / word for word in QUICK]
    done = start(
        [SPARK_SUBMIT, *master, ROOT / "jobs/distributed_sweep.py", *options, *places], cwd=zipped.parent
    )
    assert done.returncode == 2, done.stderr
    sentence = next(line for line in done.stdout.splitlines() if line.startswith("error: "))
    assert "is a folder of the driver" in sentence
    assert "set staging to a URI" in sentence
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((tmp_path / "runs").glob("*"))


def test_from_a_container_to_a_container(blob_server, zipped, tmp_path):
    """Upload; then read once by azure-storage-blob, once by Spark itself, which also writes the run's folder."""
    jar = next((ROOT / ".cache" / "jars").glob(JAR), None)
    if jar is None:
        pytest.fail("hadoop-azure is not there: run make setup-test", pytrace=False)
    container, environ = new_container(), blob_server.environ()
    uploaded = start(
        [sys.executable, "jobs/upload_dataset.py", "--input", zipped, "--output", f"az://{container}/raw"],
        **environ,
    )
    assert uploaded.returncode == 0, uploaded.stderr
    assert "7 files uploaded" in uploaded.stdout

    submit = [SPARK_SUBMIT, "--master", "local[2,4]", "--jars", jar, "--conf", "spark.ui.enabled=false"]
    four = [
        word for name in ("app", "label", "category", "word") for word in ("--set", f"features.{name}=false")
    ]
    spark_uri = f"abfs://{container}@{blob_server.account}.dfs.core.windows.net"
    local, remote = tmp_path / "runs", f"{spark_uri}/runs"
    tables = []
    for source, output in ((f"az://{container}/raw", local), (f"{spark_uri}/raw", remote)):
        places = [
            "--set",
            f"input={source}",
            "--set",
            f"output={output}",
            "--set",
            f"cache={tmp_path / 'cache'}",
        ]
        done = start([*submit, "jobs/single_vm_small.py", *QUICK, *four, *places], **environ)
        assert done.returncode == 0, done.stderr
        assert blob_server.key not in done.stdout + done.stderr
        tables.append(done.stdout)
    code = f"""
import sys
sys.path.insert(0, {str(ROOT / "lib")!r})
from sparksweep.storage import open_store
run = open_store("az://{container}/runs").read("latest.txt").decode().strip()
folder = open_store("az://{container}/runs/" + run)
print(*sorted(file.name for file in folder.list()))
print(sum(file.name.startswith("batch-") for file in folder.child("journal").list()))
print(folder.read("results.csv").decode())
"""
    read = start([sys.executable, "-c", code], **environ)
    assert read.returncode == 0, read.stderr
    names, batches, *rows = read.stdout.strip().splitlines()
    assert names.split() == sorted(path.name for path in newest(local).iterdir() if path.is_file())
    assert int(batches) > 0

    def scores(lines):
        return [
            {key: row[key] for key in ("rank", "mean", "fold0", "fold1")} for row in csv.DictReader(lines)
        ]

    assert scores(rows) == scores((newest(local) / "results.csv").read_text().splitlines())


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_help_is_complete_and_the_job_is_short(job):
    with ThreadPoolExecutor(2) as pool:  # a job imports its libraries for some seconds
        helped, refused = pool.map(
            lambda option: start([sys.executable, job, option]), ["--help", "--nonsense"]
        )
    assert helped.returncode == 0, helped.stderr
    assert "usage:" in helped.stdout
    assert refused.returncode == 2
    assert len(job.read_text().splitlines()) <= 40


@pytest.fixture(name="interrupted")
def a_run_that_is_interrupted(zipped, tmp_path):
    """Start a sweep, send a signal when fits have ended, and return its command, output, and how many these are."""

    def interrupt(sent):
        output = tmp_path / "runs"
        grid = "search.grid={n_estimators: [60], max_depth: [3, 4], gamma: [0, 1]}"
        settings = [grid, f"input={zipped}", f"output={output}", f"cache={tmp_path / 'cache'}"]
        options = [word for setting in settings for word in ("--set", setting)]
        command = [sys.executable, "jobs/distributed_sweep.py", *map(str, QUICK), *options]
        with (tmp_path / "output.txt").open("w") as told:
            process = subprocess.Popen(command, cwd=ROOT, stdout=told, stderr=told)
            while process.poll() is None and not [*output.glob("*/journal/batch-*.json")]:
                time.sleep(0.1)
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(sent)
            assert process.wait(timeout=60) == 128 + sent
        _, orphans = psutil.wait_procs(family, timeout=30)
        assert not orphans
        first = (tmp_path / "output.txt").read_text()
        assert "Interrupted: " in first
        assert first.endswith("Run the same command again to go on.\n")
        assert "Traceback" not in first
        batches = [json.loads(path.read_text()) for path in output.glob("*/journal/batch-*.json")]
        return command, output, sum(len(batch["results"]) for batch in batches)

    return interrupt


def test_ctrl_c_ends_everything(interrupted):
    *_, kept = interrupted(signal.SIGINT)
    assert kept > 0


def test_an_interrupted_run_goes_on(interrupted):
    command, output, kept = interrupted(signal.SIGTERM)
    (run,) = [path.name for path in output.iterdir()]
    done = start(command)
    assert done.returncode == 0, done.stderr
    assert f"Going on with run {run}: {kept} fits have ended already" in done.stdout
    assert newest(output).name == run
    assert "4 candidates, 8 fits" in done.stdout
