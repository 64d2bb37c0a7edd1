"""Which run a sweep goes on with."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from sparksweep.errors import ConfigError
from sparksweep.search.fingerprint import Fingerprint
from sparksweep.search.fit import FitResult
from sparksweep.search.runs import RunChooser, new_run_id
from sparksweep.storage import LocalStore

OURS = Fingerprint({"X": "1", "parameters": "2"})
OTHER = Fingerprint({"X": "1", "parameters": "3"})
RESULT = FitResult(0.5, None, None, 1.0, 0.1, 10)


@pytest.fixture
def output(tmp_path):
    return LocalStore(tmp_path)


def leave(output, fingerprint=OURS, *, complete=False):
    """A run as it lies there after its driver has gone."""
    with RunChooser(output, fresh=True, say=lambda _: None) as chooser, chooser(fingerprint) as journal:
        journal.add("a fit", RESULT)
    if complete:
        output.write(f"{chooser.run_id}/best.json", b"{}")
    return chooser.run_id


def choose(output, fingerprint=OURS, **how):
    said = []
    with RunChooser(output, say=said.append, **how) as chooser, chooser(fingerprint) as journal:
        return chooser.run_id, dict(journal.results), said


def test_an_empty_output_begins_a_run(output):
    run, results, said = choose(output)
    assert (output.root / run / "journal" / "fingerprint.json").exists()
    assert results == {}
    assert said == []


def test_the_newest_unfinished_run_of_the_same_search_goes_on(output, monkeypatch):
    names = iter(["2026-1", "2026-2", "2026-3", "2026-4"])
    monkeypatch.setattr("sparksweep.search.runs.new_run_id", lambda: next(names))
    runs = [leave(output), leave(output), leave(output, complete=True), leave(output, OTHER)]
    run, results, said = choose(output)
    assert run == runs[1]
    assert results == {"a fit": RESULT}
    assert said == ["Going on with run 2026-2: 1 fits have ended already"]


def test_a_complete_run_and_one_of_another_search_do_not(output):
    before = {leave(output, complete=True), leave(output, OTHER)}
    run, results, _ = choose(output)
    assert run not in before
    assert results == {}


def test_fresh_begins_anew(output):
    before = leave(output)
    run, results, _ = choose(output, fresh=True)
    assert run != before
    assert results == {}


def test_a_run_that_is_under_way_is_left_alone(output):
    with RunChooser(output, say=lambda _: None) as first:
        with first(OURS) as journal:
            journal.add("a fit", RESULT)
        # The search has ended, and its files are being written.
        run, _, _ = choose(output)
        assert run != first.run_id
        with pytest.raises(ConfigError, match=r"by another|is being written|is doing"):
            choose(output, resume=first.run_id)


def test_resume_takes_the_run_that_is_named(output):
    older, newer = leave(output), leave(output)
    assert choose(output, resume=older)[0] == older
    assert choose(output, resume=newer)[0] == newer


def test_resume_refuses(output):
    other, complete = leave(output, OTHER), leave(output, complete=True)
    (output.root / "empty").mkdir()
    for run, sentence in {
        "no-such-run": "has no run of this name",
        other: "begun with other parameters; restore them",
        complete: "this run is complete",
        "empty": "this run has no journal",
    }.items():
        with pytest.raises(ConfigError, match=rf"--resume {run}: .*{sentence}"):
            choose(output, resume=run)


def test_what_can_come_to_nothing_leaves_nothing(output):
    with RunChooser(output, say=lambda _: None) as chooser:
        with chooser(OURS) as journal:
            journal.add("a fit", RESULT)
        chooser.discard()
    assert not any(path.is_file() for path in output.root.rglob("*"))
    assert list(output.folders()) == []


def test_run_ids_sort_by_time_and_differ():
    early = new_run_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))
    assert early.startswith("20260102T030405Z-")
    assert early < new_run_id()
    assert new_run_id() != new_run_id()
