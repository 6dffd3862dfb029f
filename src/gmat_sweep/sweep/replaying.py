"""The script that a run flies: its text, and a folder with all that it needs to fly it again."""

from __future__ import annotations

import functools
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.folder.layout import HEADLESS_FOLDER, run_folder
from gmat_sweep.folder.packed import refuse_packed
from gmat_sweep.folder.run_seal import read_seal
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.drift import MISSION_FILES_KEY, SCRIPT_KEY
from gmat_sweep.mission.copying import origin_of
from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.headless import headless_copy
from gmat_sweep.mission.replaying import write_replay
from gmat_sweep.mission.script import canonical_script_sha256, statements_of
from gmat_sweep.plans import recorded_plan
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.recorded_script import recorded_script
from gmat_sweep.sweep.replay_kit import write_kit
from gmat_sweep.sweep.resuming import END_STATE_KEY, check_drift, recorded_unconverged

if TYPE_CHECKING:
    from gmat_sweep.manifest import ManifestEntry
    from gmat_sweep.mission.replaying import WrittenReplay
    from gmat_sweep.plans.runs_by_id import RecordedPlan
    from gmat_sweep.verdicts.requirement import Requirement, Requirements
    from gmat_sweep.verdicts.worst import RankedRun

__all__ = ["Replay", "flown_script", "replay_run", "replay_worst"]

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def flown_script(run: RunSpec, mission: str | Path | None = None) -> str:
    """Return the text of the script that a run flies: the mission with the overrides in it.

    A field that the mission assigns before ``BeginMissionSequence`` has the override in place of
    its last value; any other stands on a line of its own directly before that statement. Names of
    input and included files, and of outputs in folders, are as the run needs them.

    Parameters
    ----------
    run : RunSpec
        The run.
    mission : str or Path, optional
        The mission script; the run's own by default.

    Raises
    ------
    SweepConfigError
        GMAT has no way to write a value.
    OSError
        The script cannot be read.
    """
    script = run.script_path if mission is None else Path(mission)
    return EditableScript(script).edited(run.overrides).text


def replay_run(
    manifest: str | Path,
    run_id: int,
    out: str | Path,
    *,
    script: str | Path | None = None,
    allow_script_drift: bool = False,
    requirements: Requirements
    | str
    | Path
    | Sequence[Requirement | Mapping[str, Any]]
    | None = None,
    requirement: str | None = None,
) -> Path:
    """Write the script that a recorded run flew, with all that it needs, into a folder.

    GMAT opens the script there and flies it to the same bits: it is the headless copy where the
    run flew one, beside it are the files that it includes, and in ``inputs`` those that it reads.
    ``expected.json`` says how the run ended, ``hashes.json`` and ``versions.json`` what it was made
    of, and ``replay.sh`` flies it and compares.

    Parameters
    ----------
    manifest : str or Path
        The sweep's manifest.
    run_id : int
        The run.
    out : str or Path
        The folder to write; it must be empty or not be there.
    script : str or Path, optional
        The mission script; by default where the manifest says that it was.
    allow_script_drift : bool
        Whether to accept a mission whose files have changed, with a RuntimeWarning.
    requirements : Requirements, str, Path, or sequence, optional
        The requirements, their file, or a list of `Requirement`.
    requirement : str, optional
        The one of them of which ``expected.json`` is to have the run's number and margin.

    Returns
    -------
    Path
        The script to open.

    Raises
    ------
    SweepConfigError
        The sweep has no such run, the script is not found or has changed, or `out` holds
        something.
    ManifestCorruptError
        The manifest cannot be read.
    """
    target = absolute_path(out, "out")
    if (requirements is None) != (requirement is None):
        raise SweepConfigError("requirements and requirement go together. Give both.")
    source = _Source(manifest, script, allow=allow_script_drift)
    said: tuple[Requirement, RankedRun | None] | None = None
    if requirements is not None and requirement is not None:
        from gmat_sweep.verdicts.worst import worst_runs

        ranked = worst_runs(absolute_path(manifest, "manifest"), requirements, requirement)
        said = ranked.requirement, ranked.of(run_id)
    return source.write(run_id, target, said)


