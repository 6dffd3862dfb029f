"""A sweep in one zip file that can be checked, read and continued on any machine.

`archive_sweep` writes it: the mission script, the manifest, every file the manifest lists, and a
``MANIFEST.hash`` that ``sha256sum -c`` understands. It promises:

* The same sweep gives the same bytes, whenever and wherever it is archived (with the same zlib).
* The mission's input files that lie beside the script or below go with it, also those that only the
  values of runs name; GMAT's own data do not.
* The archive holds each run's latest entry with all its keys, and each file that the manifest
  lists; two files of one name get two names. A file that is missing, or is no longer as the
  manifest recorded it, is refused before anything is written.
* A manifest may name any file of the machine. A file outside of the sweep's folders is packed only
  if the caller trusts the manifest.
* The unpacked folder is a sweep folder: paths in its manifest are relative to it.
* The archive is there whole and on disk, or not at all. It replaces an archive that was made of
  this sweep before, and nothing else. If that archive is the very same, its file is not touched.
* No member name leaves the folder that the archive is unpacked in.
* Files are streamed: memory does not grow with their size.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import re
import tempfile
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.aggregate.fragments import Fragment
from gmat_sweep.archive.readme import readme
from gmat_sweep.disk.files import atomic_path
from gmat_sweep.disk.held import plain_reader
from gmat_sweep.disk.owner import is_own
from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import (
    DurabilityError,
    ManifestCorruptError,
    NotPlainFileError,
    SweepConfigError,
)
from gmat_sweep.folder.layout import MANIFEST_NAME, run_folder_name
from gmat_sweep.folder.packed import refuse_packed
from gmat_sweep.folder.run_files import facts_of
from gmat_sweep.mission.files import MissionFiles, texts_of
from gmat_sweep.mission.script import included_file, is_file, script_digest, statements_of
from gmat_sweep.plans import EXPLICIT_RUNS_KEY
from gmat_sweep.sweep.recorded_script import MISSION_ABSOLUTE_KEY, MISSION_PATH_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gmat_sweep.manifest import Manifest, ManifestEntry

__all__ = ["archive_sweep"]

_HASHES = "MANIFEST.hash"
_README = "README.md"

_TIMESTAMP = (2026, 1, 1, 0, 0, 0)
_UNIX = 3
_REGULAR_FILE_0644 = 0o100644 << 16
_CHUNK = 1 << 20
# Characters that some system cannot have in a file name, or that `sha256sum` or zip cannot write.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')

_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError)
"""Errors of zipfile for a file that is no zip, is damaged or encrypted, or lacks a member."""

type _Content = Path | bytes


def archive_sweep(
    manifest: Manifest,
    output_dir: Path | str,
    script_path: Path | str,
    out: Path | str,
    *,
    include_logs: bool = False,
    allow_script_drift: bool = False,
    trust_files: bool = False,
) -> Path:
    """Write a sweep as one zip file: script, manifest, every listed file, and their hashes.

    Parameters
    ----------
    manifest : Manifest
        The sweep's manifest, loaded or as it came from a run. The last entry of a run counts.
    output_dir : Path or str
        The sweep folder. A listed file is looked for where the aggregation functions look: at its
        recorded path, then at ``run-<id>/<file name>`` below this folder.
    script_path : Path or str
        The mission script. Files that it includes or reads by a relative path go with it.
    out : Path or str
        The file to write. Its folder is created. An archive made of the same sweep before, which
        has been resumed or extended since, is replaced.
    include_logs : bool
        Whether the runs' logs are packed too; without it ``log_path`` is null in the archive. A
        run that is not ok may have ended before it had a log, so its log may be missing.
    allow_script_drift : bool
        Whether another script than the recorded one may be packed; the README then says so.
    trust_files : bool
        Whether listed files outside of the sweep's folders are packed too, such as those that a
        hook wrote elsewhere, and the mission's files outside of the script's folder. Links are
        followed to tell. The sweep's folders are `output_dir`, the manifest's own, and the one that
        it names if this user wrote it on this machine.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    SweepConfigError
        The script is not the recorded one; the runs are packed; a listed file is missing, is not
        as the manifest recorded it, or lies outside of the sweep's folders and is not trusted;
        `out` is there already and is no archive of this sweep; or a file changed meanwhile.
    DurabilityError
        The archive could not be written; nothing is left of it.
    FileNotFoundError
        There is no script at `script_path`.
    """
    target, script = user_path(out, "out"), Path(script_path)
    refuse_packed(Path(output_dir), "an archive")
    has_drifted = _check_script(script, manifest.script_sha256, allow_script_drift)
    runs = _RunFiles(anchors_of(manifest, output_dir), include_logs)
    entries = [runs.packed(entry) for entry in manifest.latest().values()]
    runs.refuse_missing()
    mission = _Mission.of(script, (entry.overrides for entry in entries))
    if not trust_files:
        _refuse_outside(runs.files.values(), _own_folders(manifest, Path(output_dir)))
        _refuse_outside(mission.files.values(), [script.parent.resolve(), script.resolve().parent])

    with tempfile.TemporaryDirectory(prefix="gmat-sweep-archive-") as scratch:
        packed = replace(
            manifest,
            entries=entries,
            extra=_with_script_inside(_with_runs_inside(manifest.extra), mission.name),
            output_dir=None,
        )
        packed.save(Path(scratch) / MANIFEST_NAME)
        packed.close()
        text = readme(
            packed,
            script=mission.name,
            has_drifted=has_drifted,
            included=sorted(mission.files.keys() - {mission.name, *mission.read}),
            read=mission.read,
            left_out=mission.left_out,
            has_logs=include_logs,
        )
        members: dict[str, _Content] = {
            **runs.files,
            **mission.files,
            MANIFEST_NAME: Path(scratch) / MANIFEST_NAME,
            _README: text.encode(),
        }
        digests = {name: _digest(members[name]) for name in sorted(members)}
        runs.refuse_damaged(digests)
        lines = [f"{digest.sha256}  {name}\n" for name, digest in digests.items()]
        members[_HASHES] = "".join(lines).encode()
        digests[_HASHES] = _digest(members[_HASHES])
        if not (target.exists() and _is_same(target, members)):
            if target.exists():
                _check_earlier(target, Path(scratch) / MANIFEST_NAME, manifest)
            _write(target, members, digests)
    return target


def _check_script(script: Path, recorded: str, allow_drift: bool) -> bool:
    """Return whether the script is another than the recorded one, if that is allowed."""
    found = script_digest(script)
    if found != recorded and not allow_drift:
        raise SweepConfigError(
            f"script hash mismatch: {script} has {found}, the manifest recorded {recorded}. The "
            "archive would hold results of another script: restore the script, or pass "
            "allow_script_drift=True (--allow-script-drift) if the change does not matter."
        )
    return found != recorded


def _own_folders(manifest: Manifest, output_dir: Path) -> list[Path]:
    """Return the folders whose files belong to a sweep, whatever somebody else's manifest says."""
    folders = [output_dir]
    if manifest.path is not None:
        folders.append(manifest.path.parent)
    if manifest.output_dir is not None and is_own(manifest.extra):
        folders.append(manifest.output_dir)
    return [folder.resolve() for folder in folders]


