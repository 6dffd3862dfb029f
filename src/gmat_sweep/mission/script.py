"""The hash, the resources and the outputs of a mission script.

Nothing here writes a file or needs an engine. ``#Include`` is followed as GMAT R2026a does: a
relative path starts from the folder of the *main* script, in nested includes as well.
"""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.errors import MissionScriptError
from gmat_sweep.full_gmat import RESOURCE_TYPES
from gmat_sweep.mission.statements import ScriptText, Statement, refuse_wide_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

__all__ = [
    "DISPLAY_ONLY_TYPES",
    "FORMATION",
    "OUTPUT_TYPES",
    "SOLVER_TYPES",
    "Resource",
    "canonical_script_sha256",
    "check_resources",
    "created_resources",
    "included_file",
    "is_file",
    "is_member",
    "lacking_resource_error",
    "output_names",
    "resources_in",
    "script_digest",
    "statements_of",
]

DISPLAY_ONLY_TYPES = frozenset(
    {
        # Of the OpenFrames plugin. GMAT's GUI saves these into nearly every mission.
        "OpenFramesInterface",
        "OpenFramesSensorMask",
        "OpenFramesVector",
        "OpenFramesView",
        # Of GMAT itself. Engines without a GUI usually accept and ignore these.
        "DynamicDataDisplay",
        "Enhanced3DView",
        "GroundTrackPlot",
        "OpenGLPlot",
        "OrbitView",
        "XYPlot",
    }
)
"""Resource types that only draw: leaving them out of a mission changes none of its numbers."""

FORMATION = "Formation"
"""The type of a group of spacecraft that a Propagate command may name."""

OUTPUT_TYPES = ("ReportFile", "EphemerisFile", "ContactLocator")
"""Resource types whose files become data frames."""

SOLVER_TYPES = (
    "DifferentialCorrector",
    "FminconOptimizer",
    "SNOPT",
    "VF13ad",
    "Yukon",
    "BatchEstimator",
    "ExtendedKalmanFilter",
    "Simulator",
    "Smoother",
)
"""Resource types that iterate and write their iterations to a ``.data`` file."""

# A script's word for a type, and the engine's own word in its list of types.
_ENGINE_NAMES = {"Propagator": "PropSetup"}


def canonical_script_sha256(script_path: Path | str) -> str:
    r"""Hash a script so that its encoding mark and line ends do not matter.

    Every leading byte order mark is taken off, CRLF and CR become LF, and the text ends in exactly
    one newline. All other white space counts. Included files are not part of the hash.

    Parameters
    ----------
    script_path : Path or str
        The script.

    Returns
    -------
    str
        SHA-256 as 64 hexadecimal digits. An empty script hashes as ``"\n"``.

    Raises
    ------
    UnicodeDecodeError
        The script is not UTF-8. (GMAT takes only ASCII.)
    OSError
        The script cannot be read.
    """
    content = Path(script_path).read_bytes()
    content.decode()
    while content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return hashlib.sha256(content.rstrip(b"\n") + b"\n").hexdigest()


def script_digest(script: Path) -> str:
    """Return `canonical_script_sha256` of a script that GMAT could read.

    Raises
    ------
    MissionScriptError
        The script is not UTF-8; the message names the line, or the encoding if it is UTF-16.
    OSError
        The script cannot be read.
    """
    refuse_wide_text(script, script.read_bytes())
    try:
        return canonical_script_sha256(script)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise MissionScriptError(
            f"{script} is no text that GMAT reads: line {line} has the byte "
            f"0x{error.object[error.start]:02x}. GMAT takes ASCII characters only, in comments as "
            "well; replace the others.",
            script,
            line,
        ) from error


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource that a script creates.

    Attributes
    ----------
    name : str
        Its name, without the size of an Array.
    type : str
        Its type as the script calls it.
    line_number : int
        1-based line of its ``Create``.
    path : Path
        The file of its ``Create``: the script, or a file it includes.
    """

    name: str
    type: str
    line_number: int
    path: Path


def statements_of(path: Path | str) -> Iterator[Statement]:
    """Yield the statements of a mission, those of an included file after its ``#Include``.

    Each file is read once. An include that GMAT would not find is passed over, because GMAT reports
    it when it loads the script.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    main = ScriptText.read(path)
    seen = {main.path.resolve()}

    def walk(script: ScriptText) -> Iterator[Statement]:
        for statement in script.statements:
            yield statement
            target = included_file(statement, main.path)
            if target and target.resolve() not in seen:
                seen.add(target.resolve())
                yield from walk(ScriptText.read(target))

    yield from walk(main)


