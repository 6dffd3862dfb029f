"""SPICE kernels that stay loaded between the runs of one loaded mission.

GMAT flies each run in a sandbox, with a copy of the solar system. It clears the sandbox when the
next run starts; the copy then unloads the kernels that it names, and the next copy loads them
again. SPICE reads all text kernels anew when one is unloaded, so that is most of a short run.

`KernelKeeper.keep` takes the names out of the copy that is about to be cleared. GMAT then unloads
nothing, and finds each kernel loaded already. The pool of SPICE is the one of the run before, which
a reload would build again from the same files in the same order.

The keeper does so only if nothing else can be in the pool: the run before flew the same loaded
mission, the kernels that its log names are exactly those that the copy would unload, and all of
them are files of the engine's own data. A body or spacecraft with a kernel of its own, another
ephemeris file, and a mission that writes kernels are left to GMAT.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import gmat_run

__all__ = ["KernelKeeper"]

_LOADED = re.compile(r"^Kernel (.+) has been loaded\.\s*$", re.MULTILINE)
_OF_SYSTEM = ("SPKFilename", "LSKFilename", "PCKFilename")
# What a body names its kernels by, with the word that takes one away.
_OF_BODY = {
    "OrbitSpiceKernelName": "Orbit",
    "PlanetarySpiceKernelName": "Planetary",
    "SCClockSpiceKernelName": "SCClock",
    "FrameSpiceKernelName": "Frame",
}
_WRITERS_OF_KERNELS = ("SPK", "CK")


class _UnfitError(Exception):
    """The sandbox does not hold what is expected."""


class KernelKeeper:
    """Keeps GMAT from unloading the kernels of the mission that it flew last.

    Parameters
    ----------
    data : Path or None
        The folder of the engine; kernels elsewhere are never kept. None keeps none at all.
    """

    def __init__(self, data: Path | None) -> None:
        self._data = None if data is None else f"{data}/"
        self._mission: gmat_run.Mission | None = None
        self._loaded: tuple[str, ...] = ()

    def flown(self, mission: gmat_run.Mission, log: str) -> None:
        """Note a run that ended well, with its log.

        Parameters
        ----------
        mission : gmat_run.Mission
            The mission that flew.
        log : str
            GMAT's log of the run.
        """
        kept = self._loaded if mission is self._mission else ()
        self._mission = mission
        self._loaded = (*kept, *_LOADED.findall(log))

    def forget(self) -> None:
        """Leave the kernels of the run before to GMAT."""
        self._mission = None
        self._loaded = ()

    def never(self) -> None:
        """Keep no kernel any more in this process: foreign code may have loaded others."""
        self.forget()
        self._data = None

    @contextmanager
    def kept(self, mission: gmat_run.Mission) -> Iterator[None]:
        """Keep the kernels for a run of the mission in the block; see `keep`.

        If the run fails, all kernels are unloaded: no other mission may find them.
        """
        is_kept = self.keep(mission)
        try:
            yield
        except BaseException:
            self.forget()
            if is_kept:
                mission.gmat.SpiceInterface().UnloadAllKernels()
            raise

    def keep(self, mission: gmat_run.Mission) -> bool:
        """Keep the kernels for the next run, if they are known to be those that it would load.

        Call it right before the mission runs again. What it cannot do safely it leaves to GMAT.

        Parameters
        ----------
        mission : gmat_run.Mission
            The mission that is about to run.

        Returns
        -------
        bool
            Whether GMAT will find the kernels loaded.
        """
        is_last = mission is self._mission
        loaded = self._loaded
        self.forget()
        if self._data is None or not is_last or not loaded:
            return False
        gmat = mission.gmat
        try:
            system = _sandbox_system(gmat)
            named = list(_named(system, system.GetBodiesInUse()))
            _check(gmat, named, loaded, self._data)
        except Exception:  # noqa: BLE001 - whatever is unusual is left to GMAT
            return False
        try:
            _take_away(system, named)
        except Exception:  # noqa: BLE001 - then GMAT loads all of them, in its own order
            gmat.SpiceInterface().UnloadAllKernels()
            return False
        self._mission, self._loaded = mission, loaded
        return True


def _sandbox_system(gmat: Any) -> Any:
    """Return the copy of the solar system that the last run flew in."""
    axes = gmat.CoordinateSystem.SetClass(gmat.GetRuntimeObject("EarthMJ2000Eq"))
    system = axes.GetSolarSystem()
    # The configured one stays: its names are those that the next copy gets.
    if system is None or int(system.this) == int(gmat.GetSolarSystem().this):
        raise _UnfitError
    return system


def _named(system: Any, bodies: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Yield owner, field and path of each kernel that a solar system and its bodies unload."""
    for field in _OF_SYSTEM:
        yield "", field, str(system.GetStringParameter(field))
    for name in bodies:
        body = system.GetBody(name)
        for field in _OF_BODY:
            for path in body.GetStringArrayParameter(field):
                yield str(name), field, str(path)


def _check(
    gmat: Any, named: list[tuple[str, str, str]], loaded: tuple[str, ...], data: str
) -> None:
    """Refuse unless the kernels that are loaded are those named, once each and of the engine."""
    paths = [path for _, _, path in named]
    interface = gmat.SpiceInterface()
    if sorted(paths) != sorted(loaded) or len(set(paths)) != len(paths):
        raise _UnfitError
    if not all(path.startswith(data) and interface.IsLoaded(path) for path in paths):
        raise _UnfitError
    for name in gmat.Moderator.Instance().GetListOfObjects(gmat.SUBSCRIBER):
        writer = gmat.GetObject(name)
        if writer.GetTypeName() == "EphemerisFile" and any(
            word in str(writer.GetField("FileFormat")) for word in _WRITERS_OF_KERNELS
        ):
            raise _UnfitError


def _take_away(system: Any, named: list[tuple[str, str, str]]) -> None:
    """Take the names out of a solar system that is about to be deleted."""
    setters = {
        "SPKFilename": system.SetSPKFile,
        "LSKFilename": system.SetLSKFile,
        "PCKFilename": system.SetPCKFile,
    }
    for owner, field, path in named:
        if owner:
            system.GetBody(owner).RemoveSpiceKernelName(_OF_BODY[field], path)
        else:
            # GMAT takes no empty name here. It knows kernels by the text of their path.
            folder, slash, name = path.rpartition("/")
            setters[field](f"{folder}{slash}.{slash}{name}")
    paths = {path for _, _, path in named}
    left = _named(system, {owner for owner, _, _ in named if owner})
    if paths.intersection(path for _, _, path in left):
        raise _UnfitError
