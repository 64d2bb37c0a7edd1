from __future__ import annotations

import io

import pytest

from sparksweep.storage.progress import LINE_EVERY, show_bytes


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(counts, seconds_each, enabled=True):
    stream, now = io.StringIO(), [0.0]
    with show_bytes("copying", sum(counts), enabled, stream=stream, clock=lambda: now[0]) as report:
        for count in counts:
            now[0] += seconds_each
            report(count)
    return stream.getvalue().splitlines()


def test_plain_lines_say_how_much_has_moved():
    assert lines([1_000_000, 500_000, 1_000_000_000], LINE_EVERY) == [
        "copying: 1.0 of 1,001.5 MB in 10 s",
        "copying: 1.5 of 1,001.5 MB in 20 s",
        "copying: 1,001.5 of 1,001.5 MB in 30 s",
    ]
    assert lines([1_500_000, 500_000], LINE_EVERY / 4) == ["copying: 2.0 of 2.0 MB in 5 s"]
    assert lines([], LINE_EVERY) == ["copying: 0.0 of 0.0 MB in 0 s"]


def test_plain_lines_are_few():
    assert len(lines([1] * 1000, 0.1)) <= 1 + 100 / LINE_EVERY


def test_nothing_where_nothing_is_wanted():
    assert lines([1, 2], LINE_EVERY, enabled=False) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_bar_on_a_terminal(enabled):
    stream = Terminal()
    with show_bytes("copying", 3_000, enabled, stream=stream) as report:
        report(1_000)
        report(2_000)
    assert ("3.00k/3.00k" in stream.getvalue()) == enabled
