"""The preflight: check before the first run everything that can be known then.

`prepare_mission` asks the engine itself, in a worker process: a script that crashes the engine ends
that worker and not the driver.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.backends.process.memory import memory_text
from gmat_sweep.backends.process.worker_process import (
    WorkerDiedError,
    WorkerOverMemoryError,
)
from gmat_sweep.disk.held import open_plain
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import GmatSweepError, MissionScriptError, SweepConfigError
from gmat_sweep.folder.layout import HEADLESS_FOLDER
from gmat_sweep.import_places import HOOKS_VARIABLE, look_at_hooks_anew
from gmat_sweep.mission.editing import set_again, starts_from_itself
from gmat_sweep.mission.headless import HeadlessScript, headless_copy
from gmat_sweep.mission.report_layout import report_layouts
from gmat_sweep.mission.script import (
    check_resources,
    included_file,
    output_names,
    resources_in,
    statements_of,
)
from gmat_sweep.sweep.field_conflicts import refuse_conflicting_fields
from gmat_sweep.sweep.inspector import Inspect, inspector
from gmat_sweep.sweep.out_of_range import OutOfRange
from gmat_sweep.sweep.recorded_script import how_to_finish
from gmat_sweep.sweep.refusals import refusal

if TYPE_CHECKING:
    from gmat_sweep.mission.statements import Statement
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.worker import MissionFacts

__all__ = [
    "PreparedMission",
    "check_folder",
    "check_hook",
    "nothing_left_if_refused",
    "prepare_mission",
    "prepare_missions",
]

_MOST_VALUES = 4
_LONGEST_SHOWN = 60
# Sign, point and exponent beside the digits of a number.
_BESIDE_DIGITS = 7

_log = logging.getLogger("gmat_sweep")


def check_folder(folder: Path, manifest_path: Path) -> None:
    """Refuse a folder that already holds a sweep, or that cannot be written to.

    Raises
    ------
    SweepConfigError
        The message says how to resume, or where to write instead.
    """
    if manifest_path.exists():
        raise SweepConfigError(
            f"{manifest_path} already holds a sweep. {how_to_finish(manifest_path)}"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # A name of its own: another process may be probing the same folder.
        probe = folder / f".gmat-sweep-write-probe-{os.getpid()}-{secrets.token_hex(4)}"
        os.close(open_plain(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        probe.unlink()
    except OSError as error:
        raise SweepConfigError(
            f"The output folder {folder} cannot be written to: {error.strerror}. Choose one that "
            "can."
        ) from error


@contextmanager
def nothing_left_if_refused(manifest_path: Path, *folders: Path) -> Iterator[None]:
    """Delete the folders that a sweep has made, if the block raises and there is no manifest.

    From these folders only the files go that a sweep writes before its first run. A folder that
    holds anything else stays, and so does one that was there before.

    Parameters
    ----------
    manifest_path : Path
        The manifest: once it is there, the sweep has begun and everything stays.
    *folders : Path
        The folders that the sweep writes to; they and those around them may be missing.
    """
    around = {each for folder in folders for each in (folder, *folder.parents)}
    made = [each for each in around if not each.exists()]
    try:
        yield
    except BaseException:
        if not manifest_path.exists():
            _take_away(made, folders)
        raise


def _take_away(made: list[Path], folders: Iterable[Path]) -> None:
    for folder in folders:
        if folder in made and folder.is_dir():
            # Another process that uses the folder by now has its lock, and keeps it.
            with contextlib.suppress(GmatSweepError), FolderLock(folder) as lock:
                shutil.rmtree(folder / HEADLESS_FOLDER, ignore_errors=True)
                lock.path.unlink()
    for folder in sorted(made, key=lambda each: len(each.parts), reverse=True):
        # A folder that is not empty, or that nobody made, raises and stays.
        with contextlib.suppress(OSError):
            folder.rmdir()


def check_hook(path: str) -> None:
    """Refuse a postprocess hook that a worker could not call.

    Raises
    ------
    SweepConfigError
        The path is malformed, or does not name a function that can be imported and called.
    """
    from gmat_sweep.worker import load_hook

    look_at_hooks_anew()
    try:
        load_hook(path)
    except ImportError as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} is not importable: {error}. Its module must be "
            f"installed, in a folder of sys.path, or in one that {HOOKS_VARIABLE} names; the shell "
            "also looks in the current folder for a hook that is named with --postprocess."
        ) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} cannot be used: {error}. Name a module-level function "
            "as 'package.module:function'."
        ) from error
    except (Exception, SystemExit) as error:
        raise SweepConfigError(
            f"The postprocess hook {path!r} is not importable: {type(error).__name__}: {error}. "
            "Mend its module."
        ) from error


@dataclass(frozen=True, slots=True)
class PreparedMission:
    """A mission that the engine loads with the runs' overrides.

    Attributes
    ----------
    runnable : Path
        The script to fly: the user's, or its headless copy.
    end_state : str or None
        The ReportFile of the end state, if the copy has one.
    """

    runnable: Path
    end_state: str | None = None


def prepare_mission(
    script: Path,
    sets: Sequence[dict[str, Any]],
    folder: Path,
    pool: object,
    *,
    number: int = 0,
    memory_limit: int | None = None,
    end_state: bool = False,
) -> PreparedMission:
    """Check a mission and its overrides on the engine and return the script to run.

    Parameters
    ----------
    script : Path
        The user's script.
    sets : sequence of dict
        Overrides of a few runs, by GMAT's dotted names, so that every field is tried with values
        of every type. Without any, the script is loaded as it is.
    folder : Path
        The sweep folder, which gets the headless copy where one is needed.
    pool : object
        The pool to ask if it has a method `inspect`; otherwise a worker process is started.
    number : int
        Which of the sweep's scripts it is: files of the same name must not meet in one folder.
    memory_limit : int, optional
        Bytes of memory that loading the mission may need: the limit of a run.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state.

    Raises
    ------
    MissionScriptError
        The engine lacks a resource that matters, or cannot parse the script; GMAT's own message
        is in it.
    SweepConfigError
        An override names an unknown field or has a value of the wrong type, or GMAT takes none
        of a field's values, or loading alone goes over the memory limit.
    """
    tried = list(sets) or [{}]
    runnable = script
    with inspector(pool, memory_limit) as inspect:
        try:
            types = inspect(None, {}).resource_types
            check_resources(script, types)
            headless = headless_copy(script, lambda name: name not in types, end_state=end_state)
            copies = folder / HEADLESS_FOLDER
            copies = copies / str(number) if number else copies
            runnable = headless.write(copies, within=folder)
            _say_what_was_left_out(headless, script)
            tried, facts = _looked_at(inspect, runnable, tried)
            loaded = facts[0]
            if loaded.engine_log and headless.end_state:
                # Its statements move the lines that GMAT names.
                without = headless_copy(script, lambda name: name not in types)
                runnable = without.write(copies, within=folder)
                loaded = inspect(runnable, {})
        except WorkerOverMemoryError as error:
            raise SweepConfigError(
                f"Loading {script} alone needs more than {memory_text(error.memory_limit)} of "
                "memory, the memory limit. Raise memory_limit."
            ) from error
        except WorkerDiedError as error:
            raise _crash(pool, script, runnable, tried, error) from error
    if loaded.engine_log:
        raise refusal(loaded, script, runnable)
    if problems := _problems(tried, facts):
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise SweepConfigError(
            f"{script} cannot take these overrides:\n{listed}\n"
            "Name fields as GMAT does, such as 'Sat.SMA', with values that GMAT takes in a script."
        )
    return PreparedMission(runnable, headless.end_state)


def prepare_missions(
    runs: Sequence[RunSpec],
    folder: Path,
    pool: object,
    *,
    memory_limit: int | None,
    end_state: bool,
) -> dict[Path, PreparedMission]:
    """Prepare every script of a sweep; the parameters are those of `prepare_mission`.

    Raises
    ------
    SweepConfigError
        Also if a mission writes no output that a sweep reads, and no hook makes one.
    """
    prepared: dict[Path, PreparedMission] = {}
    demands: dict[Path, _Demands] = {}
    # One pass for all scripts: the sequence may make each run anew whenever it is read.
    for run in runs:
        demands.setdefault(run.script_path, _Demands()).add(run)
    for number, (script, demanded) in enumerate(demands.items()):
        statements = list(statements_of(script))
        types = {item.name: item.type for item in resources_in(statements)}
        refuse_conflicting_fields(demanded.field_sets, types, script.name)
        prepared[script] = prepare_mission(
            script,
            demanded.to_try(),
            folder,
            pool,
            number=number,
            memory_limit=memory_limit,
            end_state=end_state,
        )
        if not (demanded.has_hooks or prepared[script].end_state or output_names(script)):
            # With it, only a mission without a Spacecraft has no end state.
            other = "" if end_state else "leave out --no-end-state (end_state=False), "
            raise SweepConfigError(
                f"{script.name} declares no output, so its runs would leave nothing to return. Add "
                f"a ReportFile to it that reports an epoch and what you want to know, {other}or "
                "pass a postprocess hook that writes a file."
            )
        for warning in demanded.out_of_range.warnings(types):
            _log.warning("%s: %s", script.name, warning)
        _warn_of_fields_set_again(statements, types, demanded.values)
        _warn_of_missing_includes(statements, script)
        _warn_of_narrow_columns(statements, script)
    return prepared


def _warn_of_fields_set_again(
    statements: Sequence[Statement], types: Mapping[str, str], fields: Iterable[str]
) -> None:
    """Say which overridden fields the mission sequence itself sets again, and where."""
    for path, statement in set_again(statements, types, fields).items():
        if starts_from_itself(statement, path, types):
            flown = "the value that this gives, starting from the override's"
        else:
            flown = "that value, not the override's"
        _log.warning(
            "%s is overridden, but line %d of %s sets it again: %s. From there on the run flies "
            "%s.",
            path,
            statement.line_number,
            statement.path.name,
            statement.code,
            flown,
        )


def _warn_of_missing_includes(statements: Sequence[Statement], script: Path) -> None:
    """Say which included files are not there: GMAT passes over them and flies."""
    for statement in statements:
        if statement.included is not None and included_file(statement, script) is None:
            _log.warning(
                "line %d of %s includes %s, which is not there: GMAT flies without it.",
                statement.line_number,
                statement.path.name,
                statement.included,
            )


def _warn_of_narrow_columns(statements: Sequence[Statement], script: Path) -> None:
    """Say which reports have columns that numbers may fill, so that values touch each other."""
    for name, layout in report_layouts(statements).items():
        form = layout.formats[0]
        if form.fixed_width and form.column_width < form.precision + _BESIDE_DIGITS:
            _log.warning(
                "the columns of ReportFile %s of %s have %d characters, and a number of %d digits "
                "may need %d: where values touch each other, the report cannot be read as a table. "
                "Raise %s.ColumnWidth.",
                name,
                script.name,
                form.column_width,
                form.precision,
                form.precision + _BESIDE_DIGITS,
                name,
            )


@dataclass(slots=True)
class _Demands:
    """What the runs of one script ask of it.

    Attributes
    ----------
    values : dict of str to list
        By overridden field: a few of its values, and each type.
    sets : list of dict
        Overrides of the runs that those values come from.
    ends : dict of str to list
        By overridden field: its lowest and its highest number, and the overrides that it is from.
    has_hooks : bool
        Whether every run has a hook.
    field_sets : set of tuple of str
        The overridden fields of runs, each different set once.
    out_of_range : OutOfRange
        The values that GMAT refuses.
    """

    values: dict[str, list[Any]] = field(default_factory=dict)
    sets: list[dict[str, Any]] = field(default_factory=list)
    ends: dict[str, list[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    has_hooks: bool = True
    field_sets: set[tuple[str, ...]] = field(default_factory=set)
    out_of_range: OutOfRange = field(default_factory=OutOfRange)

    def add(self, run: RunSpec) -> None:
        """Note a further run."""
        is_new = False
        for name, value in run.overrides.items():
            known = self.values.setdefault(name, [])
            types = {_kind(each) for each in known}
            if _kind(value) not in types or (len(known) < _MOST_VALUES and value not in known):
                known.append(value)
                is_new = True
            if _kind(value) == "number":
                self._note_ends(name, value, run.overrides)
        if is_new:
            self.sets.append(dict(run.overrides))
        self.has_hooks = self.has_hooks and bool(run.postprocess)
        self.field_sets.add(tuple(run.overrides))
        self.out_of_range.add(run.overrides)

    def _note_ends(self, name: str, value: float, overrides: dict[str, Any]) -> None:
        ends = self.ends.setdefault(name, [(value, overrides)] * 2)
        if value < ends[0][0]:
            ends[0] = (value, overrides)
        if value > ends[1][0]:
            ends[1] = (value, overrides)

    def to_try(self) -> list[dict[str, Any]]:
        """Return the sets, then those with the ends: chance may have put all others out of range.

        Only the first is loaded if GMAT takes it.
        """
        ends = [dict(overrides) for each in self.ends.values() for _, overrides in each]
        return self.sets + [each for each in ends if each not in self.sets]


def _looked_at(
    inspect: Inspect, script: Path, sets: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[MissionFacts]]:
    """Load the scripts of the first set, and of those that can tell more; return both."""
    tried: list[dict[str, Any]] = []
    facts: list[MissionFacts] = []
    known: set[tuple[str, str]] = set()
    for overrides in sets:
        kinds = {(name, _kind(value)) for name, value in overrides.items()}
        is_refused = bool(facts) and not any(_is_taken(fact) for fact in facts)
        if facts and kinds <= known and not is_refused:
            continue
        tried.append(overrides)
        facts.append(inspect(script, overrides))
        known |= kinds
    return tried, facts


def _is_taken(facts: MissionFacts) -> bool:
    return not (facts.problems or facts.refused or facts.refused_together or facts.engine_log)


def _kind(value: Any) -> str:
    """Return the kind of a value, as far as GMAT tells kinds apart."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value).__name__