def _refuse_outside(files: Iterable[_Content], folders: Sequence[Path]) -> None:
    """Raise SweepConfigError if a file to pack lies in none of some folders, links followed."""
    outside = [
        str(each)
        for each in files
        if isinstance(each, Path)
        and not any(each.resolve().is_relative_to(folder) for folder in folders)
    ]
    if outside:
        raise SweepConfigError(
            f"files outside of {' and '.join(map(str, dict.fromkeys(folders)))} would be packed: "
            f"{_some(outside)}. Whoever wrote the manifest or the script named them: if you trust "
            "these, pass trust_files=True (--trust-files)."
        )


def _with_runs_inside(extra: dict[str, Any]) -> dict[str, Any]:
    """Return the header's further keys with the folders of hand-made runs inside the sweep's."""
    kept = extra.get(EXPLICIT_RUNS_KEY)
    if not isinstance(kept, list):
        return extra

    def inside(record: Any) -> Any:
        if not isinstance(record, dict) or not isinstance(record.get("output_dir"), str):
            return record
        folder = PurePosixPath(record["output_dir"])
        if not folder.is_absolute() and ".." not in folder.parts:
            return record
        return {**record, "output_dir": f"runs/{run_folder_name(record.get('run_id', 0))}"}

    return {**extra, EXPLICIT_RUNS_KEY: [inside(record) for record in kept]}


def _with_script_inside(extra: dict[str, Any], script: str) -> dict[str, Any]:
    """Return the header's further keys with the path of the script that is packed."""
    kept = {key: value for key, value in extra.items() if key != MISSION_ABSOLUTE_KEY}
    return {**kept, MISSION_PATH_KEY: script}


# --- what goes in --------------------------------------------------------------------------------


def _safe_name(name: str) -> str:
    """Return a file name that every system accepts: `name` itself if possible."""
    # Windows takes dots and blanks off the end, and `..` is no name anywhere.
    return _UNSAFE.sub("_", name).rstrip(". ") or "_"


def _unused_name(name: str, taken: set[str]) -> str:
    """Return `name`, with a number if it is taken; names that differ in case alone are equal."""

    def folded(text: str) -> str:
        return unicodedata.normalize("NFC", text).casefold()

    path = PurePosixPath(name)
    numbered = (f"{path.stem}~{number}{path.suffix}" for number in itertools.count(2))
    unused = next(each for each in itertools.chain([name], numbered) if folded(each) not in taken)
    taken.add(folded(unused))
    return unused


