"""The hook of a run that is replayed: what it wrote then, and calling it again to compare.

The hook runs in this process, after GMAT, with the values that the run had. What it returns is
compared as what GMAT writes: tables by all their bits, other files byte by byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.causes import headline
from gmat_sweep.disk.held import plain_reader
from gmat_sweep.disk.owner import is_own
from gmat_sweep.folder.run_files import found
from gmat_sweep.import_places import hook_digest, hooks_from
from gmat_sweep.manifest.values import jsonable
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.trust import HOOK_FOLDER_KEY

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest, ManifestEntry
    from gmat_sweep.spec import RunOutcome

__all__ = ["HookReplay", "hook_record", "replayed_hook"]

type Told = Callable[[Path], dict[str, Any] | None]

_log = logging.getLogger("gmat_sweep")


@dataclass(slots=True)
class HookReplay:
    """What calling a hook again showed; all are empty if it was not called and need not be."""

    differences: list[str] = field(default_factory=list)
    compared: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def hook_record(
    header: Manifest, entry: ManifestEntry | None, folders: Sequence[Path], told: Told
) -> dict[str, Any]:
    """Return what is to be known of a run's hook to call it again.

    Parameters
    ----------
    header : Manifest
        The sweep's manifest.
    entry : ManifestEntry or None
        The run's entry.
    folders : sequence of Path
        Where the run's files may be.
    told : callable
        Returns what a table holds, or None of a file that is none.
    """
    record: dict[str, Any] = {"context": {}, "outputs": {}}
    folder = header.extra.get(HOOK_FOLDER_KEY)
    if isinstance(folder, str) and is_own(header.extra):
        record["folder"] = folder
    if entry is not None:
        record["context"] = jsonable(dict(entry.context), "context")
        for key, path in entry.extra_outputs.items():
            place = found(path, entry.run_id, folders)
            record["outputs"][key] = None if place is None else _content(place, told)
    return record


def replayed_hook(
    script: Path,
    folder: Path,
    expected: Mapping[str, Any],
    versions: Mapping[str, Any],
    outcome: RunOutcome,
    told: Told,
    *,
    trusted: bool,
) -> HookReplay:
    """Call the hook of a run after it has been flown again, and compare what it returns.

    Parameters
    ----------
    script, folder : Path
        The script that was flown, and the run folder.
    expected, versions : mapping
        The files of the replay.
    outcome : RunOutcome
        How GMAT ended.
    told : callable
        As for `hook_record`.
    trusted : bool
        Whether a hook is called that another user or another machine has named.
    """
    from gmat_sweep.worker.hook import HookFailedError, call_hook, load_hook

    found, named, hook = HookReplay(), expected["postprocess"], expected.get("hook")
    # A run that GMAT failed had no hook called.
    if named is None or outcome.status != "ok":
        return found
    not_called = f"the hook {named} was not called"
    if hook is None:
        found.notes.append(f"{not_called}: an earlier version wrote this replay")
        return found
    if not (trusted or is_own(versions)):
        found.notes.append(
            f"{not_called}: another user or another machine wrote this replay. If you know that "
            "code, --trust-hook calls it"
        )
        return found
    place = hooks_from(Path(hook["folder"])) if "folder" in hook else contextlib.nullcontext()
    with place:
        try:
            load_hook(named)
        except Exception as error:  # noqa: BLE001 - a module does what it likes when it is imported
            found.notes.append(
                f"{not_called}: it cannot be imported here ({headline(str(error))}). Name its "
                "folder in GMAT_SWEEP_HOOKS"
            )
            return found
        if versions["hook_sha256"] not in (None, hook_digest(named)):
            found.notes.append(f"the hook {named} is in another file than that of the sweep")
        spec = RunSpec(
            script_path=script,
            overrides=expected["overrides"],
            output_dir=folder,
            run_id=expected["run_id"],
            seed=expected["seed"],
            run_options=dict(expected["run_options"]),
            postprocess=named,
            context=hook["context"],
        )
        try:
            outputs, _ = call_hook(spec, outcome, _log)
        except HookFailedError as error:
            _compare_failure(found, str(error.__cause__), expected)
            return found
    if expected["failure_kind"] == "hook":
        found.differences.append(f"the hook ended well; the run: {expected['cause']}")
        return found
    _compare_outputs(found, hook["outputs"], outputs, told)
    return found


def _compare_failure(found: HookReplay, said: str, expected: Mapping[str, Any]) -> None:
    if expected["failure_kind"] != "hook":
        found.differences.append(f"the hook failed: {headline(said)}; that of the run did not")
    elif headline(said) not in expected["cause"]:
        found.differences.append(f"the hook failed otherwise: {headline(said)}")
    else:
        found.compared.append(f"the hook failed as that of the run did: {headline(said)}")


def _compare_outputs(
    found: HookReplay, before: Mapping[str, Any], outputs: Mapping[str, Path], told: Told
) -> None:
    for key, was in before.items():
        name = f"{key}, of the hook,"
        if key not in outputs:
            found.differences.append(f"{name} is missing")
        elif was is None:
            found.notes.append(f"{name} of the run could not be read, and is not compared")
        elif was != _content(outputs[key], told):
            found.differences.append(f"{name} differs")
        else:
            found.compared.append(f"{name} is equal")
    found.differences += [f"{key}, of the hook, is new" for key in outputs if key not in before]


def _content(path: Path, told: Told) -> dict[str, Any]:
    """Return what a file holds: of a table its values, which another library writes otherwise."""
    table = told(path) if path.suffix == ".parquet" else None
    if table is not None:
        return {"rows": table["rows"], "sha256": table["sha256"]}
    with plain_reader(path) as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
