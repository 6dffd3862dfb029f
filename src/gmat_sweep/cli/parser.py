"""The command line's grammar."""

from __future__ import annotations

import argparse

from gmat_sweep.cli.endings import EXIT_CODES
from gmat_sweep.cli.inputs import manifest_in
from gmat_sweep.cli.parser_export import add_export
from gmat_sweep.cli.parser_parts import SEE_CODES, Commands, Parser, command_of, whole_number
from gmat_sweep.cli.parser_upkeep import add_upkeep

__all__ = ["make_parser"]

_EPILOG = """\
examples:
  gmat-sweep run leo.script --grid Sat.SMA=7000:7100:5 --grid Sat.INC=28.5,51.6 --out grid
  gmat-sweep monte-carlo leo.script --n 200 --seed 42 \\
      --perturb Sat.SMA=normal:7000:5 --out mc --frame mc.parquet
  gmat-sweep resume mc
  gmat-sweep show mc --detail --filter failed

exit codes:
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``gmat-sweep``."""
    codes = "".join(f"  {code}  {meaning}\n" for code, meaning in EXIT_CODES.items())
    parser = Parser(
        prog="gmat-sweep",
        description="Parameter sweeps and Monte Carlo dispersions over NASA GMAT missions.",
        epilog=_EPILOG + codes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_sweeps(commands)
    _add_continuations(commands)
    _add_studies(commands)
    _add_readers(commands)
    _add_tables(commands)
    _add_verification(commands)
    _add_verdicts(commands)
    add_upkeep(commands)
    return parser


def _add_sweeps(commands: Commands) -> None:
    run = _sweep_command(commands, "run", "run every combination of a grid")
    run.add_argument(
        "--grid",
        action="append",
        required=True,
        metavar="SPEC",
        help="name=lo:hi:count (evenly spaced, ends included) or name=v1,v2; repeat for more axes",
    )
    for name, summary in (
        ("monte-carlo", "run independent draws of the perturbed fields"),
        ("latin-hypercube", "run a Latin hypercube of the perturbed fields"),
        ("sobol", "run the points of a scrambled Sobol' sequence"),
        ("halton", "run the points of a scrambled Halton sequence"),
    ):
        command = _sweep_command(commands, name, summary)
        if name == "monte-carlo":
            command.add_argument(
                "--n",
                type=whole_number,
                help="how many runs; with --until-decided how many before the first look, a batch "
                "when not given",
            )
            _verdict_flags(command)
        else:
            command.add_argument("--n", type=whole_number, required=True, help="how many runs")
        command.add_argument(
            "--perturb",
            action="append",
            required=True,
            metavar="SPEC",
            help="name=normal:mean:sigma, name=uniform:low:high, name=delta_normal:15@3, "
            "name=choice:a|b, Sat=covariance:state.opm or another distribution (docs/draws.md); "
            "repeat for more fields",
        )
        command.add_argument("--seed", type=whole_number, help="drawn and recorded when not given")
    explicit = _sweep_command(commands, "explicit", "run the rows of a table")
    explicit.add_argument(
        "--samples",
        required=True,
        metavar="PATH",
        help=".csv or .parquet: one run per row, one column per field",
    )


def _add_continuations(commands: Commands) -> None:
    resume = command_of(commands, "resume", "run what is missing, failed or damaged")
    extend = command_of(commands, "extend", "add runs to a finished Monte Carlo")
    extend.add_argument(
        "--n", type=whole_number, help="how many runs to add; not with --until-decided"
    )
    _verdict_flags(extend)
    extend.add_argument(
        "--allow-failed",
        action="store_true",
        help="go on though runs failed of a crash, a limit, a hook or the disk, which a resume "
        "would fly again; those that failed in the mission never hinder",
    )
    for command in (resume, extend):
        _manifest(command)
        _script(command)
        command.add_argument(
            "--out", metavar="PATH", help="the sweep folder; the manifest's own by default"
        )
        command.add_argument(
            "--postprocess",
            metavar="MODULE:FUNCTION",
            help="the manifest's hook, named again, and looked for in the current folder, too; "
            "that of a manifest which another user or machine wrote is called only then",
        )
        command.add_argument(
            "--trust-hook",
            action="store_true",
            help="trust all hooks, scripts and folders that such a manifest names",
        )
        _execution_flags(command)


def _add_readers(commands: Commands) -> None:
    show = command_of(commands, "show", "say what a manifest holds, and why runs failed")
    _manifest(show)
    what = show.add_mutually_exclusive_group()
    what.add_argument("--detail", action="store_true", help="a line per run, failed first")
    what.add_argument("--run", type=whole_number, metavar="N", help="everything about one run")
    show.add_argument(
        "--filter", choices=("ok", "failed", "skipped"), help="with --detail: only these runs"
    )
    doctor = command_of(commands, "doctor", "check everything in a sweep folder, and mend it")
    doctor.add_argument("folder", metavar="FOLDER", help="the sweep folder")
    doctor.add_argument(
        "--repair",
        action="store_true",
        help="move what is damaged into a quarantine folder and rebuild the manifest, so that a "
        "resume flies what was lost",
    )
    archive = command_of(commands, "archive", "pack a sweep into one zip file that reproduces it")
    _manifest(archive)
    _script(archive)
    archive.add_argument("--out", required=True, metavar="ZIP", help="the file to write")
    archive.add_argument("--include-logs", action="store_true", help="pack the runs' logs too")
    archive.add_argument(
        "--trust-files",
        action="store_true",
        help="pack files outside of the sweep's folders too, which the manifest names",
    )
    compact = command_of(
        commands, "compact", "copy the tables of all runs into few files, which are read faster"
    )
    _manifest(compact)
    folders = compact.add_mutually_exclusive_group()
    folders.add_argument(
        "--pack",
        action="store_true",
        help="then pack the folders of the runs into few zip files, and remove them",
    )
    folders.add_argument(
        "--unpack", action="store_true", help="only bring the folders of packed runs back"
    )
    replay = command_of(
        commands, "replay", "write the script that a run flew, for GMAT itself to open and fly"
    )
    replay.add_argument(
        "place",
        metavar="MANIFEST",
        help="manifest.jsonl, or its folder; with --check the folder of a replay",
    )
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--run", type=whole_number, metavar="N", help="one run")
    which.add_argument(
        "--worst",
        type=whole_number,
        metavar="K",
        help="the K runs that miss the requirement most: failed ones, then by their margin",
    )
    which.add_argument(
        "--violating",
        action="store_true",
        help="the runs that violate the requirement, at most the 20 worst",
    )
    which.add_argument(
        "--check",
        action="store_true",
        help="fly a replay and say whether it is equal to the run that was recorded",
    )
    replay.add_argument("--requirement", metavar="NAME", help="the requirement")
    replay.add_argument(
        "--requirements",
        metavar="FILE",
        help="the requirements, or the study that has them; those of the last `verify` by default",
    )
    replay.add_argument(
        "--out",
        metavar="PATH",
        help="the folder to write; by default replay-N here, or replay with a folder for each run",
    )
    replay.add_argument(
        "--no-hook", action="store_true", help="with --check: do not call the run's hook"
    )
    replay.add_argument(
        "--trust-hook",
        action="store_true",
        help="with --check: call the hook also of a replay from another user or another machine",
    )
    _script(replay)
    command_of(commands, "engine", "say which GMAT engine is used, where it is and what it lacks")


def _add_tables(commands: Commands) -> None:
    table = command_of(commands, "table", "write a row per run: status, inputs and outputs")
    frame = command_of(commands, "frame", "write a report of all runs as one frame")
    for command in (table, frame):
        _manifest(command)
        command.add_argument(
            "--out",
            required=True,
            metavar="PATH",
            help=".parquet or .csv; a table that this sweep wrote before is replaced, any other "
            "file is not",
        )
    table.add_argument(
        "--reduce",
        action="append",
        default=[],
        metavar="HOW:REPORT.QUANTITY",
        help="a further column, such as min:RF.Sat.Earth.Altitude; first, min, max, mean, range",
    )
    frame.add_argument("--name", metavar="REPORT", help="which ReportFile, where there are several")
    report = command_of(
        commands, "report", "print the report of a sweep, or write it as a page to send"
    )
    _manifest(report)
    report.add_argument(
        "--html",
        metavar="FILE",
        help="write one .html file that needs no network: plots, verdicts, "
        "statistics, failures, all runs; an earlier page is replaced, any other file is not",
    )
    report.add_argument(
        "--requirements",
        metavar="FILE",
        help="with --html: judge by these, or by the study that has them; by default the page has "
        "the verdicts of verdicts.json, if it is there",
    )
    report.add_argument(
        "--plan", choices=("fixed", "anytime"), help="with --requirements: as for verify"
    )
    report.add_argument(
        "--plots",
        metavar="FOLDER",
        help="write the pictures of the sweep, each as a file, for slides",
    )
    report.add_argument(
        "--format", choices=("png", "pdf"), default="png", help="with --plots (default png)"
    )
    add_export(commands)


def _add_verification(commands: Commands) -> None:
    verify = command_of(commands, "verify", "say which requirements a sweep is shown to meet")
    _manifest(verify)
    verify.add_argument(
        "--requirements",
        required=True,
        metavar="FILE",
        help="the requirements, or the study that has them: .toml, .yaml, .json",
    )
    verify.add_argument(
        "--plan",
        choices=("fixed", "anytime"),
        help="fixed: the runs that the sweep was started with; anytime: all, looked at and "
        "extended whenever one likes; by default what was chosen before, or else fixed",
    )
    verify.add_argument(
        "--allow-drift",
        action="store_true",
        help="judge runs together that were flown with different scripts, engines, hooks or data",
    )
    verify.add_argument("--json", action="store_true", help="print what verdicts.json holds")
    verify.add_argument(
        "--out",
        metavar="PATH",
        help="the folder of verdicts.json and verdicts.md; that of the manifest by default",
    )


def _add_studies(commands: Commands) -> None:
    init = command_of(commands, "init", "write an example mission and a study to begin with")
    init.add_argument(
        "folder", metavar="FOLDER", nargs="?", default=".", help="where; the current folder"
    )
    actions = command_of(commands, "study", "fly or check a study file").add_subparsers(
        dest="what", metavar="ACTION", required=True
    )
    summaries = {
        "run": "fly a study",
        "check": "say what a study would do: draws, time, disk and server, from one trial run",
    }
    for name, summary in summaries.items():
        command = actions.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=SEE_CODES,
        )
        command.add_argument("file", metavar="FILE", help="the study: .toml or .yaml")
        command.add_argument("--n", type=whole_number, help="how many runs, instead of the file's")
        command.add_argument("--seed", type=whole_number, help="the seed, instead of the file's")
        command.add_argument("--out", metavar="PATH", help="the folder, instead of the file's")
        command.add_argument(
            "--workers", type=whole_number, metavar="N", help="runs at once, instead of the file's"
        )
        command.add_argument(
            "--nominal",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="whether the undispersed mission flies as well, instead of what the file says",
        )
        command.add_argument(
            "--requirements",
            metavar="FILE",
            help="what the mission must do, instead of the file's; judged at the end",
        )
        command.add_argument(
            "--plan", choices=("fixed", "anytime"), help="the rule, instead of the file's"
        )
        for option, what in (
            ("--max-runs", "fly until it is decided, and no more runs than this"),
            ("--batch", "how many runs from one look to the next"),
        ):
            command.add_argument(
                option, type=whole_number, metavar="N", help=f"{what}, instead of the file's"
            )
        if name == "check":
            command.add_argument(
                "--draws", metavar="PATH", help="also write the values of all runs as .csv"
            )
            continue
        command.add_argument(
            "--quiet", action="store_true", help="no progress bar and no word of the flow run"
        )
    schema = actions.add_parser("schema", help="print the JSON schema of a study, for editors")
    schema.add_argument("--out", metavar="PATH", help="write it to a file instead")


