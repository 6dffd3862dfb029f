"""A span of nights: those in a row that were flown with equal inputs, up to a given one.

Evidence for requirements goes on over a span, and starts anew with the next. Everything is told
from the folders of the nights: the headers of their manifests and their ``inputs.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.analysis.nightly.cohorts import all_nights, sweeps_of
from gmat_sweep.analysis.nightly.inputs import InputChange, changes_between, decisive_inputs
from gmat_sweep.analysis.recorded import RecordedSweep, manifest_file
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import drift_of
from gmat_sweep.manifest.lines import read_records
from gmat_sweep.plans.header import kind_of

__all__ = ["NightSweep", "Span", "draws_of", "header_of", "span_until"]

type Inputs = Mapping[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class NightSweep:
    """A sweep of a night: its frozen cohort, or its rotating one.

    Attributes
    ----------
    night : Path
        The night's folder.
    folder : Path
        The sweep's folder: the night's own, or ``rotating`` within it.
    recorded : RecordedSweep or None
        The sweep; None if its manifest cannot be read.
    problem : str
        Why it cannot be read; empty if it can.
    """

    night: Path
    folder: Path
    recorded: RecordedSweep | None
    problem: str = ""

    @property
    def name(self) -> str:
        """The night, and the cohort where the night has two."""
        return self.folder.relative_to(self.night.parent).as_posix()


@dataclass(frozen=True, slots=True)
class Span:
    """The sweeps of nights in a row that were flown with equal inputs.

    Attributes
    ----------
    sweeps : tuple of NightSweep
        In the order in which they count.
    restarted_because : tuple of InputChange
        The inputs in which the first of them differs from the sweep before; empty if there is none.
    before : tuple of Path
        The folders of earlier sweeps: those with other inputs, and those before them.
    """

    sweeps: tuple[NightSweep, ...]
    restarted_because: tuple[InputChange, ...]
    before: tuple[Path, ...]

    @property
    def nights(self) -> tuple[Path, ...]:
        """The nights, the oldest first."""
        return tuple(dict.fromkeys(sweep.night for sweep in self.sweeps))


def span_until(place: str | Path, until: str | Path | None = None) -> Span:
    """Return the nights with the inputs of the night `until`, back to where an input differed.

    Parameters
    ----------
    place : str or Path
        The folder of nights.
    until : str or Path, optional
        The last night, as a name or a folder; by default the newest one that is there.

    Raises
    ------
    SweepConfigError
        `place` has no nights, or no night `until`; an ``inputs.json`` is damaged.
    FileNotFoundError, ManifestCorruptError
        The manifest of the night `until` cannot be read.
    """
    nights = all_nights(Path(place))
    if until is not None:
        name = Path(until).name
        if name not in {night.name for night in nights}:
            raise SweepConfigError(
                f"{place} has no night {name}. The newest one there is {nights[-1].name}."
            )
        nights = [night for night in nights if night.name <= name]
    places = [(night, folder) for night in nights for folder in sweeps_of(night)]
    span: list[NightSweep] = []
    because: tuple[InputChange, ...] = ()
    inputs: Inputs = {}
    # From the newest back: nights before the span may be many, and are not read.
    while places:
        night, folder = places[-1]
        sweep = _read(night, folder, must=night == nights[-1])
        own = _inputs_of(sweep)
        if span and own != inputs:
            because = changes_between(own, inputs)
            break
        span.insert(0, sweep)
        inputs = own
        places.pop()
    return Span(tuple(span), because, tuple(folder for _, folder in places))


def _read(night: Path, folder: Path, *, must: bool) -> NightSweep:
    try:
        return NightSweep(night, folder, RecordedSweep.of(manifest_file(folder)))
    except (OSError, GmatSweepError) as error:
        if must:
            raise
        return NightSweep(night, folder, None, str(error))


def header_of(folder: Path) -> Manifest | None:
    """Return the manifest of a sweep without its entries; None if its header cannot be read."""
    try:
        path = manifest_file(folder)
        return Manifest.from_header(next(read_records(path))[1], path)
    except (OSError, GmatSweepError, StopIteration):
        return None


def draws_of(folder: Path) -> tuple[str, str] | None:
    """Return kind and seed of a sweep, or its rows, which tell whether another one drew the same.

    None if it is no evidence: its runs are no random draws, or its manifest cannot be read.
    """
    manifest = header_of(folder)
    if manifest is None:
        return None
    kind = kind_of(manifest.parameter_spec)
    if kind == "monte_carlo":
        return kind, str(manifest.sweep_seed)
    if kind == "explicit":
        return kind, json.dumps(manifest.parameter_spec.get("rows"))
    return None


def _inputs_of(sweep: NightSweep) -> Inputs:
    """Return the inputs of a sweep; those of one that has none of its own equal no other's."""
    if sweep.recorded is None:
        return {("script", "manifest"): f"that of {sweep.name} cannot be read"}
    manifest: Manifest = sweep.recorded.manifest
    inputs = decisive_inputs(manifest, sweep.folder, sweep.night)
    for word, run_ids in drift_of(manifest, sweep.recorded.entries).items():
        inputs[word, "of runs within a night"] = f"{_runs(run_ids)} of {sweep.name}"
    return inputs


def _runs(run_ids: Sequence[int]) -> str:
    return f"{len(run_ids)} run{'s' * (len(run_ids) != 1)} from {run_ids[0]} on"
