"""Drift: runs that were flown with another script, engine, hook or data than the header records.

A resume or an extension may go on with a changed script (``--allow-script-drift``), and with
another engine. Such an entry has the keys of the header that differ, each with what the run was
flown with. An entry without them was flown with what the header says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.manifest.manifest import Manifest

__all__ = [
    "DRIFT_KEYS",
    "ENGINE_KEY",
    "HOOK_KEY",
    "MISSION_FILES_KEY",
    "SCRIPT_KEY",
    "changed_files",
    "drift_facts",
    "drift_of",
]

SCRIPT_KEY = "script_sha256"
"""Key of the header, and of an entry that drifted: hash of the mission script."""
ENGINE_KEY = "gmat_install_version"
"""Key of the header, and of an entry that drifted: the engine's version."""
HOOK_KEY = "hook_sha256"
"""Key of the header, and of an entry that drifted: SHA-256 of the file of the hook's module."""
MISSION_FILES_KEY = "mission_files"
"""Key of the header: SHA-256 of the files that the mission includes and reads, by relative path; of
an entry that drifted: those that differ, with None for a file that is gone."""

DRIFT_KEYS = {
    SCRIPT_KEY: "script",
    ENGINE_KEY: "engine",
    HOOK_KEY: "hook",
    MISSION_FILES_KEY: "data",
}
"""The keys of drift, and what each is about."""


def changed_files(recorded: object, now: Mapping[str, str]) -> dict[str, str | None]:
    """Return the files of a mission that are not as recorded, with their hashes now.

    Parameters
    ----------
    recorded : object
        The header's `MISSION_FILES_KEY`; of no use if it is no object.
    now : mapping of str to str
        The files' hashes now.
    """
    if not isinstance(recorded, dict):
        return {}
    names = dict.fromkeys([*recorded, *now])
    return {name: now.get(name) for name in names if now.get(name) != recorded.get(name)}


def drift_facts(
    manifest: Manifest,
    *,
    script: str,
    engine: str,
    hook: str | None,
    files: Mapping[str, str],
) -> dict[str, Any]:
    """Return the keys of entries whose runs are flown now, as far as they differ from the header's.

    Parameters
    ----------
    manifest : Manifest
        The header.
    script, engine : str
        Hash of the script, version of the engine.
    hook : str or None
        Hash of the hook's module; None if there is none, or it cannot be told.
    files : mapping of str to str
        Hashes of the files that the mission includes and reads.
    """
    facts: dict[str, Any] = {}
    if script != manifest.script_sha256:
        facts[SCRIPT_KEY] = script
    if engine != manifest.gmat_install_version:
        facts[ENGINE_KEY] = engine
    recorded = manifest.extra.get(HOOK_KEY)
    if recorded is not None and hook != recorded:
        facts[HOOK_KEY] = hook
    if changed := changed_files(manifest.extra.get(MISSION_FILES_KEY), files):
        facts[MISSION_FILES_KEY] = changed
    return facts


def drift_of(manifest: Manifest, entries: Iterable[ManifestEntry]) -> dict[str, list[int]]:
    """Return the runs that drifted from the header, by what differs.

    Parameters
    ----------
    manifest : Manifest
        The header.
    entries : iterable of ManifestEntry
        The last entry of each run.

    Returns
    -------
    dict of str to list of int
        Run ids in ascending order, by ``script``, ``engine``, ``hook`` and ``data``; without those
        in which no run differs.
    """
    header = {
        **manifest.extra,
        SCRIPT_KEY: manifest.script_sha256,
        ENGINE_KEY: manifest.gmat_install_version,
    }
    found: dict[str, list[int]] = {}
    for entry in entries:
        for key in DRIFT_KEYS.keys() & entry.extra.keys():
            if entry.extra[key] != header.get(key):
                found.setdefault(DRIFT_KEYS[key], []).append(entry.run_id)
    return {word: sorted(found[word]) for word in DRIFT_KEYS.values() if word in found}
