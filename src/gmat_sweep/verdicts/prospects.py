"""What a sweep can show of its requirements, before its first run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.verdicts.planning import runs_needed

if TYPE_CHECKING:
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements

__all__ = ["judged_lines", "outlook"]


def outlook(
    required: Requirement,
    *,
    plan: PlanName,
    most: int | None,
    design: str = "monte-carlo",
    independent: bool = False,
) -> str:
    """Return why a sweep cannot show a requirement, however its runs end; empty if it can.

    Parameters
    ----------
    required : Requirement
        The requirement.
    plan : {"fixed", "anytime"}
        The rule by which it is judged.
    most : int or None
        How many runs the sweep has at most; None if nobody knows.
    design : str
        The design, as a study writes it.
    independent : bool
        Whether the rows of an explicit design are claimed to be independent draws.
    """
    is_random = design == "monte-carlo"
    if required.level is None:
        never = "random draws never show that every run meets it; they can show that one does not"
        return never if is_random else ""
    if not is_random and design != "explicit":
        return (
            f"a design {design!r} cannot show it, as its runs are no independent draws; fly "
            "monte-carlo"
        )
    if not is_random and not independent:
        return 'rows show it only if they are independent draws; say so with sample = "independent"'
    least = runs_needed(required.level, required.confidence, plan=plan)
    if most is not None and most < least:
        return f"{most} runs cannot show this; at least {least} are needed"
    return ""


def judged_lines(
    requirements: Requirements,
    *,
    plan: PlanName,
    runs: int | None,
    max_runs: int | None = None,
    design: str = "monte-carlo",
    independent: bool = False,
) -> tuple[str, ...]:
    """Return lines for a person on what a sweep is judged by, and whether it can show that.

    Parameters
    ----------
    requirements : Requirements
        The requirements.
    plan, design, independent
        As for `outlook`.
    runs : int or None
        How many runs the sweep is started with.
    max_runs : int or None
        How many it has at most if it grows until it is decided; None if it does not.
    """
    upto = "" if max_runs is None else f", {max_runs} runs at most"
    lines = [f"judged:  plan {plan}{upto}"]
    for each in requirements.requirements:
        sure = f"{100 * each.confidence:.10g} % confidence"
        doubt = outlook(
            each, plan=plan, most=max_runs or runs, design=design, independent=independent
        )
        lines.append(f"  {each.name}: {each.statement}, with {sure}")
        lines += [f"    {doubt}"] * bool(doubt)
    return tuple(lines)
