"""Which runs are exported, and from which outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.aggregate.fragments import Fragment, column_names
from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.analysis.recorded import RecordedSweep, latest_entries
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export.sources import Mission, Source, read_trajectory
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.sweep.recorded_script import named_or_recorded
from gmat_sweep.worker.report_tables import layouts_of

if TYPE_CHECKING:
    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.export.trajectory import Trajectory
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["MOST_RUNS", "Chosen", "Flown", "choose", "run_ids_in", "run_name"]

MOST_RUNS = 50
"""How many runs an export has beside the nominal one, unless one says otherwise."""

_SEED = 0
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
_MOST_LISTED = 100_000


@dataclass(frozen=True, slots=True)
class Flown:
    """A run with what it has of a trajectory.

    Attributes
    ----------
    entry : ManifestEntry
        The run.
    source : Source
        Where the trajectory is from.
    trajectory : Trajectory
        The states, by ascending epoch.
    """

    entry: ManifestEntry
    source: Source
    trajectory: Trajectory


@dataclass(frozen=True, slots=True)
class Chosen:
    """Runs and outputs to export.

    Attributes
    ----------
    sweep : RecordedSweep
        The sweep, in outline.
    mission : Mission
        Its script.
    entries : tuple of ManifestEntry
        The runs, the nominal one first.
    sources : tuple of Source
        An output for each Spacecraft.
    recorded : int
        How many runs are recorded, without the nominal one.
    """

    sweep: RecordedSweep
    mission: Mission
    entries: tuple[ManifestEntry, ...]
    sources: tuple[Source, ...]
    recorded: int

    @property
    def nominal_id(self) -> int | None:
        """The run that nothing disperses: the nominal one, else one without a value of its own."""
        first = self.entries[0]
        return first.run_id if first.run_id == NOMINAL_RUN_ID or not first.overrides else None

    def flown(self) -> Iterator[Flown]:
        """Yield each run with each trajectory that it has.

        Raises
        ------
        FileNotFoundError, ValueError
            A file of a run that is ok is missing or damaged.
        """
        anchors = anchors_of(self.sweep.manifest, self.sweep.folder)
        for entry in self.entries:
            for source in self.sources:
                found = read_trajectory(source, entry, self.mission, anchors)
                if found is not None and len(found) > 1:
                    yield Flown(entry, source, found)

    def notes(self) -> list[str]:
        """Say where the states are from."""
        told = [source.text() for source in self.sources]
        if any(not source.is_exact for source in self.sources):
            craft = next(each.spacecraft for each in self.sources if not each.is_exact)
            told.append(
                "GMAT writes these epochs to a millisecond, in which a Spacecraft in a low orbit "
                f"flies 7 m; report {craft}.UTCModJulian with Precision = 16 for 3 mm"
            )
        return told


def choose(
    source: SweepSource,
    *,
    runs: str | Iterable[int] | None,
    sample: int | None,
    output: str | None,
    system: str | None,
    script: str | Path | None,
    refusal: Callable[[Source], str],
) -> Chosen:
    """Return which runs and outputs of a sweep are exported.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        The sweep.
    runs : str or iterable of int, optional
        The runs, such as ``"nominal,0,7-9"``.
    sample : int, optional
        How many runs, beside the nominal one, drawn from all recorded ones by a fixed seed; without
        `runs` 50.
    output, system : str, optional
        The ReportFile or EphemerisFile, and the coordinate system, to take.
    script : str or Path, optional
        The mission script, where it is no longer at its recorded place.
    refusal : callable
        Returns why a source does not suit the format, ``""`` if it does.
    """
    sweep = RecordedSweep.outline(source)
    entries = {entry.run_id: entry for entry in latest_entries(source, nominal=True)}
    chosen = _chosen_entries(entries, runs, sample)
    path = named_or_recorded(script, sweep.manifest, sweep.folder, allow_drift=False)
    if script is not None and canonical_script_sha256(path) != sweep.manifest.script_sha256:
        raise SweepConfigError(
            f"{path} is another script than the one that was flown. Name that one with --script "
            "(script=)."
        )
    found = Chosen(sweep, Mission(path), tuple(chosen), (), len(entries.keys() - {NOMINAL_RUN_ID}))
    sources = _sources(found, list(entries.values()), output, system, refusal)
    return replace(found, sources=tuple(sources))


def run_ids_in(text: str) -> list[int]:
    """Return the runs that ``nominal,0,7-9`` names.

    Raises
    ------
    SweepConfigError
        It is no such list.
    """
    found: list[int] = []
    for part in text.split(","):
        word = part.strip()
        if word == "nominal":
            found.append(NOMINAL_RUN_ID)
            continue
        match = _RANGE.fullmatch(word)
        if match is None:
            raise SweepConfigError(
                f"runs {text!r} must be run numbers with commas between them, such as "
                "nominal,0,5,7-9."
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first or last - first >= _MOST_LISTED:
            raise SweepConfigError(f"runs {word!r} are no range of runs. Write it as 7-9.")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def run_name(run_id: int) -> str:
    """Return what a run is called: ``nominal``, ``run 7``."""
    return "nominal" if run_id == NOMINAL_RUN_ID else f"run {run_id}"


def _chosen_entries(
    entries: dict[int, ManifestEntry], runs: str | Iterable[int] | None, sample: int | None
) -> list[ManifestEntry]:
    if not entries:
        raise SweepConfigError("no run is recorded, so there is nothing to export. Fly the sweep.")
    if sample is not None and (isinstance(sample, bool) or int(sample) != sample or sample < 1):
        raise SweepConfigError(f"sample={sample!r} must be a number of runs, 1 or more.")
    if runs is not None:
        wanted = run_ids_in(runs) if isinstance(runs, str) else [int(each) for each in runs]
        if missing := [run_id for run_id in wanted if run_id not in entries]:
            raise SweepConfigError(
                f"these runs are not recorded: {run_list(missing)}. Name runs that are."
            )
    else:
        wanted = sorted(entries)
    others = [run_id for run_id in wanted if run_id != NOMINAL_RUN_ID]
    most = MOST_RUNS if sample is None and runs is None else sample
    if most is not None and most < len(others):
        import numpy as np

        drawn = np.random.default_rng(_SEED).choice(len(others), most, replace=False)
        others = [others[place] for place in sorted(drawn.tolist())]
    nominal = [NOMINAL_RUN_ID] if NOMINAL_RUN_ID in wanted else []
    if not nominal:
        nominal = [each for each in others if not entries[each].overrides][:1]
        others = [each for each in others if each not in nominal]
    if not nominal + others:
        raise SweepConfigError("no run is chosen. Name one with --runs (runs=).")
    return [entries[run_id] for run_id in nominal + others]


def _sources(
    chosen: Chosen,
    entries: Sequence[ManifestEntry],
    output: str | None,
    system: str | None,
    refusal: Callable[[Source], str],
) -> list[Source]:
    """Return the best source for each Spacecraft that has one."""
    mission = chosen.mission
    found = mission.sources(_columns(chosen, entries))
    wanted = [
        each
        for each in found
        if output in (None, each.output) and system in (None, each.system.name)
    ]
    if found and not wanted:
        raise SweepConfigError(
            "no trajectory is in such an output and coordinate system. There are: "
            f"{'; '.join(dict.fromkeys(each.text() for each in found))}."
        )
    why = {each: refusal(each) or _varied(mission, each, chosen.entries) for each in wanted}
    best: list[Source] = []
    for craft in dict.fromkeys(each.spacecraft for each in wanted):
        suited = [each for each in wanted if each.spacecraft == craft and not why[each]]
        suited.sort(
            key=lambda each: (not each.is_exact, not each.velocity, each.system.is_fixed_to_earth)
        )
        best += [each for each in suited if _is_over_time(chosen, each)][:1]
    if best:
        return best
    if told := dict.fromkeys(f"{each.text()}: {reason}" for each, reason in why.items() if reason):
        raise SweepConfigError("; ".join(told))
    raise SweepConfigError(
        "no run has a trajectory: it takes a report over time of a Spacecraft's epoch and X, Y, Z, "
        f"or an EphemerisFile. Add to the mission: {mission.how_to_report()}. Then fly it again."
    )


def _columns(chosen: Chosen, entries: Sequence[ManifestEntry]) -> dict[str, list[str]]:
    """Return the columns of each output, from a run that has it, else from the script."""
    anchors = anchors_of(chosen.sweep.manifest, chosen.sweep.folder)
    columns: dict[str, list[str]] = {}
    for entry in (*chosen.entries, *entries):
        if entry.status != "ok":
            continue
        for key, path in entry.output_paths.items():
            if key not in columns:
                kind = key.partition("__")[0]
                columns[key] = column_names(
                    Fragment(entry.run_id, f"{kind} output", key, path, entry), anchors
                )
    if not columns:
        for name, layout in layouts_of(chosen.mission.script, {}).items():
            columns[f"report__{name}"] = [label for each in layout.blocks for label in each.labels]
    return columns


def _varied(mission: Mission, source: Source, entries: Iterable[ManifestEntry]) -> str:
    field = mission.varied_system(source, entries)
    if field is None:
        return ""
    return f"runs vary {field}, so their states are in different coordinate systems"


def _is_over_time(chosen: Chosen, source: Source) -> bool:
    """Whether one of the first runs that have the output has more than one row there."""
    anchors = anchors_of(chosen.sweep.manifest, chosen.sweep.folder)
    looked = 0
    for entry in chosen.entries:
        found = read_trajectory(source, entry, chosen.mission, anchors)
        if found is not None and len(found) > 1:
            return True
        looked += found is not None
        if looked == 3:
            break
    return False
