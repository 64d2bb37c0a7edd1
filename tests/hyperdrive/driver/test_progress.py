"""What a person sees of a sweep while it runs."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from sparksweep.hyperdrive.child.task import CANCELED, COMPLETED, FAILED
from sparksweep.hyperdrive.driver.children import POLICY, RUNNING, Child
from sparksweep.hyperdrive.driver.progress import SweepProgress, told

CHILDREN = [
    Child(0, "s_0", {}, COMPLETED, values=(0.5, 0.25)),
    Child(1, "s_1", {}, CANCELED, values=(0.75,), word=POLICY),
    Child(2, "s_2", {}, FAILED, values=(0.0, 9.0)),
    Child(3, "s_3", {}, RUNNING, values=(0.125,)),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("maximize", "best"), [(True, "best 0.75 (1)"), (False, "best 0.125 (3)")])
def test_what_is_told(maximize, best):
    assert told(CHILDREN, maximize=maximize) == (3, f"1 running, 1 stopped early, 1 failed, {best}")
    assert told([], maximize=maximize) == (0, "0 running, 0 stopped early")


def test_lines_come_now_and_then_and_the_last_one_once():
    stream, now = io.StringIO(), [0.0]
    sweep = SimpleNamespace(children=CHILDREN[:3])
    with SweepProgress(4, True, maximize=True, stream=stream, clock=lambda: now[0]) as shown:
        shown.show()  # there is no sweep yet
        shown.watch(sweep)
        for now[0] in (1.0, 2.0, 10.9, 11.0):
            shown.show()
        sweep.children = CHILDREN
        shown.say("Fitting")
    before = "3 / 4 runs, 0 running, 1 stopped early, 1 failed, best 0.75 (1)"
    after = "3 / 4 runs, 1 running, 1 stopped early, 1 failed, best 0.75 (1)"
    assert stream.getvalue().splitlines() == [before, before, after, "Fitting"]


def test_a_terminal_has_a_bar():
    stream = Terminal()
    with SweepProgress(4, None, maximize=True, stream=stream) as shown:
        shown.watch(SimpleNamespace(children=CHILDREN))
        shown.show()
        shown.say("Fitting")
    seen = stream.getvalue()
    assert "3/4" in seen
    assert "best 0.75 (1)" in seen
    assert "Fitting\n" in seen


@pytest.mark.parametrize(("enabled", "stream"), [(None, io.StringIO()), (False, Terminal())])
def test_nothing_is_shown_where_nobody_looks(enabled, stream):
    with SweepProgress(4, enabled, maximize=True, stream=stream) as shown:
        shown.watch(SimpleNamespace(children=CHILDREN))
        shown.show()
        shown.say("Fitting")
    assert stream.getvalue() == ""
