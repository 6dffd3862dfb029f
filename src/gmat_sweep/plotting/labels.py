"""The words in a picture: axis labels with units, and the note of runs that are left out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gmat_sweep.analysis.units import unit_of

__all__ = ["label", "left_out_note", "unit"]

_POWER = re.compile(r"\^(\d)")


def unit(name: str) -> str:
    """Return the unit of a GMAT field by its dotted name, with its powers as mathtext.

    Empty if the name does not tell it. A difference, ``<name>__diff``, has the unit of the field.
    """
    return _POWER.sub(r"$^\1$", unit_of(name.removesuffix("__diff")))


def label(name: str) -> str:
    """Return `name` with its unit, as in ``"Sat.SMA (km)"``."""
    known = unit(name)
    return f"{name} ({known})" if known else name


def left_out_note(runs: Mapping[str, int], without_value: int = 0) -> str:
    """Return the runs that are not shown, as in ``"not shown: 2 failed runs"``; empty without any.

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