def _add_verdicts(commands: Commands) -> None:
    needed = command_of(
        commands,
        "runs-needed",
        "say how many runs show that a requirement is met, and what it takes",
    )
    needed.add_argument(
        "--probability",
        required=True,
        metavar="SHARE",
        help="the share of runs that must meet it: 0.997 or 99.7%%",
    )
    needed.add_argument(
        "--confidence", required=True, metavar="SHARE", help="how surely it must be shown: 90%%"
    )
    needed.add_argument(
        "--expect",
        metavar="SHARE",
        help="the share of violations that is expected: also name the smallest sample that then "
        "passes",
    )
    needed.add_argument(
        "--power",
        metavar="SHARE",
        default="90%",
        help="with --expect: its chance to pass (default 90%%)",
    )
    needed.add_argument(
        "--from",
        dest="source",
        type=manifest_in,
        metavar="MANIFEST",
        help="a sweep of the mission, or its folder: also say the time and the disk space, by its "
        "runs per second and bytes per run",
    )


def _sweep_command(commands: Commands, name: str, summary: str) -> argparse.ArgumentParser:
    command = command_of(commands, name, summary)
    command.add_argument("script", metavar="SCRIPT", help="the GMAT mission script")
    command.add_argument("--out", required=True, metavar="PATH", help="the sweep folder to write")
    command.add_argument(
        "--postprocess",
        metavar="MODULE:FUNCTION",
        help="a hook to call after each successful run; its module may be in the current folder",
    )
    command.add_argument(
        "--nominal",
        action="store_true",
        help="fly the undispersed mission as well, as run -1, which no statistic counts",
    )
    command.add_argument(
        "--end-state",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="give a mission that reports nothing a report of its end state (default)",
    )
    if name != "monte-carlo":
        # Taken to be refused in words that say what to do.
        command.add_argument("--requirements", help=argparse.SUPPRESS)
    _execution_flags(command)
    return command