@dataclass(slots=True)
class _RunFiles:
    """The files of all runs by member name, and those that are missing.

    Attributes
    ----------
    anchors : sequence of Path
        The folders in which the sweep's files may be.
    include_logs : bool
        Whether logs are packed.
    files : dict of str to Path
        Member name to file.
    recorded : dict of str to str
        Member name to the SHA-256 in the manifest, for files that it records with one.
    missing : list of str
        The files that are not there.
    """

    anchors: Sequence[Path]
    include_logs: bool
    files: dict[str, _Content] = field(default_factory=dict)
    recorded: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def packed(self, entry: ManifestEntry) -> ManifestEntry:
        """Return `entry` as the archive's manifest has it, and note the files it lists."""
        folder = f"runs/{run_folder_name(entry.run_id)}"
        members: dict[Path, str] = {}
        taken: set[str] = set()

        def member(kind: str, key: str, path: Path) -> Path:
            fragment = Fragment(entry.run_id, kind, key, Path(path))
            source = self._found(fragment)
            if source is None:
                self.missing.append(f"{fragment} ({path})")
                return path
            if source not in members:
                name = _unused_name(_safe_name(fragment.path.name), taken)
                members[source] = f"{folder}/{name}"
                self.files[members[source]] = source
            return Path(members[source])

        def all_of(kind: str, paths: Mapping[str, Path]) -> dict[str, Path]:
            return {key: member(kind, key, paths[key]) for key in sorted(paths)}

        listed = [
            *entry.output_paths.values(),
            *entry.extra_outputs.values(),
            *entry.solver_paths.values(),
        ]
        moved = replace(
            entry,
            output_paths=all_of("output", entry.output_paths),
            solver_paths=all_of("solver output", entry.solver_paths),
            extra_outputs=all_of("extra output", entry.extra_outputs),
            log_path=member("log", entry.log_path.name, entry.log_path)
            if entry.log_path is not None and self._has_log(entry, entry.log_path)
            else None,
            output_dir=None if entry.output_dir is None else folder,
        )
        facts = {}
        for path in listed:
            source = self._found(Fragment(entry.run_id, "file", path.name, path))
            recorded = facts_of(entry, path, self.anchors)
            if source in members and recorded is not None:
                facts[PurePosixPath(members[source]).name] = recorded
                self.recorded[members[source]] = str(recorded.get("sha256", ""))
        return replace(moved, files=facts)

    def _has_log(self, entry: ManifestEntry, path: Path) -> bool:
        if not self.include_logs:
            return False
        # A worker that died at its start has written no log.
        fragment = Fragment(entry.run_id, "log", path.name, path)
        return entry.status == "ok" or self._found(fragment) is not None

    def _found(self, fragment: Fragment) -> Path | None:
        places = (path for path in fragment.places(self.anchors) if is_file(path))
        found = next(places, None)
        return None if found is None else found.resolve()

    def refuse_missing(self) -> None:
        """Raise SweepConfigError if a listed file is at none of its places."""
        if self.missing:
            looked = " and ".join(str(anchor) for anchor in self.anchors)
            raise SweepConfigError(
                f"the manifest lists files that are missing: {_some(self.missing)}. Looked below "
                f"{looked}. Resume the sweep to run them again, or pass the folder of the runs as "
                "output_dir."
            )

    def refuse_damaged(self, digests: Mapping[str, _Digest]) -> None:
        """Raise SweepConfigError if a file is not as the manifest recorded it."""
        damaged = [
            str(self.files[name])
            for name, recorded in self.recorded.items()
            if recorded and recorded != digests[name].sha256
        ]
        if damaged:
            raise SweepConfigError(
                f"files are no longer what the manifest recorded (SHA-256): {_some(damaged)}. "
                "Resume the sweep to run them again."
            )


def _some(things: Sequence[str], most: int = 5) -> str:
    listed = ", ".join(things[:most])
    return f"{listed} and {len(things) - most} more" if len(things) > most else listed


