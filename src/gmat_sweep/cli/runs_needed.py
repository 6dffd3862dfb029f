"""The command ``gmat-sweep runs-needed``: how many runs, how long, how much disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_OK, ManifestProblemError, say, tell
from gmat_sweep.cli.inputs import loaded_manifest
from gmat_sweep.disk.paths import user_path
from gmat_sweep.folder.layout import run_folders
from gmat_sweep.limits import MOST_RUNS
from gmat_sweep.printable import one_line
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from gmat_sweep.verdicts.planning import Sample

__all__ = ["Pace", "pace_of", "runs_needed"]

_ALLOWED = (0, 1, 2, 3, 5)
# Run folders that are measured: of a large sweep, so many of them stand for all.
_MOST_MEASURED = 500


@dataclass(frozen=True, slots=True)
class Pace:
    """What a run of a sweep took.

    Attributes
    ----------
    runs_per_s : float
        Runs per second by the clock, with as many at once as there were.
    bytes_per_run : float or None
        Bytes on disk; None where the run folders are not beside the manifest.
    """

    runs_per_s: float
    bytes_per_run: float | None


def runs_needed(arguments: argparse.Namespace) -> int:
    """Print how many runs show that a requirement is met, and what they take."""
    from gmat_sweep.verdicts import planning
    from gmat_sweep.verdicts.shares import percent, share_of

    probability = share_of(arguments.probability, "--probability")
    confidence = share_of(arguments.confidence, "--confidence")
    expect, sample = None, None
    if arguments.expect is not None:
        expect = share_of(arguments.expect, "--expect", or_none=True)
        power = share_of(arguments.power, "--power")
        sample = planning.runs_needed(probability, confidence, expect=expect, power=power)
    pace = None if arguments.source is None else pace_of(arguments.source)
    allowed = sorted({*_ALLOWED, *([] if sample is None else [sample.allowed])})
    fixed, anytime = (
        [planning.runs_needed(probability, confidence, most, plan=plan) for most in allowed]
        for plan in ("fixed", "anytime")
    )
    tell(
        f"to show that {percent(probability)} of runs meet a requirement, with "
        f"{percent(confidence)} confidence:"
    )
    tell(_table(allowed, fixed, anytime, expect, pace))
    tell("fixed: the number of runs is chosen before the first, and they are judged as a whole")
    tell("anytime: judged after every run; the sweep may stop at the first PASS or FAIL")
    if sample is not None and expect is not None:
        tell(_sample_line(sample, percent(expect), pace))
    if pace is not None:
        tell(_pace_line(pace, arguments.source))
    if max(fixed) > MOST_RUNS:
        say(f"a sweep may have {MOST_RUNS:,} runs")
    return EXIT_OK


def pace_of(source: str) -> Pace:
    """Return what a run of a sweep took, by the clock and on disk.

    Parameters
    ----------
    source : str
        Path of its manifest.

    Raises
    ------
    ManifestProblemError
        There is no manifest, or it has no run that took time.
    """
    from gmat_sweep.analysis.report import busy_seconds

    manifest = loaded_manifest(source)
    entries = [
        entry
        for run_id, entry in manifest.latest().items()
        if run_id != NOMINAL_RUN_ID and entry.status != "skipped"
    ]
    busy = busy_seconds(entries)
    if not busy:
        raise ManifestProblemError(
            f"{one_line(source)} has no run from which to tell how long one takes. Name a sweep "
            "with a few runs."
        )
    folder = manifest.output_dir or user_path(source, "manifest").parent
    return Pace(len(entries) / busy, _bytes_per_run(folder))


def _bytes_per_run(folder: Path) -> float | None:
    folders = sorted(each for each in run_folders(folder) if each.is_dir())
    if not folders:
        return None
    measured = folders[:: -(-len(folders) // _MOST_MEASURED)]
    return sum(_bytes_in(each) for each in measured) / len(measured)


def _bytes_in(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def _table(
    allowed: Sequence[int],
    fixed: Sequence[int],
    anytime: Sequence[int],
    expect: float | None,
    pace: Pace | None,
) -> str:
    """Return the table: a line per number of violations, numbers to the right."""
    from gmat_sweep.verdicts.binomial import p_pass
    from gmat_sweep.verdicts.shares import percent

    columns = [["violations", *map(str, allowed)], ["fixed", *map(str, fixed)]]
    columns += _costs(fixed, pace)
    if expect is not None:
        chances = [p_pass(x, n, expect) for x, n in zip(allowed, fixed, strict=True)]
        title = f"passes if {percent(expect)} violate"
        columns.append([title, *(f"{100 * chance:.1f} %" for chance in chances)])
    columns += [["anytime", *map(str, anytime)], *_costs(anytime, pace)]
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in zip(*columns, strict=True)
    )


def _costs(runs: Sequence[int], pace: Pace | None) -> list[list[str]]:
    """Return the columns of time and of disk space; none without a pace."""
    if pace is None:
        return []
    from gmat_sweep.amounts import size_text, time_text

    columns = [["time", *(time_text(n / pace.runs_per_s) for n in runs)]]
    if pace.bytes_per_run is not None:
        columns.append(["disk", *(size_text(n * pace.bytes_per_run) for n in runs)])
    return columns


def _sample_line(sample: Sample, expected: str, pace: Pace | None) -> str:
    costs = "".join(f", {column[1]}" for column in _costs([sample.runs], pace))
    most = f"{sample.allowed} violation{'s' * (sample.allowed != 1)}"
    return (
        f"if {expected} violate: fly {sample.runs} runs{costs}, which pass with at most {most}, "
        f"and {100 * sample.pass_probability:.1f} % of such samples do"
    )


def _pace_line(pace: Pace, source: str) -> str:
    from gmat_sweep.amounts import size_text

    disk = "its run folders are not there to tell the disk space"
    if pace.bytes_per_run is not None:
        disk = f"{size_text(pace.bytes_per_run)} per run"
    return f"by {one_line(source)}: {pace.runs_per_s:.3g} runs per second, {disk}"
