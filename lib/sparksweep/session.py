"""The Spark session of a job, set up in the same way on a laptop and under spark-submit."""

from __future__ import annotations

import argparse
import atexit
import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark import SparkConf, SparkContext, SparkFiles
from pyspark.sql import SparkSession

from sparksweep import dependencies
from sparksweep.errors import SetupError, SparksweepError
from sparksweep.launch import launch

__all__ = ["create_session", "open_session", "ship_package"]

# Four tries a task: with a plain local[*] one crashed worker ends the job.
_LOCAL = "local[*,4]"
_REDACTION = "spark.redaction.regex"
_DAEMON = "spark.python.daemon.module"
_WORKER_PATH = "spark.executorEnv.PYTHONPATH"
_ZONE = "spark.sql.session.timeZone"


def create_session(
    app_name: str,
    *,
    master: str | None = None,
    conf: Mapping[str, object] | None = None,
    hadoop_conf: Mapping[str, str] | None = None,
    azure: bool = False,
) -> SparkSession:
    """Start Spark, or join the Spark that runs already.

    A session that runs is left as it is: the caller gets a new one on the same SparkContext, and
    ``app_name``, ``master``, ``conf`` and ``azure`` do nothing. Under spark-submit the launcher's master and
    packages hold, so ``master`` and ``azure`` do nothing, and its settings go before those of
    spark_dependencies.yml. In every case the session's time zone is UTC, and the executors get this package.

    Parameters
    ----------
    app_name : str
        The name in Spark's UI and logs.
    master : str, optional
        Such as ``local[2,4]``; by default ``spark.master`` of ``conf``, else ``local[*,4]``.
    conf : mapping, optional
        Spark properties. They go before all others, as everywhere in Spark.
    hadoop_conf : mapping, optional
        Properties of Hadoop's file systems, without ``spark.hadoop.`` before them. Keys and tokens belong
        here: they reach no command line, and Spark's environment page and event log do not show them.
    azure : bool
        Whether Spark itself reads or writes ``abfs``, ``abfss``, ``wasb`` or ``wasbs``: then the packages of
        spark_dependencies.yml are fetched.

    Raises
    ------
    SetupError
        If there is no Java that fits, if Java or Spark does not start, or if the session that runs would show
        a key or token of ``hadoop_conf``.
    """
    began = _now()
    hadoop_conf = hadoop_conf or {}
    session = SparkSession.getActiveSession()
    if session is None:
        properties = {key: dependencies.text(value) for key, value in (conf or {}).items()}
        session = _start(app_name, master, properties, hadoop_conf, azure)
    context = session.sparkContext
    if context.startTime < began:
        session = _join(session, hadoop_conf)
    else:
        context.setLogLevel(context.getConf().get("spark.log.level") or "WARN")
    ship_package(context)
    return session


@contextmanager
def open_session(
    app_name: str,
    *,
    master: str | None = None,
    conf: Mapping[str, object] | None = None,
    hadoop_conf: Mapping[str, str] | None = None,
    azure: bool = False,
) -> Iterator[SparkSession]:
    """Do what :func:`create_session` does, and stop Spark at the end of the block if this started it."""
    began = _now()
    session = create_session(app_name, master=master, conf=conf, hadoop_conf=hadoop_conf, azure=azure)
    started = session.sparkContext.startTime >= began
    try:
        yield session
    finally:
        if started:
            with suppress(OSError, Py4JError):  # a signal to the whole process group has ended Java already
                session.stop()


def ship_package(context: SparkContext) -> None:
    """Give this package to the executors of a context; a second call for the same context does nothing.

    Executors do not see what ``sys.path`` of the driver holds, not even those of a local master.
    """
    archive = _package_archive()
    if archive is not None and not Path(SparkFiles.get(archive.name)).exists():
        context.addPyFile(str(archive))


