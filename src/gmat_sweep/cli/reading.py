"""The commands that start no run: show, doctor, archive, replay and engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_DAMAGED, EXIT_OK, ManifestProblemError, say
from gmat_sweep.cli.inputs import existing_script, loaded_manifest
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse

__all__ = ["archive", "doctor", "engine", "replay", "show"]


def show(arguments: argparse.Namespace) -> int:
    """Print what a manifest holds."""
    from gmat_sweep.cli import show as text

    if arguments.filter is not None and not arguments.detail:
        raise SweepConfigError("--filter requires --detail. Add --detail.")
    manifest = loaded_manifest(arguments.manifest)
    entries = manifest.entries
    if arguments.run is not None:
        chosen = [entry for entry in entries if entry.run_id == arguments.run]
        if not chosen:
            raise ManifestProblemError(f"{arguments.manifest} has no entry for run {arguments.run}")
        print(text.run_page(chosen[0]))
        return EXIT_OK
    if arguments.detail:
        print(text.detail_table(entries, arguments.filter))
    folder = text.sweep_folder(manifest, Path(arguments.manifest))
    print(text.summary_line(entries, folder))
    # On standard error: a program that reads standard output gets the summary line alone.
    if missing := text.missing_line(manifest, arguments.manifest):
        say(missing)
    if interruption := text.interruption_line(Path(arguments.manifest).parent):
        say(interruption)
    if not arguments.detail:
        for line in text.failure_lines(entries):
            say(f"failed: {line}")
    return EXIT_OK


def doctor(arguments: argparse.Namespace) -> int:
    """Print whether a sweep folder is sound, and repair it if asked to."""
    from gmat_sweep.doctor import check_sweep

    health = check_sweep(arguments.folder, repair=arguments.repair)
    print(health)
    return EXIT_OK if health.is_healthy else EXIT_DAMAGED


def archive(arguments: argparse.Namespace) -> int:
    """Write a sweep as one zip file."""
    from gmat_sweep.archive import archive_sweep
    from gmat_sweep.cli.show import summary_line, sweep_folder

    script = existing_script(arguments.script)
    manifest = loaded_manifest(arguments.manifest)
    folder = sweep_folder(manifest, Path(arguments.manifest))
    written = archive_sweep(
        manifest,
        folder,
        script,
        arguments.out,
        include_logs=arguments.include_logs,
        allow_script_drift=arguments.allow_script_drift,
    )
    print(summary_line(manifest.entries, folder))
    print(f"archive: {written}")
    return EXIT_OK


def replay(arguments: argparse.Namespace) -> int:
    """Write the script that a run flew, with all that it needs."""
    from gmat_sweep.sweep.replaying import replay_run

    loaded_manifest(arguments.manifest)
    script = replay_run(
        arguments.manifest,
        arguments.run,
        arguments.out or f"replay-{arguments.run}",
        script=arguments.script,
        allow_script_drift=arguments.allow_script_drift,
    )
    print(f"script: {script}")
    return EXIT_OK


def engine(arguments: argparse.Namespace) -> int:
    """Print which GMAT engine is used, where it is and what it lacks."""
    del arguments
    from gmat_sweep.backends.process.worker_process import WorkerProcess
    from gmat_sweep.engine import NOTABLE_TYPES, activate
    from gmat_sweep.mission.script import is_member

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
