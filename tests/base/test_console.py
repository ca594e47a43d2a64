"""Output of scripts: progress in logs, and messages that do not control the terminal."""

import itertools
import time

import pytest

from starlabels.base import console


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by 20 s with each look at it; standard error is a log."""
    seconds = itertools.count(0, 20.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: False)


def test_a_log_gets_a_line_a_minute_with_the_time_that_is_left(clock, capsys):
    items = iter(range(1200))
    assert list(console.show_progress(items, "synthesising n.h5", total=1200)) == [*range(1200)]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "synthesising n.h5: 3 of 1 200, about 399 minutes left"
    assert lines[1].startswith("synthesising n.h5: 6 of 1 200")
    assert len(lines) == 399 and lines[-1].endswith("1 197 of 1 200, about 1 minute left")


def test_short_and_unknown_lengths_are_fine(clock, capsys):
    assert list(console.show_progress(range(2), "sampling spectra")) == [0, 1]
    assert capsys.readouterr().out == ""
    assert list(console.show_progress(iter(range(4)), "a\x1b[2J")) == [0, 1, 2, 3]
    assert capsys.readouterr().out == "a\\x1b[2J: 3\n"


def test_errors_do_not_control_the_terminal(capsys):
    with pytest.raises(SystemExit):
        console.exit_with_error("star\x1b[2J\x07.fits: bad")
    assert capsys.readouterr().err == "error: star\\x1b[2J\\x07.fits: bad\n"
