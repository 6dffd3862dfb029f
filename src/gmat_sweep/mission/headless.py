"""The headless copy: a mission as this engine can load it and a sweep can read it.

Where a mission needs no change, its own script is flown. A copy differs in these points, and in no
number of the mission:

* display resources that the engine lacks are left out (an engine without the OpenFrames plugin
  refuses a whole script because of one view), and so is a GroundTrackPlot that is created before
  an output: GMAT leaves such an output empty or short;
* pictures of celestial bodies (``Earth.TextureMapFileName``) are left out if the engine has no
  views: GMAT refuses the script if such a file is not there;
* ``CommandEcho``, which writes to GMAT's message window only, is left out if the engine lacks it;
* ``Propagate`` names the members of a Formation that the engine cannot create;
* a mission that reports nothing gets a report of its end state;
* relative paths of input files beside the script are absolute, so that it flies from any folder.

`gmat_sweep.mission.copying` says what every copy keeps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import make_folder
from gmat_sweep.errors import MissionScriptError
from gmat_sweep.mission.copying import Change, ScriptCopy, with_added_lines, with_origin
from gmat_sweep.mission.end_state import end_state_report, reports_something
from gmat_sweep.mission.script import (
    DISPLAY_ONLY_TYPES,
    FORMATION,
    OUTPUT_TYPES,
    Resource,
    is_member,
    resources_in,
    statements_of,
)
from gmat_sweep.mission.statements import ScriptText, Statement, bare_value, masked

__all__ = ["HeadlessScript", "headless_copy"]

_PICTURES = frozenset({"3DModelFile", "TextureMapFileName"})
_DISPLAY_COMMANDS = frozenset({"ClearPlot", "MarkPoint", "PenDown", "PenUp", "Toggle"})
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*", re.ASCII)
# A whole element of a list in braces.
_ELEMENT = re.compile(r"(?<=[{,\s])[A-Za-z_]\w*(?=[\s,][^{}]*}|})", re.ASCII)
# The spacecraft and formations that a propagator of a Propagate command flies.
_PROPAGATED = re.compile(r"(?<=\()[^(){}]*(?=\))")

type _Lacking = Callable[[str], bool] | Collection[str]


@dataclass(frozen=True, slots=True)
class HeadlessScript:
    """A mission in the form that the engine can load.

    Attributes
    ----------
    source : Path
        The user's script.
    text : bytes
        The script to run; the user's own bytes where no copy is needed.
    dropped : tuple of Resource
        The resources left out, in the order of their creation.
    changes : tuple of Change
        Every statement that differs, in included files too.
    files : dict of str to bytes
        Every file of the copy by its name: the script under the name of `source`, and the
        included files that had to change. Empty where no copy is needed.
    end_state : str or None
        The ReportFile of the end state, if the copy has one.
    added_lines : tuple of (int, int)
        The first line of the copy that the script lacks, and how many such lines stand there.
    """

    source: Path
    text: bytes
    dropped: tuple[Resource, ...]
    changes: tuple[Change, ...]
    files: dict[str, bytes]
    end_state: str | None = None
    added_lines: tuple[int, int] = (1, 0)

    @property
    def is_needed(self) -> bool:
        """Whether anything differs; if not, run the user's own file."""
        return bool(self.files)

    @property
    def echoes_left_out(self) -> tuple[Change, ...]:
        """The ``CommandEcho`` commands that are left out."""
        return tuple(
            change
            for change in self.changes
            if change.after is None
            and Statement(change.path, (change.line_number,), change.before).word == "CommandEcho"
        )

    @property
    def pictures_left_out(self) -> tuple[Change, ...]:
        """The files with pictures of celestial bodies that are left out."""
        return tuple(
            change
            for change in self.changes
            if change.after is None
            and _is_picture(Statement(change.path, (change.line_number,), change.before))
        )

    def write(self, folder: Path, *, within: Path | None = None) -> Path:
        """Write the copy's files into a folder.

        Parameters
        ----------
        folder : Path
            Made if it is not there. It must not be the folder of `source`.
        within : Path, optional
            The sweep folder, if the copy belongs to one: nothing below it is reached by a link.

        Returns
        -------
        Path
            The script to run: the copy, or `source` where no copy is needed.

        Raises
        ------
        ValueError
            `folder` is the folder of `source`: the copy would replace the user's script.
        """
        if not self.is_needed:
            return self.source
        if folder.resolve() == self.source.resolve().parent:
            raise ValueError(
                f"{folder} holds the user's own {self.source.name}: write the headless copy "
                "into another folder"
            )
        around = folder if within is None else within
        make_folder(folder, within=around)
        marked = with_added_lines(self.text, *self.added_lines)
        main = with_origin(marked, self.source.resolve().parent)
        for name, content in {**self.files, self.source.name: main}.items():
            write_file(folder / name, content, within=around)
        return folder / self.source.name


