"""A folder of this machine."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sparksweep.errors import StorageError
from sparksweep.storage.store import StoredFile, checked_name, temporary_name

__all__ = ["LocalStore"]

# What a file system says that has no links.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True)
class LocalStore:
    """A folder of this machine, as a :class:`~sparksweep.storage.Store`."""

    root: Path

    @property
    def uri(self) -> str:
        """The folder's path."""
        return str(self.root)

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        return self.root / checked_name(name)

    def list(self) -> Sequence[StoredFile]:
        """Return the files that lie directly in the folder, by name."""
        return [_stored(name, found) for name, found in self._entries() if stat.S_ISREG(found.st_mode)]

    def folders(self) -> Sequence[str]:
        """Return the names of the folders that lie directly in the folder."""
        return [name for name, found in self._entries() if stat.S_ISDIR(found.st_mode)]

    def exists(self, name: str) -> bool:
        """Return whether there is such a file."""
        return self.path(name).is_file()

    def stat(self, name: str) -> StoredFile:
        """Return size and version of a file."""
        path = self.path(name)
        with _reading(path):
            return _stored(name, path.stat())

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        path = self.path(name)
        with _reading(path):
            return path.read_bytes()

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file whole: under a temporary name and down to the disk, then renamed."""
        if isinstance(content, Path):
            with _reading(content):
                source = content.open("rb")
            with source, self._growing(name) as file:
                shutil.copyfileobj(source, file, length=1 << 20)
        else:
            with self._growing(name) as file:
                file.write(content)

    def claim(self, name: str, content: bytes) -> bool:
        """Write a file whole if there is none of that name: under a temporary name, then linked."""
        won = False

        def put(temporary: Path, path: Path) -> None:
            nonlocal won
            won = _link(temporary, path)

        with self._growing(name, put) as file:
            file.write(content)
        return won

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""
        path = self.path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be deleted ({_reason(error)}): check its folder's permissions"
            ) from None

    def remove_if_empty(self) -> None:
        """Remove this folder if it is there and nothing is in it."""
        with contextlib.suppress(OSError):
            self.root.rmdir()

    def check_writable(self) -> None:
        """Write and delete an empty file."""
        probe = f".writable-{secrets.token_hex(4)}"
        self.write(probe, b"")
        self.delete(probe)

    def child(self, name: str) -> LocalStore:
        """Return a folder in this one."""
        return LocalStore(self.path(name))

    def url(self, name: str) -> str:
        """Return ``file:///...``."""
        return f"file://{self.path(name).absolute().as_posix()}"

    @contextmanager
    def _growing(self, name: str, put: Callable[[Path, Path], object] = Path.replace) -> Iterator[IO[bytes]]:
        path = self.path(name)
        temporary = self.root / temporary_name(checked_name(name), secrets.token_hex(4))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            put(temporary, path)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be written ({_reason(error)}): name a folder that can be, with space for it"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _entries(self) -> Iterator[tuple[str, os.stat_result]]:
        try:
            with os.scandir(self.root) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if not entry.name.startswith("."):
                        with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
                            yield entry.name, entry.stat()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageError(
                f"{self.root} cannot be listed ({_reason(error)}): name a folder that this user can read"
            ) from None


def _link(temporary: Path, path: Path) -> bool:
    """Give a file a second name if nobody has that name yet."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # NFS may ask again for a link that it has made, when the first answer was lost.
        return temporary.stat().st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    else:
        return True
    # A file system without links, such as BlobFuse's. For a moment the file is there and empty.
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    temporary.replace(path)
    return True


def _stored(name: str, found: os.stat_result) -> StoredFile:
    return StoredFile(name, found.st_size, f"{found.st_mtime_ns:x}-{found.st_size:x}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise StorageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({_reason(error)}): check its permissions") from None


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
