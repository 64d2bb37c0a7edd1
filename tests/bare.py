"""Try the set-up as on a machine that has Python, make and the usual small tools, and nothing else.

``make bare`` runs this file. It copies what git knows of this folder, and what git does not ignore, to a
temporary folder, and works there with a PATH without Java, Node, npm, Maven and git.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

TOOLS = """
    basename bash cat chmod cp cut date dirname env expr false grep head id ln ls make mkdir mktemp mv ps pwd
    readlink realpath rm rmdir sed sh sleep sort tail tar touch tr true uname uniq wc
"""
ABSENT = ("java", "node", "npm", "mvn", "git")

JOB = """
import sys
sys.path.insert(0, "lib")
from sparksweep.session import open_session

def version(_):
    import sparksweep
    return sparksweep.__version__

with open_session("bare", master="local-cluster[2,1,1024]") as spark:
    total = spark.range(1000).groupBy().sum("id").first()[0]
    versions = spark.sparkContext.range(4, numSlices=4).map(version).collect()
    print("A Spark job on two executors:", total, set(versions))
    assert total == 499500
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sparksweep bare ") as temporary:
        clone, tools = Path(temporary, "clone"), Path(temporary, "tools")
        copy_tree(clone)
        make_tools(tools)
        unset = ("JAVA_HOME", "SPARK_HOME", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL")
        environment = {key: value for key, value in os.environ.items() if key not in unset}
        environment |= {
            "PATH": str(tools),
            # The packages that were fetched before are used again; nothing else of this machine's caches is.
            "PIP_CACHE_DIR": pip_cache(),
            "XDG_CACHE_HOME": str(Path(temporary, "cache")),
        }
        for name in ABSENT:
            assert shutil.which(name, path=str(tools)) is None, f"{name} is on the bare PATH"

        def run(*words: str | Path) -> str:
            # Read to the end of the output, which Java shares: so it is gone before the folder is.
            shared = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            lines = []
            with subprocess.Popen(words, cwd=clone, env=environment, **shared) as process:
                for line in process.stdout:
                    print(line, end="", flush=True)
                    lines.append(line)
            if process.returncode:
                sys.exit(
                    f"The bare set-up failed with status {process.returncode} at: {' '.join(map(str, words))}"
                )
            return "".join(lines)

        run(tools / "make", "setup-test")
        run(tools / "make", "java")
        run(clone / ".venv/bin/python", "-c", JOB)
        node = clone / ".cache/azurite/node"
        print("Node:", node.resolve().relative_to(clone.resolve()), flush=True)
        run(node, clone / ".cache/azurite/node_modules/.bin/azurite-blob", "--version")
        assert "Installing" not in run(tools / "make", "setup-test"), "a second make set up again"
    print("The bare set-up works.")


def copy_tree(clone: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # git also lists what was deleted and not yet committed
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)


def make_tools(folder: Path) -> None:
    folder.mkdir()
    for name in TOOLS.split():
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    # A link would do for everything but a virtual environment, which looks for its home beside the link.
    python = folder / "python3"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)


def pip_cache() -> str:
    pip = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(pip, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