@dataclass(frozen=True, slots=True)
class _Mission:
    """The mission script, and the files that it includes and reads.

    Attributes
    ----------
    name : str
        The script's member name.
    files : dict of str to Path
        Member name to file, the script's own included.
    read : list of str
        The member names of the files that it reads, or that a run's overrides name.
    left_out : list of str
        Names, as the script writes them, that the packed script would not find beside itself, and
        whether it includes or reads them.
    """

    name: str
    files: dict[str, Path]
    read: list[str]
    left_out: list[str]

    @classmethod
    def of(cls, script: Path, overrides: Iterable[Mapping[str, Any]]) -> _Mission:
        name = f"script/{_safe_name(script.name)}"
        files, left_out = {name: script}, set()
        for statement in statements_of(script):
            if statement.included is None:
                continue
            target = included_file(statement, script)
            written = PurePosixPath(statement.included.replace("\\", "/"))
            # GMAT looks for the path as the script writes it, so the member must have that path.
            if target is not None and all(part == _safe_name(part) for part in written.parts):
                files.setdefault(f"script/{written}", target)
            else:
                left_out.add(f"`{_printable(statement.included)}`, which the script includes")
        read = []
        for named, path in MissionFiles.of(script, texts_of(overrides)).named.items():
            written = PurePosixPath(named.replace("\\", "/"))
            if all(part == _safe_name(part) for part in written.parts):
                if f"script/{written}" not in files:
                    read.append(f"script/{written}")
                files.setdefault(f"script/{written}", Path(path))
            else:
                left_out.add(f"`{_printable(named)}`, which the script reads")
        return cls(name, files, sorted(read), sorted(left_out))


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode()


# --- reading and writing -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Digest:
    sha256: str
    size: int


def _chunks(content: _Content) -> Iterator[bytes]:
    if isinstance(content, bytes):
        yield content
        return
    try:
        with plain_reader(content) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except OSError as error:
        raise SweepConfigError(
            f"{content} cannot be read: {error.strerror}. Check its permissions and archive again."
        ) from error


def _digest(content: _Content) -> _Digest:
    return _digest_of(_chunks(content))


def _digest_of(chunks: Iterable[bytes]) -> _Digest:
    sha256, size = hashlib.sha256(), 0
    for chunk in chunks:
        sha256.update(chunk)
        size += len(chunk)
    return _Digest(sha256.hexdigest(), size)


def _write(target: Path, members: Mapping[str, _Content], digests: Mapping[str, _Digest]) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name in sorted(members):
                _pack(archive, name, members[name], digests[name])
    except (DurabilityError, NotPlainFileError):
        raise
    except OSError as error:
        message = (
            f"cannot write the archive ({error.strerror}); nothing is left of it. Check "
            "permissions and free space, then archive again"
        )
        raise DurabilityError(error.errno or errno.EIO, message, str(target)) from error


def _pack(archive: zipfile.ZipFile, name: str, content: _Content, expected: _Digest) -> None:
    info = zipfile.ZipInfo(name, _TIMESTAMP)
    # zipfile compresses this member at zlib's default level, 6.
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = _UNIX
    info.external_attr = _REGULAR_FILE_0644
    # zipfile chooses the format for large members from this size, before it has read the content.
    info.file_size = expected.size

    def passing_through() -> Iterator[bytes]:
        with archive.open(info, "w") as member:
            for chunk in _chunks(content):
                member.write(chunk)
                yield chunk

    if _digest_of(passing_through()) != expected:
        raise SweepConfigError(
            f"{content!s} changed while it was being archived. Wait until nothing writes to the "
            "sweep, then archive again."
        )


def _is_same(target: Path, members: Mapping[str, _Content]) -> bool:
    """Whether `target` is a sound archive of the same members."""
    try:
        with zipfile.ZipFile(target) as archive:
            return (
                archive.namelist() == sorted(members)
                and archive.read(_HASHES) == members[_HASHES]
                and archive.testzip() is None
            )
    except _UNREADABLE:
        return False


def _check_earlier(target: Path, packed: Path, manifest: Manifest) -> None:
    """Raise SweepConfigError unless `target` is an earlier archive of this sweep.

    The manifest in an earlier archive has the header of `packed`, the manifest to archive now. All
    its entries are in the file of `manifest`, which is only appended to.
    """
    with (
        contextlib.suppress(*_UNREADABLE, ManifestCorruptError),
        tempfile.TemporaryDirectory(prefix="gmat-sweep-archive-") as scratch,
        zipfile.ZipFile(target) as archive,
    ):
        earlier = Path(archive.extract(MANIFEST_NAME, scratch))
        entries = {_identity(entry) for entry in type(manifest).iter_entries(earlier)}
        if _header_of(earlier) == _header_of(packed) and entries <= _ever_recorded(manifest):
            return
    raise SweepConfigError(
        f"{target} exists already and is no archive of this sweep. Give another file name, or "
        "delete it first."
    )


def _header_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline()


def _ever_recorded(manifest: Manifest) -> set[tuple[int, datetime, datetime]]:
    """Return the identity of every entry of a sweep, those with a later entry included."""
    found = {_identity(entry) for entry in manifest.entries}
    if manifest.path is not None and manifest.path.exists():
        found |= {_identity(entry) for entry in manifest.iter_entries(manifest.path)}
    return found


def _identity(entry: ManifestEntry) -> tuple[int, datetime, datetime]:
    return entry.run_id, entry.started_at, entry.ended_at
