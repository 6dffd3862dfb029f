"""The command ``gmat-sweep``.

`main` returns an exit code and writes an error as one message to standard error. A command imports
the heavy libraries that it needs; other commands do not load them.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gmat_sweep.cli import reading, running
from gmat_sweep.cli.endings import (
    EXIT_BACKEND,
    EXIT_CONFIG,
    EXIT_DAMAGED,
    EXIT_GENERIC,
    EXIT_MANIFEST,
    EXIT_OK,
    EXIT_RUNS_FAILED,
    ending_of,
    fail,
    say,
)
from gmat_sweep.cli.parser import make_parser

if TYPE_CHECKING:
    import argparse

__all__ = [
    "EXIT_BACKEND",
    "EXIT_CONFIG",
    "EXIT_DAMAGED",
    "EXIT_GENERIC",
    "EXIT_MANIFEST",
    "EXIT_OK",
    "EXIT_RUNS_FAILED",
    "main",
]

_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": running.run_grid,
    "monte-carlo": running.run_random,
    "latin-hypercube": running.run_random,
    "explicit": running.run_explicit,
    "resume": running.resume,
    "extend": running.extend,
    "show": reading.show,
    "doctor": reading.doctor,
    "archive": reading.archive,
    "replay": reading.replay,
    "engine": reading.engine,
}


def entry_point() -> None:
    """Run ``gmat-sweep`` as a program.

    Ctrl-C ends the program by SIGINT. If a reader of its output goes away, it ends with code 1.
    Neither prints a traceback. Warnings are lines of standard error under the program's name.
    """
    _speak_plainly()
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as `head` has seen enough. Python would complain again when it exits, as it
        # flushes standard output: send that to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_GENERIC
    except KeyboardInterrupt:
        say("interrupted")
        # Python then ends the process by SIGINT, as a shell expects; the hook prints no traceback.
        sys.excepthook = lambda *_: None
        raise
    sys.exit(code)


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
    """
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_CONFIG
    if arguments.version:
        from gmat_sweep import __version__

        print(f"gmat-sweep {__version__}")
        return EXIT_OK
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return EXIT_CONFIG
    try:
        return _COMMANDS[arguments.command](arguments)
    except BrokenPipeError:
        raise
    except Exception as error:
        ending = ending_of(error)
        if ending is None:
            raise
        return fail(*ending)


def _speak_plainly() -> None:
    """Print warnings and log lines of this package as messages of the program."""

    def plainly(message: Warning | str, *_: object, **__: object) -> str:
        return f"gmat-sweep: warning: {message}\n"

    warnings.formatwarning = plainly
    console = logging.StreamHandler()
    console.setFormatter(logging.Formatter("gmat-sweep: %(message)s"))
    logger = logging.getLogger("gmat_sweep")
    logger.addHandler(console)
    # Prefect prints what reaches the root logger: each line would stand there twice.
    logger.propagate = False
