"""The command ``gmat-sweep``.

`main` returns an exit code and writes errors as one line to standard error; heavy libraries are
imported only by the command that needs them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.parser import make_parser
from gmat_sweep.errors import (
    BackendError,
    GmatSweepError,
    ManifestCorruptError,
    SweepConfigError,
)

if TYPE_CHECKING:
    import argparse

    from gmat_sweep.manifest import Manifest
    from gmat_sweep.plans import Plan
    from gmat_sweep.sweep import Sweep

__all__ = [
    "EXIT_BACKEND",
    "EXIT_CONFIG",
    "EXIT_GENERIC",
    "EXIT_MANIFEST",
    "EXIT_OK",
    "EXIT_RUNS_FAILED",
    "main",
]

EXIT_OK = 0
EXIT_GENERIC = 1
EXIT_CONFIG = 2
EXIT_MANIFEST = 3
EXIT_BACKEND = 4
EXIT_RUNS_FAILED = 5


class _ManifestProblem(Exception):  # noqa: N818 - carries a message to `main`, nothing else
    pass


def entry_point() -> None:
    """Run ``gmat-sweep`` as a program.

    Ctrl-C ends it by SIGINT, and a reader of its output that goes away ends it with code 1; both
    without a traceback.
    """
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output, such as `head`, has seen enough; nor may the exit complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_GENERIC
    except KeyboardInterrupt:
        print("gmat-sweep: interrupted", file=sys.stderr)
        # Python itself then ends the process by SIGINT, which is what a shell expects to see.
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
    except SweepConfigError as error:
        return _fail(str(error), EXIT_CONFIG)
    except ManifestCorruptError as error:
        place = f"{error.path}:{error.line_number}" if error.line_number else str(error.path)
        return _fail(f"{error} ({place})", EXIT_MANIFEST)
    except _ManifestProblem as error:
        return _fail(str(error), EXIT_MANIFEST)
    except BackendError as error:
        return _fail(f"backend error: {error}", EXIT_BACKEND)
    except GmatSweepError as error:
        return _fail(str(error), EXIT_GENERIC)


def _fail(message: str, code: int) -> int:
    print(f"gmat-sweep: {message}", file=sys.stderr)
    return code


# --- sweeps --------------------------------------------------------------------------------------


def _run_grid(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.arguments import parse_grid
    from gmat_sweep.plans import grid_plan

    grid = parse_grid(arguments.grid)
    return _run_plan(arguments, lambda script, folder: grid_plan(grid, script, folder))


def _run_random(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.arguments import parse_perturb
    from gmat_sweep.plans import latin_hypercube_plan, monte_carlo_plan

    make = monte_carlo_plan if arguments.command == "monte-carlo" else latin_hypercube_plan
    perturb = parse_perturb(arguments.perturb)
    return _run_plan(
        arguments,
        lambda script, folder: make(perturb, arguments.n, arguments.seed, script, folder),
    )


def _run_explicit(arguments: argparse.Namespace) -> int:
    from gmat_sweep.plans import samples_plan

    path = Path(arguments.samples)
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise SweepConfigError(
            f"--samples {path} is not supported. Give a .csv or a .parquet file."
        )
    if not path.is_file():
        raise SweepConfigError(f"--samples {path} was not found. Check the path.")
    import pandas as pd

    try:
        samples = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SweepConfigError(
            f"--samples {path} cannot be read: {reason}. Give a table with one run per row."
        ) from error
    return _run_plan(arguments, lambda script, folder: samples_plan(samples, script, folder))


def _run_plan(arguments: argparse.Namespace, make: Callable[[Path, Path], Plan]) -> int:
    script = _existing_script(arguments.script)
    folder = Path(arguments.out)
    plan = make(script, folder.absolute())

    def sweep_on(pool: object, options: dict[str, object]) -> Sweep:
        from gmat_sweep.sweep import Sweep

        return Sweep(
            runs=plan.runs,
            backend=pool,  # type: ignore[arg-type]
            manifest_path=folder / "manifest.jsonl",
            output_dir=folder,
            script_path=script,
            parameter_spec=plan.parameter_spec,
            sweep_seed=plan.seed,
            **options,  # type: ignore[arg-type]
        ).run()

    return _execute(arguments, sweep_on, len(plan.runs), folder)


def _resume(arguments: argparse.Namespace) -> int:
    from gmat_sweep.sweep import Sweep

    script = _existing_script(arguments.script)
    manifest = _load(arguments.manifest)
    folder = (
        Path(arguments.manifest).parent if arguments.out is None else Path(arguments.out).resolve()
    )

    def sweep_on(pool: object, options: dict[str, object]) -> Sweep:
        return Sweep.from_manifest(
            arguments.manifest,
            script,
            backend=pool,  # type: ignore[arg-type]
            output_dir=folder,
            allow_script_drift=arguments.allow_script_drift,
            **options,  # type: ignore[arg-type]
        ).resume()

    return _execute(arguments, sweep_on, manifest.total_run_count, folder)


def _execute(
    arguments: argparse.Namespace,
    sweep_on: Callable[[object, dict[str, object]], Sweep],
    total: int,
    folder: Path,
) -> int:
    from gmat_sweep.backends.joblib import LocalJoblibPool
    from gmat_sweep.cli.arguments import max_failed, parse_backend_args
    from gmat_sweep.cli.show import failure_lines, summary_line

    if parse_backend_args(arguments.backend_arg):
        raise SweepConfigError("--backend-arg is not supported with --backend local. Leave it out.")
    allowed = None if arguments.max_failed is None else max_failed(arguments.max_failed, total)
    options: dict[str, object] = {
        "progress": not arguments.quiet,
        "fsync_each": arguments.fsync_each,
        "fsync_batch": arguments.fsync_batch,
        "timeout": arguments.timeout,
        "retries": arguments.retries,
    }
    try:
        with LocalJoblibPool(arguments.workers) as pool:
            sweep = sweep_on(pool, options)
    except KeyboardInterrupt:
        _say_how_to_resume(arguments, folder)
        raise
    entries = sweep.to_manifest().entries
    print(summary_line(entries, folder))
    failed = sum(entry.status == "failed" for entry in entries)
    if not failed:
        return EXIT_OK
    for line in failure_lines(entries):
        print(f"gmat-sweep: failed: {line}", file=sys.stderr)
    manifest_path = sweep.to_manifest().path
    print(f"gmat-sweep: see `gmat-sweep show {manifest_path} --detail`", file=sys.stderr)
    if failed == len(entries):
        return _fail("every run failed", EXIT_RUNS_FAILED)
    if allowed is not None and failed > allowed:
        return _fail(
            f"{failed} runs failed, more than --max-failed {arguments.max_failed}",
            EXIT_RUNS_FAILED,
        )
    return EXIT_OK


def _say_how_to_resume(arguments: argparse.Namespace, folder: Path) -> None:
    resuming = arguments.command == "resume"
    manifest = Path(arguments.manifest) if resuming else folder / "manifest.jsonl"
    if not manifest.exists():
        return
    from gmat_sweep.manifest import Manifest

    recorded = len(Manifest.load(manifest).entries)
    out = f" --out {arguments.out}" if resuming and arguments.out else ""
    print(
        f"\ngmat-sweep: {recorded} runs are recorded; go on with `gmat-sweep resume {manifest} "
        f"--script {arguments.script}{out}`",
        file=sys.stderr,
    )


def _existing_script(name: str) -> Path:
    script = Path(name).expanduser()
    if not script.is_file():
        raise SweepConfigError(f"script not found: {name}")
    return script.absolute()


# --- reading -------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.show import detail_table, run_page, summary_line

    if arguments.filter is not None and not arguments.detail:
        raise SweepConfigError("--filter requires --detail. Add --detail.")
    manifest = _load(arguments.manifest)
    if arguments.run is not None:
        chosen = [entry for entry in manifest.entries if entry.run_id == arguments.run]
        if not chosen:
            raise _ManifestProblem(f"{arguments.manifest} has no entry for run {arguments.run}")
        print(run_page(chosen[0]))
        return EXIT_OK
    if arguments.detail:
        print(detail_table(manifest.entries, arguments.filter))
    print(summary_line(manifest.entries, Path(arguments.manifest).parent))
    return EXIT_OK


def _load(path: str) -> Manifest:
    from gmat_sweep.manifest import Manifest

    try:
        return Manifest.load(Path(path))
    except FileNotFoundError:
        raise _ManifestProblem(f"manifest not found: {path}") from None
    except OSError as error:
        raise _ManifestProblem(f"manifest cannot be read: {path}: {error.strerror}") from error


def _engine(arguments: argparse.Namespace) -> int:
    del arguments
    from gmat_sweep.backends.worker_process import WorkerProcess
    from gmat_sweep.engine import NOTABLE_TYPES, activate
    from gmat_sweep.mission_script import is_member

    engine = activate()
    worker = WorkerProcess()
    try:
        types = worker.inspect(None, {}).resource_types
    finally:
        worker.close()
    lacking = [name for name in NOTABLE_TYPES if not is_member(name, types)]
    print(f"engine:  {engine.describe()}")
    print(f"version: {engine.version}")
    print(f"root:    {engine.root}")
    print(
        f"data:    {engine.data_folder or 'as the engine came; add a folder with GMAT_SWEEP_DATA'}"
    )
    print(f"lacks:   {', '.join(lacking) or 'nothing of note'}")
    return EXIT_OK


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run_grid,
    "monte-carlo": _run_random,
    "latin-hypercube": _run_random,
    "explicit": _run_explicit,
    "resume": _resume,
    "show": _show,
    "engine": _engine,
}
