"""What a task computes, without Spark: against the oracle, and on Arrow tables of every make."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparksweep.data import Summary, Tables
from sparksweep.features import FAMILIES, to_csr
from sparksweep.features.brand_and_model import brand_and_model
from sparksweep.features.kernel import features_of_devices
from sparksweep.features.vocabulary import Vocabulary, read_vocabulary
from tests.features.oracle import Rows, columns_by_hand, features_by_hand, random_tables

ABOUT = pa.schema(
    {
        "row": pa.int32(),
        "event_id": pa.int64(),
        "hour_of_week": pa.int32(),
        "app_ids": pa.binary(),
        "run": pa.int64(),
    }
)
FRACTIONS = dict.fromkeys(FAMILIES, "fraction")

# A row of the table: the place of a device, an event, its hour of the week, its apps and their run.
About = tuple[int, int | None, int | None, bytes | None, int | None]


@dataclass(frozen=True)
class Known:
    """What a task knows beside the rows."""

    vocabulary: Vocabulary
    phones: np.ndarray

    @classmethod
    def of(cls, rows: Rows, families: Mapping[str, str], ids: Sequence[int]) -> Known:
        def frame(name: str, **types: str) -> pd.DataFrame:
            return pd.DataFrame(rows[name], columns=list(types)).astype(types)

        phones = frame(
            "phone_brand_device_model", device_id="Int64", phone_brand="object", device_model="object"
        )
        listed = sorted({app for _, app, *_ in rows["app_events"]})
        tables = Tables(
            gender_age_train=None,
            gender_age_test=None,
            phone_brand_device_model=phones,
            app_labels=frame("app_labels", app_id="Int64", label_id="Int64"),
            label_categories=frame("label_categories", label_id="Int64", category="object"),
            events=None,
            app_events=None,
            files={},
            summaries={"app_events": Summary(len(rows["app_events"]), apps=tuple(listed))},
        )
        vocabulary = read_vocabulary(tables, families)
        return cls(vocabulary, brand_and_model(phones, np.array(ids, np.int64), vocabulary))

    def features(self, about: pa.Table) -> pa.RecordBatch:
        return features_of_devices(about, self.vocabulary, self.phones)


def _packed(*app_ids: int) -> bytes:
    return np.array(app_ids, "<i8").tobytes()


def _with_ids(rows: Rows) -> Rows:
    """Drop rows as the reader does."""
    tables = "events", "app_events", "app_labels"
    return {**rows, **{name: [row for row in rows[name] if "" not in row[:2]] for name in tables}}


def _ids(rows: Rows) -> list[int]:
    """Return the devices of each file, those of both files twice."""
    files = (rows[name] for name in ("gender_age_train", "gender_age_test"))
    return [device for file in files for device in dict.fromkeys(row[0] for row in file)]


def _named(places: Sequence[int]) -> list[About]:
    return [(place, None, None, None, None) for place in places]


def _joined(rows: Rows, ids: Sequence[int]) -> list[About]:
    """Join as Spark does: each row of an event with each run of its apps; and each device by its name alone."""
    runs = defaultdict(list)
    for number, (event, run) in enumerate(itertools.groupby(rows["app_events"], key=lambda row: row[0])):
        runs[event].append((_packed(*(app for _, app, *_ in run)), number))
    about: list[About] = _named(range(len(ids)))
    for event, device, time, *_ in rows["events"]:
        at = datetime.fromisoformat(time) if time else None
        hour = None if at is None else at.weekday() * 24 + at.hour
        for place in (place for place, known in enumerate(ids) if known == device):
            about += [(place, event, hour, *apps) for apps in runs.get(event, [(None, None)])]
    return about


def _arrow(about: Sequence[About], cuts: Sequence[int] = ()) -> pa.Table:
    """Return rows as a table that is cut into chunks."""
    edges = [0, *sorted(min(cut, len(about)) for cut in cuts), len(about)]
    batches = [
        pa.RecordBatch.from_pylist(
            [dict(zip(ABOUT.names, row, strict=True)) for row in about[begin:end]], ABOUT
        )
        for begin, end in itertools.pairwise(edges)
    ]
    return pa.Table.from_batches(batches, ABOUT)


def _values(batch: pa.RecordBatch, names: Sequence[str]) -> dict[int, dict[str, np.float32]]:
    """Return {row: {feature: value}}."""
    found = {}
    for row in batch.to_pylist():
        X = to_csr([row["columns"]], [row["values"]], len(names))
        assert (np.diff(X.indices) > 0).all()
        found[row["row"]] = {names[column]: value for column, value in zip(X.indices, X.data, strict=True)}
    return found


def _check(rows: Rows, families: Mapping[str, str], batch: pa.RecordBatch, names: Sequence[str]) -> None:
    """Compare a batch with the oracle: values to the last bit, the order of columns, and the counts."""
    ids = _ids(rows)
    by_hand = features_by_hand(rows, families)
    expected: dict[int, dict[str, np.float32]] = {place: {} for place in range(len(ids))}
    for (device, feature), value in by_hand.items():
        for place in (place for place, known in enumerate(ids) if known == device):
            expected[place][feature] = value
    found = _values(batch, names)
    assert found == expected
    occurring = {name for features in found.values() for name in features}
    assert [name for name in names if name in occurring] == columns_by_hand(by_hand)
    for found_row in batch.to_pylist():
        device = ids[found_row["row"]]
        of_device = [event for event, known, *_ in rows["events"] if known == device]
        assert found_row["events"] == len(set(of_device))
        assert found_row["event_rows"] == len(of_device)
        listed = sum(event in of_device for event, *_ in rows["app_events"])
        assert found_row["app_rows"] == listed


DEVICES = [3, -(2**63), 2**63 - 1, 8]
APPS = [-5, 0, 2**63 - 1, 40]
LABELS = [9, 10, -1, 4]
TEXTS = ["Game-Art", "game  art", "", "()_/", "(Sports)_Game", "Ünï 学习", "a:b", "\u3000x\u00a0"]
NAMES = st.sampled_from(TEXTS) | st.text(max_size=6)
TIMES = st.one_of(st.just(""), st.datetimes(datetime(1960, 1, 1), datetime(2040, 1, 1)).map(str))  # noqa: DTZ001 - as the files
EVENT_IDS = st.integers(0, 12) | st.integers(-(2**63), 2**63 - 1)


@st.composite
def small_tables(draw: st.DrawFn) -> Rows:
    """Draw tables in which anything may be missing, there twice, contradictory or unknown."""

    def rows(*columns: st.SearchStrategy, most: int) -> list[tuple]:
        least = draw(st.sampled_from([0, most // 2]))  # few rows seldom fit together
        return draw(st.lists(st.tuples(*columns), min_size=least, max_size=most))

    def one_of(values: Sequence[int]) -> st.SearchStrategy[int]:
        return st.sampled_from([*values, 77])

    events = rows(EVENT_IDS, one_of(DEVICES), TIMES, most=25)
    if draw(st.booleans()):  # one device has several blocks of 64
        device, first, step = draw(st.sampled_from(DEVICES)), draw(EVENT_IDS), draw(st.integers(1, 3))
        many = range(max(-(2**63), first - 600), min(2**63 - 1, first), step)
        events += [(event, device, "2016-05-02 07:00:00") for event in many]
    known = st.sampled_from([event for event, *_ in events]) if events else EVENT_IDS
    return {
        "gender_age_train": draw(st.lists(st.tuples(st.sampled_from(DEVICES)), min_size=1, max_size=4)),
        "gender_age_test": draw(st.lists(st.tuples(st.sampled_from(DEVICES)), max_size=4)),
        "phone_brand_device_model": rows(
            one_of(DEVICES), st.sampled_from(["小米", "Z", "a", ""]), st.sampled_from(["9", "10", ""]), most=6
        ),
        "events": events,
        "app_events": rows(known | EVENT_IDS, one_of(APPS), most=60),
        "app_labels": rows(one_of(APPS), one_of(LABELS), most=10),
        "label_categories": rows(one_of(LABELS), NAMES, most=8),
    }


VALUES = st.sampled_from(["fraction", "indicator"])
SOME_FAMILIES = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(FAMILIES, VALUES)),
    st.dictionaries(st.sampled_from(FAMILIES), VALUES, min_size=1),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    small_tables(), SOME_FAMILIES, st.randoms(use_true_random=False), st.lists(st.integers(0, 80), max_size=4)
)
def test_features_are_what_plain_python_computes(
    rows: Rows, families: dict[str, str], order: random.Random, cuts: list[int]
) -> None:
    ids = _ids(rows)
    known = Known.of(rows, families, ids)
    about = _joined(rows, ids)
    order.shuffle(about)
    _check(rows, families, known.features(_arrow(about, cuts)), known.vocabulary.names)


@pytest.fixture(scope="module")
def many_rows() -> Rows:
    return _with_ids(random_tables(5))


@pytest.fixture(scope="module")
def known(many_rows: Rows) -> Known:
    return Known.of(many_rows, FRACTIONS, _ids(many_rows))


@pytest.fixture(scope="module")
def many(many_rows: Rows) -> list[About]:
    """Return the rows in the order of devices and events, without those that only name a device."""
    rows = _joined(many_rows, _ids(many_rows))
    return sorted((row for row in rows if row[1] is not None), key=lambda row: row[:2])


@pytest.fixture(scope="module")
def batch(many_rows: Rows, many: list[About], known: Known) -> pa.RecordBatch:
    found = known.features(_arrow([*_named(range(len(known.phones))), *many]))
    _check(many_rows, FRACTIONS, found, known.vocabulary.names)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_rows_and_their_chunks_do_not_matter(
    many: list[About], known: Known, batch: pa.RecordBatch, seed: int
) -> None:
    order = random.Random(seed)
    rows = [*_named(range(len(known.phones))), *many]
    order.shuffle(rows)
    cuts = order.choices(range(len(rows)), k=9)
    assert known.features(_arrow(rows, [*cuts, cuts[0]])).equals(batch)  # with an empty chunk


def test_rows_again_change_only_the_number_of_rows_of_events(
    many: list[About], known: Known, batch: pa.RecordBatch
) -> None:
    again = known.features(_arrow([*_named([*range(len(known.phones)), 0, 1]), *many, *many]))
    for name in ("row", "columns", "values", "events"):
        assert again[name].equals(batch[name])
    assert again["event_rows"].to_pylist() == [2 * count for count in batch["event_rows"].to_pylist()]
    assert again["app_rows"].equals(batch["app_rows"])


def test_any_share_of_the_devices_gives_their_rows(
    many: list[About], known: Known, batch: pa.RecordBatch
) -> None:
    places = range(1, len(known.phones), 3)
    rows = [*_named(places), *(row for row in many if row[0] in places)]
    assert known.features(_arrow(rows)).equals(batch.take(pa.array(places)))


def test_whole_chunks_without_apps(many: list[About], known: Known) -> None:
    bare = [(*row[:3], None, None) for row in many[:200]]
    found = known.features(_arrow([*bare, *many[200:]], [50, 200]))
    assert found.equals(known.features(_arrow([*many[200:], *bare])))
    assert found["app_rows"].to_pylist() != known.features(_arrow(many))["app_rows"].to_pylist()


def test_no_row_lists_an_app(many: list[About], known: Known) -> None:
    found = known.features(_arrow([(*row[:3], None, None) for row in many], [50]))
    assert not any(found["app_rows"].to_pylist())
    assert not any(
        name.startswith(("app:", "label:", "category:", "word:"))
        for features in _values(found, known.vocabulary.names).values()
        for name in features
    )


def test_an_empty_list_of_apps_is_as_good_as_none(many: list[About], known: Known) -> None:
    some = [(*row[:3], None, row[4]) if row[1] % 3 == 0 else row for row in many]
    empty = [(*row[:3], b"", row[4]) if row[1] % 3 == 0 else row for row in many]
    assert known.features(_arrow(empty, [70])).equals(known.features(_arrow(some)))
    none = [(*row[:3], None, row[4]) for row in many]
    empty = [(*row[:3], b"", row[4]) for row in many]
    assert known.features(_arrow(empty)).equals(known.features(_arrow(none)))


def test_chunks_that_are_parts_of_longer_arrays(many: list[About], known: Known) -> None:
    other = [(0, -1, 5, _packed(1, 2, 3), 1), (0, -2, None, None, None)]
    parts = [[*_named([1]), *many[:300]], many[300:]]
    slices = [_arrow([*other, *part, *other]).slice(2, len(part)) for part in parts]
    assert [chunk.offset for table in slices for chunk in table["app_ids"].chunks] == [2, 2]
    expected = known.features(_arrow([*_named([1]), *many]))
    assert known.features(pa.concat_tables(slices)).equals(expected)
    assert known.features(slices[1]).equals(known.features(_arrow(many[300:])))


def test_a_device_that_is_only_named_has_its_phone(known: Known) -> None:
    place = int(np.flatnonzero((known.phones >= 0).all(axis=1))[0])
    (found,) = known.features(_arrow(_named([place, place]))).to_pylist()
    assert found == {
        "row": place,
        "columns": known.phones[place].astype("<i4").tobytes(),
        "values": np.ones(2, "<f4").tobytes(),
        "events": 0,
        "event_rows": 0,
        "app_rows": 0,
    }


def test_a_device_that_has_nothing_has_an_empty_row(known: Known) -> None:
    place = int(np.flatnonzero((known.phones < 0).all(axis=1))[0])
    (found,) = known.features(_arrow(_named([place]))).to_pylist()
    assert (found["row"], found["columns"], found["values"]) == (place, b"", b"")


def test_no_row_at_all(known: Known, batch: pa.RecordBatch) -> None:
    found = known.features(_arrow([]))
    assert found.num_rows == 0
    assert found.schema == batch.schema


def test_apps_without_labels_are_events_all_the_same(many_rows: Rows) -> None:
    rows = {**many_rows, "app_labels": [(1, 50), (1, 51)], "label_categories": [(50, "a")]}
    rows["events"] = [(event, 3, "") for event in range(4)]
    rows["app_events"] = [(0, 1), (0, 2), (1, 2), (2, 2)]
    rows["gender_age_train"] = rows["gender_age_test"] = [(3,)]
    known = Known.of(rows, {"label": "fraction", "category": "fraction"}, [3])
    found = known.features(_arrow(_joined(rows, [3])))
    assert known.vocabulary.apps.tolist() == [1]
    assert _values(found, known.vocabulary.names) == {
        0: {"label:50": np.float32(0.25), "label:51": np.float32(0.25), "category:a": np.float32(0.25)}
    }
