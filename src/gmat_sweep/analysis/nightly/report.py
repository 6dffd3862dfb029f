"""`night_report`: tonight against last night and the baseline, drift over nights, evidence so far.

All of it is told from the folder of nights, so that a night can be told again later, and equally.
What moved since last night, and what is newly away from the baseline, is news. A quantity that was
away from the baseline last night already is told, and is none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.nightly.accumulating import accumulated
from gmat_sweep.analysis.nightly.baseline import accepted
from gmat_sweep.analysis.nightly.cohorts import all_nights, sweeps_of
from gmat_sweep.analysis.nightly.comparing import compare_sweeps
from gmat_sweep.analysis.nightly.complete import is_whole
from gmat_sweep.analysis.nightly.creep import drift_over
from gmat_sweep.analysis.nightly.drift_picture import MOST_NIGHTS, drift_picture
from gmat_sweep.analysis.nightly.inputs import decisive_inputs
from gmat_sweep.analysis.nightly.rules import MaterialRule, rounding
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.folder.layout import (
    BASELINE_COMPARISON_NAME,
    COMPARISON_DATA_NAME,
    COMPARISON_TEXT_NAME,
)
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.analysis.nightly.accumulation import Accumulation
    from gmat_sweep.analysis.nightly.comparison import NightComparison
    from gmat_sweep.verdicts.requirement import Requirement, Requirements
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["DriftLine", "NightReport", "night_before", "night_report"]

_PICTURES = 6
_NAMED = 3


@dataclass(frozen=True, slots=True)
class DriftLine:
    """How far a quantity was from the reference, night by night.

    Attributes
    ----------
    report, quantity : str
        GMAT's names.
    nights : tuple of str
        The nights' names, the oldest first.
    shifts : tuple of float
        Shifts of the mean; NaN where it has no value.
    limit : float
        From where on a shift matters, in the same unit.
    unit : str
        ``"sigma"``, that of the reference; of a quantity that has no spread there, its own unit.
    """

    report: str
    quantity: str
    nights: tuple[str, ...]
    shifts: tuple[float, ...]
    limit: float
    unit: str = "sigma"

    @property
    def title(self) -> str:
        """The quantity, and how far it is away in the last night."""
        return f"{self.quantity}: {self.shifts[-1]:+.3g} {self.unit}".rstrip()

    def picture(self, changed: Sequence[str] = ()) -> str:
        """Return a picture of it as a data URI."""
        return drift_picture(self.title, self.nights, self.shifts, self.limit, changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightReport:
    """What a night shows.

    Attributes
    ----------
    tonight : Path
        The night's folder.
    last_night : Path or None
        The last complete night before it; None on the first night.
    comparison : NightComparison or None
        Tonight against last night.
    baseline : Path or None
        The accepted night; None if there is none, or none that can be used.
    against_baseline : NightComparison or None
        Tonight against the baseline; None without one, and where last night is the baseline.
    newly_away : tuple of str
        What moved from the baseline tonight, and had not last night.
    drift : tuple of DriftLine
        The quantities that drifted farthest; a quantity that never shifted is not there.
    reference : str
        The night that drift is measured from: the baseline, or the oldest of the nights shown.
    changed : tuple of str
        Nights shown that had another input than the night before.
    accumulation : Accumulation or None
        Verdicts on all nights with the inputs of tonight, if there are rotating runs.
    judged : Verdicts or None
        Verdicts on the runs of tonight alone, where evidence does not add up over nights.
    problems : tuple of str
        What could not be told, such as of a baseline that is gone.
    """

    tonight: Path
    last_night: Path | None = None
    comparison: NightComparison | None = None
    baseline: Path | None = None
    against_baseline: NightComparison | None = None
    newly_away: tuple[str, ...] = ()
    drift: tuple[DriftLine, ...] = ()
    reference: str = ""
    changed: tuple[str, ...] = ()
    accumulation: Accumulation | None = None
    judged: Verdicts | None = None
    problems: tuple[str, ...] = ()

    @property
    def moved(self) -> bool:
        """Whether something moved since last night, or is newly away from the baseline."""
        since = self.comparison is not None and self.comparison.moved
        return since or bool(self.newly_away)

    @property
    def verdicts(self) -> Verdicts | None:
        """The verdicts that count: those over nights, or else those of tonight."""
        return self.judged if self.accumulation is None else self.accumulation.verdicts

    def headline(self) -> str:
        """Return the night in a few sentences, as plain text."""
        said = "The first night." if self.comparison is None else self.comparison.headline()
        parts = [said, self._from_the_baseline(), *self.problems]
        return one_line(" ".join(filter(None, parts)))

    def write(self) -> None:
        """Write the comparisons, and the evidence over nights, in tonight's folder.

        Raises
        ------
        DurabilityError, NotPlainFileError
            They could not be written.
        """
        texts = {}
        if self.comparison is not None:
            texts[COMPARISON_TEXT_NAME] = self.comparison.to_markdown()
            texts[COMPARISON_DATA_NAME] = json.dumps(self.comparison.to_dict(), indent=1)
        if self.against_baseline is not None:
            record = self.against_baseline.to_dict()
            texts[BASELINE_COMPARISON_NAME] = json.dumps(record, indent=1)
        for name, text in texts.items():
            write_file(self.tonight / name, text.encode(), within=self.tonight.parent)
        if self.accumulation is not None:
            self.accumulation.write(self.tonight)

    def _from_the_baseline(self) -> str:
        against = self.against_baseline
        if against is None or self.baseline is None:
            return ""
        away = _moved_names(against)
        if not away:
            return f"Nothing is away from the baseline {self.baseline.name}."
        counted = f"{len(away)} away from the baseline {self.baseline.name}"
        if not self.newly_away:
            return f"Still {counted}: {_listed(away)}."
        return f"Newly away from the baseline: {_listed(self.newly_away)} ({counted})."


def night_report(
    tonight: str | Path,
    *,
    requirements: (
        Requirements | str | Path | Sequence[Requirement | Mapping[str, Any]] | None
    ) = None,
    judged: Verdicts | None = None,
    rule: MaterialRule | None = None,
) -> NightReport:
    """Tell a night: against last night and the baseline, drift, and evidence for requirements.

    Parameters
    ----------
    tonight : str or Path
        The night's folder, in its folder of nights. Its sweeps have ended.
    requirements : Requirements, str, Path, or sequence, optional
        What the mission must do, as for `judge`.
    judged : Verdicts, optional
        What the runs of tonight alone were judged to show. Without it, evidence adds up over
        nights, as `accumulated` does.
    rule : MaterialRule, optional
        When a quantity counts as moved. Between fresh draws its `false_alarms` are those of the
        night: of two comparisons, with last night and with a baseline, each has half of them.

    Raises
    ------
    SweepConfigError
        The rule or a requirement is none, or an ``inputs.json`` is damaged.
    FileNotFoundError, ManifestCorruptError
        Tonight's manifest cannot be read.
    """
    tonight = Path(tonight)
    rule = MaterialRule() if rule is None else rule
    last_night = night_before(tonight)
    problems: list[str] = []
    baseline: Path | None = None
    try:
        baseline = accepted(tonight.parent)
    except SweepConfigError as error:
        problems.append(f"Not compared with a baseline: {error}")
    if baseline is not None and baseline.name >= tonight.name:
        baseline = None
    comparison: NightComparison | None = None
    against: NightComparison | None = None
    newly: tuple[str, ...] = ()
    if last_night is not None:
        told: dict[str, Any] = {"rule": rule, "requirements": requirements}
        is_other = baseline is not None and baseline.name != last_night.name
        if is_other:
            # Either comparison may raise a false alarm, and the night is to raise one in 100.
            told["rule"] = replace(rule, false_alarms=rule.false_alarms / 2)
        comparison = compare_sweeps(tonight, last_night, **told)
        if baseline is not None and is_other:
            told["against"] = "the baseline"
            against = compare_sweeps(tonight, baseline, **told)
            newly = _newly_away(against, last_night, baseline, told)
    shown = _nights_shown(tonight, baseline)
    drift = _drift(shown, shown[0] if baseline is None else baseline, rule)
    accumulation = None
    if requirements is not None and judged is None:
        accumulation = accumulated(tonight.parent, requirements, until=tonight)
    return NightReport(
        tonight=tonight,
        last_night=last_night,
        comparison=comparison,
        baseline=baseline,
        against_baseline=against,
        newly_away=newly,
        drift=drift,
        reference=(shown[0] if baseline is None else baseline).name,
        changed=_changed(shown) if drift else (),
        accumulation=accumulation,
        judged=judged,
        problems=tuple(problems),
    )


def night_before(tonight: Path) -> Path | None:
    """Return the latest earlier night whose every run is recorded; None if there is none."""
    earlier = [night for night in all_nights(tonight.parent) if night.name < tonight.name]
    return next((night for night in reversed(earlier) if is_whole(night)), None)


def _moved_names(comparison: NightComparison) -> tuple[str, ...]:
    """Return what moved, each by a name that is the same from night to night."""
    reports = {each.report for each in comparison.quantities}
    names = [
        each.quantity if len(reports) == 1 else f"{each.report}: {each.quantity}"
        for each in comparison.moved_quantities
    ]
    names += ["failures"] if comparison.failures.moved else []
    return (*names, *(f"requirement {each.name}" for each in comparison.requirements if each.moved))


def _newly_away(
    against: NightComparison, last_night: Path, baseline: Path, told: Mapping[str, Any]
) -> tuple[str, ...]:
    away = _moved_names(against)
    if not away or last_night.name <= baseline.name:
        return away
    before = _moved_names(compare_sweeps(last_night, baseline, **told))
    return tuple(name for name in away if name not in before)


def _nights_shown(tonight: Path, baseline: Path | None) -> list[Path]:
    """Return the whole nights after the baseline, or the latest, with tonight; oldest first."""
    nights = [
        night
        for night in all_nights(tonight.parent)
        if night.name <= tonight.name and (baseline is None or night.name > baseline.name)
    ]
    return [night for night in nights[-MOST_NIGHTS:] if night == tonight or is_whole(night)]


def _drift(nights: Sequence[Path], reference: Path, rule: MaterialRule) -> tuple[DriftLine, ...]:
    """Return the quantities that shifted farthest, measured by what matters of each."""
    if len(nights) + (reference not in nights) < 2:
        return ()
    found = []
    try:
        table = drift_over(nights, reference)
    except (GmatSweepError, OSError):
        # An old night that is damaged costs the pictures, and no comparison.
        return ()
    for (report, quantity), rows in table.groupby(["report", "quantity"], sort=False):
        sigma, unit = float(rows["sigma"].iloc[-1]), str(rows["unit"].iloc[-1])
        least = rounding(unit, 0.0)
        has_spread = math.isfinite(sigma) and sigma > least
        size = rule.size_of(str(quantity), unit, sigma) if math.isfinite(sigma) else 0.0
        # In a sigma that is rounding every shift is of billions.
        limit = size / sigma if has_spread else max(size, least)
        column = "shift_sigma" if has_spread else "shift"
        shifts = tuple(float(value) for value in rows[column])
        far = max((abs(value) for value in shifts if math.isfinite(value)), default=0.0)
        # Of less than a hundredth of what matters, a picture shows a straight line.
        if far > 0.01 * limit:
            line = DriftLine(
                str(report),
                str(quantity),
                tuple(rows["night"]),
                shifts,
                limit,
                "sigma" if has_spread else unit,
            )
            found.append((far / limit if limit > 0 else math.inf, line))
    found.sort(key=lambda pair: -pair[0])
    return tuple(line for _, line in found[:_PICTURES])


def _changed(nights: Sequence[Path]) -> tuple[str, ...]:
    """Return the nights whose inputs, as far as the mission uses them, the night before had not."""
    found, before = [], None
    for night in nights:
        try:
            sweep = RecordedSweep.of(sweeps_of(night)[0])
            inputs = decisive_inputs(sweep.manifest, sweep.folder, night)
        except (GmatSweepError, OSError):
            continue
        if before is not None and inputs != before:
            found.append(night.name)
        before = inputs
    return tuple(found)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
