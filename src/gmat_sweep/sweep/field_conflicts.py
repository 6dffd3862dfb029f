"""Overrides that get in each other's way: one field in two ways, a state of two types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.assignments import (
    STATE_ELEMENTS,
    assigned_name,
    is_of_another_state_type,
    root_of,
)

__all__ = ["refuse_conflicting_fields"]


def refuse_conflicting_fields(
    field_sets: Iterable[Iterable[str]], types: Mapping[str, str], script: str
) -> None:
    """Refuse runs that assign a field twice, or mix elements of two state types.

    GMAT would take both, one after the other: ``Sat.X`` after ``Sat.SMA`` moves the spacecraft to
    another orbit altogether.

    Parameters
    ----------
    field_sets : iterable of iterable of str
        The overridden fields of the runs, each different set once.
    types : mapping of str to str
        The types of the script's resources.
    script : str
        The script's name, for the message.

    Raises
    ------
    SweepConfigError
        The message names the two fields.
    """
    for names in field_sets:
        by_target: dict[str, str] = {}
        elements: dict[str, list[str]] = {}
        for name in names:
            target = assigned_name(name, types.get(root_of(name)))
            if target in by_target:
                raise SweepConfigError(
                    f"{script}: {by_target[target]!r} and {name!r} are the same field. Leave one "
                    "of them out."
                )
            by_target[target] = name
            craft, _, field = target.partition(".")
            if types.get(craft) != "Spacecraft" or field not in STATE_ELEMENTS:
                continue
            before = elements.setdefault(craft, [])
            if is_of_another_state_type(field, before):
                raise SweepConfigError(
                    f"{script}: {craft}.{field} and {craft}.{before[-1]} are elements of two state "
                    "types, and the one that GMAT takes last would change what the other gave. "
                    "Vary one type: Cartesian, or Keplerian, or another."
                )
            before.append(field)
