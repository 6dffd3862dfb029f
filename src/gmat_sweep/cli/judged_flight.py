"""``--requirements`` and ``--until-decided`` of the commands that fly runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gmat_sweep.cli.endings import (
    EXIT_OK,
    EXIT_REQUIREMENT_FAILED,
    EXIT_RUNS_FAILED,
    say,
    tell,
)
from gmat_sweep.cli.verify import exit_code_of, requirements_in_file
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from gmat_sweep.manifest import ManifestEntry
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.verdicts.requirement import PlanName, Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = [
    "Asked",
    "asked_of",
    "flown_and_judged",
    "not_of_the_mission",
    "told_verdicts",
    "words_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the runs of a command are judged by.

    Attributes
    ----------
    requirements : Requirements
        The requirements.
    plan : {"fixed", "anytime"} or None
        The rule; None: what the sweep was started with, or else ``fixed``.
    max_runs : int or None
        How many runs the sweep has at most when it grows until it is decided; None: it does not.
    batch : int or None
        How many runs from one look to the next.
    """

    requirements: Requirements
    plan: PlanName | None
    max_runs: int | None = None
    batch: int | None = None

    @property
    def first_size(self) -> int:
        """How many runs a sweep that grows has before the first look, if nobody says."""
        from gmat_sweep.sweep.until import batch_of

        assert self.max_runs is not None
        return min(self.batch or batch_of(self.requirements, self.max_runs), self.max_runs)

    def record(self) -> dict[str, Any]:
        """Return what the header of a new sweep says of them."""
        from gmat_sweep.verdicts.chosen import verification_record

        return verification_record(self.requirements, self.plan or "fixed")

    def refuse_undeclared(self, script: Path, *, end_state: bool, hook: str | None) -> None:
        """Refuse requirements on what no run of the mission will have.

        Raises
        ------
        SweepConfigError
            The message has each place.
        """
        from gmat_sweep.verdicts.declared import refuse_undeclared

        refuse_undeclared(self.requirements, script, end_state=end_state, hook=hook)

    def lines(self, runs: int) -> tuple[str, ...]:
        """Return what a Monte Carlo of so many runs is judged by, for a person."""
        from gmat_sweep.verdicts.prospects import judged_lines

        plan = self.plan or "fixed"
        return judged_lines(self.requirements, plan=plan, runs=runs, max_runs=self.max_runs)

    def say_doubts(self, runs: int) -> None:
        """Say which requirements a Monte Carlo of so many runs cannot show."""
        from gmat_sweep.verdicts.prospects import outlook

        for each in self.requirements.requirements:
            doubt = outlook(each, plan=self.plan or "fixed", most=self.max_runs or runs)
            if doubt:
                say(f"{each.name}: {doubt}")


def asked_of(arguments: argparse.Namespace) -> Asked | None:
    """Return what a command's runs are judged by; None if they are not judged.

    Raises
    ------
    SweepConfigError
        The options exclude each other, or the requirements have a mistake.
    """
    path = getattr(arguments, "requirements", None)
    if arguments.command not in {"monte-carlo", "extend"}:
        if path is not None:
            raise SweepConfigError(
                f"--requirements: the runs of {arguments.command} are no independent draws, so "
                "they show no probability. Fly monte-carlo; for what must hold at every point, "
                "judge the sweep with `gmat-sweep verify`."
            )
        return None
    growing = {"--max-runs": arguments.max_runs, "--batch": arguments.batch}
    given = [option for option, value in growing.items() if value is not None]
    if given and not arguments.until_decided:
        raise SweepConfigError(f"{given[0]} requires --until-decided. Add it.")
    if path is None:
        for option in ("--plan", "--until-decided"):
            if getattr(arguments, option[2:].replace("-", "_")):
                raise SweepConfigError(f"{option} requires --requirements. Name their file.")
        return None
    requirements = requirements_in_file(absolute_path(path, "--requirements"))
    plan = arguments.plan or requirements.plan
    if not arguments.until_decided:
        return Asked(requirements=requirements, plan=plan)
    if plan == "fixed":
        raise SweepConfigError(
            "--until-decided looks after each batch, and the plan fixed holds for one number of "
            "runs, chosen before. Say --plan anytime, or leave --until-decided out."
        )
    return Asked(
        requirements=requirements,
        plan="anytime",
        max_runs=_whole(arguments.max_runs, "--max-runs") or _most_by_default(),
        batch=_whole(arguments.batch, "--batch"),
    )


def _most_by_default() -> int:
    """Return how many runs a sweep that grows has at most when nobody says how many."""
    from gmat_sweep.sweep.until import MOST_BY_DEFAULT

    return MOST_BY_DEFAULT


def flown_and_judged(
    sweep: Sweep,
    asked: Asked | None,
    fly: Callable[[Sweep], Sweep],
    *,
    allow_failed: bool = False,
) -> Verdicts | None:
    """Fly a sweep, and judge it: once at its end, or after each batch.

    Parameters
    ----------
    sweep : Sweep
        New, or rebuilt from its manifest.
    asked : Asked or None
        What it is judged by; None: it is only flown.
    fly : callable
        Flies it, where it does not grow until it is decided.
    allow_failed : bool
        As for `grow_until_decided`.
    """
    if asked is None:
        fly(sweep)
        return None
    from gmat_sweep.analysis.pictures.wanted import wanted
    from gmat_sweep.sweep.until import grow_until_decided
    from gmat_sweep.verdicts.judging import Judge

    judge = Judge(asked.requirements, asked.plan)
    if asked.max_runs is not None:
        return grow_until_decided(
            sweep, judge, max_runs=asked.max_runs, batch=asked.batch, allow_failed=allow_failed
        )
    if sweep.has_run:
        # An extension: what is judged is recorded before there are more data.
        asked.refuse_undeclared(
            sweep.script_path, end_state=sweep.options.end_state, hook=sweep.options.postprocess
        )
        judge.look(sweep.manifest_path)
    with wanted(asked.requirements.requirements):
        fly(sweep)
    verdicts = judge.look(sweep.manifest_path)
    verdicts.write()
    return verdicts


def told_verdicts(verdicts: Verdicts, code: int) -> int:
    """Print verdicts, and return the exit code of a command that flew runs.

    Runs that failed of the infrastructure, `code` says, come before INCONCLUSIVE and PASS: another
    try would tell more. They change nothing about FAIL and NOT APPLICABLE.
    """
    tell(verdicts.to_text())
    own = exit_code_of(verdicts.verdict)
    broken = code == EXIT_RUNS_FAILED and own != EXIT_REQUIREMENT_FAILED
    return code if broken and verdicts.verdict != "NOT APPLICABLE" else own or EXIT_OK


def not_of_the_mission(entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
    """Return the entries without those of runs that failed in the mission, which are outcomes."""
    from gmat_sweep.failure_kinds import kind_of

    return [entry for entry in entries if kind_of(entry) != "mission"]


def words_of(arguments: argparse.Namespace) -> list[str]:
    """Return the options of a command line that say what its runs are judged by."""
    words = ["--requirements", str(arguments.requirements)]
    if arguments.plan is not None:
        words += ["--plan", arguments.plan]
    if arguments.until_decided:
        words.append("--until-decided")
        for option in ("--max-runs", "--batch"):
            if (value := getattr(arguments, option[2:].replace("-", "_"))) is not None:
                words += [option, str(value)]
    return words


def _whole(number: int | None, option: str) -> int | None:
    from gmat_sweep.distributions import checked_count

    return None if number is None else checked_count(number, option, "--until-decided")
