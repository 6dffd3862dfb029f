"""What a requirement may say: the mistakes in its keys, each with what to write instead.

The rules look at the keys as they were given, so that a file and a call in Python are refused in
the same words.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from gmat_sweep.analysis.angles import TURN, is_angle
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.conditions import parse_condition
from gmat_sweep.verdicts.shares import shares_of_sigma
from gmat_sweep.verdicts.times import parse_epoch, parse_time
from gmat_sweep.verdicts.units import factor, is_epoch_name

__all__ = [
    "DEFAULT_CONFIDENCE",
    "DEFAULT_LIMIT",
    "KEYS",
    "NUMBERS",
    "SHARES",
    "WORDS",
    "Mistake",
    "limit_of",
    "mistake_of_a_share",
    "mistakes_in",
    "natural_unit",
    "number_mistake",
    "suggestion",
    "unit_taken",
]

DEFAULT_CONFIDENCE = 0.9
DEFAULT_LIMIT = ">= 1"
"""Of `converged` and `ok`, whose number is 1 or 0."""

_LIMIT = re.compile(r"\s*(<=|>=|<|>)\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
_NAME = re.compile(r"[a-z0-9-]+")
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")

# What each reduction needs, and what it may have besides a limit and policies.
_NEEDED = {
    "final": ("column",),
    "first": ("column",),
    "min": ("column",),
    "max": ("column",),
    "range": ("column",),
    "at": ("column", "at"),
    "time_of": ("when", "never"),
    "last_time_of": ("when", "never"),
    "at_event": ("column", "when"),
    "duration": ("when",),
    "converged": ("solver",),
    "ok": (),
}
_ALLOWED = {
    reduction: {
        *needed,
        *(("since",) if "column" in needed else ()),
        *(("report", "extra", "unit") if needed and "solver" not in needed else ()),
        *(("between",) if reduction == "at" else ()),
        *(("never",) if reduction == "at_event" else ()),
    }
    for reduction, needed in _NEEDED.items()
}
_OF_A_REDUCTION = (
    "column", "report", "extra", "unit", "at", "between", "when", "never", "solver", "since",
)  # fmt: skip
_EXAMPLES = {
    "column": 'column = "Sat.Earth.RadApo"',
    "at": 'at = "3600 s"',
    "when": 'when = "Sat.Earth.Altitude < 120"',
    "never": 'never = "violates" or never = "satisfies": what a run is in which it never happens',
    "solver": 'solver = "DC1"',
}
WORDS = {
    "reduce": tuple(_NEEDED),
    "between": ("linear", "never"),
    "never": ("violates", "satisfies"),
    "missing": ("violates", "refuse"),
    "failed": ("violates", "bounds", "refuse", "given-ok"),
    "timeout": ("unknown", "violates"),
}
_DEFAULTS = {
    "reduce": "final",
    "between": "linear",
    "missing": "violates",
    "failed": "violates",
    "timeout": "unknown",
}
# Of these reductions the number is a value of the column.
_OF_VALUES = frozenset({"final", "first", "min", "max", "at", "at_event"})
# Seen in what GMAT R2026a writes: these from -180 to 180, other angles from 0 to 360.
_SIGNED = frozenset({"RA", "RAV", "Longitude", "PlanetodeticLON"})
# The mean anomaly of a hyperbolic orbit is not wrapped, and mean longitude is a sum.
_BEYOND_A_TURN = frozenset({"MA", "MLONG", "Delaunayl"})
# GMAT's quantities without a unit, of which `unit_of` cannot say more than of an unknown name.
_WITHOUT_UNIT = frozenset({
    "ECC", "BrouwerShortECC", "BrouwerLongECC", "EquinoctialH", "EquinoctialK", "EquinoctialP",
    "EquinoctialQ", "ModEquinoctialF", "ModEquinoctialG", "ModEquinoctialH", "ModEquinoctialK",
    "Cd", "Cr", "Q1", "Q2", "Q3", "Q4",
})  # fmt: skip
_TEXTS = ("column", "report", "extra", "unit", "at", "when", "solver", "since")
NUMBERS = ("target", "tolerance", "wrap")
SHARES = ("probability", "quantile", "confidence")
KEYS = (
    "name", "column", "report", "extra", "reduce", "limit", "within", "target", "tolerance",
    "wrap", "unit", "probability", "quantile", "every", "all_of", "confidence", "at", "between",
    "when", "never", "solver", "since", "missing", "failed", "timeout",
)  # fmt: skip
"""The keys of a requirement."""

_MEANT = {
    "sigma": "write the share of runs: probability = 0.9973 for 3 sigma (two-sided), 0.99865 "
    "(one-sided)",
    "lower": 'write limit = "> 100", or within = [low, high]',
    "upper": 'write limit = "< 100", or within = [low, high]',
    "min": 'write limit = "> 100", or reduce = "min"',
    "max": 'write limit = "< 100", or reduce = "max"',
    "range": 'write within = [low, high], or reduce = "range"',
    "percentile": "write quantile = 0.99",
}


class Mistake(NamedTuple):
    """What is wrong with a key, and what to write instead.

    Attributes
    ----------
    key : str
        The key.
    said : str
        The words.
    """

    key: str
    said: str


def limit_of(text: str) -> tuple[str, float]:
    """Return the relation and the number of a limit that has no mistake."""
    match = _LIMIT.fullmatch(text)
    assert match is not None
    return match[1], float(match[2])


def natural_unit(table: Mapping[str, Any]) -> str:
    """Return the unit of a requirement's number before any conversion; empty if unknown or none.

    Times are in seconds, and so are epochs, which are counted from an epoch. The unit of a column
    of a hook's file is known to its author alone.

    Parameters
    ----------
    table : mapping
        Keys of a requirement without mistakes of form.
    """
    if table.get("reduce") in ("time_of", "last_time_of", "duration"):
        return "s"
    column = table.get("column")
    if not isinstance(column, str):
        return ""
    if is_epoch_name(column):
        return "s"
    return "" if table.get("extra") is not None else unit_of(column)


def unit_taken(table: Mapping[str, Any]) -> str | None:
    """Return the unit of a requirement's numbers: the one that is given, or the column's own.

    Parameters
    ----------
    table : mapping
        Keys of a requirement without mistakes of form.
    """
    given = table.get("unit")
    return given if isinstance(given, str) else natural_unit(table) or None


def mistakes_in(table: Mapping[str, Any]) -> list[Mistake]:
    """Return all that is wrong with the keys of one requirement, in the order of the rules.

    Parameters
    ----------
    table : mapping
        The keys as they were given; None stands for a key that was left out.
    """
    given = {key: value for key, value in table.items() if value is not None and not _empty(value)}
    found = list(_mistakes_of_form(given))
    wrong = {each.key for each in found}
    sound = {key: value for key, value in given.items() if key not in wrong}
    if "all_of" in given:
        found += _mistakes_of_all(given)
    elif "reduce" not in wrong:
        found += _mistakes_of_reduction(given)
        found += _mistakes_of_limit(given, sound)
        found += _mistakes_of_unit(sound)
        found += _mistakes_of_angle(sound)
        found += _mistakes_of_texts(sound)
    found += _mistakes_of_share(given)
    return found


def suggestion(key: str, known: Sequence[str]) -> str:
    """Return what may have been meant by a key that there is not, as the end of a sentence."""
    if key in _MEANT or key.rstrip("s") in _MEANT:
        return f"; {_MEANT.get(key) or _MEANT[key.rstrip('s')]}"
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(sorted(known))}"


def number_mistake(value: object) -> str:
    """Return what is wrong with a finite number; empty if nothing is."""
    if isinstance(value, bool) or not isinstance(value, float | Integral):
        return f"it must be a number without quotes, got {value!r}"
    try:
        is_finite = math.isfinite(float(value))
    except OverflowError:
        is_finite = False
    if not is_finite:
        return f"it must be a finite number, got {value!r}"
    return ""


def _empty(value: object) -> bool:
    return isinstance(value, list | tuple) and not value


def _mistakes_of_form(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what each key by itself shows."""
    if "name" not in given:
        yield Mistake("name", 'it is missing; write name = "apogee"')
    for key, value in given.items():
        said = _mistake_of_form(key, value)
        if said:
            yield Mistake(key, said)


