"""One run's script in a folder of its own, with all that it needs, for GMAT itself to fly."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmat_sweep.mission.copying import input_files, quoted_path
from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.statements import ScriptText

__all__ = ["INPUTS_FOLDER", "WrittenReplay", "write_replay"]

INPUTS_FOLDER = "inputs"
"""Folder of a replay for the files that the mission reads."""

# GMAT R2026a finds a relative name in these fields beside the script, wherever it was started. One
# of a kernel, an ephemeris or a table of space weather it opens from the folder it was started in.
_FOUND_BESIDE_THE_SCRIPT = frozenset(
    {"AttitudeFileName", "FrameSpiceKernelName", "PotentialFile", "SPADSRPFile"}
)


@dataclass(frozen=True, slots=True)
class WrittenReplay:
    """What `write_replay` wrote.

    Attributes
    ----------
    script : Path
        The script to open.
    inputs : dict of str to Path
        By its path in the folder, with ``/``, the file that an input file was copied from.
    scripts : tuple of str
        The script and the files that it includes, by their names in the folder.
    """

    script: Path
    inputs: dict[str, Path]
    scripts: tuple[str, ...]


def write_replay(script: Path, overrides: Mapping[str, Any], folder: Path) -> WrittenReplay:
    """Write a script with overrides in it, what it includes and what it reads, into a folder.

    Names of input files lead to their copies: by a relative path where GMAT looks beside the script
    for it, and by an absolute one for the others, which GMAT opens from the folder it was started
    in. Outputs have plain names.

    Parameters
    ----------
    script : Path
        The script that the run flew.
    overrides : mapping
        The overrides of the run.
    folder : Path
        Where to write; made if it is not there.

    Returns
    -------
    WrittenReplay
        The script to open, and what lies beside it.

    Raises
    ------
    MissionScriptError
        A path cannot be written in a GMAT script.
    OSError
        A file cannot be read or written.
    """
    editable = EditableScript(script)
    edited = editable.edited(overrides)
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[Path, Path] = {}
    for name, content in edited.files.items():
        text = ScriptText(folder / name, content)
        lines: dict[int, str] = {}
        for statement in text.statements:
            if not statement.assigned:
                continue
            new = statement.text
            named = list(input_files(statement, new, editable.types, script.resolve().parent))
            for start, end, path in reversed(named):
                copy = _copied(path, folder / INPUTS_FOLDER, taken)
                if statement.assigned[1] in _FOUND_BESIDE_THE_SCRIPT:
                    written = f"'{INPUTS_FOLDER}/{copy.name}'"
                else:
                    written = quoted_path(statement, copy)
                new = new[:start] + written + new[end:]
            if new != statement.text:
                lines |= dict.fromkeys(statement.line_numbers, "")
                lines[statement.line_number] = new
        (folder / name).write_bytes(text.with_lines(lines))
    return WrittenReplay(
        folder / script.name,
        {copy.relative_to(folder).as_posix(): path for path, copy in taken.items()},
        tuple(edited.files),
    )


def _copied(path: Path, folder: Path, taken: dict[Path, Path]) -> Path:
    """Copy an input file under a name of its own, once."""
    original = path.resolve()
    if original not in taken:
        folder.mkdir(parents=True, exist_ok=True)
        names = itertools.chain([path.name], (f"{n}-{path.name}" for n in itertools.count(2)))
        copy = next(folder / name for name in names if folder / name not in taken.values())
        shutil.copyfile(original, copy)
        taken[original] = copy
    return taken[original]
