"""Assignments that a sweep puts into a mission script: their targets and how GMAT reads values.

A target is a dotted path such as ``Sat.SMA`` or ``FM.Drag.AtmosphereModel``, an array element
``A(1,2)``, or ``v.Value`` for the value of a Variable or String ``v``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.statements import masked

__all__ = ["STATE_ELEMENTS", "assigned_name", "is_of_another_state_type", "root_of", "value_text"]

_VALUE_TYPES = frozenset({"Variable", "String"})
# Fields that take On and Off. GMAT accepts `true` for them, and flies without.
_ON_OFF_FIELDS = frozenset(
    {
        "Axes",
        "CelestialPlane",
        "EarthSunLines",
        "EclipticPlane",
        "EnableConstellations",
        "EnableStars",
        "Grid",
        "LeftJustify",
        "Overlap",
        "RelativisticCorrection",
        "SRP",
        "SunLine",
        "TargetStatus",
        "UseInitialView",
        "WireFrame",
        "XYPlane",
        "ZeroFill",
    }
)
# The elements of a Spacecraft that GMAT takes together before the mission sequence, by state type.
_STATE_TYPES = tuple(
    map(
        frozenset,
        (
            ("X", "Y", "Z", "VX", "VY", "VZ"),
            ("SMA", "ECC", "INC", "RAAN", "AOP", "TA"),
            ("RadPer", "RadApo", "INC", "RAAN", "AOP", "TA"),
            ("RMAG", "RMagnitude", "RA", "DEC", "VMAG", "VMagnitude", "AZI", "FPA"),
            ("RMAG", "RMagnitude", "RA", "DEC", "VMAG", "VMagnitude", "RAV", "DECV"),
            ("SMA", "EquinoctialH", "EquinoctialK", "EquinoctialP", "EquinoctialQ", "MLONG"),
            ("SMA", "EquinoctialH", "EquinoctialK", "AltEquinoctialP", "AltEquinoctialQ", "MLONG"),
            ("SemilatusRectum", "TLONG", *(f"ModEquinoctial{letter}" for letter in "FGHK")),
            [f"Delaunay{letter}" for letter in "lghLGH"],
            [f"Planetodetic{name}" for name in ("RMAG", "LON", "LAT", "VMAG", "AZI", "HFPA")],
            *(
                ("TA", *(f"{way}{name}" for name in ("RadPer", "C3Energy", "RHA", "DHA", "BVAZI")))
                for way in ("Outgoing", "Incoming")
            ),
            *(
                [f"Brouwer{mean}{name}" for name in ("SMA", "ECC", "INC", "RAAN", "AOP", "MA")]
                for mean in ("Short", "Long")
            ),
        ),
    )
)
STATE_ELEMENTS = frozenset[str]().union(*_STATE_TYPES)
"""The fields of a Spacecraft that are elements of its state, in any representation."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_IN_FIRST_ROW = re.compile(r"(?P<array>\w+)\((?P<column>\d+)\)", re.ASCII)
_WORD = re.compile(r"[A-Za-z_][\w.\-]*", re.ASCII)
_MOST_EXACT_INTEGER = 2.0**53


def assigned_name(path: str, type_name: str | None) -> str:
    """Return what an assignment in the script assigns to, without blanks.

    Parameters
    ----------
    path : str
        The overridden field.
    type_name : str or None
        Type of its resource: ``v.Value`` of a Variable or String is ``v``, and ``A(2)`` of an
        Array is ``A(1,2)``.
    """
    name = "".join(path.split())
    if type_name == "Array" and (element := _IN_FIRST_ROW.fullmatch(name)):
        return f"{element['array']}(1,{element['column']})"
    root, _, field = name.partition(".")
    return root if field == "Value" and type_name in _VALUE_TYPES else name


def root_of(path: str) -> str:
    """Return the name of the resource that a path begins with."""
    return re.split(r"[.(]", path, maxsplit=1)[0].strip()


def is_of_another_state_type(field: str, assigned: Collection[str]) -> bool:
    """Whether GMAT refuses a Spacecraft's element beside others in the part before the sequence.

    Parameters
    ----------
    field : str
        A field of a Spacecraft.
    assigned : collection of str
        The fields that are assigned there.
    """
    elements = STATE_ELEMENTS & set(assigned)
    if field not in STATE_ELEMENTS or not elements:
        return False
    return not any({field, *elements} <= state_type for state_type in _STATE_TYPES)


def value_text(path: str, value: Any, type_name: str | None, standing: str | None = None) -> str:
    """Return a value as a GMAT script writes it.

    Parameters
    ----------
    path : str
        The overridden field, for the error and for fields that take On and Off.
    value : bool, int, float, str or sequence
        The value. Numbers keep every digit; text is taken as it would stand in the script, and
        quoted where GMAT wants quotes.
    type_name : str or None
        Type of the resource.
    standing : str, optional
        The right side of the script's own assignment, whose quotes the new value takes over.

    Raises
    ------
    SweepConfigError
        GMAT has no way to write the value.
    """
    if isinstance(value, bool):
        field = path.rpartition(".")[2]
        words = ("On", "Off") if field in _ON_OFF_FIELDS else ("true", "false")
        return words[0] if value else words[1]
    if isinstance(value, int | float):
        text = _number_text(value)
        if type_name == "String" and math.isnan(value):
            raise SweepConfigError(
                f"{path} is given {value!r}, which stands for a missing value and is no text. Give "
                "text, or leave the run out."
            )
        return f"'{text}'" if type_name == "String" else text
    if isinstance(value, str):
        return _string_text(path, value, type_name, standing)
    if isinstance(value, Sequence):
        return _list_text(path, value, standing)
    raise SweepConfigError(
        f"{path} is given {value!r}: a GMAT script cannot hold a {type(value).__name__}. Give a "
        "number, text, True or False, or a list of these."
    )


def _number_text(value: float) -> str:
    # GMAT takes no decimal point for an integer field; a real field reads the same bits without.
    if isinstance(value, float) and value.is_integer() and 0 < abs(value) < _MOST_EXACT_INTEGER:
        return repr(int(value))
    return "0" if value == 0 and str(value) == "0.0" else repr(value)


def _string_text(path: str, value: str, type_name: str | None, standing: str | None) -> str:
    if not value.isascii() or not value.isprintable():
        raise SweepConfigError(
            f"{path} is given {value!r}: a GMAT script holds printable ASCII characters on one "
            "line only. Replace the others."
        )
    if len(value) > 1 and value[0] == value[-1] == "'":
        value = value[1:-1]
        standing = "'"
    if value.lower() in {"true", "false"} and path.rpartition(".")[2] in _ON_OFF_FIELDS:
        return "On" if value.lower() == "true" else "Off"
    if type_name != "String" and value.startswith(("{", "[")):
        return value
    is_bare = _NUMBER.fullmatch(value) or _WORD.fullmatch(value)
    was_quoted = standing is not None and standing.startswith("'")
    if type_name != "String" and is_bare and not was_quoted:
        return value
    text = f"'{value}'"
    if "%" in value and not masked(text).endswith("'"):
        raise SweepConfigError(
            f"{path} is given {value!r}: in a GMAT script a percent sign after a quote begins a "
            "comment. Leave one of the two out."
        )
    return text


def _list_text(path: str, values: Sequence[Any], standing: str | None) -> str:
    items = [value_text(path, value, None) for value in values]
    numbers = all(isinstance(value, int | float) for value in values)
    if numbers and values and not (standing or "[").startswith("{"):
        return f"[{' '.join(items)}]"
    return f"{{{', '.join(items)}}}"