def included_file(statement: Statement, main: Path) -> Path | None:
    """Return the file that an ``#Include`` of a mission names; None if there is no such file.

    Parameters
    ----------
    statement : Statement
        Any statement.
    main : Path
        The main script of the mission, whose folder relative paths start from.
    """
    if statement.included is None:
        return None
    target = main.resolve().parent / statement.included.replace("\\", "/")
    return target if is_file(target) else None


def is_file(path: Path) -> bool:
    """Say whether a path from a script is that of a file; a path too long for a name is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def created_resources(path: Path | str) -> list[Resource]:
    """List the resources of a mission in the order in which GMAT creates them.

    Parameters
    ----------
    path : Path or str
        The script; ``#Include`` is followed.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    return resources_in(statements_of(path))


def resources_in(statements: Iterable[Statement]) -> list[Resource]:
    """List the resources that statements create, for a mission that has been read already."""
    return [
        Resource(name, created[0], statement.line_number, statement.path)
        for statement in statements
        if (created := statement.created)
        for name in created[1]
    ]


def output_names(path: Path | str) -> dict[str, list[str]]:
    """Name the outputs a mission declares.

    Returns
    -------
    dict
        Each of `OUTPUT_TYPES` and `SOLVER_TYPES` that occurs, with the names of its resources in
        the order of their ``Create`` statements.

    Raises
    ------
    OSError
        The script cannot be read.
    """
    resources = created_resources(path)
    names = {
        kind: list(dict.fromkeys(item.name for item in resources if item.type == kind))
        for kind in (*OUTPUT_TYPES, *SOLVER_TYPES)
    }
    return {kind: found for kind, found in names.items() if found}


def is_member(type_name: str, types: Callable[[str], bool] | Collection[str]) -> bool:
    """Say whether a script's word for a type is among an engine's types.

    ``Propagator`` is also found as ``PropSetup``, the engine's own word.
    """
    words = [type_name, _ENGINE_NAMES.get(type_name, type_name)]
    return any(types(word) if callable(types) else word in types for word in words)


def check_resources(path: Path | str, known_types: Callable[[str], bool] | Collection[str]) -> None:
    """Refuse a mission that creates a resource the engine cannot.

    Parameters
    ----------
    path : Path or str
        The script; ``#Include`` is followed.
    known_types : callable or collection of str
        What the engine can create.

    Raises
    ------
    MissionScriptError
        The message names every such resource, and says whether a plugin is missing or the type is
        none of GMAT's. Those of `DISPLAY_ONLY_TYPES` pass, because a headless copy leaves them out,
        and so does a Formation, whose members a headless copy flies.
    OSError
        The script cannot be read.
    """
    lacking = [
        resource
        for resource in created_resources(path)
        if resource.type not in DISPLAY_ONLY_TYPES | {FORMATION}
        and not is_member(resource.type, known_types)
    ]
    known = () if callable(known_types) else known_types
    unknown = [item for item in lacking if item.type not in RESOURCE_TYPES]
    if unknown and len(unknown) == len(lacking):
        raise _unknown_type_error(unknown, [*known, *_ENGINE_NAMES, *RESOURCE_TYPES])
    if lacking:
        raise lacking_resource_error(lacking)


def _unknown_type_error(unknown: Sequence[Resource], types: Sequence[str]) -> MissionScriptError:
    """Make the error that says which resources are of a type that no GMAT knows."""
    first = unknown[0]
    listed = ", ".join(
        f"{item.type} {item.name} ({item.path}, line {item.line_number})" for item in unknown
    )
    similar = {
        item.type: match[0]
        for item in unknown
        if (match := difflib.get_close_matches(item.type, types, n=1, cutoff=0.75))
    }
    meant = " ".join(f"Did you mean {right} for {wrong}?" for wrong, right in similar.items())
    return MissionScriptError(
        f"this GMAT engine cannot create {listed}: neither it nor a full GMAT installation has "
        f"such a type.{f' {meant}' if meant else ''} Mend the script; or, if a plugin of your own "
        "has the type, set GMAT_ROOT to the folder of the GMAT installation with that plugin.",
        first.path,
        first.line_number,
    )


def lacking_resource_error(lacking: Sequence[Resource]) -> MissionScriptError:
    """Make the error that says which resources the engine cannot create.

    Parameters
    ----------
    lacking : sequence of Resource
        At least one; the error's `path` and `line_number` are those of the first.
    """
    first = lacking[0]
    listed = ", ".join(
        f"{item.type} {item.name} ({item.path}, line {item.line_number})" for item in lacking
    )
    return MissionScriptError(
        f"this GMAT engine cannot create {listed}: the plugin is not part of it. Set GMAT_ROOT to "
        "the folder of a full GMAT installation, or take the resource out of the script.",
        first.path,
        first.line_number,
    )
