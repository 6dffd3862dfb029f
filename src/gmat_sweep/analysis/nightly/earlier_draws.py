"""Draws that nights with other inputs flew: they are no evidence for the mission as it is now.

A mission may have been changed until it did well with just these draws, so what they show of it is
no chance any more. The folders of the earlier nights say which draws they were. `remember` notes
those of nights that are removed, in ``earlier-draws.json`` in the folder of nights; it is on disk
before it returns.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.nightly.spans import draws_of, header_of
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.folder.layout import EARLIER_DRAWS_NAME

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.nightly.spans import NightSweep, Span
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["EarlierDraws", "draws_of_run", "remember"]

_SCHEMA_VERSION = 1


class EarlierDraws:
    """The draws that were flown before a span of nights.

    Parameters
    ----------
    place : Path
        The folder of nights.
    span : Span
        The nights whose draws are looked for among the earlier ones.

    Raises
    ------
    SweepConfigError
        The record of the nights that were removed is damaged.
    """

    def __init__(self, place: Path, span: Span) -> None:
        # The newest first: mostly it has them all, and the others are not read.
        self._sweeps = [(draws_of(folder), folder) for folder in reversed(span.before)]
        first = span.sweeps[0].night.name
        self._removed = [each for each in _read(place) if each["night"] < first]

    def among(self, sweep: NightSweep, entries: Sequence[ManifestEntry]) -> NDArray[np.bool_]:
        """Return which runs of a sweep have draws that were flown before the span."""
        import numpy as np

        drawn = draws_of(sweep.folder)
        keys = [draws_of_run(entry) for entry in entries]
        if drawn is None:
            return np.zeros(len(keys), bool)
        identity = _identity(drawn)
        most = max((each["runs"] for each in self._removed if each["draws"] == identity), default=0)
        flown = {key for key, entry in zip(keys, entries, strict=True) if entry.run_id < most}
        wanted = set(keys)
        for earlier, folder in self._sweeps:
            if wanted <= flown:
                break
            if earlier is not None and _may_share(earlier, drawn):
                flown |= _flown(folder, dict(zip(keys, entries, strict=True)))
        return np.fromiter((key in flown for key in keys), bool, len(keys))


def draws_of_run(entry: ManifestEntry) -> object:
    """Return what tells the draws of a run: its seed, or else its values."""
    if entry.seed is not None:
        return entry.seed
    return repr(sorted(entry.overrides.items()))


def remember(place: Path, span: Span, leaving: Collection[str]) -> None:
    """Note the draws of earlier nights that are about to be removed.

    Parameters
    ----------
    place : Path
        The folder of nights.
    span : Span
        The nights with the inputs of the newest one. Their own draws are not noted: evidence that
        goes on loses what such a night has shown, and takes it from another that flew the same.
    leaving : collection of str
        The names of the nights that are removed.

    Raises
    ------
    SweepConfigError
        An earlier record is damaged.
    DurabilityError
        The record could not be written; one that was there before still is.
    """
    known = {each["draws"]: each for each in _read(place)}
    before = dict(known)
    for folder in span.before:
        night, drawn, header = (
            folder.relative_to(place).parts[0],
            draws_of(folder),
            header_of(folder),
        )
        if night not in leaving or drawn is None or header is None:
            continue
        identity, runs = _identity(drawn), header.run_count
        was = known.get(identity, {"night": night, "runs": 0})
        known[identity] = {
            "draws": identity,
            "night": min(night, was["night"]),
            "runs": max(runs, was["runs"]),
        }
    if known != before:
        record = {"schema_version": _SCHEMA_VERSION, "draws": list(known.values())}
        write_file(place / EARLIER_DRAWS_NAME, json.dumps(record, indent=1).encode() + b"\n")


def _may_share(one: tuple[str, str], other: tuple[str, str]) -> bool:
    # Seeds of runs come from that of their sweep; a row may be in two tables.
    return one == other or one[0] == other[0] == "explicit"


def _flown(folder: Path, runs: dict[object, ManifestEntry]) -> set[object]:
    """Return which of some draws an earlier sweep flew."""
    try:
        return {draws_of_run(each) for each in RecordedSweep.of(folder).entries} & runs.keys()
    except (OSError, GmatSweepError):
        # Its header could be read and says that these may be among them.
        return set(runs)


def _identity(drawn: tuple[str, str]) -> str:
    kind, which = drawn
    return f"{kind} {hashlib.sha256(which.encode()).hexdigest() if len(which) > 64 else which}"


def _read(place: Path) -> list[dict[str, Any]]:
    path = place / EARLIER_DRAWS_NAME
    try:
        record = json.loads(read_plain(path))
        found = [
            {"draws": str(each["draws"]), "night": str(each["night"]), "runs": int(each["runs"])}
            for each in record["draws"]
        ]
        version = record["schema_version"]
    except FileNotFoundError:
        return []
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise SweepConfigError(
            f"{path} cannot be understood ({error!r}). Restore it from a copy, or delete it if no "
            "night's draws were flown before the inputs changed."
        ) from error
    if version != _SCHEMA_VERSION:
        raise SweepConfigError(
            f"{path} has schema_version {version!r}, this version of gmat-sweep reads "
            f"{_SCHEMA_VERSION}. Use the version that wrote it."
        )
    return found
