"""Exports of runs that the real engine flew, against what GMAT itself says of the same runs."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oem import OrbitEphemerisMessage

from flown_paths import FlownSweep
from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
from gmat_sweep.export import export_czml, export_oem
from gmat_sweep.export.curves import curve_at
from gmat_sweep.folder.run_seal import entry_of
from gmat_sweep.spec import RunSpec

MISSION = """\
Create Spacecraft Sat;
Sat.DateFormat = UTCGregorian;
Sat.Epoch = '31 Dec 2016 23:30:00.000';
Sat.CoordinateSystem = EarthFixed;
Sat.DisplayStateType = Cartesian;
Sat.X = 7000;
Sat.Y = 0;
Sat.Z = 100;
Sat.VX = 0;
Sat.VY = 6;
Sat.VZ = 4;
Create ForceModel FM;
FM.PointMasses = {Earth};
FM.Drag = None;
Create Propagator P;
P.FM = FM;
P.Type = RungeKutta89;
P.MaxStep = 120;
Create CoordinateSystem Icrf;
Icrf.Axes = ICRF;
Create ReportFile R;
R.Filename = 'sub/r.txt';
R.Precision = 16;
R.Add = {Sat.A1ModJulian, Sat.X, Sat.Y, Sat.Z, Sat.VX, Sat.VY, Sat.VZ};
Create ReportFile T;
T.Filename = 't.txt';
T.Precision = 16;
T.Add = {Sat.UTCModJulian, Sat.TDBModJulian, Sat.TTModJulian, Sat.Icrf.X, Sat.Icrf.Y, Sat.Icrf.Z};
Create EphemerisFile E;
E.Spacecraft = Sat;
E.Filename = 'e.oem';
E.CoordinateSystem = EarthMJ2000Eq;
Create EphemerisFile F;
F.Spacecraft = Sat;
F.Filename = 'f.oem';
F.CoordinateSystem = EarthFixed;
Create ImpulsiveBurn B;
B.CoordinateSystem = Local;
B.Axes = VNB;
B.Element1 = 0.2;
Create Variable q;
BeginMissionSequence;
Propagate P(Sat) {Sat.ElapsedSecs = 3600};
Maneuver B(Sat);
Propagate P(Sat) {Sat.ElapsedSecs = 3600};
If B.Element1 > 0.3
 q = sqrt(-1);
