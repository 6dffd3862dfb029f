"""Distributions as text: ``normal:7000:15@3``, ``choice:JGM2|JGM3``, ``covariance:state.opm``."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.paths import user_path
from gmat_sweep.draws.about_nominal import ABOUT_NOMINAL
from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.choices import CHOICES, choice_of
from gmat_sweep.draws.covariance import ELEMENTS, Covariance
from gmat_sweep.draws.local_axes import LOCAL_AXES
from gmat_sweep.draws.shorthands import SHORTHANDS
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown

if TYPE_CHECKING:
    from gmat_sweep.distributions import DistSpec

__all__ = ["DISTRIBUTION_TAGS", "distribution_from_text"]

_COVARIANCE = "covariance"
DISTRIBUTION_TAGS = (*SHORTHANDS, *CHOICES, *ABOUT_NOMINAL, _COVARIANCE)
"""The distributions that can be written as text."""

_FORMS = {
    "normal": "normal:mean:sigma",
    "uniform": "uniform:low:high",
    "lognormal": "lognormal:mu:sigma",
    "truncnorm": "truncnorm:mean:sigma:low:high",
    "triangular": "triangular:low:mode:high",
    "beta": "beta:a:b:low:high",
    "choice": "choice:JGM2|JGM3",
    "discrete": "discrete:0.9@1|1.0@3",
    "delta_normal": "delta_normal:sigma",
    "delta_uniform": "delta_uniform:low:high",
    "rel_normal": "rel_normal:1%",
    "rel_uniform": "rel_uniform:-1%:2%",
    "normal_seconds": "normal_seconds:30",
    "uniform_seconds": "uniform_seconds:-60:60",
}
_COUNTS = {3: "three", 4: "four", 5: "five"}


def distribution_from_text(
    where: str, value: str, to_value: Callable[[str], Any], folder: Path
) -> DistSpec:
    """Return a distribution as a tuple, or the covariance in a file.

    Parameters
    ----------
    where : str
        The flag and the text, quoted, for the message of an error.
    value : str
        The text after the equals sign.
    to_value : callable
        Makes a value of a choice from its text.
    folder : Path
        Where the relative path of a covariance's file starts.

    Raises
    ------
    SweepConfigError
        There is no such distribution, its parameters are none, or the file has no covariance.
    """
    tag, *parts = value.split(":")
    if tag not in DISTRIBUTION_TAGS:
        raise SweepConfigError(
            f"{where} has an unknown perturb distribution tag {shown(tag)}. Choose one of "
            f"{', '.join(DISTRIBUTION_TAGS)}."
        )
    if tag in CHOICES:
        return _choice(where, tag, value.partition(":")[2], to_value)
    if tag == _COVARIANCE:
        return _covariance(where, value.partition(":")[2], folder)
    _check_count(where, tag, len(parts))
    # Their range is checked where Python's distributions are, too: when the sweep is planned.
    return (tag, *(_parameter(where, part.strip(), to_value) for part in parts))


def _check_count(where: str, tag: str, count: int) -> None:
    allowed: tuple[int, ...]
    if tag in ABOUT_NOMINAL:
        allowed = (1,) if "normal" in tag else (1, 2)
    else:
        most = len(SHORTHANDS[tag].parameters)
        allowed = tuple(range(most - SHORTHANDS[tag].optional, most + 1))
    if count not in allowed:
        wanted = _COUNTS.get(max(allowed) + 1, "two")
        raise SweepConfigError(
            f"{where} must have {wanted} colon-separated parts. Write name={_FORMS[tag]}."
        )


def _parameter(where: str, token: str, to_value: Callable[[str], Any]) -> float | str:
    """Return a number, or the text of a share (``1%``) or of several sigmas (``15@3``)."""
    number, at, times = token.partition("@")
    bare = number.strip().removesuffix("%").strip()
    values = [to_value(bare), *([to_value(times.strip())] if at else [])]
    if any(isinstance(value, str) for value in values):
        raise SweepConfigError(
            f"{where} has {shown(token)} among its parameters, which must be numeric: digits "
            "without leading zeros or underscores."
        )
    if not all(map(math.isfinite, values)):
        raise SweepConfigError(
            f"{where} has {shown(token)} among its parameters, which must be finite."
        )
    return float(bare) if bare == token else token


def _choice(where: str, tag: str, text: str, to_value: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the choice of ``a|b|c``, or with weights of ``a@1|b@3``."""
    items = [item.strip() for item in text.split("|")]
    if not all(items):
        raise SweepConfigError(f"{where} has an empty value. Write name={_FORMS[tag]}.")
    pairs = [item.rpartition("@") for item in items]
    weighted = [bool(at) for _, at, _ in pairs]
    if any(weighted) and not all(weighted):
        raise SweepConfigError(f"{where} has a weight for some values only. Give each one or none.")
    if not any(weighted):
        spec: tuple[Any, ...] = ("choice", [to_value(item) for item in items])
    else:
        weights = [_parameter(where, weight.strip(), to_value) for *_, weight in pairs]
        spec = ("discrete", [to_value(name.strip()) for name, *_ in pairs], weights)
    try:
        choice_of(spec, None)
    except SweepConfigError as error:
        raise SweepConfigError(f"{where}: {error}") from None
    return spec


def _covariance(where: str, text: str, folder: Path) -> Covariance:
    """Return the covariance of ``state.opm``, ``cov.csv:RIC`` or ``orbit.oem:<its epoch>``."""
    name, _, rest = (part.strip() for part in text.partition(":"))
    if not name:
        raise SweepConfigError(
            f"{where} names no file. Write Sat=covariance:state.opm, or Sat=covariance:cov.csv:RIC."
        )
    path = (folder / user_path(name, where)).resolve()
    is_csv = path.suffix.lower() == ".csv"
    options = _matrix_options(where, rest) if is_csv else {}
    try:
        if is_csv:
            return Covariance.from_csv(path, **options)
        # Its frame is the message's; an OEM may have a covariance for each of several epochs.
        return covariance_of_message(path, at=rest or None)
    except SweepConfigError as error:
        raise SweepConfigError(f"{where}: {error}") from None


def _matrix_options(where: str, text: str) -> dict[str, Any]:
    """Return what stands behind the file of a matrix: its frame, or the kind of its elements."""
    options: dict[str, Any] = {}
    for word in text.split(":") if text else ():
        key = "frame" if word in LOCAL_AXES else "elements" if word in ELEMENTS else ""
        if not key or key in options:
            known = ", ".join((*LOCAL_AXES, *ELEMENTS))
            raise SweepConfigError(
                f"{where}: {shown(word)} after the file is none of {known}. Give one frame, or one "
                "kind of elements."
            )
        options[key] = word
    return options
