"""Distributions by their short names: what their parameters mean, and scipy's equal of each.

A shorthand is a tuple of a tag and its parameters, ``("truncnorm", mean, sigma, low, high)``. All
numbers are in GMAT's units of the field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    from scipy.stats.distributions import rv_frozen

__all__ = [
    "SHORTHANDS",
    "Shorthand",
    "checked_shorthand",
    "number_of",
    "refuse",
    "scipy_equal",
]

_TIMES_SIGMA = re.compile(r"(?P<number>.+)@(?P<times>[^@]+)")


@dataclass(frozen=True, slots=True)
class Shorthand:
    """A named distribution.

    Attributes
    ----------
    parameters : tuple of str
        Their names, in order.
    problem : callable
        What is wrong with parameters that are finite numbers, and what to do; None if nothing is.
    frozen : callable
        The frozen scipy distribution of them.
    optional : int
        How many of the last parameters may be left out.
    """

    parameters: tuple[str, ...]
    problem: Callable[..., tuple[str, str] | None]
    frozen: Callable[..., rv_frozen[Any, Any]]
    optional: int = 0

    def form(self, tag: str) -> str:
        """Return how the shorthand is written: ``('normal', mu, sigma)``."""
        return f"({', '.join([repr(tag), *self.parameters])})"


def _no_sigma(tag: str, sigma: float) -> tuple[str, str] | None:
    if sigma > 0:
        return None
    return (
        f"a {tag!r} distribution sigma must be > 0, got {sigma!r}",
        "Give the standard deviation, not the variance or a signed bound",
    )


def _no_range(spec: tuple[Any, ...], low: float, high: float) -> tuple[str, str] | None:
    tag = spec[0]
    if high <= low:
        return (
            f"a {tag!r} distribution requires hi > lo, got {spec!r}",
            "Give the lower bound first",
        )
    if not math.isfinite(high - low):
        return (
            f"the {tag!r} distribution parameters must be finite in their difference, got {spec!r}",
            f"Write {SHORTHANDS[tag].form(tag)} with two finite numbers",
        )
    return None


def _uniform_problem(low: float, high: float) -> tuple[str, str] | None:
    return _no_range(("uniform", low, high), low, high)


def _lognormal_problem(mu: float, sigma: float) -> tuple[str, str] | None:
    if problem := _no_sigma("lognormal", sigma):
        return problem
    try:
        scale = math.exp(mu)
    except OverflowError:
        scale = math.inf
    if 0 < scale < math.inf:
        return None
    return (
        f"exp(mu) of the 'lognormal' distribution is not representable, mu is {mu!r}",
        "Give mu as the mean of the logarithm, for example math.log(100.0)",
    )


def _truncnorm_problem(mu: float, sigma: float, low: float, high: float) -> tuple[str, str] | None:
    spec = ("truncnorm", mu, sigma, low, high)
    if problem := _no_sigma("truncnorm", sigma) or _no_range(spec, low, high):
        return problem
    import scipy.stats

    # Further out than that, what is left of the normal distribution is rounding error.
    inside = scipy.stats.norm.sf((low - mu) / sigma) - scipy.stats.norm.sf((high - mu) / sigma)
    other = scipy.stats.norm.cdf((high - mu) / sigma) - scipy.stats.norm.cdf((low - mu) / sigma)
    if max(inside, other) > 1e-12:
        return None
    return (
        f"a 'truncnorm' distribution has nothing between its bounds, got {spec!r}",
        "Give bounds in the field's unit, around the mean and not in sigmas",
    )


def _triangular_problem(low: float, mode: float, high: float) -> tuple[str, str] | None:
    spec = ("triangular", low, mode, high)
    if problem := _no_range(spec, low, high):
        return problem
    if low <= mode <= high:
        return None
    return (
        f"a 'triangular' distribution requires lo <= mode <= hi, got {spec!r}",
        "Give the lowest, the likeliest and the highest value, in this order",
    )


def _beta_problem(
    a: float, b: float, low: float = 0.0, high: float = 1.0
) -> tuple[str, str] | None:
    spec = ("beta", a, b, low, high)
    if not (a > 0 and b > 0):
        return (
            f"a 'beta' distribution requires a > 0 and b > 0, got {spec!r}",
            "Give the two shape parameters, then the bounds",
        )
    return _no_range(spec, low, high)


def _stats() -> Any:
    import scipy.stats

    return scipy.stats


SHORTHANDS: dict[str, Shorthand] = {
    "normal": Shorthand(
        ("mu", "sigma"),
        lambda _, sigma: _no_sigma("normal", sigma),
        lambda mu, sigma: _stats().norm(loc=mu, scale=sigma),
    ),
    "uniform": Shorthand(
        ("lo", "hi"),
        _uniform_problem,
        lambda low, high: _stats().uniform(loc=low, scale=high - low),
    ),
    "lognormal": Shorthand(
        ("mu", "sigma"),
        _lognormal_problem,
        lambda mu, sigma: _stats().lognorm(s=sigma, scale=math.exp(mu)),
    ),
    "truncnorm": Shorthand(
        ("mu", "sigma", "lo", "hi"),
        _truncnorm_problem,
        lambda mu, sigma, low, high: _stats().truncnorm(
            a=(low - mu) / sigma, b=(high - mu) / sigma, loc=mu, scale=sigma
        ),
    ),
    "triangular": Shorthand(
        ("lo", "mode", "hi"),
        _triangular_problem,
        lambda low, mode, high: _stats().triang(
            c=(mode - low) / (high - low), loc=low, scale=high - low
        ),
    ),
    "beta": Shorthand(
        ("a", "b", "lo", "hi"),
        _beta_problem,
        lambda a, b, low=0.0, high=1.0: _stats().beta(a, b, loc=low, scale=high - low),
        optional=2,
    ),
}
"""The shorthands of numbers, by their tags."""


def refuse(name: str | None, problem: str, remedy: str) -> NoReturn:
    """Raise the error about the distribution of a field."""
    where = "" if name is None else f"perturb[{name!r}]: "
    raise SweepConfigError(f"{where}{problem}. {remedy}.")


def number_of(parameter: Any, *, is_sigma: bool = False) -> float:
    """Return a parameter as a float; of a sigma, ``"15@3"`` says that 15 is three sigma.

    Raises
    ------
    TypeError, ValueError, OverflowError
        It is no number.
    """
    # numpy 2 names its bool type "bool" too; float() would accept a bool of either.
    if type(parameter).__name__ in {"bool", "bool_"}:
        raise TypeError("a bool is no number")
    if not isinstance(parameter, str):
        return float(parameter)
    if is_sigma and (found := _TIMES_SIGMA.fullmatch(parameter.strip())):
        times = float(found["times"])
        if not (math.isfinite(times) and times > 0):
            raise ValueError("the number of sigmas must be > 0")
        return number_of(found["number"]) / times
    share = parameter.strip().removesuffix("%")
    return float(share) / 100 if share != parameter.strip() else float(parameter)


def checked_shorthand(spec: tuple[Any, ...], name: str | None) -> tuple[str, tuple[float, ...]]:
    """Return the tag and the parameters, as floats, of a shorthand of numbers.

    Raises
    ------
    SweepConfigError
        There are too few or too many parameters, or one is no finite number in its range.
    """
    tag = str(spec[0])
    shorthand = SHORTHANDS[tag]
    most = len(shorthand.parameters)
    if not most - shorthand.optional <= len(spec) - 1 <= most:
        refuse(
            name,
            f"a {tag!r} distribution spec must be a length-{most + 1} tuple, got {spec!r}",
            f"Write {shorthand.form(tag)}",
        )
    try:
        numbers = tuple(
            number_of(value, is_sigma=what == "sigma")
            for value, what in zip(spec[1:], shorthand.parameters, strict=False)
        )
    except (TypeError, ValueError, OverflowError):
        if any(isinstance(value, str) and "@" in value for value in spec[1:]):
            refuse(
                name,
                f"'@' is for a sigma alone and has a number above 0 after it, got {spec!r}",
                f"Write {shorthand.form(tag)}, and a sigma as '15@3' where 15 is three of them",
            )
        refuse_parameters(name, tag, "numeric", spec)
    if not all(map(math.isfinite, numbers)):
        refuse_parameters(name, tag, "finite", spec)
    if problem := shorthand.problem(*numbers):
        refuse(name, *problem)
    return tag, numbers


def refuse_parameters(name: str | None, tag: str, expected: str, spec: tuple[Any, ...]) -> NoReturn:
    """Raise the error about parameters of a shorthand that are no such numbers."""
    refuse(
        name,
        f"the {tag!r} distribution parameters must be {expected}, got {spec!r}",
        f"Write {SHORTHANDS[tag].form(tag)} with finite numbers",
    )


def scipy_equal(tag: str, parameters: Sequence[float]) -> rv_frozen[Any, Any]:
    """Return the frozen scipy distribution of a shorthand."""
    return SHORTHANDS[tag].frozen(*parameters)
