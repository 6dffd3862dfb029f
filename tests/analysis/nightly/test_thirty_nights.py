"""Thirty nights on the engine: what is said each night, against what should have been.

The gravity file changes before night 12 and the space-weather file before night 20. From night 22
on the drag coefficient grows by 0.001 each night, which is 0.03 sigma of the semi-major axis at the
end. A person accepts night 1 and, having looked, nights 12 and 20. Each night flies five runs with
the same draws; some nights fly three with new ones, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gmat_sweep import monte_carlo
from gmat_sweep.analysis import input_hashes
from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.analysis.nightly import accept
from gmat_sweep.analysis.nightly.cohorts import (
    NIGHT_FORMAT,
    date_of,
    rotating_folder,
    rotating_seed,
)
from gmat_sweep.analysis.nightly.page import night_page
from gmat_sweep.analysis.nightly.report import NightReport, night_report
from gmat_sweep.engine.finding import find_engine
from gmat_sweep.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from gmat_sweep.backends.joblib import LocalJoblibPool

NIGHTS = 30
GRAVITY, WEATHER, CREEP = 12, 20, 22
STEP = 0.001
FROZEN, ROTATING = 5, 3
# Each flight costs seconds: the others have frozen runs alone.
WITH_NEW_DRAWS = {2, 12, 13, 20}
SMA, PERIGEE = "Sat.Earth.SMA", "Sat.Earth.RadPer"
REQUIRED = [
    {
        "name": "perigee",
        "column": "Sat.Earth.RadPer",
        "limit": "> 6500",
        "unit": "km",
        "probability": 0.8,
        "confidence": 0.8,
    }
]
MISSION = """\
Create Spacecraft Sat;
Sat.DateFormat = UTCGregorian;
Sat.Epoch = '01 Jun 2015 00:00:00.000';
Sat.DisplayStateType = Keplerian;
Sat.SMA = 6678;
Sat.ECC = 0.002;
Sat.INC = 28.5;
Sat.Cd = {cd:.3f};
Sat.DragArea = 50;
Sat.DryMass = 100;
Create ForceModel FM;
FM.PrimaryBodies = {{Earth}};
FM.GravityField.Earth.Degree = 4;
FM.GravityField.Earth.Order = 0;
FM.GravityField.Earth.PotentialFile = '{gravity}';
FM.Drag.AtmosphereModel = JacchiaRoberts;
FM.Drag.HistoricWeatherSource = 'CSSISpaceWeatherFile';
FM.Drag.PredictedWeatherSource = 'CSSISpaceWeatherFile';
FM.Drag.CSSISpaceWeatherFile = '{weather}';
Create Propagator P;
P.FM = FM;
Create ReportFile RF;
RF.Filename = 'RF.txt';
RF.Precision = 16;
RF.Add = {{Sat.UTCGregorian, Sat.Earth.SMA, Sat.Earth.RadPer}};
BeginMissionSequence;
Propagate P(Sat) {{Sat.ElapsedSecs = 900}};
"""


def space_weather(flux: float) -> str:
    """Return a file in CSSI's format, of days with this F10.7 and a quiet field."""

    def line(day: date) -> str:
        fluxes = f"{flux:5.1f} 0" + f" {flux:5.1f}" * 5
        return f"{day:%Y %m %d} 2473 17 {'20 ' * 8}160{'  15' * 8}  15 0.8 4  90 {fluxes}"

    days = [date(2015, 1, 1) + timedelta(each) for each in range(400)]
    lines = ["DATATYPE CssiSpaceWeather", "VERSION 1.2", "UPDATED 2016 Jan 01 00:00:00 UTC", ""]
    for name, part in (
        ("OBSERVED", days),
        ("DAILY_PREDICTED", [days[-1] + timedelta(each) for each in range(1, 46)]),
        ("MONTHLY_PREDICTED", [date(2016, 4 + each, 1) for each in range(6)]),
    ):
        lines += [f"NUM_{name}_POINTS {len(part)}", f"BEGIN {name}", *map(line, part)]
        lines += [f"END {name}", ""]
    return "\n".join(lines)


