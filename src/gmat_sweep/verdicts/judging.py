"""Judge a sweep by its requirements: `judge` once, `Judge` after every batch of a sweep that grows.

A verdict depends on the runs without a gap from run 0 on, and on nothing else: not on the order in
which they ended, on resumes, or on how often somebody looked. `Judge` keeps what it has read, so a
look costs what is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.outcomes import run_list
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource, manifest_file
from gmat_sweep.errors import RequirementError
from gmat_sweep.failure_kinds import kind_of as failure_kind_of
from gmat_sweep.plans.header import kind_of
from gmat_sweep.plans.size import check_size
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.verdicts.campaign import campaign_verdict, holm
from gmat_sweep.verdicts.chosen import CHOSEN_AFTER, Choice, keep_choice
from gmat_sweep.verdicts.claims import Claim, judged
from gmat_sweep.verdicts.following import FollowedManifest
from gmat_sweep.verdicts.metrics import metrics_of
from gmat_sweep.verdicts.numbers import KeptNumbers
from gmat_sweep.verdicts.outcomes import (
    Outcomes,
    Prefix,
    design_verdict,
    drift,
    drift_refusal,
    joint_outcomes,
    outcomes,
    prefix_of,
)
from gmat_sweep.verdicts.reading import load_requirements
from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements, Verdict
from gmat_sweep.verdicts.results import Verdicts
from gmat_sweep.verdicts.violated import where_violated

if TYPE_CHECKING:
    from collections.abc import Collection

    from gmat_sweep.manifest import ManifestEntry

__all__ = ["Judge", "campaign_of", "in_order", "judge", "run_names"]

_OVERRIDES_KEPT = 20
# Up to so many requirements, the chance of a wrong PASS among them needs no words.
_FEW = 5


def judge(
    source: SweepSource,
    requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
    plan: PlanName | None = None,
    *,
    allow_drift: bool = False,
) -> Verdicts:
    """Judge whether a sweep shows that its mission meets requirements.

    ``verdicts.json`` and ``verdicts.md`` are written beside the manifest. The first judgement of a
    sweep that was not started with requirements also writes ``verification.json`` there: what was
    chosen before the data were seen.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    requirements : Requirements, str, Path, or sequence
        The requirements, their file, or a list of `Requirement`.
    plan : {"fixed", "anytime"}, optional
        ``fixed``: the runs that the sweep was started with, and no other. ``anytime``: all runs,
        however often one looks and extends. By default what the file says, or else what was chosen
        before, or else ``fixed``.
    allow_drift : bool
        Judge runs together that were flown with different scripts, engines, hooks or data files.

    Returns
    -------
    Verdicts
        One verdict per requirement, and that of the campaign.

    Raises
    ------
    SweepConfigError
        A requirement is no requirement, names a column that no run has, or has another unit.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    DurabilityError
        The verdicts could not be written.

    Notes
    -----
    The plan ``fixed`` is the exact binomial test: C. J. Clopper and E. S. Pearson, "The use of
    confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26 (1934).
    The plan ``anytime`` is a test martingale: J. Ville, "Étude critique de la notion de collectif"
    (1939). Both are in the page on verdicts.

    Examples
    --------
    >>> verdicts = judge("dispersion", "requirements.toml")  # doctest: +SKIP
    >>> verdicts.verdict, verdicts["apogee"].violation_upper  # doctest: +SKIP
    ('PASS', 0.0029976)
    """
    verdicts = Judge(requirements, plan, allow_drift=allow_drift).look(source, where=True)
    verdicts.write()
    return verdicts


class Judge:
    """Judges a sweep again and again while it grows; a look reads only the runs that are new.

    Parameters
    ----------
    requirements, plan, allow_drift
        As for `judge`.

    Raises
    ------
    SweepConfigError
        As `judge`.

    Examples
    --------
    >>> judge = Judge("requirements.toml", "anytime")  # doctest: +SKIP
    >>> while judge.look(sweep).verdict == "INCONCLUSIVE":  # doctest: +SKIP
    ...     sweep.extend(50)
    """

    def __init__(
        self,
        requirements: Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]],
        plan: PlanName | None = None,
        *,
        allow_drift: bool = False,
    ) -> None:
        self.requirements = load_requirements(requirements)
        self._asked = plan
        self._allow_drift = allow_drift
        self._measured = tuple(each for each in self.requirements.requirements if not each.all_of)
        self._followed: FollowedManifest | None = None
        self._forget()

    def _forget(self) -> None:
        self._numbers = KeptNumbers(self._measured)
        self._notes: dict[str, tuple[str, ...]] = {}
        self._witnesses: dict[str, ManifestEntry] = {}

    @property
    def plan(self) -> PlanName | None:
        """The plan that was asked for; None: what a sweep was started with, or else ``fixed``."""
        return self._asked or self.requirements.plan

    @property
    def untold(self) -> dict[int, str]:
        """By run why it said nothing at the last look, where a resume would tell more.

        Runs that failed otherwise than in the mission, a timeout only where it is no violation, and
        those whose files could not be read.
        """
        if self._followed is None:
            return {}
        told: set[str | None] = {"mission"}
        if all(each.timeout == "violates" for each in self._measured):
            told.add("timeout")
        failed = {
            run_id: f"it failed: {kind or 'nobody knows of what'}"
            for run_id, entry in self._followed.entries.items()
            if run_id != NOMINAL_RUN_ID
            and entry.status == "failed"
            and (kind := failure_kind_of(entry)) not in told
        }
        return dict(sorted((failed | self._numbers.unreadable).items()))

    @property
    def told_failures(self) -> frozenset[int]:
        """The runs that failed, as far as they are outcomes: those that are not in `untold`."""
        entries = {} if self._followed is None else self._followed.entries
        failed = (run_id for run_id, entry in entries.items() if entry.status == "failed")
        return frozenset(failed).difference(self.untold, (NOMINAL_RUN_ID,))

    def look(self, source: SweepSource, *, where: bool = False) -> Verdicts:
        """Judge the runs that are recorded now.

        Parameters
        ----------
        source : str, Path, Manifest or Sweep
            As for `judge`: the same sweep at each look, for what was read to be of use.
        where : bool
            Say in the notes of a requirement where its violations lie among the varied fields, if
            that is beyond chance. All runs are gone through for it.

        Raises
        ------
        SweepConfigError, FileNotFoundError, ManifestCorruptError
            As `judge`.
        """
        recorded, changed = self._recorded(source)
        check_size(recorded.manifest)
        first = Choice.of(recorded.manifest, recorded.path.parent)
        plan, notes, chosen_late = self._plan(first)
        followed = self._followed
        assert followed is not None
        prefix = prefix_of(recorded, followed.earlier)
        self._measure(recorded, prefix, changed)
        header = recorded.manifest
        sample = prefix.first(header.run_count) if plan == "fixed" else prefix
        drifted = drift(recorded)
        refusal = drift_refusal(drifted)
        if refusal is not None and self._allow_drift:
            notes.append(f"judged all the same: {refusal.partition(': ')[2].partition('. Fly')[0]}")
            refusal = None
        notes += sample.notes
        unreadable = self._numbers.unreadable
        if told := [int(run_id) for run_id in sample.run_ids if run_id in unreadable]:
            notes.append(
                f"the files of {len(told)} runs cannot be read ({run_list(told)}), so they say "
                f"nothing; resume the sweep. Run {told[0]}: {unreadable[told[0]]}"
            )
        if len(prefix) > len(sample):
            notes.append(
                f"{len(prefix) - len(sample)} runs were added later: the plan fixed judges the "
                f"{len(sample)} that the sweep was started with. --plan anytime judges all"
            )
        claims = self._claims(recorded, sample, plan, refusal, chosen_late, where=where)
        verdict, reason, further = campaign_of(claims, late=bool(chosen_late[1]))
        notes += further
        if first is None:
            notes += self._keep_choice(recorded.path.parent, plan, followed.lines)
        return Verdicts(
            verdict=verdict,
            requirements=tuple(claim.verdict for claim in claims),
            plan=plan,
            manifest=recorded.path,
            manifest_lines=followed.lines,
            design=kind_of(header.parameter_spec),
            seed=header.sweep_seed,
            planned=prefix.planned,
            prefix=len(prefix),
            beyond_prefix=prefix.beyond,
            script_sha256=header.script_sha256,
            reason=reason,
            notes=tuple(notes),
            chosen_after=bool(chosen_late[1]),
            overrides={
                run_id: followed.entries[run_id].overrides
                for claim in claims
                for run_id in (
                    *claim.verdict.violating_runs[:_OVERRIDES_KEPT],
                    *(worst for worst, _ in claim.verdict.worst_runs),
                )
            },
        )

    def _recorded(self, source: SweepSource) -> tuple[RecordedSweep, Collection[int]]:
        """Return the sweep as its file is now, and the runs whose entries are new."""
        folder = None
        if isinstance(source, str | Path):
            path = manifest_file(source)
        else:
            named = RecordedSweep.of(source)
            path, folder = named.path, named.folder
        if self._followed is None or self._followed.path != path:
            self._followed = FollowedManifest(path)
            self._forget()
        changed = self._followed.update()
        if changed is None:
            self._forget()
        entries = self._followed.entries
        header = self._followed.header
        header.entries = list(entries.values())
        return (
            RecordedSweep(
                manifest=header,
                path=path,
                folder=folder or header.output_dir or path.parent,
                entries=tuple(
                    entries[run_id] for run_id in sorted(entries) if run_id != NOMINAL_RUN_ID
                ),
            ),
            changed or (),
        )

    def _plan(
        self, first: Choice | None
    ) -> tuple[PlanName, list[str], tuple[frozenset[str], tuple[str, ...]]]:
        """Return the plan, notes on it, and what of it was chosen after the data were seen."""
        plan = self._asked or self.requirements.plan or (first.plan if first else "fixed")
        if first is None:
            return plan, [], (frozenset(), ())
        late = Choice.made(self.requirements, plan).differences(first)
        return plan, [f"{CHOSEN_AFTER}: {'; '.join(late[1])}"] if late[1] else [], late

    def _keep_choice(self, folder: Path, plan: PlanName, lines: int) -> list[str]:
        """Record the choice of the first judgement; return what is to be said if that fails."""
        try:
            keep_choice(folder, self.requirements, plan, lines)
        except OSError as error:
            why = error.strerror or error
            return [f"what was chosen could not be recorded beside the manifest: {why}"]
        return []

    def _measure(self, recorded: RecordedSweep, prefix: Prefix, changed: Collection[int]) -> None:
        """Read the numbers of the runs that are new in the prefix."""
        assert self._followed is not None
        entries = self._followed.entries
        wanted = self._numbers.unknown(prefix.run_ids, changed)
        if not wanted:
            return
        # One run of each column's: a batch in which no run has the column is no mistake then.
        witnesses = list({entry.run_id: entry for entry in self._witnesses.values()}.values())
        anchors = tuple(
            dict.fromkeys(place.absolute() for place in (recorded.folder, recorded.path.parent))
        )
        judged_entries = [*witnesses, *(entries[run_id] for run_id in wanted)]
        try:
            found = metrics_of(self._measured, judged_entries, anchors)
        except RequirementError as error:
            place = self.requirements.place(error.name, error.key)
            raise RequirementError(error.name, error.key, error.said, place) from None
        new = {name: values[len(witnesses) :] for name, values in found.numbers.items()}
        self._numbers.keep(wanted, new, found.unreadable)
        for name, values in new.items():
            if name not in self._witnesses:
                places = (values == values).nonzero()[0]
                if len(places):
                    self._witnesses[name] = entries[wanted[int(places[0])]]
        self._notes |= {name: tuple(said) for name, said in found.notes.items() if said}
        self._followed.shrink(wanted)

    def _claims(
        self,
        recorded: RecordedSweep,
        sample: Prefix,
        plan: PlanName,
        refusal: str | None,
        chosen_late: tuple[frozenset[str], tuple[str, ...]],
        *,
        where: bool,
    ) -> list[Claim]:
        """Judge each requirement."""
        asked = self.requirements
        count = recorded.manifest.run_count if plan == "fixed" else sample.planned
        to_come = max(0, count - len(sample))
        kind = kind_of(recorded.manifest.parameter_spec)
        is_claimed = kind == "explicit" and asked.sample == "independent"
        found: dict[str, Outcomes] = {}
        claims = []
        for each in in_order(asked):
            if each.all_of:
                found[each.name] = joint_outcomes(each, found)
            else:
                found[each.name] = outcomes(
                    each,
                    sample,
                    self._numbers.of(each.name).first(len(sample)).values,
                    self._numbers.unreadable.keys(),
                )
        for each in asked.requirements:
            notes = [*found[each.name].notes, *self._notes.get(each.name, ())]
            if is_claimed and each.level is not None:
                notes.append(
                    "the rows are taken for independent draws in this order, as the requirements "
                    'say: sample = "independent"'
                )
            if each.name in chosen_late[0]:
                notes.append(CHOSEN_AFTER)
            if where:
                notes += where_violated(sample.entries, found[each.name].codes)
            outcome = found[each.name]
            cannot = design_verdict(recorded, each, asked.sample) or refusal
            if cannot is not None:
                outcome = replace(outcome, refused=cannot)
            claims.append(
                judged(
                    each,
                    outcome,
                    None
                    if each.all_of or each.reduce in ("ok", "converged")
                    else self._numbers.of(each.name).first(len(sample)),
                    plan,
                    to_come=to_come,
                    random=kind == "monte_carlo" or is_claimed,
                    notes=tuple(notes),
                )
            )
        return claims


def in_order(asked: Requirements) -> list[Requirement]:
    """Return the requirements so that those of an `all_of` come before it."""
    done: dict[str, Requirement] = {}

    def add(each: Requirement) -> None:
        for name in each.all_of:
            if name not in done:
                add(asked[name])
        done.setdefault(each.name, each)

    for each in asked.requirements:
        add(each)
    return list(done.values())


def campaign_of(claims: Sequence[Claim], *, late: bool) -> tuple[Verdict, str, list[str]]:
    """Return the campaign's verdict, why it is not what its requirements are, and notes on it.

    Parameters
    ----------
    claims : sequence of Claim
        The requirements, judged.
    late : bool
        Whether one of them was chosen after the data were seen.
    """
    verdicts = [claim.verdict for claim in claims]
    against = [claim.against for claim in claims]
    alphas = [each.requirement.alpha for each in verdicts]
    verdict = campaign_verdict([each.verdict for each in verdicts], against, alphas)
    reason, notes = "", []
    failing = [each.name for each in verdicts if each.verdict == "FAIL"]
    if verdict == "PASS":
        given = [each.name for each in verdicts if each.requirement.failed == "given-ok"]
        if given and not any(each.requirement.reduce == "ok" for each in verdicts):
            verdict = "INCONCLUSIVE"
            reason = (
                f"{run_names(given)} only judges runs that are ok; add a requirement with "
                'reduce = "ok"'
            )
        elif late:
            verdict, reason = "INCONCLUSIVE", CHOSEN_AFTER
    elif verdict != "FAIL" and failing:
        reason = (
            f"{run_names(failing)} fails by itself, but of {len(verdicts)} requirements that are "
            f"met one fails as clearly by chance: a campaign fails at alpha / {len(verdicts)}"
        )
    elif verdict == "FAIL" and len(verdicts) > 1:
        told = [verdicts[place].name for place in holm(against, min(alphas))]
        if told:
            notes.append(f"shown to fail together (Holm): {run_names(told)}")
    if len(verdicts) > _FEW:
        notes.append(
            f"up to {sum(alphas):.3g} wrong PASSes are to be expected among the "
            f"{len(verdicts)} requirements"
        )
    return verdict, reason, notes


def run_names(names: Sequence[str]) -> str:
    """Return names as text."""
    return ", ".join(names)
