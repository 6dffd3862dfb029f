"""The command ``gmat-sweep``.

`main` returns an exit code and writes an error as one message to standard error. A command imports
the heavy libraries that it needs; other commands do not load them.
"""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gmat_sweep.cli import pruning, reading, replaying, running
from gmat_sweep.cli.endings import (
    EXIT_BACKEND,
    EXIT_CONFIG,
    EXIT_DAMAGED,
    EXIT_GENERIC,
    EXIT_INCONCLUSIVE,
    EXIT_MANIFEST,
    EXIT_NOT_APPLICABLE,
    EXIT_OK,
    EXIT_REQUIREMENT_FAILED,
    EXIT_RUNS_FAILED,
    ending_of,
    fail,
    say,
)
from gmat_sweep.cli.parser import make_parser
from gmat_sweep.console import fault_of_output, make_streams_tolerant
from gmat_sweep.printable import printable, printable_record

if TYPE_CHECKING:
    import argparse
    from types import TracebackType

__all__ = [
    "EXIT_BACKEND",
    "EXIT_CONFIG",
    "EXIT_DAMAGED",
    "EXIT_GENERIC",
    "EXIT_INCONCLUSIVE",
    "EXIT_MANIFEST",
    "EXIT_NOT_APPLICABLE",
    "EXIT_OK",
    "EXIT_REQUIREMENT_FAILED",
    "EXIT_RUNS_FAILED",
    "main",
]


def _init(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.study import init

    return init(arguments)


def _study(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.study import study

    return study(arguments)


def _table(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli import tables

    made = {"table": tables.table, "frame": tables.frame, "report": tables.report}
    return made[arguments.command](arguments)


def _export(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.exporting import export

    return export(arguments)


def _runs_needed(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.runs_needed import runs_needed

    return runs_needed(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.verify import verify

    return verify(arguments)


def _nights(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli import nights

    made = {"prune": pruning.prune, "evidence": nights.evidence, "creep": nights.creep}
    return made[arguments.action](arguments)


def _baseline(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli import nights

    return {"accept": nights.accept, "show": nights.show}[arguments.action](arguments)


def _ui(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.ui import ui

    return ui(arguments)


def _worker(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.prefect_worker import run_worker

    return run_worker(["--pool", arguments.pool, *arguments.prefect_arguments])


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": running.run_grid,
    "monte-carlo": running.run_random,
    "latin-hypercube": running.run_random,
    "sobol": running.run_random,
    "halton": running.run_random,
    "explicit": running.run_explicit,
    "init": _init,
    "study": _study,
    "resume": running.resume,
    "extend": running.extend,
    "show": reading.show,
    "doctor": reading.doctor,
    "archive": reading.archive,
    "compact": reading.compact,
    "replay": replaying.replay,
    "table": _table,
    "frame": _table,
    "report": _table,
    "export": _export,
    "verify": _verify,
    "engine": reading.engine,
    "runs-needed": _runs_needed,
    "nights": _nights,
    "baseline": _baseline,
    "sweeps": pruning.prune,
    "ui": _ui,
    "worker": _worker,
}

# These commands leave files. All others are for what they print.
_MAKERS = {*_COMMANDS} - {"show", "doctor", "engine", "report", "runs-needed", "ui"}


def entry_point() -> None:
    """Run ``gmat-sweep`` as a program.

    Ctrl-C ends the program by SIGINT, without a traceback; a second one while it ends does so at
    once. The code is that of the command, whether anybody reads its output or not. Only if the
    output is all that the command is for and cannot be written, the code is 1. Warnings are lines
    of standard error under the program's name.
    """
    make_streams_tolerant()
    _speak_plainly()
    _end_quietly_by_interrupt()
    try:
        code = _code_of_main()
        if fault := fault_of_output():
            say(f"standard output cannot be written to: {fault}")
            code = code or EXIT_GENERIC * _only_tells()
    except KeyboardInterrupt:
        # From here on the next Ctrl-C ends the process, whatever Python still has to do.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        say("interrupted")
        # Python then ends the process by SIGINT, as a shell expects.
        raise
    sys.exit(code)


def _only_tells() -> bool:
    """Whether the command is for what it prints, and leaves no file."""
    return not _MAKERS & set(sys.argv[1:2])


def _code_of_main() -> int:
    """Return the code of `main`, argparse's included: standard output is still to be flushed."""
    try:
        return main()
    except SystemExit as stop:
        if not isinstance(stop.code, int):
            raise
        return stop.code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        One of the module's ``EXIT_`` codes.

    Raises
    ------
    SystemExit
        As argparse raises it: with code 0 after ``--help``, with `EXIT_CONFIG` for words that are
        no command.
    """
    parser = make_parser()
    arguments = parser.parse_args(argv)
    if arguments.version:
        from gmat_sweep import __version__

        print(f"gmat-sweep {__version__}")
        return EXIT_OK
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return EXIT_CONFIG
    try:
        return _COMMANDS[arguments.command](arguments)
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        return fail(*ending)


def _end_quietly_by_interrupt() -> None:
    """Print no traceback of a KeyboardInterrupt, wherever Ctrl-C meets the program as it ends."""
    said, said_of_ignored = sys.excepthook, sys.unraisablehook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            said(kind, error, trace)

    def hook_of_ignored(ignored: sys.UnraisableHookArgs) -> None:
        if not issubclass(ignored.exc_type, KeyboardInterrupt):
            said_of_ignored(ignored)

    sys.excepthook, sys.unraisablehook = hook, hook_of_ignored


def _speak_plainly() -> None:
    """Print warnings and log lines of this package as messages of the program."""

    def plainly(message: Warning | str, *_: object, **__: object) -> str:
        return f"gmat-sweep: warning: {printable(message)}\n"

    warnings.formatwarning = plainly
    console = logging.StreamHandler()
    console.setFormatter(logging.Formatter("gmat-sweep: %(message)s"))
    # The filter of the package's logger does not see the records of loggers below it.
    console.addFilter(printable_record)
    logger = logging.getLogger("gmat_sweep")
    logger.addHandler(console)
    # Prefect prints what reaches the root logger: each line would stand there twice.
    logger.propagate = False
