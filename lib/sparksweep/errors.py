"""The errors that sparksweep raises on purpose.

::

    SparksweepError          one sentence: what is wrong, where, and the remedy
    ├── ConfigError          a key or value of a configuration or an option
    ├── DataError            what stands in an input file
    ├── StorageError         a path, container or credential: missing, refused, unreachable
    └── SetupError           Java, Spark or the Python packages of the machine

A job prints the sentence without a stack trace and exits with code 2. Every other exception is a
bug in sparksweep or in a library, and keeps its stack trace.
"""

from __future__ import annotations

__all__ = ["ConfigError", "DataError", "SetupError", "SparksweepError", "StorageError"]


class SparksweepError(Exception):
    """The base of every error that names its remedy."""


class ConfigError(SparksweepError):
    """A key or a value of a configuration, or a command-line option, cannot be used."""


class DataError(SparksweepError):
    """An input file does not hold what its table must hold."""


class StorageError(SparksweepError):
    """A place where bytes lie is missing, refused or unreachable."""


class SetupError(SparksweepError):
    """The machine lacks what the program stands on, such as a Java that Spark accepts."""
