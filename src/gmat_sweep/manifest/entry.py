"""One run's record in the manifest, and its form on a line.

`line_record` writes paths below the sweep folder relative to it, with ``/``. Loading a manifest
makes them absolute. `ManifestEntry.extra` keeps the keys that this version does not know.
"""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown
from gmat_sweep.manifest.file_keys import from_the_run_folder
from gmat_sweep.manifest.lines import RESERVED_KEYS, unchecked_record
from gmat_sweep.manifest.values import NULL, jsonable, take, take_members
from gmat_sweep.spec import PostprocessStatus, RunOutcome, RunStatus, checked_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "NOTES_KEY",
    "ManifestEntry",
    "check_extra",
    "line_record",
    "outline_of",
    "path_prefixes",
    "portable",
    "unknown_keys",
]

NOTES_KEY = "notes"
"""The extra key of an entry whose run has something to say: a list of sentences."""

_ENTRY_TYPES: dict[str, tuple[type, ...]] = {
    "run_id": (int,),
    "overrides": (dict,),
    "status": (str,),
    "output_paths": (dict,),
    "started_at": (str,),
    "ended_at": (str,),
    "duration_s": (float, int),
    "stderr": (str, NULL),
    "log_path": (str, NULL),
    "extra_outputs": (dict,),
    "solver_paths": (dict,),
    "converged": (dict,),
    "postprocess_status": (str,),
    "context": (dict,),
    "seed": (int, NULL),
    "run_options": (dict,),
    "attempts": (list,),
    "host": (str, NULL),
    "files": (dict,),
    "postprocess": (str, NULL),
    "output_dir": (str, NULL),
    "failure_kind": (str, NULL),
}
_ENTRY_KEYS = frozenset(_ENTRY_TYPES)
_STATUSES = frozenset(get_args(RunStatus))
_POSTPROCESS_STATUSES = frozenset(get_args(PostprocessStatus))
_REQUIRED_KEYS = frozenset(list(_ENTRY_TYPES)[:9])
# Python cannot make a float of every integer.
_LONGEST_S = 1e18
_UNTIDY = re.compile(r"//|(?:^|/)\.(?:/|$)|/$|^$")


def _paths(record: Mapping[str, Any], key: str, anchor: str) -> dict[str, Path]:
    texts = record.get(key)
    if not texts:
        return {}
    try:
        return {name: Path(_anchored(text, anchor)) for name, text in texts.items()}
    except (TypeError, AttributeError):
        raise ValueError(f"{key} must hold text, not {shown(record[key])}") from None


def _anchored(text: str, anchor: str) -> str:
    # Text, not paths, for speed: a manifest may have very many.
    return text if text.startswith("/") else anchor + text


def _posix(path: Path | str) -> str:
    return (path if isinstance(path, Path) else Path(path)).as_posix()


def _folder(text: str, anchor: str) -> str:
    """Return the POSIX text of a folder, and avoid the cost of a `Path` where possible."""
    anchored = _anchored(text, anchor)
    return Path(anchored).as_posix() if _UNTIDY.search(anchored) else anchored


def _time(record: Mapping[str, Any], key: str) -> datetime:
    try:
        time = datetime.fromisoformat(record[key])
    except ValueError:
        raise ValueError(f"{key} must be an ISO 8601 time, not {shown(record[key])}") from None
    # Times without a zone cannot be compared with the others.
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _duration(record: Mapping[str, Any]) -> float:
    seconds: float = record["duration_s"]
    if abs(seconds) > _LONGEST_S and isinstance(seconds, int):
        raise ValueError(f"duration_s must be a number of seconds, not {shown(seconds)}")
    return seconds


