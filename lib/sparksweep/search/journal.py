"""The results of a search on disk as its fits end, so that the search can be started again and go on.

A journal is a folder, local or wherever a store can write::

    fingerprint.json              what the search is; another search is refused
    batch-TOKEN-000001.json       results, of fits or of what else a codec knows, written once and whole
    lock/                         which driver writes, see sparksweep.search.journal_lock

It is JSON, which runs no code when it is read.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

from sparksweep.errors import ConfigError, StorageError
from sparksweep.search.codec import FIT_RESULTS, Codec
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.fit import FitResult
from sparksweep.search.journal_lock import BEAT_EVERY, PATIENCE, JournalLock, surely_held
from sparksweep.storage import Store

__all__ = ["Journal", "JournalOpener", "delete_journal", "is_locked", "read_fingerprint"]

_FINGERPRINT = "fingerprint.json"

# Files that are read at a time.
_AT_ONCE = 16

# Seconds between attempts to write while the store refuses: the first pause, and the longest.
_PAUSES = (1.0, 30.0)

# When a journal is closed: for how many seconds it tries again to write what is left, and for how many it
# waits for a store that does not answer.
_LAST_TRIES, _LAST_SECONDS = 5.0, 30.0

Result = TypeVar("Result")


class Journal(Generic[Result]):
    """The results of one search. To be opened by :meth:`open`, and used as a context manager.

    Attributes
    ----------
    results : mapping of str to result
        What the journal held when it was opened, by the key of the fit.
    """

    def __init__(
        self,
        store: Store,
        lock: JournalLock,
        codec: Codec[Result],
        flush_every: float,
    ) -> None:
        self.results: Mapping[str, Result] = _read_results(store, codec)
        self._encode = codec.encode
        self._store = store
        self._lock = lock
        self._flush_every = flush_every
        self._waiting: dict[str, dict[str, Any]] = {}
        self._changed = threading.Condition()
        self._closing_at: float | None = None
        self._refusal: Exception | None = None
        self._has_warned = False
        self._writer = threading.Thread(target=self._write_all, name="journal-writer", daemon=True)
        self._writer.start()

    @classmethod
    def open(
        cls,
        store: Store,
        fingerprint: Fingerprint,
        codec: Codec[Any] = FIT_RESULTS,
        *,
        flush_every: float = 2.0,
        beat_every: float = BEAT_EVERY,
        patience: float = PATIENCE,
    ) -> Journal[Any]:
        """Open the journal of a search, or begin one in a folder that has none.

        Parameters
        ----------
        store : Store
            The journal's folder.
        fingerprint : Fingerprint
        codec : Codec
            Of the results: how JSON holds them.
        flush_every : float
            Seconds for which a result waits at most before it is written.
        beat_every, patience : float
            See :meth:`JournalLock.acquire`.

        Raises
        ------
        ConfigError
            If the folder is the journal of another search, or if another driver writes to it.
        StorageError
            If the store refuses, or if a file in it is torn.
        """
        _check(store, fingerprint)  # before the lock, which may take its time
        lock = JournalLock.acquire(store, beat_every=beat_every, patience=patience)
        try:
            store.claim(_FINGERPRINT, fingerprint.to_json().encode())
            _check(store, fingerprint)
            return cls(store, lock, codec, flush_every)
        except BaseException:
            lock.release()
            raise

    @property
    def uri(self) -> str:
        """The folder, as the user wrote it."""
        return self._store.uri

    def add(self, key: str, result: Result) -> None:
        """Take a result, to be written soon. This waits for nothing.

        One that JSON cannot hold exactly is not written: that fit is done again by a search that goes on.
        Where the store refuses, one warning is given and writing is tried again; the search goes on.

        Raises
        ------
        StorageError
            If another driver has taken the journal over, since this process stood still for too long.
        """
        self._raise_if_lost()
        if self._closing_at is not None:
            raise ValueError(f"the journal {self.uri} is closed")
        encoded = self._encode(result)
        if encoded is not None:
            with self._changed:
                self._waiting[key] = encoded
                self._changed.notify()
        if self._refusal is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"The journal {self.uri} cannot be written at the moment. The search goes on, and writing is "
                f"tried again until it works. {_told(self._refusal)}",
                RuntimeWarning,
                stacklevel=2,
            )

    def close(self) -> None:
        """Write what is left and free the lock. A warning tells of what could not be written.

        Raises
        ------
        StorageError
            If another driver has taken the journal over.
        """
        self._stop()
        self._raise_if_lost()

    def __enter__(self) -> Journal[Result]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if kind is None:
            self._raise_if_lost()

    def _stop(self) -> None:
        with self._changed:
            if self._closing_at is not None:
                return
            self._closing_at = time.monotonic()
            self._changed.notify()
        self._writer.join(_LAST_SECONDS)
        if self._writer.is_alive():  # in a store that does not answer
            self._lock.abandon()
        else:
            self._lock.release()
        if self._waiting and self._lock.successor is None:
            warnings.warn(
                f"{len(self._waiting)} results could not be written to the journal {self.uri}. A search that "
                f"goes on from there does these fits again. {_told(self._refusal)}",
                RuntimeWarning,
                stacklevel=3,
            )

    def _raise_if_lost(self) -> None:
        if self._lock.successor is not None:
            raise StorageError(self._lock.loss)

    def _write_all(self) -> None:
        """Write batches until the journal is closed: the work of the writer's thread."""
        number, pause = 1, _PAUSES[0]
        while self._wait_for_batch():
            with self._changed:
                batch = dict(self._waiting)
            try:
                self._lock.check()
                content = json.dumps({"results": batch}).encode()
                # A name that was tried before is used again: nobody knows whether the store has the file.
                self._store.write(f"batch-{self._lock.token}-{number:06}.json", content)
            except Exception as error:
                self._refusal = error
                if self._lock.successor is not None or self._is_late():
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing_at is not None, pause)
                pause = min(2 * pause, _PAUSES[1]) if self._closing_at is None else _PAUSES[0]
            else:
                number, pause, self._refusal = number + 1, _PAUSES[0], None
                with self._changed:
                    for key, written in batch.items():
                        if self._waiting[key] is written:
                            del self._waiting[key]

    def _wait_for_batch(self) -> bool:
        """Wait until a batch is due; return False when the journal is closed and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing_at is not None)
            self._changed.wait_for(lambda: self._closing_at is not None, self._flush_every)
            return bool(self._waiting)

    def _is_late(self) -> bool:
        return self._closing_at is not None and time.monotonic() - self._closing_at > _LAST_TRIES


#: Opens the journal of a search when the search knows what it is about to do.
JournalOpener: TypeAlias = Callable[[Fingerprint], AbstractContextManager[Journal[FitResult]]]


def read_fingerprint(store: Store) -> Fingerprint | None:
    """Return the fingerprint of the journal in a folder, or None if there is no journal.

    Raises
    ------
    StorageError
        If the store refuses, or if the file is torn.
    """
    if not store.exists(_FINGERPRINT):
        return None
    try:
        return Fingerprint.from_json(store.read(_FINGERPRINT))
    except ValueError:
        raise StorageError(
            f"{store.uri}/{_FINGERPRINT} is torn or not a journal's file: delete this folder, or name another"
        ) from None


def is_locked(store: Store) -> bool:
    """Return whether a process that surely runs writes to the journal in a folder.

    Of a process on another host nobody can tell at once: :meth:`Journal.open` watches for it.
    """
    return surely_held(store)


def delete_journal(store: Store) -> None:
    """Delete the journal in a folder. Nobody may have it open."""
    for folder in (store.child("lock"), store):
        for file in folder.list():
            folder.delete(file.name)
        folder.remove_if_empty()


def _told(error: Exception | None) -> str:
    """Return an error's sentence, if it is one of ours; others may be long, or repeat addresses."""
    return str(error) if isinstance(error, StorageError) else type(error).__name__


def _check(store: Store, fingerprint: Fingerprint) -> None:
    known = read_fingerprint(store)
    if known is None or known == fingerprint:
        return
    names = list(known.differences(fingerprint))
    told = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    raise ConfigError(
        f"the journal {store.uri} belongs to another search, with other {told}"
        f"{_versions_that_differ(known, fingerprint)}: name another folder, or start that search again"
    )


def _versions_that_differ(known: Fingerprint, ours: Fingerprint) -> str:
    there, here = (set(one.parts.get("versions", "").split(", ")) for one in (known, ours))
    if there == here:
        return ""
    return f" ({', '.join(sorted(there - here))} there, {', '.join(sorted(here - there))} here)"


def _read_results(store: Store, codec: Codec[Result]) -> dict[str, Result]:
    names = [file.name for file in store.list() if file.name.startswith("batch-")]

    def read(name: str) -> dict[str, Result]:
        content = store.read(name)
        try:
            return {key: codec.decode(encoded) for key, encoded in json.loads(content)["results"].items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StorageError(
                f"{store.uri}/{name} is torn or not a journal's file: delete it, and its fits are done again"
            ) from None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return {key: result for batch in pool.map(read, names) for key, result in batch.items()}
