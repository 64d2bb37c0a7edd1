"""Start the Java process of Spark with settings that only its command line can bring."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkContext

from sparksweep.dependencies import spark_home
from sparksweep.errors import SetupError
from sparksweep.java import use_java

__all__ = ["launch"]

_LOG = logging.getLogger(__name__)


def launch(app_name: str, conf: Mapping[str, str], jars: Mapping[str, str]) -> None:
    """Start Spark's Java process, if this process has none yet.

    Everybody on a machine can read the arguments of its processes, so settings of Hadoop's file systems are
    not among them: they must follow when the context is made.

    Parameters
    ----------
    app_name : str
        The name of the application.
    conf : mapping
        Spark properties, ``spark.master`` among them.
    jars : mapping
        More of them, each a list with commas: they are added to those of ``conf``.

    Raises
    ------
    SetupError
        If there is no Java that fits, or if Java or Spark ends at once.
    """
    java = use_java()
    _LOG.info("%s", java)
    local = conf["spark.master"].startswith("local")
    # Spark draws its own progress bar where Python started it; ours counts fits on the same line.
    settings = {"spark.ui.showConsoleProgress": "false"}
    settings.update((key, value) for key, value in conf.items() if not key.startswith("spark.hadoop."))
    for key, value in jars.items():
        settings[key] = _joined(",", settings.get(key), value)
    if local:
        options = "spark.driver.extraJavaOptions"
        settings[options] = _joined(" ", _logging(), settings.get(options))
    words = [word for key, value in settings.items() if value for word in ("--conf", f"{key}={value}")]
    with _environment(
        PYSPARK_SUBMIT_ARGS=f"{shlex.join(words)} {os.environ.get('PYSPARK_SUBMIT_ARGS', 'pyspark-shell')}",
        SPARK_LOCAL_IP=os.environ.get("SPARK_LOCAL_IP") or ("127.0.0.1" if local else None),
    ):
        try:
            SparkContext.setSystemProperty("spark.app.name", app_name)
        except (RuntimeError, OSError) as error:
            raise SetupError(
                f"Spark did not start with {java}: the reason stands above, in Java's own words; check the "
                f"settings {', '.join(settings)} and, where it is set, SPARK_HOME."
            ) from error


def _joined(separator: str, *values: str | None) -> str:
    return separator.join(value for value in values if value)


def _logging() -> str:
    """Name our logging setup to Java, unless the person has one."""
    theirs = Path(os.environ.get("SPARK_CONF_DIR") or spark_home() / "conf")
    ours = Path(__file__).with_name("log4j2.properties")
    return "" if any(theirs.glob("log4j2.*")) else f"-Dlog4j2.configurationFile={ours.as_uri()}"


@contextmanager
def _environment(**variables: str | None) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
