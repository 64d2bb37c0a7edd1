"""The bytes of a CSV or of a zip, as chunks of whole lines that fit into little memory."""

from __future__ import annotations

import codecs
import errno
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from sparksweep.errors import DataError

__all__ = ["chunks_of_range", "chunks_of_zip", "whole_lines", "without_header"]

#: Bytes that are parsed at once.
CHUNK = 8 * 2**20


def chunks_of_range(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Yield the lines of a file that begin at the bytes from ``start`` to before ``end``."""
    with path.open("rb") as file:
        if start > 0:
            file.seek(start - 1)
            file.readline()  # a line that begins at `start` follows the end of another
        yield from whole_lines(_until(file, end))


def _until(file: IO[bytes], end: int) -> Iterator[bytes]:
    while (left := end - file.tell()) > 0:
        block = file.read(min(left, CHUNK))
        if not block:
            return
        yield block
        if len(block) == left:
            yield file.readline() if not block.endswith(b"\n") else b""


def chunks_of_zip(file: IO[bytes], shown: str, entry: str) -> Iterator[bytes]:
    """Yield the lines of the one file of a zip that has a name, in whatever folder of the zip.

    Python checks the CRC at the end of the file.

    Raises
    ------
    DataError
        If the zip is torn or does not hold exactly one such file. ``shown`` names the zip then.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            found = [info for info in archive.infolist() if info.filename.rpartition("/")[2] == entry]
            if len(found) != 1:
                finding = f"{len(found)} files {entry}" if found else f"no {entry}"
                raise DataError(f"{shown} holds {finding}: it must be a zip of that one file")
            if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise DataError(
                    f"{shown} cannot be unpacked (unusual compression): zip the CSV in the usual way"
                )
            with archive.open(found[0]) as content:
                yield from whole_lines(iter(lambda: content.read(CHUNK), b""))
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError) as error:
        # A wrong place in the zip's list of files is refused in other words by each kind of file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{shown} is torn ({error}): copy or download it again") from None
    except (NotImplementedError, RuntimeError) as error:  # a kind of compression, a password
        raise DataError(f"{shown} cannot be unpacked ({error}): zip the CSV in the usual way") from None


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks of bytes so that each ends where a line ends."""
    rest = b""
    for block in blocks:
        # A CR at the very end may be half of a CRLF.
        end = max(block.rfind(b"\n"), block.rfind(b"\r", 0, -1)) + 1
        if end:
            yield rest + block[:end]
            rest = block[end:]
        else:
            rest += block
    if rest:
        yield rest


def without_header(chunks: Iterator[bytes], shown: str, names: Iterable[str]) -> Iterator[tuple[int, bytes]]:
    """Take the header away from the first lines of a file, and the byte order mark before it.

    Yields
    ------
    (int, bytes)
        Chunks, each with the number of lines that were taken away before it.

    Raises
    ------
    DataError
        If there is another header or none. ``shown`` names the file then.
    """
    expected = ",".join(names)
    taken, first = 0, True
    for chunk in chunks:
        rest = chunk.removeprefix(codecs.BOM_UTF8) if first else chunk
        first = False
        while rest:
            line, rest = _first_line(rest)
            taken += 1
            if text := line.decode(errors="replace").strip():
                found = ",".join(name.strip().strip('"') for name in text.split(","))
                if found != expected:
                    raise DataError(
                        f"{shown} begins with {found[:200]!r} instead of {expected!r}: "
                        "give it the columns of the competition, in their order"
                    )
                yield taken, rest
                for others in chunks:
                    yield 0, others
                return
    raise DataError(f"{shown} is empty: it must begin with {expected!r} and hold at least one row")


def _first_line(text: bytes) -> tuple[bytes, bytes]:
    line = next(iter(text[:65_536].splitlines(keepends=True)))
    return (line, text[len(line) :])
