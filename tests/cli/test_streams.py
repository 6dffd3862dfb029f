"""Standard streams that are closed, full or read by nobody, and Ctrl-C again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

from cli_sweeps import GRID, SCRIPT, manifest
from gmat_sweep.manifest import Manifest

PROGRAM = "from gmat_sweep.cli import entry_point; entry_point()"
FULL = Path("/dev/full")


def command(
    *words: object,
    code: str = PROGRAM,
    stdout: int | IO[bytes] = subprocess.PIPE,
    env: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, *options, "-c", code, *map(str, words)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=60,
        env=os.environ | dict(env or {}),
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A manifest of two runs, one of them failed."""
    manifest("ok", "failed").save(tmp_path / "manifest.jsonl")
    return tmp_path / "manifest.jsonl"


@pytest.fixture
def nobody() -> IO[bytes]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb", buffering=0)


@pytest.mark.parametrize("options", [(), ("-u",)], ids=["buffered", "unbuffered"])
def test_a_reader_that_has_seen_enough_changes_nothing(
    recorded: Path, nobody: IO[bytes], options: tuple[str, ...]
) -> None:
    with nobody:
        ended = command("show", recorded, "--detail", stdout=nobody, options=options)

    assert (ended.returncode, b"failed: " in ended.stderr) == (0, False)
    # Nothing that a reader that stays is not told.
    read = command("show", recorded, "--detail", stdout=subprocess.DEVNULL, options=options)
    assert read.stderr.startswith(ended.stderr)


def test_output_that_is_lost_is_said_and_1_if_the_command_is_for_it(recorded: Path) -> None:
    said = b"gmat-sweep: standard output cannot be written to: No space left on device\n"
    for words, code in (
        (("show", recorded), 1),
        (("--version",), 1),
        (("show", recorded.parent / "none.jsonl"), 3),
    ):
        with FULL.open("wb") as full:
            ended = command(*words, stdout=full)

        assert ended.returncode == code
        assert ended.stderr.endswith(said) is (code != 3)


@pytest.mark.parametrize("name", ["ascii", "latin-1", "utf-8"])
def test_a_summary_prints_on_any_terminal(recorded: Path, name: str, tmp_path: Path) -> None:
    odd = tmp_path / "наб\udcffor"
    odd.mkdir()
    recorded.rename(odd / "manifest.jsonl")

    ended = command(
        "show", odd / "manifest.jsonl",
        env={"LC_ALL": "C", "PYTHONIOENCODING": name, "PYTHONUTF8": "1"},
    )  # fmt: skip

    dash = "—" if name == "utf-8" else "-"
    assert ended.returncode == 0
    told = ended.stdout.decode(name)
    assert told.startswith(f"2 runs (1 ok, 1 failed) in 1.00 s {dash} output: {tmp_path}/")
    assert "\\udcffor" in told


def test_closed_streams_get_the_null_device_and_children_have_it() -> None:
    code = (
        "import os, subprocess, sys\n"
        "from gmat_sweep.console import make_streams_tolerant\n"
        "make_streams_tolerant()\n"
        "print('told'); print('told', file=sys.stderr)\n"
        "next_one = os.open('/', os.O_RDONLY)\n"
        "child = subprocess.run(['sh', '-c', 'echo told && echo told >&2 && cat'])\n"
        "os._exit(100 if next_one > 2 and child.returncode == 0 else 1)\n"
    )

    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code], timeout=60
    )

    assert ended.returncode == 100


def test_full_streams_change_no_code(recorded: Path) -> None:
    for words, code in (("show", recorded), 1), (("show", "none.jsonl"), 3), (("fly",), 2):
        with FULL.open("wb") as full:
            ended = subprocess.run(
                [sys.executable, "-c", PROGRAM, *map(str, words)], stdout=full, stderr=full,
                timeout=60,
            )  # fmt: skip

        assert ended.returncode == code


def test_a_sweep_is_the_same_with_closed_streams(tmp_path: Path, prefect_url: str) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$@" <&- >&- 2>&-', sys.executable, PROGRAM, "run", str(SCRIPT),
         *GRID, "--out", str(tmp_path / "sweep"), "--workers", "1"],
        env=os.environ | {"PREFECT_API_URL": prefect_url},
        timeout=120,
    )  # fmt: skip

    assert ended.returncode == 0
    entries = Manifest.load(tmp_path / "sweep" / "manifest.jsonl").entries
    assert [entry.status for entry in entries] == ["ok", "ok"]


ENDINGS = {
    "while the program ends": (
        "atexit.register(print, 'and it went on')\n"
        "atexit.register(interrupt)\n"
        "command = interrupt\n"
    ),
    "while the command tidies up": (
        "def command(_):\n"
        "    try:\n"
        "        interrupt()\n"
        "    finally:\n"
        "        interrupt()\n"
    ),
    "while an object goes": (
        "class Thing:\n"
        "    __del__ = interrupt\n"
        "def command(_):\n"
        "    Thing()\n"
        "    interrupt()\n"
    ),
    "while the first is told": (
        "cli.say = lambda line: (print(f'gmat-sweep: {line}', file=sys.stderr), interrupt())\n"
        "signal.signal = lambda *_: None\n"
        "command = interrupt\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_second_ctrl_c_ends_it_at_once_without_a_traceback(ending: str) -> None:
    ended = command(
        "engine",
        code="import atexit, os, signal, sys\n"
        "from gmat_sweep import cli\n"
        "def interrupt(*_):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        f"{ending}"
        "cli._COMMANDS['engine'] = command\n"
        "cli.entry_point()\n",
    )

    assert ended.returncode == -signal.SIGINT
    assert (ended.stdout, ended.stderr) == (b"", b"gmat-sweep: interrupted\n")


def test_what_is_no_interrupt_keeps_its_traceback() -> None:
    ended = command(
        "engine",
        code="from gmat_sweep import cli\n"
        "class Thing:\n"
        "    def __del__(self):\n"
        "        1 / 0\n"
        "def command(_):\n"
        "    Thing()\n"
        "    raise AssertionError('a bug')\n"
        "cli._COMMANDS['engine'] = command\n"
        "cli.entry_point()\n",
    )

    assert ended.returncode == 1
    assert b"ZeroDivisionError" in ended.stderr
    assert b"AssertionError: a bug" in ended.stderr


def test_a_program_whose_streams_are_closed_has_workers() -> None:
    code = (
        "import os\n"
        "os.closerange(0, 3)\n"
        "from gmat_sweep.backends.process.worker_process import WorkerProcess\n"
        "worker = WorkerProcess()\n"
        "found = worker.inspect(None, {}).resource_types\n"
        "worker.close()\n"
        "os._exit(100 if 'Spacecraft' in found else 1)\n"
    )

    assert command(code=code).returncode == 100
