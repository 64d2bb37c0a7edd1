"""One driver at a time writes to a journal: a lock that holds on object stores and survives no dead holder.

The folder ``lock`` of a journal has numbered records, ``000001.json`` and so on. The highest one counts: it
says who holds the lock, or that it was released. To take it, to take it over and to release it are one and
the same step: to claim the next number, which the store gives to one caller only. The highest record is
never deleted, those below it are; so whoever has claimed a number looks once more whether it is the highest.

A holder rewrites a heartbeat file every few seconds. Whether it lives is told from that file's content
alone, since the clocks of two hosts differ; or, on the holder's own machine, from its process.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from sparksweep.errors import ConfigError, StorageError
from sparksweep.storage import Store

__all__ = ["BEAT_EVERY", "PATIENCE", "Holder", "JournalLock", "surely_held"]

#: Seconds between two heartbeats, and for how long a heartbeat stands still before its holder counts as dead.
BEAT_EVERY = 5.0
PATIENCE = 20.0

_LOGGER = logging.getLogger(__name__)
_RECORD = re.compile(r"\d{6,}\.json")

# The tokens of the locks that this process holds or is about to.
_HELD: set[str] = set()


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock, or that has released it.

    ``machine`` names one boot of one machine, as far as processes see each other; it is empty where that is
    not known. ``started`` tells a process from a later one of the same number.
    """

    token: str
    host: str
    machine: str
    pid: int
    started: str
    has_released: bool = False

    @classmethod
    def here(cls, *, has_released: bool = False) -> Holder:
        """Return this process, with a token of its own."""
        pid = os.getpid()
        return cls(
            secrets.token_hex(6), socket.gethostname(), _machine(), pid, _started(pid) or "", has_released
        )

    @classmethod
    def from_json(cls, content: bytes) -> Holder:
        """Return the holder that a record names; one that nobody hears of if the record is torn."""
        with suppress(ValueError, TypeError, AttributeError):
            found = cls(**json.loads(content))
            if isinstance(found.pid, int) and found.token.isalnum():
                return found
        return cls("unknown", "an unknown host", "", 0, "")

    def to_json(self) -> bytes:
        """Return the content of a record."""
        return json.dumps(asdict(self)).encode()

    @property
    def lives(self) -> bool | None:
        """Whether it holds the lock and its process is there; None if that cannot be known at once."""
        if self.has_released:
            return False
        here = Holder.here()
        if not self.machine or (self.host, self.machine) != (here.host, here.machine):
            return None
        if (self.pid, self.started) == (here.pid, here.started):
            return self.token in _HELD
        started = _started(self.pid)
        if started is None:
            return False
        return started == self.started if started and self.started else None

    def __str__(self) -> str:
        if not self.pid:
            return "an unknown process"
        return f"process {self.pid} on {self.host}"


class JournalLock:
    """A lock that this process holds, until it releases it or loses it to a successor."""

    def __init__(self, store: Store, holder: Holder, number: int, beat_every: float) -> None:
        self._uri = store.uri
        self._locks = store.child("lock")
        self._holder = holder
        self._number = number
        self._beat_every = beat_every
        self._successor: Holder | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="journal-heartbeat", daemon=True)
        self._thread.start()

    @classmethod
    def acquire(
        cls, store: Store, *, beat_every: float = BEAT_EVERY, patience: float = PATIENCE
    ) -> JournalLock:
        """Take the lock of a folder.

        Parameters
        ----------
        store : Store
            The journal's folder.
        beat_every, patience : float
            Seconds. A holder on another host, or one that does not run but is there, is dead if its heartbeat
            stands still for ``patience``.

        Raises
        ------
        ConfigError
            If another driver, or another search of this process, holds it and lives.
        StorageError
            If the store does not answer.
        """
        locks = store.child("lock")
        holder = Holder.here()
        _HELD.add(holder.token)
        try:
            while True:
                number, last = _last(locks)
                is_held = last is not None and last.lives is not False
                if last and is_held and not _stands_still(store, number, last, patience):
                    continue
                if _claim(locks, number + 1, holder):
                    _clean(locks, number + 1, holder)
                    return cls(store, holder, number + 1, beat_every)
        except BaseException:
            _HELD.discard(holder.token)
            raise

    @property
    def token(self) -> str:
        """What no other holder of the lock has."""
        return self._holder.token

    @property
    def successor(self) -> Holder | None:
        """Who has taken the lock over, as far as was found out by now."""
        return self._successor

    @property
    def loss(self) -> str:
        """The sentence that says to whom the lock was lost."""
        return (
            f"{self._uri} was taken over by {self._successor} while this process stood still: "
            "let that one finish the search, or end it and start this one again"
        )

    def check(self) -> None:
        """Look whether the lock is still this one's.

        Raises
        ------
        StorageError
            If another driver has taken it over, or if the store does not answer.
        """
        if self._successor is None:
            number, last = _last(self._locks)
            if number != self._number:
                self._successor = last
        if self._successor is not None:
            raise StorageError(self.loss)

    def abandon(self) -> None:
        """Give the lock up without asking the store: the next holder finds that this one is gone."""
        self._stopped.set()
        _HELD.discard(self.token)

    def release(self) -> None:
        """Free the lock, if it is still this one's. If the store refuses, the next holder will find out."""
        self._stopped.set()
        self._thread.join()
        try:
            with suppress(StorageError):
                self.check()
                released = Holder.here(has_released=True)
                if _claim(self._locks, self._number + 1, released):
                    _clean(self._locks, self._number + 1, released)
                else:
                    self.check()
        finally:
            self.abandon()

    def _beat(self) -> None:
        count = 0
        while True:
            with suppress(Exception):  # the store may answer again at the next beat
                if count:
                    self.check()
                self._locks.write(_heartbeat_name(self._holder), str(count).encode())
            if self._successor is not None or self._stopped.wait(self._beat_every):
                return
            count += 1


