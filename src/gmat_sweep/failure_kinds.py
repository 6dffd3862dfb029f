"""What made a run fail, in one word: the mission itself, or what it was flown with.

A mission that fails is an answer: the same case fails again. Any other failure says nothing of the
case, and a resume flies it. Only what GMAT itself said counts as ``mission``, so that a fault of
the machine is never taken for an answer.

=========== ==========================================================================
``mission`` GMAT refused a value or stopped with an error, a solver did not converge
            with ``unconverged="failed"``, or a value cannot be written into the script
``hook``    the hook failed
``worker``  the worker process crashed, was killed or could not be started, or its
            engine lacks something
``memory``  the run needed more memory than it may, or than there was
``timeout`` the run took longer than it may
``storage`` a file could not be written or read, or was found damaged
=========== ==========================================================================
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING

from gmat_sweep.causes import engine_errors, plain_refusal, story_and_evidence
from gmat_sweep.disk.shortages import shortage
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.remedies import lack_in

if TYPE_CHECKING:
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.spec import FailureKind

__all__ = ["kind_of", "kind_of_error"]

# The exception at the end of a traceback, and the words with which GMAT itself is quoted.
_RAISED = re.compile(
    r"^(?P<indent>[ \t]*)(?:[\w.]+\.)?(?P<kind>[A-Za-z_]\w*)(?:: ?(?P<text>.*))?$", re.MULTILINE
)
_BY_GMAT = re.compile(r"Gmat(?:Error|RunError|FieldError|LoadError)$")
_NOT_LOADED = re.compile(r"GMAT (?:could not parse|raised) ")
# gmat-run's own words about files, which it raises as errors of GMAT.
_ABOUT_FILES = re.compile(r"working_dir '|resource '.*' declares a relative output path")
# The C++ library's name for it.
_NO_MEMORY = "std::bad_alloc"
_UNCONVERGED = re.compile(r"solver .+ did not converge")


def kind_of(entry: ManifestEntry) -> str | None:
    """Return what made a run fail, as its entry says it or, in an older manifest, its ``stderr``.

    Returns
    -------
    str or None
        None if the run did not fail, or nothing is known: an entry of an earlier version says only
        by its ``stderr`` that GMAT was the cause.
    """
    if entry.status != "failed":
        return None
    if entry.failure_kind is not None:
        return entry.failure_kind
    if entry.postprocess_status != "failed" and _is_of_gmat(entry.stderr or ""):
        return "mission"
    return None


def kind_of_error(
    error: BaseException, stderr: str | None = None, short_of: str | None = None
) -> FailureKind:
    """Return what made a run fail that ended with an exception.

    Parameters
    ----------
    error : BaseException
        The exception. An attribute ``failure_kind`` of its class counts.
    stderr : str, optional
        What the outcome says of it, with GMAT's log if there is one; by default its traceback.
    short_of : str, optional
        What the machine was found to be short of.
    """
    if short_of is not None or shortage(error) is not None:
        return "storage"
    marked: FailureKind | None = getattr(error, "failure_kind", None)
    if marked is not None:
        return marked
    if isinstance(error, MemoryError) or _NO_MEMORY in str(error):
        return "memory"
    if isinstance(error, OSError):
        return "storage"
    if type(error) is SweepConfigError:
        # A value of this run that no script can hold.
        return "mission"
    name = type(error).__name__
    if name == "GmatOutputParseError" or (
        name == "GmatRunError" and getattr(error, "path", None) is not None
    ):
        return "storage"
    text = "".join(traceback.format_exception(error)) if stderr is None else stderr
    return "mission" if _is_of_gmat(text) else "worker"


def _is_of_gmat(stderr: str) -> bool:
    """Return whether the cause that a failed run's ``stderr`` tells is the mission's."""
    story, evidence = story_and_evidence(stderr)
    _, header, stack = story.rpartition("Traceback (most recent call last):")
    if not header:
        return _UNCONVERGED.match(story) is not None
    raised = next(
        (
            each
            for each in _RAISED.finditer(stack)
            if not each["indent"] or _BY_GMAT.match(each["kind"])
        ),
        None,
    )
    if raised is None or not _BY_GMAT.match(raised["kind"]):
        return False
    said = raised["text"] or ""
    if raised["kind"] == "GmatLoadError" and not _NOT_LOADED.match(said):
        return False
    if _ABOUT_FILES.match(said) or _NO_MEMORY in said:
        return False
    return not any(map(lack_in, [plain_refusal(said), *engine_errors(evidence)[:1]]))
