"""The files of a mission: its script, the files it includes, and those it reads beside it.

A file may also be named only by the values that a field is varied by.

A host that does not see the sweep's own disk needs all of them. `MissionFiles` names them with
their SHA-256, so that a host can tell whether it has them already. `MissionFiles.mirror` lays out a
copy in which every path that a script names a mission file by leads to the copy.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.mission.assignments import assigned_name, root_of
from gmat_sweep.mission.copying import OUTPUT_FIELDS, READER_TYPES, input_files, named_inputs
from gmat_sweep.mission.script import included_file, is_file, resources_in, statements_of
from gmat_sweep.mission.statements import Statement, string_spans
from gmat_sweep.stamps import content_stamp

__all__ = [
    "MissionFiles",
    "file_sha256",
    "naming_files",
    "recorded_digests",
    "texts_of",
]

_digests: dict[str, tuple[tuple[object, ...], str]] = {}


@dataclass(frozen=True, slots=True)
class MissionFiles:
    """The files of a mission, on the machine where it was written.

    Attributes
    ----------
    script : str
        Absolute path of the script.
    digests : dict of str to str
        SHA-256 by absolute path: of the script, the files it includes, and the input files it
        names that are there. GMAT's own data files are not among them.
    texts : frozenset of str
        The paths in `digests` that are scripts.
    pinned : frozenset of str
        Absolute paths as the scripts write them.
    named : dict of str to str
        By its name, as a script or a varied value writes it, the absolute path of an input file.
    """

    script: str
    digests: dict[str, str]
    texts: frozenset[str]
    pinned: frozenset[str] = field(default_factory=frozenset)
    named: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        script: Path,
        varied: Mapping[str, Any] | None = None,
        *,
        also_in: Sequence[Path] = (),
    ) -> MissionFiles:
        """Find the files of a mission.

        Parameters
        ----------
        script : Path
            The mission.
        varied : mapping, optional
            For each field that is varied its values, in whatever holds them: a list, a
            distribution. Files that a text among them names are input files, too.
        also_in : sequence of Path
            Folders besides that of the script in which GMAT may look for a name. With them every
            text that the mission assigns may be the name of an input file, whatever the field.

        Raises
        ------
        OSError
            One of them cannot be read.
        """
        main = script.resolve()
        folder = main.resolve().parent
        statements = list(statements_of(main))
        types = {resource.name: resource.type for resource in resources_in(statements)}
        texts, pinned = {str(main)}, set()
        names: dict[str, str] = {}
        for statement in statements:
            if (target := included_file(statement, main)) is not None:
                texts.add(os.path.normpath(target))
                if statement.included is not None and Path(statement.included).is_absolute():
                    pinned.add(statement.included)
        assigned = [*statements, *_assignments(main, varied or {}, types)]
        for number, statement in enumerate(assigned):
            for start, end, target in input_files(statement, statement.text, types, folder):
                name = statement.text[start:end].strip("'")
                names[name] = os.path.normpath(target)
                if Path(name).is_absolute() and number < len(statements):
                    pinned.add(name)
        inputs = set(names.values())
        for place in also_in:
            inputs |= _mentioned(assigned, types, (folder, place))
        paths = sorted(texts | inputs)
        digests = {path: file_sha256(path) for path in paths}
        return cls(str(main), digests, frozenset(texts), frozenset(pinned), names)

    @property
    def identity(self) -> str:
        """A name that only these files at these places have."""
        listed = "\n".join([self.script, *(f"{d} {p}" for p, d in sorted(self.digests.items()))])
        return hashlib.sha256(listed.encode()).hexdigest()

    def are_here(self) -> bool:
        """Whether this machine has every file, with the same content, at the same place."""
        try:
            return all(file_sha256(path) == digest for path, digest in self.digests.items())
        except OSError:
            return False

    def contents(self) -> dict[str, bytes]:
        """Return the content of every file by its path."""
        return {path: Path(path).read_bytes() for path in self.digests}

    def mirrored(self, below: Path) -> Path:
        """Return the path that the script has in a copy below a folder."""
        return _inside(below / self.identity, self.script)

    def mirrored_values(self, below: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run's values with absolute names of input files as they are in a copy."""
        final = below / self.identity
        names = {name: _inside(final, name) for name in self.named if Path(name).is_absolute()}

        def moved(value: Any) -> Any:
            if isinstance(value, str):
                for name in sorted(names, key=len, reverse=True):
                    if name in value:
                        return value.replace(name, str(names[name]))
                return value
            return [moved(each) for each in value] if isinstance(value, list | tuple) else value

        return {path: moved(value) for path, value in overrides.items()} if names else {**overrides}

    def mirror(self, below: Path, contents: Mapping[str, bytes]) -> Path:
        """Lay out a copy below a folder, whole or not at all, and return its script.

        The copies lie relative to each other as the originals do. Absolute paths in the scripts
        are rewritten to the copies.
        """
        final = below / self.identity
        if final.exists():
            return self.mirrored(below)
        below.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=below))
        names = sorted(map(re.escape, self.pinned), key=len, reverse=True)
        pattern = re.compile("|".join(names).encode()) if names else None
        for path, content in contents.items():
            if pattern is not None and path in self.texts:
                content = pattern.sub(  # noqa: PLW2901
                    lambda found: os.fsencode(_inside(final, os.fsdecode(found.group()))), content
                )
            copy = _inside(making, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)
        making.rename(final)
        return self.mirrored(below)


