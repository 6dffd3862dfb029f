"""Why GMAT refused a script, with what is lacking, where, and what to do about it.

`refusal` reads GMAT's log of a load. Each complaint gets its place in the user's own files, also if
GMAT read a copy. Complaints that only follow from an earlier one are left out. What remains is of
two sorts: the engine lacks a plugin or a file (`gmat_sweep.remedies`), or the script is to be
mended where GMAT says.
"""

from __future__ import annotations

import codecs
import contextlib
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gmat_sweep import engine, full_gmat
from gmat_sweep.causes import Complaint, complaints
from gmat_sweep.errors import EngineError, MissionScriptError
from gmat_sweep.mission.script import included_file, statements_of
from gmat_sweep.mission.statements import ScriptText, Statement, masked
from gmat_sweep.remedies import Lack, lack_in, quoted_line, remedy_of

if TYPE_CHECKING:
    from gmat_sweep.worker import MissionFacts

__all__ = ["refusal"]

_MEND = "Mend the script where GMAT says."

_BLANKS = re.compile(r"[\s;]+")
_QUOTED = re.compile(r'"([^"]+)"')
# What gmat-run says before the reason of an engine that fails without a line in its log.
_INITIALISING = re.compile(r"^GMAT raised \w+ initialising '[^']*': (?:[\w ]+ ?[Ee]xception: )?")
# GMAT takes an unknown command for a call of a function, and runs its words together.
_NOT_AVAILABLE = re.compile(r'^The function "[^"]*" is not available; if it is a GmatFunction.*$')
_AEM = re.compile(r"AEM file name not set")
# What GMAT says of the mark of UTF-8 at the beginning of a script.
_OTHER_TEXT = re.compile("Non-ASCII character|outside of the ASCII character set")
_BYTE_ORDER_MARK = re.compile(r"at column 1 \(non-ASCII value 239\)")

# Complaints about a resource that is not complete, because GMAT refused a line of it before.
_FOLLOWS_LACK = re.compile(
    r"has no parameter defined with|The scripted force type "
    r'|^The field name "(?:External\.|DerivativesFunction")'
)
# Complaints about the name of a resource that GMAT did not create.
_FOLLOWS_CREATE = re.compile(
    r"LHS object |Nonexistent |Undefined function, object|missing object|could not be found"
    r"|does not exist"
)
# Complaints that repeat, less well, what another one says about the same statement.
_REPEATS = re.compile(r"^Failed to parse |^ElementWrapper for ")

_TYPE_VALUE = re.compile(r'"(?P<word>[^"]*)" is an invalid value for field "Type" on Propagator')
_ATMOSPHERE = re.compile(r'Unable to create AtmosphereModel "(?P<word>[^"]*)"')
_PARAMETER = re.compile(
    r'^"(?P<word>\w+)" is not a valid Parameter Type|found for Parameter type "(?P<other>\w+)"'
)
_CREATED = re.compile(r'^Cannot create an object "(?P<name>[^"]*)"')


@dataclass(frozen=True, slots=True)
class _Finding:
    """One complaint: GMAT's reason, the user's statement (None if not found), and what it lacked.

    `places` are all statements where GMAT met the same lack; `quoted` is the line that GMAT quotes.
    """

    reason: str
    statement: Statement | None
    lack: Lack | None
    places: tuple[tuple[Path, int], ...]
    quoted: str


def refusal(facts: MissionFacts, script: Path, loaded: Path) -> MissionScriptError:
    """Make the error that says why GMAT refused a script.

    Parameters
    ----------
    facts : MissionFacts
        Of the script that GMAT refused: its log, and the words of the engine.
    script : Path
        The user's script. The error names its lines, or those of a file it includes.
    loaded : Path
        What GMAT read: `script`, or a copy whose lines have the same numbers.

    Returns
    -------
    MissionScriptError
        Its `path` and `line_number` are those of the first complaint. The message ends with what
        to do: about a plugin ``GMAT_ROOT``, about a data file ``GMAT_SWEEP_DATA``.
    """
    said = complaints(facts.engine_log) or [Complaint(each) for each in facts.problems]
    statements = list(statements_of(script))
    if any(_BYTE_ORDER_MARK.search(each.said) for each in said):
        for path in dict.fromkeys([script, *(each.path for each in statements)]):
            if path.read_bytes().startswith(codecs.BOM_UTF8):
                return MissionScriptError(
                    f"{path} begins with a byte order mark, which GMAT does not read. Save it as "
                    "ASCII, or as UTF-8 without a mark.",
                    path,
                    1,
                )
    if any(_OTHER_TEXT.search(each.said) for each in said) and (other := _other_text(script)):
        return other
    known = {word for words in facts.words.values() for word in words}
    absent = _absent_includes(statements, script)
    findings = [_finding(each, script, loaded, statements, known) for each in said]
    findings = _merged([*absent, *_without_consequences(findings, anything=bool(absent))])
    found = _engine()
    folder = found.data_folder if found else None
    lines = [_sentence(each, facts.words, folder) for each in findings]
    lacks = [each.lack for each in findings if each.lack]
    opening = f"GMAT cannot {'load' if lacks else 'parse'} {script}"
    ending = [remedy_of(lacks, installed=bool(found and found.source != "wheel"))] if lacks else []
    if len(lacks) < len(findings):
        ending.append(_MEND)
    listed = "\n".join(f"  - {line}" for line in lines)
    path, number = next((each.places[0] for each in findings if each.places), (script, None))
    return MissionScriptError(f"{opening}:\n{listed}\n{' '.join(ending)}", path, number)


