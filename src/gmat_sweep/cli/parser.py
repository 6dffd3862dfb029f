"""The command line's grammar."""

from __future__ import annotations

import argparse

__all__ = ["make_parser"]

_EXIT_CODES = """\
exit codes:
  0  done; runs that failed are reported, and counted by --max-failed
  1  another error
  2  the sweep cannot be started as asked
  3  the manifest is missing, damaged, or has no such run
  4  the execution back end failed
  5  every run failed, or more than --max-failed
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``gmat-sweep``."""
    parser = argparse.ArgumentParser(
        prog="gmat-sweep",
        description="Parameter sweeps and Monte Carlo dispersions over NASA GMAT missions.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    run = _sweep_command(commands, "run", "run every combination of a grid")
    run.add_argument(
        "--grid",
        action="append",
        required=True,
        metavar="SPEC",
        help="name=lo:hi:count or name=v1,v2; repeat for more axes",
    )
    for name, summary in (
        ("monte-carlo", "run independent draws of the perturbed fields"),
        ("latin-hypercube", "run a Latin hypercube of the perturbed fields"),
    ):
        command = _sweep_command(commands, name, summary)
        command.add_argument("--n", type=int, required=True, help="how many runs")
        command.add_argument(
            "--perturb",
            action="append",
            required=True,
            metavar="SPEC",
            help="name=normal:mean:sigma, name=uniform:low:high or name=lognormal:mu:sigma",
        )
        command.add_argument("--seed", type=int, help="drawn and recorded when not given")
    explicit = _sweep_command(commands, "explicit", "run the rows of a table")
    explicit.add_argument(
        "--samples", required=True, metavar="PATH", help=".csv or .parquet, one run per row"
    )

    resume = commands.add_parser(
        "resume", help="run what is missing or failed", description="Run what is missing or failed."
    )
    resume.add_argument("manifest", metavar="MANIFEST")
    resume.add_argument("--script", required=True, help="the mission script of the sweep")
    resume.add_argument("--out", help="the sweep folder; the manifest's own by default")
    resume.add_argument(
        "--allow-script-drift", action="store_true", help="accept a script that has changed"
    )
    _execution_flags(resume)

    show = commands.add_parser(
        "show", help="say what a manifest holds", description="Say what a manifest holds."
    )
    show.add_argument("manifest", metavar="MANIFEST")
    what = show.add_mutually_exclusive_group()
    what.add_argument("--detail", action="store_true", help="a line per run, failed first")
    what.add_argument("--run", type=int, metavar="N", help="everything about one run")
    show.add_argument(
        "--filter", choices=("ok", "failed", "skipped"), help="with --detail: only these runs"
    )

    commands.add_parser(
        "engine",
        help="say which GMAT engine is used",
        description="Say which GMAT engine is used, where it is and what it lacks.",
    )
    return parser


def _sweep_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    command.add_argument("script", metavar="SCRIPT", help="the GMAT mission script")
    command.add_argument("--out", required=True, metavar="PATH", help="the sweep folder to write")
    _execution_flags(command)
    return command


def _execution_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers", type=int, default=-1, help="runs at once; -1 (default) is one per core"
    )
    command.add_argument(
        "--backend", choices=("local",), default="local", help="where runs execute"
    )
    command.add_argument(
        "--backend-arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the back end; repeatable",
    )
    command.add_argument(
        "--fsync-each",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="put each manifest line on disk before the run counts",
    )
    command.add_argument(
        "--fsync-batch", type=int, default=50, metavar="N", help="without it, every N lines"
    )
    command.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="end a run that takes longer"
    )
    command.add_argument(
        "--retries",
        type=int,
        default=1,
        metavar="N",
        help="tries after a crashed, killed or timed-out worker (default 1)",
    )
    command.add_argument(
        "--max-failed",
        metavar="N|P%",
        help="exit with code 5 when more runs fail; by default only when all do",
    )
    command.add_argument("--quiet", action="store_true", help="no progress bar")
