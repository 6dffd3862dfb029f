"""Seals, and a copy of the header: from both the doctor rebuilds a lost or damaged manifest.

Every run folder is *sealed*: the last file that a run writes there is ``outcome.seal.json``, with
all that a manifest entry says of the run. The seal is on disk before the worker returns the
outcome, so a seal that says ``ok`` was written after every file it lists. A run that starts first
deletes the seal of an earlier attempt. `keep_header` keeps a copy of the manifest's header line.

Seal and copy are lines as `gmat_sweep.manifest.lines` writes them, with a checksum. A seal is a
claim: whoever uses one checks the listed files against their sizes and hashes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.files import explained, write_file
from gmat_sweep.disk.held import held, plain_reader, read_plain
from gmat_sweep.folder.layout import (
    SEAL_NAME,
    WORKER_LOG_NAME,
    header_copy,
    run_folder_name,
)
from gmat_sweep.manifest.entry import (
    NOTES_KEY,
    ManifestEntry,
    line_record,
    path_prefixes,
    portable,
)
from gmat_sweep.manifest.file_keys import file_key
from gmat_sweep.manifest.lines import checked_record, line_of
from gmat_sweep.manifest.values import NULL, take
from gmat_sweep.mission.script import canonical_script_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gmat_sweep.spec import RunOutcome, RunSpec

__all__ = [
    "RunSeal",
    "break_seal",
    "entry_of",
    "keep_header",
    "read_seal",
    "seal_run",
]

_PATHS = ("output_paths", "extra_outputs", "solver_paths")


@dataclass(frozen=True, slots=True)
class RunSeal:
    """A seal that `read_seal` has read.

    Attributes
    ----------
    folder : Path
        The run folder it lies in.
    record : dict
        The run's manifest entry as a line holds it, with paths relative to `folder`.
    script_sha256 : str or None
        `canonical_script_sha256` of the script that the run flew; None if it could not be read.
    """

    folder: Path
    record: dict[str, Any]
    script_sha256: str | None

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / SEAL_NAME

    @property
    def entry(self) -> ManifestEntry:
        """The entry, with paths relative to the run folder."""
        return ManifestEntry.from_dict(self.record)

    def record_below(self, sweep_folder: Path) -> dict[str, Any]:
        """Return the record with paths below `sweep_folder` relative to it, as in a manifest."""
        prefixes = path_prefixes(sweep_folder)

        def moved(text: str) -> str:
            return portable(os.path.normpath(self.folder / text), prefixes)

        record = dict(self.record)
        for key in _PATHS:
            record[key] = {name: moved(text) for name, text in record.get(key, {}).items()}
        if record.get("log_path") is not None:
            record["log_path"] = moved(record["log_path"])
        if (place := portable(self.folder.as_posix(), prefixes)) != run_folder_name(
            record["run_id"]
        ):
            # The keys of its files start there.
            record["output_dir"] = place
        return record


def entry_of(
    spec: RunSpec,
    outcome: RunOutcome,
    *,
    host: str,
    extra: Mapping[str, Any] | None = None,
    **more: Any,
) -> ManifestEntry:
    """Return the manifest entry of a run that has ended, which its seal repeats.

    The outcome's notes stand in the entry as the extra key `NOTES_KEY`, if there are any.

    Parameters
    ----------
    spec : RunSpec
        The run.
    outcome : RunOutcome
        How it ended.
    host : str
        Name of the machine that flew it.
    extra : mapping, optional
        Extra keys that only the sweep knows.
    **more
        Keywords of `ManifestEntry.from_outcome` that only the sweep knows, such as attempts.
    """
    return ManifestEntry.from_outcome(
        outcome,
        overrides=spec.overrides,
        context=spec.context,
        log_path=spec.output_dir / WORKER_LOG_NAME,
        seed=spec.seed,
        run_options=spec.run_options,
        host=host,
        postprocess=spec.postprocess,
        files=outcome.files,
        extra={**(extra or {}), **({NOTES_KEY: list(outcome.notes)} if outcome.notes else {})},
        **more,
    )


def seal_run(spec: RunSpec, outcome: RunOutcome) -> None:
    """Write the seal of a run that has ended, on disk before this returns.

    Raises
    ------
    DurabilityError
        The seal could not be written.
    SweepConfigError
        The spec holds a value that cannot be written as JSON.
    """
    folder = spec.output_dir.absolute()
    entry = line_record(entry_of(spec, outcome, host=_host()), path_prefixes(spec.output_dir))
    for key in _PATHS:
        # What lies beside the run folder moves with the sweep, too.
        entry[key] = {name: file_key(Path(text), folder) for name, text in entry[key].items()}
    record = {"entry": entry, "script_sha256": _script_hash(spec.script_path)}
    write_file(spec.output_dir / SEAL_NAME, line_of(record, 0), within=spec.output_dir.parent)


def break_seal(folder: Path) -> None:
    """Delete the seal of an earlier attempt, because the run is flown again."""
    with (
        contextlib.suppress(FileNotFoundError),
        explained(folder / SEAL_NAME, "delete the seal of an earlier attempt"),
        held(folder, within=folder.parent) as it,
    ):
        it.remove(SEAL_NAME)


def read_seal(folder: Path) -> RunSeal:
    """Read the seal of a run folder.

    Raises
    ------
    FileNotFoundError
        The folder has no seal.
    NotPlainFileError
        Something else stands in its place.
    ValueError
        The seal is damaged; the message says how.
    """
    content = read_plain(folder / SEAL_NAME)
    if not content.endswith(b"\n"):
        raise ValueError("the file is cut off")
    record = checked_record(content, 1)
    found = RunSeal(
        folder, take(record, "entry", dict), take(record, "script_sha256", str, NULL, default=None)
    )
    ManifestEntry.from_dict(found.record)
    return found


def keep_header(manifest_path: Path) -> None:
    """Keep a copy of the manifest's header line beside it, on disk before this returns."""
    with plain_reader(manifest_path) as manifest:
        line = manifest.readline()
    copy = header_copy(manifest_path)
    try:
        if read_plain(copy) == line:
            return
    except FileNotFoundError:
        pass
    write_file(copy, line)


@functools.cache
def _host() -> str:
    return socket.gethostname()


def _script_hash(script: Path) -> str | None:
    try:
        return canonical_script_sha256(script)
    except OSError:
        # The run has failed already, because GMAT could not read its script.
        return None
