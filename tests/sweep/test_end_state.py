"""A mission that reports nothing reports its end state, from Python, the shell and a flow alike.

The right numbers come from plain GMAT flying the mission with a report of the user's own.
"""

from __future__ import annotations

import gc
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, Sweep, SweepConfigError, sweep
from gmat_sweep.cli import main
from gmat_sweep.flow.server import recorded_on
from gmat_sweep.flows import gmat_sweep_flow
from gmat_sweep.flows.parameters import RunSettings
from gmat_sweep.manifest import Manifest
from gmat_sweep.sweep.preflight import prepare_mission
from plain_gmat import PlainGmat
from told import told

COAST = """\
Create Spacecraft Craft;
Craft.DisplayStateType = Keplerian;
Craft.SMA = 7200;
Craft.ECC = 0.02;
Craft.INC = 51.6;
Create ForceModel TwoBody;
TwoBody.PointMasses = {Earth};
Create Propagator Flier;
Flier.FM = TwoBody;
BeginMissionSequence;
Propagate Flier(Craft) {Craft.ElapsedSecs = 600};
"""
LUNAR = """\
Create Spacecraft Orbiter Other;
Create CoordinateSystem Own;
Own.Origin = Luna;
Own.Axes = BodyFixed;
Orbiter.CoordinateSystem = Own;
Orbiter.SMA = 2000;
Orbiter.ECC = 0.1;
Other.SMA = 8000;
Create ForceModel Near;
Near.CentralBody = Luna;
Near.PointMasses = {Luna};
Create Propagator P;
P.FM = Near;
BeginMissionSequence;
Propagate P(Orbiter) {Orbiter.ElapsedSecs = 60};
"""
SILENT = COAST.replace(
    "BeginMissionSequence;",
    "Create ReportFile Unused;\nCreate GroundTrackPlot Track;\nTrack.Add = {Craft};\n"
    "BeginMissionSequence;",
)
_SYSTEM, _BODY = "Craft.EarthMJ2000Eq", "Craft.Earth"
QUANTITIES = [
    "Craft.UTCGregorian",
    *(f"{_SYSTEM}.{name}" for name in ("X", "Y", "Z", "VX", "VY", "VZ")),
    f"{_BODY}.SMA",
    f"{_BODY}.ECC",
    *(f"{_SYSTEM}.{name}" for name in ("INC", "RAAN", "AOP")),
    f"{_BODY}.TA",
    "Craft.TotalMass",
]


def mission(folder: Path, text: str) -> Path:
    script = folder / "coast.script"
    script.write_text(text)
    return script


def plain_end(folder: Path, text: str, quantities: list[str], **overrides: float) -> list[float]:
    """The numbers that plain GMAT reports at the mission's end."""
    own = text.replace(
        "BeginMissionSequence;",
        "Create ReportFile Mine;\nMine.Precision = 17;\nMine.WriteHeaders = false;\n"
        "Mine.ColumnWidth = 30;\nBeginMissionSequence;",
    ) + f"Report Mine {' '.join(quantities)};\n"  # fmt: skip
    with PlainGmat(folder / "plain") as gmat:
        ran = gmat.run(own, {name.replace("_", "."): value for name, value in overrides.items()})
    assert ran.ran, ran.log
    return [float(word) for word in ran.files["Mine"].decode().split()]


