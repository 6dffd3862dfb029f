"""The baseline: a night that a person has accepted, besides last night, to compare with.

`accept` writes ``baseline.json`` in the folder of nights, on disk before it returns. `accepted`
finds the night again. Against last night alone, a creep of a little a night is never seen.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gmat_sweep.analysis.nightly.cohorts import cohorts_of, sweeps_of
from gmat_sweep.analysis.nightly.complete import is_complete
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import plain_reader, read_plain
from gmat_sweep.disk.owner import origin
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import BASELINE_NAME, MANIFEST_NAME

__all__ = ["Baseline", "accept", "accepted", "baseline_of"]

_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Baseline:
    """The record of an accepted night.

    Attributes
    ----------
    night : Path
        The night's folder.
    manifest_sha256 : str
        Hash of its manifest when it was accepted.
    accepted_at : datetime
        When, in UTC.
    user, host : str
        By whom, and on which machine.
    note : str
        Why, in the person's words; may be empty.
    """

    night: Path
    manifest_sha256: str
    accepted_at: datetime
    user: str
    host: str
    note: str = ""

    @property
    def problem(self) -> str:
        """Why the night can be no baseline any more, and what to do; empty if it can."""
        manifest = self.night / MANIFEST_NAME
        again = "Accept another night with `gmat-sweep baseline accept NIGHT`."
        try:
            found = _sha256(manifest)
        except FileNotFoundError:
            return f"the baseline {self.night} is gone. {again}"
        except OSError as error:
            return f"the baseline {self.night} cannot be read: {error} {again}"
        if found != self.manifest_sha256:
            return f"the baseline {self.night} has changed since it was accepted. {again}"
        return ""

    @property
    def text(self) -> str:
        """The record in a line, for a person."""
        why = f": {self.note}" if self.note else ""
        return (
            f"{self.night.name}, accepted {self.accepted_at:%Y-%m-%d %H:%M} UTC by {self.user} on "
            f"{self.host}{why}"
        )


def accept(night: str | Path, *, note: str = "") -> Path:
    """Make a night the baseline of the nights in its folder; an earlier baseline is replaced.

    Parameters
    ----------
    night : str or Path
        The night's folder, or its manifest.
    note : str
        Why, for whoever reads it later.

    Returns
    -------
    Path
        The file ``baseline.json`` in the folder of nights.

    Raises
    ------
    SweepConfigError
        There is no such night, or not all of its runs are recorded.
    DurabilityError
        The file could not be written; a baseline that was there before still is.
    """
    folder = _folder_of(night)
    if not sweeps_of(folder):
        raise SweepConfigError(
            f"{night} is no night: it has no {MANIFEST_NAME}. Name the folder of a night, such as "
            "nights/injection/2026-11-20T033000Z."
        )
    if unfinished := [each for each in cohorts_of(folder) if not is_complete(each)]:
        raise SweepConfigError(
            f"{unfinished[0]}: not every run of this night is recorded, so it can be no baseline. "
            "Resume it with `gmat-sweep resume`, or accept another night."
        )
    record = {
        "schema_version": _SCHEMA_VERSION,
        "night": folder.name,
        "manifest_sha256": _sha256(folder / MANIFEST_NAME),
        "accepted_at": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds"),
        "accepted_by": origin(),
        "note": note,
    }
    path = folder.parent / BASELINE_NAME
    write_file(path, json.dumps(record, indent=1).encode() + b"\n")
    return path


def accepted(place: str | Path) -> Path | None:
    """Return the night that is the baseline of a folder of nights; None if none was accepted.

    Raises
    ------
    SweepConfigError
        The record is damaged, or the night is gone or has changed since.
    """
    found = baseline_of(place)
    if found is None:
        return None
    if found.problem:
        raise SweepConfigError(found.problem)
    return found.night


def baseline_of(place: str | Path) -> Baseline | None:
    """Return the record of the baseline of a folder of nights; None if none was accepted.

    The night may be gone or changed: see `Baseline.problem`.

    Raises
    ------
    SweepConfigError
        The record is damaged, or of a newer version.
    """
    path = Path(place) / BASELINE_NAME
    again = "Accept a night anew with `gmat-sweep baseline accept NIGHT`."
    try:
        record = json.loads(read_plain(path))
        version = record["schema_version"]
        name = str(record["night"])
        by = record["accepted_by"]
        found = Baseline(
            night=Path(place) / name,
            manifest_sha256=str(record["manifest_sha256"]),
            accepted_at=datetime.fromisoformat(record["accepted_at"]),
            user=str(by["user"]),
            host=str(by["host"]),
            note=str(record.get("note", "")),
        )
    except FileNotFoundError:
        return None
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise SweepConfigError(f"{path} cannot be understood: {error!r}. {again}") from error
    if version != _SCHEMA_VERSION:
        raise SweepConfigError(
            f"{path} has schema_version {version!r}, this version of gmat-sweep reads "
            f"{_SCHEMA_VERSION}. Use the version that wrote it."
        )
    if name in ("", ".", "..") or Path(name).name != name:
        raise SweepConfigError(f"{path} names {name!r}, which is no night beside it. {again}")
    return found


def _folder_of(night: str | Path) -> Path:
    path = Path(night).absolute()
    return path.parent if path.name == MANIFEST_NAME else path


def _sha256(path: Path) -> str:
    with plain_reader(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
