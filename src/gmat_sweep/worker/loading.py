"""Loading a mission on this process's engine, and asking the engine about it without running it.

`KEEPER` is the one mission that the process keeps loaded between runs.
"""

from __future__ import annotations

import functools
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep import engine
from gmat_sweep.causes import engine_errors
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import PRESENT_BEFORE_NAME, SEAL_NAME, WORKER_LOG_NAME
from gmat_sweep.mission.assignments import root_of
from gmat_sweep.worker.engine_watch import WATCH
from gmat_sweep.worker.gravity_files import CutFields, FieldsFlown, fields_flown, is_within
from gmat_sweep.worker.kept_kernels import KernelKeeper
from gmat_sweep.worker.mission_keeper import MissionKeeper
from gmat_sweep.worker.own_values import field_value, own_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    import gmat_run

    from gmat_sweep.mission.editing import EditableScript, EditedScript

__all__ = [
    "KEEPER",
    "WORD_KINDS",
    "MissionFacts",
    "gravity_files",
    "inspect_mission",
    "kept_kernels",
    "load_edited",
    "load_mission",
    "scratch_folder",
]

# What no output of a mission may be called in its run folder; gmat-run keeps GMAT's log there.
RESERVED_NAMES = (WORKER_LOG_NAME, SEAL_NAME, PRESENT_BEFORE_NAME, "GmatLog.txt")


def load_mission(script_path: Path, *, fields: FieldsFlown | None = None) -> gmat_run.Mission:
    """Load a script on this process's engine; if GMAT refuses it, the error has GMAT's log.

    Parameters
    ----------
    script_path : Path
        The script.
    fields : FieldsFlown or None
        What the mission flies of gravity fields, if that is known.
    """
    from gmat_run import GmatLoadError, Mission

    gmat = _engine_module()
    with _engine_log(gmat) as engine_log:
        try:
            gravity_files().give(gmat, fields)
            mission = Mission.load(script_path)
            reach = gravity_files().reach
            if reach is None or is_within(mission, reach):
                return mission
            gravity_files().give(gmat, None)
            return Mission.load(script_path)
        except GmatLoadError as error:
            gmat.UseLogFile(os.devnull)
            error.log = engine_log.read_text(encoding="utf-8", errors="replace")  # type: ignore[attr-defined]
            raise


@functools.cache
def _engine_module() -> Any:
    from gmat_run import bootstrap, locate_gmat

    engine.activate()
    gmat = bootstrap(locate_gmat())
    WATCH.watch(sys.modules[gmat.LoadScript.__module__])
    return gmat


@contextmanager
def _engine_log(gmat: Any) -> Iterator[Path]:
    """Have the engine log to a file of this process's own while the block runs."""
    with tempfile.TemporaryDirectory(prefix="load-", dir=scratch_folder()) as scratch:
        path = Path(scratch) / "GmatLog.txt"
        gmat.UseLogFile(str(path))
        try:
            yield path
        finally:
            gmat.UseLogFile(os.devnull)


def scratch_folder() -> str | None:
    """Return the folder for this process's logs and checks; None is the system's temporary one."""
    return os.environ.get(engine.SCRATCH_VARIABLE)


@functools.cache
def kept_kernels() -> KernelKeeper:
    """Return the keeper of this process's SPICE kernels."""
    return KernelKeeper(_own_data())


@functools.cache
def gravity_files() -> CutFields:
    """Return the gravity files that this process's engine is given."""
    return CutFields(_own_data(), scratch_folder())


def _own_data() -> Path | None:
    """Return the folder of the engine's data if this process may read copies of it."""
    if os.environ.get(engine.CONDENSED_VARIABLE) != "1":
        return None
    # As the engine spells it in the paths of its files.
    root = Path(str(_engine_module().FileManager.Instance().GetRootPath()))
    return root if engine.read_presentation(root) is not None else None