@dataclass(frozen=True, slots=True)
class Replay:
    """A run that `replay_worst` wrote.

    Attributes
    ----------
    run_id : int
        The run.
    script : Path
        The script to open; its folder is the replay.
    outcome : {"violates", "holds"}
        What the run says of the requirement.
    margin : float or None
        By how much it meets the limit, negative if it violates it; None without a number.
    why : str
        The outcome in words.
    """

    run_id: int
    script: Path
    outcome: Literal["violates", "holds"]
    margin: float | None
    why: str


def replay_worst(
    manifest: str | Path,
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
    name: str,
    *,
    worst: int | None = 5,
    violating: bool = False,
    out: str | Path = "replay",
    script: str | Path | None = None,
    allow_script_drift: bool = False,
) -> tuple[Replay, ...]:
    """Write the runs that miss a requirement most, each as `replay_run` does.

    The first are runs that violate the requirement because they failed, then those that are ok and
    violate it without a number, then those with the smallest margin. Each has a folder
    ``run-<id>`` in `out`, whose ``expected.json`` also says what the run says of the requirement.

    Parameters
    ----------
    manifest : str or Path
        The sweep's manifest.
    requirements : Requirements, str, Path, or sequence
        The requirements, their file, or a list of `Requirement`.
    name : str
        The requirement.
    worst : int or None
        How many runs; None, which needs `violating`, for all that violate it.
    violating : bool
        Whether only runs that violate it are written.
    out : str or Path
        The folder of the replays. None of their own folders may hold anything yet.
    script, allow_script_drift
        As for `replay_run`.

    Returns
    -------
    tuple of Replay
        The worst first; empty if no run has a place in the order, such as where none violates a
        requirement without a margin.

    Raises
    ------
    SweepConfigError
        As `replay_run`; or there is no such requirement, or no run has its column.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.

    Examples
    --------
    >>> for run in replay_worst("mc/manifest.jsonl", "reqs.toml", "apogee"):  # doctest: +SKIP
    ...     print(run.run_id, run.why, run.script)
    """
    from gmat_sweep.verdicts.worst import worst_runs

    if worst is None and not violating:
        raise SweepConfigError("worst is a number of runs; only violating=True takes none.")
    if worst is not None and worst < 1:
        raise SweepConfigError(f"worst is {worst}: give a number of runs that is 1 or more.")
    path, place = absolute_path(manifest, "manifest"), absolute_path(out, "out")
    ranked = worst_runs(path, requirements, name)
    chosen = (ranked.violating if violating else ranked.runs)[:worst]
    for note in ranked.notes:
        warnings.warn(f"{name}: {note}", RuntimeWarning, stacklevel=2)
    if not chosen:
        return ()
    folders = {each.run_id: run_folder(place, each.run_id) for each in chosen}
    for folder in folders.values():
        _refuse_full(folder)
    source = _Source(manifest, script, allow=allow_script_drift)
    return tuple(
        Replay(
            each.run_id,
            source.write(each.run_id, folders[each.run_id], (ranked.requirement, each)),
            each.outcome,
            each.margin,
            each.why,
        )
        for each in chosen
    )


