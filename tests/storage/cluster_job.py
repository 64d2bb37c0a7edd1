"""Run by test_cluster.py in a process of its own: Spark with real executors, and hadoop-azure.

It reads and writes blobs by Hadoop's own way, and prints what it saw as JSON, last on standard output.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pyspark.sql import functions as F

from sparksweep.dependencies import spark_home
from sparksweep.errors import ConfigError, StorageError
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.fit import FitResult
from sparksweep.search.journal import Journal, read_fingerprint
from sparksweep.session import create_session
from sparksweep.storage import LocalStore, hadoop_configuration, hosts_without, open_store, stage
from tests.storage.contract import check_store


def main(jar: str, root: str, events: str) -> dict[str, object]:
    Path("only-here.csv").write_text("x\n1\n")  # in the working directory, which executors do not share
    spark = create_session(
        "storage-tests",
        master="local-cluster[1,2,1024]",
        conf={
            "spark.jars": jar,
            "spark.ui.enabled": "true",
            "spark.ui.port": "0",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.compress": "false",
            "spark.eventLog.dir": f"file://{events}",
            "spark.sql.shuffle.partitions": "2",
        },
        hadoop_conf=hadoop_configuration(os.environ, [root]),
    )
    context = spark.sparkContext
    work = spark_home() / "work" / context.applicationId
    try:
        seen = {
            "store": contract(spark, root),
            "csv": csv(spark, root),
            "race": race(spark, root),
            "journal": journal(spark, root),
            "errors": errors(spark, root),
            "hosts": hosts(spark),
            "staged": staged(spark, root),
            "environment page": environment_page(context),
            "command line": command_line(spark),
        }
    finally:
        spark.stop()
        shutil.rmtree(work, ignore_errors=True)
    return seen


def contract(spark, root):
    with tempfile.TemporaryDirectory() as folder:
        check_store(open_store(f"{root}/contract", spark=spark), Path(folder))
    return "as it should"


def csv(spark, root):
    """Read what azure-storage-blob has written, write it back, and read that again."""
    store = open_store(f"{root}/in", spark=spark)
    read = spark.read.schema("x long, y string").option("header", True)
    read.csv(store.url("devices.csv")).write.csv(store.url("copy"), header=True)
    totals = read.csv(store.url("copy")).select(F.count("x").alias("rows"), F.sum("x").alias("total"))
    return {
        **totals.first().asDict(),
        "parts": [file.name for file in store.child("copy").list() if file.name.startswith("part-")],
        "plan": totals._jdf.queryExecution().toString(),
    }


def race(spark, root):
    """Several writers put a file in place of another at once."""
    store = open_store(f"{root}/race", spark=spark)
    failures = []

    def write(letter):
        try:
            for _ in range(3):
                store.write("latest.txt", letter.encode() * 1000)
        except StorageError as error:
            failures.append(str(error))

    writers = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    content = store.read("latest.txt")
    return {"failures": failures, "whole": content in (b"a" * 1000, b"b" * 1000), "files": len(store.list())}


def journal(spark, root):
    """Keep a search's results, open the journal twice at once, and again as a search that goes on."""
    store, search = open_store(f"{root}/journal", spark=spark), Fingerprint({"X": "1"})
    results = {str(number): FitResult(number / 7, None, None, 1.0, 0.1, 5) for number in range(20)}
    together = threading.Barrier(4)

    def take(_number):
        together.wait()
        with contextlib.suppress(ConfigError):
            return Journal.open(store, search, flush_every=0.2)

    with ThreadPoolExecutor(4) as pool:
        opened = list(filter(None, pool.map(take, range(4))))
    with opened[0] as first:
        for key, result in results.items():
            first.add(key, result)
            time.sleep(0.02)
    with Journal.open(store, search) as again:
        found = again.results
    return {
        "opened": len(opened),
        "results": found == results,
        "fingerprint": read_fingerprint(store) == search,
        "batches": len([file for file in store.list() if file.name.startswith("batch-")]) > 1,
        "records": len(store.child("lock").list()),
    }


def errors(spark, root):
    account = root.split("@")[1].partition("/")[0]
    wrong = spark.newSession()
    wrong.conf.set(f"fs.azure.account.key.{account}", "d3Jvbmc=")
    places = {
        "missing container": (spark, f"abfs://no-such-container@{account}/in"),
        "other account": (spark, f"abfs://data@other.{account.partition('.')[2]}/in"),
        "wrong key": (wrong, f"abfs://another-container@{account}/in"),
        "wasb": (spark, f"wasbs://data@{account.replace('.dfs.', '.blob.')}/in"),
    }
    return {
        name: {"list": said(*place, "list"), "write": said(*place, "write")} for name, place in places.items()
    }


def said(spark, uri, action):
    try:
        store = open_store(uri, spark=spark)
        store.list() if action == "list" else store.write("x.csv", b"1")
    except StorageError as error:
        return str(error)
    return "nothing"


def hosts(spark):
    shared = Path(__file__)
    return {
        "all see": hosts_without(spark, [shared]),
        "none sees": hosts_without(spark, [shared, Path("/proc/self/cwd/only-here.csv")]),
    }


def staged(spark, root):
    local = LocalStore(Path.cwd())
    shared = open_store(f"{root}/shared", spark=spark)
    first = stage(local, ["only-here.csv"], shared, progress=False)
    before = first.stat("only-here.csv")
    second = stage(local, ["only-here.csv"], shared, progress=False)
    return {
        "rows": spark.read.csv(second.url("only-here.csv"), header=True).count(),
        "kept": second.uri == first.uri and second.stat("only-here.csv") == before,
    }


def environment_page(context):
    """Return what the page shows, from where it has it."""
    url = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/environment"
    with urllib.request.urlopen(url) as answer:
        return answer.read().decode()


def command_line(spark):
    """Return the arguments of Spark's Java process, which all users of a machine can read."""
    process = spark._jvm.java.lang.management.ManagementFactory.getRuntimeMXBean().getName().split("@")[0]
    command = ["ps", "-ww", "-o", "args=", "-p", process]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    result = main(*sys.argv[1:])
    print("\n" + json.dumps(result))
