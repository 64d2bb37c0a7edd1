"""Which run a sweep is: an unfinished one that it goes on with, or a new one."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sparksweep import __version__
from sparksweep.errors import ConfigError
from sparksweep.search.codec import FIT_RESULTS, Codec
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.journal import Journal, delete_journal, is_locked, read_fingerprint
from sparksweep.storage import Store

__all__ = ["RunChooser", "new_run_id", "versions_of"]

_JOURNAL = "journal"
_COMPLETE = "best.json"

_TWINS = {"xgboost": ("xgboost-cpu",)}


def new_run_id(now: datetime | None = None) -> str:
    """Return a name that sorts by UTC time, such as ``20261121T093000Z-3fa9c1``."""
    now = datetime.now(timezone.utc) if now is None else now
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions with which a run is made: ours, Python's, those of packages that are installed."""
    # xgboost-cpu is the same library under another name.
    names = (name for package in packages for name in (package, *_TWINS.get(package, ())))
    installed = {name: _version(name) for name in names}
    own = {"sparksweep": __version__, "python": platform.python_version()}
    return own | {name: number for name, number in installed.items() if number is not None}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@dataclass
class RunChooser:
    """Finds the run when the search knows what it is about to do. To be given to a search as its ``journal``.

    The run is this driver's until :meth:`close`, which comes after its last file: a search alone would give
    its journal back before.

    Parameters
    ----------
    output : Store
        The folder of all runs.
    fresh : bool
        Begin a new run in any case.
    resume : str, optional
        The run to go on with, and no other.
    say : callable
        Is told in one sentence when a run goes on.
    codec : Codec
        Of the journal's results.
    told : callable
        Says in a clause what a journal holds that is gone on with.
    """

    output: Store
    fresh: bool = False
    resume: str | None = None
    say: Callable[[str], None] = print
    codec: Codec[Any] = FIT_RESULTS
    told: Callable[[Mapping[str, Any]], str] = lambda results: f"{len(results):,} fits have ended already"
    run_id: str = ""
    _journal: Journal[Any] | None = None

    def __enter__(self) -> RunChooser:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the run back, if one was chosen."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __call__(self, fingerprint: Fingerprint) -> AbstractContextManager[Journal[Any]]:
        """Open the journal of the newest unfinished run with this fingerprint, else of a new one.

        Raises
        ------
        ConfigError
            If ``resume`` names no unfinished run, one of another search, or one that another driver does.
        """
        journal = self._named(fingerprint) if self.resume is not None else None
        if journal is None and not self.fresh:
            journal = self._unfinished(fingerprint)
        if journal is not None:
            self.say(f"Going on with run {self.run_id}: {self.told(journal.results)}")
        else:
            self.run_id = new_run_id()
            journal = Journal.open(self._store(self.run_id), fingerprint, self.codec)
        self._journal = journal
        return nullcontext(journal)

    def discard(self) -> None:
        """Delete the journal of a run that can come to nothing."""
        self.close()
        delete_journal(self._store(self.run_id))
        self.output.child(self.run_id).remove_if_empty()

    def _named(self, fingerprint: Fingerprint) -> Journal[Any]:
        run = self.resume or ""
        if run not in self.output.folders():
            raise ConfigError(f"--resume {run}: {self.output.uri} has no run of this name")
        if self._is_complete(run):
            raise ConfigError(f"--resume {run}: this run is complete; leave --resume out to begin a new one")
        known = read_fingerprint(self._store(run))
        if known is None:
            raise ConfigError(f"--resume {run}: this run has no journal; leave --resume out for a new one")
        if known != fingerprint:
            different = " and ".join(known.differences(fingerprint))
            raise ConfigError(
                f"--resume {run}: this run was begun with other {different}; "
                "restore them, or leave --resume out to begin a new one"
            )
        self.run_id = run
        return Journal.open(self._store(run), fingerprint, self.codec)

    def _unfinished(self, fingerprint: Fingerprint) -> Journal[Any] | None:
        for run in sorted(self.output.folders(), reverse=True):
            store = self._store(run)
            if self._is_complete(run) or read_fingerprint(store) != fingerprint or is_locked(store):
                continue
            self.run_id = run
            try:
                return Journal.open(store, fingerprint, self.codec)
            except ConfigError:  # another driver has taken it in this moment
                continue
        return None

    def _is_complete(self, run: str) -> bool:
        return self.output.exists(f"{run}/{_COMPLETE}")

    def _store(self, run: str) -> Store:
        return self.output.child(run).child(_JOURNAL)
