"""Distributions, seeds and draws: the arithmetic of every sweep with draws.

The same seed gives the same numbers, bit for bit:

* the seed of run `i` depends on the sweep's seed and `i` alone, so a longer sweep starts with the
  runs of a shorter one;
* the seed of a parameter depends on its run's seed and the parameter's name alone, so adding a
  parameter leaves the draws of the others as they were;
* a draw equals that of the frozen scipy distribution with a fresh ``numpy.random.default_rng``.

A perturbation is checked as a whole before the first draw. One that passes can be written to a
manifest and read back without changing a draw.
"""

from __future__ import annotations

import hashlib
import math
import operator
import secrets
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from gmat_sweep.draws.about_nominal import ABOUT_NOMINAL, offset_of
from gmat_sweep.draws.choices import CHOICES, choice_of
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.draws.shorthands import SHORTHANDS, checked_shorthand, refuse, scipy_equal
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import check_run_count, number_text, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from scipy.stats.distributions import rv_frozen

__all__ = [
    "DistSpec",
    "checked_count",
    "checked_perturb",
    "checked_seed",
    "derive_param_seed",
    "derive_run_seeds",
    "draw_function",
    "fresh_seed",
    "latin_hypercube_unit",
    "perturb_from_json",
    "perturb_to_json",
    "sample",
    "to_rv_frozen",
]

type DistSpec = tuple[Any, ...] | rv_frozen[Any, Any] | Covariance
"""A distribution, in GMAT's units of its field:

* ``("normal", mu, sigma)``, ``("uniform", lo, hi)``, ``("lognormal", mu, sigma)`` with `mu` and
  `sigma` of the logarithm, ``("truncnorm", mu, sigma, lo, hi)``, ``("triangular", lo, mode, hi)``,
  ``("beta", a, b, lo, hi)``;
* ``("choice", values)`` and ``("discrete", {value: weight})``, of numbers or texts;
* about the value that the script gives: ``("delta_normal", sigma)``, ``("delta_uniform", lo, hi)``,
  ``("rel_normal", 0.01)``, ``("rel_uniform", -0.01, 0.02)``, and for an epoch
  ``("normal_seconds", sigma)``, ``("uniform_seconds", lo, hi)``;
* a frozen ``scipy.stats`` distribution, or a `Covariance` of fields that are drawn together.

A sigma may be text such as ``"15@3"``: 15 is three sigma."""

_TRIAL_SEEDS = (0, 1, 2)
_SEEDS_AT_ONCE = 64


def fresh_seed() -> int:
    """Return a seed from the operating system's entropy, below 2**63.

    A sweep without a seed takes this one and records it, so that it can be resumed, extended and
    repeated like any other.
    """
    return secrets.randbits(63)


def _integer(value: Any) -> int | None:
    """Return `value` as an int if it is one of any library's integers, else None."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def checked_count(value: Any, name: str, caller: str, minimum: int = 1) -> int:
    """Return the count of runs `value` as an int of at least `minimum`.

    Raises
    ------
    SweepConfigError
        `value` is not an integer (a bool and a float are not), is too small, or is more than
        `gmat_sweep.limits.MOST_RUNS`.
    """
    count = _integer(value)
    if count is None:
        raise SweepConfigError(
            f"{caller} requires {name} to be an integer, got {type(value).__name__}: "
            f"{shown(value)}. Pass {name} as an int."
        )
    if count < minimum:
        raise SweepConfigError(
            f"{caller} requires {name} >= {minimum}, got {number_text(count)}. "
            f"Pass {name} as an int of at least {minimum}."
        )
    return check_run_count(count, f"{caller} with this {name}")


def checked_seed(seed: Any, name: str = "seed") -> int | None:
    """Return `seed` as a Python int, or None for None.

    Any non-negative integer will do, numpy's included, and of any size.

    Raises
    ------
    SweepConfigError
        `seed` is not an integer, or is negative.
    """
    if seed is None:
        return None
    value = _integer(seed)
    if value is None:
        raise SweepConfigError(
            f"{name} must be an integer or None, got {type(seed).__name__}: {shown(seed)}. "
            "Pass a non-negative int."
        )
    if value < 0:
        raise SweepConfigError(
            f"{name} must not be negative, got {number_text(value)}. Pass an int >= 0."
        )
    return value


def derive_run_seeds(parent_seed: int | None, n: int) -> list[int]:
    """Return the seeds of runs 0 to n-1 of a sweep seeded with `parent_seed`.

    Seed `i` is the first 32-bit word of child `i` of ``numpy.random.SeedSequence(parent_seed)``
    and does not depend on `n`.

    Parameters
    ----------
    parent_seed : int or None
        The sweep's seed; None takes entropy from the operating system.
    n : int
        How many.

    Raises
    ------
    SweepConfigError
        `n` is negative or no integer, or `parent_seed` is no valid seed.
    """
    import numpy as np

    count = checked_count(n, "n", "derive_run_seeds", minimum=0)
    children = np.random.SeedSequence(checked_seed(parent_seed)).spawn(count)
    return [int(child.generate_state(1)[0]) for child in children]


def run_seed_function(parent: int | None) -> Callable[[int], int]:
    """Return the function from a run's number to its seed, as `derive_run_seeds` has it."""
    import numpy as np

    @lru_cache(maxsize=2)
    def seeds(block: int) -> list[int]:
        # Several at once cost less: runs are mostly asked for in their order.
        sequence = np.random.SeedSequence(parent, n_children_spawned=block * _SEEDS_AT_ONCE)
        children = sequence.spawn(_SEEDS_AT_ONCE)
        return [int(child.generate_state(1)[0]) for child in children]

    return lambda number: seeds(number // _SEEDS_AT_ONCE)[number % _SEEDS_AT_ONCE]


@cache
def _name_hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:4], "big")


