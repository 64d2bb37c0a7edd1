"""The large tables -> Parquet, by Spark's executors: a columnar form that many tasks can read at once.

The executors parse with Arrow (:mod:`sparksweep.data.parse`). A local file is read by byte ranges, a zip as a
stream by one task. What Hadoop's file systems hold comes as lines or, a zip, whole from Spark.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.accumulators import Accumulator, AccumulatorParam
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from sparksweep.data.chunks import chunks_of_range, chunks_of_zip
from sparksweep.data.files import TableFile, literal_path
from sparksweep.data.parts import Part, Summary, read_part, sum_up
from sparksweep.errors import DataError, SparksweepError, StorageError
from sparksweep.storage import LocalStore

__all__ = ["columnar_schema", "write_columnar"]

# A task's share of a plain file.
_RANGE = 64 * 2**20
_SCHEMAS = {
    "events": "event_id bigint, device_id bigint, timestamp timestamp",
    "app_events": "event_id bigint, app_ids binary",
}

_Batches = Iterable[pa.RecordBatch]
# The chunks of a part of a file, with the byte at which the part begins.
_Parts = Iterator[tuple[int, Iterator[bytes]]]


def columnar_schema(table: str) -> str:
    """Return the columns of a large table's columnar form, as Spark's SQL has them.

    ``app_events`` has a row for every run of rows with one ``event_id``, with their ``app_ids`` as the bytes
    of int64 numbers: Spark copies bytes at once, and an array number by number.
    """
    return _SCHEMAS[table]


def write_columnar(spark: SparkSession, table: TableFile, url: str) -> Summary:
    """Write the columnar form of a file to the folder ``url``.

    Raises
    ------
    DataError
        If the file is empty, has another header or no row, or if a zip is torn or holds something else.
    StorageError
        If the file cannot be opened.
    """
    frame, read = _source(spark, table)
    told = spark.sparkContext.accumulator([], _Told())
    convert = _converter(read, table.name, str(table), told)
    form = frame.mapInArrow(convert, columnar_schema(table.name))
    form.write.mode("overwrite").option("compression", "zstd").parquet(url)
    for part in told.value:
        if part.error is not None:
            raise (StorageError if part.is_storage else DataError)(part.error)
    return sum_up(told.value, table.name, str(table))


class _Told(AccumulatorParam[list[Part]]):
    def zero(self, value: list[Part]) -> list[Part]:  # noqa: ARG002 - the name that Spark gives it
        return []

    def addInPlace(self, value1: list[Part], value2: list[Part]) -> list[Part]:  # noqa: N802 - Spark's name
        return value1 + value2


def _source(spark: SparkSession, table: TableFile) -> tuple[DataFrame, Callable[[_Batches], _Parts]]:
    """Return what Spark's tasks get, and how they come from it to the bytes."""
    shown, entry = str(table), f"{table.name}.csv"
    if isinstance(table.store, LocalStore):
        path = table.store.path(table.file.name)
        if table.is_zip:
            return spark.range(0, 1, 1, 1), _zips([path], shown, entry)
        starts = range(0, max(table.file.size, 1), _RANGE)
        return spark.range(0, len(starts), 1, len(starts)), _ranges(path, starts)
    place = literal_path(table.url)
    if table.is_zip:
        if table.file.size >= 2**31:
            raise StorageError(f"{shown} has more than 2 GiB, which Spark cannot hand over: unpack it there")
        return spark.read.format("binaryFile").load(place).select("content"), _zips(None, shown, entry)
    lines = spark.read.text(place)
    return lines.select(F.expr("input_file_block_start()").alias("start"), "value"), _blocks


def _ranges(path: Path, starts: range) -> Callable[[_Batches], _Parts]:
    def read(batches: _Batches) -> _Parts:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                start = starts[number]
                yield start, chunks_of_range(path, start, start + starts.step)

    return read


def _zips(paths: list[Path] | None, shown: str, entry: str) -> Callable[[_Batches], _Parts]:
    """Read the zip at a path, or the one that the batches hold."""

    def read(batches: _Batches) -> _Parts:
        for batch in batches:
            for value in batch.column(0):
                yield 0, _unzipped(paths[value.as_py()] if paths else value.as_buffer(), shown, entry)

    return read


def _unzipped(content: Path | pa.Buffer, shown: str, entry: str) -> Iterator[bytes]:
    with content.open("rb") if isinstance(content, Path) else pa.BufferReader(content) as file:
        yield from chunks_of_zip(file, shown, entry)


def _blocks(batches: _Batches) -> _Parts:
    """Read lines, each with the byte at which Spark's block of it begins; one task may get several blocks."""
    pieces = (piece for batch in batches for piece in _pieces(batch))
    for start, group in itertools.groupby(pieces, key=operator.itemgetter(0)):
        yield start, (lines for _, lines in group)


def _pieces(batch: pa.RecordBatch) -> Iterator[tuple[int, bytes]]:
    starts = batch.column("start").to_numpy()
    begins = np.flatnonzero(np.diff(starts, prepend=-1)).tolist()
    for begin, end in itertools.pairwise([*begins, len(starts)]):
        lines = batch.column("value").slice(begin, end - begin)
        whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
        yield int(starts[begin]), pc.binary_join(whole, "\n")[0].as_buffer().to_pybytes() + b"\n"


def _converter(
    read: Callable[[_Batches], _Parts], table: str, shown: str, told: Accumulator[list[Part]]
) -> Callable[[_Batches], Iterator[pa.RecordBatch]]:
    """Return what a task does: parse the parts of the file that it gets, and tell what it has found."""

    def convert(batches: _Batches) -> Iterator[pa.RecordBatch]:
        for start, chunks in read(batches):
            part = Part(start)
            try:
                for rows in read_part(part, chunks, table, shown):
                    yield _columnar(rows, table, part)
            except (SparksweepError, OSError) as error:  # as a value, since Spark would try again
                part.error, part.is_storage = str(error), isinstance(error, OSError)
            told.add([part])

    return convert


def _columnar(rows: pa.RecordBatch, table: str, part: Part) -> pa.RecordBatch:
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    if table == "app_events":
        part.apps |= frozenset(columns["app_id"].unique().to_pylist())
        columns = _runs(columns["event_id"].to_numpy(), columns["app_id"].to_numpy())
    else:
        columns["timestamp"] = columns["timestamp"].cast(pa.timestamp("us", "UTC"))
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _runs(event_ids: npt.NDArray[np.int64], app_ids: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    """Return a row for every run of rows with one event."""
    starts = np.flatnonzero(np.diff(event_ids, prepend=event_ids[:1] + 1))
    offsets = np.append(starts, len(event_ids)).astype(np.int32) * np.int32(app_ids.itemsize)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(app_ids, "<i8"))]
    lists = pa.Array.from_buffers(pa.binary(), len(starts), buffers)
    return {"event_id": pa.array(event_ids[starts]), "app_ids": lists}
