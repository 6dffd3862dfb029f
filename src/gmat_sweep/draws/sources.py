"""Sources of randomness: what is drawn on its own, and the fields that it sets.

A perturbation is a mapping of names to distributions. Most names are fields, and each is a source.
A `Covariance` is one source with several fields. The draw of a source depends on the run's seed and
on the names of its fields only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import (
    checked_perturb,
    derive_param_seed,
    draw_function,
    to_rv_frozen,
)
from gmat_sweep.draws.about_nominal import ABOUT_NOMINAL, SECONDS, absolute_of, offset_of
from gmat_sweep.draws.ccsds import check_axes, check_message
from gmat_sweep.draws.choices import CHOICES, choice_of
from gmat_sweep.draws.covariance import Covariance, lower_factor, turned
from gmat_sweep.draws.epochs import moved_epoch
from gmat_sweep.draws.shorthands import refuse
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.distributions import DistSpec

__all__ = ["Source", "needed_of_nominal", "sources_of", "values_in_run"]


@dataclass(frozen=True, slots=True)
class Source:
    """What is drawn at once.

    Attributes
    ----------
    name : str
        Its key in the perturbation.
    fields : tuple of str
        The GMAT fields that it sets, in order.
    draw : callable
        From the seed of the source in a run to the values of the fields.
    at : callable
        From points of the unit cube, of shape ``(n, dimensions)``, to a column of `n` values for
        each field.
    dimensions : int
        How many numbers between 0 and 1 a draw takes.
    """

    name: str
    fields: tuple[str, ...]
    draw: Callable[[int], tuple[Any, ...]]
    at: Callable[[NDArray[np.float64]], list[list[Any]]]
    dimensions: int = 1

    @property
    def seed_name(self) -> str:
        """What its draws depend on beside the run's seed: the names of its fields."""
        return ",".join(sorted(self.fields))


def needed_of_nominal(perturb: Mapping[str, DistSpec]) -> tuple[str, ...]:
    """Return what must be known of the script itself before anything can be drawn.

    Returns
    -------
    tuple of str
        Fields; and of a Spacecraft ``Sat`` that is drawn about its state, ``Sat.CoordinateSystem``
        with ``.Axes`` and ``.Origin``.

    Raises
    ------
    SweepConfigError
        `perturb` is no perturbation.
    """
    names: dict[str, None] = {}
    for name, spec in checked_perturb(perturb, "a sweep").items():
        if isinstance(spec, Covariance):
            spec.check(name)
            names |= dict.fromkeys(_needed_by(spec, name))
        elif _tag(spec) in ABOUT_NOMINAL:
            names[name] = None
            if _tag(spec) in SECONDS:
                names[_date_format(name)] = None
    return tuple(names)


def sources_of(
    perturb: Mapping[str, DistSpec], caller: str, nominal: Mapping[str, Any] | None = None
) -> list[Source]:
    """Return the sources of a perturbation in the order of their names, all checked.

    Parameters
    ----------
    perturb : mapping of str to DistSpec
        The distributions.
    caller : str
        The function that the user called, for the message of an error.
    nominal : mapping, optional
        The script's own values of `needed_of_nominal`.

    Raises
    ------
    SweepConfigError
        A distribution is invalid, a field is set by two, or a value of the script is needed and
        not given.
    """
    known = dict(nominal or {})
    checked = checked_perturb(perturb, caller)
    if missing := [name for name in needed_of_nominal(checked) if name not in known]:
        raise SweepConfigError(
            f"{caller}: the draws are about the script's own {', '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not known here. Pass nominal=, or let "
            "monte_carlo() read the mission."
        )
    sources = [_source(name, spec, known) for name, spec in checked.items()]
    _refuse_fields_set_twice(sources)
    return sources


def values_in_run(sources: Iterable[Source], run_seed: int) -> dict[str, Any]:
    """Return the drawn values of a run by field, in the order of the sources."""
    values: dict[str, Any] = {}
    for source in sources:
        drawn = source.draw(derive_param_seed(run_seed, source.seed_name))
        values |= zip(source.fields, drawn, strict=True)
    return values


