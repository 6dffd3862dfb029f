"""Tables of a run's solvers, and whether each solver reached its goal.

GMAT's log says of each time that a solver is run whether it converged. The log is the source of
that here; a solver's iterations in its own file tell it only if the log does not, because GMAT
begins that file anew each time the solver is run. A solver that a mission runs several times, in
sequence or in a loop, has converged if it did so each time. Inside of another ``Target`` or
``Optimize`` those times count which belong to the last pass of the outer solver, whose trials
before are no result.

A file that gmat-run's parser refuses costs its table only: there is a note, the file stays in the
run folder, and the log still tells whether the solver converged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging

    import gmat_run
    import pandas as pd

    from gmat_sweep.worker.solver_arrow import SolverColumns

__all__ = ["Solve", "SolverTables", "progress_shown", "solver_tables", "solves_of"]

_BEGUN = re.compile(r'\*\*\* Performing .*\(using "(?P<solver>[^"]+)"\)')
_PASS = re.compile(r"(?P<solver>\S+) Iteration \d+; ")
_TRIAL = re.compile(r"Completed iteration \d+, pert \d+ ")
_EXCEEDED = re.compile(r"\S.* has exceeded the maximum number of allowed iterations\.")
_MISSED = re.compile(r"\*\*\* (?:Targeting|Optimization) did not converge in (?P<count>\d+)")
_WARNED = re.compile(r"!!! WARNING: (?:Targeter|Optimizer) did NOT converge")
_REACHED = re.compile(r"\*\*\* The (?:Targeter|Optimizer) [Cc]onverged!")
_GUESSED = re.compile(r"\*\*\* \w+ Completed Initial Guess Run")


@dataclass(frozen=True, slots=True)
class Solve:
    """One time that a solver was run, as GMAT's log tells it.

    Attributes
    ----------
    solver : str
        Name of the solver.
    converged : bool or None
        Whether it reached its goal; None if it only ran its initial guess.
    iterations : int or None
        If it did not converge, after how many iterations it stopped.
    is_at_limit : bool
        Whether these were as many as it may take.
    """

    solver: str
    converged: bool | None
    iterations: int | None = None
    is_at_limit: bool = False


@dataclass(slots=True)
class SolverTables:
    """The solvers of one run.

    Attributes
    ----------
    tables : dict of str to SolverColumns or pandas.DataFrame
        By solver: its iterations, those of the last time if it was run several times.
    converged : dict of str to bool
        Whether each solver reached its goal. A solver that nothing is known of is not in it.
    notes : list of str
        What could not be read, and why.
    misses : list of str
        For each solver that did not converge, that in one line, with its iterations.
    """

    tables: dict[str, SolverColumns | pd.DataFrame] = field(default_factory=dict)
    converged: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)


def solver_tables(results: gmat_run.Results, log: logging.Logger) -> SolverTables:
    """Return the tables of a run's solvers, and whether they converged.

    Parameters
    ----------
    results : gmat_run.Results
        The return value of one `Mission.run`.
    log : logging.Logger
        The run's log, which gets the notes as warnings.
    """
    from gmat_run import GmatOutputParseError

    from gmat_sweep.worker.solver_arrow import solver_columns

    found = SolverTables()
    solves: dict[str, list[Solve]] = {}
    for solve in solves_of(results.log):
        solves.setdefault(solve.solver, []).append(solve)
    for name, told in solves.items():
        verdicts = [solve for solve in told if solve.converged is not None]
        if verdicts:
            found.converged[name] = all(solve.converged for solve in verdicts)
            if not found.converged[name]:
                found.misses.append(_miss(name, verdicts))
    for name, path in results.solver_paths.items():
        try:
            table = solver_columns(results, name)
        except GmatOutputParseError as error:
            if name in solves and name not in found.converged:
                log.info("solver %s ran its initial guess only, so it has no iterations", name)
                continue
            untold = "" if name in found.converged else "; nor does GMAT say if it converged"
            found.notes.append(
                f"solver {name}: {path.name} could not be read as a table of iterations, and is "
                f"kept as it is: {' '.join(str(error).split())}{untold}"
            )
            continue
        found.tables[name] = table
        if name not in solves:
            found.converged[name] = bool(table.attrs["converged"])
            if not found.converged[name]:
                found.misses.append(f"solver {name} did not converge")
    for note in found.notes:
        log.warning("%s", note)
    for miss in found.misses:
        log.warning("%s", miss)
    return found


def solves_of(log: str) -> list[Solve]:
    """Return the times that solvers were run, in order, from the text of GMAT's log.

    Parameters
    ----------
    log : str
        The log of one run of a mission. A solver that it does not tell the end of, as in a log
        that is cut off, is left out.

    Returns
    -------
    list of Solve
        Of a solver inside of another one's sequence, those of the outer one's last pass.
    """
    top = _Level("", [])
    under_way = [top]
    # GMAT says twice in a row that a solver did not converge; only the first time ends one.
    is_told = False
    for line in map(str.strip, log.splitlines()):
        if (begun := _BEGUN.match(line)) is not None:
            # A solver that begins anew was left without a word on its end.
            names = [level.solver for level in under_way]
            if begun["solver"] in names:
                del under_way[names.index(begun["solver"]) :]
            under_way.append(_Level(begun["solver"], []))
        elif is_told and _WARNED.match(line):
            is_told = False
        elif (level := under_way[-1]) is not top and (end := level.end_in(line)) is not None:
            under_way.pop()
            around = under_way[-1].inner
            _drop_first_pass(around, level.inner)
            around += [*level.inner, end]
            is_told = end.iterations is not None
    return top.inner


@dataclass(slots=True)
class _Level:
    """A solver under way, and the solvers inside of it since its last pass began."""

    solver: str
    inner: list[Solve]
    is_at_limit: bool = False

    def end_in(self, line: str) -> Solve | None:
        """Take a line of the log; return how the solver ended if the line says that it did."""
        passed = _PASS.match(line)
        if _TRIAL.match(line) or (passed is not None and passed["solver"] == self.solver):
            self.inner.clear()
        elif _EXCEEDED.fullmatch(line):
            self.is_at_limit = True
        elif (missed := _MISSED.match(line)) is not None:
            return Solve(self.solver, False, int(missed["count"]), self.is_at_limit)
        elif _WARNED.match(line):
            return Solve(self.solver, False)
        elif _REACHED.match(line):
            return Solve(self.solver, True)
        elif _GUESSED.match(line):
            return Solve(self.solver, None)
        return None


def _drop_first_pass(around: list[Solve], last_pass: list[Solve]) -> None:
    """Drop the solves of a solver's sequence that GMAT made before it announced that solver."""
    count = len(last_pass)
    if count and [each.solver for each in around[-count:]] == [each.solver for each in last_pass]:
        del around[-count:]


