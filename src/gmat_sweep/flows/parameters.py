"""The parameters of the flow ``gmat-sweep``: types and bounds, and values computed from them.

The Prefect UI makes its form from the types. Prefect refuses a value out of bounds before the
flow's body starts, and names the parameter. Parameters stay small: a table travels as a path.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flow.artifacts import slug
from gmat_sweep.limits import MOST_RUNS, MOST_WORKERS
from gmat_sweep.plans.notation import parse_grid
from gmat_sweep.sweep.options import SweepOptions

__all__ = [
    "DEFAULT_SETTINGS",
    "HOME_VARIABLE",
    "Kind",
    "MaxFailed",
    "RunCount",
    "RunSettings",
    "Seed",
    "SweepParameters",
    "absolute",
    "fresh_folder",
    "in_parameters",
    "title_of",
]

HOME_VARIABLE = "GMAT_SWEEP_HOME"
"""Environment variable: the folder that relative paths in parameters start from."""

_SEED_LIMIT = 2**63
"""Prefect keeps integers in 64 bits."""

type Kind = Literal["grid", "explicit", "monte_carlo", "latin_hypercube", "sobol", "halton"]

type RunCount = Annotated[int, Field(ge=1, le=MOST_RUNS)]
type Seed = Annotated[int, Field(ge=0, lt=_SEED_LIMIT)]
type MaxFailed = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%?$")]


# What messages of a sweep call an option, and which parameter sets it.
_OPTIONS = {
    "allow_script_drift=True (--allow-script-drift)": "settings.allow_script_drift",
    "--script (script_path=)": "mission",
    "script_path=, --script": "mission",
    "postprocess=, --postprocess": "settings.postprocess",
    "trust_hook=True, --trust-hook": "settings.trust_hook",
}


class RunSettings(BaseModel):
    """Where runs execute, and how long and how often each may."""

    model_config = ConfigDict(extra="forbid")

    backend: Literal["local", "dask"] = Field(
        default="local",
        title="Back end",
        description="Where runs execute: worker processes of this machine, or a Dask cluster.",
    )
    dask_address: str | None = Field(
        default=None,
        title="Dask scheduler",
        description="Dask: address of a running scheduler, such as tcp://10.0.0.1:8786; a cluster "
        "on this machine is started when left empty.",
        pattern=r"^\w+://\S+$",
    )
    dask_cluster: str | None = Field(
        default=None,
        title="Dask cluster class",
        description="Dask: what starts the cluster, by name, such as dask_jobqueue.SLURMCluster; "
        "not together with a scheduler.",
        pattern=r"^\w+(\.\w+)+$",
    )
    dask_options: list[str] = Field(
        default_factory=list,
        title="Options of the cluster class",
        description="Dask: keywords of the cluster class, a line NAME=VALUE each, such as "
        "queue=short; adapt.maximum=40 lets the cluster grow.",
    )
    workers: int | None = Field(
        default=None,
        title="Workers",
        description="Worker processes, each with its own GMAT engine; one for each core when "
        "left empty.",
        ge=1,
        le=MOST_WORKERS,
    )
    timeout_s: float | None = Field(
        default=None,
        title="Timeout, s",
        description="Seconds that a run may take before its worker is killed; no limit when left "
        "empty.",
        gt=0,
    )
    retries: int = Field(
        default=1,
        title="Retries",
        description="How often a run is tried again after a fault of the infrastructure, such as "
        "a killed worker. What GMAT refuses is not tried again.",
        ge=0,
        le=100,
    )
    postprocess: str | None = Field(
        default=None,
        title="Postprocess hook",
        description="Called in the worker after each successful run: package.module:function.",
        pattern=r"^[\w.]+:[\w.]+$",
    )
    unconverged: Literal["ok", "failed"] = Field(
        default="ok",
        title="Unconverged runs",
        description="What a run is that has a solver which did not converge: ok or failed.",
    )
    memory_limit: str | None = Field(
        default=None,
        title="Memory limit",
        description="How much memory a run may need before its worker is killed, such as 2 GiB; "
        "no limit when left empty.",
        pattern=r"^\s*\d+(\.\d+)?\s*[A-Za-z]*\s*$",
    )
    fsync_each: bool = Field(
        default=True,
        title="Sync every line",
        description="Each line of the manifest is on disk before the next run is counted.",
    )
    fsync_batch: int = Field(
        default=50,
        title="Lines per sync",
        description="Without that, after how many lines the manifest is put on disk.",
        ge=1,
        le=1_000_000,
    )
    end_state: bool = Field(
        default=True,
        title="Report the end state",
        description="A mission that reports nothing reports the state of each spacecraft at its "
        "end.",
    )
    nominal: bool = Field(
        default=False,
        title="Fly the nominal mission, too",
        description="The undispersed mission is flown beside the others, as run -1; no statistic "
        "counts it.",
    )
    allow_script_drift: bool = Field(
        default=False,
        title="Accept a changed script",
        description="To resume: go on although the mission script is no longer the one recorded.",
    )
    trust_hook: bool = Field(
        default=False,
        title="Trust the sweep folder",
        description="To resume: call the hooks that a manifest names which another user or "
        "another machine wrote.",
    )

    def options(self) -> SweepOptions:
        """Return the options of a sweep with these settings; no progress bar, as nobody looks."""
        return SweepOptions(
            progress=False,
            fsync_each=self.fsync_each,
            fsync_batch=self.fsync_batch,
            timeout=self.timeout_s,
            retries=self.retries,
            memory_limit=self.memory_limit,
            postprocess=self.postprocess,
            end_state=self.end_state,
            nominal=self.nominal,
            unconverged=self.unconverged,
            allow_script_drift=self.allow_script_drift,
            trust_hook=self.trust_hook,
        )


DEFAULT_SETTINGS = RunSettings()


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


def title_of(parameters: dict[str, Any]) -> str:
    """Return the name of a flow run with these parameters: mission, kind, number of runs."""
    kind = str(parameters["kind"])
    if parameters["mission"] is None:
        mission = Path(str(parameters["out"] or "sweep")).name
    else:
        mission = Path(str(parameters["mission"])).stem
    if parameters["resume"]:
        return f"{mission} resume"
    return " ".join(filter(None, [mission, kind.replace("_", "-"), _size(kind, parameters)]))


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
