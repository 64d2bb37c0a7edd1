"""The thread that writes the history, so that a sweep never waits for it."""

from __future__ import annotations

import logging
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count, islice

from sparksweep.errors import StorageError
from sparksweep.history.connection import Connection, RefusedError
from sparksweep.history.ledger import Ledger
from sparksweep.history.records import Entry, Report, Tag

__all__ = ["Writer"]

_LOGGER = logging.getLogger(__name__)

#: So many reports wait at most, some 150 MB. The oldest go first.
LIMIT = 500_000
# At most so many entries are written in one round.
_ROUND = 50_000
# Seconds of rest after a round: at least, at most, and so many times as long as the round was. Writing takes
# the interpreter from the sweep, some 5 ms a run and round.
_REST = (0.5, 15.0, 10.0)
# Seconds between two tries at a store that does not answer, and how many failures in a row tell that.
_PAUSE = (1.0, 30.0)
_FAILURES = 3
# So often an entry is tried that alone fails while the store takes others.
_TRIES = 5


class Writer:
    """A queue, written in order run by run. Every method may be called from any thread.

    Parameters
    ----------
    connection : Connection
    limit : int
        How many reports may wait.
    """

    def __init__(self, connection: Connection, limit: int = LIMIT) -> None:
        self._connection = connection
        self._ledger = Ledger(connection)
        self._limit = limit
        # By number. Reports stand apart, for the oldest of them to be dropped at once.
        self._reports: OrderedDict[int, Report] = OrderedDict()
        self._others: OrderedDict[int, Entry] = OrderedDict()
        self._numbers = count(1)
        self._last = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False
        # How many wait for the thread, and the round that they want to see.
        self._waiting = 0
        self._wanted = 0
        # The number of the round that has begun last, and of the last one in which something failed.
        self._round = 0
        self._failed_round = 0
        self._problem: StorageError | None = None
        self._dropped = False
        self._warned: set[str] = set()
        self._tries: dict[str, int] = {}

    def put(self, entry: Entry) -> None:
        """Take an entry; after :meth:`close` it is lost."""
        with self._changed:
            if self._closing:
                return
            self._last = next(self._numbers)
            if isinstance(entry, Report):
                self._reports[self._last] = entry
            else:
                self._others[self._last] = entry
            overflows = len(self._reports) > self._limit
            if overflows:
                self._reports.popitem(last=False)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="run-history", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        if overflows and not self._dropped:
            self._dropped = True
            self._warn(
                f"more than {self._limit:,} reports wait for MLflow at {self._connection.place.shown}: "
                "the oldest are left out of the history"
            )

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything that has been put is written.

        Returns
        -------
        bool
            False if the store has failed once more since the call, or the time is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            last, fresh = self._last, self._round + 1
            self._waiting += 1
            self._wanted = max(self._wanted, fresh)
            self._changed.notify_all()
            try:
                while self._oldest() <= last:
                    if self._failed_round >= fresh or self._thread is None or not self._thread.is_alive():
                        return False
                    left = None if deadline is None else deadline - time.monotonic()
                    if left is not None and left <= 0:
                        return False
                    self._changed.wait(1.0 if left is None else min(left, 1.0))
            finally:
                self._waiting -= 1
        return True

    def close(self, timeout: float) -> None:
        """Write what waits, within a time, and end the thread. What is left over is told in a warning."""
        deadline = time.monotonic() + timeout
        while not self._closing and not self.flush(max(0.0, deadline - time.monotonic())):
            if time.monotonic() + _PAUSE[0] > deadline:
                break
            time.sleep(_PAUSE[0])
        with self._changed:
            if self._closing:
                return
            self._closing = True
            left = len(self._reports) + len(self._others)
            self._changed.notify_all()
        if self._thread is not None and not left:
            self._thread.join(timeout=5.0)
        if left:
            reason = f": {self._problem}" if self._problem else ""
            self._warn(f"{left:,} entries of the run history could not be written{reason}")

    def _oldest(self) -> float:
        return min(next(iter(waiting), float("inf")) for waiting in (self._reports, self._others))

    def _run(self) -> None:
        pause = _PAUSE[0]
        while True:
            with self._changed:
                while not (self._reports or self._others or self._closing):
                    self._changed.wait()
                if self._closing:
                    return
                self._round += 1
                entries = self._next_round()
            began = time.monotonic()
            failed = self._write_round(entries)
            with self._changed:
                if failed:
                    self._failed_round = self._round
                is_behind = len(self._reports) > _ROUND // 5
                self._changed.notify_all()
            if failed:
                self._rest(pause, failed=True)
                pause = min(2 * pause, _PAUSE[1])
            else:
                pause = _PAUSE[0]
                least, most, times = _REST
                if not is_behind:
                    self._rest(min(max(least, times * (time.monotonic() - began)), most), failed=False)

    def _rest(self, seconds: float, *, failed: bool) -> None:
        """Wait, unless somebody waits for this thread: after a failure, who has not seen one yet."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._closing and (left := deadline - time.monotonic()) > 0:
                if self._wanted > self._round or (self._waiting and not failed):
                    return
                self._changed.wait(left)

    def _next_round(self) -> dict[str, dict[int, Entry]]:
        """Return the oldest entries by run, in order."""
        reports = list(islice(self._reports.items(), _ROUND))
        end = reports[-1][0] if len(reports) == _ROUND else float("inf")
        others = [(number, entry) for number, entry in self._others.items() if number < end]
        runs: dict[str, dict[int, Entry]] = {}
        for number, entry in sorted([*reports, *others], key=lambda item: item[0]):
            runs.setdefault(entry.run, {})[number] = entry
        return runs

    def _write_round(self, runs: dict[str, dict[int, Entry]]) -> bool:
        """Write the entries of each run until one of them fails. Return whether the store failed."""
        failures = 0
        failed: dict[str, StorageError] = {}
        wrote = False
        for run, entries in runs.items():
            parents = {getattr(entry, "parent", None) for entry in entries.values()}
            if parents & failed.keys():
                continue
            try:
                for numbers, chunk in _chunks(entries):
                    self._write(run, chunk)
                    self._forget(numbers)
                    wrote = True
                failures = 0
                self._tries.pop(run, None)
            except StorageError as error:
                failed[run] = error
                failures += 1
                if failures == _FAILURES:
                    break
        if wrote:
            self._problem = None
        for run, reason in failed.items():
            self._note(run, reason, runs[run], is_alone=wrote)
        return bool(failed)

    def _write(self, run: str, entries: list[Entry]) -> None:
        try:
            refused = self._ledger.write(entries)
        except RefusedError as error:
            refused = [error]
        except StorageError:
            raise
        except Exception as error:
            # A fault of ours, or of a library's: not a reason to lose everything that follows.
            _LOGGER.debug("an entry of the run history failed", exc_info=True)
            refused = [StorageError(f"{type(error).__name__}: {error}")]
        if refused:
            self._refuse(run, refused[0])

    def _note(self, run: str, error: StorageError, entries: dict[int, Entry], *, is_alone: bool) -> None:
        if self._problem is None:
            self._problem = error
            self._warn(f"{error}; the sweep goes on, and its history is written as soon as that works")
        if is_alone:
            self._tries[run] = self._tries.get(run, 0) + 1
        if self._tries.get(run, 0) >= _TRIES:
            waiting = [number for number in entries if number in self._reports or number in self._others]
            self._forget(waiting[:1])
            del self._tries[run]
            self._refuse(run, error)

    def _refuse(self, run: str, error: StorageError) -> None:
        if run not in self._warned:
            self._warned.add(run)
            self._warn(f"something of run {run} is left out of the history: {error}")

    def _forget(self, numbers: Iterable[int]) -> None:
        with self._changed:
            for number in numbers:
                self._reports.pop(number, None)
                self._others.pop(number, None)
            self._changed.notify_all()

    @staticmethod
    def _warn(text: str) -> None:
        with suppress(RuntimeWarning):  # a user may turn warnings into errors
            warnings.warn(text, RuntimeWarning, stacklevel=3)
            return
        _LOGGER.warning(text)


def _chunks(entries: dict[int, Entry]) -> Iterator[tuple[list[int], list[Entry]]]:
    """Yield each entry by itself, reports and tags that follow each other together."""
    numbers: list[int] = []
    chunk: list[Entry] = []
    for number, entry in entries.items():
        is_open = isinstance(entry, Report | Tag)
        if chunk and not (is_open and isinstance(chunk[-1], Report | Tag)):
            yield numbers, chunk
            numbers, chunk = [], []
        numbers.append(number)
        chunk.append(entry)
    if chunk:
        yield numbers, chunk
