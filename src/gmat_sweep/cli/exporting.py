"""The command that writes trajectories for other programs: export."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.cli.endings import EXIT_GENERIC, EXIT_OK, fail, tell
from gmat_sweep.cli.inputs import loaded_manifest
from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse

    from gmat_sweep.export import Exported

__all__ = ["export"]


def export(arguments: argparse.Namespace) -> int:
    """Write the trajectories of a sweep's runs as CZML, as OEM files, or both."""
    loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    if arguments.czml is None and arguments.oem is None:
        raise SweepConfigError("export needs --czml FILE or --oem FOLDER.")
    if arguments.tolerance is not None and arguments.czml is None:
        raise SweepConfigError("--tolerance needs --czml FILE; an OEM has all states.")
    from gmat_sweep.export import export_czml, export_oem

    choice = {
        "runs": arguments.runs,
        "sample": arguments.sample,
        "output": arguments.output,
        "system": arguments.system,
        "script": arguments.script,
    }
    try:
        if arguments.czml is not None:
            # Left out, the function's own tolerance holds.
            further = {} if arguments.tolerance is None else {"tolerance_m": arguments.tolerance}
            made = export_czml(path, arguments.czml, **choice, **further)
            _tell("czml", arguments.czml, made)
        if arguments.oem is not None:
            _tell("oem", arguments.oem, export_oem(path, arguments.oem, **choice))
    except ImportError as error:
        return fail(str(error), EXIT_GENERIC)
    except ValueError as error:
        if isinstance(error, SweepConfigError):
            raise
        raise SweepConfigError(str(error)) from error
    return EXIT_OK


def _tell(kind: str, place: str, made: Exported) -> None:
    files = "" if kind == "czml" else f", {len(made.files)} files"
    tell(f"{kind}: {place}: {len(made.run_ids)} runs{files}")
    for note in made.notes:
        tell(f"  {note}")
    if made.lacking:
        tell(f"  without a trajectory: run {run_list(made.lacking)}")