def surely_held(store: Store) -> bool:
    """Return whether a process of this machine that is there holds the lock of a folder.

    Of a holder on another host nothing is known at once: :meth:`JournalLock.acquire` watches it.
    """
    _, last = _last(store.child("lock"))
    return last is not None and last.lives is True


def _last(locks: Store) -> tuple[int, Holder | None]:
    """Return number and holder of the record that counts, or 0 and None if there is none."""
    while True:
        number = _highest(locks)
        if number == 0:
            return 0, None
        try:
            return number, Holder.from_json(locks.read(_record_name(number)))
        except StorageError:
            if _highest(locks) == number:  # else a successor has deleted it
                raise


def _highest(locks: Store) -> int:
    return max(
        (int(Path(file.name).stem) for file in locks.list() if _RECORD.fullmatch(file.name)), default=0
    )


def _claim(locks: Store, number: int, holder: Holder) -> bool:
    name = _record_name(number)
    if not locks.claim(name, holder.to_json()) and _last(locks) != (number, holder):
        return False  # somebody else was faster; it was not this one's first attempt, whose answer was lost
    if _highest(locks) != number:
        locks.delete(name)  # a number that had been free again, since a successor deletes those below his
        return False
    return True


def _clean(locks: Store, number: int, holder: Holder) -> None:
    """Delete what earlier holders have left."""
    with suppress(StorageError):  # the next holder will
        for file in locks.list():
            if file.name not in (_record_name(number), _heartbeat_name(holder)):
                locks.delete(file.name)


def _stands_still(store: Store, number: int, holder: Holder, patience: float) -> bool:
    """Watch a heartbeat, and return whether it stands still; False if the lock has changed hands."""
    locks = store.child("lock")
    if holder.token in _HELD:
        raise ConfigError(
            f"{store.uri} is in use by another search of this process: wait until that one has ended, or "
            "name another folder"
        )
    _LOGGER.warning("%s may be in use by %s: watching it for up to %g s", store.uri, holder, patience)
    first = _heartbeat(locks, holder)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        time.sleep(min(1.0, patience / 20))
        if _last(locks) != (number, holder):
            return False
        if holder.lives is False:
            return True
        # None: on an object store there is a moment without the file, while it is replaced.
        if _heartbeat(locks, holder) not in (first, None):
            raise ConfigError(
                f"{store.uri} is in use by {holder}: wait until that search has ended or end it, or name "
                "another folder"
            )
    return True


def _heartbeat(locks: Store, holder: Holder) -> bytes | None:
    name = _heartbeat_name(holder)
    try:
        return locks.read(name)
    except StorageError:
        if locks.exists(name):
            raise
        return None


def _record_name(number: int) -> str:
    return f"{number:06}.json"


def _heartbeat_name(holder: Holder) -> str:
    return f"heartbeat-{holder.token}"


@cache
def _machine() -> str:
    """Return what all processes share that see each other by number, and no others; empty if not known."""
    if sys.platform == "darwin":
        return _said_by("sysctl", "-n", "kern.bootsessionuuid")
    with suppress(OSError):
        # Containers of one machine share its boot, but number their processes each for itself.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def _started(pid: int) -> str | None:
    """Return when a process was started; None if it has ended, and an empty text if that is not known."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except (OSError, OverflowError):  # another user's
        pass
    if sys.platform != "linux":
        state, _, started = _said_by("ps", "-o", "state=,lstart=", "-p", str(pid)).partition(" ")
        return None if state.startswith("Z") else started.strip()
    try:
        # The name in parentheses may hold spaces and parentheses of its own.
        state, *fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return ""
    return None if state in (b"Z", b"X") else fields[18].decode()


def _said_by(*command: str) -> str:
    environ = {**os.environ, "LC_ALL": "C"}
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.strip()
    return ""
