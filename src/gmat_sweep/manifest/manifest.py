"""The manifest: the sweep and the result of each run, in one file that is only appended to.

``manifest.jsonl`` holds a header line and one line per finished run (see
`gmat_sweep.manifest.lines`). `Manifest.save` puts a whole manifest in place or none.
`Manifest.append_entry` adds one line, fsynced before it returns unless asked otherwise, and
never harms the lines before it. Readers ignore a torn line, and the next append sets it aside.
Any other damage is a `ManifestCorruptError` with the line number.

A run that is flown again gets another line; the last one counts. Paths below the sweep folder that
the header names are written relative to it, so that the folder can be moved. Loading makes every
path absolute. `extra` keeps the keys that this version does not know, and they are written back.
"""

from __future__ import annotations

import functools
import itertools
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, overload

from gmat_sweep.disk.append_log import AppendLog
from gmat_sweep.disk.files import write_file
from gmat_sweep.errors import ManifestCorruptError, SweepConfigError
from gmat_sweep.manifest.entry import (
    ManifestEntry,
    check_extra,
    line_record,
    outline_of,
    path_prefixes,
    portable,
    unknown_keys,
)
from gmat_sweep.manifest.lines import (
    advice,
    checked_record,
    hasty_run_id,
    line_of,
    no_garbage_collection,
    read_lines,
    read_records,
    record_of,
    run_id_of,
)
from gmat_sweep.manifest.values import NULL, jsonable, take
from gmat_sweep.mission.script import canonical_script_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "MANIFEST_SCHEMA_VERSION",
    "Manifest",
    "ManifestEntry",
    "canonical_script_sha256",
    "entry_on",
]

MANIFEST_SCHEMA_VERSION: int = 1
"""Schema version written and read. A new key does not raise it."""

_HEADER_KEYS = frozenset(
    {
        "schema_version", "script_sha256", "gmat_sweep_version", "gmat_run_version",
        "gmat_install_version", "python_version", "os_platform", "sweep_seed", "parameter_spec",
        "run_count", "backend", "postprocess", "output_dir",
    }
)  # fmt: skip


class _FindFailedHere(Protocol):
    def __call__(self, path: str | Path | None = None) -> list[int]: ...


class _FindFailedInFile(Protocol):
    def __call__(self, path: str | Path) -> list[int]: ...


class _FindMissingInFile(Protocol):
    def __call__(self, path: str | Path, expected_run_ids: Iterable[int]) -> list[int]: ...


class _FindMissingHere(Protocol):
    @overload
    def __call__(self, expected_run_ids: Iterable[int]) -> list[int]: ...
    @overload
    def __call__(self, path: str | Path, expected_run_ids: Iterable[int]) -> list[int]: ...


class _FindFailed:
    """``manifest.find_failed()`` of the entries in memory, ``Manifest.find_failed(path)`` of a
    file: the run ids whose latest entry is ``failed``, in the order of first appearance.
    """  # noqa: D205

    @overload
    def __get__(self, manifest: None, kind: type[Manifest]) -> _FindFailedInFile: ...
    @overload
    def __get__(self, manifest: Manifest, kind: type[Manifest]) -> _FindFailedHere: ...
    def __get__(
        self, manifest: Manifest | None, kind: type[Manifest]
    ) -> _FindFailedInFile | _FindFailedHere:
        def find_failed(path: str | Path | None = None) -> list[int]:
            entries = _entries_of(manifest, kind, path)
            latest = {entry.run_id: entry.status for entry in entries}
            return [run_id for run_id, status in latest.items() if status == "failed"]

        return find_failed


