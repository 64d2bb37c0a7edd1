"""Joins the parts of a dataset and writes its seven files."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sparksweep.data.synthetic.activity import Events, Listings, draw_events, draw_listings, list_apps
from sparksweep.data.synthetic.apps import draw_apps, draw_installed, draw_labels
from sparksweep.data.synthetic.files import write_table
from sparksweep.data.synthetic.people import GROUPS, People, draw_people, users_of
from sparksweep.data.synthetic.phones import draw_phones
from sparksweep.data.synthetic.shape import Shape
from sparksweep.errors import ConfigError, StorageError

__all__ = ["WrittenTable", "write_dataset"]

_EVENTS_AT_ONCE = 500_000
# Hundredths of a degree as text; the file has two decimals, and floats would lose the zeros.
_DEGREES = tuple(f"{hundredths / 100:.2f}" for hundredths in range(18_001))


@dataclass(frozen=True)
class WrittenTable:
    """A file that was written: the table's name, its path, rows and bytes, and the seconds that it took."""

    name: str
    path: Path
    rows: int
    bytes: int
    seconds: float


def write_dataset(
    output: Path,
    *,
    scale: float = 1.0,
    seed: int = 0,
    zipped: bool = False,
    progress: Callable[[WrittenTable], None] | None = None,
) -> tuple[WrittenTable, ...]:
    """Write the seven files of a dataset.

    The same scale and seed give the same bytes, zipped too. (How well a zip is packed is up to Python's zlib;
    the CSVs in it are the same with any.) The files appear in the folder together, when the last one is
    complete.

    Parameters
    ----------
    output : path
        A folder; made where it is missing.
    scale : float
        1 is the size of the competition: 1.3 GB, zipped 0.35 GB. See :class:`Shape`.
    seed : int
        From 0.
    zipped : bool
        Write ``.csv.zip`` instead of ``.csv``.
    progress : callable
        Called with each file when it is written, still under its temporary path.

    Returns
    -------
    tuple of WrittenTable
        In the order of the competition's tables.

    Raises
    ------
    ConfigError
        If the scale or the seed is out of range.
    StorageError
        If the folder cannot be written, or holds one of the seven tables already.
    """
    shape = Shape(scale)
    if seed < 0:
        raise ConfigError(f"seed={seed}: give a whole number from 0")
    with _writing_to(output):
        output.mkdir(parents=True, exist_ok=True)
        _refuse_to_overwrite(output, shape)
        folder = tempfile.TemporaryDirectory(dir=output, prefix=".incomplete-")
    with folder:
        written = []
        start = time.perf_counter()
        for name, batches in _tables(shape, seed):
            path = Path(folder.name) / (f"{name}.csv.zip" if zipped else f"{name}.csv")
            with _writing_to(output):
                rows = write_table(path, batches, expected_rows=shape.rows[name])
                size = path.stat().st_size
            end = time.perf_counter()
            written.append(WrittenTable(name, path, rows, size, end - start))
            start = end
            if progress is not None:
                progress(written[-1])
        with _writing_to(output):
            return tuple(_moved(table, output) for table in written)


@contextmanager
def _writing_to(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{output}: the dataset cannot be written there ({error.strerror or error}); "
            "name a folder that can be written and has room"
        ) from None


def _refuse_to_overwrite(output: Path, shape: Shape) -> None:
    for name in shape.rows:
        for path in (output / f"{name}.csv", output / f"{name}.csv.zip"):
            if path.exists():
                raise StorageError(
                    f"{path}: there is such a table already; name another folder or remove its seven tables"
                )


def _moved(table: WrittenTable, folder: Path) -> WrittenTable:
    return replace(table, path=table.path.replace(folder / table.path.name))


def _tables(shape: Shape, seed: int) -> Iterator[tuple[str, Iterator[pa.RecordBatch]]]:
    rngs = (np.random.default_rng(stage) for stage in np.random.SeedSequence(seed).spawn(9))
    people = draw_people(shape, next(rngs))
    users = users_of(people.groups[people.active], next(rngs))
    yield "gender_age_train", iter([_train(people)])
    yield "gender_age_test", iter([_batch(device_id=people.ids[people.n_train :][: people.n_test])])
    phones = draw_phones(shape, people, next(rngs))
    rows = _batch(device_id=phones.device_ids, phone_brand=phones.brands, device_model=phones.models)
    yield "phone_brand_device_model", iter([rows])
    events = draw_events(shape, users, next(rngs))
    yield "events", _events(events, people.ids[people.active])
    labels = draw_labels(shape, next(rngs))
    apps = draw_apps(shape, labels, next(rngs))
    installed = draw_installed(apps, users, next(rngs))
    listed = draw_listings(shape, events, installed, next(rngs))
    listings = list_apps(events, listed, installed, shape.apps_in_use, next(rngs))
    yield "app_events", _app_events(listings, apps.ids)
    yield "app_labels", iter([_batch(app_id=apps.labelled, label_id=apps.label_ids)])
    yield "label_categories", iter([_batch(label_id=labels.ids, category=list(labels.categories))])


def _train(people: People) -> pa.RecordBatch:
    groups = np.array(list(GROUPS))[people.groups[: people.n_train]]
    return _batch(
        device_id=people.ids[: people.n_train],
        gender=np.array([group[0] for group in groups.tolist()]),
        age=people.ages[: people.n_train],
        group=groups,
    )


def _events(events: Events, device_ids: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    degrees = pa.array(_DEGREES)
    for start in range(0, len(events.devices), _EVENTS_AT_ONCE):
        rows = slice(start, start + _EVENTS_AT_ONCE)
        devices = events.devices[rows]
        yield _batch(
            event_id=np.arange(start + 1, start + 1 + len(devices)),
            device_id=device_ids[devices],
            timestamp=pa.array(events.seconds[rows], type=pa.timestamp("s")),
            longitude=degrees.take(pa.array(events.longitudes[rows])),
            latitude=degrees.take(pa.array(events.latitudes[rows])),
        )


def _app_events(listings: Iterator[Listings], app_ids: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
    for rows in listings:
        yield _batch(
            event_id=rows.event_ids,
            app_id=app_ids[rows.apps],
            is_installed=np.ones(len(rows.apps), dtype=np.int8),
            is_active=rows.is_active,
        )


def _batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)
