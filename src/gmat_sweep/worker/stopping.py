"""Missions that end before their last command because their scripts say so.

GMAT ends a mission at a ``Target`` or ``Optimize`` whose ``ExitMode`` is ``Stop``, converged or
not, and at a ``Stop`` command. It calls both "stopped by user", and its status is that of an error.

`flown` gives the results of a mission that ended at a solver which reached its goal, as its script
says. Any other such end is an error that names the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gmat_sweep.mission.report_layout import stops_at_end
from gmat_sweep.worker.solver_tables import solves_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import gmat_run

    from gmat_sweep.mission.editing import EditableScript

__all__ = ["flown", "stop_note"]

_STOPPED = "GMAT execution stopped by user"


class _Engine:
    """GMAT, with a status of success for every mission; the true one is kept."""

    def __init__(self, gmat: Any) -> None:
        self._gmat = gmat
        self.status = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gmat, name)

    def RunScript(self) -> int:  # noqa: N802 - GMAT's name
        self.status = int(self._gmat.RunScript())
        return 1


def flown(mission: gmat_run.Mission, script: EditableScript, **options: Any) -> gmat_run.Results:
    """Run a mission, and return its results also if it ended at a solver as its script says.

    Parameters
    ----------
    mission : gmat_run.Mission
        The loaded mission.
    script : EditableScript
        Its script.
    **options
        Those of `gmat_run.Mission.run`.

    Raises
    ------
    gmat_run.GmatError
        As `gmat_run.Mission.run` raises it; or the mission ended at a ``Stop``.
    """
    from gmat_run import GmatRunError

    gmat: Any = mission._gmat
    engine: Any = _Engine(gmat)
    mission._gmat = engine
    try:
        results = mission.run(**options)
    finally:
        mission._gmat = gmat
    if engine.status == 1 or stop_note(results.log, script):
        return results
    said = f"GMAT RunScript returned status {engine.status}; expected 1"
    commands, solvers = _stops_of(script)
    if commands and _STOPPED in results.log and not _missed(results.log, solvers):
        said = f"the mission ended at its Stop command ({_lines(commands)})"
        if solvers:
            said += f", or at a solver whose ExitMode is Stop ({_lines(solvers)})"
    raise GmatRunError(said, log=results.log)


def stop_note(log: str, script: EditableScript) -> str:
    """Say at which solver a mission ended though nothing failed; empty if it did not."""
    if _STOPPED not in log:
        return ""
    commands, solvers = _stops_of(script)
    solves = solves_of(log)
    # With a Stop command in the script, GMAT's log does not tell which of the two it was.
    if commands or not solvers or not solves or solves[-1].converged is False:
        return ""
    return (
        f"the mission ended at solver {solves[-1].solver}, as ExitMode = Stop "
        f"({_lines(solvers)}) says: no command after it was flown"
    )


def _missed(log: str, solvers: Sequence[int]) -> bool:
    """Say whether the mission may have ended because a solver did not converge."""
    solves = solves_of(log)
    return bool(solvers and solves) and solves[-1].converged is False


def _stops_of(script: EditableScript) -> tuple[list[int], list[int]]:
    """Return the lines of the ``Stop`` commands, and of the solvers that stop the mission."""
    statements = [each for each in script.plain.statements if each.is_command]
    commands = [script.line_of(each) for each in statements if each.word == "Stop"]
    solvers = [script.line_of(each) for each in statements if stops_at_end(each)]
    return commands, solvers


def _lines(numbers: Sequence[int]) -> str:
    return f"line{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
