"""Parts of a file: their rows, and what is to be told of them."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sparksweep.data.chunks import without_header
from sparksweep.data.parse import parse
from sparksweep.data.schemas import REQUIRED, SCHEMAS
from sparksweep.errors import DataError

__all__ = ["Part", "Summary", "read_part", "sum_up"]


@dataclass(frozen=True)
class Summary:
    """What a file holds, and what became of its rows.

    Attributes
    ----------
    rows : int
        Those that were kept.
    malformed, without_id : int
        Those that were dropped, since they cannot be read or lack an id that their table must have.
    first : (int, str) or None
        The line of the first malformed row, from 1, and what is wrong with it.
    apps : tuple of int
        Of ``app_events``, the apps that are listed, sorted.
    """

    rows: int
    malformed: int = 0
    without_id: int = 0
    first: tuple[int, str] | None = None
    apps: tuple[int, ...] = ()

    @property
    def read(self) -> int:
        """All rows of the file, without blank lines."""
        return self.rows + self.malformed + self.without_id

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Summary:
        """Read what :meth:`to_json` has written."""
        values = json.loads(text)
        first, apps = values.pop("first"), values.pop("apps")
        return cls(**values, first=None if first is None else tuple(first), apps=tuple(apps))


@dataclass
class Part:
    """What is to be told of a part of a file that begins at the byte ``start``.

    ``error`` is the sentence of what stopped the reading, ``is_storage`` whether that was the place and not
    the content.
    """

    start: int
    lines: int = 0
    rows: int = 0
    malformed: int = 0
    without_id: int = 0
    first: tuple[int, str] | None = None
    apps: frozenset[int] = frozenset()
    error: str | None = None
    is_storage: bool = False


def read_part(part: Part, chunks: Iterator[bytes], table: str, shown: str) -> Iterator[pa.RecordBatch]:
    """Parse a part of a file, count into ``part``, and yield the rows that have their ids.

    Raises
    ------
    DataError
        If the file begins here, and not with its header.
    """
    numbered = (
        without_header(chunks, shown, SCHEMAS[table].names) if part.start == 0 else ((0, c) for c in chunks)
    )
    for skipped, chunk in numbered:
        parsed = parse(chunk, table)
        part.lines += skipped
        if part.first is None and parsed.first is not None:
            part.first = part.lines + parsed.first[0], parsed.first[1]
        part.lines += parsed.lines
        part.malformed += parsed.malformed
        rows = _with_ids(parsed.rows, table)
        part.without_id += len(parsed.rows) - len(rows)
        part.rows += len(rows)
        yield rows


def _with_ids(rows: pa.RecordBatch, table: str) -> pa.RecordBatch:
    required = [rows.column(name) for name in REQUIRED.get(table, ())]
    if not any(column.null_count for column in required):
        return rows
    return rows.filter(functools.reduce(pc.and_, map(pc.is_valid, required)))


def sum_up(parts: Iterable[Part], table: str, shown: str) -> Summary:
    """Add up the parts of a file.

    Raises
    ------
    DataError
        If there is no row.
    """
    parts = sorted(parts, key=lambda part: part.start)
    if not parts:
        header = ",".join(SCHEMAS[table].names)
        raise DataError(f"{shown} is empty: it must begin with {header!r} and hold at least one row")
    first, before = None, 0
    for part in parts:
        if first is None and part.first is not None:
            first = before + part.first[0] + 1, part.first[1]
        before += part.lines
    summary = Summary(
        rows=sum(part.rows for part in parts),
        malformed=sum(part.malformed for part in parts),
        without_id=sum(part.without_id for part in parts),
        first=first,
        apps=tuple(sorted(set().union(*(part.apps for part in parts)))),
    )
    if summary.read == 0:
        raise DataError(f"{shown} has a header but no row: it must hold at least one")
    return summary
