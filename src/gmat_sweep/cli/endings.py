"""The end of a command: its exit code, and its error in one line.

`ending_of` knows every exception that a user can cause. Any other is a bug and keeps its traceback.
"""

from __future__ import annotations

from gmat_sweep.console import say
from gmat_sweep.errors import (
    BackendError,
    GmatSweepError,
    ManifestCorruptError,
    SweepConfigError,
)
from gmat_sweep.printable import one_line, printable

__all__ = [
    "EXIT_BACKEND",
    "EXIT_CODES",
    "EXIT_CONFIG",
    "EXIT_DAMAGED",
    "EXIT_GENERIC",
    "EXIT_INCONCLUSIVE",
    "EXIT_MANIFEST",
    "EXIT_NOT_APPLICABLE",
    "EXIT_OK",
    "EXIT_REQUIREMENT_FAILED",
    "EXIT_RUNS_FAILED",
    "ManifestProblemError",
    "ending_of",
    "fail",
    "say",
    "tell",
]

EXIT_OK = 0
EXIT_GENERIC = 1
EXIT_CONFIG = 2
EXIT_MANIFEST = 3
EXIT_BACKEND = 4
EXIT_RUNS_FAILED = 5
EXIT_DAMAGED = 6
EXIT_REQUIREMENT_FAILED = 7
EXIT_INCONCLUSIVE = 8
EXIT_NOT_APPLICABLE = 9

EXIT_CODES = {
    EXIT_OK: "done; runs that failed are reported, and counted by --max-failed",
    EXIT_GENERIC: "another error, such as a full disk or a sweep folder in use",
    EXIT_CONFIG: "a mistake in the command line, or what it asks for cannot be done",
    EXIT_MANIFEST: "the manifest is missing, damaged, or has no such run",
    EXIT_BACKEND: "where runs execute is broken: the workers or the Prefect server",
    EXIT_RUNS_FAILED: "every run failed, or more than --max-failed; with requirements only runs "
    "count that failed otherwise than in the mission",
    EXIT_DAMAGED: "doctor found damage, or could not mend all; a replay is not equal to its run",
    EXIT_REQUIREMENT_FAILED: "verify, --requirements: a requirement is shown not to hold",
    EXIT_INCONCLUSIVE: "verify, --requirements: the runs show neither, or the limits were chosen "
    "after a look",
    EXIT_NOT_APPLICABLE: "verify, --requirements: this design or these runs cannot answer",
}
"""Every exit code with its meaning, as ``--help`` lists them."""


class ManifestProblemError(GmatSweepError):
    """The manifest is not there, or lacks the runs that the command asks for."""


def ending_of(error: Exception) -> tuple[str, int] | None:
    """Return the message and the exit code of an error, or None if the user did not cause it."""
    match error:
        case ManifestCorruptError():
            place = f"{error.path}:{error.line_number}" if error.line_number else str(error.path)
            return f"{error} ({one_line(place)})", EXIT_MANIFEST
        case ManifestProblemError():
            return str(error), EXIT_MANIFEST
        case SweepConfigError():
            return str(error), EXIT_CONFIG
        case BackendError():
            return f"backend error: {error}", EXIT_BACKEND
        # A DurabilityError is a GmatSweepError too: this case must come before that one.
        case OSError(strerror=str(reason)):
            place = f"{one_line(error.filename)}: " if error.filename else ""
            return f"{place}{reason}", EXIT_GENERIC
        case OSError() | GmatSweepError():
            return str(error), EXIT_GENERIC
        case ValueError() if wrong := _wrong_setting(error):
            return f"backend error: {wrong}", EXIT_BACKEND
    return None


def _wrong_setting(error: ValueError) -> str:
    """Return the fault in Prefect's settings; empty if the error is about something else.

    Prefect reads its settings when it is imported. The error is one of pydantic, which may not be
    loaded here.
    """
    if type(error).__name__ != "ValidationError":
        return ""
    title, field, problem, *_ = [*str(error).splitlines(), "", ""]
    kind = title.rpartition(" ")[2]
    if not kind.endswith("Settings"):
        return ""
    return (
        f"Prefect's settings are wrong: {kind}, {field}: {problem.strip()}. Correct the PREFECT_ "
        "environment variable or the Prefect profile."
    )


def tell(text: object) -> None:
    """Write a result to standard output, flushed, without control characters.

    In a log of both streams, what `say` writes comes after it.
    """
    print(printable(text), flush=True)


def fail(message: str, code: int) -> int:
    """Say what went wrong and return the exit code."""
    say(message)
    return code
