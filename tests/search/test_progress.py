from __future__ import annotations

import io

import pytest

from sparksweep.search.progress import LINE_EVERY, show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(total, seconds_a_fit, enabled=True):
    stream, now = io.StringIO(), [0.0]
    with show_progress(total, enabled, stream=stream, clock=lambda: now[0]) as advance:
        for _ in range(total):
            now[0] += seconds_a_fit
            advance()
    return stream.getvalue().splitlines()


def test_plain_lines_say_done_elapsed_and_expected():
    assert lines(4, LINE_EVERY) == [
        "0 / 4 fits",
        "1 / 4 fits, 00:10 elapsed, 00:30 to go",
        "2 / 4 fits, 00:20 elapsed, 00:20 to go",
        "3 / 4 fits, 00:30 elapsed, 00:10 to go",
        "4 / 4 fits, 00:40 elapsed, 00:00 to go",
    ]


def test_plain_lines_are_few():
    written = lines(1000, 0.1)
    assert written[-1] == "1000 / 1000 fits, 01:40 elapsed, 00:00 to go"
    assert len(written) <= 2 + 100 / LINE_EVERY


def test_hours():
    assert lines(2, 2 * 3600)[1] == "1 / 2 fits, 2:00:00 elapsed, 2:00:00 to go"


@pytest.mark.parametrize("enabled", [None, False])
def test_nothing_without_a_terminal_unless_asked(enabled):
    assert lines(3, 60, enabled) == []


@pytest.mark.parametrize(("enabled", "shown"), [(None, True), (True, True), (False, False)])
def test_bar_on_a_terminal(enabled, shown):
    stream = Terminal()
    with show_progress(2, enabled, stream=stream) as advance:
        advance()
        advance()
    assert ("2/2" in stream.getvalue()) == shown