class _Source:
    """A recorded sweep whose runs are written."""

    def __init__(self, manifest: str | Path, script: str | Path | None, *, allow: bool) -> None:
        self._path = absolute_path(manifest, "manifest").resolve()
        refuse_packed(self._path.parent, "a replay")
        self._header = Manifest.load(self._path)
        self._entries = self._header.latest()
        self._folder = self._header.output_dir or self._path.parent
        self._named = None if script is None else _existing(Path(script).absolute())
        self._allow = allow
        self._plans: dict[str, RecordedPlan] = {}

    def write(
        self, run_id: int, target: Path, ranked: tuple[Requirement, RankedRun | None] | None
    ) -> Path:
        """Write a run into a folder and return its script."""
        entry = self._entries.get(run_id)
        header = self._as_flown(entry)
        run, number = self._run(run_id, header)
        _refuse_full(target)
        if entry is not None:
            # What was flown: a later version of a library may draw other values.
            run = replace(
                run, overrides=entry.overrides, run_options=entry.run_options, seed=entry.seed
            )
        run = replace(
            run,
            unconverged=recorded_unconverged(header, run.unconverged),
            postprocess=header.postprocess if entry is None else entry.postprocess,
        )
        written = self._written(run, number, target)
        anchors = anchors_of(self._header, self._folder)
        write_kit(written, run, header, entry, anchors, ranked)
        return written.script

    def _as_flown(self, entry: ManifestEntry | None) -> Manifest:
        """Return the header with the script and the files with which a run was flown."""
        extra = {} if entry is None else entry.extra
        header = self._header
        if SCRIPT_KEY in extra:
            header = replace(header, script_sha256=str(extra[SCRIPT_KEY]))
        changed, before = extra.get(MISSION_FILES_KEY), header.extra.get(MISSION_FILES_KEY)
        if isinstance(changed, dict):
            files = {**(before if isinstance(before, dict) else {}), **changed}
            kept = {name: digest for name, digest in files.items() if digest is not None}
            header = replace(header, extra={**header.extra, MISSION_FILES_KEY: kept})
        return header

    def _run(self, run_id: int, header: Manifest) -> tuple[RunSpec, int]:
        """Return a run of the plan, whose script is as it was flown, and the script's number."""
        key = repr((header.script_sha256, header.extra.get(MISSION_FILES_KEY)))
        if key not in self._plans:
            mission = self._named
            if mission is None:
                mission = recorded_script(header, self._folder, allow_drift=self._allow)
            check_drift(mission, header, allow=self._allow)
            plan = recorded_plan(self._header, mission, self._folder, nominal=True)
            self._plans[key] = plan
        plan = self._plans[key]
        chosen = plan.get(run_id)
        if chosen is None:
            raise SweepConfigError(
                f"{self._path} has no run {run_id}; its runs are {plan.ends() or 'none'}. Name one "
                "of them."
            )
        return chosen, plan.scripts().index(chosen.script_path)

    def _written(self, run: RunSpec, number: int, target: Path) -> WrittenReplay:
        """Write what GMAT loaded: the headless copy in the sweep folder, or one that is as good."""
        copies = self._folder / HEADLESS_FOLDER
        copy = (copies / str(number) if number else copies) / run.script_path.name
        flown = _flown_digest(run)
        # A later pass may have made it of another script; one of a mission that was moved names
        # files where they were.
        is_copy = copy.is_file() and origin_of(copy) == run.script_path.resolve().parent
        if is_copy and flown in (None, canonical_script_sha256(copy)):
            return write_replay(copy, run.overrides, target)
        if flown == canonical_script_sha256(run.script_path):
            # No copy was needed: there is nothing to ask the engine.
            return write_replay(run.script_path, run.overrides, target)
        with tempfile.TemporaryDirectory(prefix="gmat-sweep-replay-") as scratch:
            headless = headless_copy(
                run.script_path,
                self._lacking(run.script_path),
                end_state=END_STATE_KEY in self._header.extra,
            )
            script = headless.write(Path(scratch))
            if script == run.script_path and flown is not None:
                self._say_changed(run)
            return write_replay(script, run.overrides, target)

    def _lacking(self, script: Path) -> Callable[[str], bool]:
        """Return what tells whether the engine lacks a word that a mission uses.

        Of a mission without such words no engine is asked, which takes seconds.
        """
        used = {word for each in statements_of(script) for word in _WORD.findall(each.text)}
        return lambda name: name in used and name not in self._types

    @functools.cached_property
    def _types(self) -> frozenset[str]:
        """What the engine can create; a process of its own is asked once."""
        return _resource_types()

    def _say_changed(self, run: RunSpec) -> None:
        told = f"{run.script_path} is not the script that run {run.run_id} flew"
        if not self._allow:
            raise SweepConfigError(
                f"{told}. Restore it, or pass allow_script_drift=True (--allow-script-drift) if "
                "the change does not matter."
            )
        warnings.warn(f"{told}.", RuntimeWarning, stacklevel=4)


def _flown_digest(run: RunSpec) -> str | None:
    """Return the hash of the script that GMAT loaded for a run; None if nothing tells it."""
    try:
        seal = read_seal(run.output_dir)
    except (OSError, ValueError, GmatSweepError):
        return None
    return seal.script_sha256 if seal.record.get("run_id") == run.run_id else None


def _refuse_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SweepConfigError(f"{folder} holds something already. Give another folder.")


def _existing(script: Path) -> Path:
    if not script.is_file():
        raise SweepConfigError(f"There is no script {script}. Correct its path.")
    return script


def _resource_types() -> frozenset[str]:
    from gmat_sweep.backends.process.worker_process import WorkerProcess
    from gmat_sweep.engine import activate

    activate()
    worker = WorkerProcess()
    try:
        return worker.inspect(None, {}).resource_types
    finally:
        worker.close()
