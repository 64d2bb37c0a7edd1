"""Training scripts as child runs, on Spark."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparksweep.dependencies import spark_home
from sparksweep.hyperdrive import Dataset
from sparksweep.hyperdrive.child.placeholders import as_text
from sparksweep.hyperdrive.child.script_trial import InputPath
from sparksweep.hyperdrive.inputs.delivery import PackedFile, PackedInput, pack
from tests.hyperdrive.child_runs import driving, script_trial
from tests.hyperdrive.processes import is_running, pids, within

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(name="sc")
def context(spark_context):
    return spark_context


def one(sc, trial, setting=None, seconds=60):
    """Do one run, and return how it ended, and the driver."""
    with driving(sc, trial) as driver:
        driver.launcher.start("sweep_0", setting or {}, 1)
        (ended,) = driver.wait("sweep_0", seconds=seconds)
        return ended, driver


REPORTS = """
import argparse, os, sys
from pathlib import Path
from sparksweep.hyperdrive import Run
from helper import double

parser = argparse.ArgumentParser()
parser.add_argument("--data")
parser.add_argument("--rate", type=float)
parser.add_argument("--kernel")
arguments = parser.parse_args()
run = Run.get_context(allow_offline=False)
print("out", run.id, flush=True)
print("err é", file=sys.stderr)
for step in range(3):
    run.log("Accuracy", double(arguments.rate) + step)
run.log("kernel", arguments.kernel)
run.tag("data", arguments.data)
Path("outputs", "model.txt").write_text("trees")
Path("logs", "train.log").write_text("epoch")
Path("elsewhere.txt").write_text("stays")
run.upload_file("plots/curve.txt", "elsewhere.txt")
"""


def test_a_script_that_completes(sc, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "helper.py").write_text("def double(x): return 2 * x\n")
    trial = script_trial(tmp_path / "code", REPORTS, arguments=["--data", "a b"])
    ended, driver = one(sc, trial, {"rate": 0.25, "--kernel": 'r"b f'})
    assert (ended.status, ended.error) == ("Completed", None)
    assert [(metric.name, metric.value, metric.step) for metric in ended.metrics] == [
        ("Accuracy", 0.5, 0),
        ("Accuracy", 1.5, 1),
        ("Accuracy", 2.5, 2),
    ]
    assert ended.tags == {"kernel": 'r"b f', "data": "a b"}
    assert (ended.attempt, ended.seconds > 0, ended.host != "") == (1000, True, True)
    files = driver.files["sweep_0"]
    assert driver.log("sweep_0") == "out sweep_0\nerr é\n"
    del files["user_logs/std_log.txt"]
    assert files == {
        "outputs/model.txt": b"trees",
        "logs/train.log": b"epoch",
        "plots/curve.txt": b"stays",
    }


def test_metrics_arrive_while_the_script_runs(sc, tmp_path):
    script = """
import time
from pathlib import Path
from sparksweep.hyperdrive import Run
Run.get_context().log("Accuracy", 0.5)
while not Path(%r).exists():
    time.sleep(0.05)
""" % str(tmp_path / "go")  # noqa: UP031 - it is full of braces
    with driving(sc, script_trial(tmp_path / "code", script)) as driver:
        driver.launcher.start("sweep_0", {}, 2)
        within(60, lambda: driver.values.get("sweep_0"))
        assert driver.values["sweep_0"] == [("Accuracy", 0.5)]
        assert "sweep_0" not in driver.ended
        (tmp_path / "go").touch()
        (ended,) = driver.wait("sweep_0")
    assert (ended.status, ended.attempt) == ("Completed", 2000)


def test_a_script_that_speaks_mlflow(sc, tmp_path):
    script = "import mlflow\nwith mlflow.start_run():\n    mlflow.log_metric('Accuracy', 0.5)\n    mlflow.log_text('x', 'a.txt')\n    mlflow.log_param('C', 1)\n"
    ended, driver = one(sc, script_trial(tmp_path / "code", script), seconds=120)
    assert ended.status == "Completed", driver.log("sweep_0")
    assert [(metric.name, metric.value) for metric in ended.metrics] == [("Accuracy", 0.5)]
    assert ended.parameters == {"C": "1"}
    assert driver.files["sweep_0"]["a.txt"] == b"x"
    assert driver.log("sweep_0") == ""


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("import sys\nprint('why')\nprint()\nsys.exit(3)\n", "the script ended with exit code 3: why"),
        ("raise KeyError('C')\n", "the script ended with exit code 1: KeyError: 'C'"),
        (
            "import os\nos.write(1, b'torn \\xff\\n')\nos._exit(5)\n",
            "the script ended with exit code 5: torn �",
        ),
        ("import os\nos.kill(os.getpid(), 9)\n", "the script ended with exit code 137"),
    ],
)
def test_a_script_that_fails(sc, tmp_path, script, error):
    ended, driver = one(sc, script_trial(tmp_path / "code", "open('outputs/a', 'w').write('x')\n" + script))
    assert (ended.status, ended.error) == ("Failed", error)
    assert driver.files["sweep_0"]["outputs/a"] == b"x"
    if ":" in error:
        assert error.rpartition(": ")[2] in driver.files["sweep_0"]["user_logs/std_log.txt"].decode(
            errors="replace"
        )


WAITS = """
import os, subprocess, time
from pathlib import Path
from sparksweep.hyperdrive import Run

