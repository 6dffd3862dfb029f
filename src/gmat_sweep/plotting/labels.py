"""The words in a picture: axis labels with units, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["label", "left_out_note", "unit"]

# Units of GMAT's parameters and fields as its User Guide gives them ("Calculation Parameters",
# "Spacecraft", "ImpulsiveBurn"). A field that is not here is dimensionless or not known.
_FIELDS_BY_UNIT = {
    "km": "SMA RadPer RadApo RMAG Altitude X Y Z SemilatusRectum BdotR BdotT BVectorMag",
    "km/s": "VX VY VZ VMAG VelPeriapsis VelApoapsis Element1 Element2 Element3",
    "deg": (
        "INC RAAN AOP TA MA EA Latitude Longitude RA DEC RAV DECV AZI FPA BetaAngle MHA "
        "BVectorAngle"
    ),
    "km$^2$/s$^2$": "Energy C3Energy",
    "km$^2$/s": "HMAG HX HY HZ",
    "kg": "DryMass TotalMass FuelMass",
    "m$^2$": "DragArea SRPArea",
    "s": "OrbitPeriod ElapsedSecs",
    "days": "ElapsedDays",
}
_UNITS = {field: unit for unit, fields in _FIELDS_BY_UNIT.items() for field in fields.split()}


def unit(name: str) -> str:
    """Return the unit of a GMAT field by its dotted name; empty where the name does not tell it.

    A difference, ``<name>__diff``, has the unit of the field.
    """
    owner, _, field = name.removesuffix("__diff").rpartition(".")
    return _UNITS.get(field, "") if owner else ""


def label(name: str) -> str:
    """Return `name` with its unit, as in ``"Sat.SMA (km)"``."""
    known = unit(name)
    return f"{name} ({known})" if known else name


def left_out_note(runs: Mapping[str, int], without_value: int = 0) -> str:
    """Return what is not in the picture, as in ``"not shown: 2 failed runs"``; empty for nothing.

    Parameters
    ----------
    runs : mapping of str to int
        How many runs have each status other than ``ok``.
    without_value : int
        How many ok runs have nothing to draw.
    """
    told = [_runs(count, status) for status, count in runs.items()]
    if without_value:
        told.append(f"{_runs(without_value, 'ok')} without a value")
    return f"not shown: {', '.join(told)}" if told else ""


def _runs(count: int, status: str) -> str:
    return f"{count} {status} run{'s' if count > 1 else ''}"
