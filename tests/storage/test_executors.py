"""With a local master; test_cluster.py has real executors."""

from __future__ import annotations

import pytest

from sparksweep.errors import StorageError
from sparksweep.storage import LocalStore, hosts_without, stage


def test_a_local_master_has_nobody_to_ask(spark_session, tmp_path):
    jobs = spark_session.sparkContext.statusTracker().getJobIdsForGroup
    before = len(jobs())
    assert hosts_without(spark_session, [tmp_path / "no-such-file"]) == []
    assert len(jobs()) == before


def test_staged_files_are_copied_once_for_each_version(tmp_path, capsys):
    local, shared = LocalStore(tmp_path / "local"), LocalStore(tmp_path / "shared")
    local.write("events.csv", b"1")
    local.write("inner/apps.csv", b"22")
    local.write("other.csv", b"333")

    first = stage(local, ["inner/apps.csv", "events.csv"], shared)
    assert (first.read("events.csv"), first.read("inner/apps.csv")) == (b"1", b"22")
    assert not first.exists("other.csv")
    assert "copying to" in capsys.readouterr().err
    written = first.stat("events.csv")

    assert stage(local, ["events.csv", "inner/apps.csv"], shared) == first
    assert first.stat("events.csv") == written
    assert capsys.readouterr().err == ""

    local.write("events.csv", b"4")
    second = stage(local, ["events.csv", "inner/apps.csv"], shared, progress=False)
    assert second.read("events.csv") == b"4"
    assert first.read("events.csv") == b"1"
    assert capsys.readouterr().err == ""


def test_what_is_missing_cannot_be_staged(tmp_path):
    with pytest.raises(StorageError, match=r"events\.csv: there is no such file"):
        stage(LocalStore(tmp_path), ["events.csv"], LocalStore(tmp_path / "shared"))