def _facts(record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    files: dict[str, dict[str, Any]] = take_members(record, "files", dict, {})
    for facts in files.values():
        if type(facts.get("size")) is not int or type(facts.get("sha256")) is not str:
            raise ValueError(
                f"files must hold the size and the sha256 of each file, not {shown(facts)}"
            )
    return files


class _Unread:
    """The line that an entry is read from when one of its attributes is first wanted.

    A slot that is not set makes Python call ``__getattr__``, so an entry costs a look only while
    it has not been read.
    """

    __slots__ = ("_unread",)
    _unread: tuple[bytes, str, Callable[[ValueError], Exception]] | None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "_unread":
                return None
            unread = self._unread
            # Another thread may have read it in the meantime.
            if unread is not None:
                line, anchor, malformed = unread
                try:
                    read = _attributes(unchecked_record(line), anchor)
                except ValueError as error:
                    raise malformed(error) from error
                for key, value in read.items():
                    object.__setattr__(self, key, value)
                object.__setattr__(self, "_unread", None)
            return object.__getattribute__(self, name)


@dataclass(frozen=True, slots=True)
class ManifestEntry(_Unread):
    """One run and its result.

    Attributes
    ----------
    run_id : int
        Identity of the run within its sweep.
    overrides : dict
        GMAT dotted path to the run's value, in GMAT's own units.
    status : {"ok", "failed", "skipped"}
        How the run ended.
    output_paths : dict of str to Path
        Parquet files by key: ``report__<name>``, ``ephemeris__<name>``, ``contact__<name>``.
        Paths are absolute in a manifest that was loaded, here and below. A relative path of an
        entry made by hand is relative to the sweep folder.
    started_at, ended_at : datetime
        Wall-clock bounds, UTC.
    duration_s : float
        Seconds the run took, on a monotonic clock.
    stderr : str or None
        Cause of a failure.
    log_path : Path or None
        The run's log.
    extra_outputs : dict of str to Path
        Files that the postprocess hook returned, by its keys.
    postprocess_status : {"none", "ok", "failed"}
        How the hook ended.
    solver_paths : dict of str to Path
        Iteration histories by solver name.
    converged : dict of str to bool
        Whether each solver reached its goal.
    context : dict
        The run's JSON data for the hook.
    seed : int or None
        The run's own seed.
    run_options : dict
        Keywords passed to ``gmat_run.Mission.run``.
    attempts : list of dict
        Earlier attempts at this run, oldest first: ``cause``, ``started_at``, ``ended_at``.
    host : str or None
        The machine that flew the run.
    files : dict of str to dict
        ``size`` in bytes and ``sha256`` of each listed file, by its path from the run folder; by
        its absolute path if it lies elsewhere.
    postprocess : str or None
        The run's hook, as ``"package.module:function"``.
    output_dir : str or None
        The run's folder.
    failure_kind : str or None
        What made the run fail, one of `gmat_sweep.spec.FailureKind`; None if it is ok, and in
        manifests of earlier versions. `gmat_sweep.failure_kinds.kind_of` knows more of these.
    extra : dict
        Further keys of the line, written beside the others.
    """

    run_id: int
    overrides: dict[str, Any]
    status: RunStatus
    output_paths: dict[str, Path]
    started_at: datetime
    ended_at: datetime
    duration_s: float
    stderr: str | None
    log_path: Path | None
    extra_outputs: dict[str, Path] = field(default_factory=dict)
    postprocess_status: PostprocessStatus = "none"
    solver_paths: dict[str, Path] = field(default_factory=dict)
    converged: dict[str, bool] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    seed: int | None = field(default=None, kw_only=True)
    run_options: dict[str, Any] = field(default_factory=dict, kw_only=True)
    attempts: list[dict[str, Any]] = field(default_factory=list, kw_only=True)
    host: str | None = field(default=None, kw_only=True)
    files: dict[str, dict[str, Any]] = field(default_factory=dict, kw_only=True)
    postprocess: str | None = field(default=None, kw_only=True)
    output_dir: str | None = field(default=None, kw_only=True)
    failure_kind: str | None = field(default=None, kw_only=True)
    extra: dict[str, Any] = field(default_factory=dict, kw_only=True)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run has to say though it is ok, such as an output that is no table."""
        notes = self.extra.get(NOTES_KEY)
        return tuple(map(str, notes)) if isinstance(notes, list) else ()

    @classmethod
    def from_outcome(
        cls,
        outcome: RunOutcome,
        *,
        overrides: dict[str, Any],
        context: dict[str, Any] | None = None,
        log_path: Path | None = None,
        **facts: Any,
    ) -> Self:
        """Return the entry for a worker's `outcome`.

        Parameters
        ----------
        outcome : RunOutcome
            The run's result.
        overrides : dict
            The run's values by GMAT dotted path.
        context : dict, optional
            The run's data for the hook; ``{}`` without it.
        log_path : Path, optional
            The run's log.
        **facts
            Any of ``seed``, ``run_options``, ``attempts``, ``host``, ``files``, ``postprocess``,
            ``output_dir`` and ``extra``.
        """
        return cls(
            run_id=outcome.run_id,
            overrides=overrides,
            status=outcome.status,
            output_paths=outcome.output_paths,
            started_at=outcome.started_at,
            ended_at=outcome.ended_at,
            duration_s=outcome.duration_s,
            stderr=outcome.stderr,
            log_path=log_path,
            extra_outputs=outcome.extra_outputs,
            solver_paths=outcome.solver_paths,
            converged=outcome.converged,
            postprocess_status=outcome.postprocess_status,
            context={} if context is None else context,
            failure_kind=outcome.failure_kind,
            **facts,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the entry with paths as POSIX text and times in ISO 8601.

        ``seed`` and the attributes after it are left out if they have their default. The keys of
        `extra` stand beside the others.
        """

        def as_text(paths: Mapping[str, Path]) -> dict[str, str]:
            return {name: _posix(path) for name, path in paths.items()}

        record: dict[str, Any] = {
            "run_id": self.run_id,
            "overrides": self.overrides,
            "context": self.context,
            "status": self.status,
            "output_paths": as_text(self.output_paths),
            "extra_outputs": as_text(self.extra_outputs),
            "solver_paths": as_text(self.solver_paths),
            "converged": self.converged,
            "postprocess_status": self.postprocess_status,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "duration_s": self.duration_s,
            "stderr": self.stderr,
            "log_path": None if self.log_path is None else _posix(self.log_path),
        }
        optional = {
            "seed": self.seed,
            "host": self.host,
            "postprocess": self.postprocess,
            "output_dir": self.output_dir,
            "failure_kind": self.failure_kind,
        }
        record.update((key, value) for key, value in optional.items() if value is not None)
        collections = {
            "run_options": self.run_options,
            "attempts": self.attempts,
            "files": self.files,
        }
        record.update((key, value) for key, value in collections.items() if value)
        return {**self.extra, **record}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, anchor: str = "") -> Self:
        """Return the entry that `to_dict` gave; unknown keys go to `extra`.

        Parameters
        ----------
        data : mapping
            The entry as a JSON object.
        anchor : str
            Goes before relative paths: a folder, ending in ``/``. By default they stay relative.

        Raises
        ------
        ValueError
            A required key is missing, or a value is of a wrong type or form; the message names
            the key.
        """
        return cls(**_attributes(data, anchor))

    @classmethod
    def of_line(
        cls, line: bytes, run_id: int, anchor: str, malformed: Callable[[ValueError], Exception]
    ) -> Self:
        """Return the entry on a line whose checksum is right; it is read when it is needed.

        Parameters
        ----------
        line : bytes
            A line that `gmat_sweep.manifest.lines.line_of` wrote, which takes only what can be read
            again.
        run_id : int
            The run's id on that line.
        anchor : str
            As of `from_dict`.
        malformed : callable
            Makes the error to raise of a line that another program wrote badly.
        """
        entry = object.__new__(cls)
        object.__setattr__(entry, "run_id", run_id)
        object.__setattr__(entry, "_unread", (line, anchor, malformed))
        return entry

    def _repr_html_(self) -> str:
        """Return the entry as a table, which notebooks show."""
        from gmat_sweep.notebook import entry_html

        return entry_html(self)


