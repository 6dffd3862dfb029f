"""What was varied in a sweep, and with what it was flown, in lines for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.markdown import plain
from gmat_sweep.plans import planned_count
from gmat_sweep.plans.header import ENGINE_DATA_KEY, kind_of
from gmat_sweep.plans.nominal import has_nominal
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = ["fields_of", "flown_with", "varied_fields", "varied_lines", "varied_text"]

_MOST_FIELDS = 30
_MOST_VALUES = 6
_LONGEST = 200


def varied_lines(manifest: Manifest) -> tuple[str, ...]:
    """Return the design, each varied field with its distribution or values, and the versions.

    Parameters
    ----------
    manifest : Manifest
        The sweep. What its header has in another form than this package writes is left out.

    Returns
    -------
    tuple of str
        Lines of Markdown.
    """
    return tuple(map(plain, varied_text(manifest)))


def varied_text(manifest: Manifest, planned: int | None = None) -> list[str]:
    """Return the lines of `varied_lines` as plain text: for a terminal or a log.

    `planned` is the number of runs of a sweep that is being extended.
    """
    kind = kind_of(manifest.parameter_spec)
    fields = list(varied_fields(manifest).items())
    size = f", n = {planned_count(manifest) if planned is None else planned}"
    seed = "" if manifest.sweep_seed is None else f", seed {manifest.sweep_seed}"
    nominal = " and the nominal run" if has_nominal(manifest) else ""
    lines = [f"{one_line(kind.replace('_', ' '))}{size}{nominal}{seed}"]
    lines += [f"{name}: {text}" for name, text in fields[:_MOST_FIELDS]]
    if len(fields) > _MOST_FIELDS:
        lines.append(f"and {len(fields) - _MOST_FIELDS} further fields")
    versions = [f"{name} {version}" for name, version in flown_with(manifest).items()]
    return [*lines, f"flown with {', '.join(map(one_line, versions))}"]


def flown_with(manifest: Manifest) -> dict[str, str]:
    """Return the versions that a manifest's header names, of the engine and of its data, too."""
    data = manifest.extra.get(ENGINE_DATA_KEY)
    listed = list(data.items())[:_MOST_VALUES] if isinstance(data, dict) else []
    return {
        "GMAT": manifest.gmat_install_version,
        "gmat-sweep": manifest.gmat_sweep_version,
        "gmat-run": manifest.gmat_run_version,
        "Python": manifest.python_version,
        **{_cut(str(name)): _cut(str(version)) for name, version in listed},
    }


def varied_fields(manifest: Manifest) -> dict[str, str]:
    """Return each varied field with its distribution or its values, as text on one line."""
    return fields_of(manifest.parameter_spec)


def fields_of(spec: dict[str, Any]) -> dict[str, str]:
    """Return what `varied_fields` says, from the record of a plan."""
    found = _fields(kind_of(spec), spec)
    return {one_line(name): _cut(one_line(text)) for name, text in found}


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _fields(kind: str, spec: dict[str, Any]) -> list[tuple[str, str]]:
    if kind == "grid":
        return [
            (name, _values(values))
            for name, values in spec.items()
            if name != "_kind" and isinstance(values, list)
        ]
    if kind == "explicit":
        return [(str(name), "from the table") for name in _listed(spec.get("columns"))]
    perturb = spec.get("perturb")
    if not isinstance(perturb, dict):
        return []
    nominal = spec.get("nominal")
    known = nominal if isinstance(nominal, dict) else {}
    return [(name, _distribution(name, each, known)) for name, each in perturb.items()]


def _values(values: list[Any]) -> str:
    shown = ", ".join(map(_text, values[:_MOST_VALUES]))
    if len(values) <= _MOST_VALUES:
        return shown
    return f"{len(values)} values, {shown}, ... {_text(values[-1])}"


def _distribution(name: str, spec: Any, nominal: dict[str, Any]) -> str:
    about = f", about {_text(nominal[name])}" if name in nominal else ""
    if isinstance(spec, list) and spec:
        return f"{spec[0]} {', '.join(map(_text, spec[1:]))}{about}"
    if isinstance(spec, dict) and "covariance" in spec:
        what = spec.get("fields") or spec.get("elements")
        what = ", ".join(map(str, what)) if isinstance(what, list) else str(what)
        frame = f" in {spec['frame']}" if spec.get("frame") else ""
        source = f" from {Path(str(spec['source'])).name}" if spec.get("source") else ""
        return f"covariance of {what}{frame}{source}"
    if isinstance(spec, dict):
        keywords = spec.get("kwds")
        parameters = [*map(_text, _listed(spec.get("args")))]
        if isinstance(keywords, dict):
            parameters += [f"{key}={_text(value)}" for key, value in keywords.items()]
        return f"{spec.get('name')} {', '.join(parameters)}"
    return str(spec)


def _listed(value: Any) -> list[Any]:
    """Return a list of a record, nothing for what a damaged record has in its place."""
    return value if isinstance(value, list) else []


def _text(parameter: Any) -> str:
    """Return a value of a record; whole floats as the shell was given them, without ``.0``."""
    if isinstance(parameter, list):
        return f"[{_values(parameter)}]"
    return str(parameter).removesuffix(".0" if isinstance(parameter, float) else "")