def derive_param_seed(run_seed: int, param_name: str) -> int:
    """Return the seed for drawing parameter `param_name` in the run seeded with `run_seed`.

    It is the first 32-bit word of ``SeedSequence([run_seed, h])``, where `h` is the first four
    bytes of the SHA-256 of the name, big-endian.

    Raises
    ------
    SweepConfigError
        `run_seed` is negative or no integer.
    """
    import numpy as np

    seed = checked_seed(run_seed, "run_seed")
    if seed is None:
        raise SweepConfigError("run_seed must be an integer, got None. Pass the seed of the run.")
    return int(np.random.SeedSequence([seed, _name_hash(param_name)]).generate_state(1)[0])


def to_rv_frozen(spec: DistSpec, name: str | None = None) -> rv_frozen[Any, Any]:
    """Return `spec` as a frozen scipy distribution; one that is frozen already comes back as is.

    Parameters
    ----------
    spec : DistSpec
        The distribution.
    name : str, optional
        The parameter it belongs to, for the message of an error.

    Raises
    ------
    SweepConfigError
        `spec` is neither a shorthand tuple nor frozen, its parameters are not finite numbers in
        their range, or scipy cannot draw a finite number from it.
    """
    from scipy.stats.distributions import rv_frozen

    rv: rv_frozen[Any, Any]
    rv = spec if isinstance(spec, rv_frozen) else scipy_equal(*_checked_shorthand(spec, name))
    _trial_draws(rv, name)
    return rv


def _checked_shorthand(spec: Any, name: str | None) -> tuple[str, tuple[float, ...]]:
    """Return the tag and the parameters as floats, or raise SweepConfigError."""
    forms = f"Use one of {', '.join(each.form(tag) for tag, each in SHORTHANDS.items())}"
    if not isinstance(spec, tuple):
        refuse(
            name,
            "a distribution must be a shorthand tuple or scipy rv_frozen, "
            f"got {type(spec).__name__}: {spec!r}",
            f"{forms} or a frozen one such as scipy.stats.norm(7100.0, 50.0)",
        )
    if not spec:
        refuse(name, "the distribution spec tuple is empty", forms)
    tag = spec[0]
    if isinstance(tag, str) and tag in (*ABOUT_NOMINAL, *CHOICES):
        refuse(
            name,
            f"{tag!r} draws {'values' if tag in CHOICES else 'about the value of a script'}, and a "
            "distribution of numbers is wanted",
            forms,
        )
    if not isinstance(tag, str) or tag not in SHORTHANDS:
        refuse(name, f"unknown distribution shorthand tag {tag!r}", forms)
    return checked_shorthand(spec, name)


def _trial_draws(rv: rv_frozen[Any, Any], name: str | None) -> list[float]:
    """Return one draw per trial seed: scipy finds most faults of a distribution when it draws."""
    import numpy as np

    try:
        with np.errstate(over="ignore"):
            draws = [_scipy_draw(rv, seed) for seed in _TRIAL_SEEDS]
    except (TypeError, ValueError) as error:
        refuse(
            name,
            f"scipy.stats.{rv.dist.name} cannot draw with args {rv.args!r} and kwds {rv.kwds!r}: "
            f"{error}",
            "Freeze it with scalar parameters inside the distribution's domain",
        )
    if not all(map(math.isfinite, draws)):
        refuse(
            name,
            f"scipy.stats.{rv.dist.name} with args {rv.args!r} and kwds {rv.kwds!r} does not draw "
            "finite numbers",
            "Freeze it with finite parameters",
        )
    return draws