def _attributes(data: Mapping[str, Any], anchor: str) -> dict[str, Any]:
    """Return the attributes of the entry that a record holds, checked as `from_dict` says."""
    # One pass over the data, for speed: a manifest may have very many lines.
    extra = {}
    for key, value in data.items():
        types = _ENTRY_TYPES.get(key)
        if types is None:
            extra[key] = value
        elif type(value) not in types:
            take(data, key, *types)
    if missing := _REQUIRED_KEYS - data.keys():
        raise ValueError(f"{', '.join(sorted(missing))} is missing")
    status, log_path, folder = data["status"], data["log_path"], data.get("output_dir")
    files = _facts(data)
    postprocess_status = data.get("postprocess_status", "none")
    if status not in _STATUSES or postprocess_status not in _POSTPROCESS_STATUSES:
        checked_choice("status", status, RunStatus)
        checked_choice("postprocess_status", postprocess_status, PostprocessStatus)
    return {
        "run_id": data["run_id"],
        "overrides": data["overrides"],
        "status": status,
        "output_paths": _paths(data, "output_paths", anchor),
        "started_at": _time(data, "started_at"),
        "ended_at": _time(data, "ended_at"),
        "duration_s": _duration(data),
        "stderr": data["stderr"],
        "log_path": None if log_path is None else Path(_anchored(log_path, anchor)),
        "extra_outputs": _paths(data, "extra_outputs", anchor),
        "solver_paths": _paths(data, "solver_paths", anchor),
        "converged": take_members(data, "converged", bool, {}),
        "postprocess_status": postprocess_status,
        "context": data.get("context", {}),
        "seed": data.get("seed"),
        "run_options": data.get("run_options", {}),
        "attempts": take_members(data, "attempts", dict, []),
        "host": data.get("host"),
        "files": dict(from_the_run_folder(files, data)),
        "postprocess": data.get("postprocess"),
        "output_dir": None if folder is None else _folder(folder, anchor),
        "failure_kind": data.get("failure_kind"),
        "extra": extra,
    }