def headless_copy(
    source: Path | str, lacking: _Lacking, *, end_state: bool = False
) -> HeadlessScript:
    """Make the copy of a mission that this engine can load, where one is needed.

    The copy lacks the ``Create`` statements of what is left out, assignments to it and its
    fields, and its names in ``Toggle``, ``PenUp``, ``PenDown``, ``MarkPoint``, ``ClearPlot`` and
    ``UpdateDynamicData`` (the whole command if no other name is left) and in lists in braces. The
    same holds for included files.

    Parameters
    ----------
    source : Path or str
        The user's script.
    lacking : callable or collection of str
        The types and commands that the engine cannot create. Of the types only those in
        `~gmat_sweep.mission.script.DISPLAY_ONLY_TYPES` are left out. Views that the engine can
        create stay.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state.

    Returns
    -------
    HeadlessScript
        The copy, not yet written to disk.

    Raises
    ------
    MissionScriptError
        A statement that must stay uses a resource that is left out; or an absolute path that the
        copy needs cannot be written in a GMAT script.
    OSError
        The script cannot be read.
    """
    main = ScriptText.read(source)
    statements = list(statements_of(source))
    resources = resources_in(statements)
    report = None
    if end_state and not reports_something(statements):
        report = end_state_report(resources, statements)
    rule = _Rule(resources, statements, lacking, reports_at_end=report is not None)
    copy = ScriptCopy(main, {item.name: item.type for item in resources}, rule)
    text = copy.files[main.path.name]
    # The absolute path of an include alone is no reason for a copy: it is a copy's need.
    is_needed = any(
        Statement(each.path, (each.line_number,), each.before).include_span is None
        for each in copy.changes
    )
    if not is_needed and report is None:
        return HeadlessScript(main.path, main.with_lines({}), (), (), {})
    files = dict(copy.files)
    added_lines = (1, 0)
    if report is not None:
        files, added_lines = _with_report(
            files, main.path.name, report.declarations, report.command
        )
        text = files[main.path.name]
    return HeadlessScript(
        main.path,
        text,
        rule.dropped,
        tuple(copy.changes),
        files,
        None if report is None else report.name,
        added_lines,
    )


class _Rule:
    """What becomes of each statement of a mission in its headless copy."""

    def __init__(
        self,
        resources: Sequence[Resource],
        statements: Sequence[Statement],
        lacking: _Lacking,
        *,
        reports_at_end: bool,
    ) -> None:
        self._members = _formations(resources, statements, lacking)
        emptying = _plots_before_outputs(resources, reports_at_end=reports_at_end)
        self.dropped = tuple(
            item
            for item in resources
            if (item.type in DISPLAY_ONLY_TYPES and is_member(item.type, lacking))
            or item.name in emptying
            or item.name in self._members
        )
        self._types = {item.name: item.type for item in self.dropped}
        self._lacks_views = is_member("OpenFramesInterface", lacking)
        self._lacks_echo = is_member("CommandEcho", lacking)

    def __call__(self, statement: Statement) -> str | None:
        """Return a statement's text in the copy, None where it is left out."""
        if created := statement.created:
            return self._create(statement, *created)
        if statement.word == "CommandEcho" and self._lacks_echo:
            return None
        if statement.word in _DISPLAY_COMMANDS:
            return self._display_command(statement)
        if statement.word == "UpdateDynamicData":
            return self._update_command(statement)
        text = statement.text
        if assigned := statement.assigned:
            if assigned[0] in self._types or (self._lacks_views and _is_picture(statement)):
                return None
            text = self._without_list_elements(text)
        elif statement.word == "Propagate":
            text = self._with_members(text)
        self._refuse_references(statement, text)
        return text

    def _create(self, statement: Statement, type_name: str, names: tuple[str, ...]) -> str | None:
        left_out = [name for name in names if name in self._types]
        if not left_out:
            return statement.text
        if type_name != self._types[left_out[0]]:
            raise self._reference_error(statement, left_out[0])
        text = statement.text
        if len(left_out) < len(names):
            code = masked(text)
            for name in reversed(list(_NAME.finditer(code, code.index(type_name)))):
                if name.group() in left_out:
                    text = text[: name.start()].rstrip(" \t,") + text[name.end() :]
            return text
        return None

    def _display_command(self, statement: Statement) -> str | None:
        start = statement.start + len(statement.word)
        words = list(_NAME.finditer(masked(statement.text), start))
        if statement.word == "Toggle" and words and words[-1].group() in {"On", "Off"}:
            words.pop()
        left_out = [word for word in words if word.group() in self._types]
        if left_out and len(left_out) == len(words):
            return None
        text = statement.text
        for word in reversed(left_out):
            # The blanks before a name go with it, because a separator follows the name.
            text = text[: word.start()].rstrip(" \t,") + text[word.end() :]
        return text

    def _update_command(self, statement: Statement) -> str | None:
        start = statement.start + len(statement.word)
        display = _NAME.search(masked(statement.text), start)
        return None if display and display.group() in self._types else statement.text

    def _without_list_elements(self, text: str) -> str:
        """Take dropped names out of the lists in braces, one at a time."""
        code = masked(text)
        for element in _ELEMENT.finditer(code):
            if element.group() not in self._types:
                continue
            before, after = text[: element.start()], text[element.end() :]
            comma = re.match(r"[ \t]*,[ \t]*", after)
            if comma:
                after = after[comma.end() :]
            else:
                before = before.rstrip(" \t").removesuffix(",")
            return self._without_list_elements(before + after)
        return text

    def _with_members(self, text: str) -> str:
        """Put the members of a formation in its place in a Propagate command."""
        if not self._members:
            return text
        for flown in reversed(list(_PROPAGATED.finditer(masked(text)))):
            names = re.split(r"[\s,]+", text[flown.start() : flown.end()].strip())
            if not self._members.keys() & set(names):
                continue
            members = [each for name in names for each in self._members.get(name, (name,))]
            text = text[: flown.start()] + ", ".join(members) + text[flown.end() :]
        return text

    def _refuse_references(self, statement: Statement, text: str) -> None:
        for match in _NAME.finditer(masked(text)):
            if match.group() in self._types:
                raise self._reference_error(statement, match.group())

    def _reference_error(self, statement: Statement, name: str) -> MissionScriptError:
        return MissionScriptError(
            f"{statement.path}, line {statement.line_number}: {statement.code!r} uses {name}, "
            f"{_with_article(self._types[name])} that is left out of the run because this GMAT "
            "engine cannot create it. Take the statement out of the script, or set GMAT_ROOT to "
            "the folder of a full GMAT installation.",
            statement.path,
            statement.line_number,
        )