@pytest.mark.parametrize("text", [COAST, SILENT], ids=["no report", "a report of nothing"])
def test_it_has_the_numbers_of_a_report_of_the_users_own(
    text: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    with told() as messages:
        frame = sweep(
            mission(tmp_path, text),
            grid={"Craft.INC": [51.6, 60]},
            backend=pool,
            out=tmp_path / "out",
            progress=False,
        )

    assert list(frame.columns) == [*QUANTITIES, "__status"]
    assert frame.index.names == ["run_id", "time"]
    assert [str(time) for _, time in frame.index] == ["2000-01-01 12:09:28"] * 2
    for run_id, inclination in enumerate((51.6, 60)):
        folder = tmp_path / str(run_id)
        row = frame.loc[run_id].iloc[0]
        assert row[QUANTITIES[1:]].tolist() == plain_end(
            folder, COAST, QUANTITIES[1:], Craft_INC=inclination
        )
    assert "reports nothing, so each run reports its end state: ReportFile EndState" in "\n".join(
        messages
    )
    manifest = Manifest.load(tmp_path / "out" / "manifest.jsonl")
    assert manifest.extra["end_state_report"] == "EndState"


def test_each_spacecraft_is_told_relative_to_the_body_of_its_own_frame(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    """In inertial axes, also if the mission gives the state in turning ones."""
    frame = sweep(
        mission(tmp_path, LUNAR),
        grid={"Orbiter.DryMass": [700]},
        backend=pool,
        out=tmp_path / "out",
        progress=False,
    )

    row = frame.iloc[0]
    x, y, z = (row[f"Orbiter.LunaMJ2000Eq.{axis}"] for axis in "XYZ")
    radius = math.sqrt(x * x + y * y + z * z)
    a, e = row["Orbiter.Luna.SMA"], row["Orbiter.Luna.ECC"]
    nu = math.radians(row["Orbiter.Luna.TA"])
    # The equation of a conic: another way to the radius.
    assert radius == pytest.approx(a * (1 - e * e) / (1 + e * math.cos(nu)), rel=1e-12)
    assert radius < 3000
    assert row["Other.Earth.SMA"] == pytest.approx(8000, rel=1e-12)
    assert row["Orbiter.TotalMass"] == 700


def test_it_is_the_same_from_python_the_shell_and_a_flow(
    pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = mission(tmp_path, COAST)
    frame = sweep(
        script, grid={"Craft.SMA": [7200, 7300]}, backend=pool, out=tmp_path / "a", progress=False
    )

    code = main(
        ["run", str(script), "--grid", "Craft.SMA=7200,7300", "--out", str(tmp_path / "b"),
         "--frame", str(tmp_path / "b.parquet"), "--quiet"]
    )  # fmt: skip
    with recorded_on():
        gmat_sweep_flow(
            script,
            kind="grid",
            vary=["Craft.SMA=7200,7300"],
            out=tmp_path / "c",
            settings=RunSettings(workers=1),
        )

    assert code == 0
    assert "frame: " in capsys.readouterr().out
    reports = [
        [pd.read_parquet(tmp_path / out / f"run-{n}" / "report__EndState.parquet") for n in (0, 1)]
        for out in "abc"
    ]
    for each in reports:
        assert [one.equals(other) for one, other in zip(each, reports[0], strict=True)] == [
            True
        ] * 2
    assert frame["Craft.Earth.SMA"].round(6).tolist() == [7200, 7300]
    assert RunSettings().end_state


def test_a_resume_goes_on_with_it(pool: LocalJoblibPool, tmp_path: Path) -> None:
    script = mission(tmp_path, COAST)
    sweep(
        script, grid={"Craft.SMA": [7200, 7300]}, backend=pool, out=tmp_path / "out", progress=False
    )
    manifest = tmp_path / "out" / "manifest.jsonl"
    (tmp_path / "out" / "run-1" / "report__EndState.parquet").unlink()

    resumed = Sweep.from_manifest(manifest, script, backend=pool, progress=False)
    frame = resumed.resume().to_dataframe()

    assert resumed.options.end_state
    assert frame["__status"].tolist() == ["ok", "ok"]
    assert frame["Craft.Earth.SMA"].round(6).tolist() == [7200, 7300]


def test_without_it_a_mission_that_reports_nothing_is_refused(
    pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = mission(tmp_path, COAST)
    grid = {"Craft.SMA": [7200]}

    with pytest.raises(SweepConfigError, match=r"coast\.script declares no output"):
        sweep(
            script, grid=grid, backend=pool, out=tmp_path / "out", progress=False, end_state=False
        )
    code = main(
        ["run", str(script), "--grid", "Craft.SMA=7200", "--out", str(tmp_path / "out"),
         "--no-end-state", "--quiet"]
    )  # fmt: skip

    assert code == 2
    assert "declares no output, so its runs would leave nothing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "output",
    [
        "Create ReportFile R;\nR.Add = {Craft.UTCGregorian, Craft.X};\nBeginMissionSequence;",
        "Create EphemerisFile E;\nE.Spacecraft = Craft;\nBeginMissionSequence;",
        "Create ReportFile R;\nBeginMissionSequence;\nReport R Craft.UTCGregorian Craft.X;",
        "Create ReportFile R;\nR.WriteReport = Off;\nR.Add = {Craft.X};\nR.WriteReport = On;\n\
BeginMissionSequence;",
        "Create ReportFile R;\nR.WriteReport = Off;\nR.Add = {Craft.X};\nBeginMissionSequence;\n\
R.WriteReport = true;",
        "Create ReportFile R;\nR.WriteReport = Off;\nBeginMissionSequence;\nReport R Craft.X;",
    ],
)
def test_a_mission_that_reports_something_is_flown_as_it_is(
    output: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script = mission(tmp_path, COAST.replace("BeginMissionSequence;", output))

    prepared = prepare_mission(script, (), tmp_path / "out", pool, end_state=True)

    assert (prepared.runnable, prepared.end_state) == (script, None)


@pytest.mark.parametrize(
    ("output", "last"),
    [
        ("Create ReportFile R;\nR.Add = {Craft.X};\nR.WriteReport = Off;", ""),
        ("Create ReportFile R;\nR.WriteReport = On;\nR.Add = {Craft.X};\nR.WriteReport = Off;", ""),
        ("Create EphemerisFile E;\nE.Spacecraft = Craft;\nE.WriteEphemeris = false;", ""),
        ("Create EphemerisFile E;\nE.Spacecraft = Craft;\nE.FileFormat = 'Code-500';", "E.oem"),
        ("Create EphemerisFile E;\nE.Spacecraft = Craft;\nE.FileFormat = SPK;", ""),
    ],
)
def test_an_output_that_a_sweep_does_not_read_keeps_no_end_state_away(
    output: str, last: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script = mission(
        tmp_path, COAST.replace("BeginMissionSequence;", output + "\nBeginMissionSequence;")
    )
    out = tmp_path / "out"

    frame = sweep(script, grid={"Craft.SMA": [7200]}, backend=pool, out=out, progress=False)

    assert list(frame.columns) == [*QUANTITIES, "__status"]
    assert list(frame["__status"]) == ["ok"]
    assert not last or (out / "run-0" / last).stat().st_size > 0


def test_a_name_of_the_missions_own_is_not_taken(pool: LocalJoblibPool, tmp_path: Path) -> None:
    text = COAST.replace(
        "Create ForceModel", "Create Variable EndState LunaMJ2000Eq;\nCreate ForceModel"
    )

    frame = sweep(
        mission(tmp_path, text), grid={"Craft.SMA": [7200]}, backend=pool, out=tmp_path / "o",
        progress=False,
    )  # fmt: skip

    assert len(frame) == 1
    assert (tmp_path / "o" / "run-0" / "report__EndState2.parquet").exists()


TEXT = (
    "Create String Words;\nWords = 'two words';\nCreate ReportFile R;\nR.Filename = 'r.txt';\n"
    "BeginMissionSequence;"
)
WRITE = "Write Words {Style = Concise, ReportFile = R};\n"


@pytest.mark.parametrize(
    ("output", "last"),
    [
        (TEXT, WRITE),
        (TEXT.replace("BeginM", "R.Add = {Craft.X};\nBeginM"), WRITE),
        (
            TEXT.replace("BeginM", "Create ReportFile Q;\nBeginM"),
            WRITE + WRITE.replace("= R", "= Q"),
        ),
        (TEXT.replace("BeginM", "R.Add = {Craft.X};\nBeginM") + "\nToggle R Off;", ""),
        (
            "Create EphemerisFile E;\nE.Spacecraft = Craft;\nBeginMissionSequence;\nToggle E Off;",
            "",
        ),
    ],
    ids=[
        "Write",
        "Write and Add",
        "two of text",
        "a report toggled off",
        "an ephemeris toggled off",
    ],
)
def test_a_mission_without_a_table_reports_its_end_state(
    output: str, last: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    text = COAST.replace("BeginMissionSequence;", output) + last
    script = mission(tmp_path, text)

    with told() as messages:
        frame = sweep(script, grid={"Craft.SMA": [7200]}, backend=pool, progress=False)

    assert list(frame.columns) == [*QUANTITIES, "__status"]
    assert list(frame["__status"]) == ["ok"]
    line = next((at for at, each in enumerate(text.splitlines(), 1) if "Write" in each), None)
    assert not last or f"the script's Write (line {line}) puts text in it" in "\n".join(messages)


@pytest.mark.parametrize(
    "output",
    [
        "R.Add = {Craft.X};\nBeginMissionSequence;\nToggle R Off;\nReport R Craft.X;",
        "R.Add = {Craft.X};\nBeginMissionSequence;\nPropagate Flier(Craft);\nToggle R Off;",
        "R.Add = {Craft.X};\nBeginMissionSequence;\nToggle R Off;\nToggle R On;",
        "R.Add = {Craft.X};\nBeginMissionSequence;\nIf Craft.X > 1;\nToggle R Off;\nEndIf;",
        "R.Add = {Craft.X};\nBeginMissionSequence;\nToggle R Off;\nR.WriteReport = true;",
    ],
)
def test_an_output_that_may_be_on_for_a_part_keeps_the_end_state_away(
    output: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    text = COAST.replace("BeginMissionSequence;", "Create ReportFile R;\n" + output)
    script = mission(tmp_path, text)

    prepared = prepare_mission(script, (), tmp_path / "out", pool, end_state=True)

    assert prepared.end_state is None


NO_CRAFT = (
    "Create String Words;\nWords = 'two words';\nCreate Variable v;\nCreate ReportFile R;\n"
    "R.Filename = 'r.txt';\nBeginMissionSequence;\nWrite Words {ReportFile = R};\n"
)
# Its padding may be a part of its numbers.
PADDED = COAST.replace(
    "BeginMissionSequence;",
    "Create ReportFile R;\nR.Filename = 'r.txt';\nR.Delimiter = '-';\n"
    "R.Add = {Craft.X, Craft.Y, Craft.Z};\nBeginMissionSequence;",
)


@pytest.mark.parametrize("name", [None, "R"])
@pytest.mark.parametrize(("text", "field"), [(NO_CRAFT, "v"), (PADDED, "Craft.SMA")])
def test_a_sweep_whose_reports_are_no_tables_returns_and_keeps_its_files(
    text: str, field: str, name: str | None, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    with told() as messages:
        frame = sweep(
            mission(tmp_path, text), grid={field: [7200, 7300]}, backend=pool, progress=False,
            name=name,
        )  # fmt: skip

    assert list(frame.columns) == ["__status"]
    assert frame["__status"].tolist() == ["ok", "ok"]
    said = messages[-1]
    assert said.startswith("no run has a table of")
    folder = Path(said.rpartition(" are in ")[2])
    del frame
    gc.collect()
    assert (folder / "run-1" / "r.txt").stat().st_size > 0
    shutil.rmtree(folder)


@pytest.mark.parametrize(("text", "field"), [(NO_CRAFT, "v"), (PADDED, "Craft.SMA")])
def test_the_shell_writes_the_frame_of_a_report_that_is_no_table(
    text: str, field: str, tmp_path: Path
) -> None:
    out, frame = tmp_path / "out", tmp_path / "f.csv"

    code = main(["run", "--grid", f"{field}=7200,7300", "--out", str(out), "--frame", str(frame),
                 "--workers", "1", str(mission(tmp_path, text))])  # fmt: skip

    assert code == 0
    assert pd.read_csv(frame)["__status"].tolist() == ["ok", "ok"]