def load_edited(
    script: EditableScript, edited: EditedScript, *, is_plain: bool, whole_fields: bool = False
) -> gmat_run.Mission:
    """Load a script with the assignments of a run; the error speaks of the script's own lines.

    Parameters
    ----------
    script : EditableScript
        The script.
    edited : EditedScript
        The script with the assignments.
    is_plain : bool
        Whether the script's own file says the same.
    whole_fields : bool
        Whether the mission may be given a gravity field of any degree later.
    """
    from gmat_run import GmatLoadError

    fields = None if whole_fields else fields_flown(edited)
    _EARTH_ORIENTATION.begin(_engine_module(), edited)
    if is_plain:
        return load_mission(script.source, fields=fields)
    with tempfile.TemporaryDirectory(prefix="edited-", dir=scratch_folder()) as folder:
        path = edited.write(Path(folder))
        try:
            return load_mission(path, fields=fields)
        except GmatLoadError as error:
            log = edited.told_of_source(getattr(error, "log", ""), path)
            refused = GmatLoadError(edited.told_of_source(str(error), path))
            refused.log = log  # type: ignore[attr-defined]
            raise refused from None


class _EarthOrientation:
    """Keeps the file of Earth's orientation that one script names from the next one.

    GMAT reads such a file when a mission runs. A script that is loaded and not run, or refused
    half-way, leaves the file to the mission that runs next, even if that names none. Running any
    mission makes GMAT forget it.
    """

    def __init__(self) -> None:
        self._is_named = False

    def begin(self, gmat: Any, edited: EditedScript) -> None:
        """Make GMAT forget the file that the script before named; note whether this one does."""
        if self._is_named:
            self._fly_nothing(gmat)
        self._is_named = any(
            "EopFileName" in statement.text and (statement.assigned or ("", ""))[1] == "EopFileName"
            for statement in edited.statements
        )

    @staticmethod
    def _fly_nothing(gmat: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="nothing-", dir=scratch_folder()) as folder:
            script = Path(folder) / "nothing.script"
            script.write_text("BeginMissionSequence;\n", encoding="ascii")
            gmat.UseLogFile(os.devnull)
            gmat.LoadScript(str(script))
            gmat.RunScript()


_EARTH_ORIENTATION = _EarthOrientation()

KEEPER = MissionKeeper(
    load_edited, RESERVED_NAMES, are_fields_whole=lambda: gravity_files().reach is None
)

# GMAT's words on a resource or a field that it does not know.
_OF_NAMES = re.compile(r"is not permitted|Cannot find LHS object|is not a known force")

WORD_KINDS = {
    "command": "COMMAND",
    "propagator": "PROPAGATOR",
    "atmosphere": "ATMOSPHERE",
    "parameter": "PARAMETER",
}
"""Kinds of words that a script uses, and the engine's constant for each."""


@dataclass(frozen=True, slots=True)
class MissionFacts:
    """The engine's answers about a mission that it has loaded and not run.

    Attributes
    ----------
    resource_types : frozenset of str
        Every type of resource this engine can create.
    problems : tuple of str
        Why no run could use these fields or this script; empty when nothing is wrong.
    refused : dict of str to str
        Fields whose value GMAT refused, with its words. Another value may do.
    refused_together : str
        GMAT's words, where it takes each of the values but not all in one script.
    engine_log : str
        The engine's log of a script that it refuses as it is.
    own_values : dict of str to number or str
        What the script itself says of the fields that were asked for.
    words : dict of str to tuple of str
        What this engine has of each of `WORD_KINDS`, such as its commands; given without a script
        and for a refused one.
    """

    resource_types: frozenset[str]
    problems: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    refused_together: str = ""
    engine_log: str = ""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a load failed: gmat-run's message, and GMAT's log."""

    message: str
    log: str

    @property
    def cause(self) -> str:
        """GMAT's first error in one line."""
        return next(iter(engine_errors(self.log)), self.message)


