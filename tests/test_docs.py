"""Every command and snippet of the README is run here, or said to need what cannot be had here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(<!-- needs [^>]* -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
BLOCKS = [(language, text) for needs, language, text in BLOCK.findall(README) if not needs]
SNIPPETS = [text for language, text in BLOCKS if language == "python"]
COMMANDS = [text.strip() for language, text in BLOCKS if language == "bash"]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippet(spark_session, snippet, capsys, tmp_path, monkeypatch):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    exec(snippet, {})
    assert capsys.readouterr().out


def test_there_are_snippets_and_commands():
    assert len(SNIPPETS) == 3
    assert len(COMMANDS) == 8


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make ")])
def test_make_target(command):
    """make test runs this; make sweep is what the command below runs in small."""
    done = subprocess.run(
        ["make", "-n", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("make ")])
def test_command(command, tmp_path):
    for name in ("jobs", "lib", "conf", "docs", "spark_dependencies.yml"):
        source = ROOT / name
        shutil.copytree(source, tmp_path / name) if source.is_dir() else shutil.copy(source, tmp_path / name)
    command = command.replace(".venv/bin/python", sys.executable)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "The run's folder" in done.stdout
    assert [*(tmp_path / "output").rglob("latest.txt")]


def test_every_file_that_the_readme_names_exists():
    names = set(re.findall(r"\]\(([\w./-]+)\)", README)) | set(
        re.findall(r"(?:jobs|conf|docs)/\w+\.\w+", README)
    )
    assert names
    for name in names:
        assert (ROOT / name).exists(), name


def test_every_job_stands_in_the_readme():
    for job in (ROOT / "jobs").glob("*.py"):
        assert f"jobs/{job.name}" in README
