"""The cause of a failed run in a line that a person understands."""

from __future__ import annotations

import re

__all__ = ["engine_errors", "headline"]

_ENGINE_ERROR = re.compile(r"\*{2,} ?ERROR ?\*{2,}\s*(?P<text>.+)")
_EXCEPTION_KIND = re.compile(r"^(?:\w+ )?(?:Interpreter )?Exception( Thrown)?:\s*", re.IGNORECASE)
_EXCEPTION_LINE = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*): (?P<text>.+)$")
# What gmat-run says when the reason is in the engine's own log.
_GENERIC = re.compile(r"RunScript returned status|check the GMAT log file")


def engine_errors(log: str) -> list[str]:
    """Return the errors that a GMAT log reports, in order, each with the script line it names."""
    found = []
    lines = log.splitlines()
    for number, line in enumerate(lines):
        match = _ENGINE_ERROR.search(line)
        if not match:
            continue
        text = _EXCEPTION_KIND.sub("", match["text"].strip())
        if text.endswith("in line:") and number + 1 < len(lines):
            text = f"{text} {lines[number + 1].strip()}"
        if text not in found:
            found.append(text)
    return found


def headline(stderr: str | None) -> str:
    """Return the one line of a failed run's ``stderr`` that says why it failed.

    GMAT's own error comes first; otherwise the last line of the Python traceback, without the
    traceback. Empty when there is nothing to say.
    """
    if not stderr or not stderr.strip():
        return ""
    python_part = stderr
    from_engine = engine_errors(stderr)
    raised = _last_exception(python_part)
    if from_engine and (raised is None or _GENERIC.search(raised)):
        return from_engine[0]
    return raised or stderr.strip().splitlines()[0]


def _last_exception(text: str) -> str | None:
    if "Traceback (most recent call last)" not in text:
        return None
    found = None
    for line in text.split("--- GMAT engine log ---", maxsplit=1)[0].splitlines():
        match = _EXCEPTION_LINE.match(line)
        if match:
            kind = match["kind"].rpartition(".")[2]
            found = match["text"] if kind.startswith("Gmat") else f"{kind}: {match['text']}"
    return found
