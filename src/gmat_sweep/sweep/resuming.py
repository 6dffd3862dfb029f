"""The runs of a resume or an extension, their context, and the checks before them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.distributions import perturb_from_json
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.failure_kinds import kind_of as failure_kind_of
from gmat_sweep.folder import run_files
from gmat_sweep.grids import expand_monte_carlo_extension_to_run_specs
from gmat_sweep.import_places import hook_digest
from gmat_sweep.manifest.drift import MISSION_FILES_KEY, changed_files, drift_facts
from gmat_sweep.mission.files import MissionFiles, recorded_digests
from gmat_sweep.mission.script import script_digest
from gmat_sweep.mission.watching import MissionWatch
from gmat_sweep.plans import extension_facts, kind_of, planned_count
from gmat_sweep.plans.header import NOMINAL_KEY, values_varied
from gmat_sweep.printable import printable
from gmat_sweep.sweep.recorded_script import script_paths

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest
    from gmat_sweep.spec import RunSpec, Unconverged
    from gmat_sweep.sweep.options import SweepOptions
    from gmat_sweep.sweep.preflight import PreparedMission

__all__ = [
    "END_STATE_KEY",
    "UNCONVERGED_KEY",
    "check_drift",
    "check_drift_again",
    "existing_folder",
    "facts_of_pass",
    "mission_facts",
    "planned_extension",
    "recorded_unconverged",
    "runs_to_repeat",
    "watch_of",
    "with_context",
]

END_STATE_KEY = "end_state_report"
"""Header key: the ReportFile of the end state that was added to the mission."""

UNCONVERGED_KEY = "unconverged"
"""Key of a manifest's header: the option of that name, if the sweep was begun with ``"failed"``."""


def recorded_unconverged(manifest: Manifest, asked: Unconverged) -> Unconverged:
    """Return the option `unconverged` for the runs of a resume or an extension.

    A sweep that was begun with ``"failed"`` keeps it: without that, a resume that does not name the
    option again would turn the runs that failed for it into ``ok`` ones.
    """
    return "failed" if manifest.extra.get(UNCONVERGED_KEY) == "failed" else asked


def runs_to_repeat(
    manifest: Manifest, runs: Iterable[RunSpec], folder: Path, whole: Container[int] = ()
) -> dict[int, str]:
    """Return the runs that are failed, missing or damaged, with the reason, in ascending run id.

    Parameters
    ----------
    manifest : Manifest
        The manifest as it is on disk.
    runs : iterable of RunSpec
        Every run of the sweep.
    folder : Path
        The sweep folder. The files of ``ok`` runs must be as they were recorded, in it or where
        else aggregation finds them.
    whole : container of int
        Runs whose files are known to be as they were recorded: they are not looked at.
    """
    folders = anchors_of(manifest, folder)
    entries = manifest.latest()
    repeat: dict[int, str] = {}
    for run in runs:
        entry = entries.get(run.run_id)
        if entry is None:
            repeat[run.run_id] = "it has no entry"
        elif entry.status == "failed":
            repeat[run.run_id] = "it failed"
        elif entry.status != "ok" or run.run_id in whole:
            continue
        elif problems := run_files.damage(entry, folders):
            repeat[run.run_id] = "; ".join(problems)
    return dict(sorted(repeat.items()))


def existing_folder(folder: Path) -> Path:
    """Return the sweep folder to resume in.

    Raises
    ------
    SweepConfigError
        The folder does not exist.
    """
    try:
        is_there = folder.is_dir()
    except OSError:
        # A manifest may name any text, also one that is too long for a path.
        is_there = False
    if not is_there:
        raise SweepConfigError(
            f"The resume output directory does not exist: {folder}. Pass the folder that holds "
            "the sweep's runs as output_dir."
        )
    return folder