def _verdict_flags(command: argparse.ArgumentParser) -> None:
    judged = command.add_argument_group("what the runs are judged by")
    judged.add_argument(
        "--requirements",
        metavar="FILE",
        help="judge the runs at the end, as verify does: the requirements, or the study that has "
        "them; they are in the manifest before the first run",
    )
    judged.add_argument(
        "--plan",
        choices=("fixed", "anytime"),
        help="as of verify; --until-decided is anytime",
    )
    judged.add_argument(
        "--until-decided",
        action="store_true",
        help="judge after each batch, and add runs until the campaign is PASS or FAIL",
    )
    judged.add_argument(
        "--max-runs",
        type=whole_number,
        metavar="N",
        help="with --until-decided: how many runs the sweep has at most (default 10000)",
    )
    judged.add_argument(
        "--batch",
        type=whole_number,
        metavar="N",
        help="with --until-decided: how many runs from one look to the next; by default a "
        "twentieth of the least number that can pass, and at least 50",
    )


def _manifest(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "manifest",
        type=manifest_in,
        metavar="MANIFEST",
        help="the sweep's manifest.jsonl, or the folder that it is in",
    )


def _script(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--script",
        metavar="SCRIPT",
        help="the mission script, where it is no longer where the manifest says",
    )
    command.add_argument(
        "--allow-script-drift", action="store_true", help="accept a mission that has changed"
    )