def _scipy_draw(rv: rv_frozen[Any, Any], sub_seed: int) -> float:
    import numpy as np

    return float(rv.rvs(size=1, random_state=np.random.default_rng(sub_seed))[0])


def draw_function(spec: DistSpec, name: str | None = None) -> Callable[[int], float]:
    """Return the function from a parameter's seed to its draw; `spec` is checked once, here.

    Every draw equals ``rv.rvs(size=1, random_state=default_rng(seed))[0]`` of the frozen
    distribution, bit for bit. The function of a normal, uniform or lognormal shorthand does without
    scipy, which takes most of a second to load and twice the time to draw.

    Raises
    ------
    SweepConfigError
        As `to_rv_frozen`.
    """
    own = _own_draw(*_checked_shorthand(spec, name)) if isinstance(spec, tuple) else None
    if own is not None and _draws_finite_numbers(own):
        return own
    # What cannot draw finite numbers is refused with scipy's words.
    rv = to_rv_frozen(spec, name)
    return lambda sub_seed: _scipy_draw(rv, sub_seed)


def _own_draw(tag: str, parameters: tuple[float, ...]) -> Callable[[int], float] | None:
    """Return the draw of a shorthand that does without scipy; None if there is none."""
    import numpy as np

    if tag not in ("normal", "uniform", "lognormal"):
        return None
    first, second = parameters
    generator = np.random.default_rng
    if tag == "normal":
        return lambda sub_seed: first + second * generator(sub_seed).standard_normal()
    if tag == "uniform":
        width = second - first
        return lambda sub_seed: generator(sub_seed).random() * width + first
    scale = math.exp(first)
    # numpy's exp, as in scipy: Generator.lognormal and math.exp both round differently.
    return lambda sub_seed: float(np.exp(second * generator(sub_seed).standard_normal())) * scale


def _draws_finite_numbers(draw: Callable[[int], float]) -> bool:
    import numpy as np

    with np.errstate(over="ignore"):
        return all(math.isfinite(draw(seed)) for seed in _TRIAL_SEEDS)


def sample(spec: DistSpec, seed: int) -> float:
    """Return the draw of `spec` under the seed of its parameter, as `derive_param_seed` gives it.

    For many draws from one distribution, `draw_function` checks it once.

    Raises
    ------
    SweepConfigError
        As `to_rv_frozen`, or `seed` is no valid seed.
    """
    checked = checked_seed(seed)
    if checked is None:
        raise SweepConfigError("seed must be an integer, got None. Pass derive_param_seed's.")
    return draw_function(spec)(checked)


