"""`recorded_script`: the mission script of a recorded sweep, from what its manifest says of it.

The header holds the script's path twice: as it leads from the sweep folder, which still fits when
both were moved together, and absolute, for a sweep folder that was moved alone. A path is text
that somebody wrote: the file there counts only if its hash is the recorded one.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import GmatSweepError, MissionScriptError, SweepConfigError
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import script_digest
from gmat_sweep.plans import planned_count, recorded_count

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MISSION_ABSOLUTE_KEY",
    "MISSION_PATH_KEY",
    "growth_command",
    "how_to_finish",
    "named_or_recorded",
    "no_option",
    "recorded_script",
    "resume_command",
    "script_paths",
]

MISSION_PATH_KEY = "mission_path"
"""Header key: path of the mission script from the sweep folder, absolute where that is shorter."""

MISSION_ABSOLUTE_KEY = "mission_absolute_path"
"""Header key: absolute path of the mission script on the machine that began the sweep."""

_LARGEST = 64 * 1024 * 1024


def script_paths(script: Path, folder: Path) -> dict[str, Any]:
    """Return what a manifest's header says of the place of the mission script.

    Parameters
    ----------
    script, folder : Path
        The mission script and the sweep folder; both absolute.
    """
    absolute = script.as_posix()
    relative = Path(os.path.relpath(script, folder)).as_posix()
    shorter = relative if len(relative) < len(absolute) else absolute
    return {MISSION_PATH_KEY: shorter, MISSION_ABSOLUTE_KEY: absolute}


def recorded_script(
    manifest: Manifest, folder: Path | None = None, *, allow_drift: bool = False
) -> Path:
    """Return the absolute path of the mission script that a manifest records.

    To resume or extend, give `Sweep.from_manifest` no script rather than this one: it then also
    asks whether a manifest from another user or machine is trusted.

    Parameters
    ----------
    manifest : Manifest
        A manifest that was loaded.
    folder : Path, optional
        The sweep folder, where it is neither the one that the manifest names nor the manifest's
        own.
    allow_drift : bool
        Whether a script whose hash is another one than the recorded one is returned, where there
        is none with the recorded one. The caller warns of it.

    Raises
    ------
    SweepConfigError
        The manifest records no path, there is no script at the recorded places, or its hash is
        another one.
    """
    places = list(dict.fromkeys(_places(manifest, folder)))
    name = manifest.path or "the manifest"
    if not places:
        raise SweepConfigError(
            f"{name} does not record the path of its mission script. Name the script with "
            "--script (script_path=)."
        )
    digests = {place: digest for place in places if (digest := _digest_of(place)) is not None}
    for place, digest in digests.items():
        if digest == manifest.script_sha256:
            return place
    if not digests:
        raise SweepConfigError(
            f"The mission script of {name} is not where it was "
            f"({' or '.join(map(str, places))}). Name it with --script (script_path=)."
        )
    place, digest = next(iter(digests.items()))
    if allow_drift:
        return place
    raise SweepConfigError(
        f"script hash mismatch: {place} has {digest}, the manifest recorded "
        f"{manifest.script_sha256}. Results of two different scripts would be mixed: restore the "
        "script, name the unchanged one with --script (script_path=), or pass "
        "allow_script_drift=True (--allow-script-drift) if the change does not matter."
    )


def named_or_recorded(
    named: str | Path | None, manifest: Manifest, folder: Path, *, allow_drift: bool
) -> Path:
    """Return the script that a caller names, else `recorded_script`; as an absolute path."""
    if named is not None:
        return absolute_path(named, "script_path")
    return recorded_script(manifest, folder, allow_drift=allow_drift)


def resume_command(manifest: Manifest, path: str | Path, folder: Path | None = None) -> str:
    """Return the shell command that resumes a sweep, with the script where that is found.

    It can be copied as it is: what is no word of a shell is quoted, and a path that looks like an
    option begins with ``./``.

    Parameters
    ----------
    manifest : Manifest
        The manifest of the sweep.
    path : str or Path
        The manifest's path as the command is to name it.
    folder : Path, optional
        As for `recorded_script`.
    """
    words = ["gmat-sweep", "resume", no_option(path)]
    # Without a script the command says itself what is wrong with it, and how to name one.
    with contextlib.suppress(SweepConfigError):
        words += ["--script", str(recorded_script(manifest, folder))]
    return shlex.join(words)


def how_to_finish(path: Path) -> str:
    """Return what to do about a folder that holds a sweep already, and where to begin another."""
    try:
        manifest = Manifest.outline(path)
    except (OSError, GmatSweepError):
        doctor = shlex.join(["gmat-sweep", "doctor", no_option(path)])
        return f"See with `{doctor}` what is in it, or write to another folder."
    if command := growth_command(manifest, path):
        return (
            f"Let it grow until it is decided with `{command}`, where FILE has its requirements, "
            "or write to another folder."
        )
    has_failed = any(entry.status == "failed" for entry in manifest.latest().values())
    if recorded_count(manifest) >= planned_count(manifest) and not has_failed:
        show = shlex.join(["gmat-sweep", "show", no_option(path)])
        return f"All its runs are done: see `{show}`, or write to another folder."
    return (
        f"Resume it with `{resume_command(manifest, path)}` or "
        "Sweep.from_manifest(...).resume(), or write to another folder."
    )


def growth_command(manifest: Manifest, path: str | Path) -> str:
    """Return the shell command that lets a sweep grow until its requirements are decided.

    Empty if it was not begun to be judged at any time.

    Parameters
    ----------
    manifest, path
        As for `resume_command`.
    """
    asked = manifest.extra.get("verification")
    if not isinstance(asked, dict) or asked.get("plan") != "anytime":
        return ""
    words = ["gmat-sweep", "extend", no_option(path)]
    with contextlib.suppress(SweepConfigError):
        words += ["--script", str(recorded_script(manifest, None))]
    return shlex.join([*words, "--until-decided", "--requirements", "FILE"])


def no_option(path: str | Path) -> str:
    """Return a path as a word of a command line, which must not begin as an option does."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _places(manifest: Manifest, folder: Path | None) -> Iterator[Path]:
    """Yield where the script may be, the likeliest place first."""
    own = None if manifest.path is None else manifest.path.parent
    starts = [start for start in (folder, manifest.output_dir, own) if start is not None]
    name = manifest.extra.get(MISSION_PATH_KEY)
    if isinstance(name, str) and name:
        yield from (Path(os.path.abspath(start / name)) for start in starts)  # noqa: PTH100
    absolute = manifest.extra.get(MISSION_ABSOLUTE_KEY)
    if isinstance(absolute, str) and Path(absolute).is_absolute():
        yield Path(os.path.normpath(absolute))


def _digest_of(place: Path) -> str | None:
    """Return the hash of the script at a place; None if there is nothing that could be one."""
    try:
        status = place.stat()
        # Somebody else may have chosen the path: a device or a pipe would never end.
        if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= _LARGEST:
            return None
        return script_digest(place)
    except (OSError, ValueError, MissionScriptError):
        return None
