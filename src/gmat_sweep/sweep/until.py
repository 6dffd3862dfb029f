"""Grow a Monte Carlo sweep until its requirements are decided.

The campaign is judged after each batch by the plan ``anytime``, which stays right however often one
looks. Looks change no draw: the runs of a sweep that stopped early are the first runs of one that
did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.analysis.pictures.wanted import wanted
from gmat_sweep.console import say
from gmat_sweep.distributions import checked_count
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans import kind_of
from gmat_sweep.printable import one_line
from gmat_sweep.sweep.pool_checks import check_isolation
from gmat_sweep.verdicts.chosen import verification_record
from gmat_sweep.verdicts.declared import refuse_undeclared
from gmat_sweep.verdicts.planning import runs_needed

if TYPE_CHECKING:
    from gmat_sweep.sweep.running import Sweep
    from gmat_sweep.verdicts.judging import Judge
    from gmat_sweep.verdicts.requirement import Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["MOST_BY_DEFAULT", "batch_of", "grow_until_decided", "least_runs"]

MOST_BY_DEFAULT = 10_000
"""How many runs such a sweep has at most when nobody says how many."""

# Passes of fewer runs spend more on being started than on runs.
_LEAST_BATCH = 50
_BATCHES = 20


def least_runs(requirements: Requirements) -> int:
    """Return the least number of runs with which requirements can pass at any time.

    That of the strictest requirement, without a violation. A requirement on every run has none:
    random draws never show it.

    Parameters
    ----------
    requirements : Requirements
        The requirements.
    """
    return max(
        (
            runs_needed(each.level, each.confidence, plan="anytime")
            for each in requirements.requirements
            if each.level is not None
        ),
        default=1,
    )


def batch_of(requirements: Requirements, max_runs: int, first: int = 1) -> int:
    """Return how many runs are flown from one look to the next where nobody says how many.

    A twentieth of the least number of runs with which the requirements can pass, or of the first
    size of the sweep if that is larger; at least 50, and at most `max_runs`.

    Parameters
    ----------
    requirements : Requirements
        The requirements.
    max_runs : int
        How many runs the sweep may have.
    first : int
        How many runs the sweep was started with.
    """
    size = min(max(least_runs(requirements), first), max_runs)
    return min(max(_LEAST_BATCH, -(-size // _BATCHES)), max_runs)


def grow_until_decided(
    sweep: Sweep,
    judge: Judge,
    *,
    max_runs: int,
    batch: int | None = None,
    allow_failed: bool = False,
    on_look: Callable[[Verdicts], None] | None = None,
    context_provider: Callable[[int], dict[str, Any]] | None = None,
) -> Verdicts:
    """Fly a Monte Carlo sweep, and let it grow until the campaign is PASS or FAIL.

    A new sweep is run. One that was rebuilt from its manifest is looked at first, and if that does
    not decide, what is missing, damaged or failed otherwise than in the mission is flown. Then the
    sweep is extended batch by batch, and judged after each. Requirements and plan are in the
    manifest's header, or in ``verification.json``, before a run is flown that they judge.

    A run that fails in the mission is an outcome and flown once. Any other failed run says nothing:
    if the campaign is undecided, growth stops there with INCONCLUSIVE and the reason. Calling this
    again with the sweep rebuilt flies such runs again, and goes on.

    Parameters
    ----------
    sweep : Sweep
        A Monte Carlo, new or from `Sweep.from_manifest`.
    judge : Judge
        Judges by the plan ``anytime``; the same at each look, so that a look reads what is new.
    max_runs : int
        How many runs the sweep has at most.
    batch : int, optional
        How many runs are flown from one look to the next; `batch_of` by default.
    allow_failed : bool
        Grow although runs failed otherwise than in the mission. Each counts as a violation for
        PASS, and as none for FAIL.
    on_look : callable, optional
        Called with the verdicts after each look, when they are written.
    context_provider : callable, optional
        Of a new sweep: returns the hook's context of a run that an extension adds.

    Returns
    -------
    Verdicts
        The last ones. They are beside the manifest, as those of each look before were.

    Raises
    ------
    SweepConfigError
        The sweep is no Monte Carlo or has more than `max_runs` runs, `judge` is not of the plan
        ``anytime``, or the mission declares no such column; no run has been started. Or as
        `Sweep.run`, `Sweep.resume` and `Sweep.extend`.
    """
    refuse_growth(sweep, judge, max_runs)
    with wanted(judge.requirements.requirements):
        return _grown(
            sweep, judge, max_runs, batch, on_look, context_provider, allow_failed=allow_failed
        )


def _grown(
    sweep: Sweep,
    judge: Judge,
    max_runs: int,
    batch: int | None,
    on_look: Callable[[Verdicts], None] | None,
    context_provider: Callable[[int], dict[str, Any]] | None,
    *,
    allow_failed: bool,
) -> Verdicts:
    first = sweep.to_manifest().run_count if sweep.has_run else len(sweep.runs)
    step = batch_of(judge.requirements, max_runs, first)
    if batch is not None:
        step = checked_count(batch, "batch", "grow_until_decided")

    def looked(*, at_rest: bool) -> tuple[Verdicts, bool]:
        """Look; return the verdicts, and whether growth ends here."""
        found = judge.look(sweep.manifest_path)
        ends = _is_settled(found)
        if at_rest and not ends and (why := _why_no_more(found, judge, max_runs, allow_failed)):
            found = replace(found, reason="; ".join(filter(None, [found.reason, why])))
            ends = True
        found.write()
        if on_look is not None:
            on_look(found)
        return found, ends

    if sweep.has_run:
        grown = sweep.rebuilt()
        verdicts, ends = looked(at_rest=False)
        if ends:
            return verdicts
        grown.resume(leave=judge.told_failures)
    else:
        sweep.options = replace(
            sweep.options, verification=verification_record(judge.requirements, "anytime")
        )
        sweep.run()
        grown = sweep.rebuilt(context_provider)
    while True:
        verdicts, ends = looked(at_rest=True)
        if ends:
            return verdicts
        count = min(step, max_runs - verdicts.planned)
        if grown.options.progress:
            so_far = f"{verdicts.prefix} runs: {verdicts.verdict}"
            say(one_line(f"{so_far}; {count} more, up to {max_runs} in all"))
        # Every file was looked at by `resume`, or written since then.
        grown.extend(n=count, allow_failed=True, whole=range(max_runs))


def refuse_growth(sweep: Sweep, judge: Judge, max_runs: int) -> None:
    """Refuse a sweep that cannot grow until its requirements are decided.

    Parameters
    ----------
    sweep, judge, max_runs
        As for `grow_until_decided`.

    Raises
    ------
    SweepConfigError, BackendError
        As `grow_until_decided`.
    """
    check_isolation(sweep.backend, False)
    if (kind := kind_of(sweep.parameter_spec)) != "monte_carlo":
        raise SweepConfigError(
            f"A {kind.replace('_', '-')} sweep cannot grow until it is decided: its runs are no "
            "independent draws. Fly a monte_carlo."
        )
    if judge.plan != "anytime":
        raise SweepConfigError(
            f"A sweep that grows until it is decided is judged after each batch, and the plan "
            f"{judge.plan or 'fixed'} holds for one number of runs, chosen before. Write plan = "
            '"anytime".'
        )
    most = checked_count(max_runs, "max_runs", "grow_until_decided")
    if len(sweep.runs) > most:
        raise SweepConfigError(
            f"max_runs is {most}, and the sweep has {len(sweep.runs)} runs. Allow more, or judge "
            "it as it is with `gmat-sweep verify`."
        )
    refuse_undeclared(
        judge.requirements,
        sweep.script_path,
        end_state=sweep.options.end_state,
        hook=sweep.options.postprocess,
    )


def _is_settled(verdicts: Verdicts) -> bool:
    """Return whether further runs would not change the campaign's verdict.

    One of which every requirement passes may be INCONCLUSIVE for another reason, such as limits
    that were chosen after a look.
    """
    return verdicts.verdict != "INCONCLUSIVE" or all(
        each.verdict == "PASS" for each in verdicts.requirements
    )


def _why_no_more(verdicts: Verdicts, judge: Judge, max_runs: int, allow_failed: bool) -> str:
    """Return why an undecided sweep grows no more; empty if it does."""
    untold = {} if allow_failed else judge.untold
    if untold:
        count, first = len(untold), next(iter(untold))
        return (
            f"{count} run{'s' * (count != 1)} say{'s' * (count == 1)} nothing yet "
            f"({run_list(list(untold))}; run {first}: {one_line(untold[first])}), so the sweep "
            "does not grow; go on with it to fly them again"
        )
    if verdicts.planned >= max_runs:
        return f"{verdicts.planned} runs are flown, and max_runs allows no more"
    return ""