def _mistake_of_form(key: str, value: Any) -> str:
    if key not in KEYS:
        return f"there is no such key{suggestion(str(key), KEYS)}"
    if key == "name":
        if isinstance(value, str) and _NAME.fullmatch(value):
            return ""
        return f"it must be small letters, digits and hyphens, such as 'dv99', got {value!r}"
    if key in WORDS:
        if isinstance(value, str) and value in WORDS[key]:
            return ""
        listed = ", ".join(map(repr, WORDS[key]))
        close = difflib.get_close_matches(str(value), WORDS[key], n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        return f"it must be one of {listed}, got {value!r}{meant}"
    if key in _TEXTS:
        if isinstance(value, str) and value.strip() and value == value.strip():
            return ""
        return f"it must be text without blanks around it, got {value!r}"
    if key in NUMBERS:
        return number_mistake(value) or _mistake_of_number(key, value)
    if key in SHARES:
        return mistake_of_a_share(key, value)
    return {
        "limit": _mistake_of_a_limit,
        "within": _mistake_of_an_interval,
        "every": _mistake_of_every,
        "all_of": _mistake_of_names,
    }[key](value)


def _mistake_of_number(key: str, value: float) -> str:
    if key == "tolerance" and value < 0:
        return f"it is a distance and cannot be negative, got {value!r}"
    if key == "wrap" and value <= 0:
        return f"it is the full circle, 360 in deg, got {value!r}"
    return ""


def mistake_of_a_share(key: str, value: Any) -> str:
    """Return what is wrong with a probability, a quantile or a confidence; empty if nothing is."""
    if isinstance(value, str):
        if sigma := shares_of_sigma(value):
            both, one = sigma
            return f"{value!r} means two things; write {both} (two-sided) or {one} (one-sided)"
        if "sigma" in value.lower():
            return f"it must be the share of runs, got {value!r}; {_MEANT['sigma']}"
        if percent := _PERCENT.fullmatch(value):
            return f"it must be a number without quotes; write {float(percent[1]) / 100:.10g}"
    said = number_mistake(value)
    if said:
        return said
    if key == "confidence" and 0 < value <= 0.5:
        offered = 1 - value if value < 0.5 else DEFAULT_CONFIDENCE
        return (
            f"it is 1 minus the chance of a wrong verdict, more than 0.5, got {value!r}; write "
            f"{offered:.10g}"
        )
    # Of the smallest shares, the share of violations that they allow is 1 in float64.
    if 0 < value < 1 and 1 - value < 1:
        return ""
    if key != "confidence" and value == 1:
        return "no number of runs shows a probability of 1; write every = true, or less than 1"
    if 1 < value < 100:
        offered = f"write {value / 100:.10g} for {value:.10g} %"
        if key != "confidence" and value <= 6:
            offered += ", or 0.9973 (two-sided) or 0.99865 (one-sided) for 3 sigma"
        return f"it must be greater than 0 and less than 1, got {value!r}; {offered}"
    return f"it must be greater than 0 and less than 1, got {value!r}; write for example 0.9"


def _mistake_of_a_limit(value: Any) -> str:
    if not isinstance(value, str):
        return f'it must be a relation and a number; write "< {value}" or "> {value}"'
    match = _LIMIT.fullmatch(value)
    if match is None or not (match[3] == "" or match[3][0].isalpha()):
        if re.search(r"=<|=>", value):
            return f"write {value.replace('=<', '<=').replace('=>', '>=')!r}, got {value!r}"
        if "=" in value and not re.search(r"[<>]", value):
            return f"write target and tolerance instead of an equation, got {value!r}"
        return f'it must be <, <=, > or >= and a number, such as "< 100", got {value!r}'
    if match[3]:
        return f'write limit = "{match[1]} {match[2]}" and unit = "{match[3]}", got {value!r}'
    return "" if math.isfinite(float(match[2])) else f"it must be a finite number, got {value!r}"


def _mistake_of_an_interval(value: Any) -> str:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return f"it must be the lowest and the highest number, [low, high], got {value!r}"
    said = next(filter(None, map(number_mistake, value)), "")
    if said:
        return said
    if value[0] > value[1]:
        return f"the lower number comes first; write [{value[1]}, {value[0]}]"
    return ""


def _mistake_of_every(value: Any) -> str:
    return "" if isinstance(value, bool) else f"it must be true or false, got {value!r}"


def _mistake_of_names(value: Any) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        return f'it must be names of requirements, such as ["apogee", "inclination"], got {value!r}'
    if len(set(value)) < len(value):
        return f"a name stands in it twice: {', '.join(value)}; leave one out"
    if len(value) < 2:
        return f"it needs two names or more, got {', '.join(value)}"
    return ""


def _mistakes_of_all(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what a requirement has besides `all_of` that only its parts can have."""
    own = {"name", "all_of", "probability", "quantile", "every", "confidence"}
    for key, value in given.items():
        if key in KEYS and key not in own and value != _DEFAULTS.get(key):
            yield Mistake(
                key, "the requirements that all_of names say it for themselves; leave it out here"
            )


def _mistakes_of_reduction(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what a reduction lacks, and what it does not take."""
    reduction = given.get("reduce", "final")
    for key in _NEEDED[reduction]:
        if key not in given:
            yield Mistake(key, f'reduce = "{reduction}" needs it; write {_EXAMPLES[key]}')
    for key in _OF_A_REDUCTION:
        if key not in given or given[key] == _DEFAULTS.get(key):
            continue
        if key not in _ALLOWED[reduction]:
            yield Mistake(key, _not_taken(key, reduction))
    if "report" in given and "extra" in given and "extra" in _ALLOWED[reduction]:
        yield Mistake("extra", "it is given besides report; leave one of them out")
    if reduction == "ok" and given.get("failed") == "given-ok":
        yield Mistake("failed", "of the runs that are ok, all are; leave it out here")


def _not_taken(key: str, reduction: str) -> str:
    if key == "column" and "when" in _NEEDED[reduction]:
        return f'reduce = "{reduction}" takes no column, as `when` names it; leave it out'
    if key == "unit":
        return f'the number of reduce = "{reduction}" is 1 or 0; leave it out'
    takers = [name for name, allowed in _ALLOWED.items() if key in allowed]
    return (
        f'reduce = "{reduction}" does not take it; leave it out, or write reduce = '
        f"{' or '.join(f'"{name}"' for name in takers)}"
    )


def _mistakes_of_limit(given: Mapping[str, Any], sound: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with the way in which the limit is given."""
    ways = [key for key in ("limit", "within", "target") if key in given]
    for key in ways[1:]:
        yield Mistake(key, f"a limit is given by {ways[0]} already; leave one of them out")
    needs_none = given.get("reduce") in ("converged", "ok")
    if not ways and not needs_none and "tolerance" not in given:
        yield Mistake(
            "limit",
            'it is missing; write limit = "< 100", within = [low, high], or target and tolerance',
        )
    for one, other in (("target", "tolerance"), ("tolerance", "target")):
        if one in given and other not in given:
            yield Mistake(other, f"it is missing; {one} needs it")
    if "wrap" in given and "target" not in given:
        yield Mistake("wrap", "it goes with target and tolerance; leave it out")
    if {"wrap", "tolerance"} <= sound.keys() and sound["tolerance"] >= sound["wrap"] / 2:
        yield Mistake(
            "tolerance",
            f"every angle is within {sound['tolerance']} on a circle of {sound['wrap']}; "
            "write a smaller one",
        )


def _mistakes_of_unit(sound: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield whether the unit is not that of the column, nor one that can be converted."""
    own, given = natural_unit(sound), sound.get("unit")
    if given is None:
        return
    if not own:
        if _is_without_unit(sound):
            yield Mistake("unit", f"{sound['column']} has no unit, got {given!r}; leave it out")
        return
    try:
        factor(own, given)
    except SweepConfigError:
        reduction = sound.get("reduce", "final")
        what = sound.get("column", "a time") if "column" in _NEEDED[reduction] else "a time"
        yield Mistake("unit", f"{what} is in {own}, got {given!r}; write {own!r}")


def _mistakes_of_angle(sound: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield whether a limit reaches past the angle at which GMAT begins again."""
    reduction = sound.get("reduce", "final")
    if reduction not in _OF_VALUES:
        if "wrap" in sound:
            yield Mistake("wrap", f'the number of reduce = "{reduction}" is no angle; leave it out')
        return
    if "column" not in sound:
        return
    column, own, unit = sound["column"], natural_unit(sound), unit_taken(sound)
    turn = 2 * math.pi if unit == "rad" else TURN
    if "wrap" in sound and _is_without_unit(sound):
        yield Mistake("wrap", f"{column} is no angle, it has no unit; leave it out")
        return
    if "wrap" in sound and own:
        if own != "deg":
            yield Mistake("wrap", f"{column} is no angle, it is in {own}; leave it out")
            return
        if not math.isclose(sound["wrap"], turn, rel_tol=1e-12):
            yield Mistake("wrap", f"the full circle is {turn!r} {unit}, got {sound['wrap']!r}")
            return
    of_a_hook = sound.get("extra") is not None
    if "wrap" in sound or not is_angle(column) or (of_a_hook and unit not in ("deg", "rad")):
        return
    last = column.rpartition(".")[2]
    low = -turn / 2 if last in _SIGNED else 0.0
    written = f"GMAT writes {column} from {_short(low)} to {_short(low + turn)}"
    if {"target", "tolerance"} <= sound.keys():
        target, tolerance = sound["target"], sound["tolerance"]
        if target - tolerance <= low or target + tolerance >= low + turn:
            yield Mistake(
                "target",
                f"{written}, and the tolerance reaches beyond; add wrap = {turn:.16g}, so that "
                "the distance is that on the circle",
            )
    # A hook may write an angle otherwise than GMAT does; the distance on the circle is the same.
    if "within" in sound and last not in _BEYOND_A_TURN and not of_a_hook:
        first, second = sound["within"]
        if first < low or second > low + turn:
            yield Mistake(
                "within",
                f"{written}; write target = {_short((first + second) / 2)}, tolerance = "
                f"{_short((second - first) / 2)} and wrap = {turn:.16g}",
            )


def _is_without_unit(sound: Mapping[str, Any]) -> bool:
    """Return whether the number is that of a quantity of GMAT's which has no unit."""
    if sound.get("extra") is not None or "column" not in sound:
        return False
    owner, _, name = str(sound["column"]).rpartition(".")
    return bool(owner) and name in _WITHOUT_UNIT


def _short(number: float) -> str:
    return f"{number:.10g}"


def _mistakes_of_texts(sound: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield what is wrong with conditions and times."""
    parsers = {"when": parse_condition, "at": parse_time, "since": parse_epoch}
    for key, parse in parsers.items():
        if key in sound:
            try:
                parse(sound[key])
            except SweepConfigError as error:
                yield Mistake(key, str(error).removesuffix("."))
    column = sound.get("column")
    of_a_report = column is not None and sound.get("extra") is None
    if "since" in sound and of_a_report and not is_epoch_name(str(column)):
        yield Mistake("since", f"{column} is no epoch; leave it out")


def _mistakes_of_share(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield whether the share of runs is given in no way, or in several."""
    ways = [key for key in ("probability", "quantile") if key in given]
    if given.get("every") is True:
        ways.append("every")
    for key in ways[1:]:
        yield Mistake(
            key, f"the share of runs is given by {ways[0]} already; leave one of them out"
        )
    if not ways:
        yield Mistake(
            "probability",
            "it is missing and has no default; write probability = 0.997, or every = true",
        )
