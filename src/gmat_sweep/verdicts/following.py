"""A manifest that is read as it grows: each look takes in only the lines that are new.

`Manifest.load` reads all lines. Whoever looks at a sweep after every batch would spend more and
more time on lines that were read before.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.errors import ManifestCorruptError
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.manifest.entry import outline_of
from gmat_sweep.manifest.lines import advice, no_garbage_collection, record_of
from gmat_sweep.manifest.manifest import entry_on

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["FollowedManifest"]


class FollowedManifest:
    """The entries of a manifest's file, brought up to date by `update`.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    header : Manifest
        The manifest without entries, as its header line says; from the first `update` on.
    entries : dict of int to ManifestEntry
        The last entry of each run, in the order in which runs were first recorded.
    earlier : dict of int to list of ManifestEntry
        The entries before the last one of each run that was flown again.
    lines : int
        Complete lines read, the header's included.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: Manifest
        self._forget()

    def _forget(self) -> None:
        self.entries: dict[int, ManifestEntry] = {}
        self.earlier: dict[int, list[ManifestEntry]] = {}
        self.lines = 0
        self._header_line = b""
        self._last = (0, b"")
        self._identity = (0, 0)

    def update(self) -> set[int] | None:
        """Read the lines that are new, and return the ids of their runs.

        Returns
        -------
        set of int or None
            None if the file is another one than before, or does not start with what was read of it:
            everything is read anew, and nothing that was known of a run may be kept.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ManifestCorruptError
            The header or a complete line is damaged.
        """
        with plain_reader(self.path) as file, no_garbage_collection():
            restarted = not self._goes_on(file)
            if restarted:
                self._forget()
                file.seek(0)
                self._read_header(file)
            changed = {entry.run_id for entry in self._new_entries(file)}
        return None if restarted else changed

    def shrink(self, run_ids: Iterable[int]) -> None:
        """Forget the files of runs that were read: all entries take hundreds of megabytes."""
        for run_id in run_ids:
            entry = self.entries[run_id]
            self.entries[run_id] = replace(outline_of(entry), overrides=entry.overrides)

    def _goes_on(self, file: BinaryIO) -> bool:
        """Return whether the file begins with what was read, and go to the end of that."""
        start, last = self._last
        return bool(last) and self._identity_of(file) == self._identity and self._is_at(file, start)

    def _is_at(self, file: BinaryIO, start: int) -> bool:
        _, last = self._last
        if file.read(len(self._header_line)) != self._header_line:
            return False
        file.seek(start)
        return file.read(len(last)) == last

    @staticmethod
    def _identity_of(file: BinaryIO) -> tuple[int, int]:
        facts = os.fstat(file.fileno())
        return facts.st_dev, facts.st_ino

    def _read_header(self, file: BinaryIO) -> None:
        line = file.readline()
        if not line.endswith(b"\n"):
            # Its own words for a file that is empty, or whose header is torn.
            Manifest.outline(self.path)
            raise ManifestCorruptError(
                f"{self.path}: the header line is not complete. {advice(self.path)}", self.path, 1
            )
        self.header = Manifest.from_header(record_of(line, self.path, 1), self.path)
        self._anchor = f"{self.header.output_dir or self.path.parent.absolute()}".rstrip("/") + "/"
        self._header_line, self._last, self.lines = line, (0, line), 1
        self._identity = self._identity_of(file)

    def _new_entries(self, file: BinaryIO) -> Iterator[ManifestEntry]:
        start = file.tell()
        for line in file:
            if not line.endswith(b"\n"):
                return
            entry = entry_on(line, self.path, self.lines + 1, self._anchor)
            before = self.entries.get(entry.run_id)
            if before is not None:
                self.earlier.setdefault(entry.run_id, []).append(outline_of(before))
            self.entries[entry.run_id] = entry
            self.lines += 1
            self._last = (start, line)
            start += len(line)
            yield entry
