"""The commands of nights: ``baseline accept`` and ``show``, ``nights evidence`` and ``creep``."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_CONFIG, EXIT_OK, say, tell
from gmat_sweep.disk.paths import HOME_VARIABLE, absolute_path, user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse

__all__ = ["accept", "creep", "evidence", "folder_of_nights", "show"]


def folder_of_nights(given: str | None) -> Path:
    """Return the folder of nights that is named, or else the only one under ``GMAT_SWEEP_HOME``.

    Raises
    ------
    SweepConfigError
        None is named, and there is none or more than one.
    """
    from gmat_sweep.analysis.nightly.cohorts import missions_with_nights

    if given is not None:
        return absolute_path(given, "folder")
    home = absolute_path(os.environ.get(HOME_VARIABLE) or os.curdir, HOME_VARIABLE)
    found = missions_with_nights(home / "nights")
    if len(found) == 1:
        return found[0]
    names = ", ".join(each.name for each in found)
    has = f"the nights of more than one mission: {names}" if found else "no mission's nights"
    raise SweepConfigError(
        f"{home / 'nights'} has {has}. Name the folder of one mission's nights, such as "
        "nights/injection."
    )


def _night(given: str) -> Path:
    """Return the folder of a night: a path, or a name among the only nights there are."""
    path = absolute_path(given, "night")
    if path.exists() or len(Path(given).parts) != 1:
        return path
    return folder_of_nights(None) / given


def accept(arguments: argparse.Namespace) -> int:
    """Make a night the baseline, and print which one it is."""
    from gmat_sweep.analysis.nightly.baseline import accept, baseline_of

    record = accept(_night(arguments.night), note=arguments.note)
    found = baseline_of(record.parent)
    tell(f"{record}: {'' if found is None else found.text}")
    return EXIT_OK


def show(arguments: argparse.Namespace) -> int:
    """Print which night is the baseline; the code is 2 if there is none that can be used."""
    from gmat_sweep.analysis.nightly.baseline import baseline_of

    place = folder_of_nights(arguments.folder)
    if not place.is_dir():
        raise SweepConfigError(f"{place} is no folder. Name the folder of nights.")
    found = baseline_of(place)
    if found is None:
        say(f"{place} has no baseline. Accept a night with `gmat-sweep baseline accept NIGHT`.")
        return EXIT_CONFIG
    tell(found.text)
    if found.problem:
        say(found.problem)
        return EXIT_CONFIG
    return EXIT_OK


def evidence(arguments: argparse.Namespace) -> int:
    """Judge requirements over nights, and print the verdicts and what they stand on."""
    from gmat_sweep.analysis.nightly.accumulating import accumulated
    from gmat_sweep.cli.verify import exit_code_of

    requirements = user_path(arguments.requirements, "requirements")
    found = accumulated(folder_of_nights(arguments.folder), requirements, arguments.until)
    if arguments.json:
        tell(json.dumps(found.to_dict(), indent=1, allow_nan=False))
    else:
        tell(found.to_text())
    return exit_code_of(found.verdicts.verdict)


def creep(arguments: argparse.Namespace) -> int:
    """Print the quantities that have crept away from the baseline by the newest night."""
    from gmat_sweep.analysis.nightly.baseline import accepted
    from gmat_sweep.analysis.nightly.cohorts import all_nights
    from gmat_sweep.analysis.nightly.creep import creeping, drift_over
    from gmat_sweep.analysis.nightly.shifts import FIGURES
    from gmat_sweep.disk.files import write_file

    place = folder_of_nights(arguments.folder)
    nights = all_nights(place)
    baseline = accepted(place)
    if baseline is None:
        raise SweepConfigError(
            f"{place} has no baseline. Accept a night with `gmat-sweep baseline accept NIGHT`."
        )
    if not arguments.material > 0:
        raise SweepConfigError(f"--material {arguments.material:g}: it must be more than 0.")
    drift = drift_over([night for night in nights if night.name > baseline.name], baseline)
    if arguments.out is not None:
        out = absolute_path(arguments.out, "--out")
        if out.suffix != ".csv":
            raise SweepConfigError(f"--out {arguments.out}: name a .csv file.")
        write_file(out, drift.to_csv(index=False).encode())
    found = creeping(drift, arguments.material)
    for row in found.to_dict("records"):
        of, is_mean = FIGURES[row["figure"]], row["figure"] == "mean"
        by = row["shift"] if is_mean else row["away"] * row["sigma"]
        size = f" ({by:+.6g} {row['unit']}".rstrip() + ")" if math.isfinite(by) else ""
        tell(
            f"{row['quantity']}{'' if is_mean else f', {of}'}: "
            f"{row['away']:+.3g} sigma{size} from {baseline.name}, "
            f"by {row['per_night']:+.2g} sigma a night; material since {row['since']}"
        )
    later = drift["night"].nunique()
    say(f"{len(found)} of {drift['quantity'].nunique()} quantities are away over {later} nights")
    return EXIT_OK
