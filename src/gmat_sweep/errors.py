"""The public exceptions of this package. It raises all of them but `RunFailed`.

    GmatSweepError                 anything below
    ├── SweepConfigError           the sweep cannot be started as asked
    │   ├── EngineError            no usable GMAT engine, or one that is set up wrongly
    │   ├── MissionScriptError     the mission script cannot run on this engine
    │   ├── RequirementError       the runs have not what a requirement names
    │   └── NotPlainFileError      a link or a device in a sweep folder (also an OSError)
    ├── SweepFolderInUseError      another process is writing to the sweep folder
    ├── SweepFailedError           a sweep's flow run ended as failed, for the flow that called it
    ├── SweepStoppedError          every further run would lack something, or fly another mission
    ├── DurabilityError            a file could not be put on disk (also an OSError)
    ├── BackendError               a pool failed or is misused
    ├── ManifestCorruptError       a manifest cannot be read
    └── RunFailed                  one run failed, for callers who want an exception

A run that fails inside GMAT is not an exception: it is a ``failed`` outcome, a row of the frame
and an entry of the manifest.
"""

from pathlib import Path
from typing import Any

from gmat_sweep.printable import printable

__all__ = [
    "BackendError",
    "DurabilityError",
    "EngineError",
    "GmatSweepError",
    "ManifestCorruptError",
    "MissionScriptError",
    "NotPlainFileError",
    "RequirementError",
    "RunFailed",
    "SweepConfigError",
    "SweepFailedError",
    "SweepFolderInUseError",
    "SweepStoppedError",
]


class GmatSweepError(Exception):
    """Base class of every error raised by this package; all of them can be pickled.

    Its text has no control characters but newlines and tabs, wherever its parts came from.
    """

    def __str__(self) -> str:
        """Return the message, safe to print."""
        return printable(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from message and attributes, without the constructor's parameters."""
        return _rebuilt, (type(self), self.args), self.__dict__


def _rebuilt(kind: type[GmatSweepError], args: tuple[Any, ...]) -> GmatSweepError:
    error = kind.__new__(kind, *args)
    error.args = args
    return error


class SweepConfigError(GmatSweepError):
    """The sweep is misconfigured; no run has been started."""


class EngineError(SweepConfigError):
    """No usable GMAT engine was found, or ``GMAT_ROOT`` or ``GMAT_SWEEP_DATA`` is wrong."""


class MissionScriptError(SweepConfigError):
    """The mission script cannot be run on this engine.

    Attributes
    ----------
    path : Path
        The script.
    line_number : int or None
        1-based line of the faulty statement, if there is one.
    """

    def __init__(self, message: str, path: Path, line_number: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line_number = line_number


class RequirementError(SweepConfigError):
    """A sweep's runs have not what a requirement names, so it cannot be judged.

    Attributes
    ----------
    name : str
        The requirement.
    key : str
        The key that names it.
    said : str
        What is wrong, and what to write instead.
    """

    def __init__(self, name: str, key: str, said: str, place: str | None = None) -> None:
        super().__init__(f"{place or f'requirement {name!r}, {key}'}: {said}")
        self.name = name
        self.key = key
        self.said = said


class NotPlainFileError(SweepConfigError, OSError):
    """A link, a FIFO, a device or a socket stands where a sweep has a file or a folder.

    Both a `SweepConfigError` and an `OSError`: ``errno`` and ``filename`` are set. Nothing was
    read from it or written to it.
    """

    def __str__(self) -> str:
        """Return the path and the reason as a sentence."""
        return f"{self.filename} {self.strerror}."

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild as OSError does: ``errno`` and ``filename`` are not in ``__dict__``."""
        return tuple(OSError.__reduce__(self))


class SweepFolderInUseError(GmatSweepError):
    """Another process holds the sweep folder for writing.

    Attributes
    ----------
    path : Path
        The folder.
    holder : str
        The process that holds the folder, in its own words.
    """

    def __init__(self, message: str, path: Path, holder: str) -> None:
        super().__init__(message)
        self.path = path
        self.holder = holder


class SweepFailedError(GmatSweepError):
    """The flow run of a sweep ended as failed.

    It is incomplete, a requirement is not met or cannot be judged, or more runs failed than may.

    Attributes
    ----------
    outcome : gmat_sweep.flows.SweepOutcome
        The sweep folder, how many runs ended how, and the verdicts where it has requirements.
    """

    def __init__(self, message: str, outcome: Any) -> None:
        super().__init__(message)
        self.outcome = outcome


class SweepStoppedError(GmatSweepError):
    """The sweep stopped early, because every further run would meet the same.

    The disk is full or read-only, a quota is used up, no file descriptor is left; or the mission
    script, or a file that it includes or reads, was changed while the sweep was under way. Runs
    that had ended are in the manifest. The run that met it is not, and a resume flies it.
    """


class DurabilityError(GmatSweepError, OSError):
    """The operating system refused to write a file or to put it on disk.

    Both a `GmatSweepError` and an `OSError`: ``errno`` and ``filename`` are set, and the
    original error is the ``__cause__``. The file still has its earlier content.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild as OSError does: ``errno`` and ``filename`` are not in ``__dict__``."""
        return tuple(OSError.__reduce__(self))


class BackendError(GmatSweepError):
    """A pool failed or was used against its contract."""


class ManifestCorruptError(GmatSweepError):
    """A manifest cannot be parsed.

    Attributes
    ----------
    path : Path
        The manifest.
    line_number : int or None
        1-based line; None if the file as a whole is at fault.
    """

    def __init__(self, message: str, path: Path, line_number: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.line_number = line_number


class RunFailed(GmatSweepError):  # noqa: N818 - the name is part of the public contract
    """A single run failed: for callers to raise, who prefer an exception to a ``failed`` row.

    Attributes
    ----------
    run_id : int
        The run.
    stderr : str or None
        The cause as the worker recorded it.
    """

    def __init__(self, message: str, run_id: int, stderr: str | None = None) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.stderr = stderr