@dataclass
class Job:
    """A nightly job, and its inputs as they are now."""

    folder: Path
    pool: LocalJoblibPool

    def __post_init__(self) -> None:
        self.mission = self.folder / "m.script"
        self.gravity = self.folder / "gravity.cof"
        self.weather = self.folder / "weather.txt"
        shipped = find_engine().root / "data" / "gravity" / "earth" / "JGM2.cof"
        self.gravity.write_text(shipped.read_text())
        self.weather.write_text(space_weather(150.0))
        self.drag(2.2)

    def drag(self, cd: float) -> None:
        """Give the satellite a drag coefficient."""
        text = MISSION.format(cd=cd, gravity=self.gravity, weather=self.weather)
        self.mission.write_text(text)

    def night(self, number: int) -> Path:
        """Return the folder of a night."""
        time = datetime(2026, 11, 1, 3, 30, tzinfo=UTC) + timedelta(number - 1)
        return self.folder / "nights" / time.strftime(NIGHT_FORMAT)

    def fly(self, number: int) -> NightReport:
        """Fly a night and tell it."""
        night = self.night(number)
        night.mkdir(parents=True)
        input_hashes(self.mission).write(night)
        cohorts = [(FROZEN, 1, night)]
        if number in WITH_NEW_DRAWS:
            cohorts.append((ROTATING, rotating_seed(1, date_of(night)), rotating_folder(night)))
        for n, seed, out in cohorts:
            monte_carlo(
                self.mission,
                n=n,
                perturb={"Sat.SMA": ("normal", 6678.0, 0.04)},
                seed=seed,
                backend=self.pool,
                out=out,
                progress=False,
            )
        report = night_report(night, requirements=REQUIRED)
        report.write()
        return report

    def end(self, number: int, quantity: str) -> np.ndarray:
        """Return the last values of the frozen runs of a night."""
        frame = final_values(Manifest.load(self.night(number) / "manifest.jsonl"))
        return frame[("RF", quantity)].to_numpy(dtype=float)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_thirty_nights_say_what_they_should(tmp_path: Path, pool: LocalJoblibPool) -> None:
    """The nights that are news, what they name, and the silence of all the others."""
    job = Job(tmp_path, pool)
    told: dict[int, NightReport] = {}
    for number in range(1, NIGHTS + 1):
        if number == GRAVITY:
            text = job.gravity.read_text()
            job.gravity.write_text(text.replace("-4.8416539", "-4.8916539", 1))
            assert job.gravity.read_text() != text
        if number == WEATHER:
            job.weather.write_text(space_weather(200.0))
        if number >= CREEP:
            job.drag(2.2 + STEP * (number - CREEP + 1))
        told[number] = job.fly(number)
        # A night that changed is looked at the day after next, and accepted.
        if number in (1, GRAVITY + 1, WEATHER + 1):
            accept(job.night(number if number == 1 else number - 1))

    said = {number: report.headline() for number, report in told.items()}
    assert said[1] == "The first night."
    moved = [number for number, report in told.items() if report.moved]
    # By another route: the means of the files, against sigma of the accepted night.
    sigma = {name: job.end(WEATHER, name).std(ddof=1) for name in (SMA, PERIGEE)}
    away = [
        min(
            number
            for number in range(CREEP, NIGHTS + 1)
            if abs(job.end(number, name) - job.end(WEATHER, name)).mean() > 0.1 * sigma[name]
        )
        for name in (SMA, PERIGEE)
    ]
    assert moved == [GRAVITY, WEATHER, *sorted(set(away))]
    assert CREEP + 2 <= min(away) <= max(away) <= NIGHTS - 2

    for number, name in ((GRAVITY, "gravity.cof"), (WEATHER, "weather.txt")):
        assert f"1 input changed: files {name}." in said[number]
        assert said[number].startswith("Moved: 2 of 3 quantities.")
        assert "Newly away from the baseline: Sat.Earth.SMA, Sat.Earth.RadPer" in said[number]
        assert "Still 2 away from the baseline" in said[number + 1]
    quiet = [*range(2, GRAVITY), *range(GRAVITY + 1, WEATHER), WEATHER + 1]
    for number in quiet:
        assert "all quantities are equal bit for bit" in said[number]
        assert "No input changed." in said[number]
    for number in range(CREEP, NIGHTS + 1):
        assert said[number].startswith("Nothing moved among 3 quantities of 5 paired runs.")
        assert "1 input changed: script m.script." in said[number]
    for number in range(CREEP, min(away)):
        assert f"Nothing is away from the baseline {job.night(WEATHER).name}" in said[number]
    for number in range(max(away) + 1, NIGHTS + 1):
        assert "Still 2 away from the baseline" in said[number]

    # Evidence: the frozen runs once, with the first inputs; new ones on some nights, from nothing
    # where inputs changed.
    counted, runs = {}, FROZEN
    for number in told:
        if number in (GRAVITY, WEATHER) or number >= CREEP:
            runs = 0
        runs += ROTATING * (number in WITH_NEW_DRAWS)
        counted[number] = runs
    found = {number: report.accumulation for number, report in told.items()}
    assert {number: each.verdicts.prefix for number, each in found.items() if each} == counted
    for number, name in ((GRAVITY + 3, "gravity.cof"), (WEATHER + 1, "weather.txt")):
        evidence = found[number]
        assert evidence is not None
        assert [change.name for change in evidence.restarted_because] == [name]

    last = told[NIGHTS]
    assert last.reference == job.night(WEATHER).name
    assert {line.quantity for line in last.drift} == {SMA, PERIGEE}
    shifts = next(line.shifts for line in last.drift if line.quantity == SMA)
    by_hand = [
        (job.end(number, SMA) - job.end(WEATHER, SMA)).mean() / sigma[SMA]
        for number in range(WEATHER + 1, NIGHTS + 1)
    ]
    assert shifts == pytest.approx(by_hand, rel=1e-6, abs=1e-6)
    assert last.changed == tuple(job.night(number).name for number in range(CREEP, NIGHTS + 1))
    assert len(night_page(last)) < 100_000