def _source(name: str, spec: DistSpec, nominal: Mapping[str, Any]) -> Source:
    if isinstance(spec, Covariance):
        return _group(name, spec, nominal)
    tag = _tag(spec)
    if tag in CHOICES:
        return _chosen(name, spec)
    if tag in SECONDS:
        return _moved_epoch(name, spec, nominal)
    if isinstance(spec, tuple) and tag in ABOUT_NOMINAL:
        spec = absolute_of(spec, nominal[name], name)
    draw = draw_function(spec, name)

    def at(units: NDArray[np.float64]) -> list[list[Any]]:
        # Here, as independent draws may do without scipy.
        return [[float(value) for value in to_rv_frozen(spec, name).ppf(units[:, 0])]]

    return Source(name, (name,), lambda seed: (draw(seed),), at)


def _chosen(name: str, spec: Any) -> Source:
    import numpy as np

    choice = choice_of(spec, name)
    return Source(
        name,
        (name,),
        lambda seed: (choice.at(np.random.default_rng(seed).random()),),
        lambda units: [[choice.at(unit) for unit in units[:, 0]]],
    )


def _moved_epoch(name: str, spec: Any, nominal: Mapping[str, Any]) -> Source:
    offset = offset_of(spec, name)
    seconds = _source(name, (offset.kind, offset.low, offset.high), nominal)
    epoch, date_format = nominal[name], str(nominal[_date_format(name)])
    # Says what is wrong with the script's epoch before anything is drawn.
    moved_epoch(epoch, date_format, 0.0)

    def at(units: NDArray[np.float64]) -> list[list[Any]]:
        return [[moved_epoch(epoch, date_format, each) for each in seconds.at(units)[0]]]

    return Source(
        name,
        (name,),
        lambda seed: (moved_epoch(epoch, date_format, seconds.draw(seed)[0]),),
        at,
    )


def _group(name: str, spec: Covariance, nominal: Mapping[str, Any]) -> Source:
    import numpy as np

    fields = spec.names(name)
    mean = tuple(spec.mean or ()) or tuple(_number(name, field, nominal) for field in fields)
    factor = lower_factor(spec.rows)
    if spec.reference_frame or spec.center or spec.epoch:
        check_message(name, spec, nominal)
    if spec.frame is not None:
        check_axes(name, spec.frame, str(nominal[f"{name}.CoordinateSystem.Axes"]))
        factor = turned(factor, spec.frame, mean)
    size = len(fields)

    def values(normals: Sequence[float]) -> tuple[float, ...]:
        return tuple(
            middle + sum(row[k] * normals[k] for k in range(size))
            for middle, row in zip(mean, factor, strict=True)
        )

    def draw(seed: int) -> tuple[float, ...]:
        return values(np.random.default_rng(seed).standard_normal(size).tolist())

    def at(units: NDArray[np.float64]) -> list[list[Any]]:
        import scipy.special

        rows = [values(row) for row in scipy.special.ndtri(units).tolist()]
        return [list(column) for column in zip(*rows, strict=True)]

    return Source(name, fields, draw, at, size)


def _needed_by(spec: Covariance, name: str) -> Iterable[str]:
    if spec.mean is None:
        yield from spec.names(name)
    if spec.frame is not None:
        yield f"{name}.CoordinateSystem.Axes"
    if spec.reference_frame is not None:
        yield f"{name}.CoordinateSystem.Axes"
    if spec.center is not None:
        yield f"{name}.CoordinateSystem.Origin"
    if spec.epoch is not None:
        yield from (f"{name}.Epoch", f"{name}.DateFormat")


def _number(name: str, field: str, nominal: Mapping[str, Any]) -> float:
    value = nominal[field]
    if value is None:
        refuse(name, f"the script does not assign {field} a number", "Assign one, or give a mean")
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(
            name, f"the script gives {field} the value {value!r}, which is no number", "Give a mean"
        )
    return float(value)


def _tag(spec: Any) -> str:
    return spec[0] if isinstance(spec, tuple) and spec and isinstance(spec[0], str) else ""


def _date_format(field: str) -> str:
    return f"{field.partition('.')[0]}.DateFormat"


def _refuse_fields_set_twice(sources: Iterable[Source]) -> None:
    by_field: dict[str, str] = {}
    for source in sources:
        for field in source.fields:
            if field in by_field:
                raise SweepConfigError(
                    f"{field} is drawn twice: by {by_field[field]!r} and by {source.name!r}. Leave "
                    "one of them out."
                )
            by_field[field] = source.name