def check_drift(script: Path, manifest: Manifest, *, allow: bool) -> None:
    """Refuse a mission whose files are not the recorded ones, or only warn.

    Parameters
    ----------
    script : Path
        The mission script.
    manifest : Manifest
        It records the hash of the script, and those of the files that the mission includes and
        reads.
    allow : bool
        Whether to accept a change with a RuntimeWarning.

    Raises
    ------
    SweepConfigError
        A hash differs and `allow` is false.
    """
    found = script_digest(script)
    if found != manifest.script_sha256:
        _refuse_or_warn(
            f"script hash mismatch: {script} has {found}, the manifest recorded "
            f"{manifest.script_sha256}. Results of two different scripts would be mixed: restore "
            "the script, or pass allow_script_drift=True (--allow-script-drift) if the change does "
            "not matter.",
            allow=allow,
        )
    recorded = manifest.extra.get(MISSION_FILES_KEY)
    if not isinstance(recorded, dict):
        return
    changes = [
        f"{name} {'is gone' if digest is None else 'has changed' if name in recorded else 'is new'}"
        for name, digest in changed_files(recorded, _digests_now(script, manifest)).items()
    ]
    if changes:
        _refuse_or_warn(
            f"files that {script} includes or reads are not those of the manifest: "
            f"{'; '.join(changes)}. Results of two different missions would be mixed: restore "
            "them, or pass allow_script_drift=True (--allow-script-drift) if the change does not "
            "matter.",
            allow=allow,
        )


def check_drift_again(script: Path, manifest: Manifest, options: SweepOptions) -> None:
    """Refuse a mission that was edited since `check_drift`, before any run of a pass."""
    if not options.allow_script_drift:
        check_drift(script, manifest, allow=False)


def facts_of_pass(manifest: Manifest, script: Path, engine: str, count: int) -> dict[str, Any]:
    """Return the extra keys of the entries that a resume or an extension writes.

    Parameters
    ----------
    manifest : Manifest
        The sweep's manifest.
    script, engine : Path, str
        The script and the engine's version with which runs are flown now. An entry says what of
        them, of the hook and of the mission's files is not as the header has it.
    count : int
        How many runs the sweep has, those of the extension included.
    """
    facts = drift_facts(
        manifest,
        script=script_digest(script),
        engine=engine,
        hook=hook_digest(manifest.postprocess),
        files=_digests_now(script, manifest),
    )
    return {**extension_facts(manifest.parameter_spec, count), **facts}


def _digests_now(script: Path, manifest: Manifest) -> dict[str, str]:
    """Return the hashes now of the mission's files, and of those recorded that only values name.

    A file that only values name and that is not recorded does not count: earlier versions recorded
    none of these.
    """
    recorded = manifest.extra.get(MISSION_FILES_KEY)
    all_files = recorded_digests(script, values_varied(manifest.parameter_spec))
    of_script = recorded_digests(script)
    known = recorded.keys() if isinstance(recorded, dict) else ()
    return {name: all_files[name] for name in all_files if name in of_script or name in known}