def latin_hypercube_unit(n: int, d: int, seed: int | None) -> NDArray[np.float64]:
    """Return `n` points of a Latin hypercube in the unit cube, as an array of shape ``(n, d)``.

    Each column has exactly one point in each of the `n` equal strata of ``(0, 1]``. The numbers
    are those of ``scipy.stats.qmc.LatinHypercube(d, seed=seed).random(n)`` under scipy's legacy
    integer seeding. They are computed here because scipy is going to drop that keyword. With U
    uniform on ``[0, 1)`` and P a permutation of 1..n per column, drawn after U from the same
    generator, the points are ``(P - U) / n`` (McKay, Beckman and Conover, Technometrics 21, 1979).
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    offsets = generator.uniform(size=(n, d))
    strata = np.tile(np.arange(1, n + 1), (d, 1))
    for row in strata:
        generator.shuffle(row)
    points: NDArray[np.float64] = (strata.T - offsets) / n
    return points


def checked_perturb(perturb: Any, caller: str) -> dict[str, DistSpec]:
    """Return `perturb` in the order of its sorted names, which is the order of the draws.

    Raises
    ------
    SweepConfigError
        `perturb` is no mapping, is empty, or has a name that is not a string.
    """
    if not isinstance(perturb, Mapping):
        raise SweepConfigError(
            f"{caller} requires perturb to be a mapping, got {type(perturb).__name__}. "
            "Pass a dict such as {'Sat.SMA': ('normal', 7100.0, 50.0)}."
        )
    if not perturb:
        raise SweepConfigError(
            f"{caller} requires a non-empty perturb. "
            "Name at least one field, such as {'Sat.SMA': ('normal', 7100.0, 50.0)}."
        )
    for name in perturb:
        if not isinstance(name, str):
            raise SweepConfigError(
                f"{caller} requires perturb names to be strings, got {type(name).__name__}: "
                f"{name!r}. Use GMAT's dotted names, such as 'Sat.SMA'."
            )
    return {name: perturb[name] for name in sorted(perturb)}


def perturb_to_json(perturb: Mapping[str, DistSpec], caller: str = "a sweep") -> dict[str, Any]:
    """Return `perturb` as JSON data: a tuple as a list, a frozen distribution as an object.

    Numpy scalars become Python ones. `perturb_from_json` makes distributions with equal draws from
    the result; this function tries that before it returns.

    Parameters
    ----------
    perturb : mapping of str to DistSpec
        A distribution for each field, by GMAT's dotted names.
    caller : str
        The function that the user called, for the message of an error.

    Raises
    ------
    SweepConfigError
        `perturb` is empty, or a distribution is invalid or cannot be rebuilt from a name and
        numbers.
    """
    checked = checked_perturb(perturb, caller)
    return {name: _to_json(spec, name) for name, spec in checked.items()}


def _to_json(spec: DistSpec, name: str) -> Any:
    if isinstance(spec, Covariance):
        spec.check(name)
        return spec.to_json()
    if isinstance(spec, tuple):
        return _tuple_to_json(spec, name)
    rv = to_rv_frozen(spec, name)
    record = {
        "name": rv.dist.name,
        "args": [_json_numbers(value, name) for value in rv.args],
        "kwds": {key: _json_numbers(value, name) for key, value in rv.kwds.items()},
    }
    rebuilt = _rv_from_json(record, name)
    same_kind = type(rebuilt.dist) is type(rv.dist)
    if not same_kind or _trial_draws(rebuilt, name) != _trial_draws(rv, name):
        refuse(
            name,
            f"scipy.stats.{rv.dist.name} rebuilt from {record!r} does not draw what the given "
            "distribution draws, so the sweep could not be resumed",
            "Use a distribution of scipy.stats by its name, with float parameters",
        )
    return record


def _tuple_to_json(spec: tuple[Any, ...], name: str) -> list[Any]:
    tag = spec[0] if spec else None
    if tag in CHOICES:
        return choice_of(spec, name).to_json(tag)
    if tag in ABOUT_NOMINAL:
        offset_of(spec, name)
    else:
        # Checks it, without scipy where that is not needed.
        draw_function(spec, name)
    plain = (value if type(value) in {int, float, str} else float(value) for value in spec[1:])
    return [str(tag), *plain]


def _json_numbers(value: Any, name: str) -> Any:
    """Return a number, or a sequence of them, as JSON data."""
    import numpy as np

    plain = value.tolist() if isinstance(value, np.generic | np.ndarray) else value
    if isinstance(plain, list | tuple):
        return [_json_numbers(item, name) for item in plain]
    if not isinstance(plain, int | float):
        refuse(
            name,
            f"the parameter {value!r} of the frozen distribution cannot be written as JSON, "
            f"it is of type {type(value).__name__}",
            "Freeze the distribution with plain numbers",
        )
    return plain


def perturb_from_json(record: Mapping[str, Any]) -> dict[str, DistSpec]:
    """Return the perturbation that `perturb_to_json` wrote.

    Raises
    ------
    SweepConfigError
        An entry has another shape, or names no distribution of ``scipy.stats``.
    """
    return {name: _from_json(entry, name) for name, entry in record.items()}


def _from_json(entry: Any, name: str) -> DistSpec:
    if isinstance(entry, list):
        spec = tuple(entry)
        _tuple_to_json(spec, name)
        return spec
    if isinstance(entry, Mapping) and "covariance" in entry:
        return Covariance.from_json(entry, name)
    if isinstance(entry, Mapping) and "name" in entry:
        return _rv_from_json(entry, name)
    return refuse(
        name,
        f"the distribution has an unrecognised serialised shape: {entry!r}",
        "Expected [tag, number, number] or an object with name, args and kwds",
    )


def _rv_from_json(entry: Mapping[str, Any], name: str) -> rv_frozen[Any, Any]:
    import scipy.stats

    dist = getattr(scipy.stats, str(entry["name"]), None)
    if not isinstance(dist, scipy.stats.rv_continuous | scipy.stats.rv_discrete):
        refuse(
            name,
            f"unknown scipy.stats distribution {entry['name']!r}",
            "Only distributions that scipy.stats has by name can be kept in a manifest",
        )
    try:
        rv: rv_frozen[Any, Any] = dist(*entry.get("args", ()), **entry.get("kwds", {}))
    except TypeError as error:
        refuse(
            name,
            f"scipy.stats.{entry['name']} does not take the recorded parameters {entry!r}: {error}",
            "Restore the manifest's parameter_spec",
        )
    return rv
