from __future__ import annotations

import decimal
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgWarning
from sklearn.exceptions import ConvergenceWarning

from sparksweep.errors import ConfigError, StorageError
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.fit import FitResult, Warned
from sparksweep.search.journal import Journal, delete_journal, is_locked, read_fingerprint
from sparksweep.storage import BlobStore, HadoopStore, LocalStore
from tests.blob_server import new_container
from tests.conftest import ROOT

SEARCH = Fingerprint({"X": "1a", "folds": "2b", "threads": "1", "versions": "numpy 2.1, xgboost 3.0"})
RESULT = FitResult(0.25, None, None, 1.5, 0.125, 40)
FOREVER = 10_000.0
QUICK = {"beat_every": 0.05, "patience": 0.5}


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "journal")


def journalled(store, results, **options):
    """Write results to a journal, and return what one that is opened afterwards has."""
    with Journal.open(store, SEARCH, **options) as journal:
        for key, result in results.items():
            journal.add(key, result)
    with Journal.open(store, SEARCH) as again:
        return again.results


def batches(store):
    return [file.name for file in store.list() if file.name.startswith("batch-")]


def wait_for(condition):
    while not condition():
        time.sleep(0.02)


def equal(one, other):
    """Whether two results are the same to the last bit, NaN and kinds of numbers included."""
    return repr(one) == repr(other)


@pytest.fixture(params=["local", "blob", "Hadoop"])
def any_store(request, tmp_path):
    if request.param == "local":
        return LocalStore(tmp_path / "runs")
    if request.param == "Hadoop":
        return HadoopStore(f"file://{tmp_path}/runs", request.getfixturevalue("spark_session"))
    server = request.getfixturevalue("blob_server")
    made = BlobStore.open(f"az://{new_container()}/runs", server.environ())
    made.create_container()
    return made


def test_a_journal_lies_in_any_store(any_store):
    journal = any_store.child("1").child("journal")
    assert read_fingerprint(journal) is None
    assert not is_locked(journal)
    results = {f"{number}-0": replace(RESULT, test_scores=number / 7) for number in range(5)}
    with Journal.open(journal, SEARCH) as first:
        assert first.results == {}
        assert first.uri == journal.uri
        assert read_fingerprint(journal) == SEARCH
        assert is_locked(journal)
        for key, result in results.items():
            first.add(key, result)
    assert not is_locked(journal)
    more = {"5-0": RESULT}
    with Journal.open(journal, SEARCH) as second:
        assert second.results == results
        second.add("5-0", RESULT)
    with Journal.open(journal, SEARCH) as third:
        assert third.results == {**results, **more}
    delete_journal(journal)
    assert list(journal.list()) == list(journal.child("lock").list()) == []
    assert read_fingerprint(journal) is None


FLOATS = st.floats(width=64) | st.sampled_from([float("nan"), float("inf"), 5e-324, -0.0, 0.1 + 0.2])
NUMBERS = FLOATS | st.booleans() | st.integers(-(2**80), 2**80)
SCORES = NUMBERS | st.dictionaries(st.text(max_size=5), NUMBERS, max_size=3)
TEXTS = st.text(st.characters(), max_size=20)
WARNED = st.builds(Warned, TEXTS, st.sampled_from([UserWarning, ConvergenceWarning, LinAlgWarning]))
RESULTS = st.builds(
    FitResult,
    test_scores=SCORES,
    train_scores=st.none() | SCORES,
    fit_error=st.none() | TEXTS,
    fit_time=st.floats(0, 1e6),
    score_time=st.floats(0, 1e6),
    n_test_samples=st.integers(0, 2**40),
    warned=st.lists(WARNED, max_size=2).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(RESULTS, min_size=1, max_size=4))
def test_results_come_back_to_the_last_bit(tmp_path_factory, results):
    named = {str(number): result for number, result in enumerate(results)}
    found = journalled(LocalStore(tmp_path_factory.mktemp("journal")), named)
    assert found.keys() == named.keys()
    assert all(equal(found[key], result) for key, result in named.items())


def test_numbers_of_numpy_are_those_of_python_afterwards(store):
    result = FitResult(np.float64(0.1), None, None, np.float64(2.0), 0.0, np.int64(3))
    assert equal(journalled(store, {"a": result})["a"], FitResult(0.1, None, None, 2.0, 0.0, 3))


