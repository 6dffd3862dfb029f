"""`RayWatch`: notices that a Ray cluster is lost before Ray ends this process because of it.

Ray tries to reach the head of its cluster for a minute, and then ends the process that asked,
without an exception. Meanwhile calls that ask the head do not return. Where only the raylet beside
this process is lost, Ray waits for ever, and every actor that died with it looks like the failure
of its run. So whether both are there, and how many CPUs the cluster has, is found out here, in
threads that may be left waiting.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import Any

__all__ = ["RayWatch"]

_PROBE_EVERY_S = 1.0
_CONNECT_TIMEOUT_S = 5.0
_RAY_VARIABLE = "RAY_gcs_rpc_server_reconnect_timeout_s"
_RAY_GIVES_UP_AFTER_S = 60.0


class RayWatch:
    """Watches the cluster that this process is connected to, until `end`.

    It is lost when its head could not be reached for a third of the time after which Ray would end
    the process, as it takes a while to end the sweep, too; and as soon as nothing listens where the
    raylet of this process did.

    Parameters
    ----------
    head : str
        Host and port of the cluster's head.
    here : str
        Id of the node whose raylet this process is connected to.
    nodes : list of dict
        What ``ray.nodes()`` says of the cluster's nodes.
    """

    def __init__(self, head: str, here: str, nodes: list[dict[str, Any]]) -> None:
        host, _, port = head.rpartition(":")
        self._head = (host.strip("[]"), int(port))
        self._raylet = next(
            (node["NodeManagerAddress"], node["NodeManagerPort"])
            for node in nodes
            if node["NodeID"] == here
        )
        self._patience = _ray_gives_up_after() / 3
        self._ended = threading.Event()
        self._answers = threading.Event()
        self._loss: str | None = None
        self._cpus = _cpus_of(nodes)
        for work in (self._probe, self._count):
            threading.Thread(target=work, name="gmat-sweep-ray-watch", daemon=True).start()

    @property
    def loss(self) -> str | None:
        """What shows that the cluster is lost; None while it is not. It stays so."""
        return self._loss

    @property
    def cpus(self) -> int:
        """How many CPUs the cluster had when it last said so."""
        return self._cpus

    def is_there(self) -> bool:
        """Return whether the cluster answers; if it does not, wait until it does or is lost."""
        while not self._ended.is_set():
            answers = self._is_reached()
            if answers or self._loss is not None:
                return answers
            self._ended.wait(_PROBE_EVERY_S)
        return self._loss is None

    def end(self) -> None:
        """Watch no longer."""
        self._ended.set()

    def _probe(self) -> None:
        reached = time.monotonic()
        while self._loss is None and not self._ended.is_set():
            if self._is_reached():
                reached = time.monotonic()
                self._answers.set()
            else:
                self._answers.clear()
                if time.monotonic() - reached > self._patience:
                    self._loss = f"its head did not answer for {self._patience:.0f} s"
            self._ended.wait(_PROBE_EVERY_S)

    def _is_reached(self) -> bool:
        """Return whether head and raylet listen; a raylet that does not is a loss at once."""
        try:
            _connect(self._raylet)
        except ConnectionRefusedError:
            self._loss = "the raylet that this process is connected to is gone"
            return False
        except OSError:
            return False
        try:
            _connect(self._head)
        except OSError:
            return False
        return True

    def _count(self) -> None:
        import ray

        while not self._ended.wait(_PROBE_EVERY_S):
            if self._answers.wait(_PROBE_EVERY_S):
                # What the head does not answer now, it may answer next time.
                with contextlib.suppress(Exception):
                    self._cpus = _cpus_of(ray.nodes())


def _connect(place: tuple[str, int]) -> None:
    with socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S):
        pass


def _cpus_of(nodes: list[dict[str, Any]]) -> int:
    return max(1, int(sum(node["Resources"].get("CPU", 0) for node in nodes if node["Alive"])))


def _ray_gives_up_after() -> float:
    try:
        return float(os.environ.get(_RAY_VARIABLE, ""))
    except ValueError:
        return _RAY_GIVES_UP_AFTER_S
