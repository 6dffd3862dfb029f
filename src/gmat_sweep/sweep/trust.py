"""Trust: whose code a resume runs.

A manifest names the hook and the script of its sweep, and those of hand-made runs. A resume uses
all of them, which is right for one's own sweep. A manifest from somebody else, or from another
machine, could name any code of this machine. `check_trust` refuses it until the caller says that it
is trusted: before that, no such hook is called, no such script flown, and nothing written outside
of the sweep folder.

This guards against running code by mistake. A manifest is no signed document: whoever knows user
and host can write them into one.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.owner import is_own
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest
    from gmat_sweep.spec import RunSpec

__all__ = [
    "HOOK_FOLDER_KEY",
    "check_named_hook",
    "check_trust",
    "recorded_hook_folder",
    "show_hooks",
]

HOOK_FOLDER_KEY = "hook_folder"
"""Header key: the folder that the hook's module is from, if that is none of ``sys.path``."""

_MOST_NAMED = 5

_log = logging.getLogger("gmat_sweep")


def check_named_hook(named: str | None, manifest: Manifest, runs: Sequence[RunSpec]) -> None:
    """Refuse a hook that the caller names and the manifest does not.

    Raises
    ------
    SweepConfigError
        The hook is another one: results of two hooks would be mixed.
    """
    recorded = _hooks(manifest, runs)
    if named is None or named in recorded:
        return
    has = f"names {_listed(recorded)}" if recorded else "names no hook"
    raise SweepConfigError(
        f"The postprocess hook {named!r} is not the one of this sweep: its manifest {has}. Leave "
        "postprocess out, or run a new sweep with that hook."
    )


def check_trust(
    manifest: Manifest,
    runs: Sequence[RunSpec],
    script: Path,
    folder: Path,
    *,
    named: str | None,
    script_named: bool,
    trusted: bool,
) -> None:
    """Refuse what a manifest from elsewhere names, unless the caller trusts it.

    Parameters
    ----------
    manifest : Manifest
        The manifest to resume.
    runs : sequence of RunSpec
        Its runs.
    script, folder : Path
        The mission script and the sweep folder.
    named : str or None
        A hook that the caller named again.
    script_named : bool
        Whether the caller named the script; otherwise the manifest did.
    trusted : bool
        Whether the caller trusts all that the manifest names.

    Raises
    ------
    SweepConfigError
        The manifest was written by another user or on another machine, or does not say by whom; and
        it names a hook, a script that the caller did not name, or a folder outside of the sweep
        folder.
    """
    if _is_own(manifest):
        return
    asked = _asked_for(manifest, runs, script, folder, named)
    ways = []
    if not script_named:
        asked.insert(0, f"the mission script {script}")
        ways.append("name the script (script_path=, --script)")
    if _hooks(manifest, runs) - {named}:
        ways.append("name the hook again (postprocess=, --postprocess)")
    if not asked:
        return
    if trusted:
        _log.warning("trusted as the manifest names it: %s", "; ".join(asked))
        return
    raise SweepConfigError(
        f"{manifest.path} was written {_by_whom(manifest)}, and names what a resume would run or "
        f"write here: {'; '.join(asked)}. If you know that code, "
        f"{' and '.join(ways)}{', or ' * bool(ways)}trust all of it (trust_hook=True, "
        "--trust-hook)."
    )


def recorded_hook_folder(manifest: Manifest, *, trusted: bool) -> Path | None:
    """Return the folder of a manifest's hook; None if there is none or it is a stranger's."""
    folder = manifest.extra.get(HOOK_FOLDER_KEY)
    if not isinstance(folder, str) or not (trusted or _is_own(manifest)):
        return None
    return Path(folder)


def show_hooks(manifest: Manifest, runs: Sequence[RunSpec]) -> None:
    """Print on standard error which hooks of the manifest will be called."""
    if hooks := _hooks(manifest, runs):
        said = f"gmat-sweep: calls what the manifest names: {_listed(hooks)}"
        print(one_line(said), file=sys.stderr)


def _asked_for(
    manifest: Manifest, runs: Sequence[RunSpec], script: Path, folder: Path, named: str | None
) -> list[str]:
    asked = []
    if _is_elsewhere(manifest, folder):
        asked.append(f"the sweep folder {folder}")
    if hooks := _hooks(manifest, runs) - {named}:
        asked.append(_listed(hooks))
    if scripts := {str(run.script_path) for run in runs if run.script_path != script}:
        asked.append(f"scripts {_first_of(scripts)}")
    if outside := _outside(runs, folder):
        asked.append(f"folders outside of the sweep's: {_first_of(outside)}")
    return asked


def _outside(runs: Iterable[RunSpec], folder: Path) -> set[str]:
    """Return the folders of runs that do not lie in the sweep folder, links followed."""
    inside = folder.resolve()
    with os.scandir(folder) as members:
        links = {member.name for member in members if member.is_symlink()}
    outside = set()
    for run in runs:
        place = run.output_dir
        # Most runs have their folder there. To resolve each of them would take long.
        if place.parent == folder and place.name != ".." and place.name not in links:
            continue
        if not place.resolve().is_relative_to(inside):
            outside.add(str(place))
    return outside


def _first_of(names: set[str]) -> str:
    listed = ", ".join(sorted(names)[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{listed} and {more} more" if more > 0 else listed


def _hooks(manifest: Manifest, runs: Sequence[RunSpec]) -> set[str]:
    return {
        hook
        for hook in (manifest.postprocess, *(run.postprocess for run in runs))
        if hook is not None
    }


def _listed(hooks: set[str]) -> str:
    return f"the postprocess hook {_first_of({repr(hook) for hook in hooks})}"


def _is_elsewhere(manifest: Manifest, folder: Path) -> bool:
    """Whether the sweep folder is one that the manifest names, and not the manifest's own."""
    named = manifest.output_dir
    if named is None or manifest.path is None or named.resolve() != folder.resolve():
        return False
    return not named.resolve().is_relative_to(manifest.path.parent.resolve())


def _is_own(manifest: Manifest) -> bool:
    return is_own(manifest.extra)


def _by_whom(manifest: Manifest) -> str:
    writer = manifest.extra.get("created_by")
    if not isinstance(writer, dict):
        return "by a program that does not say who ran it"
    return f"by user {writer.get('user')!r} on {writer.get('host')!r}"
