"""Lines of a CSV as Arrow batches, at once or line by line: the same rows."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparksweep.data import SCHEMAS
from sparksweep.data.parse import Parsed, _at_once, _line_by_line, arrow_type, parse, used_columns

# Texts of all kinds, and more often what could mean something to a reader of CSV.
TEXTS = st.text(
    st.one_of(
        st.sampled_from(" \t\",;'\\#x0X-\u3000\xa0\x1f\x85\u2028\ufeffé中😀"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"),
    ),
    max_size=12,
)
LONGS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0])
MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)).map(  # noqa: DTZ001 - as the files
    lambda time: time.replace(microsecond=0)
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@st.composite
def written_times(draw):
    """A time and how it may be written: to the day, hour, minute or second."""
    time, length, middle = draw(MOMENTS), draw(st.sampled_from([10, 13, 16, 19])), draw(st.sampled_from(" T"))
    text = time.isoformat(middle)[:length]
    return text, datetime.fromisoformat(f"{text}:00" if length == 13 else text)


VALUES = {
    "long": st.just(("", None)) | LONGS.map(lambda number: (str(number), number)),
    "integer": st.just(("", None)) | st.integers(-(2**31), 2**31 - 1).map(lambda n: (str(n), n)),
    "timestamp": st.just(("", None)) | written_times(),
    "string": TEXTS.map(lambda text: (text, text.strip())),
    "unused": TEXTS.map(lambda text: (text, None)),
}


@st.composite
def clean_chunks(draw, table):
    """A chunk of lines that are all right, how many lines it has, and what they say."""
    used = used_columns(table)
    columns = [VALUES[used.get(name, "unused")] for name in SCHEMAS[table].names]
    rows = draw(st.lists(st.tuples(*columns), max_size=8))
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    lines = []
    for row in rows:
        line = io.StringIO()
        csv.writer(line, lineterminator="", quoting=quoting).writerow([text for text, _ in row])
        lines += [line.getvalue(), *[""] * draw(st.sampled_from([0, 0, 0, 1, 2]))]
    end = draw(ENDS)
    chunk = end.join(lines) + end * draw(st.integers(0, 2))
    values = [dict(zip(SCHEMAS[table].names, row, strict=True)) for row in rows]
    expected = [{name: value[name][1] for name in used} for value in values]
    return chunk.encode(), len(chunk.encode().splitlines()), expected


def rows_of(parsed: Parsed) -> list[dict]:
    """The rows, whatever their times: Python's arithmetic on them needs no time zone."""
    kinds = {field.name: field.type for field in parsed.rows.schema}
    rows = parsed.rows.cast(
        pa.schema(
            [(name, pa.int64() if pa.types.is_timestamp(kind) else kind) for name, kind in kinds.items()]
        )
    ).to_pylist()
    for name, kind in kinds.items():
        if pa.types.is_timestamp(kind):
            for row in rows:
                row[name] = row[name] and datetime(1970, 1, 1) + timedelta(seconds=row[name])  # noqa: DTZ001 - as the files
    return rows


