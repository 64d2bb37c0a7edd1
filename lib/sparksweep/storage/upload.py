"""A folder of this machine -> a folder of blobs."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sparksweep.errors import StorageError
from sparksweep.storage.blob import BlobStore
from sparksweep.storage.progress import show_bytes
from sparksweep.storage.store import StoredFile

__all__ = ["Uploaded", "upload_folder"]

# Files at a time. Each of them goes in several requests at a time.
_AT_ONCE = 4


@dataclass(frozen=True)
class Uploaded:
    """What became of the files of a folder.

    Attributes
    ----------
    sent, kept : tuple of str
        Names of files that were uploaded, and of those whose blobs had the same content already.
    sent_bytes : int
    """

    sent: tuple[str, ...]
    kept: tuple[str, ...]
    sent_bytes: int


def upload_folder(folder: Path, store: BlobStore, *, progress: bool = True) -> Uploaded:
    """Upload the files of a folder and of those in it, but those of which a blob has the content already.

    The container is made if there is none. Names that begin with a dot are left out. Each blob gets the
    MD5 of its content, which a later download is checked against.

    Parameters
    ----------
    folder : path
    store : BlobStore
    progress : bool
        Whether to show how far it is, on standard error.

    Raises
    ------
    StorageError
        If the folder is missing or empty, or if the storage account refuses.
    """
    sizes = _sizes(folder)
    if not sizes:
        raise StorageError(f"{folder} holds no files: name a folder that does")
    store.create_container()
    theirs = _blobs(store, sizes)
    with (
        show_bytes(f"uploading to {store.uri}", sum(sizes.values()), progress) as report,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):

        def send(name: str) -> bool:
            blob = theirs.get(name)
            known = blob.md5 if blob is not None and blob.size == sizes[name] else None
            sent = store.upload(name, folder / name, unless=known, report=report)
            if not sent:
                report(sizes[name])
            return sent

        sent = dict(zip(sizes, pool.map(send, sizes), strict=True))
    return Uploaded(
        tuple(name for name in sizes if sent[name]),
        tuple(name for name in sizes if not sent[name]),
        sum(size for name, size in sizes.items() if sent[name]),
    )


def _sizes(folder: Path) -> dict[str, int]:
    if not folder.is_dir():
        raise StorageError(f"{folder}: there is no such folder")
    paths = {path.relative_to(folder): path for path in sorted(folder.rglob("*"))}
    return {
        name.as_posix(): path.stat().st_size
        for name, path in paths.items()
        if path.is_file() and not any(part.startswith(".") for part in name.parts)
    }


def _blobs(store: BlobStore, names: Iterable[str]) -> dict[str, StoredFile]:
    folders = {PurePosixPath(name).parent for name in names}
    found = {}
    for folder in folders:
        inner = store if folder == PurePosixPath() else store.child(str(folder))
        found.update({str(folder / file.name): file for file in inner.list()})
    return found
