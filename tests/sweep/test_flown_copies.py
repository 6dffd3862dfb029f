"""What is flown in place of the user's script has the user's numbers, and every output its place.

What is right comes from `PlainGmat`: GMAT's bare API flies the mission as a user would have written
it without what hinders it. The bytes of the report must be the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, sweep
from plain_gmat import PlainGmat
from told import told

HEAD = """\
Create Spacecraft Sat Two;
Sat.SMA = 7000;
Two.SMA = 7100;
Create ForceModel FM;
FM.PointMasses = {Earth};
Create Propagator P;
P.FM = FM;
"""
REPORT = """\
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.UTCGregorian, Sat.Earth.SMA, Two.X};
"""
PLOT = "Create GroundTrackPlot Track;\nTrack.Add = {Sat};\nTrack.CentralBody = Earth;\n"
BEGIN = "BeginMissionSequence;\n"
FLIGHT = "Propagate P(Sat, Two) {Sat.ElapsedSecs = 600};\n"
COMMAND = "Report R Sat.UTCGregorian Sat.Earth.SMA Two.X;\n"
EPHEMERIS = "Create EphemerisFile E;\nE.Spacecraft = Sat;\nE.Filename = 'e.oem';\n"
SOLVERS = """\
Create ImpulsiveBurn B;
Create DifferentialCorrector D1 D2;
D1.ReportFile = 'one.data';
D2.ReportFile = 'one.data';
"""
TARGETS = "".join(
    f"Target {name};\n Vary {name}(B.Element1 = 0.01, {{MaxStep = 0.05}});\n Maneuver B(Sat);\n"
    f" Achieve {name}(Sat.Earth.SMA = {goal}, {{Tolerance = 0.001}});\nEndTarget;\n"
    for name, goal in (("D1", 7050), ("D2", 7080))
)

# By name: the mission, and what plain GMAT flies to the same numbers.
MISSIONS: dict[str, tuple[str, str]] = {
    "a plot before a report": (
        HEAD + PLOT + REPORT + BEGIN + FLIGHT,
        HEAD + REPORT + BEGIN + FLIGHT,
    ),
    "a plot before a report that a command fills, too": (
        HEAD + PLOT + REPORT + BEGIN + FLIGHT + COMMAND,
        HEAD + REPORT + BEGIN + FLIGHT + COMMAND,
    ),
    "a plot that the sequence uses": (
        HEAD + PLOT + REPORT + BEGIN + "Toggle Track Off;\nToggle R Track On;\n" + FLIGHT,
        HEAD + REPORT + BEGIN + "Toggle R On;\n" + FLIGHT,
    ),
    "a plot between a report and an ephemeris": (
        HEAD + REPORT + PLOT + EPHEMERIS + BEGIN + FLIGHT,
        HEAD + REPORT + EPHEMERIS + BEGIN + FLIGHT,
    ),
    "a command for the message window": (
        HEAD + REPORT + BEGIN + "CommandEcho On;\n" + FLIGHT + "CommandEcho Off;\n",
        HEAD + REPORT + BEGIN + FLIGHT,
    ),
    "a formation": (
        HEAD
        + "Create Formation F;\nF.Add = {Sat, Two};\n"
        + REPORT
        + BEGIN
        + FLIGHT.replace("Sat, Two", "F"),
        HEAD + REPORT + BEGIN + FLIGHT,
    ),
    "two solvers on one log": (
        HEAD + SOLVERS + REPORT + BEGIN + TARGETS + FLIGHT,
        HEAD + SOLVERS.replace("D2.ReportFile = 'one", "D2.ReportFile = 'two") + REPORT + BEGIN
        + TARGETS + FLIGHT,
    ),
}  # fmt: skip


def flown(
    text: str, folder: Path, pool: LocalJoblibPool, **arguments: Any
) -> tuple[pd.DataFrame, Path]:
    script = folder / "mission.script"
    script.write_text(text)
    frame = sweep(
        script,
        grid={"Sat.DryMass": [800, 850]},
        backend=pool,
        out=folder / "out",
        progress=False,
        **arguments,
    )
    return frame, folder / "out" / "run-1"


def plain(text: str, folder: Path) -> dict[str, bytes]:
    with PlainGmat(folder) as gmat:
        ran = gmat.run(text, {"Sat.DryMass": 850})
    assert ran.ran, ran.log
    return dict(ran.files)


@pytest.mark.parametrize("name", MISSIONS)
def test_the_report_has_the_bytes_that_plain_gmat_writes(
    name: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    text, as_plain = MISSIONS[name]
    right = plain(as_plain, tmp_path / "plain")

    frame, folder = flown(text, tmp_path, pool)

    assert set(frame["__status"]) == {"ok"}
    assert (folder / "r.txt").read_bytes() == right["R"]
    rows = [line for line in right["R"].decode().splitlines() if not line.startswith("Sat.")]
    assert len(frame.loc[1]) == len(rows)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("./output/r.txt", "output/r.txt"),
        ("output\\deep\\r.txt", "output/deep/r.txt"),
        ("../output/r.txt", "r.txt"),
        ("..\\output\\r.txt", "r.txt"),
        ("C:\\Users\\me\\r.txt", "r.txt"),
        ("worker.log", "R-worker.log"),
    ],
)
def test_an_output_is_written_in_the_run_folder_whatever_folder_the_script_names(
    name: str, place: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    right = plain(HEAD + REPORT + BEGIN + FLIGHT, tmp_path / "plain")

    frame, folder = flown(
        HEAD + REPORT.replace("'r.txt'", f"'{name}'") + BEGIN + FLIGHT, tmp_path, pool
    )

    assert set(frame["__status"]) == {"ok"}
    assert (folder / place).read_bytes() == right["R"]
    assert "run_id=1" in (folder / "worker.log").read_text()


def test_two_reports_on_one_file_are_two_files_and_the_log_says_so(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    second = REPORT.replace("ReportFile R", "ReportFile S").replace("R.", "S.")
    second = second.replace("Sat.Earth.SMA, Two.X", "Sat.X")
    right = plain(HEAD + REPORT + second + BEGIN + FLIGHT, tmp_path / "plain")

    frame, folder = flown(HEAD + REPORT + second + BEGIN + FLIGHT, tmp_path, pool, name="S")

    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.X", "__status"]
    assert (folder / "r.txt").read_bytes() == right["R"]
    assert (folder / "S-r.txt").read_bytes() == right["S"]
    said = (folder / "worker.log").read_text()
    assert said.count("S.Filename: r.txt is taken; wrote S-r.txt") == 1


def test_two_solvers_on_one_log_have_their_own_iterations(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    _, folder = flown(MISSIONS["two solvers on one log"][0], tmp_path, pool)

    assert (folder / "one.data").is_file()
    assert (folder / "D2-one.data").is_file()
    goals = [
        pd.read_parquet(folder / f"solver__{name}.parquet")["Sat.Earth.SMA"].iloc[-1]
        for name in ("D1", "D2")
    ]
    assert goals == pytest.approx([7050, 7080], abs=0.001)


def test_what_is_left_out_is_said_with_its_line(pool: LocalJoblibPool, tmp_path: Path) -> None:
    with told() as messages:
        flown(MISSIONS["a plot before a report"][0], tmp_path, pool)
        (tmp_path / "echo").mkdir()
        flown(MISSIONS["a command for the message window"][0], tmp_path / "echo", pool)

    assert "Track (GroundTrackPlot, line 8)" in "\n".join(messages)
    assert "runs without CommandEcho (line 12, 14)" in "\n".join(messages)