class _FindMissing:
    """``manifest.find_missing(expected_run_ids)`` of the entries in memory,
    ``Manifest.find_missing(path, expected_run_ids)`` of a file: the expected run ids without an
    entry, in the order given.
    """  # noqa: D205

    @overload
    def __get__(self, manifest: None, kind: type[Manifest]) -> _FindMissingInFile: ...
    @overload
    def __get__(self, manifest: Manifest, kind: type[Manifest]) -> _FindMissingHere: ...
    def __get__(
        self, manifest: Manifest | None, kind: type[Manifest]
    ) -> _FindMissingInFile | _FindMissingHere:
        def find_missing(path: Any = None, expected_run_ids: Iterable[int] | None = None) -> Any:
            if manifest is not None and expected_run_ids is None:
                path, expected_run_ids = None, path
            if expected_run_ids is None:
                raise TypeError("find_missing() needs the expected run ids. Pass expected_run_ids.")
            recorded = {entry.run_id for entry in _entries_of(manifest, kind, path)}
            return [run_id for run_id in expected_run_ids if run_id not in recorded]

        return find_missing


def _entries_of(
    manifest: Manifest | None, kind: type[Manifest], path: str | Path | None
) -> Iterable[ManifestEntry]:
    if path is not None:
        return kind.iter_entries(path)
    if manifest is None:
        raise TypeError("called on the class Manifest, so it needs a file. Pass the path of one.")
    manifest._catch_up()
    return manifest.entries


