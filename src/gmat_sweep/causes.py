"""The cause of a failed run in a line that a person understands."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

from gmat_sweep.printable import one_line
from gmat_sweep.remedies import explained

__all__ = [
    "OUTPUT_MARK",
    "Complaint",
    "complaints",
    "engine_errors",
    "headline",
    "plain_refusal",
    "story_and_evidence",
]

OUTPUT_MARK = "--- its last output ---"
"""Line between the message about a worker process that ended and that process's last output."""

_TRACEBACK = "Traceback (most recent call last)"
# The text after one of these lines is evidence; the cause is told before it.
_EVIDENCE = re.compile(rf"^(?:--- GMAT engine log ---|{OUTPUT_MARK})$", re.MULTILINE)
_MARKED = re.compile(r"\*{2,} ?ERROR ?\*{2,}")
# GMAT numbers its complaints and puts the script before them.
_SCRIPT = re.compile(r"^\s*\d+: (?P<path>.+): $")
# GMAT marks its errors in a script with asterisks, but not those of a mission that fails.
_UNMARKED = re.compile(r"(?:\w+ ){0,3}[Ee]xception(?: [Tt]hrown)?: |GMAT execution stopped by user")
_EXCEPTION_KIND = re.compile(r"^(?:(?:\w+ ){0,3}Exception(?: Thrown)?:\s*)+", re.IGNORECASE)
# The message of gmat-run for a value that the engine refuses.
_REJECTED = re.compile(r"^GMAT rejected write to '(?P<field>[^']*)': ?(?P<said>.*)$")
_OCCURRED = re.compile(r"This error occurred on (?P<line>line \d+) of file:")
_RAISED = re.compile(r"^(?P<kind>[A-Za-z_][\w.]*)(?:: ?(?P<text>.*))?$")
# GMAT blames the user also for the end of a mission at a solver whose ExitMode is Stop.
_STOPPED_AT_SOLVER = re.compile(
    r"\*\*\* (?:Targeting|Optimization) did not converge in (?P<count>\d+) iterations\n"
    r"(?:[ \t]*(?:!.*|Final Variable values:|\S+ = \S+)?[ \t]*\n)*"
    r"GMAT execution stopped by user"
)
_SOLVER = re.compile(r'^\*\*\* Performing .*\(using "(?P<name>[^"]+)"\)', re.MULTILINE)
# The message of gmat-run if the reason is in the engine's own log.
_GENERIC = re.compile(r"RunScript returned status|check the GMAT log file")


class Complaint(NamedTuple):
    """An error that a GMAT log reports.

    Attributes
    ----------
    said : str
        GMAT's words in one line, with the script line they name.
    path : str
        The file that GMAT names before them: the script that was loaded, or one that it includes.
        Empty if GMAT names none.
    """

    said: str
    path: str = ""


def complaints(log: str) -> list[Complaint]:
    """Return the errors that a GMAT log reports, in order, each once."""
    found: list[Complaint] = []
    for paragraph in re.split(r"\n[ \t]*\n", log):
        for text, path in _errors_of(paragraph.splitlines()):
            where = _OCCURRED.search(text)
            if where and found:
                found[-1] = found[-1]._replace(said=f"{found[-1].said} ({where['line']})")
            elif text and not where and text not in [each.said for each in found]:
                found.append(Complaint(text, path))
    return found


def engine_errors(log: str) -> list[str]:
    """Return the errors that a GMAT log reports, in order, each with the script line it names.

    An error that GMAT spreads over several lines is one line here.
    """
    found: list[str] = []
    if (missed := _STOPPED_AT_SOLVER.search(log)) is not None:
        solvers = _SOLVER.findall(log, 0, missed.start())
        name = f" {solvers[-1]}" if solvers else ""
        found.append(
            f"solver{name} did not converge in {missed['count']} iterations, and the mission "
            "stopped there"
        )
        log = log[: missed.start()] + log[missed.end() :]
    return [*found, *(each.said for each in complaints(log))]


def headline(stderr: str | None) -> str:
    """Return the one line of a failed run's ``stderr`` that says why it failed.

    GMAT's own error comes first; otherwise the last line of the Python traceback, without the
    traceback. If the engine lacked a plugin or a file, the line says so and what helps. Empty when
    there is nothing to say. Control characters in it are written as escapes.
    """
    if not stderr or not stderr.strip():
        return ""
    story, evidence = story_and_evidence(stderr)
    raised = _raised(story)
    if raised is None or _GENERIC.search(raised):
        from_engine = engine_errors(evidence if raised else story)
        if from_engine:
            return one_line(explained(from_engine[0]))
    return one_line(raised or stderr.strip().splitlines()[0].strip())


def story_and_evidence(stderr: str) -> tuple[str, str]:
    """Return what a failed run's ``stderr`` tells, and the log or the output that it quotes."""
    evidence = _EVIDENCE.search(stderr)
    start = evidence.start() if evidence else len(stderr)
    return stderr[:start], stderr[start:]


def plain_refusal(said: str) -> str:
    """Return gmat-run's message on a refused value as one line that begins with field and reason.

    The line lacks the kinds of exception that GMAT puts before its reason. Any other text only
    becomes one line.
    """
    line = " ".join(said.split())
    rejected = _REJECTED.match(line)
    if rejected is None:
        return line
    reason = _EXCEPTION_KIND.sub("", rejected["said"])
    refused = f"GMAT refused {rejected['field']}"
    return f"{refused}: {reason}" if reason else refused


def _errors_of(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the errors of a paragraph, each as far as the beginning of the next, and their file."""
    begun: list[str] = []
    path = ""
    for line in lines:
        before, *marked = _MARKED.split(line)
        if marked or _UNMARKED.match(before) or _OCCURRED.search(before):
            if begun:
                yield _one_line(begun), path
            script = _SCRIPT.match(before)
            path = script["path"] if script and marked else ""
            *whole, last = marked or [before]
            yield from ((_one_line([text]), path) for text in whole)
            begun = [last]
        elif begun:
            begun.append(line)
    if begun:
        yield _one_line(begun), path


def _one_line(lines: list[str]) -> str:
    text = _EXCEPTION_KIND.sub("", " ".join(" ".join(lines).split()))
    # GMAT quotes a line with its number, which it pads with blanks.
    return text.replace('in line: " ', 'in line: "')


def _raised(text: str) -> str | None:
    """Return the exception at the end of a text's last traceback; None without a traceback."""
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
            # GMAT names the values that it takes in further lines.
            return plain_refusal(" ".join([match["text"], *itertools.takewhile(str.strip, lines)]))
    return None
