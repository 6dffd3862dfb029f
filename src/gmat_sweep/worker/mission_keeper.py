"""Load a mission once and run it many times, bit for bit as if it were loaded each time.

Loading a script takes as long as running a small one. When consecutive runs fly the same script, a
`MissionKeeper` undoes the overrides of the last run instead of loading. It restores a Spacecraft's
orbit from the six Cartesian components that it had after loading: the elements are coupled through
them, so writing old elements back gives other last bits. It restores every other field by value.

The keeper does so only where that is known to be exact: for the fields in `RESTORABLE`, with
spacecraft given in ``EarthMJ2000Eq``, and once the first runs of each kind (the probation) have
equalled a fresh load. All other runs, and every run after a failed one, load the script.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gmat_run
    import pandas as pd

__all__ = ["PROBATION_RUNS", "RESTORABLE", "MissionKeeper", "same_tables", "tables_of"]

PROBATION_RUNS = 2
"""How many reused runs per set of overridden fields are checked against a fresh load."""

_CARTESIAN = ("X", "Y", "Z", "VX", "VY", "VZ")
_ELEMENTS = frozenset({"SMA", "ECC", "INC", "RAAN", "AOP", "TA", *_CARTESIAN})

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


class MissionKeeper:
    """Keeps the mission that is loaded on this process's engine, and restores its script's values.

    Parameters
    ----------
    load : callable
        Loads a script on the engine.
    """

    def __init__(self, load: Callable[[Path], gmat_run.Mission]) -> None:
        self._load = load
        self._script: tuple[object, ...] | None = None
        self._mission: gmat_run.Mission | None = None
        self._pristine: dict[str, Any] = {}
        self._overridden: list[str] = []
        self._checked: Counter[tuple[object, frozenset[str]]] = Counter()
        self._distrusted: set[tuple[object, ...]] = set()

    @contextmanager
    def fresh(self, script: Path, overrides: Mapping[str, Any]) -> Iterator[gmat_run.Mission]:
        """Load the mission and lend it, with `overrides` applied, while the block runs."""
        self.forget()
        mission = self._load(script)
        self._mission, self._script = mission, _identity(script)
        self._pristine = {}
        with self._lent(mission, overrides):
            yield mission

    @contextmanager
    def restored(self, overrides: Mapping[str, Any]) -> Iterator[gmat_run.Mission]:
        """Undo the last overrides and lend the mission, with `overrides` applied."""
        mission = self._mission
        assert mission is not None
        with self._lent(mission, overrides):
            yield mission

    def can_restore(self, script: Path, overrides: Mapping[str, Any]) -> bool:
        """Whether the kept mission is that of `script` and both sets of overrides can be undone."""
        if self._mission is None or self._script != _identity(script):
            return False
        if self._script in self._distrusted:
            return False
        return all(self._is_restorable(path) for path in (*self._overridden, *overrides))

    def is_on_probation(self, kind: frozenset[str]) -> bool:
        """Whether restored runs of this kind must still be checked against a fresh load."""
        return self._checked[self._script, kind] < PROBATION_RUNS

    def passed(self, kind: frozenset[str]) -> None:
        """Note that a restored run equalled the freshly loaded one."""
        self._checked[self._script, kind] += 1

    def failed(self, script: Path) -> None:
        """Note that a restored run differed: from now on every run loads `script`."""
        self._distrusted.add(_identity(script))

    def kind(self, overrides: Mapping[str, Any]) -> frozenset[str]:
        """Return the kind of a run, for which a check holds: the fields to undo and to write."""
        return frozenset((*self._overridden, *overrides))

    def forget(self) -> None:
        """Drop the mission, so that the next run loads its script."""
        self._mission = self._script = None
        self._overridden = []
        self._pristine = {}

    @contextmanager
    def _lent(self, mission: gmat_run.Mission, overrides: Mapping[str, Any]) -> Iterator[None]:
        try:
            undone = self._overridden
            self._undo(mission)
            self._record(mission, overrides)
            for path, value in overrides.items():
                mission[path] = value
            self._overridden = list(overrides)
            _give_to_propagators(mission, [*undone, *overrides])
            yield
        except BaseException:
            # A failed run may leave the engine in any state.
            self.forget()
            raise

    def _record(self, mission: gmat_run.Mission, overrides: Mapping[str, Any]) -> None:
        """Keep the script's own value of every field before it is first overridden."""
        for path in overrides:
            if not self._is_restorable(path):
                continue
            resource, _, field = path.partition(".")
            if field in _ELEMENTS:
                for component in _CARTESIAN:
                    key = f"{resource}.{component}"
                    if key not in self._pristine:
                        self._pristine[key] = mission[key]
            elif path not in self._pristine:
                self._pristine[path] = mission[path]

    def _undo(self, mission: gmat_run.Mission) -> None:
        moved = []
        for path in self._overridden:
            resource, _, field = path.partition(".")
            if field in _ELEMENTS:
                moved.append(resource)
            else:
                mission[path] = self._pristine[path]
        for resource in dict.fromkeys(moved):
            for component in _CARTESIAN:
                mission[f"{resource}.{component}"] = self._pristine[f"{resource}.{component}"]
        self._overridden = []

    def _is_restorable(self, path: str) -> bool:
        assert self._mission is not None
        resource, _, field = path.partition(".")
        try:
            kind = str(self._mission.gmat.GetObject(resource).GetTypeName())
        except AttributeError:
            # GMAT's binding raises this for a missing resource; a fresh load names the resource.
            return False
        if field not in RESTORABLE.get(kind, ()):
            return False
        return (
            kind != "Spacecraft" or self._mission[f"{resource}.CoordinateSystem"] == "EarthMJ2000Eq"
        )


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


def tables_of(results: gmat_run.Results) -> dict[tuple[str, str], pd.DataFrame]:
    """Read every table that a run wrote, by kind and name."""
    kinds = ("reports", "ephemerides", "contacts", "solver_runs")
    return {(kind, name): table for kind in kinds for name, table in getattr(results, kind).items()}


def same_tables(
    one: Mapping[tuple[str, str], pd.DataFrame], other: Mapping[tuple[str, str], pd.DataFrame]
) -> bool:
    """Whether two runs wrote the same tables, bit for bit."""
    return one.keys() == other.keys() and all(
        table.equals(other[key]) and _same_signs(table, other[key]) for key, table in one.items()
    )


def _same_signs(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Tell 0.0 from -0.0, which compare equal."""
    import numpy as np

    signs, other_signs = (
        np.signbit(table.select_dtypes("float").to_numpy()) for table in (one, other)
    )
    return bool((signs == other_signs).all())


def _identity(script: Path) -> tuple[object, ...]:
    status = os.stat(script)  # noqa: PTH116 - on the path of every run
    return (str(script), status.st_mtime_ns, status.st_size)
