"""Blobs -> a folder of this machine that keeps them: parallel, verified, resumed.

A cache holds a place for each folder of blobs::

    CACHE/CONTAINER-1f0c.../
        files/6b2a...            a whole blob of one version, whose name the hash stands for
        files/6b2a....part       the beginning of one
        3c9d.../events.csv       a snapshot: hard links under the names that the blobs have
        lock                     held by the one process that fetches

A version has a name of its own, so nothing that is there is ever changed: what runs goes on reading its
snapshot while another process fetches newer blobs.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sparksweep.errors import StorageError
from sparksweep.storage.blob import BlobStore
from sparksweep.storage.local import LocalStore
from sparksweep.storage.progress import show_bytes
from sparksweep.storage.store import StoredFile, checked_name

__all__ = ["fetch"]

# Bytes of a request, requests at a time over all files, and how many ranges may be in memory: 96 MiB.
_RANGE = 8 << 20
_AT_ONCE = 8
_AHEAD = 12

# Snapshots that nobody asked for in this time are deleted.
_KEPT_SECONDS = 14 * 24 * 3600


def fetch(store: BlobStore, names: Iterable[str], cache: str | Path, *, progress: bool = True) -> LocalStore:
    """Download blobs that the cache does not have, and return the folder where they lie.

    Each file has the name that it has in ``store``. A version that was fetched once is not fetched again,
    and a download that was cut goes on where it ended. Several processes may fetch into one cache.

    Parameters
    ----------
    store : BlobStore
    names : iterable of str
    cache : str or path
        A folder of this machine, made if it is not there. Snapshots that nobody has asked for in two weeks
        leave it.
    progress : bool
        Whether to show how far it is, on standard error.

    Raises
    ------
    StorageError
        If a blob is missing, refused or damaged on its way, if the connection breaks for good, or if the
        cache cannot be written.
    """
    if "://" in str(cache):
        raise StorageError(f"the cache {cache} cannot take blobs: name a folder of this machine")
    files = [store.stat(name) for name in dict.fromkeys(names)]
    place = Path(cache).absolute() / f"{store.container}-{_hash(store.origin)}"
    wanted = {place / "files" / _hash(file.name, file.version): file for file in files}
    snapshot = place / _hash(*sorted(path.name for path in wanted))
    links = {path: snapshot / checked_name(file.name) for path, file in wanted.items()}
    try:
        with _alone(place, progress):
            missing = {
                path: file for path, file in wanted.items() if not path.exists() and not links[path].exists()
            }
            if missing:
                _download(store, missing, progress)
            snapshot.mkdir(exist_ok=True)
            for path, link in links.items():
                _link(path, link)
            _forget_old(place, snapshot)
    except OSError as error:
        raise StorageError(
            f"the cache {place} cannot be written ({error.strerror}): name a folder that can be, with space "
            f"for {sum(file.size for file in files):,} bytes"
        ) from None
    return LocalStore(snapshot)


def _download(store: BlobStore, missing: Mapping[Path, StoredFile], progress: bool) -> None:
    """Let the part of each blob grow at its end, in order, and rename it when it is whole."""
    offsets = {path: range(_begun(_part(path)), file.size, _RANGE) for path, file in missing.items()}
    ranges = [(missing[path], offset) for path, starts in offsets.items() for offset in starts]
    left = sum(file.size - offsets[path].start for path, file in missing.items())
    action = f"downloading {len(missing)} {'file' if len(missing) == 1 else 'files'} of {store.uri}"
    with show_bytes(action, left, progress) as report, contextlib.closing(_read(store, ranges)) as contents:
        for path, file in missing.items():
            part = _part(path)
            with part.open("ab") as growing:
                for content in itertools.islice(contents, len(offsets[path])):
                    growing.write(content)
                    growing.flush()
                    report(len(content))
                os.fsync(growing.fileno())
            _verify(store, part, file)
            part.replace(path)


def _part(path: Path) -> Path:
    return path.with_suffix(".part")


def _begun(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _read(store: BlobStore, ranges: Iterable[tuple[StoredFile, int]]) -> Generator[bytes, None, None]:
    """Yield the content of each range in order, while the next ones are on their way."""
    ahead: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            for file, offset in ranges:
                length = min(_RANGE, file.size - offset)
                ahead.append(pool.submit(store.read_range, file, offset, length))
                if len(ahead) == _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _verify(store: BlobStore, part: Path, file: StoredFile) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    with part.open("rb") as content:
        for block in iter(partial(content.read, 1 << 20), b""):
            digest.update(block)
        size = content.tell()
    if size == file.size and file.md5 in (None, digest.digest()):
        return
    part.unlink()
    told = f"{file.size:,} bytes" if size != file.size else f"MD5 {(file.md5 or b'').hex()}"
    raise StorageError(
        f"{store.uri}/{file.name} did not arrive as the storage account has it, with {told}: start "
        "again, and if it stays so upload it again"
    )


def _link(path: Path, name: Path) -> None:
    if name.exists():
        return
    name.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, name)
    except OSError:  # a disk without hard links
        path.replace(name)


@contextmanager
def _alone(place: Path, progress: bool) -> Iterator[None]:
    """Hold the lock of a place. The system gives it back if this process dies."""
    (place / "files").mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                sys.stderr.write(f"waiting for another process that downloads to {place}\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_old(place: Path, snapshot: Path) -> None:
    """Delete snapshots that are not used any more, then the files that no snapshot has."""
    os.utime(snapshot)
    oldest = time.time() - _KEPT_SECONDS
    for folder in place.iterdir():
        if folder.name not in ("files", "lock") and folder.stat().st_mtime < oldest:
            shutil.rmtree(folder)
    for path in (place / "files").iterdir():
        found = path.stat()
        if found.st_mtime < oldest and found.st_nlink == 1:
            path.unlink()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