def _assignments(
    script: Path, varied: Mapping[str, Any], types: Mapping[str, str]
) -> Iterator[Statement]:
    """Yield an assignment of each text that a field is varied by."""
    for path, values in varied.items():
        name = assigned_name(path, types.get(root_of(path)))
        for value in _texts(values):
            is_literal = value.startswith(("{", "'"))
            yield Statement(script, (0,), f"{name} = {value if is_literal else repr(value)};")


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        # GMAT's quotes hold neither a quote nor a line end.
        if values.strip() and not set(values) & set("\n\r"):
            yield values.strip()
    elif isinstance(values, Mapping):
        for key, value in values.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(values, Iterable):
        for value in values:
            yield from _texts(value)


def _mentioned(
    statements: Iterable[Statement], types: Mapping[str, str], folders: Sequence[Path]
) -> set[str]:
    """Return the files that texts of assignments name, each in the first folder that has it."""
    found = set()
    for statement in statements:
        owner, field = statement.assigned or ("", "")
        is_output = field in OUTPUT_FIELDS and types.get(owner) not in READER_TYPES
        if statement.assigned is None or is_output:
            continue
        quoted = {
            statement.text[start + 1 : end - 1] for start, end in string_spans(statement.text)
        }
        names = {name.strip().replace("\\", "/") for name in quoted}
        bare = named_inputs(statement, statement.text, types, Path())
        for name in names | {path.as_posix() for _, _, path in bare}:
            paths = (folder / name for folder in folders)
            path = next((each for each in paths if name and is_file(each)), None)
            if path is not None:
                found.add(os.path.normpath(path))
    return found


def _inside(folder: Path, path: str) -> Path:
    return folder / path.lstrip("/")


def texts_of(overrides: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """Return the texts that runs give each field, among which may be names of files."""
    found: dict[str, set[str]] = {}
    for each in overrides:
        for path, value in each.items():
            for text in _texts(value):
                found.setdefault(path, set()).add(text)
    return found


def naming_files(script: Path, overrides: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return those of a run's texts that may name files beside the script, by field."""
    found = {}
    for path, texts in texts_of([overrides]).items():
        folder = script.resolve().parent
        # A list of names in GMAT's own braces is told apart where its script is read.
        if named := sorted(t for t in texts if "{" in t or is_file(folder / t.strip("'"))):
            found[path] = tuple(named)
    return found


def recorded_digests(script: Path, varied: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return the SHA-256 of the files that a mission reads besides its script.

    Parameters
    ----------
    script : Path
        The mission.
    varied : mapping, optional
        As for `MissionFiles.of`.

    Returns
    -------
    dict
        By path as it leads from the script's folder.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    files = MissionFiles.of(script, varied)
    folder = str(script.resolve().parent)
    return {
        os.path.relpath(path, folder): digest
        for path, digest in files.digests.items()
        if path != files.script
    }


def file_sha256(path: str) -> str:
    """Return a file's SHA-256, computed again only when the file has changed.

    Raises
    ------
    OSError
        It cannot be read.
    """
    stamp = content_stamp(path)
    if stamp is None:
        raise FileNotFoundError(path)
    known = _digests.get(path)
    if known is None or known[0] != stamp:
        with Path(path).open("rb") as file:
            known = stamp, hashlib.file_digest(file, "sha256").hexdigest()
        _digests[path] = known
    return known[1]