def _miss(name: str, verdicts: list[Solve]) -> str:
    first = next(solve for solve in verdicts if not solve.converged)
    facts = []
    if first.iterations is not None:
        limit = f" of at most {first.iterations}" if first.is_at_limit else ""
        facts.append(f"{first.iterations}{limit} iterations")
    if len(verdicts) > 1:
        missed = sum(not solve.converged for solve in verdicts)
        facts.append(f"{missed} of the {len(verdicts)} times that it was run")
    return f"solver {name} did not converge" + (f" ({'; '.join(facts)})" if facts else "")


@contextmanager
def progress_shown(mission: gmat_run.Mission) -> Iterator[None]:
    """Have the mission's solvers write their files, and the log say how they end, for a block.

    ``ShowProgress = false`` keeps GMAT from both, and changes no number.

    Parameters
    ----------
    mission : gmat_run.Mission
        The loaded mission; when the block ends, its fields are as before.
    """
    gmat = mission.gmat
    hidden = []
    for name in gmat.Moderator.Instance().GetListOfObjects(gmat.SOLVER):
        solver = gmat.GetObject(name)
        try:
            is_shown = str(solver.GetField("ShowProgress")) != "false"
        except gmat.APIException:
            continue
        if not is_shown:
            solver.SetField("ShowProgress", True)
            hidden.append(name)
    try:
        yield
    finally:
        for name in hidden:
            gmat.GetObject(name).SetField("ShowProgress", False)
