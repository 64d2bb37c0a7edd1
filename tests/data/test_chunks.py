"""Files and zips as chunks of whole lines: each line once, and what is refused."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparksweep.data import chunks as module
from sparksweep.data.chunks import chunks_of_range, chunks_of_zip, whole_lines, without_header
from sparksweep.errors import DataError

NAMES = ("event_id", "app_id")
HEADER = b"event_id,app_id\n"
EXAMPLES = settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@pytest.fixture(params=[1, 2, 3, 7, 2**20])
def chunk_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "CHUNK", request.param)
    return request.param


TEXTS = st.tuples(
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.text("ab,", max_size=6), max_size=6),
    st.booleans(),
).map(lambda drawn: (drawn[0].join(drawn[1]) + drawn[0] * drawn[2]).encode())


@EXAMPLES
@given(text=TEXTS)
def test_ranges_of_any_size_have_each_line_once(tmp_path: Path, chunk_size: int, text: bytes) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(text)
    expected = text.splitlines(keepends=True)
    starts = [sum(map(len, expected[:n])) for n in range(len(expected))]
    for size in range(1, len(text) + 3):
        for start in range(0, len(text) + 1, size):
            found = list(chunks_of_range(path, start, start + size))
            wanted = [line for at, line in zip(starts, expected, strict=True) if start <= at < start + size]
            # Lines cut in two would have other ends, and chunks cut within CRLF other counts of lines.
            assert [line for chunk in found for line in chunk.splitlines(keepends=True)] == wanted


def test_lines_with_the_end_of_old_macs(tmp_path: Path, chunk_size: int) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(b"1,2\r3,4\r\r5,6\r")
    for size in range(1, 16):
        found = [list(chunks_of_range(path, start, start + size)) for start in range(0, 13, size)]
        assert b"".join(b"".join(part) for part in found) == path.read_bytes()


@EXAMPLES
@given(blocks=st.lists(st.text("a\r\n", min_size=1, max_size=5).map(str.encode), max_size=8))
def test_blocks_are_cut_where_lines_end(blocks: list[bytes]) -> None:
    found = list(whole_lines(blocks))
    whole = b"".join(blocks)
    assert b"".join(found) == whole
    assert b"" not in found
    assert [line for chunk in found for line in chunk.splitlines()] == whole.splitlines()


def test_a_chunk_is_not_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 100)
    path = tmp_path / "lines.csv"
    path.write_bytes(b"12345678\r\n" * 1000)
    assert max(map(len, chunks_of_range(path, 0, 10_000))) <= 110
    archive = zipped({"t.csv": path.read_bytes()})
    assert max(map(len, chunks_of_zip(io.BytesIO(archive), "t.zip", "t.csv"))) <= 110


@pytest.mark.parametrize(
    ("beginning", "lines"),
    [
        (b"event_id,app_id\n", 1),
        (b"event_id,app_id\r\n", 1),
        (b"event_id,app_id\r", 1),
        (b"\xef\xbb\xbfevent_id,app_id\n", 1),
        (b"\xef\xbb\xbf\r\n \r\nevent_id,app_id\r\n", 3),
        (b"\n\n\t\nevent_id,app_id\n", 4),
        (b'"event_id","app_id"\n', 1),
        (b' event_id , "app_id" \n', 1),
    ],
)
@pytest.mark.parametrize("size", [1, 5, 100])
def test_the_header_is_taken_away_and_counted(beginning: bytes, lines: int, size: int) -> None:
    rows = b"1,2\n\n3,4"
    text = beginning + rows
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    found = list(without_header(whole_lines(blocks), "t.csv", NAMES))
    assert b"".join(chunk for _, chunk in found) == rows
    assert [taken for taken, _ in found] == [lines] + [0] * (len(found) - 1)


def test_a_header_alone_is_taken_away() -> None:
    for text in (b"event_id,app_id", HEADER):
        assert list(without_header(iter([text]), "t.csv", NAMES)) == [(1, b"")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty: it must begin with 'event_id,app_id' and hold at least one row"),
        (b"\r\n \n", "is empty: it must begin with 'event_id,app_id'"),
        (b"\xef\xbb\xbf\n", "is empty: it must begin with 'event_id,app_id'"),
        (
            b"app_id,event_id\n1,2\n",
            "begins with 'app_id,event_id' instead of 'event_id,app_id': give it the columns of the competition, "
            "in their order",
        ),
        (b"1,2\n3,4\n", "begins with '1,2' instead of 'event_id,app_id'"),
        (b"event_id\n1\n", "begins with 'event_id' instead of"),
        (b"event_id,app_id,\n1,2,\n", "begins with 'event_id,app_id,' instead of"),
        (b"event_id;app_id\n1;2\n", "begins with 'event_id;app_id' instead of"),
        (b"Event_ID,App_ID\n", "begins with 'Event_ID,App_ID' instead of"),
        (b"\nevent_id,\xff\n", "begins with 'event_id,\ufffd' instead of"),
        (b"e" * 100_000, f"begins with '{'e' * 200}' instead of"),
    ],
)
def test_another_header_or_none(text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(f'IN/t.csv {message}')}"):
        list(without_header(whole_lines([text]), "IN/t.csv", NAMES))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


TEXT = HEADER + b"".join(b"%d,%d\r\n" % (n, n * n * 7919 % 65_537) for n in range(300))


def message_of(content: bytes) -> str:
    """The sentence by which a zip is refused, the same from the driver's bytes and from Spark's."""
    said = []
    for file in (io.BytesIO(content), pa.BufferReader(content)):
        with pytest.raises(DataError) as caught:
            list(chunks_of_zip(file, "IN/t.csv.zip", "t.csv"))
        said.append(str(caught.value))
    assert "\n" not in said[0]
    return said[0]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_lines_of_a_zip(chunk_size: int, method: int) -> None:
    others = {"__MACOSX/talkingdata/._t.csv": b"\0", "other.csv": b"x", "at.csv": b"y", "t.csv/": b""}
    for name in ("t.csv", "talkingdata/t.csv", "a/b/t.csv"):
        content = zipped({**others, name: TEXT}, method)
        for file in (io.BytesIO(content), pa.BufferReader(content)):
            found = list(chunks_of_zip(file, "t.csv.zip", "t.csv"))
            assert b"".join(found) == TEXT
            assert all(chunk.endswith(b"\r\n") for chunk in found[1:])


@pytest.mark.parametrize(
    ("files", "finding"),
    [
        ({}, "no t.csv"),
        ({"t.txt": b"", "at.csv": b"", "t.csv/x": b""}, "no t.csv"),
        ({"a/t.csv": b"1", "b/t.csv": b"2"}, "2 files t.csv"),
    ],
)
def test_zips_without_the_one_file(files: dict[str, bytes], finding: str) -> None:
    assert message_of(zipped(files)) == f"IN/t.csv.zip holds {finding}: it must be a zip of that one file"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_that_is_cut_off_anywhere(method: int) -> None:
    whole = zipped({"t.csv": TEXT}, method)
    cuts = {*range(60), *range(60, len(whole) - 130, 97), *range(len(whole) - 130, len(whole))}
    for cut in sorted(cuts):
        message = message_of(whole[:cut])
        assert re.fullmatch(r"IN/t\.csv\.zip is torn \(.+\): copy or download it again", message), cut


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_with_a_wrong_byte_is_refused_or_has_the_right_lines(method: int) -> None:
    whole = zipped({"t.csv": TEXT}, method)
    for place in {*range(60), *range(60, len(whole) - 130, 97), *range(len(whole) - 130, len(whole))}:
        for change in (1, 128, 255):
            content = bytearray(whole)
            content[place] ^= change
            for file in (io.BytesIO(content), pa.BufferReader(bytes(content))):
                with contextlib.suppress(DataError):
                    assert b"".join(chunks_of_zip(file, "IN/t.csv.zip", "t.csv")) == TEXT


def test_a_wrong_byte_in_the_file_is_told_by_its_checksum() -> None:
    content = zipped({"t.csv": TEXT}, zipfile.ZIP_STORED).replace(b"\r\n299,", b"\r\n298,")
    assert re.fullmatch(r"IN/t\.csv\.zip is torn \(.*CRC.*\): copy or download it again", message_of(content))


def test_zips_with_a_password_or_of_another_kind() -> None:
    # Bit 0 of the flags is encryption; they stand at 6 in the file's own header and at 8 in the list of files.
    content = bytearray(zipped({"t.csv": TEXT}))
    listed = content.rfind(b"PK\1\2")
    content[6] |= 1
    content[listed + 8] |= 1
    advice = ": zip the CSV in the usual way"
    locked = message_of(bytes(content))
    assert locked.startswith("IN/t.csv.zip cannot be unpacked (")
    assert "password" in locked
    assert locked.endswith(advice)

    methods = [zipped({"t.csv": TEXT}, method) for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)]
    deflate64 = bytearray(zipped({"t.csv": TEXT}))
    struct.pack_into("<H", deflate64, 8, 9)
    struct.pack_into("<H", deflate64, deflate64.rfind(b"PK\1\2") + 10, 9)
    for other in (*methods, bytes(deflate64)):
        message = message_of(other)
        assert message == f"IN/t.csv.zip cannot be unpacked (unusual compression){advice}"


def test_a_disk_that_fails_is_no_torn_zip() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() < 1000:  # behind it is the list of files
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        list(chunks_of_zip(Failing(zipped({"t.csv": TEXT})), "IN/t.csv.zip", "t.csv"))
