"""What every store must do, wherever its bytes lie."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sparksweep.errors import StorageError


def race(store, names=8, callers=4):
    """Let several threads claim the same names at once, and return what is wrong with the outcome."""
    together = threading.Barrier(callers)

    def claim_all(caller):
        together.wait()
        return [store.claim(f"name-{name}", f"of {caller}".encode()) for name in range(names)]

    with ThreadPoolExecutor(callers) as pool:
        won = list(pool.map(claim_all, range(callers)))
    wrong = []
    for name in range(names):
        winners = [caller for caller in range(callers) if won[caller][name]]
        content = store.read(f"name-{name}").decode()
        if [f"of {caller}" for caller in winners] != [content]:
            wrong.append((name, winners, content))
    return wrong


def check_store(store, folder):
    """Check all methods on an empty store; ``folder`` is a local one that the check may use."""
    assert list(store.list()) == []
    assert list(store.folders()) == []
    store.check_writable()
    assert list(store.list()) == []

    store.write("b.txt", b"first")
    before = store.stat("b.txt")
    assert (before.name, before.size) == ("b.txt", 5)
    store.write("b.txt", b"second")
    after = store.stat("b.txt")
    assert after.size == 6
    assert after.version != before.version
    assert store.read("b.txt") == b"second"

    local = folder / "large"
    local.write_bytes(bytes(range(256)) * 5000)
    store.write("a b,é.bin", local)
    assert store.read("a b,é.bin") == local.read_bytes()
    store.write("empty", b"")
    assert store.read("empty") == b""

    store.write("run-1/journal/1.json", b"{}")
    store.write("run-2/best.json", b"[]")
    store.write(".hidden", b"0")
    store.write(".git/config", b"0")
    assert [(file.name, file.size) for file in store.list()] == [
        ("a b,é.bin", 1_280_000),
        ("b.txt", 6),
        ("empty", 0),
    ]
    assert list(store.folders()) == ["run-1", "run-2"]
    inner = store.child("run-1")
    assert list(inner.list()) == []
    assert list(inner.folders()) == ["journal"]
    assert inner.read("journal/1.json") == b"{}"
    assert [file.name for file in inner.child("journal").list()] == ["1.json"]
    assert inner.uri == f"{store.uri}/run-1"
    assert inner.url("journal/1.json") == store.url("run-1/journal/1.json")

    assert store.claim("claimed/1", b"first")
    assert not store.claim("claimed/1", b"second")
    assert store.read("claimed/1") == b"first"
    assert not store.claim("b.txt", b"third")
    assert store.read("b.txt") == b"second"
    store.claim("run-1", b"not into the folder of that name")
    assert list(inner.list()) == []
    store.delete("claimed/1")
    store.delete("claimed/1")
    store.delete("never/was")
    assert not store.exists("claimed/1")
    assert store.claim("claimed/1", b"again")
    assert store.read("claimed/1") == b"again"
    claimed = store.child("claimed")
    assert [file.name for file in claimed.list()] == ["1"]
    assert race(claimed) == []

    assert store.list()[1] == after
    assert store.exists("run-2/best.json")
    assert not store.exists("run-2")
    assert not store.exists("run-2/best")
    assert list(store.child("none").list()) == []
    for missing in (store.read, store.stat):
        with pytest.raises(StorageError, match=r"none/x\.csv"):
            missing("none/x.csv")
    with pytest.raises(StorageError, match=r"no-such-source"):
        store.write("c.txt", folder / "no-such-source")
    assert not store.exists("c.txt")
    for name in ("", "/etc/passwd", "../b.txt", "run-1/../../b.txt"):
        with pytest.raises(ValueError, match="does not name a file below"):
            store.write(name, b"")
