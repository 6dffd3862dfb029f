"""Where and how runs execute, as a form or a file says it.

The Prefect UI makes its form from the types. Whoever reads settings refuses a value out of bounds,
and names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gmat_sweep.backends.dask import DaskPool, class_named
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.limits import MOST_RUNS, MOST_WORKERS
from gmat_sweep.plans.notation import parse_backend_args
from gmat_sweep.sweep.options import SweepOptions

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool

__all__ = ["DEFAULT_SETTINGS", "MaxFailed", "RunCount", "RunSettings", "Seed", "pool_of"]

_SEED_LIMIT = 2**63
"""Prefect keeps integers in 64 bits."""

type RunCount = Annotated[int, Field(ge=1, le=MOST_RUNS)]
type Seed = Annotated[int, Field(ge=0, lt=_SEED_LIMIT)]
type MaxFailed = Annotated[str, Field(pattern=r"^\d+(\.\d+)?%?$")]


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
        title="Limit of time, s",
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
        title="Limit of memory",
        description="How much memory a run may need before its worker is killed, such as 2 GiB; "
        "no limit when left empty.",
        pattern=r"^\s*\d+(\.\d+)?\s*[A-Za-z]*\s*$",
    )
    fsync_each: bool = Field(
        default=True,
        title="On disk: sync every line",
        description="Each line of the manifest is on disk before the next run is counted.",
    )
    fsync_batch: int = Field(
        default=50,
        title="On disk: lines per sync",
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
        title="To resume: accept a changed script",
        description="Go on although the mission script is no longer the one recorded.",
    )
    trust_hook: bool = Field(
        default=False,
        title="To resume: trust the sweep folder",
        description="Call the hooks that a manifest names which another user or "
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


def pool_of(settings: RunSettings) -> Pool:
    """Return the pool that settings ask for; it is not open yet.

    Raises
    ------
    SweepConfigError
        The settings exclude each other, or there is no such cluster class.
    """
    if settings.backend == "local":
        _refuse(settings, "dask_address", "dask_cluster", "dask_options", when="for back end local")
        return LocalJoblibPool(settings.workers)
    if settings.dask_address is not None:
        there = "together with settings.dask_address, whose cluster runs already"
        _refuse(settings, "dask_cluster", "dask_options", "workers", when=there)
        return DaskPool(address=settings.dask_address)
    if settings.dask_cluster is None:
        _refuse(settings, "dask_options", when="without settings.dask_cluster")
        return DaskPool(n_workers=settings.workers)
    keywords, adapt = _cluster_options(settings.dask_options)
    try:
        made_by = class_named(settings.dask_cluster)
    except BackendError as error:
        raise SweepConfigError(f"settings.dask_cluster: {error}") from error
    return DaskPool(
        cluster_class=made_by,
        cluster_kwargs=keywords,
        adapt_kwargs=adapt,
        n_workers=settings.workers,
    )


def _refuse(settings: RunSettings, *names: str, when: str) -> None:
    """Raise `SweepConfigError` if one of these settings is given where it means nothing."""
    for name in names:
        if getattr(settings, name):
            raise SweepConfigError(f"settings.{name}: it is given {when}. Leave one of them out.")


def _cluster_options(lines: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the keywords of a cluster class and those of its ``adapt``."""
    keywords: dict[str, Any] = {}
    adapt: dict[str, Any] = {}
    for name, value in parse_backend_args(lines, "settings.dask_options").items():
        before, dot, after = name.partition(".")
        if not dot:
            keywords[name] = value
        elif before == "adapt" and after:
            adapt[after] = value
        else:
            raise SweepConfigError(
                f"settings.dask_options: {name!r} is no keyword. Write NAME=VALUE for one of the "
                "cluster class, adapt.NAME=VALUE for one of its adapt()."
            )
    return keywords, adapt