EndIf;
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of two runs: run 0 flew to its end, run 1 failed there."""
    made = FlownSweep(tmp_path_factory.mktemp("flown"), MISSION)
    with ProcessPoolExecutorPool(max_workers=1) as pool:
        specs = [
            RunSpec(made.script, overrides, made.sweep.folder / f"run-{run_id}", run_id, None, {})
            for run_id, overrides in enumerate([{}, {"B.Element1": 0.4}])
        ]
        futures = [pool.submit(spec) for spec in specs]
        outcomes = [*pool.as_completed(futures)]
    by_id = {outcome.run_id: outcome for outcome in outcomes}
    made.sweep.entries += [entry_of(spec, by_id[spec.run_id], host="here") for spec in specs]
    assert [each.status for each in made.sweep.entries] == ["ok", "failed"]
    return made.save()


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "run-0" / f"{name}.parquet")


def states_of(path: Path) -> list[list[Any]]:
    return [[*segment.states] for segment in OrbitEphemerisMessage.open(path)]


def test_the_message_is_gmats_own_with_exact_epochs(folder: Path, tmp_path: Path) -> None:
    """GMAT's own OEM of the same run has the same states, at epochs that it cuts to 1 ms.

    Its second segment begins with the state after the burn, which is in no report.
    """
    made = export_oem(folder, tmp_path)

    theirs = states_of(folder / "run-0" / "e.oem")
    ours = states_of(made.files[0])
    # Where the step changes much, a segment ends with the state that the next begins with.
    rows = [each for segment in ours for each in segment]
    again = [0.0, *((b.epoch - a.epoch).to_value("s") for a, b in itertools.pairwise(rows))]
    rows = [each for each, since in zip(rows, again, strict=True) if since or each is rows[0]]
    for mine, gmats in zip(rows, (*theirs[0], *theirs[1][1:]), strict=True):
        assert abs((mine.epoch - gmats.epoch.tai).to_value("s")) < 6e-4
        np.testing.assert_allclose(mine.position, gmats.position, rtol=0, atol=1e-9)
        np.testing.assert_allclose(mine.velocity, gmats.velocity, rtol=0, atol=1e-12)


def test_positions_are_gmats_icrf_at_gmats_utc_and_the_burn_is_gmats(
    folder: Path, tmp_path: Path
) -> None:
    """GMAT's own ICRF and UTC columns, of another report; the state after the burn of its OEM."""
    made = export_czml(folder, tmp_path / "a.czml", runs="0", tolerance_m=1e-3)

    (packet,) = json.loads(made.files[0].read_text())[1:]
    truth = table(folder, "report__T")
    icrf = truth[["Sat.Icrf.X", "Sat.Icrf.Y", "Sat.Icrf.Z"]].to_numpy() * 1e3
    utc = truth["Sat.UTCModJulian"].to_numpy().astype("datetime64[ns]").astype(int)
    # Between the end of 2016 and 2017 there is a second that these numbers do not count.
    utc = utc + 1_000_000_000 * (utc >= np.datetime64("2017-01-01", "ns").astype(int))
    off = []
    for piece in packet["position"]:
        numbers = np.array(piece["cartesianVelocity"]).reshape(-1, 7)
        anchor = np.datetime64(piece["epoch"][:-1], "ns").astype(int)
        anchor += 1_000_000_000 * (anchor >= np.datetime64("2017-01-01", "ns").astype(int))
        seconds = (utc - anchor) / 1e9
        within = (seconds >= numbers[0, 0] - 1e-6) & (seconds <= numbers[-1, 0] + 1e-6)
        curve = curve_at(seconds[within], numbers[:, 0], numbers[:, 1:4], numbers[:, 4:])
        off += np.linalg.norm(curve - icrf[within], axis=1).tolist()
    assert len(off) == len(truth) + 1
    # GMAT writes both epochs in days, each with a step of 0.3 microseconds: 2 mm of flight.
    assert max(off) < 0.006
    burn = np.array(packet["position"][1]["cartesianVelocity"])[4:7]
    after = states_of(folder / "run-0" / "e.oem")[1][0].velocity * 1e3
    # The axes differ by 47 mas.
    assert burn == pytest.approx(after, abs=3e-3)


def test_epochs_of_all_scales_are_one_instant(folder: Path) -> None:
    from gmat_sweep.export.engine_data import leap_seconds
    from gmat_sweep.export.scales import to_tai

    times = table(folder, "report__T")
    a1 = to_tai(table(folder, "report__R")["Sat.A1ModJulian"].to_numpy(), "A1", leap_seconds)

    for scale in ("UTC", "TT", "TDB"):
        tai = to_tai(times[f"Sat.{scale}ModJulian"].to_numpy(), scale, leap_seconds)

        assert np.abs((tai - a1).astype(int)).max() < 1000


def test_a_failed_run_is_there_up_to_where_it_came(folder: Path, tmp_path: Path) -> None:
    made = export_oem(folder, tmp_path, runs="1")

    (_, second) = states_of(made.files[0])
    whole = table(folder, "report__R")
    assert second[-1].epoch.tai.isot == "2017-01-01T01:30:36.000000"
    assert 20 < len(second) < len(whole)


def test_an_ephemeris_fixed_to_earth_is_itrf(folder: Path, tmp_path: Path) -> None:
    made = export_oem(folder, tmp_path, system="EarthFixed", runs="0")

    first, second = OrbitEphemerisMessage.open(made.files[0])
    theirs = states_of(folder / "run-0" / "f.oem")
    assert first.metadata["REF_FRAME"] == "ITRF"
    assert [len([*first.states]), len([*second.states])] == [len(each) for each in theirs]
