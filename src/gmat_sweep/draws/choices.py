"""Values with weights: ``("choice", values)`` and ``("discrete", {value: weight})``."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gmat_sweep.draws.shorthands import refuse

__all__ = ["CHOICES", "Choice", "choice_of"]

_FORMS = {
    "choice": "('choice', ['JGM2', 'JGM3'])",
    "discrete": "('discrete', {0.9: 1, 1.0: 3})",
}
CHOICES = tuple(_FORMS)
"""The tags of choices."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, each with the probability of its share of the weights.

    Attributes
    ----------
    values : tuple
        Numbers or texts.
    weights : tuple of float
        A weight for each.
    bounds : tuple of float
        The sum of the weights up to and with each value, as a share of their total.
    """

    values: tuple[Any, ...]
    weights: tuple[float, ...]
    bounds: tuple[float, ...]

    def to_json(self, tag: str) -> list[Any]:
        """Return the record of a manifest: the tag, the values, and of ``discrete`` the weights."""
        listed = [list(self.values)]
        return [tag, *(listed if tag == "choice" else [*listed, list(self.weights)])]

    def at(self, unit: float) -> Any:
        """Return the value at a number from 0 to 1: the quantile, in the order of the values."""
        return self.values[min(bisect_right(self.bounds, unit), len(self.values) - 1)]


def choice_of(spec: tuple[Any, ...], name: str | None) -> Choice:
    """Return the choice that a tuple describes.

    Raises
    ------
    SweepConfigError
        It has no values, a value is no number or text, or a weight is not positive.
    """
    tag = spec[0]
    if len(spec) == 2 and tag == "discrete" and isinstance(spec[1], Mapping):
        values, weights = list(spec[1]), list(spec[1].values())
    elif len(spec) == 2 and tag == "choice" and _is_listed(spec[1]):
        values = list(spec[1])
        weights = [1] * len(values)
    elif len(spec) == 3 and tag == "discrete" and _is_listed(spec[1]) and _is_listed(spec[2]):
        values, weights = list(spec[1]), list(spec[2])
    else:
        refuse(name, f"a {tag!r} distribution cannot be {spec!r}", f"Write {_FORMS[tag]}")
    if not values or len(values) != len(weights):
        refuse(
            name,
            f"a {tag!r} distribution has {len(values)} values and {len(weights)} weights",
            f"Write {_FORMS[tag]}",
        )
    for value in values:
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if not (isinstance(value, str) or is_number):
            refuse(name, f"{value!r} is no value of a {tag!r} distribution", "Give numbers or text")
    if len(set(map(repr, values))) < len(values):
        refuse(name, f"a value stands twice in {values!r}", "Give it once, with a larger weight")
    total = 0.0
    sums = []
    for weight in weights:
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not is_number or not (math.isfinite(weight) and weight > 0):
            refuse(name, f"the weight {weight!r} is no number above 0", f"Write {_FORMS[tag]}")
        total += float(weight)
        sums.append(total)
    return Choice(tuple(values), tuple(map(float, weights)), tuple(each / total for each in sums))


def _is_listed(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
