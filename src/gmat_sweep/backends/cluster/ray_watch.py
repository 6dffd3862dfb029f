"""`RayWatch`: notices that a Ray cluster is lost before Ray ends this process because of it.

Ray tries to reach the head of its cluster for a minute, and then ends the process that asked,
without an exception. Meanwhile calls that ask the head do not return. If only the raylet beside
this process is lost, Ray waits for ever, and every actor that died with the raylet looks like the
failure of its run. So `RayWatch` finds out whether both are there, and how many CPUs the cluster
has, in threads that may be left waiting.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from gmat_sweep.backends.cluster.ray_internals import Connection, cpus_now, gives_up_after_s

__all__ = ["RayWatch"]

_PROBE_EVERY_S = 1.0
_CONNECT_TIMEOUT_S = 5.0


class RayWatch:
    """Watches the cluster that this process is connected to, until `end`.

    The cluster counts as lost if its head could not be reached for a third of the time after which
    Ray would end the process: to end the sweep takes a while, too. It counts as lost at once if
    nothing listens where the raylet of this process did.

    Parameters
    ----------
    to : Connection
        The cluster.
    """

    def __init__(self, to: Connection) -> None:
        self._head = to.head
        self._raylet = to.raylet
        self._patience = gives_up_after_s() / 3
        self._ended = threading.Event()
        self._answers = threading.Event()
        self._loss: str | None = None
        self._cpus = to.cpus
        for work in (self._probe, self._count):
            threading.Thread(target=work, name="gmat-sweep-ray-watch", daemon=True).start()

    @property
    def loss(self) -> str | None:
        """Why the cluster counts as lost; None while it does not. A lost cluster stays lost."""
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
        """Stop watching."""
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
        while not self._ended.wait(_PROBE_EVERY_S):
            if self._answers.wait(_PROBE_EVERY_S):
                # The head may answer next time.
                with contextlib.suppress(Exception):
                    self._cpus = cpus_now()


def _connect(place: tuple[str, int]) -> None:
    with socket.create_connection(place, timeout=_CONNECT_TIMEOUT_S):
        pass
