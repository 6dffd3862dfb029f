"""The commands that start no run: show, doctor, archive, compact and engine."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_DAMAGED, EXIT_OK, ManifestProblemError, say, tell
from gmat_sweep.cli.inputs import loaded_manifest, script_of
from gmat_sweep.console import reader_is_gone
from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Sequence

    from gmat_sweep.engine import Engine
    from gmat_sweep.worker import MissionFacts

__all__ = ["archive", "compact", "doctor", "engine", "show"]

_LACKS = "of a full GMAT: set GMAT_ROOT to one, or add data files with GMAT_SWEEP_DATA"


def show(arguments: argparse.Namespace) -> int:
    """Print what a manifest holds."""
    from gmat_sweep.analysis.outcomes import failure_notes, unconverged_line
    from gmat_sweep.analysis.varied import varied_text
    from gmat_sweep.cli import show as text

    if arguments.filter is not None and not arguments.detail:
        raise SweepConfigError("--filter requires --detail. Add --detail.")
    manifest = loaded_manifest(arguments.manifest)
    entries = manifest.entries
    if arguments.run is not None:
        chosen = [entry for entry in entries if entry.run_id == arguments.run]
        if not chosen:
            raise ManifestProblemError(f"{arguments.manifest} has no entry for run {arguments.run}")
        tell(text.run_page(chosen[0]))
        return EXIT_OK
    if arguments.detail:
        # A file or another program takes lines of any length.
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        table, left_out = text.detail_table(entries, arguments.filter, width)
        tell(table)
        if left_out:
            say(
                f"{left_out} further varied field{'s' * (left_out != 1)}: widen the terminal, pipe "
                "the output, or write `gmat-sweep table MANIFEST --out runs.csv`"
            )
    path = user_path(arguments.manifest, "manifest")
    folder = text.sweep_folder(manifest, path)
    tell(text.summary_line(entries, folder))
    for line in varied_text(manifest):
        say(line)
    # On standard error: a program that reads standard output gets the summary line alone.
    if missing := text.missing_line(manifest, arguments.manifest):
        say(missing)
    if interruption := text.interruption_line(path.parent):
        say(interruption)
    if line := text.verdict_line(arguments.manifest, path):
        say(line)
    if line := unconverged_line(entries):
        say(line)
    lines = text.failure_lines(entries)
    if arguments.detail:
        # The table has a line per run: here are the causes that it cuts off.
        shown = arguments.filter in {None, "failed"}
        lines = text.failure_lines(entries, None, cut_in_table=True) if shown else []
    for line in lines:
        say(f"failed: {line}")
    for note in failure_notes(entries) if arguments.filter in {None, "failed"} else ():
        say(note)
    # Of no use to somebody who has seen enough, as with `| head`.
    if (line := text.seconds_line(entries)) and not reader_is_gone():
        say(line)
    return EXIT_OK


def doctor(arguments: argparse.Namespace) -> int:
    """Print whether a sweep folder is sound, and repair it if asked to."""
    from gmat_sweep.doctor import check_sweep

    health = check_sweep(arguments.folder, repair=arguments.repair)
    tell(health)
    return EXIT_OK if health.is_healthy else EXIT_DAMAGED


def archive(arguments: argparse.Namespace) -> int:
    """Write a sweep as one zip file."""
    from gmat_sweep.archive import archive_sweep
    from gmat_sweep.cli.show import summary_line, sweep_folder
    from gmat_sweep.disk.owner import is_own

    manifest = loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    folder = sweep_folder(manifest, path)
    drift = arguments.allow_script_drift
    script = script_of(arguments.script, manifest, None, allow_drift=drift)
    # Somebody else's manifest may name any folder as its own: then that is no choice of the user.
    own_folder = folder if is_own(manifest.extra) else path.parent
    written = archive_sweep(
        manifest,
        own_folder,
        script,
        arguments.out,
        include_logs=arguments.include_logs,
        allow_script_drift=drift,
        trust_files=arguments.trust_files,
    )
    tell(summary_line(manifest.entries, folder))
    tell(f"archive: {written}")
    return EXIT_OK


def compact(arguments: argparse.Namespace) -> int:
    """Copy the tables of all runs of a sweep into few files."""
    from gmat_sweep.amounts import size_text
    from gmat_sweep.archive import compact, pack, unpack

    loaded_manifest(arguments.manifest)
    place = user_path(arguments.manifest, "manifest")
    if arguments.unpack:
        tell(f"compact: {unpack(place)} run folders are back")
        return EXIT_OK
    made = compact(place)
    tell(
        f"compact: {made.folder}: {made.tables} tables, {made.added} of them new; "
        f"parts: {made.parts}, {size_text(made.size)}"
    )
    for why, count in made.left_out.items():
        tell(f"  not copied, {why}: {count}")
    if arguments.pack:
        packed = pack(place)
        tell(
            f"pack: {packed.folder}: {packed.packed} run folders, now in {packed.files} files, "
            f"{size_text(packed.size)}"
        )
        for why, count in packed.left.items():
            tell(f"  not packed, {why}: {count}")
    return EXIT_OK


def engine(arguments: argparse.Namespace) -> int:
    """Print which GMAT engine is used, where it is and what it lacks."""
    del arguments
    from gmat_sweep.backends.process.worker_process import WorkerProcess
    from gmat_sweep.engine import activate

    engine = activate()
    worker = WorkerProcess()
    try:
        facts = worker.inspect(None, {})
    finally:
        worker.close()
    tell(f"engine:  {engine.describe()}")
    tell(f"version: {engine.version}")
    tell(f"root:    {engine.root}")
    tell(
        f"data:    {engine.data_folder or 'as the engine came; add a folder with GMAT_SWEEP_DATA'}"
    )
    lacking = {kind: names for kind, names in _lacking(engine, facts).items() if names}
    tell("lacks:   " + (_LACKS if lacking else "nothing of note"))
    for kind, names in lacking.items():
        listed = textwrap.fill(
            ", ".join(names), width=99, break_on_hyphens=False, break_long_words=False
        )
        tell(textwrap.indent(f"{kind}:\n{textwrap.indent(listed, '  ')}", "  "))
    return EXIT_OK


def _lacking(engine: Engine, facts: MissionFacts) -> dict[str, list[str]]:
    """Return what a full GMAT has and this engine has not, by kind."""
    from gmat_sweep import full_gmat
    from gmat_sweep.mission.script import is_member

    words = {kind: frozenset(names) for kind, names in facts.words.items()}
    named = {
        "resource types": [
            name for name in full_gmat.RESOURCE_TYPES if not is_member(name, facts.resource_types)
        ],
        "commands": _without(full_gmat.COMMANDS, words["command"]),
        "propagator types": _without(full_gmat.PROPAGATORS, words["propagator"]),
        "atmosphere models": _without(full_gmat.ATMOSPHERES, words["atmosphere"]),
        "parameters": _without(full_gmat.PARAMETERS, words["parameter"]),
    }
    if engine.source == "wheel":
        data = engine.root / "data"
        here = {each.relative_to(data).as_posix().casefold() for each in data.rglob("*.*")}
        named["data files"] = [each for each in full_gmat.DATA_FILES if each.casefold() not in here]
    return named


def _without(names: Sequence[str], present: Collection[str]) -> list[str]:
    return [name for name in names if name not in present]