@pytest.mark.parametrize(
    "scores",
    [
        1j,
        decimal.Decimal("0.1"),
        np.longdouble(1) / 3,
        np.float32(0.1),
        2**1001,
        {1: 0.5},
        {"a": {"b": 1j}},
        {"a": 0.5, "b": decimal.Decimal(1)},
    ],
    ids=lambda scores: type(scores).__name__,
)
def test_a_score_that_json_cannot_hold_is_left_to_be_done_again(store, scores):
    inexact = {"test": replace(RESULT, test_scores=scores), "train": replace(RESULT, train_scores=scores)}
    assert journalled(store, {**inexact, "exact": RESULT}) == {"exact": RESULT}


def test_a_kind_of_warning_that_nobody_knows_is_a_user_warning(store, monkeypatch):
    class Local(UserWarning):
        pass

    module = types.ModuleType("known_for_now")
    module.Own = type("Own", (RuntimeWarning,), {"__module__": "known_for_now"})
    monkeypatch.setitem(sys.modules, "known_for_now", module)
    warned = tuple(Warned("m", kind) for kind in (module.Own, Local, DeprecationWarning))
    result = replace(RESULT, warned=warned)
    known = journalled(store, {"a": result})["a"].warned
    assert [warning.category for warning in known] == [module.Own, UserWarning, DeprecationWarning]
    monkeypatch.delitem(sys.modules, "known_for_now")
    with Journal.open(store, SEARCH) as journal:
        assert journal.results["a"].warned[0] == Warned("m", UserWarning)


@pytest.mark.parametrize(
    "name",
    ["os:system", "builtins:ValueError", "json:decoder.JSONDecodeError", "antigravity:x", "", ":", "a:b:c"],
)
def test_a_file_names_no_other_class_and_makes_nobody_import(store, name):
    journalled(store, {})
    encoded = {**vars(RESULT), "warned": [["message", name]]}
    store.write("batch-x-000001.json", json.dumps({"results": {"a": encoded}}).encode())
    with Journal.open(store, SEARCH) as journal:
        assert journal.results["a"].warned == (Warned("message", UserWarning),)
    assert "antigravity" not in sys.modules


def test_results_are_written_while_the_search_runs(store):
    with Journal.open(store, SEARCH, flush_every=0.2) as journal:
        for number in range(3):
            journal.add(f"{number}-a", RESULT)
            journal.add(f"{number}-b", RESULT)
            wait_for(lambda number=number: len(batches(store)) == number + 1)
        before = {name: store.read(name) for name in batches(store)}
        assert [sorted(json.loads(content)["results"]) for content in before.values()] == [
            ["0-a", "0-b"],
            ["1-a", "1-b"],
            ["2-a", "2-b"],
        ]
        journal.add("last", RESULT)
    assert {name: store.read(name) for name in batches(store)[:3]} == before
    assert len(batches(store)) == 4


def test_nothing_is_written_where_there_is_nothing(store):
    assert journalled(store, {}, flush_every=0.01) == {}
    assert batches(store) == []


DRIVER = """
import sys
from pathlib import Path
from tests.search.test_journal import RESULT, SEARCH, Journal, LocalStore, batches, wait_for
store = LocalStore(Path(sys.argv[1]))
journal = Journal.open(store, SEARCH, flush_every=0.1, beat_every=0.05, patience=0.5)
for number in range(10):
    journal.add(f"{sys.argv[2]}{number}", RESULT)
    wait_for(lambda: len(batches(store)) > number)
print("written", flush=True)
sys.stdin.readline()
try:
    wait_for(lambda: journal.add("late", RESULT))
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


@pytest.fixture
def driver(store):
    """A driver that has written ten results."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, store.uri, "a"],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'lib'}{os.pathsep}{ROOT}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    yield process
    process.kill()
    process.communicate()


def test_what_a_driver_wrote_that_was_killed_is_there_at_once(store, driver):
    os.kill(driver.pid, signal.SIGKILL)
    with Journal.open(store, SEARCH, patience=FOREVER) as journal:
        assert journal.results == {f"a{number}": RESULT for number in range(10)}


def test_a_driver_that_runs_is_left_alone_and_one_that_stood_still_cannot_go_on(store, driver):
    with pytest.raises(ConfigError, match=rf"{store.uri} is in use by process {driver.pid} on"):
        Journal.open(store, SEARCH, patience=FOREVER)
    os.kill(driver.pid, signal.SIGSTOP)
    with Journal.open(store, SEARCH, **QUICK) as journal:
        os.kill(driver.pid, signal.SIGCONT)
        said, _ = driver.communicate("go\n", timeout=60)
        assert said.startswith(f"StorageError: {store.uri} was taken over by process {os.getpid()} on ")
        journal.add("b", RESULT)
    with Journal.open(store, SEARCH) as journal:
        assert sorted(journal.results) == [*(f"a{number}" for number in range(10)), "b"]