child = subprocess.Popen(["sleep", "60"])
Path("outputs", "so-far.txt").write_text("half")
Path(os.environ["PIDS"]).write_text(f"{os.getpid()} {child.pid}\\n")
run = Run.get_context()
while True:
    run.log("Accuracy", 0.5)
    time.sleep(0.05)
"""


@pytest.fixture(name="waits")
def trial_that_waits(tmp_path):
    return script_trial(tmp_path / "code", WAITS, environ={"PIDS": str(tmp_path / "pids")})


def test_a_word_of_the_driver_ends_a_run(sc, tmp_path, waits):
    with driving(sc, waits) as driver:
        driver.launcher.start("sweep_0", {}, 1)
        group = pids(tmp_path / "pids", 2)
        within(30, lambda: len(driver.values.get("sweep_0", ())) > 3)
        driver.stops.add("sweep_0")
        within(20, lambda: not any(map(is_running, group)))
        (ended,) = driver.wait("sweep_0")
    assert (ended.status, ended.error) == ("Canceled", None)
    assert driver.files["sweep_0"]["outputs/so-far.txt"] == b"half"
    # All that it logged before it ended comes with the result.
    assert len(ended.metrics) >= len(driver.values["sweep_0"]) > 3


def test_a_time_limit(sc, tmp_path):
    script = "import time\nprint('begun', flush=True)\nopen('outputs/a', 'w').write('x')\ntime.sleep(60)\n"
    ended, driver = one(sc, script_trial(tmp_path / "code", script, seconds=1.5))
    assert (ended.status, ended.error) == ("Canceled", "it ran longer than 1.5 seconds")
    assert driver.files["sweep_0"] == {"outputs/a": b"x", "user_logs/std_log.txt": b"begun\n"}


SHOW = "import json, sys; print(json.dumps([sys.executable, *sys.argv[1:]]))\n"


def test_a_command_by_the_shell(sc, tmp_path):
    command = (
        "cd . && X=${{literal}} && python show.py $X ${{search_space.name}} ${{ search_space.depth }} "
        "${{search_space.layers}} ${{inputs.text}} && echo done"
    )
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "show.py").write_text(SHOW)
    trial = script_trial(
        tmp_path / "code", None, command=command, literals={"literal": "a'b", "inputs.text": "$HOME;exit"}
    )
    name = 'it\'s "quoted" $(exit 9) `exit 9` \\ * | >'
    ended, driver = one(sc, trial, {"name": name, "--depth": np.int64(3), "layers": [1, 2]})
    assert (ended.status, ended.error) == ("Completed", None)
    said, done = driver.log("sweep_0").splitlines()
    assert json.loads(said) == [sys.executable, "a'b", name, "3", "[1, 2]", "$HOME;exit"]
    assert done == "done"


def test_a_command_without_a_shell(sc, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "show.py").write_text(SHOW)
    trial = script_trial(
        tmp_path / "code", None, command=["python", "show.py", "-${{search_space.x}}-", "$HOME"]
    )
    _, driver = one(sc, trial, {"x": "a b"})
    assert json.loads(driver.log("sweep_0")) == [sys.executable, "-a b-", "$HOME"]


def test_a_program_that_is_not_there(sc, tmp_path):
    ended, _ = one(sc, script_trial(tmp_path / "code", "", command=["Rscript4", "train.R"]))
    assert ended.error == (
        "the script ended with exit code 127: Rscript4 cannot be started: No such file or directory"
    )


def test_a_folder_for_outputs(sc, tmp_path):
    command = "echo trees > ${{outputs.model}}/model.txt"
    trial = script_trial(tmp_path / "code", "", command=command, literals={"outputs.model": "outputs/model"})
    ended, driver = one(sc, trial)
    assert ended.status == "Completed", driver.log("sweep_0")
    assert driver.files["sweep_0"]["outputs/model/model.txt"] == b"trees\n"


def test_numbers_and_other_values_on_a_command_line():
    assert [as_text(value) for value in (0.1, True, None, "a b", {"depth": 3}, (1, 2))] == [
        *("0.1", "True", "None", "a b"),
        *('{"depth": 3}', "[1, 2]"),
    ]


INPUTS = """
import json, os, sys, time
from pathlib import Path
from sparksweep.hyperdrive import Run

