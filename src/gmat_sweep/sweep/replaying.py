"""The script that a run flies: its text, and a folder with all that it needs to fly it again."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import HEADLESS_FOLDER
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.headless import headless_copy
from gmat_sweep.mission.replaying import write_replay
from gmat_sweep.plans import recorded_plan
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.recorded_script import recorded_script
from gmat_sweep.sweep.resuming import END_STATE_KEY, check_drift

__all__ = ["flown_script", "replay_run"]


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
) -> Path:
    """Write the script that a recorded run flew, with all that it needs, into a folder.

    GMAT opens the script there and flies it to the same bits: it is the headless copy where the
    run flew one, beside it are the files that it includes, and in ``inputs`` those that it reads.

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
    path = absolute_path(manifest, "manifest").resolve()
    target = absolute_path(out, "out")
    recorded = Manifest.load(path)
    folder = recorded.output_dir if recorded.output_dir is not None else path.parent
    if script is None:
        mission = recorded_script(recorded, folder, allow_drift=allow_script_drift)
    else:
        mission = _existing(Path(script).absolute())
    check_drift(mission, recorded, allow=allow_script_drift)
    plan = recorded_plan(recorded, mission, folder, nominal=True)
    chosen = plan.get(run_id)
    if chosen is None:
        raise SweepConfigError(
            f"{path} has no run {run_id}; its runs are {plan.ends() or 'none'}. Name one of them."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise SweepConfigError(f"{target} holds something already. Give another folder.")
    number = plan.scripts().index(chosen.script_path)
    copies = folder / HEADLESS_FOLDER
    copy = (copies / str(number) if number else copies) / chosen.script_path.name
    if copy.is_file():
        return write_replay(copy, chosen.overrides, target)
    with tempfile.TemporaryDirectory(prefix="gmat-sweep-replay-") as scratch:
        types = _resource_types()
        headless = headless_copy(
            chosen.script_path,
            lambda name: name not in types,
            end_state=END_STATE_KEY in recorded.extra,
        )
        return write_replay(headless.write(Path(scratch)), chosen.overrides, target)


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