def take_over(store):
    """Do what a driver on another host does that has taken a journal over."""
    lock = store.child("lock")
    (record,) = [name for name in (file.name for file in lock.list()) if name.endswith(".json")]
    holder = {**json.loads(lock.read(record)), "token": "another", "host": "elsewhere", "pid": 7}
    lock.write("000002.json", json.dumps(holder).encode())


def test_who_has_lost_the_journal_writes_no_more_and_is_told_when_it_closes(store):
    journal = Journal.open(store, SEARCH, flush_every=FOREVER, beat_every=FOREVER)
    journal.add("a", RESULT)
    take_over(store)
    with pytest.raises(
        StorageError, match=r"was taken over by process 7 on elsewhere while this process stood"
    ):
        journal.close()
    with pytest.raises(StorageError, match=r"taken over"):
        journal.add("b", RESULT)
    assert batches(store) == []
    assert json.loads(store.read("lock/000002.json"))["token"] == "another"


def test_the_error_that_ends_a_search_is_not_hidden(store):
    with pytest.raises(ArithmeticError), Journal.open(store, SEARCH, flush_every=FOREVER) as journal:
        journal.add("a", RESULT)
        raise ArithmeticError
    with pytest.raises(KeyboardInterrupt), Journal.open(store, SEARCH, beat_every=FOREVER) as journal:
        assert journal.results == {"a": RESULT}
        (record,) = [file.name for file in store.child("lock").list() if file.name.endswith(".json")]
        store.write("lock/000009.json", store.read(f"lock/{record}").replace(b'"token": "', b'"token": "0'))
        raise KeyboardInterrupt


ERRORS = (StorageError("az://c is full: make room"), OSError("no route"), RuntimeError("Java is gone"))


@dataclass(frozen=True)
class Refusing(LocalStore):
    """Refuses to write batches while it is told to."""

    told: threading.Event = field(default_factory=threading.Event)
    refused: list = field(default_factory=list)

    def write(self, name, content):
        if name.startswith("batch-") and self.told.is_set():
            self.refused.append(name)
            raise ERRORS[len(self.refused) % len(ERRORS)]
        super().write(name, content)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("sparksweep.search.journal._PAUSES", (0.05, 0.1))


def test_a_store_that_refuses_for_a_while_costs_nothing(tmp_path, impatient):
    store = Refusing(tmp_path)
    store.told.set()
    with Journal.open(store, SEARCH, flush_every=0.05) as journal:
        journal.add("a", RESULT)
        wait_for(lambda: len(store.refused) > 3)
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            journal.add("b", RESULT)
            journal.add("c", RESULT)
        store.told.clear()
        wait_for(lambda: batches(store))
    assert [warning.category for warning in given] == [RuntimeWarning]
    assert str(given[0].message).startswith(
        f"The journal {tmp_path} cannot be written at the moment. The sea"
    )
    with Journal.open(store, SEARCH) as journal:
        assert sorted(journal.results) == ["a", "b", "c"]
    assert set(batches(store)) == set(store.refused), "one file, under the name that was tried first"


def test_an_attempt_that_failed_when_all_was_written_leaves_one_file(tmp_path, impatient):
    @dataclass(frozen=True)
    class LosesAnAnswer(LocalStore):
        lost: list = field(default_factory=list)

        def write(self, name, content):
            super().write(name, content)
            if name.startswith("batch-") and not self.lost:
                self.lost.append(name)
                raise StorageError("the connection broke")

    store = LosesAnAnswer(tmp_path)
    assert journalled(store, {"a": RESULT}) == {"a": RESULT}
    assert batches(store) == store.lost


