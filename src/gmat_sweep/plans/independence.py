"""Which designs are independent random draws, and which statistics therefore do not hold for them.

Intervals of rates, bounds of percentiles and standard errors count independent draws. The runs of
``monte_carlo`` are such draws. Those of a Latin hypercube, of a quasi-random sequence, of a grid,
of a table or of a Sobol' analysis are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.header import DESIGN_KEY, kind_of

__all__ = [
    "DESIGN",
    "INDEPENDENT",
    "are_independent",
    "check_independent",
    "design_name",
    "no_independent_draws",
]

DESIGN = "sweep_design"
"""Key of a frame's ``attrs``: the design of the sweep that the frame is of."""

INDEPENDENT = "monte_carlo"
"""The design whose runs are independent random draws."""

_IN_WORDS = {
    "": "a sweep that does not tell its design",
    "mixed": "two sweeps of different designs",
    "latin_hypercube": "a Latin hypercube",
    "sobol": "a Sobol' sequence",
    "halton": "a Halton sequence",
    "grid": "a grid",
    "explicit": "a table of samples",
    "sobol_sample": "a Sobol' analysis",
}


def design_name(parameter_spec: object) -> str:
    """Return the design of a sweep by its header's ``parameter_spec``; empty if that tells none.

    It is the kind of the plan, or ``sobol_sample`` for the table of a Sobol' analysis.
    """
    if not isinstance(parameter_spec, Mapping) or not parameter_spec:
        return ""
    kind = kind_of(parameter_spec)
    marked = parameter_spec.get(DESIGN_KEY) if kind == "explicit" else None
    return marked if isinstance(marked, str) and marked else kind


def are_independent(design: str) -> bool:
    """Return whether the runs of a design are independent random draws."""
    return design == INDEPENDENT


def no_independent_draws(design: str) -> str:
    """Return in words that the runs of a design are no independent draws."""
    shown = _IN_WORDS.get(design, f"this design ({design.replace('_', ' ')})")
    return f"the runs of {shown} are no independent random draws"


def check_independent(attrs: Mapping[Any, Any], sample: object, caller: str, what: str) -> None:
    """Refuse a statistic of independent draws where the design is known to be another.

    Parameters
    ----------
    attrs : mapping
        Of the frame; a frame that does not tell its design is believed.
    sample : {None, "independent"}
        ``"independent"`` is the caller's claim that the rows of a table are independent draws.
    caller, what : str
        The function, and what it would return.

    Raises
    ------
    SweepConfigError
        The design is known, and its runs are not independent; or `sample` is something else.
    """
    if sample not in {None, "independent"}:
        raise SweepConfigError(
            f"sample={sample!r} is not supported. Leave it out, or say sample='independent'."
        )
    design = attrs.get(DESIGN)
    if not isinstance(design, str) or not design or are_independent(design):
        return
    if design == "explicit":
        if sample == "independent":
            return
        raise SweepConfigError(
            f"{caller}: {no_independent_draws(design)} as far as the sweep knows, so {what} does "
            "not hold. If the rows of your table are independent draws in this order, say "
            "sample='independent'."
        )
    raise SweepConfigError(
        f"{caller}: {no_independent_draws(design)}, so {what} does not hold. "
        "Fly the same distributions with monte_carlo."
    )
