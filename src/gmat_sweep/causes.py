"""The cause of a failed run in a line that a person understands."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

__all__ = ["OUTPUT_MARK", "engine_errors", "headline", "plain_refusal"]

OUTPUT_MARK = "--- its last output ---"
"""Line between what is said of a worker process that ended and its own last words."""

_TRACEBACK = "Traceback (most recent call last)"
# What follows one of these lines is evidence: the story is told before it.
_EVIDENCE = re.compile(rf"^(?:--- GMAT engine log ---|{OUTPUT_MARK})$", re.MULTILINE)
_MARKED = re.compile(r"\*{2,} ?ERROR ?\*{2,}")
# A script that is refused has its errors marked; a mission that fails says only this.
_UNMARKED = re.compile(r"(?:\w+ ){0,3}Exception(?: Thrown)?: |GMAT execution stopped by user")
_EXCEPTION_KIND = re.compile(r"^(?:(?:\w+ ){0,3}Exception(?: Thrown)?:\s*)+", re.IGNORECASE)
# gmat-run's words for a value that the engine does not take.
_REJECTED = re.compile(r"^GMAT rejected write to '(?P<field>[^']*)': ?(?P<said>.*)$")
_OCCURRED = re.compile(r"This error occurred on (?P<line>line \d+) of file:")
_RAISED = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: ?(?P<text>.*))?$")
# What gmat-run says when the reason is in the engine's own log.
_GENERIC = re.compile(r"RunScript returned status|check the GMAT log file")


def engine_errors(log: str) -> list[str]:
    """Return the errors that a GMAT log reports, in order, each with the script line it names.

    An error that GMAT spreads over several lines is one line here.
    """
    found: list[str] = []
    for paragraph in re.split(r"\n[ \t]*\n", log):
        for text in _errors_of(paragraph.splitlines()):
            where = _OCCURRED.search(text)
            if where and found:
                found[-1] = f"{found[-1]} ({where['line']})"
            elif text and not where and text not in found:
                found.append(text)
    return found


def headline(stderr: str | None) -> str:
    """Return the one line of a failed run's ``stderr`` that says why it failed.

    GMAT's own error comes first; otherwise the last line of the Python traceback, without the
    traceback. Empty when there is nothing to say.
    """
    if not stderr or not stderr.strip():
        return ""
    evidence = _EVIDENCE.search(stderr)
    story = stderr[: evidence.start()] if evidence else stderr
    raised = _raised(story)
    if raised is None or _GENERIC.search(raised):
        from_engine = engine_errors(stderr[len(story) :] if raised else story)
        if from_engine:
            return from_engine[0]
    return raised or stderr.strip().splitlines()[0].strip()


def plain_refusal(said: str) -> str:
    """Return what gmat-run says of a refused value in one line that begins with field and reason.

    The kinds of exception that GMAT puts before its reason are left out; other texts only become
    one line.
    """
    line = " ".join(said.split())
    rejected = _REJECTED.match(line)
    if rejected is None:
        return line
    reason = _EXCEPTION_KIND.sub("", rejected["said"])
    refused = f"GMAT refused {rejected['field']}"
    return f"{refused}: {reason}" if reason else refused


def _errors_of(lines: list[str]) -> Iterator[str]:
    """Yield the errors of a paragraph: from where one begins to where the next does."""
    begun: list[str] = []
    for line in lines:
        before, *marked = _MARKED.split(line)
        if marked or _UNMARKED.match(before) or _OCCURRED.search(before):
            if begun:
                yield _one_line(begun)
            *whole, last = marked or [before]
            yield from (_one_line([text]) for text in whole)
            begun = [last]
        elif begun:
            begun.append(line)
    if begun:
        yield _one_line(begun)


def _one_line(lines: list[str]) -> str:
    text = _EXCEPTION_KIND.sub("", " ".join(" ".join(lines).split()))
    # GMAT pads the number of the line that it quotes.
    return text.replace('in line: " ', 'in line: "')


def _raised(text: str) -> str | None:
    """Return what the last traceback of a text ends in, None when there is no traceback."""
    _, header, stack = text.rpartition(_TRACEBACK)
    if not header:
        return None
    lines = iter(stack.splitlines()[1:])
    for line in lines:
        match = _RAISED.match(line)
        if match:
            kind = match["kind"].rpartition(".")[2]
            if not match["text"]:
                return kind
            if not kind.startswith("Gmat"):
                return f"{kind}: {match['text']}"
            # GMAT says in further lines which values it takes.
            return plain_refusal(" ".join([match["text"], *itertools.takewhile(str.strip, lines)]))
    return None