def _execution_flags(command: argparse.ArgumentParser) -> None:
    first = command.add_argument_group("before anything is flown")
    first.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be flown: draws, time, disk and server, from one trial run; "
        "nothing is written to the sweep folder",
    )
    first.add_argument(
        "--draws", metavar="PATH", help="with --dry-run: also write the values of all runs as .csv"
    )
    where = command.add_argument_group("where and how runs execute")
    where.add_argument(
        "--workers",
        type=whole_number,
        default=-1,
        metavar="N",
        help="runs at once; -1 (default) is one per core",
    )
    where.add_argument(
        "--backend",
        choices=("local", "process", "dask", "ray"),
        default="local",
        help="local (default): worker processes kept from run to run; process: a fresh one for "
        "every run; dask, ray: the workers of a cluster",
    )
    where.add_argument(
        "--backend-arg",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of dask or ray, repeatable, such as address=tcp://host:8786 or "
        "cluster_kwargs.queue=short",
    )
    where.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="end a run that takes longer"
    )
    where.add_argument(
        "--memory-limit", metavar="SIZE", help="end a run that needs more: 2GiB, 500MB"
    )
    where.add_argument(
        "--retries",
        type=whole_number,
        default=1,
        metavar="N",
        help="further tries after a worker crashed or was killed (default 1)",
    )
    where.add_argument(
        "--fsync-each",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="put each manifest line on disk before the run counts (default)",
    )
    where.add_argument(
        "--fsync-batch",
        type=whole_number,
        default=50,
        metavar="N",
        help="with --no-fsync-each: every N lines (default 50)",
    )
    result = command.add_argument_group("what comes out")
    result.add_argument(
        "--frame",
        metavar="PATH",
        help="also write the report of all runs as one table, .parquet or .csv, with the columns "
        "run_id, time and __status; a frame that this sweep wrote before is replaced, any other "
        "file is not",
    )
    result.add_argument(
        "--name", metavar="REPORT", help="with --frame: which ReportFile, where there are several"
    )
    result.add_argument(
        "--unconverged",
        choices=("ok", "failed"),
        default="ok",
        help="what a run is that has a solver which did not converge: ok (default) or failed; a "
        "sweep that was begun with failed keeps it",
    )
    result.add_argument(
        "--max-failed",
        metavar="N|P%",
        help="exit with code 5 when more runs fail; by default only when all do",
    )
    result.add_argument(
        "--quiet", action="store_true", help="no progress bar and no word of the flow run"
    )
