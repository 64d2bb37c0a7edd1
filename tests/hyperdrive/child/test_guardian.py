"""The guardian of a training script: its exit code, and that nothing of it outlives who needed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparksweep.hyperdrive.child.guardian import GRACE
from sparksweep.hyperdrive.child.script_process import ScriptProcess
from tests.hyperdrive.processes import is_running, pids, within

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(name="start")
def starter(tmp_path):
    """Start a command in tmp_path; its log is tmp_path / 'log'."""
    opened = []

    def start(*command, environ=os.environ):
        log = (tmp_path / "log").open("wb")
        process = ScriptProcess(command, tmp_path, environ, log)
        opened.append((process, log))
        return process

    yield start
    for process, log in opened:
        process.stop()
        within(GRACE + 10, lambda p=process: p.wait(0.1) is not None)
        log.close()


def shell(start, text):
    return start("/bin/sh", "-c", text)


def ended(process):
    code = process.wait(30)
    assert code is not None
    return code


@pytest.mark.parametrize(
    ("command", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)],
)
def test_the_exit_code_is_the_commands(start, command, code):
    assert ended(shell(start, command)) == code


def test_a_missing_program(start, tmp_path):
    assert ended(start("no-such-program", "--rate", "1")) == 127
    said = (tmp_path / "log").read_text()
    assert said == "no-such-program cannot be started: No such file or directory\n"


def test_the_log_has_both_streams_and_standard_input_is_empty(start, tmp_path):
    assert ended(shell(start, "cat; echo out; echo err >&2; pwd")) == 0
    assert (tmp_path / "log").read_text() == f"out\nerr\n{tmp_path.resolve()}\n"


def test_waiting_ends_without_an_end(start):
    assert shell(start, "sleep 60").wait(0.1) is None


def test_a_stop_ends_the_background_processes_too(start, tmp_path):
    process = shell(start, "(sleep 4; touch late) & echo $! $$ > pids; wait")
    both = pids(tmp_path / "pids", 2)
    process.stop()
    assert ended(process) == 128 + signal.SIGTERM
    assert not any(map(is_running, both))
    assert not (tmp_path / "late").exists()


def test_a_script_can_clean_up_when_it_is_stopped(start, tmp_path):
    process = shell(start, "trap 'touch cleaned; exit 5' TERM; echo $$ > pids; while :; do sleep 0.05; done")
    pids(tmp_path / "pids")
    process.stop()
    assert ended(process) == 5
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("command", ["true; {}; true", "{} | cat", "({}) & wait"])
def test_what_a_shell_has_started_can_clean_up_too(start, tmp_path, command):
    """The shell itself is gone at once."""
    (tmp_path / "slow.sh").write_text(
        "trap 'sleep 0.5; touch cleaned; exit 5' TERM; echo $$ > pids; while :; do sleep 0.05; done"
    )
    process = shell(start, command.format("/bin/sh slow.sh"))
    (slow,) = pids(tmp_path / "pids")
    process.stop()
    assert ended(process) != 0
    assert (tmp_path / "cleaned").exists()
    assert not is_running(slow)


def test_a_script_that_ignores_the_signal_is_killed(start, tmp_path):
    process = shell(start, "trap '' TERM; sleep 60 & echo $! $$ > pids; while :; do sleep 0.05; done")
    both = pids(tmp_path / "pids", 2)
    process.stop()
    assert ended(process) == 128 + signal.SIGKILL
    assert not any(map(is_running, both))


def test_what_a_command_leaves_behind_is_killed(start, tmp_path):
    assert ended(shell(start, "(trap '' TERM; exec sleep 60) & echo $! > pids")) == 0
    (left,) = pids(tmp_path / "pids")
    within(5, lambda: not is_running(left))


def test_the_end_of_the_block_ends_the_command(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        with ScriptProcess(["/bin/sh", "-c", "echo $$ > pids; sleep 60"], tmp_path, os.environ, log):
            (script,) = pids(tmp_path / "pids")
        assert not is_running(script)


OWNER = """
import os, sys, time
from pathlib import Path
from sparksweep.hyperdrive.child.script_process import ScriptProcess

folder = Path(sys.argv[1])
with (folder / "log").open("wb") as log:
    process = ScriptProcess(["/bin/sh", "-c", sys.argv[2]], folder, os.environ, log)
    time.sleep(60)
"""


@pytest.fixture(name="owner")
def owner_of_a_script(tmp_path):
    """A process that has started a script, and is there as long as the test."""
    script = "trap '' TERM; sleep 60 & echo $! $$ $PPID > pids; while :; do sleep 0.05; done"
    process = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), script], cwd=ROOT / "lib")
    yield process
    process.kill()
    process.wait()


def test_the_death_of_the_owner_ends_script_and_guardian(owner, tmp_path):
    everybody = pids(tmp_path / "pids", 3)
    assert all(map(is_running, everybody))
    owner.kill()
    within(GRACE + 5, lambda: not any(map(is_running, everybody)))


def test_the_death_of_the_guardian_ends_the_script(start, tmp_path):
    process = shell(start, "trap '' TERM; sleep 60 & echo $PPID $! $$ > pids; while :; do sleep 0.05; done")
    guardian, *both = pids(tmp_path / "pids", 3)
    os.kill(guardian, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    within(5, lambda: not any(map(is_running, both)))


def test_signals_do_not_end_the_guardian(start, tmp_path):
    """Spark's daemon signals the group of its workers, and a terminal that of its programs."""
    process = shell(start, "echo $PPID $$ > pids; while [ ! -e go ]; do sleep 0.05; done; exit 4")
    guardian, script = pids(tmp_path / "pids", 2)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        os.kill(guardian, number)
    assert process.wait(0.3) is None
    assert is_running(script)
    (tmp_path / "go").touch()
    assert ended(process) == 4


def test_guardian_and_script_have_groups_of_their_own(start, tmp_path):
    process = shell(start, "echo $PPID $$ > pids; sleep 60")
    guardian, script = pids(tmp_path / "pids", 2)
    assert len({os.getpgid(0), os.getpgid(guardian), os.getpgid(script)}) == 3
    process.stop()


def test_the_script_ignores_no_signals(start, tmp_path):
    show = "from signal import *; print(*(s.name for s in valid_signals() if getsignal(s) is SIG_IGN))"
    before = {
        number: signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT)
    }
    try:
        assert ended(start(sys.executable, "-c", show)) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Python itself ignores these two in every process.
    assert set((tmp_path / "log").read_text().split()) <= {"SIGPIPE", "SIGXFSZ"}
    assert ended(start("/bin/sh", "-c", "kill -PIPE $$; echo here")) == 128 + signal.SIGPIPE


def test_files_of_the_script_do_not_stand_in_for_modules_of_the_guardian(start, tmp_path):
    for name in ("signal", "subprocess", "threading", "sparksweep"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(77)")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": "no-such-file"}
    process = start("/bin/sh", "-c", "echo $PYTHONPATH", environ=environ)
    assert ended(process) == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path}\n"


def test_a_stop_before_the_command_has_begun(tmp_path):
    with (tmp_path / "log").open("wb") as log:
        process = ScriptProcess(["/bin/sh", "-c", "sleep 60"], tmp_path, os.environ, log)
        process.stop()
        assert ended(process) == 128 + signal.SIGTERM
