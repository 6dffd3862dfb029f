"""The progress on standard error: a bar on terminals and in notebooks, lines in a log."""

from __future__ import annotations

import fcntl
import io
import os
import re
import select
import struct
import sys
import termios

import pytest

from gmat_sweep.console import say
from gmat_sweep.flow import progress
from gmat_sweep.flow.progress import Progress


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def told(total: int, *, failed: int = 0) -> None:
    """Show the progress of a whole sweep."""
    shown = Progress("gmat-sweep", total, is_shown=True)
    for _ in range(total):
        shown.advance({"failed": failed})
    shown.close()


@pytest.mark.parametrize(("lines", "columns"), [(0, 0), (24, 0), (0, 70), (24, 70), (24, 200)])
@pytest.mark.parametrize("variable", [None, "0"])
def test_a_terminal_of_any_width_and_of_none_gets_a_bar(
    lines: int, columns: int, variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if variable:
        monkeypatch.setenv("COLUMNS", variable)
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    with os.fdopen(reader, "rb", buffering=0) as screen, os.fdopen(writer, "w") as stream:
        # In the test itself: pytest sets its own stream after the fixtures.
        monkeypatch.setattr(sys, "stderr", stream)
        told(4, failed=1)
        shown = b""
        while not shown.endswith(b"\n") and select.select([screen], [], [], 10)[0]:
            shown += screen.read(100_000)
    drawn = shown.decode().rstrip("\r\n").split("\r")

    assert re.match(r"gmat-sweep: 100%\|.+\| 4/4 .*failed=1", drawn[-1])
    # tqdm leaves the last column of a terminal free.
    assert (columns or 80) - 1 <= len(drawn[-1]) <= (columns or 80)


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Progress("gmat-sweep", 10_000, is_shown=True)
    for number in range(10_000):
        clock.now += 1.0
        if number == 9_000:
            shown.describe("all runs fail alike")
        shown.make_room()
        shown.advance({"failed": number // 1000, "unconverged": 2})
    shown.close()

    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert (out, "\r" in err) == ("", False)
    assert lines[0] == (
        "gmat-sweep:   0% 10/10000 runs [00:10<2:46:30,  1.00run/s, failed=0, unconverged=2]"
    )
    assert lines[-1] == (
        "gmat-sweep, all runs fail alike: 100% 10000/10000 runs "
        "[2:46:40<00:00,  1.00run/s, failed=9, unconverged=2]"
    )
    assert 50 < len(lines) < 200


def test_a_short_sweep_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told(3)

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("gmat-sweep: 100% 3/3 runs [")


def test_a_resume_counts_from_all_runs_and_its_rate_from_those_it_flies(
    clock: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs of ten take two seconds each: with six to go, twelve are left."""
    shown = Progress("gmat-sweep resume", 10, earlier=2, is_shown=True)
    for _ in range(2):
        clock.now += 2.0
        shown.advance({"failed": 1})
    shown.close()
    nothing = Progress("gmat-sweep resume", 10, earlier=2, is_shown=True)
    nothing.close()
    cell = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", cell)
    bar = Progress("gmat-sweep resume", 10, earlier=2, is_shown=True)
    bar.advance({"failed": 1})
    bar.close()

    assert capsys.readouterr().err == (
        "gmat-sweep resume:  40% 4/10 runs [00:04<00:12,  2.00s/run, failed=1]\n"
    )
    assert "| 3/10 [" in cell.getvalue()


def test_a_sweep_that_ends_before_its_first_run_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told(0)
    shown = Progress("gmat-sweep", 3, is_shown=False)
    shown.advance({})
    shown.close()

    assert capsys.readouterr().err == ""


def test_a_notebook_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr(sys, "stderr", cell)

    told(2)

    assert "\rgmat-sweep: 100%|" in cell.getvalue()


class Full(io.StringIO):
    """A stream on a full disk."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str, /) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["none", "closed", "full", "full terminal"])
def test_a_stream_that_takes_nothing_ends_no_sweep(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream: io.StringIO | None = None if kind == "none" else Full(is_terminal="terminal" in kind)
    if kind == "closed":
        stream = io.StringIO()
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)

    told(3)
    say("done")

    assert capsys.readouterr().out == ""
