"""The parameters of the flow ``gmat-sweep``: types and bounds, and values computed from them.

The Prefect UI makes its form from the types. Prefect refuses a value out of bounds before the
flow's body starts, and names the parameter. Parameters stay small: a table travels as a path.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect.runtime import flow_run as this_flow_run

from gmat_sweep.disk.paths import HOME_VARIABLE
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flow.artifacts import slug
from gmat_sweep.flow.prefect_internals import is_automatic_name
from gmat_sweep.flows.form import DEFAULT_FORM, FormSettings
from gmat_sweep.plans.notation import parse_grid
from gmat_sweep.sweep.settings import DEFAULT_SETTINGS, MaxFailed, RunCount, RunSettings, Seed

__all__ = [
    "DEFAULT_FORM",
    "DEFAULT_KIND",
    "DEFAULT_SETTINGS",
    "HOME_VARIABLE",
    "FormSettings",
    "Kind",
    "MaxFailed",
    "Plan",
    "Requirements",
    "RunCount",
    "RunSettings",
    "Seed",
    "SweepParameters",
    "absolute",
    "fresh_folder",
    "in_parameters",
    "kept_or",
    "requirements_at",
    "title_of",
]

type Kind = Literal["grid", "explicit", "monte_carlo", "latin_hypercube", "sobol", "halton"]

DEFAULT_KIND: Kind = "monte_carlo"

type Plan = Literal["fixed", "anytime"]

# No `type` statement: behind a name of its own, the first UI has no field for a path.
Requirements = Path | list[dict[str, Any]] | dict[str, Any]

# What messages of a sweep call an option, and which parameter sets it.
_OPTIONS = {
    "allow_script_drift=True (--allow-script-drift)": "settings.allow_script_drift",
    "--script (script_path=)": "mission",
    "script_path=, --script": "mission",
    "postprocess=, --postprocess": "settings.postprocess",
    "trust_hook=True, --trust-hook": "settings.trust_hook",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepParameters:
    """The parameters of one flow run, with absolute paths.

    Attributes
    ----------
    mission : Path or None
        The mission script; None to resume with the one that the manifest names.
    kind : str
        ``grid``, ``explicit``, ``monte_carlo``, ``latin_hypercube``, ``sobol`` or ``halton``.
    vary : list of str
        Axes or distributions, in the notation of the command line.
    n, seed : int or None
        Number of draws and their seed.
    rows : Path or None
        The table of explicit runs.
    out : Path
        The sweep folder.
    resume : bool
        Whether to go on with the sweep in `out`.
    settings : RunSettings
        How runs are run.
    max_failed : str or None
        The flow run fails if more runs than this have failed: a number or a percentage.
    study : Path or None
        The study file; another parameter that has not its default counts instead of what it says.
    requirements : Path, list, mapping or None
        What the mission must do: a file, or its content.
    plan : {"fixed", "anytime"} or None
        How requirements are judged.
    max_runs : int or None
        Fly until the requirements are decided, and no more runs than this.
    batch : int or None
        How many runs are flown from one look at the requirements to the next.
    """

    mission: Path | None
    kind: Kind
    vary: list[str]
    n: int | None
    seed: int | None
    rows: Path | None
    out: Path
    resume: bool
    settings: RunSettings
    max_failed: str | None
    study: Path | None = None
    requirements: Requirements | None = None
    plan: Plan | None = None
    max_runs: int | None = None
    batch: int | None = None


def absolute(path: Path) -> Path:
    """Return a path of a parameter as an absolute one.

    A Prefect worker chooses the folder in which a flow run starts, so a relative path starts from
    ``GMAT_SWEEP_HOME``. Only if that is not set, it starts from the current folder.
    """
    home = os.environ.get(HOME_VARIABLE) or os.curdir
    return (_expanded(Path(home)) / _expanded(path)).absolute()


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        # There is no such user, so the path is the name of a file.
        return path


def requirements_at(given: Requirements | None) -> Requirements | None:
    """Return the requirements of a parameter, a path as an absolute one."""
    return absolute(given) if isinstance(given, Path) else given


def in_parameters(message: str) -> str:
    """Return a message with options of Python and the command line named as parameters."""
    for option, parameter in _OPTIONS.items():
        message = message.replace(option, parameter)
    return message


def fresh_folder(mission: Path | None, kind: str, run_name: str) -> Path:
    """Return the sweep folder of a flow run that was given none; a retry gets the same one."""
    home = os.environ.get(HOME_VARIABLE) or "~/gmat-sweeps"
    name = "sweep" if mission is None else slug(mission.stem)
    return _expanded(Path(home)).absolute() / "sweeps" / f"{name}-{kind}-{run_name}"


def kept_or(title: str) -> str:
    """Return the name of the flow run under way if somebody gave it one, or else `title`."""
    name = str(this_flow_run.name or "")
    return title if not name or is_automatic_name(name) else name


def title_of(parameters: dict[str, Any]) -> str:
    """Return the name of a flow run with these parameters: mission, kind, number of runs."""
    kind = str(parameters["kind"])
    study, mission = parameters["study"], parameters["mission"]
    if study is None and mission is None:
        named = Path(str(parameters["out"] or "sweep")).name
    else:
        named = Path(str(mission if study is None else study)).stem
    if parameters["resume"]:
        return f"{named} resume"
    most = parameters.get("max_runs")
    if most is not None:
        return f"{named} until decided, {most} runs at most"
    if study is not None:
        return f"{named} n={parameters['n']}" if parameters["n"] else named
    return " ".join(filter(None, [named, kind.replace("_", "-"), _size(kind, parameters)]))


def _size(kind: str, parameters: dict[str, Any]) -> str:
    if kind == "explicit":
        rows = parameters["rows"]
        return f"rows={Path(str(rows)).name}" if rows else ""
    if kind == "grid":
        try:
            axes = parse_grid(parameters["vary"], "vary")
        except SweepConfigError:
            # The flow raises this error again when it plans the sweep.
            return ""
        return f"n={math.prod(map(len, axes.values()))}"
    return f"n={parameters['n']}" if parameters["n"] else ""
