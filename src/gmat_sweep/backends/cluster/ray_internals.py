"""All uses that this package makes of Ray beyond its public API.

Ray ends a process whose cluster is lost, and has no function that asks whether the cluster is still
there. So the pool has to know where the parts of Ray listen, and when Ray gives up.
`tests/test_layers.py` fails if another module names a private part of Ray. Each use has a test in
`tests/backends/cluster/test_ray_internals.py`, which fails when a release takes it away.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ray.job_config import JobConfig

__all__ = [
    "GIVES_UP_VARIABLE",
    "Connection",
    "connection",
    "cpus_now",
    "gives_up_after_s",
    "job_without_current_folder",
]

GIVES_UP_VARIABLE = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""Environment variable: after so many seconds without its head, Ray ends the process."""

_GIVES_UP_AFTER_S = 60.0

type Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Connection:
    """The cluster that this process is connected to.

    Attributes
    ----------
    head : tuple of str and int
        Host and port of the cluster's head (Ray's GCS).
    raylet : tuple of str and int
        Host and port of the raylet by which this process reaches the cluster.
    cpus : int
        How many CPUs the cluster has.
    """

    head: Place
    raylet: Place
    cpus: int


class _OtherFolders(list[str]):
    """Folders, without the current one of the driver."""

    def extend(self, folders: Iterable[str]) -> None:
        here = os.path.abspath(os.path.curdir)  # noqa: PTH100 - as Ray names it
        super().extend(folder for folder in folders if folder != here)


def job_without_current_folder() -> JobConfig:
    """Return a job for ``ray.init`` whose workers do not import from the driver's current folder.

    Ray extends the job's list by that folder, and its workers put it before the standard library.
    Ray has no setting for it but a ``working_dir``, which it would copy to every host.
    """
    from ray.job_config import JobConfig

    job = JobConfig()
    job._py_driver_sys_path = _OtherFolders()
    return job


def connection() -> Connection:
    """Return places and CPUs of the cluster that this process is connected to.

    `ray.nodes` is made for debugging, as its page says, and no page has the keys of its records.
    Ray's State API has them, but it needs the dashboard, which a cluster need not run.
    """
    import ray

    context, nodes = ray.get_runtime_context(), ray.nodes()
    host, _, port = context.gcs_address.rpartition(":")
    here = context.get_node_id()
    raylet = next(
        (node["NodeManagerAddress"], node["NodeManagerPort"])
        for node in nodes
        if node["NodeID"] == here
    )
    return Connection((host.strip("[]"), int(port)), raylet, _cpus_of(nodes))


def cpus_now() -> int:
    """Return how many CPUs the cluster has; wait while its head does not answer."""
    import ray

    return _cpus_of(ray.nodes())


def gives_up_after_s() -> float:
    """Return after how many seconds without the cluster's head Ray ends this process.

    The C++ part of Ray reads `GIVES_UP_VARIABLE`. Ray has no function that returns its value or
    its default.
    """
    try:
        return float(os.environ.get(GIVES_UP_VARIABLE, ""))
    except ValueError:
        return _GIVES_UP_AFTER_S


def _cpus_of(nodes: list[dict[str, Any]]) -> int:
    return max(1, int(sum(node["Resources"].get("CPU", 0) for node in nodes if node["Alive"])))