def _problems(tried: list[dict[str, Any]], facts: list[MissionFacts]) -> list[str]:
    """Return why the runs cannot be flown; empty if some of each kind can.

    If GMAT refuses one value, only the runs with that value fail. If it takes none of several, or
    none of a type, no other will do.
    """
    problems = list(dict.fromkeys(problem for fact in facts for problem in fact.problems))
    names = dict.fromkeys(name for overrides in tried for name in overrides)
    for name in names:
        by_kind: dict[str, list[str | None]] = {}
        for overrides, fact in zip(tried, facts, strict=True):
            if name in overrides:
                said = by_kind.setdefault(_kind(overrides[name]), [])
                said.append(fact.refused.get(name))
        for said in by_kind.values():
            if None not in said and (refusal := said[0]) is not None and refusal not in problems:
                problems.append(refusal)
    together = [fact.refused_together for fact in facts]
    if not problems and all(together):
        problems.append(f"GMAT takes each value, but not all in one script: {together[0]}")
    return problems


def _crash(
    pool: object,
    script: Path,
    runnable: Path,
    tried: list[dict[str, Any]],
    error: WorkerDiedError,
) -> SweepConfigError:
    """Find out with further workers which script or override crashes GMAT; return the error."""
    if _crashes(pool, runnable, {}):
        return MissionScriptError(
            f"GMAT crashed while loading {script}: {error}\nLoad the script in GMAT itself and "
            "mend what it reports.",
            script,
        )
    how = str(error).partition("\n")[0]
    values = [item for overrides in tried for item in overrides.items()]
    for name, value in values:
        if _crashes(pool, runnable, {name: value}):
            return SweepConfigError(
                f"GMAT crashed when {name} of {script} was overridden with {_short(value)} "
                f"({how}). Leave {name} out of the overrides and set it in the script: a copy of "
                "the script, and a sweep, for each of its values."
            )
    return SweepConfigError(
        f"GMAT crashed when {', '.join(dict(values))} of {script} were overridden together, though "
        f"not when each was alone ({how}). Set some of them in the script instead."
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _crashes(pool: object, script: Path, overrides: dict[str, Any]) -> bool:
    try:
        with inspector(pool, None) as inspect:
            inspect(script, overrides)
    except WorkerDiedError:
        return True
    return False


def _say_what_was_left_out(headless: HeadlessScript, script: Path) -> None:
    if headless.dropped:
        listed = ", ".join(
            f"{resource.name} ({resource.type}, line {resource.line_number})"
            for resource in headless.dropped
        )
        _log.warning(
            "%s flies without %s. What is left out only draws or groups, and this engine lacks it "
            "or GMAT would leave a report empty after it. No number changes. The copy that flies "
            "is kept in the sweep folder.",
            script.name,
            listed,
        )
    if echoes := headless.echoes_left_out:
        _log.warning(
            "%s runs without CommandEcho (line %s), which this engine does not have: it writes to "
            "GMAT's message window only.",
            script.name,
            ", ".join(str(change.line_number) for change in echoes),
        )
    if pictures := headless.pictures_left_out:
        _log.warning(
            "%s runs without the pictures of celestial bodies (line %s), which only views need: "
            "this engine has none.",
            script.name,
            ", ".join(str(each.line_number) for each in pictures),
        )
    if headless.end_state is not None:
        _log.warning(
            "%s reports nothing, so each run reports its end state: ReportFile %s, added to the "
            "copy that runs. --no-end-state (end_state=False) leaves it out.",
            script.name,
            headless.end_state,
        )
