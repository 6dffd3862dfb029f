"""The commands that read a sweep into a table or a text: table, frame and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.cli.endings import EXIT_GENERIC, EXIT_OK, fail, tell
from gmat_sweep.cli.inputs import loaded_manifest
from gmat_sweep.cli.table_file import TableFile
from gmat_sweep.disk.paths import absolute_path, user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    import pandas as pd

__all__ = ["frame", "report", "table"]


def table(arguments: argparse.Namespace) -> int:
    """Write a row per run: status, inputs, outputs."""
    from gmat_sweep.analysis import runs_table

    loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    file = TableFile.checked(arguments.out, path.parent, "--out")
    return _written(file, runs_table(path, _reductions(arguments.reduce)), "table")


def frame(arguments: argparse.Namespace) -> int:
    """Write the report of all runs as one frame."""
    from gmat_sweep.aggregate import lazy_multiindex
    from gmat_sweep.cli.show import sweep_folder

    manifest = loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    file = TableFile.checked(arguments.out, path.parent, "--out")
    try:
        whole = lazy_multiindex(manifest, sweep_folder(manifest, path), name=arguments.name)
    except (ValueError, TypeError) as error:
        raise SweepConfigError(str(error)) from error
    return _written(file, whole, "frame")


def report(arguments: argparse.Namespace) -> int:
    """Print the final report of a sweep in Markdown, or write it as a page and as pictures."""
    loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    if arguments.requirements is not None and arguments.html is None:
        raise SweepConfigError("--requirements needs --html FILE, the page with the verdicts.")
    if arguments.plan is not None and arguments.requirements is None:
        raise SweepConfigError("--plan needs --requirements FILE.")
    if arguments.html is None and arguments.plots is None:
        from gmat_sweep.analysis import sweep_report

        tell(sweep_report(path).to_markdown())
        return EXIT_OK
    try:
        if arguments.html is not None:
            tell(f"report: {_page(arguments, path)}")
        if arguments.plots is not None:
            from gmat_sweep.reporting import save_plots

            pictures = save_plots(path, arguments.plots, arguments.format)
            tell(f"pictures: {len(pictures)} in {arguments.plots}")
    except ImportError as error:
        return fail(str(error), EXIT_GENERIC)
    return EXIT_OK


def _page(arguments: argparse.Namespace, manifest: Path) -> str:
    """Write the page of a report, and return its path as it was typed."""
    from gmat_sweep.cli.verify import requirements_in_file
    from gmat_sweep.reporting import html_report

    asked = arguments.requirements
    if asked is not None:
        asked = requirements_in_file(absolute_path(asked, "requirements"))
    html_report(manifest, arguments.html, asked, arguments.plan)
    return str(arguments.html)


def _written(file: TableFile, made: pd.DataFrame, what: str) -> int:
    try:
        file.write(made)
    except (ValueError, TypeError, OSError) as error:
        return fail(f"--out {file.path} could not be written: {error}", EXIT_GENERIC)
    tell(f"{what}: {file.path}")
    return EXIT_OK


def _reductions(given: list[str]) -> dict[str, Any]:
    """Return what ``min:RF.Sat.Earth.Altitude`` asks for, by quantity."""
    wanted: dict[str, list[str]] = {}
    for text in given:
        how, colon, quantity = text.partition(":")
        if not colon or not quantity:
            raise SweepConfigError(
                f"--reduce {text!r} must be HOW:REPORT.QUANTITY, such as min:RF.Sat.Earth.Altitude."
            )
        wanted.setdefault(quantity, []).append(how)
    return wanted
