from __future__ import annotations

import os
import shutil
from contextlib import closing

import pytest

from sparksweep.history import History
from sparksweep.history.place import Place

# Before anything imports MLflow: tests report their use to nobody.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database without runs, made once: MLflow needs seconds for it."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    Place.choose(f"sqlite:///{path}").make_ready()
    return path


@pytest.fixture
def warned(recwarn):
    """A function that returns what this test was warned of so far."""
    return lambda: [str(w.message) for w in recwarn if w.category is RuntimeWarning]


@pytest.fixture
def uri(tmp_path, empty_database):
    shutil.copyfile(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def history(uri):
    with closing(History.open(uri)) as history:
        yield history