number, folder = int(sys.argv[sys.argv.index("--number") + 1]), Path(os.environ["MEET"])
Path("mine.txt").write_text(str(number))
(folder / str(number)).touch()
while len(list(folder.iterdir())) < 2:  # both at once
    time.sleep(0.05)
inputs = Run.get_context().input_datasets
(sent,) = inputs["sent"].paths
print(json.dumps({
    "seen": inputs["seen"].to_pandas_dataframe()["y"].tolist(),
    "sent": [sent.read_text(), sent.stat().st_ino],
    "arguments": sys.argv[1:3],
    "folder": os.getcwd(),
    "files": sorted(path.name for path in Path().iterdir()),
}))
"""


def test_inputs_and_folders_of_two_runs_at_once(spark_session, sc, tmp_path):
    pd.DataFrame({"x": [1], "y": ["é"]}).to_csv(tmp_path / "seen.csv", index=False)
    (tmp_path / "meet").mkdir()
    (seen,) = pack(
        [Dataset.Tabular.from_delimited_files(tmp_path / "seen.csv").as_named_input("seen")], spark_session
    )
    bytes_of_it = np.frombuffer(b"some bytes", np.uint8)
    sent = PackedInput("sent", "files", (PackedFile("sent.txt", "1", content=bytes_of_it),), None)
    trial = script_trial(
        tmp_path / "code",
        INPUTS,
        arguments=[InputPath("sent"), InputPath("seen")],
        inputs=[seen, sent],
        environ={"MEET": str(tmp_path / "meet")},
    )
    with driving(sc, trial) as driver:
        for number in range(2):
            driver.launcher.start(f"sweep_{number}", {"number": number}, 1)
        driver.wait("sweep_0", "sweep_1")
        told = [json.loads(driver.log(f"sweep_{number}").splitlines()[-1]) for number in range(2)]
    for number in range(2):
        assert told[number]["seen"] == ["é"]
        assert told[number]["sent"][0] == "some bytes"
        assert told[number]["arguments"][1] == str(tmp_path / "seen.csv")
        assert Path(told[number]["arguments"][0]).name == "sent.txt"
        assert told[number]["files"] == ["logs", "mine.txt", "outputs", "train.py"]
    assert told[0]["sent"] == told[1]["sent"]
    assert told[0]["folder"] != told[1]["folder"]
    assert not Path(told[0]["folder"]).exists()
    assert not Path(told[1]["folder"]).exists()


ENVIRONMENT = "import json, os, sys; print(json.dumps([dict(os.environ), sys.path]))\n"


def test_the_environment_of_a_script(sc, tmp_path):
    given = {"PYTHONPATH": "/given", "PATH": "/given/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "7", "MINE": "x"}
    trial = script_trial(tmp_path / "code", ENVIRONMENT, environ={**given, "no_proxy": "here"})
    ended, driver = one(sc, trial, {"--rate": 0.5, "kernel": {"name": "rbf"}})
    assert ended.status == "Completed", driver.log("sweep_0")
    environ, path = json.loads(driver.log("sweep_0"))

    def look(_):
        return dict(os.environ)

    workers = sc.parallelize([0], 1).map(look).first()
    secrets = {
        name: value
        for name, value in workers.items()
        if "SECRET" in name or name == "_PYSPARK_DRIVER_CONN_INFO_PATH"
    }
    assert secrets
    assert not set(secrets) & set(environ)
    swept = {name: environ[name] for name in environ if name.startswith("AZUREML_SWEEP_")}
    assert swept == {"AZUREML_SWEEP_rate": "0.5", "AZUREML_SWEEP_kernel": '{"name": "rbf"}'}
    assert not set(secrets.values()) & set(environ.values())
    assert environ["MINE"] == "x"
    assert environ["OMP_NUM_THREADS"] == "7"
    package, added = environ["PYTHONPATH"].split(":")
    # The checkout, or the package that an earlier test has sent to the executors.
    assert package == str(ROOT / "lib") or Path(package).suffix == ".zip"
    assert added == "/given"
    assert path[1:3] == [package, "/given"]
    assert environ["PATH"].endswith(":/given/bin:/usr/bin:/bin")
    assert environ["NO_PROXY"] == environ["no_proxy"] == "here,127.0.0.1"
    assert environ["MLFLOW_RUN_ID"] == environ["SPARKSWEEP_RUN_ID"] == "sweep_0"


def test_threads_are_those_that_spark_gave(sc, tmp_path):
    _, driver = one(sc, script_trial(tmp_path / "code", "import os; print(os.environ['OMP_NUM_THREADS'])\n"))
    assert driver.log("sweep_0") == "1\n"


def test_runs_that_spark_is_told_to_end(sc, tmp_path):
    """Two run, as many as there are slots; one waits."""
    command = "echo $$ > ${{inputs.folder}}/${{search_space.number}}; sleep 60"
    trial = script_trial(tmp_path / "code", "", command=command, literals={"inputs.folder": str(tmp_path)})
    with driving(sc, trial) as driver:
        for number in range(2):
            driver.launcher.start(f"sweep_{number}", {"number": number}, 1)
        first, second = (pids(tmp_path / f"{number}")[0] for number in range(2))
        driver.launcher.start("sweep_2", {"number": 2}, 1)
        driver.launcher.cancel("sweep_2")
        driver.launcher.cancel("sweep_2")
        within(20, lambda: driver.launcher.cancel("sweep_2") or "sweep_2" in driver.ended)
        assert driver.ended["sweep_2"].status in ("Failed", "Canceled")
        assert not (tmp_path / "2").exists()
        assert is_running(first)
        driver.launcher.cancel("sweep_0")
        (ended,) = driver.wait("sweep_0")
        assert ended.status == "Failed"
        assert ended.error.startswith("Spark could not do the run: ")
        within(20, lambda: not is_running(first))
        assert is_running(second)
    # The end of the launcher ends the last one, of which nobody is told any more.
    within(20, lambda: not is_running(second))
    assert set(driver.ended) == {"sweep_0", "sweep_2"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The job of cluster_runs.py, which kills one of its own executors and waits to be killed itself."""
    folder = tmp_path_factory.mktemp("cluster")
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)])}
    with (folder / "said").open("wb") as said:
        job = subprocess.Popen(
            [sys.executable, "-m", "tests.hyperdrive.cluster_runs", str(folder)],
            env=environ,
            cwd=folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield folder, job
    finally:
        with suppress(ProcessLookupError):
            os.killpg(
                job.pid, signal.SIGKILL
            )  # Spark's own processes too, which still write into their folder
        job.wait()
        if (folder / "application").exists():
            work = spark_home() / "work" / (folder / "application").read_text()
            within(60, lambda: shutil.rmtree(work, ignore_errors=True) or not work.exists())


def result_of(cluster, name):
    folder, job = cluster
    within(240, lambda: (folder / name).exists() or job.poll() is not None)
    assert (folder / name).exists(), (folder / "said").read_text()[-5000:]
    return json.loads((folder / name).read_text())


def test_the_death_of_an_executor(cluster):
    """Its script goes with it, and the run is done again under its id."""
    seen = result_of(cluster, "executor.json")
    assert seen["left"] == []
    assert seen["attempts"] == [1000, 1001]
    assert seen["ended"] == ["Completed", None, 1001]
    assert seen["values"] == seen["metrics"] == [["Accuracy", 1.0]]
    assert seen["outputs"] == {"outputs/attempt.txt": "second"}


def test_the_death_of_the_driver(cluster):
    result_of(cluster, "ready.json")
    folder, job = cluster
    group = pids(folder / "third", 2)
    assert all(map(is_running, group))
    job.send_signal(signal.SIGKILL)
    within(60, lambda: not any(map(is_running, group)))