@dataclass(slots=True)
class Manifest:
    """A sweep: its header, and an entry for each finished run.

    Attributes
    ----------
    script_sha256 : str
        `gmat_sweep.canonical_script_sha256` of the mission script.
    gmat_sweep_version, gmat_run_version, gmat_install_version, python_version, os_platform : str
        The versions and the platform that the sweep ran on.
    sweep_seed : int or None
        The sweep's seed.
    parameter_spec : dict
        The fields that vary and how, tagged by ``_kind``.
    run_count : int
        Number of runs when the sweep was started.
    backend : str
        Class name of the pool that ran it.
    postprocess : str or None
        The sweep's hook, as ``"package.module:function"``.
    schema_version : int
        Version of the file format.
    entries : list of ManifestEntry
        One per finished run; after `load`, one per run id.
    fsync_each : bool
        Whether each appended entry is on disk before `append_entry` returns.
    fsync_batch : int
        Without `fsync_each`, the number of entries from one fsync to the next.
    extra : dict
        Further header keys, such as ``created_by`` and ``mission``, written beside the others.
    output_dir : Path or None
        The sweep folder, to which paths in the file are relative; None means the manifest's own
        folder. Appended lines follow the header of their file, even if this is set later.
    """

    script_sha256: str
    gmat_sweep_version: str
    gmat_run_version: str
    gmat_install_version: str
    python_version: str
    os_platform: str
    sweep_seed: int | None
    parameter_spec: dict[str, Any]
    run_count: int
    backend: str = "unknown"
    postprocess: str | None = None
    schema_version: int = MANIFEST_SCHEMA_VERSION
    entries: list[ManifestEntry] = field(default_factory=list)
    fsync_each: bool = field(default=True, compare=False)
    fsync_batch: int = field(default=50, compare=False)
    extra: dict[str, Any] = field(default_factory=dict, kw_only=True)
    output_dir: Path | None = field(default=None, kw_only=True, compare=False)
    _log: AppendLog | None = field(default=None, init=False, repr=False, compare=False)
    _anchor: Path | None = field(default=None, init=False, repr=False, compare=False)
    _not_held: int = field(default=0, init=False, repr=False, compare=False)

    find_failed = _FindFailed()
    """``manifest.find_failed()`` of the entries in memory, ``Manifest.find_failed(path)`` of a
    file: the run ids whose latest entry is ``failed``, in the order of first appearance."""
    find_missing = _FindMissing()
    """``manifest.find_missing(expected_run_ids)`` of the entries in memory,
    ``Manifest.find_missing(path, expected_run_ids)`` of a file: the expected run ids without an
    entry, in the order given."""

    @property
    def path(self) -> Path | None:
        """The file this manifest was saved to or loaded from."""
        return None if self._log is None else self._log.path

    @property
    def is_behind(self) -> bool:
        """Whether this object has appended entries to the file that `entries` does not hold."""
        return self._not_held > 0

    @property
    def extension_run_count(self) -> int:
        """Number of Monte Carlo runs added after the sweep was started; 0 for other sweeps."""
        if self.parameter_spec.get("_kind") != "monte_carlo":
            return 0
        return max(0, self._next_run_id() - int(self.parameter_spec["n"]))

    @property
    def total_run_count(self) -> int:
        """Number of runs, extensions included."""
        return max(self.run_count, self._next_run_id())

    def latest(self) -> dict[int, ManifestEntry]:
        """Return the last entry of each run, by ascending run id.

        A run has an entry for each time that it was flown; the last one counts.
        """
        self._catch_up()
        last = {entry.run_id: entry for entry in self.entries}
        return {run_id: last[run_id] for run_id in sorted(last)}

    def _catch_up(self) -> None:
        """Read the entries of the file if `entries` does not hold all of them."""
        if self.is_behind and self.path is not None:
            self.entries = list(type(self).iter_entries(self.path))
            self._not_held = 0

    def _next_run_id(self) -> int:
        self._catch_up()
        return max((entry.run_id for entry in self.entries), default=-1) + 1

    def save(self, path: str | Path) -> None:
        """Write header and entries as the file `path`, on disk when this returns.

        A reader finds the old file or the new one, never a part. Folders are created. From now on
        `append_entry` writes to this file.

        Raises
        ------
        SweepConfigError
            A value cannot be written as JSON or is of the wrong type; the message names its key
            path, and nothing is written.
        DurabilityError
            The file could not be written; a file that was there before still is.
        """
        self._catch_up()
        path = Path(path)
        anchor = (self.output_dir or path.parent).absolute()
        prefixes = path_prefixes(anchor)
        header = line_of(self._header(path.parent), 0)
        records = (line_record(each, prefixes) for each in self.entries)
        lines = (line_of(record, seq) for seq, record in enumerate(records, 1))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, itertools.chain((header,), lines))
        self._log, self._anchor = AppendLog(path, _check_appendable), anchor

    def append_entry(self, entry: ManifestEntry, *, hold: bool = True) -> None:
        """Append `entry` to the file, and then to `entries`.

        With `fsync_each` the entry is on disk before this returns; otherwise every `fsync_batch`-th
        entry and `close` put all on disk. Without `hold` the entry goes to the file alone: all
        entries of a large sweep take hundreds of megabytes.

        Raises
        ------
        RuntimeError
            The manifest has no file yet.
        SweepConfigError
            A value cannot be written as JSON or is of the wrong type; the message names its key
            path, and nothing is written.
        DurabilityError
            The entry was not written; the file and `entries` are as before, and a later call
            may succeed.
        ManifestCorruptError
            The file's last line is damaged, or the file has no header.
        FileNotFoundError
            The file is gone.
        """
        if self._log is None or self._anchor is None:
            raise RuntimeError(
                "the manifest has no file to append to. Call save() or load() first."
            )
        record = line_record(entry, path_prefixes(self._anchor))
        count = len(self.entries) + self._not_held + 1
        sync = self.fsync_each or count % max(1, self.fsync_batch) == 0
        self._log.append(functools.partial(line_of, record), sync=sync)
        if hold:
            self.entries.append(entry)
        else:
            self._not_held += 1

    def close(self) -> None:
        """Put every appended entry on disk and release the file; appending opens it again.

        Raises
        ------
        DurabilityError
            The last entries may not be on disk.
        """
        if self._log is not None:
            self._log.close()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a manifest; of several entries for one run the last counts, at the first's place.

        Paths of the entries are absolute. A relative path in the file is one below the sweep folder
        that the header names, or else below the folder of the file.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ManifestCorruptError
            The file is empty or newer than this version, or a complete line is damaged. A torn
            line is ignored.
        """
        path = Path(path)
        lines = read_lines(path)
        manifest = cls._from_header(_records(lines, path), path)
        with no_garbage_collection():
            latest = {each.run_id: each for each in _entries(lines, path, manifest._anchor)}
        manifest.entries = list(latest.values())
        manifest._log = AppendLog(path, _check_appendable)
        return manifest

    @classmethod
    def outline(cls, path: str | Path) -> Self:
        """Read a manifest without the values and the files of its runs.

        Its entries say how each run ended: run id, status, times, cause, solvers. They take a tenth
        of the memory of `load`.

        Raises
        ------
        FileNotFoundError, ManifestCorruptError
            As `load`.
        """
        manifest = cls._from_header(read_records(Path(path)), Path(path))
        with no_garbage_collection():
            latest = {each.run_id: outline_of(each) for each in cls.iter_entries(path)}
        manifest.entries = list(latest.values())
        manifest._log = AppendLog(Path(path), _check_appendable)
        return manifest

    @classmethod
    def from_header(cls, record: Mapping[str, Any], path: str | Path) -> Self:
        """Return the manifest, without entries, whose header line at `path` holds `record`.

        Raises
        ------
        ManifestCorruptError
            As `load`.
        """
        return cls._from_header(iter([(1, dict(record))]), Path(path))

    @classmethod
    def header_of(cls, path: str | Path) -> Self:
        """Read a manifest without its entries. Raises as `load` of its first line."""
        return cls._from_header(read_records(Path(path)), Path(path))

    @classmethod
    def iter_entries(cls, path: str | Path) -> Iterator[ManifestEntry]:
        """Yield every entry of the file as it is read, repeated runs included.

        Raises
        ------
        FileNotFoundError, ManifestCorruptError
            As `load`; for a damaged line, after the entries before it.
        """
        path = Path(path)
        lines = read_lines(path)
        yield from _entries(lines, path, cls._from_header(_records(lines, path), path)._anchor)

    @classmethod
    def iter_run_ids(cls, path: str | Path) -> Iterator[int]:
        """Yield the run of every entry of the file, whose lines are read but not all checked.

        Raises
        ------
        FileNotFoundError, ManifestCorruptError
            As `iter_entries`, for damage that hides the run; `iter_entries` tells the rest.
        """
        path = Path(path)
        lines = read_lines(path)
        anchor = _prefix(cls._from_header(_records(lines, path), path)._anchor)
        for line_number, line in lines:
            run_id = hasty_run_id(line)
            yield entry_on(line, path, line_number, anchor).run_id if run_id is None else run_id

    def _header(self, folder: Path) -> dict[str, Any]:
        record: dict[str, Any] = {
            "schema_version": self.schema_version,
            "script_sha256": self.script_sha256,
            "gmat_sweep_version": self.gmat_sweep_version,
            "gmat_run_version": self.gmat_run_version,
            "gmat_install_version": self.gmat_install_version,
            "python_version": self.python_version,
            "os_platform": self.os_platform,
            "sweep_seed": self.sweep_seed,
            "parameter_spec": self.parameter_spec,
            "run_count": self.run_count,
            "backend": self.backend,
            "postprocess": self.postprocess,
        }
        check_extra(self.extra, _HEADER_KEYS)
        if self.output_dir is not None and self.output_dir.resolve() != folder.resolve():
            sweep_folder = self.output_dir.absolute().as_posix()
            record["output_dir"] = portable(sweep_folder, path_prefixes(folder))
        header: dict[str, Any] = jsonable({**self.extra, **record}, "")
        try:
            _header_fields(header)
        except ValueError as error:
            raise SweepConfigError(f"the manifest's header cannot be written: {error}.") from None
        return header

    @classmethod
    def _from_header(cls, records: Iterator[tuple[int, dict[str, Any]]], path: Path) -> Self:
        _, record = next(records, (0, None))
        if record is None:
            torn = path.stat().st_size > 0
            problem = "the header line is not complete" if torn else "the file is empty"
            raise ManifestCorruptError(
                f"{path}: {problem}. No run is recorded in it: start again in another folder, or "
                f"see with `gmat-sweep doctor {shlex.quote(str(path.parent))}` whether run folders "
                "are left to rebuild it from.",
                path,
                1 if torn else None,
            )
        version = record.setdefault("schema_version", 1)
        problem = ""
        if not isinstance(version, int) or isinstance(version, bool):
            problem = f"schema_version must be an integer, not {version!r}. Restore the file."
        elif version > MANIFEST_SCHEMA_VERSION:
            problem = (
                f"schema_version {version} is newer than supported ({MANIFEST_SCHEMA_VERSION}). "
                "Upgrade gmat-sweep."
            )
        elif version < MANIFEST_SCHEMA_VERSION:
            problem = f"schema_version {version} has no migration path. Restore the file."
        if problem:
            raise ManifestCorruptError(f"{path}, line 1: {problem}", path, 1)
        try:
            fields = _header_fields(record)
        except ValueError as error:
            raise _malformed(path, 1, error) from error
        manifest = cls(**fields, extra=unknown_keys(record, _HEADER_KEYS))
        if record.get("output_dir") is not None:
            manifest.output_dir = path.parent.absolute() / record["output_dir"]
        manifest._anchor = manifest.output_dir or path.parent.absolute()
        return manifest


def _header_fields(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a header line, or raise ValueError naming the key that is wrong."""
    folder = take(record, "output_dir", str, NULL, default=None)
    if folder is not None and not _can_be_a_path(folder):
        raise ValueError(f"output_dir must be a path, not {folder!r}")
    return {
        "script_sha256": take(record, "script_sha256", str),
        "gmat_sweep_version": take(record, "gmat_sweep_version", str),
        "gmat_run_version": take(record, "gmat_run_version", str),
        "gmat_install_version": take(record, "gmat_install_version", str),
        "python_version": take(record, "python_version", str),
        "os_platform": take(record, "os_platform", str),
        "sweep_seed": take(record, "sweep_seed", int, NULL),
        "parameter_spec": take(record, "parameter_spec", dict),
        "run_count": take(record, "run_count", int),
        "backend": take(record, "backend", str, default="unknown"),
        "postprocess": take(record, "postprocess", str, NULL, default=None),
        "schema_version": record["schema_version"],
    }


