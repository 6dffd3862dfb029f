"""A mission script with assignments put into it: what a run of a sweep flies.

The truth for a run is the script that a user would have written, loaded by GMAT:

* where the script itself assigns the field, before ``BeginMissionSequence``, its last assignment
  gets the new value in place (GMAT lets some fields, such as ``P.Type``, be assigned once only);
* otherwise the assignment stands on a line of its own directly before ``BeginMissionSequence``;
* an element of a Spacecraft that the script gives in another state type (``Sat.X`` where it gives
  ``Sat.SMA``) stands directly after it, because GMAT takes such an assignment only there.

A script without ``BeginMissionSequence`` counts as a whole as the part before it, for so GMAT
takes its assignments.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmat_sweep.mission.assignments import (
    assigned_name,
    is_of_another_state_type,
    root_of,
    value_text,
)
from gmat_sweep.mission.copying import (
    added_lines_of,
    included_copy_name,
    named_inputs,
    origin_of,
    with_absolute_inputs,
    without_bare_lines,
)
from gmat_sweep.mission.output_places import OutputPlace, output_places, writes_file
from gmat_sweep.mission.script import included_file, resources_in
from gmat_sweep.mission.statements import ScriptText, Statement, bare_value, masked

__all__ = ["EditableScript", "EditedScript", "set_again", "starts_from_itself"]

# Of two assignments to one of these, GMAT adds them up, lets the tail of the longer list stay, or
# (SRP, RelativisticCorrection) never switches off what the first has switched on.
_ACCUMULATING = frozenset(
    {
        "Add",
        "AddHardware",
        "Goals",
        "NPlateSRPEquateAreaCoefficients",
        "PrimaryBodies",
        "RelativisticCorrection",
        "SRP",
        "ShadowBodies",
        "Tank",
        "Tanks",
        "Thrusters",
        "YVariables",
    }
)
# How GMAT's log names a line of a script.
_LINE_NUMBER = re.compile(r'(?P<before>in line:\s*"\s*|occurred on line )(?P<number>\d+)')


@dataclass(frozen=True, slots=True)
class EditedScript:
    """A script with the assignments of one run.

    Attributes
    ----------
    source : Path
        The script that was edited.
    files : dict of str to bytes
        The edited script under the name of `source`, and the files it includes.
    statements : tuple of Statement
        Its statements in the order in which GMAT reads them, those of included files in place.
    assignments : dict of str to Statement
        By overridden path, the statement that assigns it. A statement that was added has the line
        of ``BeginMissionSequence``.
    places : dict of str to OutputPlace
        Where each output that the script names goes, by its target (``R.Filename``).
    added : tuple of Statement
        The statements that were added, all beside ``BeginMissionSequence``.
    of_copy : tuple of (int, int)
        If `source` is a headless copy: the first line that the user's script lacks, and how many.
    """

    source: Path
    files: dict[str, bytes]
    statements: tuple[Statement, ...]
    assignments: dict[str, Statement]
    places: dict[str, OutputPlace]
    added: tuple[Statement, ...] = ()
    of_copy: tuple[int, int] = (1, 0)

    @property
    def text(self) -> str:
        """The edited script itself."""
        return self.files[self.source.name].decode("utf-8", "surrogateescape")

    def told_of_source(self, text: str, written: Path) -> str:
        """Return GMAT's words about the edited script as words about the source.

        Its line numbers are those of the user's script, also where the source is a headless copy.

        Parameters
        ----------
        text : str
            What GMAT logged.
        written : Path
            The edited script that it loaded.
        """
        text = text.replace(str(written), str(self.source))
        shifts = [self.of_copy]
        if self.added and self.added[0].path == self.source:
            shifts.insert(0, (self.added[0].line_number, len(self.added)))

        def shifted(found: re.Match[str]) -> str:
            told = int(found["number"])
            for first, count in shifts:
                told = told if told < first else max(told - count, first)
            # GMAT pads the number with blanks.
            return f"{found['before']}{told:>{len(found['number'])}}"

        return _LINE_NUMBER.sub(shifted, text)

    def write(self, folder: Path) -> Path:
        """Write all files into a folder and return the script."""
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder / self.source.name


class EditableScript:
    """A script, read once, that gives its text with assignments put into it.

    Parameters
    ----------
    source : Path
        The script; files that it includes are read too.
    reserved : collection of str
        Names in the run folder that no output may have.

    Attributes
    ----------
    source : Path
        As given.
    types : dict of str to str
        Type of each resource by its name.
    watched_files : tuple of Path
        The files whose content makes the mission: the script, those that it includes and those
        that it names for GMAT to read, also where none is there now.
    plain : EditedScript
        The script without any assignment.
    places : dict of str to OutputPlace
        Where its outputs go.
    needs_copy : bool
        Whether GMAT must load a copy even without any assignment, for the sake of output names.

    Raises
    ------
    OSError
        A file cannot be read.
    MissionScriptError
        A path cannot be written in a GMAT script.
    """

    def __init__(self, source: Path, *, reserved: Collection[str] = ()) -> None:
        self.source = source
        self._reserved = reserved
        self._folder = source.resolve().parent
        self._origin = origin_of(source)
        self._of_copy = added_lines_of(source)
        self._scripts: dict[str, ScriptText] = {}
        self._statements: list[tuple[str, Statement]] = []
        self._names: dict[Path, str] = {}
        self._read(source, source.name)
        read = (statement for _, statement in self._statements)
        self.types = {item.name: item.type for item in resources_in(read)}
        self.watched_files = (*self._names, *dict.fromkeys(self._other_files()))
        self._standing = self._standing_assignments()
        self._of_resource: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for target, indices in self._standing.items():
            for index in indices:
                self._of_resource[root_of(target)].append((target, index))
        for found in self._of_resource.values():
            found.sort(key=lambda each: each[1])
        # What the script assigns by statement, as far as it was asked for.
        self._bare_values: dict[int, str] = {}
        self._fixed = self._with_fixed_paths()
        self.plain = self.edited({})
        self.places = self.plain.places
        self.needs_copy = any(each.loaded != each.declared for each in self.places.values())

    def edited(self, overrides: Mapping[str, Any]) -> EditedScript:
        """Return the script with each override assigned.

        Raises
        ------
        SweepConfigError
            GMAT has no way to write a value.
        """
        changed: dict[int, Statement | None] = dict(self._fixed)
        assignments: dict[str, Statement] = {}
        added: dict[str, str] = {}
        late = self._late(overrides)
        for path, value in overrides.items():
            type_name = self.types.get(root_of(path))
            name = assigned_name(path, type_name)
            standing = self._standing.get(name, [])
            if not standing:
                added[path] = f"{name} = {value_text(path, value, type_name)};"
                continue
            *earlier, last = standing
            statement = self._statements[last][1]
            right = statement.text[statement.value_start :].strip()
            new = self._with_inputs(
                _with_value(statement, value_text(path, value, type_name, right))
            )
            changed[last] = assignments[path] = new
            if name.rpartition(".")[2] in _ACCUMULATING:
                changed |= dict.fromkeys(earlier)
        at = self._begin_index()
        put = [self._with_inputs(self._added(text, at)) for text in added.values()]
        assignments |= dict(zip(added, put, strict=True))
        put_late = [assignments[path] for path in added if path in late]
        put = [assignments[path] for path in added if path not in late]
        places = self._give_places(changed, put)
        lines: dict[str, dict[int, str]] = defaultdict(dict)
        for index, now in changed.items():
            name, statement = self._statements[index]
            lines[name] |= dict.fromkeys(statement.line_numbers, "")
            lines[name][statement.line_number] = "" if now is None else now.text
        self._insert(lines, at, [each.text for each in put], [each.text for each in put_late])
        statements = [changed.get(at, each) for at, (_, each) in enumerate(self._statements)]
        statements[at : at + 1] = [*put, *statements[at : at + 1], *put_late]
        return EditedScript(
            source=self.source,
            files={name: self._content(name, lines.get(name, {})) for name in self._scripts},
            statements=tuple(each for each in statements if each is not None),
            assignments=assignments,
            places=places,
            added=(*put, *put_late),
            of_copy=self._of_copy,
        )

    def line_of(self, statement: Statement) -> int:
        """Return the line of a statement in the user's script, also if `source` is a copy of it."""
        first, count = self._of_copy
        line = statement.line_number
        is_shifted = count and line >= first and statement.path == self.source
        return max(line - count, first) if is_shifted else line

    def late_fields_of(self, craft: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a Spacecraft that are assigned after ``BeginMissionSequence``."""
        return {
            path.partition(".")[2]: overrides[path]
            for path in overrides
            if root_of(path) == craft and path in self._late(overrides)
        }

    def is_set_late(self, overrides: Mapping[str, Any]) -> bool:
        """Return whether some of these are assigned after ``BeginMissionSequence``."""
        return bool(self._late(overrides))

    def fields_of(self, resource: str, overrides: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return what the edited script assigns to a resource, as field and text, in order.

        Only what stands before ``BeginMissionSequence`` is among it.
        """
        late = self._late(overrides)
        given = {
            assigned_name(path, self.types.get(root_of(path))): value
            for path, value in overrides.items()
            if root_of(path) == resource and path not in late
        }
        assigned: list[tuple[str, str]] = []
        for target, index in self._of_resource.get(resource, ()):
            if index not in self._bare_values:
                self._bare_values[index] = bare_value(self._statements[index][1])
            text = self._bare_values[index]
            if target in given and index == self._standing[target][-1]:
                text = value_text(target, given[target], self.types.get(resource)).strip("'")
            assigned.append((target.partition(".")[2], text))
        assigned += [
            (target.partition(".")[2], value_text(target, value, None).strip("'"))
            for target, value in given.items()
            if target not in self._standing
        ]
        return assigned

    def _content(self, name: str, changed: dict[int, str]) -> bytes:
        """Return a file of the mission with some lines exchanged."""
        content = self._scripts[name].with_lines(changed)
        return without_bare_lines(content) if changed else content

    def _read(self, path: Path, name: str) -> None:
        self._names[path.resolve()] = name
        script = ScriptText.read(path)
        self._scripts[name] = script
        for statement in script.statements:
            self._statements.append((name, statement))
            target = included_file(statement, self.source)
            if target is not None and target.resolve() not in self._names:
                self._read(target, included_copy_name(len(self._names), target))

    def _other_files(self) -> Iterator[Path]:
        """Yield the files besides the scripts that are there, of which the mission is made."""
        for _, statement in self._statements:
            if statement.included is not None:
                path = self._folder / statement.included.replace("\\", "/")
                if path.resolve() not in self._names:
                    yield path
            elif statement.assigned:
                named = named_inputs(statement, statement.text, self.types, self._folder)
                yield from (path for _, _, path in named)

    def _with_fixed_paths(self) -> dict[int, Statement | None]:
        """Return the statements whose path must lead elsewhere from the edited script's folder."""
        fixed: dict[int, Statement | None] = {}
        for index, (_, statement) in enumerate(self._statements):
            text = statement.text
            span = statement.include_span
            target = included_file(statement, self.source)
            if span and target is not None:
                text = f"{text[: span[0]]}'{self._names[target.resolve()]}'{text[span[1] :]}"
            elif statement.assigned:
                text = with_absolute_inputs(statement, text, self.types, self._folder)
            if text != statement.text:
                fixed[index] = Statement(statement.path, statement.line_numbers, text)
        return fixed

    def _with_inputs(self, statement: Statement) -> Statement:
        """Return an assignment of a run, in which an input file beside the script is absolute."""
        text = with_absolute_inputs(statement, statement.text, self.types, self._origin)
        return Statement(statement.path, statement.line_numbers, text)

    def _give_places(
        self, changed: dict[int, Statement | None], put: list[Statement]
    ) -> dict[str, OutputPlace]:
        """Give the outputs their places, and the statements that name them plain names."""
        writers = {
            index: now
            for index, (_, statement) in enumerate(self._statements)
            if writes_file(statement.target, self.types)
            and (now := changed.get(index, statement)) is not None
        }
        added = {
            number: each for number, each in enumerate(put) if writes_file(each.target, self.types)
        }
        places = output_places([*writers.values(), *added.values()], self.types, self._reserved)
        for index, statement in writers.items():
            place = places[statement.target]
            if place.loaded != bare_value(statement):
                changed[index] = _with_value(statement, f"'{place.loaded}'")
        for number, statement in added.items():
            place = places[statement.target]
            if place.loaded != place.declared:
                put[number] = _with_value(statement, f"'{place.loaded}'")
        return places

    def _begin_index(self) -> int:
        """Return the index of the statement before which an assignment may be put."""
        for index, (_, statement) in enumerate(self._statements):
            if statement.word == "BeginMissionSequence":
                return index
        for index, (_, statement) in enumerate(self._statements):
            if statement.is_command:
                return index
        return len(self._statements)

    def _standing_assignments(self) -> dict[str, list[int]]:
        """Return the indices of the assignments before the mission sequence, by their target."""
        begins = any(each.word == "BeginMissionSequence" for _, each in self._statements)
        end = self._begin_index() if begins else len(self._statements)
        standing: dict[str, list[int]] = defaultdict(list)
        for index, (_, statement) in enumerate(self._statements[:end]):
            if target := statement.target:
                standing[assigned_name(target, self.types.get(root_of(target)))].append(index)
        return standing

    def _added(self, text: str, at: int) -> Statement:
        """Return a statement that is put before the one at an index."""
        if at < len(self._statements):
            before = self._statements[at][1]
            return Statement(before.path, before.line_numbers[:1], text)
        main = self._scripts[self.source.name]
        return Statement(main.path, (len(main.lines),), text)

    def _insert(
        self,
        lines: dict[str, dict[int, str]],
        at: int,
        before: list[str],
        after: list[str],
    ) -> None:
        """Put statements before and after the one at an index, each on a line of its own."""
        if not before and not after:
            return
        if at < len(self._statements):
            name, statement = self._statements[at]
            first, last = statement.line_number, statement.line_numbers[-1]
        else:
            name = self.source.name
            first = last = len(self._scripts[name].lines)
            before, after = [], [*before, *after, ""]
        script = self._scripts[name]
        for number, parts in ((first, (before, [])), (last, ([], after))):
            kept = lines[name].get(number, script.lines[number - 1])
            lines[name][number] = script.joined([*parts[0], kept, *parts[1]], number)

    def _late(self, overrides: Mapping[str, Any]) -> set[str]:
        """Return the overrides that GMAT takes only as commands of the mission sequence."""
        late: set[str] = set()
        assigned: dict[str, set[str]] = {}
        for path in overrides:
            craft, _, field = path.partition(".")
            if self.types.get(craft) != "Spacecraft" or path in self._standing:
                continue
            fields = assigned.setdefault(
                craft,
                {target.partition(".")[2] for target, _ in self._of_resource.get(craft, ())},
            )
            if is_of_another_state_type(field, fields):
                late.add(path)
            else:
                fields.add(field)
        return late


def set_again(
    statements: Iterable[Statement], types: Mapping[str, str], paths: Iterable[str]
) -> dict[str, Statement]:
    """Return the first command of the mission sequence that sets an overridden field again.

    Parameters
    ----------
    statements : iterable of Statement
        The mission's statements in order.
    types : mapping
        Type of each resource by its name.
    paths : iterable of str
        The overridden fields.

    Returns
    -------
    dict
        By overridden path: an assignment to the field, or to its resource as a whole; a ``Vary`` of
        a solver; a ``For`` that counts with it.
    """
    wanted = {path: assigned_name(path, types.get(root_of(path))) for path in paths}
    found: dict[str, Statement] = {}
    in_sequence = False
    for statement in statements:
        if statement.word == "BeginMissionSequence":
            in_sequence = True
        if not in_sequence:
            continue
        target = _counted(statement) or statement.target or _varied(statement)
        if not target:
            continue
        names = _set_by(assigned_name(target, types.get(root_of(target))), types)
        for path, name in wanted.items():
            if any(_is_set(name, each) for each in names):
                found.setdefault(path, statement)
    return found


def starts_from_itself(statement: Statement, path: str, types: Mapping[str, str]) -> bool:
    """Whether a command that sets a field computes the new value from the old one.

    Parameters
    ----------
    statement : Statement
        One that `set_again` found: ``v = v + 1``, ``Vary DC(B.Element1 = B.Element1)``.
    path : str
        The overridden field.
    types : mapping
        Type of each resource by its name.
    """
    code = "".join(masked(statement.text).split())
    name = assigned_name(path, types.get(root_of(path)))
    used = rf"(?<![\w.]){re.escape(name)}(?![\w.(])"
    return re.search(used, code.partition("=")[2].partition(",{")[0]) is not None


def _set_by(target: str, types: Mapping[str, str]) -> tuple[str, ...]:
    """Return the fields that an assignment in the mission sequence may set.

    There GMAT takes a Spacecraft's elements in any coordinate system or about any body
    (``Sat.EarthFixed.X``, ``Sat.Earth.SMA``), its epoch in any format, and its hardware's fields
    (``Sat.Tank.FuelMass``).
    """
    root, *fields = target.split(".")
    if types.get(root) != "Spacecraft" or not fields:
        return (target,)
    if _EPOCH.match(".".join(fields)):
        return (target, f"{root}.Epoch")
    if len(fields) == 1:
        return (target,)
    return (target, f"{root}.{fields[-1]}", ".".join(fields))


def _is_set(name: str, target: str) -> bool:
    """Whether an assignment to `target` sets `name`: the same, or the whole, or an element."""
    if target in (name, root_of(name)):
        return True
    one, other = _ELEMENT.fullmatch(name), _ELEMENT.fullmatch(target)
    if not one or not other or one["array"] != other["array"]:
        return False
    pairs = list(zip(one["at"].split(","), other["at"].split(","), strict=False))
    # An index that is no number may be any.
    return all(there == here or not there.isdigit() for here, there in pairs)


# Up to the first semicolon that is not one between the rows of a matrix.
_VALUE_END = re.compile(r"(?:[^;\[\]]|\[[^\]]*\])*;")
_VARIED = re.compile(r"Vary\b[^(]*\(\s*(?P<target>[A-Za-z_][\w.]*(?:\s*\([^()]*\))?)\s*=", re.ASCII)
_COUNTED = re.compile(r"For\b[ \t]*(?:'+[ \t]*)?(?P<counter>[A-Za-z_]\w*)[ \t]*=", re.ASCII)
_EPOCH = re.compile(r"Epoch\b|(A1|TAI|TDB|TT|UTC)(Gregorian|ModJulian)$")
_ELEMENT = re.compile(r"(?P<array>\w+)\((?P<at>[^()]*)\)", re.ASCII)


def _counted(statement: Statement) -> str:
    match = _COUNTED.match(masked(statement.text), statement.start)
    return match["counter"] if match else ""


def _varied(statement: Statement) -> str:
    match = _VARIED.match(masked(statement.text), statement.start)
    return "".join(match["target"].split()) if match else ""


def _with_value(statement: Statement, value: str) -> Statement:
    """Return an assignment with another right side; what stands after it stays as it is.

    A second statement on the line stays too, so that GMAT refuses the line as it does the script's.
    """
    text = statement.text
    code = masked(text)
    end = len(code.rstrip(" \t"))
    start = statement.value_start
    if code[start:].lstrip(" \t").startswith("'"):
        # GMAT's string ends with the last quote, and may hold quotes and semicolons before it.
        start = code.rindex("'") + 1
    semicolon = _VALUE_END.match(code, start)
    if semicolon and semicolon.end() <= end:
        end = semicolon.end()
    new = f"{text[: statement.value_start]} {value};{text[end:]}"
    return Statement(statement.path, statement.line_numbers, new)
