"""What a loaded mission itself says: the values about which draws are made."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.mission.assignments import STATE_ELEMENTS, is_of_another_state_type
from gmat_sweep.mission.own_values import literal_values

if TYPE_CHECKING:
    import gmat_run

__all__ = ["field_value", "own_values"]

_OF_SYSTEM = (".CoordinateSystem.Axes", ".CoordinateSystem.Origin")
_SAME = 1e-9
# More than rounding takes from an angle near a singularity.
_NEAR_DEG = 1e-3


def own_values(mission: gmat_run.Mission, script: Path, names: Iterable[str]) -> dict[str, Any]:
    """Return the values of fields of a mission that is loaded and not overridden.

    A number that the script assigns is taken as it is written: GMAT keeps a state as Cartesian
    components, and gives back 7000.000000000002 for an SMA of 7000. Of a circular orbit it gives
    back an AOP of 0, whatever was written, and adds that to TA; an override replaces one of the two
    lines only.

    Parameters
    ----------
    mission : gmat_run.Mission
        The loaded mission.
    script : Path
        Its script.
    names : iterable of str
        Fields as in an override; ``Sat.CoordinateSystem.Axes`` and ``.Origin`` of a Spacecraft.

    Returns
    -------
    dict
        Number or text by name; None for what cannot be known without running the mission.
    """
    literals = literal_values(script)
    return {name: _own_value(mission, literals, name) for name in names}


def field_value(mission: gmat_run.Mission, path: str) -> Any:
    """Return the value of a field, or of a Variable or String that is named alone.

    Raises
    ------
    GmatFieldError
        The mission has no such field.
    """
    from gmat_run import GmatFieldError

    if "." in path:
        return mission[path]
    try:
        return mission[f"{path}.Value"]
    except GmatFieldError as error:
        if "unknown resource" in str(error):
            raise
        raise GmatFieldError(
            f"{path!r} is no Variable or String: name a field of it, such as 'Sat.SMA', or an "
            "element of an Array, such as 'A(2,1)'",
            path=path,
        ) from None


def _own_value(mission: gmat_run.Mission, literals: dict[str, float], name: str) -> Any:
    for field in _OF_SYSTEM:
        if name.endswith(field):
            system = mission[name.removesuffix(field) + ".CoordinateSystem"]
            return str(mission[f"{system}{field.removeprefix('.CoordinateSystem')}"])
    target = "".join(name.split()).removesuffix(".Value")
    if "(" in name:
        # GMAT reads A(2) as A(1,2).
        in_row = re.sub(r"\((\d+)\)$", r"(1,\1)", target)
        alone = re.sub(r"\(1,(\d+)\)$", r"(\1)", target)
        return literals.get(in_row, literals.get(alone))
    written = literals.get(target)
    craft, _, element = target.partition(".")
    if written is not None and element in STATE_ELEMENTS:
        # Before the sequence GMAT takes numbers of one state type alone, so none undoes another.
        return written
    loaded = field_value(mission, name)
    if element in STATE_ELEMENTS and _is_told_otherwise(mission, literals, craft, element):
        return None
    if isinstance(loaded, int | float) and not isinstance(loaded, bool):
        if written is not None and math.isclose(written, loaded, rel_tol=_SAME, abs_tol=1e-12):
            return written
        return float(loaded)
    return loaded if isinstance(loaded, str | bool) else None


def _is_told_otherwise(
    mission: gmat_run.Mission, literals: dict[str, float], craft: str, element: str
) -> bool:
    """Return whether an element that is not written depends on one that GMAT gives back anew."""
    of_craft = {name: literals.get(f"{craft}.{name}") for name in STATE_ELEMENTS}
    written = {name: value for name, value in of_craft.items() if value is not None}
    if not written or is_of_another_state_type(element, written):
        return False
    return any(
        abs(math.remainder(mission[f"{craft}.{name}"] - written[name], 360)) > _NEAR_DEG
        for name in ("RAAN", "AOP", "TA")
        if name in written
    )