def _can_be_a_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _prefix(folder: Path | None) -> str:
    return f"{folder}".rstrip("/") + "/"


def _malformed(path: Path, line_number: int, error: ValueError) -> ManifestCorruptError:
    message = f"{path}, line {line_number}: {error}. {advice(path)}"
    return ManifestCorruptError(message, path, line_number)


def _records(
    lines: Iterator[tuple[int, bytes]], path: Path
) -> Iterator[tuple[int, dict[str, Any]]]:
    return ((line_number, record_of(line, path, line_number)) for line_number, line in lines)


def _entries(
    lines: Iterator[tuple[int, bytes]], path: Path, folder: Path | None
) -> Iterator[ManifestEntry]:
    anchor = _prefix(folder)
    return (entry_on(line, path, line_number, anchor) for line_number, line in lines)


def entry_on(line: bytes, path: Path, line_number: int, anchor: str) -> ManifestEntry:
    """Return the entry on a complete line, which is read when it is needed if it can be trusted.

    Parameters
    ----------
    line, path, line_number : bytes, Path, int
        As of `gmat_sweep.manifest.lines.record_of`.
    anchor : str
        As of `ManifestEntry.from_dict`.

    Raises
    ------
    ManifestCorruptError
        The line is damaged, or no entry.
    """
    malformed = functools.partial(_malformed, path, line_number)
    try:
        run_id = run_id_of(line, line_number)
        if run_id is None:
            return ManifestEntry.from_dict(checked_record(line, line_number), anchor=anchor)
    except ValueError as error:
        raise malformed(error) from error
    return ManifestEntry.of_line(line, run_id, anchor, malformed)


def _check_appendable(path: Path, line_number: int, line: bytes) -> None:
    if line_number == 0:
        message = f"{path}: the file has no header line, so nothing can be appended. Save it anew."
        raise ManifestCorruptError(message, path, 1)
    record_of(line, path, line_number)
