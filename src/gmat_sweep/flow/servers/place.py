"""Where the files of the local server are: its lock, its record and the file of its users.

There is one place for each user, machine and database. The kernel's locks say what is true, as they
end with the process that holds them, however it ends:

* ``.lock`` is locked by the server from before it loads Prefect to its end. So one server starts,
  and a record counts only while there is one. The file holds the server's process id.
* ``.users`` is locked, shared, by each process whose sweep the server records. The server locks it
  alone before it ends. The file holds how long the server is to stay after its last user.
* ``.json`` is the `ServerRecord`, written once the server answers.

The folder and the files are for their owner alone: the record holds the key to the server.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.disk.held import open_plain
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.prefect_internals import with_whole_paths

__all__ = ["ServerPlace", "is_locked", "locked_alone", "place_of_settings"]

_NO_HOST_NAME = re.compile(r"[^A-Za-z0-9.-]")


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """The files of one local server.

    Attributes
    ----------
    folder : Path
        A folder that only the user can read.
    name : str
        The name of the files, without their suffixes.
    """

    folder: Path
    name: str

    @property
    def lock(self) -> Path:
        """The file that the server keeps locked."""
        return self.folder / f"{self.name}.lock"

    @property
    def users(self) -> Path:
        """The file that the users of the server keep locked."""
        return self.folder / f"{self.name}.users"

    @property
    def record(self) -> Path:
        """The file by which the server is found."""
        return self.folder / f"{self.name}.json"

    @property
    def link(self) -> Path:
        """A page that sends a browser to the server, so that the key is on no command line."""
        return self.folder / f"{self.name}.html"

    def process_id(self) -> int | None:
        """Return the process id of the server that runs or starts; None if there is none."""
        if not is_locked(self.lock):
            return None
        try:
            return int(json.loads(self.lock.read_bytes())["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            # It has only just been started.
            return None


def place_of_settings() -> ServerPlace:
    """Return the place of the server for Prefect's settings; make its folder.

    Raises
    ------
    BackendError
        Prefect's home, where the database is, cannot be written to.
    """
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME

    home = PREFECT_HOME.value().expanduser().absolute()
    database = str(PREFECT_API_DATABASE_CONNECTION_URL.value() or home)
    # The path of a database may be relative to the current folder.
    whole = with_whole_paths({PREFECT_API_DATABASE_CONNECTION_URL.name: database}).popitem()[1]
    key = hashlib.sha256(f"{os.getuid()} {whole}".encode()).hexdigest()[:8]
    host = _NO_HOST_NAME.sub("-", platform.node())[:100]
    name = f"server-{host}-{key}"
    try:
        return ServerPlace(_private(home / "gmat-sweep"), name)
    except OSError as error:
        if str(home) in database or str(PREFECT_HOME.value()) in database:
            raise BackendError(
                f"PREFECT_HOME={PREFECT_HOME.value()} cannot be written to: {error.strerror}. Set "
                "it to a folder that can, or PREFECT_API_URL to a running server."
            ) from error
    folder = Path(tempfile.gettempdir()) / f"gmat-sweep-{os.getuid()}"
    try:
        return ServerPlace(_private(folder), name)
    except OSError as error:
        raise BackendError(
            f"neither PREFECT_HOME={PREFECT_HOME.value()} nor {folder} can be written to: "
            f"{error.strerror}. Set PREFECT_HOME to a folder that can."
        ) from error


def _private(folder: Path) -> Path:
    """Make a folder for the user alone, and try to write to it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
        raise PermissionError(1, f"{folder} is not a folder of this user")
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    with tempfile.TemporaryFile(dir=folder) as file:
        # On a full disk a file can be made, and nothing written to it.
        file.write(bytes(4096))
    return folder


def is_locked(file: Path) -> bool:
    """Whether a process holds the lock of a file."""
    try:
        descriptor = open_plain(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked_alone(file: Path, patience_s: float = 0.0) -> Iterator[int | None]:
    """Hold a file locked alone; yield its descriptor, or None if another process has it locked.

    The server locks the file of its users for a moment, again and again: with some patience, only
    a process that keeps it locked counts.
    """
    descriptor = open_plain(file, os.O_RDWR | os.O_CREAT)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                yield None
            else:
                yield descriptor
            return
    finally:
        # A copy that a child process has keeps the lock.
        os.close(descriptor)
