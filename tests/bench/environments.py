"""Set up what the other searches need, each in an environment of its own under ``.cache/bench``.

``python tests/bench/environments.py`` makes those that are missing or out of date. An environment that cannot be
had here is no error: the reason is kept, and the benchmark prints it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "lib"), str(ROOT)]

from sparksweep.errors import SetupError
from sparksweep.java import find_java

__all__ = ["ENVIRONMENTS", "Environment"]

_HERE = Path(__file__).parent
_OLD_SPARK = "3.3.4"


class _AbsenceError(Exception):
    """Why an environment cannot be had on this machine."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the packages of a requirements file."""

    name: str
    requirements: Path
    is_old: bool

    @property
    def folder(self) -> Path:
        return ROOT / ".cache" / "bench" / self.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def absence(self) -> str | None:
        """Return why it cannot be used; None if it can."""
        if self._stamp.exists() and self._stamp.read_text() == self._digest:
            return None
        if self._reason.exists():
            return self._reason.read_text()
        return "not set up; make bench-search does that"

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables that its programs need: a Java that its Spark accepts."""
        return {"JAVA_HOME": str(find_java(_OLD_SPARK).home)} if self.is_old else {}

    @property
    def _stamp(self) -> Path:
        return self.folder / ".installed"

    @property
    def _reason(self) -> Path:
        return self.folder / "absence.txt"

    @property
    def _digest(self) -> str:
        """What it is made of: another version of Python or of a package makes it anew."""
        made_of = (sys.version, sys.prefix, self.requirements.read_text())
        return hashlib.sha256("\n".join(made_of).encode()).hexdigest()

    def set_up(self) -> None:
        """Make it unless it is there already."""
        if self.absence is None:
            return
        print(f"Setting up {self.folder.relative_to(ROOT)} (the first time some minutes)", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        try:
            if self.is_old:
                _make(_python_37(), self.folder)
            else:
                _make([sys.executable], self.folder)
                self._add_the_project()
            self._install()
        except (_AbsenceError, OSError) as absence:
            self._reason.write_text(str(absence))
            print(f"  cannot be had here: {absence}", flush=True)
        else:
            self._stamp.write_text(self._digest)

    def _add_the_project(self) -> None:
        """Let it see the project's packages behind its own, so that all contenders fit with the same XGBoost."""
        site = sysconfig.get_path("purelib", vars={"base": str(self.folder), "platbase": str(self.folder)})
        Path(site, "project.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def _install(self) -> None:
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "-r", str(self.requirements)])


def _make(python: list[str], folder: Path) -> None:
    _run([*python, "-m", "venv", str(folder)])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()
        raise _AbsenceError(f"{' '.join(command[1:4])} failed: {lines[-1]}")


def _python_37() -> list[str]:
    """Return the command of a Python 3.7, if there is one and a Java for its Spark."""
    try:
        find_java(_OLD_SPARK)
    except SetupError as error:
        raise _AbsenceError(str(error)) from None
    for command in _pythons_37():
        if shutil.which(command[0]) is None:
            continue
        check = [*command, "-c", "import sys, venv; sys.exit(sys.version_info[:2] != (3, 7))"]
        if subprocess.run(check, capture_output=True, check=False).returncode == 0:
            return command
    raise _AbsenceError("there is no Python 3.7 on the PATH, and pyenv has none")


def _pythons_37() -> Iterator[list[str]]:
    yield ["python3.7"]
    if shutil.which("pyenv") is not None:
        told = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False)
        for version in told.stdout.split():
            if version.startswith("3.7."):
                yield ["env", f"PYENV_VERSION={version}", "python3.7"]


ENVIRONMENTS = {
    "peers": Environment("peers", _HERE / "requirements-peers.txt", is_old=False),
    "spark-sklearn": Environment("spark-sklearn", _HERE / "requirements-spark-sklearn.txt", is_old=True),
}


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    for environment in ENVIRONMENTS.values():
        environment.set_up()
