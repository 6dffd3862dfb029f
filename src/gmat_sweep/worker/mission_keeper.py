"""Load a mission once and run it many times, bit for bit as if each run's script were loaded.

The truth for a run is the script with its overrides written into it, loaded by GMAT
(`gmat_sweep.mission.editing`). Loading takes as long as running a small mission. When consecutive
runs fly the same script, a `MissionKeeper` makes the loaded mission equal to the next run's script
instead:

* A Spacecraft gets the six Cartesian components that the edited script's own load would have. They
  come from a twin: a second Spacecraft that is given the fields that the script assigns to the
  first, in the script's order, with the overrides in their places, and that GMAT then initialises.
  (Elements are coupled through the Cartesian state, so writing an element of a loaded Spacecraft
  gives other last bits, and near singularities other elements.)
* Every other field is written by value, and undone by the value that the script itself gives it.

The keeper does so only where that is known to be exact: for the fields in `RESTORABLE`, with
spacecraft given in ``EarthMJ2000Eq``, and once the first runs of each kind (the probation) have
equalled a fresh load of the edited script. All other runs, and every run after a failed one, load.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gmat_sweep.mission.assignments import STATE_ELEMENTS, root_of, value_text
from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.stamps import content_stamp
from gmat_sweep.worker.gravity_files import names_a_field

if TYPE_CHECKING:
    import gmat_run

    from gmat_sweep.mission.editing import EditedScript

__all__ = [
    "PROBATION_RUNS",
    "RESTORABLE",
    "MissionKeeper",
    "NotRestoredError",
    "same_tables",
    "tables_of",
]

PROBATION_RUNS = 2
"""How many reused runs per set of overridden fields are checked against a fresh load."""

_WRITTEN_AT = re.compile(rb"^CREATION_DATE\b.*", re.MULTILINE)
_CARTESIAN = ("X", "Y", "Z", "VX", "VY", "VZ")
_KEPLERIAN = ("SMA", "ECC", "INC", "RAAN", "AOP", "TA")
_ELEMENTS = frozenset({*_KEPLERIAN, *_CARTESIAN})
# The fields that make a Spacecraft's state.
_STATE_TEXTS = frozenset({"DateFormat", "Epoch", "CoordinateSystem", "DisplayStateType"})
_TWIN = "GmatSweepTwin"

RESTORABLE: Mapping[str, frozenset[str]] = {
    "Spacecraft": frozenset({*_ELEMENTS, "Epoch", "DryMass", "Cd", "Cr", "DragArea", "SRPArea"}),
    "ChemicalTank": frozenset({"FuelMass", "Pressure", "Temperature"}),
    "ChemicalThruster": frozenset({"C1", "DutyCycle", "ThrustScaleFactor"}),
    "ImpulsiveBurn": frozenset({"Element1", "Element2", "Element3"}),
    "ForceModel": frozenset({"GravityField.Earth.Degree", "GravityField.Earth.Order"}),
    "DifferentialCorrector": frozenset({"MaximumIterations"}),
    "Variable": frozenset({"Value"}),
}
"""Fields by resource type whose overrides can be undone exactly."""


class NotRestoredError(Exception):
    """The kept mission could not be made equal to the edited script."""


class _Load(Protocol):
    def __call__(
        self,
        script: EditableScript,
        edited: EditedScript,
        *,
        is_plain: bool,
        whole_fields: bool = False,
    ) -> gmat_run.Mission: ...


class MissionKeeper:
    """Keeps the mission that is loaded on this process's engine, and makes it the next run's.

    Parameters
    ----------
    load : callable
        Loads an edited script on the engine.
    reserved : iterable of str
        Names in a run folder that no output may have.
    are_fields_whole : callable
        Says of the mission that was loaded last whether its gravity files have all degrees.
    """

    def __init__(
        self,
        load: _Load,
        reserved: Iterable[str] = (),
        *,
        are_fields_whole: Callable[[], bool] = lambda: True,
    ) -> None:
        self._load = load
        self._reserved = frozenset(reserved)
        self._are_fields_whole = are_fields_whole
        self._script: EditableScript | None = None
        self._identity: tuple[object, ...] | None = None
        self._mission: gmat_run.Mission | None = None
        # The edited script whose load the mission is.
        self._loaded: EditedScript | None = None
        self._loaded_with: dict[str, Any] = {}
        # Whether it has the coefficients of gravity fields of any degree.
        self._has_whole_fields = False
        # What is loaded differs from the script by these.
        self._overridden: dict[str, Any] = {}
        # The values that the script itself gives to fields, as far as they were needed.
        self._own_values: dict[str, Any] = {}
        # Whether a field can be restored in this mission, as far as it was asked.
        self._restorable: dict[str, bool] = {}
        self._checked: Counter[tuple[object, frozenset[str]]] = Counter()
        self._distrusted: set[tuple[object, ...]] = set()
        self._edited: tuple[dict[str, Any], EditedScript] | None = None

    def script(self, path: Path) -> EditableScript:
        """Return the script as its files say now."""
        identity = _identity(path, self._script)
        if self._script is None or identity != self._identity:
            self.forget()
            self._script = EditableScript(path, reserved=self._reserved)
            self._identity = _identity(path, self._script)
            self._own_values = {}
        return self._script

    @property
    def current(self) -> EditableScript:
        """The script of the run under way; its files are not looked at again."""
        assert self._script is not None
        return self._script

    def edited(self, path: Path, overrides: Mapping[str, Any]) -> EditedScript:
        """Return the script with the assignments of a run.

        Raises
        ------
        SweepConfigError
            GMAT has no way to write a value.
        """
        script = self.script(path)
        # The order counts as well: it is that of the lines which are added.
        if self._edited is None or list(self._edited[0].items()) != list(overrides.items()):
            self._edited = (dict(overrides), script.edited(overrides))
        return self._edited[1]

    @contextmanager
    def fresh(self, path: Path, overrides: Mapping[str, Any]) -> Iterator[gmat_run.Mission]:
        """Load the edited script and lend the mission while the block runs."""
        edited = self.edited(path, overrides)
        self._mission = None
        self._restorable = {}
        script = self.current
        is_plain = not overrides and not script.needs_copy
        whole_fields = any(map(names_a_field, overrides))
        mission = self._load(script, edited, is_plain=is_plain, whole_fields=whole_fields)
        self._mission, self._loaded = mission, edited
        self._has_whole_fields = whole_fields or self._are_fields_whole()
        self._loaded_with = dict(overrides)
        self._overridden = dict(overrides)
        with self._lent():
            yield mission

    @contextmanager
    def restored(self, overrides: Mapping[str, Any]) -> Iterator[gmat_run.Mission]:
        """Make the kept mission equal to the edited script, and lend it while the block runs.

        Raises
        ------
        NotRestoredError
            The engine did not take a value this way; a load may.
        """
        with self._lent():
            try:
                script = self.current
                if script.is_set_late(self._loaded_with):
                    # The loaded mission would make these assignments again in every run.
                    self._load_plain()
                self._learn(overrides)
                mission = self._mission
                assert mission is not None
                written = self._write(mission, overrides)
                _give_to_propagators(mission, written)
            except Exception as error:
                raise NotRestoredError(str(error)) from error
            self._overridden = dict(overrides)
            yield mission

    def can_restore(self, path: Path, overrides: Mapping[str, Any]) -> bool:
        """Whether the kept mission is that of the script and can be made equal to the edited one.

        Both what is to be undone and what is to be written must be in `RESTORABLE`.
        """
        self.script(path)
        if self._mission is None or self._identity in self._distrusted:
            return False
        if not self._has_whole_fields and any(map(names_a_field, overrides)):
            return False
        names = {*self._overridden, *overrides}
        for name in names - self._restorable.keys():
            self._restorable[name] = self._is_restorable(name)
        return all(self._restorable[name] for name in names)

    def is_on_probation(self, kind: frozenset[str]) -> bool:
        """Whether restored runs of this kind must still be checked against a fresh load."""
        return self._checked[self._identity, kind] < PROBATION_RUNS

    def passed(self, kind: frozenset[str]) -> None:
        """Note that a restored run equalled the freshly loaded one."""
        self._checked[self._identity, kind] += 1

    def failed(self) -> None:
        """Note that a restored run differed: from now on every run loads the script."""
        assert self._identity is not None
        self._distrusted.add(self._identity)

    def kind(self, overrides: Mapping[str, Any]) -> frozenset[str]:
        """Return the kind of a run, for which a check holds: the fields to undo and to write."""
        return frozenset((*self._overridden, *overrides))

    def forget(self) -> None:
        """Drop the mission, so that the next run loads its script."""
        self._mission = None
        self._restorable = {}
        self._loaded = None
        self._loaded_with = {}
        self._overridden = {}
        self._edited = None

    @contextmanager
    def _lent(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._tell_of_source(error)
            # A failed run may leave the engine in any state.
            self.forget()
            raise

    def _tell_of_source(self, error: BaseException) -> None:
        """Make GMAT's log of a failed run speak of the lines of the user's script."""
        if self._mission is None or self._loaded is None:
            return
        if log := getattr(error, "log", None):
            written = self._mission.script_path
            error.log = self._loaded.told_of_source(log, written)  # type: ignore[attr-defined]

    def _learn(self, overrides: Mapping[str, Any]) -> None:
        """Know the script's own value of every field that is or will be to undo."""
        assert self._mission is not None
        plain = [path for path in overrides if path not in self._overridden]
        self._note_own_values(plain)
        to_undo = [path for path in self._overridden if path not in overrides]
        if any(path not in self._own_values for path in to_undo if not _is_element(path)):
            overridden = list(self._overridden)
            self._load_plain()
            self._note_own_values([*overridden, *overrides])

    def _load_plain(self) -> None:
        """Load the script without overrides."""
        script = self.current
        self._loaded = script.plain
        self._mission = self._load(
            script, self._loaded, is_plain=False, whole_fields=self._has_whole_fields
        )
        self._loaded_with = {}
        self._overridden = {}

    def _note_own_values(self, paths: Iterable[str]) -> None:
        """Note what the kept mission, not overridden in these fields, has from the script."""
        assert self._mission is not None
        for path in paths:
            if path not in self._own_values and not _is_element(path):
                self._own_values[path] = self._mission[path]

    def _undone(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the script's own values of the fields that are overridden no more."""
        return {
            path: self._own_values[path]
            for path in self._overridden
            if path not in overrides and not _is_element(path)
        }

    def _write(self, mission: gmat_run.Mission, overrides: Mapping[str, Any]) -> list[str]:
        """Give the mission the values of the edited script; return the fields written."""
        values = self._undone(overrides)
        values |= {path: value for path, value in overrides.items() if not _is_element(path)}
        for path, value in values.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if path.endswith(".Epoch") and is_number:
                value = value_text(path, value, None)  # noqa: PLW2901
            mission[path] = value
        moved = dict.fromkeys(
            root_of(path) for path in (*self._overridden, *overrides) if _is_element(path)
        )
        for craft in moved:
            for component, value in self._state(mission, craft, overrides).items():
                mission[f"{craft}.{component}"] = value
        return list(values)

    def _state(
        self, mission: gmat_run.Mission, craft: str, overrides: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return the Cartesian state that the edited script's load gives to a Spacecraft."""
        assert self._script is not None
        fields = [
            (field, text)
            for field, text in self._script.fields_of(craft, overrides)
            if field in STATE_ELEMENTS or field in _STATE_TEXTS
        ]
        late = self._script.late_fields_of(craft, overrides)
        return _twin_state(mission.gmat, fields, late)

    def _is_restorable(self, path: str) -> bool:
        assert self._mission is not None
        assert self._script is not None
        resource, _, field = path.partition(".")
        try:
            kind = str(self._mission.gmat.GetObject(resource).GetTypeName())
        except AttributeError:
            # GMAT's binding raises this for a missing resource; a fresh load names the resource.
            return False
        if field not in RESTORABLE.get(kind, ()):
            return False
        return kind != "Spacecraft" or self._has_plain_state(resource)

    def _has_plain_state(self, craft: str) -> bool:
        """Whether a Spacecraft's state is made of fields that a twin can be given."""
        assert self._mission is not None
        assert self._script is not None
        if self._mission[f"{craft}.CoordinateSystem"] != "EarthMJ2000Eq":
            return False
        fields = {field for field, _ in self._script.fields_of(craft, {})}
        return "" not in fields and not any(field.startswith("Epoch.") for field in fields)


def _is_element(path: str) -> bool:
    return path.partition(".")[2] in _ELEMENTS


def _twin_state(
    gmat: Any, fields: Iterable[tuple[str, str]], late: Mapping[str, Any]
) -> dict[str, float]:
    """Make a Spacecraft of a script's assignments, and return its Cartesian components.

    The fields of `late` are assigned in order when it has been initialised, as commands do.
    A twin gives the bits of a load only once, so each is a new one.
    """
    moderator = gmat.Moderator.Instance()
    twin = gmat.Construct("Spacecraft", _TWIN)
    try:
        for field, text in fields:
            twin.SetField(field, float(text) if field in STATE_ELEMENTS else text)
        # As GMAT itself does to the spacecraft of a script when it has read it.
        twin.SetSolarSystem(gmat.GetSolarSystem())
        twin.SetInternalCoordSystem(moderator.GetInternalCoordinateSystem())
        system = gmat.GetObject("EarthMJ2000Eq")
        twin.SetRefObject(system, gmat.COORDINATE_SYSTEM, "EarthMJ2000Eq")
        twin.Initialize()
        for field, value in late.items():
            twin.SetField(field, float(value))
        return {component: twin.GetNumber(component) for component in _CARTESIAN}
    finally:
        moderator.RemoveObject(gmat.SPACECRAFT, _TWIN, False)


def _give_to_propagators(mission: gmat_run.Mission, paths: Iterable[str]) -> None:
    """Give propagators the force models whose fields were written.

    GMAT gives each propagator a copy of its force model when it loads the script. Writing a field
    of the model does not change the copy. Without this function, GMAT would accept the override and
    fly without it.
    """
    written = {path.partition(".")[0] for path in paths}
    if not written:
        return
    gmat = mission.gmat
    models = {
        name: gmat.GetObject(name)
        for name in gmat.Moderator.Instance().GetListOfObjects(gmat.ODE_MODEL)
        if name in written
    }
    if not models:
        return
    for name in gmat.Moderator.Instance().GetListOfObjects(gmat.PROP_SETUP):
        propagator = gmat.GetObject(name)
        model = propagator.GetODEModel()
        if model is not None and model.GetName() in models:
            propagator.SetReference(models[model.GetName()])


def tables_of(results: gmat_run.Results) -> dict[tuple[str, str], bytes | None]:
    """Return what GMAT wrote in each file of a run that holds numbers, by kind and name.

    Nothing is parsed, so that a report that is no table is compared as well. The line of a CCSDS
    ephemeris that says when it was written is left out. None stands for a binary file, which holds
    the time of writing and memory that GMAT has not set: no two of them are the same.
    """
    kinds = ("report", "ephemeris", "contact", "solver")
    return {
        (kind, name): _content_of(path)
        for kind in kinds
        for name, path in getattr(results, f"{kind}_paths").items()
    }


def same_tables(
    one: Mapping[tuple[str, str], bytes | None], other: Mapping[tuple[str, str], bytes | None]
) -> bool:
    """Whether two runs wrote the same, byte for byte; a binary file is never the same."""
    return one == other and None not in one.values()


def _content_of(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return b""
    if b"\0" in content:
        return None
    return _WRITTEN_AT.sub(b"", content)


def _identity(path: Path, script: EditableScript | None) -> tuple[object, ...]:
    """Return what changes when the script, a file it includes or one it reads is edited."""
    known = script if script is not None and script.source == path else None
    files: Iterable[Path] = [path] if known is None else known.watched_files
    return (str(path), *(content_stamp(file) for file in files))
