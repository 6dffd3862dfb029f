"""Repair a sweep folder: set damaged files aside, and write a manifest that is true.

A repair deletes nothing: it moves damaged files to ``quarantine-<time>`` in the sweep folder, under
the names they had, and copies files there that it replaces. A repair that is killed at any moment
leaves a folder that can be repaired again: the old manifest is in quarantine before the new one
takes its place.

A run whose files are damaged gets a ``failed`` entry that says why. So a resume flies it again, and
nobody takes it for finished.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gmat_sweep.disk.files import fsync_dir, write_file
from gmat_sweep.disk.held import held, make_folder, open_plain
from gmat_sweep.doctor.examination import Examination
from gmat_sweep.errors import NotPlainFileError
from gmat_sweep.folder.layout import SEAL_NAME, header_copy, quarantine_name, run_folder
from gmat_sweep.folder.packed import refuse_packed
from gmat_sweep.folder.run_files import found
from gmat_sweep.folder.run_seal import keep_header
from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.manifest.lines import line_of

__all__ = ["repaired"]

_PATHS = ("output_paths", "extra_outputs", "solver_paths")


def repaired(it: Examination) -> list[str]:
    """Repair the damage and say in words what was done; the caller holds the folder's lock.

    Raises
    ------
    SweepConfigError
        Run folders are packed, whose seals a repair may need.
    OSError
        A file cannot be moved or written.
    """
    refuse_packed(it.manifest_path.parent, "a repair")
    quarantine = _Quarantine(it.folder)
    done: list[str] = []
    if it.header is not None:
        done += _rebuilt_manifest(it, quarantine)
        if not it.copy_is_good:
            copy = header_copy(it.manifest_path)
            if copy.is_file() and not copy.is_symlink():
                quarantine.keep_copy(copy)
            else:
                quarantine.move(copy)
            keep_header(it.manifest_path)
            done.append(f"the manifest's header is kept in {copy.name}")
    for paths, what in ((it.bad_seals, "damaged seals"), (it.leftovers, "temporary files")):
        for path in paths:
            quarantine.move(path)
        if paths:
            done.append(f"{len(paths)} {what} were set aside")
    if quarantine.is_used:
        done.append(f"what was set aside is in {quarantine.folder}")
    return done


def _rebuilt_manifest(it: Examination, quarantine: _Quarantine) -> list[str]:
    """Write the manifest anew if it is not true; say in words what was done."""
    spoiled = {run_id: why for run_id, why in it.damaged.items() if run_id not in it.unrecorded}
    sealed = [seal.record_below(it.folder) for seal in it.unrecorded.values()]
    if it.log_is_whole and not spoiled and not sealed:
        return []
    assert it.header is not None
    if not it.is_missing:
        quarantine.keep_copy(it.manifest_path)
    shared = _shared_paths(it) if spoiled else frozenset()
    for run_id in spoiled:
        _set_aside(it, run_id, quarantine, shared)
    failed = [_spoiled_record(it.latest[run_id], why) for run_id, why in spoiled.items()]
    records = [it.header, *it.log.entries, *sealed, *failed]
    write_file(it.manifest_path, (line_of(record, seq) for seq, record in enumerate(records)))
    done = []
    if not it.log_is_whole:
        done.append(f"the manifest was rebuilt with {len(it.latest)} entries of the old one")
    if sealed:
        done.append(f"{len(sealed)} runs were recorded from their sealed folders")
    if spoiled:
        done.append(f"{len(spoiled)} runs with damaged files were marked as failed")
    return done


def _spoiled_record(record: dict[str, Any], why: list[str]) -> dict[str, Any]:
    kept = {key: value for key, value in record.items() if key != "files"}
    return {
        **kept,
        "status": "failed",
        "output_paths": {},
        "extra_outputs": {},
        "solver_paths": {},
        "converged": {},
        "postprocess_status": "none",
        "failure_kind": "storage",
        "stderr": f"gmat-sweep doctor found its files damaged: {'; '.join(why)}",
    }


def _set_aside(
    it: Examination, run_id: int, quarantine: _Quarantine, shared: Container[str]
) -> None:
    """Move a run's recorded files, as far as they are there, and its seal to quarantine.

    Files that are `shared` with another run stay.
    """
    entry = ManifestEntry.from_dict(it.latest[run_id])
    folders = {run_folder(it.folder, run_id)}
    for paths in (entry.output_paths, entry.extra_outputs, entry.solver_paths):
        for recorded in paths.values():
            path = found(recorded, run_id, [it.folder])
            if path is not None and recorded.as_posix() not in shared:
                folders.add(path.parent)
                quarantine.move(path)
    for folder in folders:
        quarantine.move(folder / SEAL_NAME)


def _shared_paths(it: Examination) -> frozenset[str]:
    """Return the files that several runs list, gathered once for all runs that are spoiled."""
    runs_with: Counter[str] = Counter()
    for record in it.latest.values():
        texts = (text for key in _PATHS for text in record.get(key, {}).values())
        runs_with.update({Path(text).as_posix() for text in texts})
    return frozenset(path for path, runs in runs_with.items() if runs > 1)


class _Quarantine:
    """The folder for files that are set aside, made for the first of them."""

    def __init__(self, sweep_folder: Path) -> None:
        self._sweep = sweep_folder
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self.folder = sweep_folder / quarantine_name(stamp)

    @property
    def is_used(self) -> bool:
        """Whether the folder was made."""
        return self.folder.exists()

    def keep_copy(self, path: Path) -> None:
        """Copy a file that is about to be replaced; the copy is on disk when this returns."""
        make_folder(self.folder, within=self._sweep)
        with os.fdopen(open_plain(path, os.O_RDONLY), "rb") as file:
            content = iter(lambda: file.read(1 << 20), b"")
            write_file(self.folder / path.name, content, within=self._sweep)
        fsync_dir(self._sweep)

    def move(self, path: Path) -> None:
        """Move a file here, or a link itself, if it is there and in the sweep folder.

        A manifest may name any file of the machine. Files outside of the sweep stay, and so do
        those that are reached by a link in it.
        """
        below = self._below(path.parent)
        if below is None:
            return
        try:
            with held(self._sweep / below, within=self._sweep) as source:
                if source.mode(path.name) is None:
                    return
                place = self.folder / below
                with held(place, within=self._sweep, make=True) as target:
                    source.replace(path.name, path.name, target)
                    target.sync()
                source.sync()
        except (FileNotFoundError, NotPlainFileError):
            return

    def _below(self, folder: Path) -> Path | None:
        """Return a folder relative to the sweep's, None if it lies outside of it."""
        plain = Path(os.path.normpath(folder.absolute()))
        for place in (self._sweep.absolute(), self._sweep.resolve()):
            if plain.is_relative_to(place):
                return plain.relative_to(place)
        return None
