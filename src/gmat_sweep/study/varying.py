"""From what a study says of a field to its distribution or its values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.units import unit_of
from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.notation import parse_grid, parse_perturb
from gmat_sweep.study.model import Axis, CovarianceTable, DistributionTable, Study

if TYPE_CHECKING:
    from gmat_sweep.distributions import DistSpec

__all__ = ["grid_of", "perturb_of"]

# The parameters of each distribution, in the order of its tuple.
_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "normal": ("mean", "sigma"),
    "uniform": ("low", "high"),
    "lognormal": ("mu", "sigma"),
    "truncnorm": ("mean", "sigma", "low", "high"),
    "triangular": ("low", "mode", "high"),
    "beta": ("a", "b", "low", "high"),
    "choice": ("values",),
    "discrete": ("values", "weights"),
}
_ABOUT_NOMINAL: Mapping[str, tuple[str, ...]] = {"normal": ("sigma",), "uniform": ("low", "high")}
_OPTIONAL = {"beta": {"low": 0.0, "high": 1.0}}
_ALWAYS = frozenset({"distribution", "about", "sigmas", "unit"})


def perturb_of(study: Study, folder: Path) -> dict[str, DistSpec]:
    """Return the perturbation of a study with draws.

    Parameters
    ----------
    study : Study
        The study.
    folder : Path
        The folder of its file, where relative paths start.

    Raises
    ------
    SweepConfigError
        A distribution lacks a parameter or has one too many, or a unit is not GMAT's; the message
        names the key.
    """
    perturb: dict[str, DistSpec] = {}
    for name, varied in study.vary.items():
        where = f'vary."{name}"'
        if isinstance(varied, str):
            perturb |= parse_perturb([f"{name}={varied}"], where, folder)
        elif isinstance(varied, DistributionTable):
            perturb[name] = _distribution(varied, name, where)
        elif isinstance(varied, CovarianceTable):
            perturb[name] = _covariance(varied, folder, where)
        else:
            raise SweepConfigError(
                f"{where} has values, and a design {study.design!r} draws them. Give a "
                'distribution, such as "normal:7000:5", or use design = "grid".'
            )
    return perturb


def grid_of(study: Study) -> dict[str, list[Any]]:
    """Return the values of a study that flies a grid.

    Raises
    ------
    SweepConfigError
        A field has a distribution, or a unit is not GMAT's.
    """
    grid: dict[str, list[Any]] = {}
    for name, varied in study.vary.items():
        where = f'vary."{name}"'
        if isinstance(varied, str):
            grid |= parse_grid([f"{name}={varied}"], where)
        elif isinstance(varied, list):
            grid[name] = list(varied)
        elif isinstance(varied, Axis):
            import numpy as np

            _check_unit(varied.unit, name, where)
            grid[name] = np.linspace(varied.start, varied.stop, varied.count).tolist()
        else:
            raise SweepConfigError(
                f"{where} has a distribution, and a grid has values. Give a list, or "
                "{start = 7000, stop = 7100, count = 5}."
            )
    return grid


def _distribution(table: DistributionTable, name: str, where: str) -> tuple[Any, ...]:
    kind = table.distribution
    is_about = table.about is not None
    if is_about and kind not in _ABOUT_NOMINAL:
        raise SweepConfigError(
            f"{where}: a {kind} distribution cannot be about the nominal value. Use one of "
            f"{', '.join(_ABOUT_NOMINAL)}, or leave `about` out."
        )
    wanted = (_ABOUT_NOMINAL if is_about else _PARAMETERS)[kind]
    given = table.model_fields_set - (_ALWAYS if "sigma" in wanted else _ALWAYS - {"sigmas"})
    optional = _OPTIONAL.get(kind, {})
    if missing := [key for key in wanted if key not in given and key not in optional]:
        raise SweepConfigError(
            f"{where}: a {kind} distribution needs {', '.join(missing)}. It takes "
            f"{', '.join(wanted)}."
        )
    if spare := sorted(given - set(wanted)):
        raise SweepConfigError(
            f"{where}: a {kind} distribution{' about the nominal value' if is_about else ''} does "
            f"not take {', '.join(spare)}. It takes {', '.join(wanted)}."
        )
    is_epoch = name.rpartition(".")[2] == "Epoch"
    _check_unit(table.unit, name, where, "s" if is_epoch else None)
    values = [getattr(table, key) if key in given else optional[key] for key in wanted]
    is_share = any(isinstance(value, str) and "%" in value for value in values)
    if "sigma" in wanted and table.sigmas != 1:
        values[wanted.index("sigma")] = f"{values[wanted.index('sigma')]}@{table.sigmas!r}"
    if not is_about:
        if is_share:
            raise SweepConfigError(
                f'{where}: a share in % is one of the nominal value. Add about = "nominal".'
            )
        return (kind, *values)
    if is_epoch:
        return (f"{kind}_seconds", *values)
    if is_share and not all(isinstance(value, str) and "%" in value for value in values):
        raise SweepConfigError(f"{where}: a share in % beside a number. Give both in the same way.")
    return (f"rel_{kind}" if is_share else f"delta_{kind}", *values)


def _check_unit(unit: str | None, name: str, where: str, known: str | None = None) -> None:
    """Refuse a unit that is not GMAT's of the field; a field of no known unit takes any."""
    own = unit_of(name) if known is None else known
    if unit is not None and own and unit != own:
        raise SweepConfigError(
            f"{where}: GMAT has {name} in {own}, and the study in {unit}. Give the numbers in "
            f"{own}."
        )


def _covariance(table: CovarianceTable, folder: Path, where: str) -> Covariance:
    options: dict[str, Any] = {
        key: getattr(table, key)
        for key in ("elements", "frame", "fields", "mean")
        if key in table.model_fields_set
    }
    if not isinstance(table.covariance, str):
        return Covariance(table.covariance, **options)
    path = (folder / Path(table.covariance).expanduser()).resolve()
    if path.suffix.lower() == ".csv":
        return Covariance.from_csv(path, **options)
    if spare := sorted(set(options) - {"mean"}):
        raise SweepConfigError(
            f"{where}: a CCSDS message says itself what it is of, so {', '.join(spare)} cannot be "
            "given. Leave it out."
        )
    message = covariance_of_message(path, at=table.at)
    if "mean" in options:
        import dataclasses

        return dataclasses.replace(message, mean=tuple(options["mean"]))
    return message