def _other_text(script: Path) -> MissionScriptError | None:
    """Return the error for the first line of a mission that is not ASCII, of which GMAT says none.

    A file that is no UTF-8 is refused before GMAT reads it.
    """
    for path in dict.fromkeys([script, *(each.path for each in statements_of(script))]):
        for number, line in enumerate(ScriptText.read(path).lines, start=1):
            if not line.isascii():
                first = next(character for character in line if not character.isascii())
                return MissionScriptError(
                    f"line {number} of {path} has the character {first!r}. GMAT takes ASCII "
                    "characters only, in comments as well; replace the others.",
                    path,
                    number,
                )
    return None


def _absent_includes(statements: Sequence[Statement], script: Path) -> list[_Finding]:
    """Find the ``#Include`` of files that are not there; GMAT only warns of them."""
    return [
        _Finding(
            reason="",
            statement=each,
            lack=Lack(
                "file",
                f"there is no file {each.included}, which the script includes",
                each.included,
            ),
            places=((each.path, each.line_number),),
            quoted="",
        )
        for each in statements
        if each.included is not None and included_file(each, script) is None
    ]


def _finding(
    complaint: Complaint,
    script: Path,
    loaded: Path,
    statements: Sequence[Statement],
    known: Iterable[str],
) -> _Finding:
    reason, number, code = quoted_line(complaint.said)
    for copy in {str(loaded), str(script), complaint.path} - {""}:
        reason = reason.removeprefix(f"{copy}: ").replace(copy, script.name)
    reason = _INITIALISING.sub("", reason).strip()
    statement = _statement_of(reason, number, code, complaint.path, loaded, statements)
    text = statement.code if statement else code
    lack = _lack(reason, text, known)
    if lack and lack.name in full_gmat.PARAMETERS:
        # A quantity of a resource that the script does not create is a mistake in any GMAT.
        made = {name for each in statements if each.created for name in each.created[1]}
        roots = {name.partition(".")[0] for name in _QUOTED.findall(reason) if "." in name}
        lack = lack if roots <= made else None
    places: tuple[tuple[Path, int], ...] = ()
    if statement:
        inside = statement.path == script and number in statement.line_numbers and number
        places = ((statement.path, inside or statement.line_number),)
    elif number is not None:
        places = ((script, number),)
    return _Finding(reason, statement, lack, places, code or (statement.code if statement else ""))


def _lack(reason: str, text: str, known: Iterable[str]) -> Lack | None:
    if _AEM.search(reason) and (name := re.search(r"=\s*'?([^';]+)'?", text)):
        # GMAT passes over the name of a file that is not there, and then has none.
        file = name[1].strip()
        return Lack("file", f"there is no file {file}, which the script names", file)
    return lack_in(reason, text, set(known))


def _statement_of(
    reason: str,
    number: int | None,
    code: str,
    path: str,
    loaded: Path,
    statements: Sequence[Statement],
) -> Statement | None:
    """Find the user's statement that GMAT complains about.

    In an included file GMAT's number is that of the ``#Include``, so its text decides there. GMAT
    gives no line at all for a report's quantities and for references: those are found by name.
    """
    main = statements[0].path if statements else None
    squeezed = _BLANKS.sub("", code)
    if number is not None:
        is_main = not path or Path(path) in {loaded, main}
        for statement in statements:
            here = statement.path == main and number in statement.line_numbers
            if is_main and here and (not squeezed or squeezed in _BLANKS.sub("", statement.text)):
                return statement
        same = [each for each in statements if squeezed in _BLANKS.sub("", each.text)]
        elsewhere = [each for each in same if each.path != main]
        # A copy of an included file has another name that ends with the user's.
        named = [each for each in elsewhere if path.endswith(each.path.name)]
        return next(iter([*named, *elsewhere, *same]), None) if squeezed else None
    if _AEM.search(reason):
        return next((each for each in statements if each.assigned == _aem_of(each)), None)
    names = [_BLANKS.sub("", each) for each in _QUOTED.findall(reason)]
    for wanted in ([*names], *([name] for name in names)):
        for statement in statements:
            text = _BLANKS.sub("", masked(statement.text))
            if wanted and all(_is_word(name, text, statement) for name in wanted):
                return statement
    return None


def _aem_of(statement: Statement) -> tuple[str, str] | None:
    assigned = statement.assigned
    return assigned if assigned and assigned[1] == "AttitudeFileName" else ("", "")


