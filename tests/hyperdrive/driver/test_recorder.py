"""What keeps a sweep's runs: no trouble with files or with the history ends a sweep."""

from __future__ import annotations

import pytest

from sparksweep.errors import StorageError
from sparksweep.history import History
from sparksweep.hyperdrive.child.task import COMPLETED, Ended
from sparksweep.hyperdrive.driver.children import Child
from sparksweep.hyperdrive.driver.launcher import Returned
from sparksweep.hyperdrive.driver.recorder import SweepRecorder
from sparksweep.storage import LocalStore
from tests.hyperdrive.fakes import metrics

RUN = Child(
    0, "sweep_0", {"x": 1}, COMPLETED, tries=1, attempt=1000, metrics=metrics([1.0, 2.0]), values=(1.0, 2.0)
)


@pytest.fixture(name="returned")
def a_run_with_files(tmp_path):
    files = tmp_path / "files"
    (files / "outputs").mkdir(parents=True)
    (files / "outputs" / "a.txt").write_text("a")
    return Returned("sweep_0", Ended(COMPLETED), files)


def recorder(store, history=None):
    return SweepRecorder(history, "experiment", "sweep", "score", store, lambda: None)


def test_files_are_moved(returned, tmp_path):
    recorder(LocalStore(tmp_path / "sweep")).keep(returned)
    assert (tmp_path / "sweep" / "children" / "0" / "outputs" / "a.txt").read_text() == "a"
    assert not returned.files.exists()


def test_files_are_moved_when_the_history_has_them_too(returned, tmp_path):
    with History.open(f"sqlite:///{tmp_path}/mlflow.db") as history:
        history.start("sweep_0", experiment="experiment")
        recorder(LocalStore(tmp_path / "sweep"), history).keep(returned)
        assert history.flush(60)
        assert history.files("sweep_0") == ["outputs/a.txt"]
        assert not returned.files.exists()


class FullStore(LocalStore):
    """Has no room, and says so in its own way."""

    def child(self, name):
        return FullStore(self.root / name)

    def write(self, name, content):
        raise OSError(28, "No space left on device")


def test_a_full_disk_costs_the_files_alone(returned, tmp_path):
    with pytest.warns(RuntimeWarning, match="The files of sweep_0 are not kept: .*No space left"):
        recorder(FullStore(tmp_path)).keep(returned)


class AwayAtFirst:
    """A history whose store does not answer yet."""

    def __init__(self, history):
        self._history = history

    def find(self, *_):
        raise StorageError("the MLflow server does not answer")

    def __getattr__(self, name):
        return getattr(self._history, name)


def test_a_sweep_goes_on_while_the_history_is_away(tmp_path):
    with History.open(f"sqlite:///{tmp_path}/mlflow.db") as history:
        history.start("sweep", experiment="experiment")
        recorder(LocalStore(tmp_path / "sweep"), AwayAtFirst(history)).catch_up([RUN])
        assert history.flush(60)
        assert history.find("sweep_0").status == "FINISHED"
        assert history.metric("sweep_0", "score") == [(0, 1.0), (1, 2.0)]
