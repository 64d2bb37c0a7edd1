"""What a Spark task does: the features of some devices, from all rows about them. No Spark in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from sparksweep.features.activity import activity
from sparksweep.features.apps import apps
from sparksweep.features.event_sets import EventSets
from sparksweep.features.vocabulary import Vocabulary

__all__ = ["as_bytes", "features_of_devices"]

_Integers = npt.NDArray[np.int64]


def features_of_devices(
    about: pa.Table, vocabulary: Vocabulary, phones: npt.NDArray[np.int32]
) -> pa.RecordBatch:
    """Compute the features of all devices that a table is about.

    Parameters
    ----------
    about : Table of (row, event_id, hour_of_week, run, app_ids)
        ``row`` is the place of a device. A row joins a row of one of its events, with the hour of the week
        (null where it has no time), and one of the runs of apps that the event lists: the run's number, and
        the apps as the bytes of int64 numbers (both null where it lists none). Or it only names the device,
        and the event is null. A device may have any number of rows, in any order.
    vocabulary : Vocabulary
    phones : int32 array of shape (n, 2)
        What :func:`~sparksweep.features.brand_and_model.brand_and_model` gives for the devices of all places.

    Returns
    -------
    RecordBatch of (row, columns, values, events, event_rows, app_rows)
        A row a device, by ``row``, with the sorted columns of its features as the bytes of int32 numbers,
        their values as the bytes of float32 numbers, and how many distinct events it has, how many rows of
        events, and how many rows of apps before they were joined.
    """
    row = _numbers(about["row"])
    devices, device = np.unique(row, return_inverse=True)
    parts = [_fixed(phones[devices], vocabulary)]
    events = _Events.of(about, device)
    total = np.bincount(events.device[events.is_first], minlength=len(devices))
    for prefix, sets in events.families(vocabulary):
        parts.append(_shares(prefix, sets, total, vocabulary))
    X = sparse.hstack(parts, format="csr")
    event_rows, app_rows = events.rows(len(devices))
    return pa.RecordBatch.from_pydict(
        {
            "row": pa.array(devices.astype(np.int32)),
            "columns": as_bytes(X.indptr, X.indices.astype(np.int32)),
            "values": as_bytes(X.indptr, X.data.astype(np.float32)),
            "events": pa.array(total.astype(np.int32)),
            "event_rows": pa.array(event_rows.astype(np.int32)),
            "app_rows": pa.array(app_rows.astype(np.int32)),
        }
    )


@dataclass(frozen=True)
class _Events:
    """The rows that are about events.

    ``about`` and ``listed``, how many apps each row lists, are in the order of the table. ``order`` sorts
    them by device and event, and the other arrays are sorted so; ``is_first`` tells of each row whether it
    is the first with its event.
    """

    about: pa.Table
    listed: _Integers
    order: _Integers
    device: _Integers
    is_first: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, about: pa.Table, device: _Integers) -> _Events:
        is_event = about["event_id"].is_valid()
        about, device = about.filter(is_event), device[is_event.to_numpy()]
        event = _numbers(about["event_id"])
        order = np.lexsort((event, device))
        device, event = device[order], event[order]
        is_first = np.ones(len(event), np.bool_)
        is_first[1:] = (device[1:] != device[:-1]) | (event[1:] != event[:-1])
        listed = _numbers(pc.binary_length(about["app_ids"]).fill_null(0)) // 8
        return cls(about, listed, order, device, is_first)

    def families(self, vocabulary: Vocabulary) -> Iterator[tuple[str, EventSets]]:
        """Yield each family that is on with its sets of events, in the order of their columns."""
        hour = _numbers(self.about["hour_of_week"].fill_null(-1))[self.order]
        timed = hour >= 0
        number = _numbered(self.device, self.is_first)
        for family in ("weekday", "hour", "weekday_hour"):
            if family in vocabulary.families:
                yield family, activity(family, self.device[timed], number[timed], hour[timed])
        if vocabulary.families.keys() & {"app", "label", "category", "word"}:
            # Only events that list apps are numbered, so that most devices need but one block of 64.
            listing = self.listed[self.order] > 0
            event = np.cumsum(self.is_first)[listing]
            device = self.device[listing]
            number = _numbered(device, np.diff(event, prepend=-1) != 0)
            # Back in the order of the table, since the lists are long.
            back = np.argsort(self.order[listing])
            listed = self.listed[self.listed > 0]
            # Where no row is about an event, there is no chunk either.
            app_ids = np.concatenate([np.empty(0, np.int64), *map(_content, self.about["app_ids"].chunks)])
            yield from apps(vocabulary, device[back], number[back], listed, app_ids)

    def rows(self, size: int) -> tuple[_Integers, _Integers]:
        """Return of each device how many rows its events and their apps had before each met each."""
        event = np.cumsum(self.is_first) - 1
        run = _numbers(self.about["run"].fill_null(-1))[self.order]
        within = np.lexsort((run, event))
        is_new = np.diff(event[within], prepend=-1) != 0
        is_new[1:] |= np.diff(run[within]) != 0
        event_rows = np.bincount(event) // np.bincount(event[within][is_new])
        app_rows = np.bincount(event, self.listed[self.order]).astype(np.int64) // event_rows
        device = self.device[self.is_first]
        counts = [np.bincount(device, rows, minlength=size) for rows in (event_rows, app_rows)]
        return counts[0].astype(np.int64), counts[1].astype(np.int64)


def _numbered(device: _Integers, is_first: npt.NDArray[np.bool_]) -> _Integers:
    """Count the events of each device from 0, in rows that are sorted by device and event."""
    events = np.cumsum(is_first) - 1
    begins = np.flatnonzero(np.diff(device, prepend=-1))
    return events - np.repeat(events[begins], np.diff(np.append(begins, len(device))))


def _fixed(phones: npt.NDArray[np.int32], vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Return the matrix of brands and models, which are the first columns of all."""
    known = phones >= 0
    starts = np.append(0, np.cumsum(known.sum(axis=1)))
    columns = phones[known]
    width = vocabulary.size("phone_brand") + vocabulary.size("device_model")
    return sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), shape=(len(phones), width))


def _shares(prefix: str, sets: EventSets, total: _Integers, vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Return the matrix of a family: the share of each device's events that had each code."""
    device, code, counts = sets.count()
    is_indicator = prefix == "word" or vocabulary.families[prefix] == "indicator"
    values = np.ones(len(counts)) if is_indicator else counts / total[device]
    starts = np.searchsorted(device, np.arange(len(total) + 1))
    shape = len(total), vocabulary.size(prefix)
    return sparse.csr_matrix((values.astype(np.float32), code.astype(np.int32), starts), shape=shape)


def _numbers(column: pa.ChunkedArray) -> _Integers:
    numbers: _Integers = column.to_numpy().astype(np.int64, copy=False)
    return numbers


def _content(lists: pa.BinaryArray) -> _Integers:
    """Return the int64 numbers of all values of bytes."""
    _, offsets, content = lists.buffers()
    if content is None:  # every value is null
        return np.empty(0, np.int64)
    ends = np.frombuffer(offsets, np.int32)[[lists.offset, lists.offset + len(lists)]]
    return np.frombuffer(content, "<i8", (ends[1] - ends[0]) // 8, ends[0])


def as_bytes(starts: _Integers, numbers: npt.NDArray[np.int32] | npt.NDArray[np.float32]) -> pa.Array:
    """Return the numbers of each row as a value of bytes, without a copy."""
    offsets = pa.py_buffer((starts * numbers.itemsize).astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), len(starts) - 1, [None, offsets, pa.py_buffer(numbers)])
