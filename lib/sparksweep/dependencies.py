"""``spark_dependencies.yml``: what Spark needs beside itself, and how it is told so."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pyspark
import yaml

from sparksweep.errors import ConfigError, SetupError

__all__ = [
    "FILE_NAME",
    "Package",
    "SparkDependencies",
    "hadoop_version",
    "parse",
    "read",
    "spark_home",
    "text",
]

FILE_NAME = "spark_dependencies.yml"


@dataclass(frozen=True)
class Package:
    """A Maven artifact, and the version of Spark's Hadoop that it is for (None: any)."""

    group: str
    artifact: str
    version: str
    hadoop: str | None = None

    @property
    def name(self) -> str:
        """Return ``group:artifact``."""
        return f"{self.group}:{self.artifact}"

    def fits(self, hadoop: str) -> bool:
        """Whether it is for that Hadoop: ``3.3.4`` fits 3.3.4 and a vendor's 3.3.4.5.1, not 3.3.40."""
        return self.hadoop is None or f"{hadoop}.".replace("-", ".").startswith(f"{self.hadoop}.")


@dataclass(frozen=True)
class SparkDependencies:
    """The file's content."""

    configuration: Mapping[str, str]
    repositories: tuple[str, ...]
    excludes: tuple[str, ...]
    packages: tuple[Package, ...]

    def packages_for(self, hadoop: str) -> tuple[Package, ...]:
        """Return the packages for a Spark with this Hadoop.

        Raises
        ------
        SetupError
            If a package is listed for other Hadoops only.
        """
        chosen = tuple(package for package in self.packages if package.fits(hadoop))
        missing = {package.name for package in self.packages} - {package.name for package in chosen}
        if missing:
            raise SetupError(
                f"{FILE_NAME} has no line of {', '.join(sorted(missing))} for Hadoop {hadoop}, which is what "
                "Spark carries: add one under packages."
            )
        return chosen

    def jars(self, hadoop: str) -> dict[str, str]:
        """Return the Spark properties that fetch the packages when Spark's Java process starts."""
        lists = {
            "spark.jars.packages": [
                f"{package.name}:{package.version}" for package in self.packages_for(hadoop)
            ],
            "spark.jars.excludes": self.excludes,
            "spark.jars.repositories": self.repositories,
        }
        return {key: ",".join(values) for key, values in lists.items() if values}

    def submit_args(self, hadoop: str | None) -> str:
        """Return options for spark-submit, quoted for a shell; without packages where ``hadoop`` is None."""
        jars = self.jars(hadoop) if hadoop else {}
        settings = {**self.configuration, **jars}
        return shlex.join(word for key, value in settings.items() for word in ("--conf", f"{key}={value}"))


def read() -> SparkDependencies:
    """Read the file that lies in the installed package or, in a clone, at its root."""
    installed = resources.files("sparksweep") / FILE_NAME
    if installed.is_file():
        return parse(installed.read_text(encoding="utf-8"))
    clone = Path(__file__).parents[2] / FILE_NAME
    try:
        return parse(clone.read_text(encoding="utf-8"))
    except OSError as error:
        raise SetupError(
            f"{clone} cannot be read ({error.strerror}): it belongs to sparksweep, so install it again."
        ) from error


def parse(content: str) -> SparkDependencies:
    """Check the text of such a file.

    Raises
    ------
    ConfigError
        If it is not YAML, or has a key or a value that it cannot have.
    """
    try:
        document = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ConfigError(f"{FILE_NAME} is not YAML: {' '.join(str(error).split())}") from error
    known = ("configuration", "repositories", "excludes", "packages")
    _keys(document, "", allowed=known, needed=known)
    configuration = document["configuration"] or {}
    if not isinstance(configuration, dict):
        raise ConfigError(f"{FILE_NAME}: configuration must hold Spark properties, not {configuration!r}.")
    return SparkDependencies(
        configuration={str(key): text(value) for key, value in configuration.items()},
        repositories=_texts(document, "repositories"),
        excludes=_texts(document, "excludes"),
        packages=tuple(
            _package(entry, number) for number, entry in enumerate(document["packages"] or (), start=1)
        ),
    )


def text(value: object) -> str:
    """Write a value as Spark properties have it: ``true`` and ``false`` are small there."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def spark_home() -> Path:
    """Return the folder of the Spark that this process starts."""
    return Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent)


def hadoop_version() -> str:
    """Return the version of the Hadoop that Spark carries.

    Raises
    ------
    SetupError
        If Spark carries none: then hadoop-azure has to come from where its Hadoop comes from.
    """
    for stem in ("hadoop-client-api-", "hadoop-common-"):
        for jar in sorted(spark_home().glob(f"jars/{stem}[0-9]*.jar")):
            return jar.stem.removeprefix(stem)
    raise SetupError(
        f"{spark_home()} carries no Hadoop, so the hadoop-azure that fits is not known: start the job by "
        "spark-submit with --jars for it."
    )


def _package(entry: Any, number: int) -> Package:
    where = f"packages, entry {number}"
    needed = ("group", "artifact", "version")
    _keys(entry, where, allowed=(*needed, "hadoop"), needed=needed)
    for key, value in entry.items():
        if not isinstance(value, str):
            raise ConfigError(f"{FILE_NAME}: {key} of {where} must be text, not {value!r}: put it in quotes.")
    return Package(**entry)


def _keys(entry: Any, where: str, *, allowed: tuple[str, ...], needed: tuple[str, ...]) -> None:
    place = f"{FILE_NAME}: {where or 'the file'}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} must hold the keys {', '.join(allowed)}.")
    if unknown := [str(key) for key in entry if key not in allowed]:
        raise ConfigError(f"{place} has the unknown key {unknown[0]}: it knows {', '.join(allowed)}.")
    if absent := [key for key in needed if key not in entry]:
        raise ConfigError(f"{place} lacks the key {absent[0]}.")


def _texts(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = document[key] or ()
    if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
        raise ConfigError(f"{FILE_NAME}: {key} must be a list of texts, not {values!r}.")
    return tuple(values)
