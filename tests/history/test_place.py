from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sparksweep.errors import ConfigError, StorageError
from sparksweep.history.place import Place


@pytest.mark.parametrize(
    ("given", "environ", "uri"),
    [
        (None, {}, "sqlite:///{cwd}/mlflow.db"),
        (None, {"MLFLOW_TRACKING_URI": "http://host:5000"}, "http://host:5000"),
        (
            "sqlite:///x/y.db?timeout=5",
            {"MLFLOW_TRACKING_URI": "http://host"},
            "sqlite:///{cwd}/x/y.db?timeout=5",
        ),
        ("sqlite:////x/y z.db", {}, "sqlite:////x/y z.db"),
        ("folder/mlruns", {}, "file://{cwd}/folder/mlruns"),
        ("databricks://profile", {}, "databricks://profile"),
    ],
)
def test_choice(given, environ, uri):
    assert Place.choose(given, environ).uri == uri.format(cwd=Path.cwd())


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:////what?/x.db/../y.db?"])
def test_a_database_in_memory_is_refused(uri, tmp_path, monkeypatch):
    folder = tmp_path / "what?"
    folder.mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"keeps no history|question mark"):
        Place.choose("sqlite:///x.db" if "what" in uri else uri)


def test_passwords_are_never_shown(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok3n")
    place = Place.choose("postgresql://me:s%40cret/x@db:5432/mlflow?password=also")
    place = Place.choose("postgresql://me:s%40cret@db:5432/mlflow?password=also")
    assert place.shown == "postgresql://db:5432/mlflow"
    assert "cret" not in repr(place)
    text = f"no {place.uri}, http://a:b@c/d, s%40cret, s@cret or tok3n"
    assert place.scrub(text) == "no postgresql://db:5432/mlflow, http://c/d, ***, *** or ***"


def test_files_lie_beside_the_database():
    place = Place.choose("sqlite:////data/a b/mlflow.db")
    assert place.artifacts("exp/é one") == "file:///data/a%20b/mlruns/exp_%C3%A9_one"
    assert Place.choose("http://host:5000").artifacts("exp") is None


def test_a_database_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/x/mlflow\.db cannot be made \(.*MLFLOW_TRACKING_URI"):
        Place.choose(f"sqlite:///{tmp_path}/file/x/mlflow.db").make_ready()


def test_without_mlflow():
    program = (
        "import sys; sys.modules[sys.argv[1]] = None\n"
        "from sparksweep.history import History\n"
        "from sparksweep.errors import SetupError\n"
        "try: History.open('sqlite:////x/y.db')\n"
        "except SetupError as error: print(error)"
    )
    for missing in ("mlflow", "sqlalchemy"):
        done = subprocess.run(
            [sys.executable, "-c", program, missing], capture_output=True, text=True, check=True
        )
        assert "`pip install mlflow`" in done.stdout


def test_opening_imports_no_mlflow():
    program = (
        "import sys\nfrom sparksweep.history import History\n"
        "history = History.open('sqlite:////nowhere/y.db')\n"
        "assert history.find('x') is None and history.runs('x') == []\n"
        "assert 'mlflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
