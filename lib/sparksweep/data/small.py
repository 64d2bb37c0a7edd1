"""The tables that fit on the driver, read there: one stream of bytes, in the order of the file."""

from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa

from sparksweep.data.chunks import chunks_of_zip, whole_lines
from sparksweep.data.files import TableFile
from sparksweep.data.parse import arrow_type, used_columns
from sparksweep.data.parts import Part, Summary, read_part, sum_up

__all__ = ["empty_table", "read_small"]


def read_small(table: TableFile) -> tuple[pd.DataFrame, Summary]:
    """Read a file whole: its rows in their order, with the columns that are used.

    Ids and texts are never missing, but for the ids of the two device files and for ages: their columns can
    hold a missing number.

    Raises
    ------
    DataError
        If the file is empty, has another header or no row, or if a zip is torn or holds something else.
    StorageError
        If the file cannot be read.
    """
    content = io.BytesIO(table.store.read(table.file.name))
    shown, part = str(table), Part(0)
    chunks = (
        chunks_of_zip(content, shown, f"{table.name}.csv")
        if table.is_zip
        else whole_lines([content.getvalue()])
    )
    rows = list(read_part(part, chunks, table.name, shown))
    summary = sum_up([part], table.name, shown)
    return _frame(pa.Table.from_batches(rows)), summary


def empty_table(name: str) -> pd.DataFrame:
    """Return a table of that name without rows."""
    schema = pa.schema([(column, arrow_type(kind)) for column, kind in used_columns(name).items()])
    return _frame(schema.empty_table())


def _frame(rows: pa.Table) -> pd.DataFrame:
    numbers = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}
    frame: pd.DataFrame = rows.to_pandas(types_mapper=numbers.get)
    return frame