@pytest.mark.parametrize("table", SCHEMAS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_what_was_written_is_read(table, data):
    chunk, lines, expected = data.draw(clean_chunks(table))
    for parsed in (parse(chunk, table), _line_by_line(chunk, table), _at_once(chunk, table)):
        if parsed is not None:  # Arrow leaves odd chunks to Python
            assert rows_of(parsed) == expected
            assert (parsed.lines, parsed.malformed, parsed.first) == (lines, 0, None)
            assert {field.name: field.type for field in parsed.rows.schema} == {
                name: arrow_type(kind) for name, kind in used_columns(table).items()
            }


TOKENS = st.sampled_from(
    [b",", b'"', b" ", b"\t", b"\n", b"\r", b"\r\n", b"1", b"-7", b"0x1", b"a", b"\xff", b"\0", b"\xc3\xa9"]
)
PIECES = st.sampled_from([b"1,2\n", b'3,"x"\n', b"2016-05-01 ", b"0000-01-01", b"4,a\r", b'5,"b\nc"\n'])


@pytest.mark.parametrize("table", ["gender_age_test", "label_categories", "events"])
@settings(max_examples=300, deadline=None)
@given(chunk=st.lists(TOKENS | PIECES, max_size=12).map(b"".join))
def test_arrow_never_reads_what_python_reads_otherwise(table, chunk):
    at_once, by_line = _at_once(chunk, table), _line_by_line(chunk, table)
    if at_once is not None:
        assert by_line.malformed == 0
        assert at_once.lines == by_line.lines
        assert rows_of(at_once) == rows_of(by_line)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_malformed_lines_are_dropped_and_counted(data):
    chunk, _, expected = data.draw(clean_chunks("events"))
    end = b"\r\n" if b"\r\n" in chunk else b"\r" if b"\r" in chunk else b"\n"
    lines = chunk.splitlines()
    bad = data.draw(
        st.lists(st.sampled_from([b"x,1,,,", b"1,2", b'"', b"1,2,,,,", b"1,2,3,,"]), min_size=1, max_size=4)
    )
    for line in bad:
        lines.insert(data.draw(st.integers(0, len(lines))), line)
    parsed = parse(end.join(lines) + end, "events")
    first = next(number for number, line in enumerate(lines) if line in bad)
    assert rows_of(parsed) == expected
    assert (parsed.lines, parsed.malformed) == (len(lines), len(bad))
    assert parsed.first is not None
    assert parsed.first[0] == first
    assert parsed.first[1].endswith(f" in {lines[first].decode()!r}")


LONG = "is no whole number of 64 bits,"
TIME = "is no time of the form 2016-05-01 13:00:00,"


@pytest.mark.parametrize(
    ("table", "line", "finding"),
    [
        ("events", "1,2,2016-05-01,0", "4 values instead of 5"),
        ("events", "1,2,2016-05-01,0,0,", "6 values instead of 5"),
        ("events", '"1,2,2016-05-01,0,0"', "1 values instead of 5"),
        ("gender_age_test", ",", "2 values instead of 1"),
        ("events", "x1,2,2016-05-01,0,0", f"'x1' in column event_id {LONG}"),
        ("events", "1,2.0,2016-05-01,0,0", f"'2.0' in column device_id {LONG}"),
        ("events", "1,1e3,2016-05-01,0,0", f"'1e3' in column device_id {LONG}"),
        ("events", "+1,2,2016-05-01,0,0", f"'+1' in column event_id {LONG}"),
        ("events", '"1,5",2,2016-05-01,0,0', f"'1,5' in column event_id {LONG}"),
        ("events", "1 5,2,2016-05-01,0,0", f"'1 5' in column event_id {LONG}"),
        ("events", "1,１,2016-05-01,0,0", f"'１' in column device_id {LONG}"),
        ("events", "1,NULL,2016-05-01,0,0", f"'NULL' in column device_id {LONG}"),
        ("gender_age_test", "9223372036854775808", f"'9223372036854775808' in column device_id {LONG}"),
        ("gender_age_test", "-9223372036854775809", f"'-9223372036854775809' in column device_id {LONG}"),
        ("gender_age_test", "0x1F", f"'0x1F' in column device_id {LONG}"),
        ("gender_age_test", "-0X1F", f"'-0X1F' in column device_id {LONG}"),
        (
            "gender_age_train",
            "1,M,2147483648,M39+",
            "'2147483648' in column age is no whole number of 32 bits,",
        ),
        ("events", "1,2,2016-05-01 24:00:00,0,0", f"'2016-05-01 24:00:00' in column timestamp {TIME}"),
        ("events", "1,2,2016-05-01 00:00:60,0,0", f"'2016-05-01 00:00:60' in column timestamp {TIME}"),
        ("events", "1,2,2015-02-29,0,0", f"'2015-02-29' in column timestamp {TIME}"),
        ("events", "1,2,1900-02-29,0,0", f"'1900-02-29' in column timestamp {TIME}"),
        ("events", "1,2,0000-01-01,0,0", f"'0000-01-01' in column timestamp {TIME}"),
        ("events", "1,2,2016-5-1,0,0", f"'2016-5-1' in column timestamp {TIME}"),
        ("events", "1,2,20160501,0,0", f"'20160501' in column timestamp {TIME}"),
        ("events", "1,2,2016-05-01 00:00:00.0,0,0", f"'2016-05-01 00:00:00.0' in column timestamp {TIME}"),
        ("events", "1,2,2016-05-01 00:00:00Z,0,0", f"'2016-05-01 00:00:00Z' in column timestamp {TIME}"),
        (
            "events",
            "1,2,2016-05-01 00:00:00+08:00,0,0",
            f"'2016-05-01 00:00:00+08:00' in column timestamp {TIME}",
        ),
        ("label_categories", '7,"Games', "a quote that is not closed"),
        ("label_categories", '7,"Games""', "a quote that is not closed"),
        ("label_categories", '7, "Games', "a quote that is not closed"),
        ("events", '1,2,2016-05-01,0,"', "a quote that is not closed"),
        ("label_categories", "7,Ga\0mes", "a NUL byte"),
    ],
)
@pytest.mark.parametrize("after", ["", "\n", "\r\n", "\n\n", "\nCLEAN\n"])
def test_what_is_wrong_with_a_line(table, line, finding, after):
    clean = {
        "events": "5,6,2016-02-29T23:59:59,0,0",
        "gender_age_test": "5",
        "gender_age_train": "5,F,33,F33-42",
        "label_categories": '5,"a,b"',
    }[table]
    parsed = parse(f"{clean}\n\n{line}{after.replace('CLEAN', clean)}".encode(), table)
    assert parsed.first == (2, f"{finding} in {line!r}")
    assert parsed.malformed == 1
    assert parsed.rows.num_rows == 1 + ("CLEAN" in after)


def test_a_value_over_two_lines():
    parsed = parse(b'1,a\n2,"b\nc"\n3,d\n', "label_categories")
    assert rows_of(parsed) == [{"label_id": 1, "category": "a"}, {"label_id": 3, "category": "d"}]
    # Each of the lines is one that cannot be read.
    assert (parsed.lines, parsed.malformed) == (4, 2)
    assert parsed.first == (1, "a quote that is not closed in '2,\"b'")


def test_a_value_over_two_lines_where_another_end_makes_up_for_it():
    # As many ends of the usual kind as there are rows to Arrow.
    parsed = parse(b'1,a\r2,b\n3,"c\nd"\n', "label_categories")
    assert (parsed.rows.num_rows, parsed.lines, parsed.malformed) == (2, 4, 2)


@pytest.mark.parametrize("text", [b"\xff", b"a\xc3", b"\xed\xa0\x80", "ü".encode("latin-1")])
def test_what_is_no_utf_8(text):
    parsed = parse(b"1,a\n2," + text + b"\n", "label_categories")
    shown = text.decode(errors="replace")
    assert parsed.first == (1, f"what is no UTF-8 in column category, in {'2,' + shown!r}")
    assert rows_of(parsed) == [{"label_id": 1, "category": "a"}]
    with_fault = parse(b"1," + text + b",,,\n", "events")
    assert with_fault.malformed == 1
    assert with_fault.first is not None
    assert LONG in with_fault.first[1]


@pytest.mark.parametrize(
    "anything",
    [b"north", b"1e999", b"\xff\xfe", b"0x1F", b"", b" ", b'"a,b"', b'5"', b' "x" ', b"2016-13-45"],
)
def test_columns_that_are_not_used_may_hold_anything(anything):
    row = {"event_id": 1, "device_id": 2, "timestamp": datetime(2016, 5, 1)}  # noqa: DTZ001 - as the files
    line = b"1,2,2016-05-01," + anything + b"," + anything
    for chunk, malformed in ((line, 0), (b"x\n" + line, 1)):
        parsed = parse(chunk, "events")
        assert (rows_of(parsed), parsed.malformed) == ([row], malformed)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('5" tablets', '5" tablets'),
        ('a "b', 'a "b'),
        ('"a"b', "ab"),
        (' "a, b" ', "a, b"),
        ('"a ""b"""', 'a "b"'),
        ("  a b\t", "a b"),
        ("NULL", "NULL"),
        ("\\n", "\\n"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("others", [b"", b"x,y\n"], ids=["at once", "line by line"])
def test_quotes_and_spaces(text, value, others):
    parsed = parse(others + f"7,{text}\n".encode(), "label_categories")
    assert rows_of(parsed) == [{"label_id": 7, "category": value}]


@pytest.mark.parametrize("chunk", [b"", b"\n", b"\r\n\r\n", b" \n\t\n", b"\r"])
@pytest.mark.parametrize("table", SCHEMAS)
def test_no_rows(table, chunk):
    parsed = parse(chunk, table)
    assert parsed.rows.num_rows == parsed.malformed == 0
    assert parsed.lines == len(chunk.splitlines())
    assert parsed.rows.schema.names == list(used_columns(table))


def test_clean_lines_do_not_go_through_python(monkeypatch):
    monkeypatch.setattr("sparksweep.data.parse._line_by_line", None)
    for end in (b"\n", b"\r\n", b"\r"):
        lines = end.join(
            [b"1,a", b"", b'2,"b,""c"""', b"3, d ", b'4,""', b"-9223372036854775808,\xe4\xb8\xad"]
        )
        for chunk in (lines, lines + end, lines + end + end):
            assert parse(chunk, "label_categories").rows.num_rows == 5
