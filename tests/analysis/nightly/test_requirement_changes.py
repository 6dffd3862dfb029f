"""How the outcomes of requirements differ between two nights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import fisher_exact

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis import NightComparison, compare_sweeps
from gmat_sweep.verdicts.judging import judge
from gmat_sweep.verdicts.requirement import Requirement
from sweep_on_disk import SweepOnDisk, report

APOGEE = Requirement("apogee", column="Sat.SMA", limit="< 7010", unit="km", probability=0.5)
LOW = Requirement("low", column="x", limit="> 0", probability=0.5, failed="given-ok")
BOTH = Requirement("both", all_of=("apogee", "low"), probability=0.5)

type Nights = tuple[SweepOnDisk, SweepOnDisk]


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    """Two Monte Carlo sweeps without runs, tonight's first."""
    return tuple(  # type: ignore[return-value]
        SweepOnDisk(tmp_path / name, design="monte_carlo") for name in ("tonight", "last")
    )


def fly(night: SweepOnDisk, radii: list[float | None], sma: float = 0.0, **columns: Any) -> None:
    """Add runs that end at a radius, or fail in the mission."""
    for run_id, radius in enumerate(radii):
        overrides = {"Sat.ECC": sma + run_id}
        if radius is None:
            night.failed(run_id, overrides=overrides, failure_kind="mission")
        else:
            night.ok(run_id, {"report__R": report(radius, 1, **columns)}, overrides=overrides)


def compared(nights: Nights, *requirements: Requirement) -> NightComparison:
    for night in nights:
        night.save()
    return compare_sweeps(nights[0].folder, nights[1].folder, requirements=requirements)


def test_runs_that_violate_a_requirement_now_or_no_more_are_told(nights: Nights) -> None:
    fly(nights[0], [7000.0, 7010.1, 7009.9, 7011.0, None, None])
    fly(nights[1], [7000.0, 7009.9, 7010.1, 7011.0, 7000.0, None])

    found = compared(nights, APOGEE)

    (change,) = found.requirements
    assert (change.newly_violating, change.newly_holding) == ((1, 4), (2,))
    assert (change.violations_tonight, change.violations_last, change.runs_last) == (4, 3, 6)
    # The same counts come from the verdicts of each night.
    told = [judge(night.folder, [APOGEE])["apogee"].violations for night in nights]
    assert told == [4, 3]
    assert found.moved
    assert found.headline().startswith("Moved: 1 run newly failing, requirement apogee.")
    assert (
        "- **apogee**: 4 of 6 violate tonight, 3 of 6 last night; violated anew by run 1, 4; no "
        "longer by run 2\n"
    ) in found.to_markdown()


def test_a_run_that_crossed_its_limit_is_news_however_little_it_shifted(nights: Nights) -> None:
    values = [float(each) for each in range(6960, 7060, 5)]
    fly(nights[0], [each + 0.002 for each in values])
    fly(nights[1], [each - (0.001 if each == 7010 else 0.0) for each in values])

    found = compared(nights, APOGEE)

    assert found.moved_quantities == ()
    assert found.requirements[0].newly_violating == (values.index(7010),)
    assert found.moved


def test_what_says_nothing_in_a_night_is_no_change(nights: Nights) -> None:
    fly(nights[0], [7000.0, None, 7000.0], x=1.0)
    fly(nights[1], [7000.0, 7000.0, 7000.0], x=1.0)
    nights[0].failed(3, overrides={"Sat.ECC": 3.0}, failure_kind="timeout")
    nights[1].ok(3, {"report__R": report(7000.0, 1, x=1.0)}, overrides={"Sat.ECC": 3.0})

    changes = {each.name: each for each in compared(nights, APOGEE, LOW, BOTH).requirements}

    assert changes["apogee"].newly_violating == (1,)
    assert not changes["low"].moved, "left out of it as the requirement says"
    assert changes["both"].newly_violating == (1,)
    assert (changes["apogee"].runs_tonight, changes["low"].runs_tonight) == (3, 2)


def test_a_requirement_whose_column_one_night_lacks_keeps_no_other_from_being_compared(
    nights: Nights,
) -> None:
    fly(nights[0], [7020.0], x=1.0)
    fly(nights[1], [7000.0])

    found = compared(nights, APOGEE, LOW, BOTH)

    apogee, low, both = found.requirements
    assert apogee.newly_violating == (0,)
    assert low.why_not == both.why_not
    assert low.why_not.startswith("the other night: ")
    assert "- low: not compared: the other night: " in found.to_markdown()
    assert not low.moved


def test_what_is_no_requirement_is_refused(nights: Nights) -> None:
    fly(nights[0], [7020.0])
    fly(nights[1], [7000.0])
    for night in nights:
        night.save()

    with pytest.raises(SweepConfigError, match="limit"):
        compare_sweeps(
            nights[0].folder, nights[1].folder, requirements=[{"name": "r", "column": "Sat.SMA"}]
        )


@pytest.mark.parametrize(("violating", "moved"), [(4, False), (16, True)])
def test_between_draws_the_shares_are_tested(nights: Nights, violating: int, moved: bool) -> None:
    fly(nights[0], [7000.0 + 20 * (run < violating) for run in range(20)], sma=0.5)
    fly(nights[1], [7000.0] * 20)

    found = compared(nights, APOGEE)

    (change,) = found.requirements
    expected = fisher_exact([[violating, 20 - violating], [0, 20]]).pvalue
    assert change.newly_violating == ()
    assert change.pvalue == pytest.approx(expected)
    assert change.adjusted_pvalue is not None
    assert change.adjusted_pvalue > expected
    assert change.moved == found.moved == moved