@WATCH.ours()
def inspect_mission(
    script_path: Path | None, overrides: Mapping[str, Any], wanted: Iterable[str] = ()
) -> MissionFacts:
    """Load a script, then the same with `overrides` written into it, without running it.

    Parameters
    ----------
    script_path : Path or None
        The script; None asks only for the resource types.
    overrides : mapping
        Dotted path to the value that a run gives to the field.
    wanted : iterable of str
        Fields whose own values in the script are wanted; see `own_values`.
    """
    from gmat_run import GmatFieldError, GmatLoadError

    KEEPER.forget()
    gmat = _engine_module()
    types = frozenset(map(str, gmat.Moderator.Instance().GetListOfAllFactoryItems()))
    if script_path is None:
        return MissionFacts(types, words=_words(gmat))

    def refusal(assigned: Mapping[str, Any]) -> _Refusal | None:
        """Return why GMAT refuses to load the script with these assignments, None if it does."""
        try:
            with KEEPER.fresh(script_path, assigned):
                return None
        except GmatLoadError as error:
            return _Refusal(str(error), getattr(error, "log", ""))

    try:
        refusal_of_all = refusal(overrides)
    except SweepConfigError as error:
        return MissionFacts(types, (str(error),))
    if refusal_of_all is None:
        return _with_own_values(MissionFacts(types), script_path, wanted)
    plain = refusal({}) if overrides else refusal_of_all
    if plain is not None:
        return MissionFacts(types, (plain.message,), engine_log=plain.log, words=_words(gmat))
    problems: list[str] = []
    refused: dict[str, str] = {}
    for path, value in overrides.items():
        said = refusal({path: value}) if len(overrides) > 1 else refusal_of_all
        if said is None:
            continue
        if "." not in path or _OF_NAMES.search(said.cause):
            with KEEPER.fresh(script_path, {}) as mission:
                try:
                    _check_name(mission, path)
                except GmatFieldError as error:
                    problems.append(str(error))
                    continue
        cause = _with_line(said.cause, KEEPER.edited(script_path, {path: value}), path)
        refused[path] = f"GMAT refused {path}: {cause}"
    if problems or refused:
        return MissionFacts(types, tuple(problems), refused)
    return MissionFacts(types, refused_together=refusal_of_all.cause)


def _with_line(cause: str, edited: EditedScript, path: str) -> str:
    """Return GMAT's words on an override with its line.

    GMAT names none if an object as a whole is at fault, and that of the ``#Include`` for a line of
    an included file.
    """
    statement = edited.assignments[path]
    is_included = statement.path != edited.source
    words, names_a_line, _ = cause.partition(" in line:")
    if names_a_line and not (is_included and statement.code in cause):
        return cause
    line = f'in line: "{statement.line_number}: {statement.code};"'
    if is_included:
        return f"{words} {line} of {statement.path.name}"
    return f"{words} {edited.told_of_source(line, edited.source)}"


def _with_own_values(facts: MissionFacts, script_path: Path, wanted: Iterable[str]) -> MissionFacts:
    """Add the script's own values of fields; an unknown field is a problem."""
    from gmat_run import GmatFieldError

    names = list(wanted)
    if not names:
        return facts
    with KEEPER.fresh(script_path, {}) as mission:
        try:
            return replace(facts, own_values=own_values(mission, script_path, names))
        except GmatFieldError as error:
            return replace(facts, problems=(str(error),))


def _check_name(mission: gmat_run.Mission, path: str) -> None:
    """Raise gmat-run's error, which suggests other names, if the engine knows no such field."""
    if "(" not in path and root_of(path) != "SolarSystem":
        field_value(mission, path)


def _words(gmat: Any) -> dict[str, tuple[str, ...]]:
    """Ask the engine for its own words of each of `WORD_KINDS`."""
    moderator = gmat.Moderator.Instance()
    return {
        kind: tuple(map(str, moderator.GetListOfFactoryItems(getattr(gmat, constant))))
        for kind, constant in WORD_KINDS.items()
    }
