"""Lines of a CSV -> an Arrow batch of the columns that are used. No Spark, no files.

Arrow's reader does it where all lines of a chunk are as they should be. Where it finds fault with one, the
chunk is gone through line by line in Python, some thirty times slower, to keep the lines that are right and
to say what is wrong with the first that is not. Both give the same rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from sparksweep.data.schemas import SCHEMAS, UNUSED

__all__ = ["Parsed", "arrow_type", "parse", "used_columns"]

# What Arrow reads otherwise than Python does: hexadecimal numbers, quotes after a space, and NUL. Each with a
# byte that is found much sooner, where there is none.
_ODD = ((b"x", b"0x"), (b"X", b"0X"), (b'"', b' "'), (b'"', b'\t"'), (b"\0", b"\0"))

_ARROW_TYPES: Mapping[str, pa.DataType] = {
    "long": pa.int64(),
    "integer": pa.int32(),
    "timestamp": pa.timestamp("s"),
    "string": pa.string(),
}
# Arrow knows a year 0, and Python does not.
_YEAR_1 = pa.scalar("0001-01-01").cast(pa.timestamp("s"))
_TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d)?)?)?", re.ASCII)


@dataclass(frozen=True)
class Parsed:
    """What a chunk of lines holds.

    Attributes
    ----------
    rows : RecordBatch
        The lines that are right, with the columns that are used. An empty number or time is null, an empty
        text is empty. Texts are without the spaces around them.
    lines : int
        How many lines the chunk has, blank ones included.
    malformed : int
        How many lines cannot be read.
    first : (int, str) or None
        The first of these: its place among the lines, from 0, and what is wrong with it.
    """

    rows: pa.RecordBatch
    lines: int
    malformed: int = 0
    first: tuple[int, str] | None = None


def used_columns(table: str) -> dict[str, str]:
    """Return the columns of a table that are used, each with Spark's word for its type."""
    return {field.name: field.dataType.typeName() for field in SCHEMAS[table] if field.name not in UNUSED}


def arrow_type(kind: str) -> pa.DataType:
    """Return Arrow's type of a column: times are whole seconds without a zone."""
    return _ARROW_TYPES[kind]


def parse(chunk: bytes, table: str) -> Parsed:
    """Parse whole lines of a table's CSV, without its header.

    It is CSV as RFC 4180 has it, in UTF-8, but that no value goes on over the end of a line. Spaces around a
    value do not belong to it. Blank lines are skipped.

    Parameters
    ----------
    chunk : bytes
        Its lines end with LF, CRLF or CR.
    table : str
        The name of one of :data:`~sparksweep.data.schemas.SCHEMAS`.
    """
    return _at_once(chunk, table) or _line_by_line(chunk, table)


def _at_once(chunk: bytes, table: str) -> Parsed | None:
    if any(byte in chunk and odd in chunk for byte, odd in _ODD):
        return None
    used = used_columns(table)
    read = arrow_csv.ReadOptions(
        column_names=SCHEMAS[table].names, use_threads=False, block_size=len(chunk) + 1
    )
    convert = arrow_csv.ConvertOptions(
        column_types={name: arrow_type(kind) for name, kind in used.items()},
        include_columns=list(used),
        null_values=[""],
        timestamp_parsers=[arrow_csv.ISO8601],
    )
    try:
        rows = arrow_csv.read_csv(pa.py_buffer(chunk), read_options=read, convert_options=convert)
    except pa.ArrowInvalid:
        return None
    ends = chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n")
    lines = ends + (not chunk.endswith((b"\n", b"\r")))
    # Otherwise there are blank lines, or a quote is closed on another line.
    if rows.num_rows != lines and rows.num_rows != _without_blank(chunk):
        return None
    if b'"' in chunk and not _ends_closed(chunk):
        return None
    if any(kind == "timestamp" and _has_year_0(rows[name]) for name, kind in used.items()):
        return None
    columns = [
        pc.utf8_trim_whitespace(rows[name]) if kind == "string" else rows[name] for name, kind in used.items()
    ]
    batches = pa.table(columns, names=list(used)).combine_chunks().to_batches()
    return Parsed(batches[0], lines) if batches else None


def _without_blank(chunk: bytes) -> int:
    return sum(map(bool, map(bytes.strip, chunk.splitlines())))


def _ends_closed(chunk: bytes) -> bool:
    """Return whether the last line closes its quotes: to Arrow, the end of the chunk does."""
    whole = chunk.rstrip()
    last = whole[max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1 :]
    reader = csv.reader([last.decode(errors="replace"), ""])
    next(reader)
    return reader.line_num == 1


def _has_year_0(times: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.less(times, _YEAR_1)).as_py())


def _line_by_line(chunk: bytes, table: str) -> Parsed:
    names, used = SCHEMAS[table].names, used_columns(table)
    places = {name: names.index(name) for name in used}
    columns: dict[str, list[Any]] = {name: [] for name in used}
    malformed, first = 0, None
    lines = chunk.splitlines()
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            values = _values(line, len(names))
            row = [_CONVERT[kind](values[places[name]].strip(), name) for name, kind in used.items()]
        except ValueError as error:
            malformed += 1
            if first is None:
                first = number, f"{error} in {line.decode(errors='replace').strip()!r}"
            continue
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    arrays = [pa.array(columns[name], arrow_type(kind)) for name, kind in used.items()]
    return Parsed(pa.RecordBatch.from_arrays(arrays, names=list(used)), len(lines), malformed, first)


def _values(line: bytes, count: int) -> list[str]:
    if b"\0" in line:
        raise ValueError("a NUL byte")
    # What is no UTF-8 may stand in a column that is not used. The second line is read where a quote is open.
    reader = csv.reader([line.decode(errors="surrogateescape"), ""], skipinitialspace=True)
    try:
        values = next(reader)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if reader.line_num > 1:
        raise ValueError("a quote that is not closed")
    if len(values) != count:
        raise ValueError(f"{len(values)} values instead of {count}")
    return values


def _integer(bits: int) -> Callable[[str, str], int | None]:
    limit = 2 ** (bits - 1)

    def convert(text: str, name: str) -> int | None:
        if not text:
            return None
        if re.fullmatch(r"-?\d+", text, re.ASCII) and -limit <= int(text) < limit:
            return int(text)
        raise ValueError(f"{text!r} in column {name} is no whole number of {bits} bits,")

    return convert


def _time(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        if _TIME.fullmatch(text):
            padded = text.replace("T", " ") + "0000-00-00 00:00:00"[len(text) :]
            return datetime.strptime(padded, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - all clocks are UTC
    except ValueError:
        pass
    raise ValueError(f"{text!r} in column {name} is no time of the form 2016-05-01 13:00:00,")


def _text(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"what is no UTF-8 in column {name},") from None
    return text


_CONVERT: Mapping[str, Callable[[str, str], Any]] = {
    "long": _integer(64),
    "integer": _integer(32),
    "timestamp": _time,
    "string": _text,
}
