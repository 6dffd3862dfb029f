"""`ServerRecord`: where the local server is, and the key to it."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from pathlib import Path
from typing import Self

from gmat_sweep.disk.held import open_plain

__all__ = ["ENTRANCE", "PROTOCOL", "USER", "ServerRecord", "basic_authorization"]

USER = "gmat-sweep"
"""The name before the colon in the server's ``user:password``."""

ENTRANCE = "/gmat-sweep"
"""Path of the page that takes the key from a link and opens the page that the link is for."""

PROTOCOL = 1
"""Counts the ways in which this package and its server have dealt with each other."""


def basic_authorization(auth: str) -> str:
    """Return the ``Authorization`` header of HTTP's basic authentication for ``user:password``."""
    return f"Basic {base64.b64encode(auth.encode()).decode()}"


@dataclasses.dataclass(frozen=True, slots=True)
class ServerRecord:
    """A local server that answers.

    Attributes
    ----------
    url : str
        The address of its pages, without a slash at the end.
    pid : int
        Its process id.
    started : str
        When it began to answer, in UTC.
    prefect : str
        The version of Prefect that it runs.
    protocol : int
        `PROTOCOL` of the package that started it.
    auth : str
        ``user:password``, for ``PREFECT_API_AUTH_STRING``. Each server draws its own.
    """

    url: str
    pid: int
    started: str
    prefect: str
    protocol: int
    auth: str = dataclasses.field(repr=False)

    @property
    def api_url(self) -> str:
        """The address for ``PREFECT_API_URL``."""
        return f"{self.url}/api"

    @property
    def authorization(self) -> str:
        """The ``Authorization`` header of requests."""
        return basic_authorization(self.auth)

    def link(self, path: str = "") -> str:
        """Return the address that opens a page of the UI in a browser that lacks the key.

        The key comes after the ``#``: browsers send that part to no server.
        """
        return f"{self.url}{ENTRANCE}#{self.auth.partition(':')[2]}/{path}"

    def write(self, file: Path) -> None:
        """Write the record for its owner alone; a reader sees all of it or the one before."""
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(dataclasses.asdict(self), opened)
        new.replace(file)

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """Return what a file of this user records; None if there is no such record."""
        try:
            descriptor = open_plain(file, os.O_RDONLY)
        except OSError:
            return None
        with os.fdopen(descriptor, encoding="utf-8") as opened:
            if os.fstat(opened.fileno()).st_uid != os.getuid():
                return None
            try:
                return cls(**json.load(opened))
            except (ValueError, TypeError):
                # One of another version of this package.
                return None