# All outlines share these two: no caller changes an outline.
_NOTHING: dict[str, Any] = {}
_NO_ATTEMPTS: list[dict[str, Any]] = []
_LEFT_OUT: dict[str, Any] = {
    "overrides": _NOTHING,
    "output_paths": _NOTHING,
    "extra_outputs": _NOTHING,
    "solver_paths": _NOTHING,
    "log_path": None,
    "context": _NOTHING,
    "run_options": _NOTHING,
    "attempts": _NO_ATTEMPTS,
    "files": _NOTHING,
    "output_dir": None,
    "postprocess": None,
    "host": None,
}


def outline_of(entry: ManifestEntry) -> ManifestEntry:
    """Return an entry with the attributes that say how the run ended, and no others."""
    if entry._unread is None:
        return replace(
            entry,
            **_LEFT_OUT,
            converged=entry.converged or _NOTHING,
            extra=entry.extra or _NOTHING,
        )
    line, anchor, malformed = entry._unread
    try:
        kept = _attributes({**unchecked_record(line), **_LEFT_OUT}, anchor)
    except ValueError as error:
        raise malformed(error) from error
    for key in ("converged", "extra"):
        kept[key] = kept[key] or _NOTHING
    # Few words, of which each line has its own copy.
    for key in ("status", "postprocess_status", "failure_kind"):
        if isinstance(kept.get(key), str):
            kept[key] = sys.intern(kept[key])
    return ManifestEntry(**{**kept, **_LEFT_OUT})


def unknown_keys(record: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """Return the part of `record` whose keys are not `known`."""
    return {} if record.keys() <= known else {k: v for k, v in record.items() if k not in known}


def check_extra(extra: Mapping[str, Any], known: frozenset[str]) -> None:
    """Raise SweepConfigError if `extra` holds a key that is in `known`."""
    if taken := sorted(extra.keys() & (known | RESERVED_KEYS)):
        raise SweepConfigError(
            f"extra holds {', '.join(taken)}, which the manifest writes itself. Rename the key."
        )


def line_record(entry: ManifestEntry, prefixes: tuple[str, ...]) -> dict[str, Any]:
    """Return the record written for `entry`, with paths below the sweep folder relative to it.

    Raises
    ------
    SweepConfigError
        The line could not be written, or not read again; the message names run and key path.
    """
    try:
        check_extra(entry.extra, _ENTRY_KEYS)
        record: dict[str, Any] = jsonable(entry.to_dict(), "")
        _attributes(record, "")
    except (SweepConfigError, ValueError) as error:
        raise SweepConfigError(f"run {entry.run_id}: {error}") from None
    for key in ("output_paths", "extra_outputs", "solver_paths"):
        record[key] = {name: portable(text, prefixes) for name, text in record[key].items()}
    for key in ("log_path", "output_dir"):
        if record.get(key) is not None:
            record[key] = portable(record[key], prefixes)
    if "files" in record:
        run = record.get("output_dir") or f"run-{entry.run_id}"
        inside = tuple(f"{prefix}{run}/" for prefix in prefixes)
        inside += (f"{run}/",) if run.startswith("/") else ()
        record["files"] = {
            portable(portable(text, inside), prefixes): facts
            for text, facts in record["files"].items()
        }
    return record


def path_prefixes(folder: Path) -> tuple[str, ...]:
    """Return the texts, ending in ``/``, that a path below `folder` may begin with."""
    return _absolute_prefixes(folder.absolute())


@functools.lru_cache(maxsize=64)
def _absolute_prefixes(folder: Path) -> tuple[str, ...]:
    texts = dict.fromkeys((folder.as_posix(), folder.resolve().as_posix()))
    return tuple(text.rstrip("/") + "/" for text in texts)


def portable(text: str, prefixes: tuple[str, ...]) -> str:
    """Return the path `text` relative to the first of `prefixes` that it lies under."""
    for prefix in prefixes:
        if text + "/" == prefix:
            return "."
        if text.startswith(prefix):
            rest = text[len(prefix) :]
            return text if ".." in rest.split("/") else rest
    return text