def mission_facts(
    script: Path,
    folder: Path,
    prepared: PreparedMission | None,
    parameter_spec: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what the manifest's header says about the mission besides its script's hash."""
    facts = script_paths(script, folder)
    if files := recorded_digests(script, values_varied(parameter_spec)):
        facts[MISSION_FILES_KEY] = files
    if prepared is not None and prepared.end_state is not None:
        facts[END_STATE_KEY] = prepared.end_state
    return facts


def watch_of(scripts: Iterable[Path], mission: Path, facts: Mapping[str, Any]) -> MissionWatch:
    """Watch the files of a sweep's missions.

    Parameters
    ----------
    scripts : iterable of Path
        The scripts that are flown; headless copies among them.
    mission : Path
        The sweep's own script.
    facts : mapping
        What the manifest's header says of it: files that only varied values name are there.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    folder = mission.resolve().parent
    of_script = recorded_digests(mission)
    named_by_values = {
        os.path.normpath(folder / name): digest
        for name, digest in facts.get(MISSION_FILES_KEY, {}).items()
        if name not in of_script
    }
    of_scripts = {script: MissionFiles.of(script).digests for script in scripts}
    return MissionWatch(of_scripts, named_by_values)


def _refuse_or_warn(message: str, *, allow: bool) -> None:
    if not allow:
        raise SweepConfigError(message)
    warnings.warn(printable(message), RuntimeWarning, stacklevel=5)


def with_context(
    runs: Iterable[RunSpec],
    manifest: Manifest,
    provider: Callable[[int], dict[str, Any]] | None,
) -> list[RunSpec]:
    """Return the runs with the context they ran with, or that `provider` gives them.

    Raises
    ------
    SweepConfigError
        `provider` did not return a dict.
    """
    recorded = {run_id: entry.context for run_id, entry in manifest.latest().items()}
    completed = []
    for run in runs:
        context: Any = recorded.get(run.run_id, run.context)
        if run.run_id not in recorded and provider is not None:
            context = provider(run.run_id)
            if not isinstance(context, dict):
                raise SweepConfigError(
                    f"context_provider({run.run_id}) returned {type(context).__name__}. Return a "
                    "dict."
                )
        completed.append(replace(run, context=dict(context)))
    return completed


def planned_extension(
    manifest: Manifest,
    runs: Sequence[RunSpec],
    n: int,
    script: Path,
    folder: Path,
    *,
    allow_failed: bool = False,
    whole: Container[int] = (),
) -> list[RunSpec]:
    """Return the next `n` runs of a Monte Carlo sweep.

    Parameters
    ----------
    manifest : Manifest
        The sweep's manifest as it is on disk.
    runs : sequence of RunSpec
        The runs it has, earlier extensions included.
    n : int
        How many to add.
    script, folder : Path
        The mission script and the sweep folder.
    allow_failed : bool
        Whether runs may have failed of anything. A run that failed in the mission always may: it
        would fail again.
    whole : container of int
        As for `runs_to_repeat`.

    Raises
    ------
    SweepConfigError
        The sweep is no Monte Carlo, is not complete, or `n` is below 1.
    """
    if kind_of(manifest.parameter_spec) != "monte_carlo":
        raise SweepConfigError(
            "extend() only applies to Monte Carlo sweeps: other designs are drawn as a whole. Run "
            "a new sweep with the larger design."
        )
    _check_complete(
        manifest, runs_to_repeat(manifest, runs, folder, whole), allow_failed=allow_failed
    )
    record = manifest.parameter_spec
    if record["seed"] is None:
        raise SweepConfigError(
            "The manifest does not record the seed its sweep drew, so further runs cannot belong "
            "to the same sequence. Run a new sweep with a seed."
        )
    return expand_monte_carlo_extension_to_run_specs(
        perturb_from_json(record["perturb"]),
        planned_count(manifest),
        n,
        record["seed"],
        script,
        folder,
        nominal=record.get(NOMINAL_KEY),
    )


def _check_complete(
    manifest: Manifest, unfinished: Mapping[int, str], *, allow_failed: bool
) -> None:
    """Refuse to extend a sweep of which a resume would tell more.

    Raises
    ------
    SweepConfigError
        Runs are missing, have damaged files, or failed otherwise than in the mission.
    """
    entries = manifest.latest()
    missing = [run_id for run_id in unfinished if run_id not in entries]
    failed = [
        run_id for run_id in unfinished if run_id in entries and entries[run_id].status == "failed"
    ]
    known = {*missing, *failed}
    damaged = [run_id for run_id in unfinished if run_id not in known]
    unknown = [run_id for run_id in failed if failure_kind_of(entries[run_id]) != "mission"]
    if not (missing or damaged or (unknown and not allow_failed)):
        return
    told = [
        f"{_runs(run_ids)} {what}"
        for run_ids, what in (
            (missing, "without an entry"),
            (damaged, "with damaged files"),
            ([] if allow_failed else unknown, "that failed, but not in the mission"),
        )
        if run_ids
    ]
    way = "Finish it with resume() first"
    if not (missing or damaged):
        way += ", or extend it as it is with allow_failed=True (--allow-failed)"
    raise SweepConfigError(f"incomplete base sweep: it has {', '.join(told)}. {way}.")


def _runs(run_ids: Sequence[int]) -> str:
    count = len(run_ids)
    return f"{count} {'run' if count == 1 else 'runs'} ({run_list(run_ids)})"