@pytest.mark.parametrize(
    ("error", "told"),
    list(zip(ERRORS, ["az://c is full: make room", "OSError", "RuntimeError"], strict=True)),
)
def test_results_that_could_never_be_written_are_counted(tmp_path, impatient, monkeypatch, error, told):
    monkeypatch.setattr("sparksweep.search.journal._LAST_TRIES", 0.2)
    monkeypatch.setattr(f"{__name__}.ERRORS", [error])
    store = Refusing(tmp_path)
    store.told.set()
    journal = Journal.open(store, SEARCH, flush_every=FOREVER)
    for number in range(7):
        journal.add(str(number), RESULT)
    with pytest.warns(
        RuntimeWarning, match=rf"^7 results could not be written to the journal {tmp_path}\. .* {told}$"
    ):
        journal.close()
    assert len(store.refused) > 1
    journal.close()
    with Journal.open(store, SEARCH, patience=FOREVER) as journal:
        assert journal.results == {}


def test_a_store_that_does_not_answer_holds_nobody_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("sparksweep.search.journal._LAST_SECONDS", 0.3)
    answer = threading.Event()

    @dataclass(frozen=True)
    class Silent(LocalStore):
        def write(self, name, content):
            if name.startswith("batch-"):
                answer.wait()
            super().write(name, content)

    journal = Journal.open(Silent(tmp_path), SEARCH, flush_every=FOREVER)
    journal.add("a", RESULT)
    with pytest.warns(RuntimeWarning, match="^1 results could not be written"):
        journal.close()
    answer.set()
    Journal.open(LocalStore(tmp_path), SEARCH, patience=FOREVER).close()


def test_add_waits_for_nothing(tmp_path):
    answer = threading.Event()
    asked = []

    @dataclass(frozen=True)
    class Slow(LocalStore):
        def write(self, name, content):
            if name.startswith("batch-"):
                asked.append(name)
                answer.wait()
            super().write(name, content)

    with Journal.open(Slow(tmp_path), SEARCH, flush_every=0.0) as journal:
        for number in range(100):
            journal.add(str(number), RESULT)
        wait_for(lambda: asked)
        better = replace(RESULT, test_scores=1.0)
        journal.add("0", better)  # while it is being written
        answer.set()
    with Journal.open(LocalStore(tmp_path), SEARCH) as journal:
        assert len(journal.results) == 100
        assert journal.results["0"] == better
    with pytest.raises(ValueError, match="is closed"):
        journal.add("late", RESULT)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        (
            {"X": "9", "folds": "9"},
            "X and folds: name another folder, or start that search again$",
        ),
        ({"threads": "2"}, "threads: name"),
        ({"X": "9", "folds": "9", "threads": "9"}, "X, folds and threads: name"),
        (
            {"versions": "numpy 2.1, xgboost 3.2"},
            r"versions \(xgboost 3\.0 there, xgboost 3\.2 here\): name",
        ),
    ],
)
def test_another_search_is_refused_with_what_differs(store, parts, told):
    journalled(store, {"a": RESULT})
    other = Fingerprint({**SEARCH.parts, **parts})
    with pytest.raises(
        ConfigError, match=rf"^the journal {store.uri} belongs to another search, with other {told}"
    ):
        Journal.open(store, other)
    assert not is_locked(store)


def test_another_search_is_refused_before_it_waits_for_the_lock(store):
    with Journal.open(store, SEARCH), pytest.raises(ConfigError, match="belongs to another search"):
        Journal.open(store, Fingerprint({"X": "9"}), patience=FOREVER)


@pytest.mark.parametrize(
    "content", [b"", b'{"results": {"a": {"test_sc', b"[]", b'{"results": {"a": {}}}', b"\xff"]
)
def test_a_torn_batch_is_named(store, content):
    journalled(store, {"a": RESULT})
    (name,) = batches(store)
    store.write(name, content)
    with pytest.raises(
        StorageError, match=rf"^{store.uri}/{name} is torn or not a journal's file: delete it, and its fits"
    ):
        Journal.open(store, SEARCH)
    store.delete(name)
    with Journal.open(store, SEARCH, patience=FOREVER) as journal:
        assert journal.results == {}


def test_a_torn_fingerprint_is_named(store):
    journalled(store, {})
    store.write("fingerprint.json", store.read("fingerprint.json")[:9])
    for look in (read_fingerprint, lambda store: Journal.open(store, SEARCH)):
        with pytest.raises(
            StorageError, match=r"fingerprint\.json is torn or not a journal's file: delete this"
        ):
            look(store)


def test_other_files_in_the_folder_do_not_matter(store):
    Path(store.uri).mkdir()
    store.write("notes.txt", b"mine")
    store.write(".batch-x-000001.json.1a2b.tmp", b'{"resul')
    assert journalled(store, {"a": RESULT}) == {"a": RESULT}