def _is_picture(statement: Statement) -> bool:
    return statement.assigned is not None and statement.assigned[1] in _PICTURES


def _with_article(type_name: str) -> str:
    return f"{'an' if type_name[0] in 'AEIOU' else 'a'} {type_name}"


def _plots_before_outputs(resources: Sequence[Resource], *, reports_at_end: bool) -> set[str]:
    """Return the ground tracks after which an output is created, which GMAT then does not fill."""
    outputs = [at for at, item in enumerate(resources) if item.type in OUTPUT_TYPES]
    last = len(resources) if reports_at_end else max(outputs, default=-1)
    return {item.name for item in resources[: max(last, 0)] if item.type == "GroundTrackPlot"}


def _formations(
    resources: Sequence[Resource], statements: Sequence[Statement], lacking: _Lacking
) -> Mapping[str, tuple[str, ...]]:
    """Return the members of each Formation, where the engine cannot create any."""
    if not is_member(FORMATION, lacking):
        return {}
    members: dict[str, tuple[str, ...]] = {
        item.name: () for item in resources if item.type == FORMATION
    }
    for statement in statements:
        if statement.assigned and statement.assigned[0] in members:
            owner, field = statement.assigned
            if field == "Add":
                listed = re.split(r"[\s,]+", bare_value(statement).strip("{} \t"))
                members[owner] = (*members[owner], *filter(None, listed))
    return members


def _with_report(
    files: dict[str, bytes], main: str, declarations: Sequence[str], command: str
) -> tuple[dict[str, bytes], tuple[int, int]]:
    """Add a report's declarations before ``BeginMissionSequence`` and its command at the end.

    Also return before which line of the script the declarations stand, and how many they are.
    """
    ended = files[main].rstrip(b" \t\r\n") + b"\n" + command.encode() + b"\n"
    files = {**files, main: ended}
    count = len(declarations)
    for name, content in files.items():
        script = ScriptText(Path(name), content)
        for statement in script.statements:
            if statement.word == "BeginMissionSequence":
                number = statement.line_number
                inserted = "\n".join([*declarations, script.lines[number - 1]])
                files = {**files, name: script.with_lines({number: inserted})}
                return files, (number, count if name == main else 0)
    # It begins in an included file that stays as it is, or without that statement.
    head = "\n".join([*declarations, ScriptText(Path(main), ended).lines[0]])
    return {**files, main: ScriptText(Path(main), ended).with_lines({1: head})}, (1, count)