def _is_word(name: str, squeezed: str, statement: Statement) -> bool:
    if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", squeezed):
        return True
    # A whole command, or a value between quotes.
    return name in _BLANKS.sub("", statement.text) and not name.isidentifier()


def _without_consequences(findings: Sequence[_Finding], *, anything: bool) -> list[_Finding]:
    """Leave out the complaints that only follow from others.

    `anything` may be missing when a file that the script includes is not there.
    """
    lame = {each.lack.owner for each in findings if each.lack and each.lack.owner}
    unmade = {created["name"] for each in findings if (created := _CREATED.match(each.reason))}
    kept: list[_Finding] = []
    for each in findings:
        same = [other for other in findings if other is not each and other.places == each.places]
        if each.lack is None and _REPEATS.match(each.reason) and (same or not each.places):
            continue
        follows = (_FOLLOWS_LACK.search(each.reason) and _is_about(each, lame)) or (
            _FOLLOWS_CREATE.search(each.reason) and (anything or _is_about(each, unmade))
        )
        # GMAT says in other words once more what it has said about a statement.
        told = {name for other in kept if other.places == each.places for name in _named(other)}
        again = each.places and _named(each) and _named(each) <= told
        if each.lack is None and (follows or again):
            continue
        kept.append(each)
    return kept or ([] if anything else list(findings))


def _is_about(finding: _Finding, names: Iterable[str]) -> bool:
    text = f"{finding.statement.code if finding.statement else ''} {finding.reason}"
    return any(re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) for name in names)


def _named(finding: _Finding) -> set[str]:
    return set(_QUOTED.findall(finding.reason))


def _merged(findings: Sequence[_Finding]) -> list[_Finding]:
    """Make one of the findings that lack the same thing, with all their places."""
    merged: dict[tuple[str, str], _Finding] = {}
    for each in findings:
        key = ("lack", each.lack.what) if each.lack else (each.reason, str(each.places))
        if known := merged.get(key):
            places = tuple(dict.fromkeys([*known.places, *each.places]))
            merged[key] = replace(known, places=places)
        else:
            merged[key] = each
    return list(merged.values())


def _sentence(
    finding: _Finding, words: Mapping[str, tuple[str, ...]], data_folder: Path | None
) -> str:
    place = _place(finding.places)
    if finding.lack:
        because = ": the plugin is not part of it" if finding.lack.kind == "plugin" else ""
        if data_folder and finding.lack.kind == "data":
            other = _misplaced(finding.lack.name, data_folder)
            because = f"; the folder of GMAT_SWEEP_DATA has it as {other}" if other else ""
        return f"{finding.lack.what}{f' ({place})' if place else ''}{because}"
    reason, suggestion = _misspelt(finding, words)
    meant = f"; did you mean {suggestion}?" if suggestion else ""
    reason = reason.rstrip(".")
    if not place:
        return f"{reason}{meant}"
    return f"{reason}{meant} ({place}{f': {finding.quoted}' if finding.quoted else ''})"


def _place(places: Sequence[tuple[Path, int]]) -> str:
    by_file: dict[Path, list[int]] = {}
    for path, number in places:
        by_file.setdefault(path, []).append(number)
    return "; ".join(
        f"{path.name}, {'line' if len(numbers) == 1 else 'lines'} "
        + " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
        for path, numbers in by_file.items()
    )


def _misspelt(finding: _Finding, words: Mapping[str, tuple[str, ...]]) -> tuple[str, str]:
    """Return GMAT's reason, and the word of GMAT that its unknown word resembles, if any."""
    reason = finding.reason
    word = finding.statement.word if finding.statement else ""
    if _NOT_AVAILABLE.match(reason) and word and word not in words.get("command", ()):
        known = [*words.get("command", ()), *full_gmat.COMMANDS]
        return f"GMAT has no command or function {word}", _resembling(word, known)
    reason = reason.partition("; if it is a GmatFunction")[0]
    for pattern, kind, others in (
        (_TYPE_VALUE, "propagator", full_gmat.PROPAGATORS),
        (_ATMOSPHERE, "atmosphere", full_gmat.ATMOSPHERES),
        (_PARAMETER, "parameter", full_gmat.PARAMETERS),
    ):
        if match := pattern.search(reason):
            unknown = next(filter(None, match.groups()), "")
            return reason, _resembling(unknown, [*words.get(kind, ()), *others])
    return reason, ""


def _resembling(word: str, known: Sequence[str]) -> str:
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.75)), "")


def _engine() -> engine.Engine | None:
    """Return the engine in use; None on the driver of a cluster that has no engine of its own."""
    with contextlib.suppress(EngineError):
        return engine.find_engine()
    return None


def _misplaced(place: str, folder: Path) -> str:
    """Return the path in the user's data folder of a file that belongs to another place in it."""
    name = PurePosixPath(place).name.casefold()
    others = (path for path in sorted(folder.rglob("*.*")) if path.name.casefold() == name)
    return next((path.relative_to(folder).as_posix() for path in others), "")
