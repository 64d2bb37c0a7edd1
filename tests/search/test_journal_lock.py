from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparksweep.errors import ConfigError, StorageError
from sparksweep.search import journal_lock
from sparksweep.search.journal_lock import Holder, JournalLock, surely_held
from sparksweep.storage import LocalStore
from tests.conftest import ROOT

# Longer than a test may take: whoever waits for it fails.
FOREVER = 10_000.0
QUICK = {"beat_every": 0.05, "patience": 1.0}

# Takes the lock of a folder, says how that went, and looks after it at each line of its input.
DRIVER = """
import sys
from pathlib import Path
from sparksweep.errors import SparksweepError
from sparksweep.search.journal_lock import JournalLock
from sparksweep.storage import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
try:
    lock = JournalLock.acquire(store, beat_every=0.05, patience=float(sys.argv[2]))
    print("held", flush=True)
    for line in sys.stdin:
        lock.check()
        print("still held", flush=True)
    lock.release()
except SparksweepError as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


class Driver:
    """A process that takes a lock."""

    def __init__(self, folder, patience=FOREVER):
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, folder, str(patience)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "lib")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def say(self, word="go"):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def hear(self):
        return self.process.stdout.readline().rstrip("\n")

    def kill(self):
        """Kill it, and leave it a zombie, as drivers in containers often are."""
        os.kill(self.process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def drive(tmp_path):
    """Start drivers that are ended after the test."""
    drivers = []

    def start(**options):
        drivers.append(Driver(tmp_path, **options))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.end()


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path)


def records(store):
    return [file.name for file in store.child("lock").list() if file.name.endswith(".json")]


def test_one_after_the_other(store):
    for number in range(1, 4):
        lock = JournalLock.acquire(store, patience=FOREVER)
        lock.check()
        assert surely_held(store)
        lock.release()
        assert not surely_held(store)
        assert [file.name for file in store.child("lock").list()] == [f"{2 * number:06}.json"]


def test_two_searches_of_one_process(store):
    lock = JournalLock.acquire(store, patience=FOREVER)
    with pytest.raises(ConfigError, match=rf"{store.uri} is in use by another search of this process: wait"):
        JournalLock.acquire(store, patience=FOREVER)
    lock.check()
    lock.release()


def test_of_many_threads_one_gets_it(store):
    together = threading.Barrier(8)

    def take(_):
        together.wait()
        try:
            return JournalLock.acquire(store, patience=FOREVER)
        except ConfigError:
            return None

    with ThreadPoolExecutor(8) as pool:
        (lock,) = filter(None, pool.map(take, range(8)))
    lock.check()
    lock.release()


def test_a_driver_that_runs_is_left_alone(store, drive):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    assert surely_held(store)
    with pytest.raises(
        ConfigError, match=rf"{store.uri} is in use by process {driver.process.pid} on .*: wait until that"
    ):
        JournalLock.acquire(store, patience=FOREVER)
    driver.say()
    assert driver.hear() == "still held"


def test_a_driver_that_was_killed_is_followed_at_once(store, drive):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    driver.kill()
    assert not surely_held(store)
    lock = JournalLock.acquire(store, patience=FOREVER)
    lock.check()
    lock.release()


def test_a_driver_that_is_killed_while_it_is_watched_is_followed_at_once(store, drive, monkeypatch):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    os.kill(driver.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(
        time, "sleep", lambda _seconds: driver.kill() if driver.process.returncode is None else None
    )
    JournalLock.acquire(store, patience=FOREVER).release()


def test_a_frozen_driver_loses_it_and_is_told_when_it_wakes_up(store, drive):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    os.kill(driver.process.pid, signal.SIGSTOP)
    lock = JournalLock.acquire(store, **QUICK)
    os.kill(driver.process.pid, signal.SIGCONT)
    driver.say()
    assert driver.hear() == (
        f"StorageError: {store.uri} was taken over by process {os.getpid()} on {Holder.here().host} while this "
        "process stood still: let that one finish the search, or end it and start this one again"
    )
    assert driver.process.wait(60) == 0
    lock.check()
    lock.release()


def test_a_driver_that_has_lost_it_does_not_free_it(store, drive):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    os.kill(driver.process.pid, signal.SIGSTOP)
    lock = JournalLock.acquire(store, **QUICK)
    os.kill(driver.process.pid, signal.SIGCONT)
    driver.process.communicate(timeout=60)  # it releases
    lock.check()
    assert surely_held(store)
    lock.release()


def test_a_holder_finds_out_by_itself_that_it_has_lost_it(store):
    lock = JournalLock.acquire(store, **QUICK)
    other_host(store, number=2)
    while lock.successor is None:
        time.sleep(0.02)
    assert lock.successor.host == "elsewhere"
    lock.release()
    assert records(store) == ["000001.json", "000002.json"]


def test_of_several_successors_one_wins(store, drive):
    dead = drive()
    dead.say()
    assert dead.hear() == "held"
    successors = [drive(), drive(), drive()]
    dead.kill()
    for driver in successors:
        driver.say()
    heard = sorted(driver.hear() for driver in successors)
    assert [words.partition(":")[0] for words in heard] == ["ConfigError", "ConfigError", "held"]
    assert len(records(store)) == 1


def other_host(store, number=1, **changes):
    """Leave the record of a driver on another host."""
    holder = dataclasses.replace(Holder.here(), host="elsewhere", machine="another boot", **changes)
    store.write(f"lock/{number:06}.json", holder.to_json())
    return holder


def test_a_holder_elsewhere_that_stands_still_is_followed(store):
    other_host(store)
    assert not surely_held(store)
    start = time.monotonic()
    lock = JournalLock.acquire(store, **QUICK)
    assert time.monotonic() - start >= 1.0
    lock.release()


def test_a_holder_elsewhere_that_moves_is_left_alone(store):
    holder = other_host(store)
    store.write(f"lock/heartbeat-{holder.token}", b"0")
    beats = threading.Timer(0.5, lambda: store.write(f"lock/heartbeat-{holder.token}", b"1"))
    beats.start()
    with pytest.raises(ConfigError, match=rf"is in use by process {os.getpid()} on elsewhere"):
        JournalLock.acquire(store, patience=20)
    beats.join()


def test_a_heartbeat_that_is_being_replaced_is_no_sign_of_life(store):
    holder = other_host(store)
    store.write(f"lock/heartbeat-{holder.token}", b"0")
    gone = threading.Timer(0.3, lambda: store.delete(f"lock/heartbeat-{holder.token}"))
    gone.start()
    JournalLock.acquire(store, **QUICK).release()
    gone.join()


def test_a_lock_that_is_freed_while_it_is_watched(store):
    holder = other_host(store)
    freed = dataclasses.replace(holder, token="f", has_released=True)
    free = threading.Timer(0.3, lambda: store.write("lock/000002.json", freed.to_json()))
    free.start()
    lock = JournalLock.acquire(store, patience=20)
    assert records(store) == ["000003.json"]
    lock.release()
    free.join()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"pid": 1}',
        json.dumps({**dataclasses.asdict(Holder.here()), "token": "a/../../x", "host": "elsewhere"}).encode(),
    ],
)
def test_a_record_that_is_torn_is_that_of_a_dead_holder(store, content):
    store.write("lock/000001.json", content)
    lock = JournalLock.acquire(store, **QUICK)
    assert records(store) == ["000002.json"]
    lock.release()


def test_a_record_that_was_only_being_written_counts(store, drive):
    driver = drive()
    driver.say()
    assert driver.hear() == "held"
    written = store.read("lock/000001.json")
    store.write("lock/000001.json", b"")  # as file systems without links show it for a moment
    finished = threading.Timer(0.3, lambda: store.write("lock/000001.json", written))
    finished.start()
    with pytest.raises(ConfigError, match=rf"is in use by process {driver.process.pid}"):
        JournalLock.acquire(store, patience=20)
    finished.join()


@dataclasses.dataclass(frozen=True)
class Interrupted(LocalStore):
    """Does something before the first claim; or says of a claim that succeeded that it did not."""

    before: list = dataclasses.field(default_factory=list)
    loses_answers: bool = False

    def child(self, name):
        return Interrupted(self.path(name), self.before, self.loses_answers)

    def claim(self, name, content):
        while self.before:
            self.before.pop()()
        return super().claim(name, content) and not self.loses_answers


def test_a_slow_successor_does_not_get_a_number_that_is_free_again(store, tmp_path):
    other_host(store, has_released=True)
    held = []

    def others_come_and_go():
        JournalLock.acquire(store).release()
        held.append(JournalLock.acquire(store))
        assert records(store) == ["000004.json"]  # so that number 2, which the slow one wants, is free

    with pytest.raises(ConfigError, match="in use by another search"):
        JournalLock.acquire(Interrupted(tmp_path, [others_come_and_go]))
    held[0].check()
    assert records(store) == ["000004.json"]
    held[0].release()


def test_a_claim_whose_answer_was_lost_counts(tmp_path):
    store = Interrupted(tmp_path, loses_answers=True)
    lock = JournalLock.acquire(store, patience=FOREVER)
    lock.check()
    lock.release()
    JournalLock.acquire(store, patience=FOREVER).release()


def test_a_process_of_the_same_number_that_began_later(store):
    gone = dataclasses.replace(Holder.here(), pid=os.getppid(), started="1")
    assert gone.lives is False
    assert dataclasses.replace(gone, started="").lives is None
    assert dataclasses.replace(gone, machine="").lives is None
    assert dataclasses.replace(gone, started=journal_lock._started(gone.pid)).lives is True


def test_ps_tells_what_proc_tells(monkeypatch):
    """The way of macOS, which Linux has too."""
    child = subprocess.Popen(["sleep", "1000"])
    try:
        monkeypatch.setattr(sys, "platform", "darwin")
        started = journal_lock._started(child.pid)
        assert len(started) > 10
        assert journal_lock._started(child.pid) == started
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert journal_lock._started(child.pid) is None
    finally:
        child.kill()
        child.wait()
    assert journal_lock._started(child.pid) is None


def test_an_outage_does_not_cost_the_lock(store, tmp_path):
    lock = JournalLock.acquire(store, **QUICK)
    folder, away = tmp_path / "lock", tmp_path / "away"
    folder.rename(away)
    folder.touch()  # a file where the folder was: the store refuses everything
    with pytest.raises(StorageError, match="Not a directory"):
        lock.check()
    time.sleep(0.3)  # some heartbeats fail
    folder.unlink()
    away.rename(folder)
    lock.check()
    heartbeat = folder / f"heartbeat-{lock.token}"
    heartbeat.unlink(missing_ok=True)
    while not heartbeat.exists():  # it goes on
        time.sleep(0.02)
    lock.release()


def test_a_lock_that_cannot_be_released_is_free_for_this_process(store, tmp_path):
    lock = JournalLock.acquire(store, **QUICK)
    (tmp_path / "lock").rename(tmp_path / "away")
    (tmp_path / "lock").touch()
    lock.release()
    (tmp_path / "lock").unlink()
    (tmp_path / "away").rename(tmp_path / "lock")
    JournalLock.acquire(store, patience=FOREVER).release()