@functools.cache
def _package_archive() -> Path | None:
    """Zip the package: the same name and bytes for the same files. None if it came as a zip itself."""
    package = Path(__file__).parent
    if not package.is_dir():
        return None
    folder = Path(tempfile.mkdtemp(prefix="sparksweep-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    files = {f"{package.name}/{path.relative_to(package).as_posix()}": path for path in package.rglob("*.py")}
    archive = folder / "building.zip"
    with zipfile.ZipFile(archive, "w") as building:
        for name in sorted(files):
            building.writestr(zipfile.ZipInfo(name), files[name].read_bytes())
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return archive.rename(folder / f"sparksweep-{digest[:16]}.zip")


def _now() -> int:
    """Return the time as ``SparkContext.startTime`` has it: milliseconds since 1970."""
    return int(time.time() * 1000)


def _start(
    app_name: str, master: str | None, conf: dict[str, str], hadoop_conf: Mapping[str, str], azure: bool
) -> SparkSession:
    known = dependencies.read()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "PYSPARK_GATEWAY_PORT" in os.environ:  # spark-submit has started Java, with a master and packages
        conf.pop("spark.master", None)
        SparkContext.setSystemProperty("spark.app.name", app_name)  # connects to it
    else:
        conf["spark.master"] = master or conf.get("spark.master") or _wanted_master()
        launch(app_name, conf, known.jars(dependencies.hadoop_version()) if azure else {})
    settings = SparkConf()  # holds what Java was started with
    theirs = conf.get(_REDACTION) or settings.get(_REDACTION)
    for key, value in conf.items():
        settings.set(key, value)
    host = settings.get("spark.master") or ""
    _share_libraries(settings, host)
    defaults = {**known.configuration, **_local_settings(host)}
    for key, value in defaults.items():
        settings.setIfMissing(key, value)
    for key, value in hadoop_conf.items():
        settings.set(f"spark.hadoop.{key}", value)
    settings.set(_REDACTION, _both(known.configuration[_REDACTION], theirs))
    settings.set(_ZONE, "UTC")
    settings.setAppName(app_name)
    context = SparkContext.getOrCreate(settings)
    if host.startswith("local"):
        threading.Thread(target=_wake_workers, args=(context,), daemon=True).start()
    return SparkSession.builder.getOrCreate()


def _wake_workers(context: SparkContext) -> None:
    """Let Spark start its Python workers, which takes seconds, while the driver does other things."""
    with suppress(Exception):  # the session may be stopped meanwhile
        context.setJobDescription("start the Python workers")
        slots = context.defaultParallelism
        context.parallelize(range(slots), slots).foreach(lambda _: None)


def _wanted_master() -> str:
    """Take the master that a notebook's kernel may name in Spark's variable for arguments."""
    named = re.search(r"--master[ =](\S+)", os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    return named[1] if named else _LOCAL


def _both(ours: str, theirs: str | None) -> str:
    if not theirs or theirs == ours:
        return ours
    return theirs if ours in theirs else f"{ours}|{theirs}"


def _local_settings(master: str) -> dict[str, str]:
    """Return what suits a master on this machine: the loopback address, and few shuffle partitions.

    Spark merges small partitions after a shuffle by itself, but writes every one of them before.
    """
    if not master.startswith("local"):
        return {}
    cluster = re.match(r"local-cluster\[\s*(\d+)\s*,\s*(\d+)", master)
    threads = re.match(r"local\[\s*(\d+|\*)", master)
    if cluster:
        slots = int(cluster[1]) * int(cluster[2])
    elif threads:
        slots = (os.cpu_count() or 1) if threads[1] == "*" else int(threads[1])
    else:
        slots = 1
    return {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(4 * slots),
    }


def _share_libraries(settings: SparkConf, master: str) -> None:
    """Let Spark's workers share the memory of imported libraries, see sparksweep.daemon.

    On other hosts the daemon may not find this package when it starts. On macOS what NumPy calls on its
    import does not survive a fork.
    """
    if sys.platform != "linux" or not master.startswith("local") or settings.contains(_DAEMON):
        return
    # Executors inherit the variable PYTHONPATH only where no setting says otherwise.
    theirs = settings.get(_WORKER_PATH) or os.environ.get("PYTHONPATH")
    root = str(Path(__file__).parent.parent)
    settings.set(_WORKER_PATH, os.pathsep.join([root, theirs]) if theirs else root)
    settings.set(_DAEMON, "sparksweep.daemon")
    # Otherwise DataFrames and RDDs have a daemon each, since the environments of their workers differ.
    settings.setIfMissing("spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled", "false")


def _join(session: SparkSession, hadoop_conf: Mapping[str, str]) -> SparkSession:
    """Make a session of our own beside one that runs, whose settings stay as they are."""
    hidden = session.sparkContext.getConf().get(_REDACTION) or ""
    ours = dependencies.read().configuration[_REDACTION]
    for key in hadoop_conf:
        if re.search(ours, key) and ours not in hidden and not _matches(hidden, key):
            raise SetupError(
                f"The Spark session that runs would show {key} in its event log: stop it first, or start it "
                f"with {_REDACTION} set to {ours}."
            )
    own = session.newSession()
    for key, value in {**hadoop_conf, _ZONE: "UTC"}.items():
        own.conf.set(key, value)
    return own


def _matches(pattern: str, key: str) -> bool:
    try:
        return bool(pattern) and re.search(pattern, key) is not None
    except re.error:  # a pattern of Java's that Python does not know
        return False


def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sparksweep.session",
        description="Print spark_dependencies.yml as options for spark-submit.",
    )
    parser.add_argument(
        "--submit-args", action="store_true", required=True, help="print them, quoted for a shell"
    )
    parser.add_argument(
        "--hadoop", metavar="VERSION", help="the cluster's Hadoop (default: that of Spark here)"
    )
    parser.add_argument(
        "--no-packages", action="store_true", help="for a cluster that has its own hadoop-azure"
    )
    options = parser.parse_args()
    try:
        hadoop = None if options.no_packages else options.hadoop or dependencies.hadoop_version()
        sys.stdout.write(f"{dependencies.read().submit_args(hadoop)}\n")
    except SparksweepError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main())
