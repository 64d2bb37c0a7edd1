"""Datasets by Azure ML's names: files somewhere, which a training script gets as a data frame or as paths."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sparksweep.errors import ConfigError, StorageError

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import SparkSession

    from sparksweep.storage import Store, StoredFile

__all__ = ["Dataset", "FoundFile", "InputDataset", "NamedInput"]

Kind = Literal["csv", "parquet", "files", "folder"]


@dataclass(frozen=True)
class InputDataset:
    """A dataset whose files lie on this machine, all of them below ``folder``."""

    kind: Kind
    paths: tuple[Path, ...]
    folder: Path

    def to_pandas_dataframe(self) -> pd.DataFrame:
        """Return the rows of all files, one after the other.

        Raises
        ------
        ConfigError
            If these are files of no known form: read them from ``paths``.
        """
        import pandas as pd  # noqa: PLC0415 - a script that reads its files itself does without

        if self.kind in ("files", "folder"):
            raise ConfigError("this dataset is of files, not of rows: read them from its paths")
        read: Any = pd.read_csv if self.kind == "csv" else pd.read_parquet
        rows: pd.DataFrame = pd.concat([read(path) for path in self.paths], ignore_index=True)
        return rows

    def to_path(self) -> list[str]:
        """Return the paths of the files."""
        return list(map(str, self.paths))


@dataclass(frozen=True)
class FoundFile:
    """A file of a dataset: its store, its name there, and what tells its content from another."""

    store: Store
    name: str
    version: str


@dataclass(frozen=True)
class Dataset:
    """Files under one or more paths or URIs; of each the last part may be a pattern such as ``*.csv``.

    >>> dataset = Dataset.Tabular.from_delimited_files("data/train.csv")
    >>> dataset.as_named_input("training_data").name
    'training_data'
    """

    uris: tuple[str, ...]
    kind: Kind

    class Tabular:
        """Datasets of rows."""

        @staticmethod
        def from_delimited_files(path: str | Path | Sequence[str | Path], **options: Any) -> Dataset:
            """Return the dataset of CSV files: local, of a blob container, or of any Hadoop file system.

            Raises
            ------
            ConfigError
                If there is no path, or an argument that pandas' ``read_csv`` does not do by itself.
            """
            _refuse("from_delimited_files", options)
            return Dataset(_uris(path), "csv")

        @staticmethod
        def from_parquet_files(path: str | Path | Sequence[str | Path], **options: Any) -> Dataset:
            """Return the dataset of Parquet files, as :meth:`from_delimited_files`."""
            _refuse("from_parquet_files", options)
            return Dataset(_uris(path), "parquet")

    class File:
        """Datasets of files of any form."""

        @staticmethod
        def from_files(path: str | Path | Sequence[str | Path], **options: Any) -> Dataset:
            """Return the dataset of some files, as :meth:`Dataset.Tabular.from_delimited_files`."""
            _refuse("from_files", options)
            return Dataset(_uris(path), "files")

    def as_named_input(self, name: str) -> NamedInput:
        """Return it as an input of a training script, which finds it under this name.

        Raises
        ------
        ConfigError
            If this is no name.
        """
        return NamedInput(name, self)

    def find(self, spark: SparkSession | None) -> list[FoundFile]:
        """Return the files, by name; of a folder all that lie in it.

        Of a dataset of rows these are the files that lie directly in it, and whose names do not begin with
        ``_`` as those do that Spark leaves.

        Raises
        ------
        StorageError
            If there is none under some path.
        """
        is_of_rows = self.kind in ("csv", "parquet")
        return [file for uri in self.uris for file in _find(uri, spark, is_of_rows=is_of_rows)]

    def to_pandas_dataframe(self, spark: SparkSession | None = None) -> pd.DataFrame:
        """Return the rows on this machine.

        Raises
        ------
        ConfigError, StorageError
            If these are not rows, or cannot be read.
        """
        import tempfile  # noqa: PLC0415 - with the next one: a script has no need of either

        with tempfile.TemporaryDirectory() as folder:
            paths = []
            for number, file in enumerate(self.find(spark)):
                # pandas tells by its name whether a file is compressed.
                paths.append(Path(folder, f"{number}-{Path(file.name).name}"))
                paths[-1].write_bytes(file.store.read(file.name))
            return InputDataset(self.kind, tuple(paths), Path(folder)).to_pandas_dataframe()


@dataclass(frozen=True)
class NamedInput:
    """A dataset under the name by which a training script asks for it.

    ``as_path`` says that its place among the arguments is a path, and not its name.
    """

    name: str
    dataset: Dataset
    as_path: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ConfigError(f"as_named_input: {self.name!r} is no name; take letters, digits and _")

    def as_mount(self) -> NamedInput:
        """Return it as a path among the arguments."""
        return replace(self, as_path=True)

    def as_download(self) -> NamedInput:
        """Return it as a path among the arguments, as :meth:`as_mount`."""
        return self.as_mount()


def _refuse(function: str, options: dict[str, Any]) -> None:
    # validate and infer_column_types of Azure ML ask for what pandas does anyhow.
    for name in options:
        if name not in ("validate", "infer_column_types"):
            raise ConfigError(
                f"{function}: {name} is not supported; make the dataset by from_files and read it as you like"
            )


def _uris(path: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    paths = [path] if isinstance(path, str | Path) else path
    if not isinstance(paths, Sequence) or not paths or not all(isinstance(one, str | Path) for one in paths):
        raise ConfigError(f"a dataset needs a path, a URI, or a list of them, but {path!r} was given")
    return tuple(map(str, paths))


def _find(uri: str, spark: SparkSession | None, *, is_of_rows: bool) -> list[FoundFile]:
    from sparksweep.storage import open_file, open_store  # noqa: PLC0415 - not for a script

    store, name = open_file(uri, spark=spark)
    if any(sign in name for sign in "*?["):
        files = [file for file in store.list() if fnmatch.fnmatch(file.name, name)]
    elif store.exists(name):
        files = [store.stat(name)]
    else:
        store = open_store(uri, spark=spark)
        files = list(store.list() if is_of_rows else _below(store))
        files = [file for file in files if not is_of_rows or not file.name.startswith("_")]
    if not files:
        raise StorageError(f"{uri}: there is no such file, and no folder with files")
    return [FoundFile(store, file.name, f"{file.size} {file.version}") for file in files]


def _below(store: Store, prefix: str = "") -> Iterator[StoredFile]:
    for file in store.list():
        yield replace(file, name=f"{prefix}{file.name}")
    for name in store.folders():
        yield from _below(store.child(name), f"{prefix}{name}/")
