"""Missions with resources that the engine lacks fly the numbers that they have without these.

What is right comes from `PlainGmat`: GMAT's bare API flies the mission as a user would write it for
an engine without Formations and views.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gmat_sweep import LocalJoblibPool, SweepConfigError, replay_run, sweep
from plain_gmat import PlainGmat

CRAFT = "".join(
    f"Create Spacecraft {name};\n{name}.SMA = {sma};\n{name}.ECC = 0.01;\n"
    for name, sma in (("One", 7000), ("Two", 7100), ("Three", 7200))
)
PROPAGATOR = "Create ForceModel FM;\nCreate Propagator P;\nP.FM = FM;\n"
REPORT = "Create ReportFile R;\nR.Filename = 'r.txt';\nR.Precision = 16;\n"
SEQUENCE = """\
BeginMissionSequence;
Propagate P({}) {{One.ElapsedSecs = 600}};
Report R One.X One.VX Two.X Two.VX Three.X;
"""


def flown(folder: Path, text: str) -> bytes:
    with PlainGmat(folder) as gmat:
        ran = gmat.run(text, {"One.SMA": 7001})
    assert ran.ran, ran.log
    return ran.files["R"]


def swept(folder: Path, text: str, pool: LocalJoblibPool) -> bytes:
    """The report of a run, which is also that of the replayed run on GMAT itself."""
    script = folder / "mission.script"
    script.write_text(text)
    sweep(script, grid={"One.SMA": [7001]}, backend=pool, out=folder / "out", progress=False)
    wrote = (folder / "out" / "run-0" / "r.txt").read_bytes()
    replayed = replay_run(folder / "out" / "manifest.jsonl", 0, folder / "replay")
    with PlainGmat(folder / "plain-replay") as gmat:
        assert gmat.run_file(replayed).files["R"] == wrote
    return wrote


@pytest.mark.parametrize(
    ("declared", "flies", "means"),
    [
        ("F.Add = {One, Two};\n", "F", "One, Two"),
        ("F.Add = One;\nGMAT F.Add = {Two};\n", " F ", "One, Two"),
        ("F.Add = {Two, One};\n", "F, Three", "Two, One, Three"),
        (
            "F.Add = {One, Two};\nCreate OrbitView V;\nV.Add = {One, F, Earth};\n",
            "F",
            "One, Two",
        ),
    ],
)
def test_a_formation_flies_its_members(
    declared: str, flies: str, means: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    formation = f"Create Formation F;\n{declared}"

    wrote = swept(tmp_path, CRAFT + formation + PROPAGATOR + REPORT + SEQUENCE.format(flies), pool)

    right = CRAFT + PROPAGATOR + REPORT + SEQUENCE.format(means)
    assert wrote == flown(tmp_path / "plain", right)


def test_an_include_may_hold_views_alone(pool: LocalJoblibPool, tmp_path: Path) -> None:
    # Left without statements, a file with its blank lines would be refused by GMAT.
    (tmp_path / "views.inc").write_text(
        "% Views\n\nCreate OpenFramesInterface V;\nV.Add = {One, Earth};\n"
    )
    text = CRAFT + PROPAGATOR + REPORT + SEQUENCE.format("One, Two, Three")

    wrote = swept(tmp_path, f"{CRAFT}#Include 'views.inc'\n{text.removeprefix(CRAFT)}", pool)

    assert wrote == flown(tmp_path / "plain", text)


def test_an_include_may_hold_a_ground_track_before_a_report(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    (tmp_path / "plot.inc").write_text("Create GroundTrackPlot G;\nG.Add = {One};\n")
    text = CRAFT + PROPAGATOR + REPORT + SEQUENCE.format("One, Two, Three")

    wrote = swept(tmp_path, f"{CRAFT}#Include 'plot.inc'\n{text.removeprefix(CRAFT)}", pool)

    assert wrote == flown(tmp_path / "plain", text)


def test_a_mission_without_a_spacecraft_is_refused_without_word_of_an_option_that_is_on(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script = tmp_path / "sum.script"
    script.write_text("Create Variable v;\nBeginMissionSequence;\nv = v + 1;\n")

    with pytest.raises(SweepConfigError, match="declares no output") as refused:
        sweep(script, grid={"v.Value": [1]}, backend=pool, out=tmp_path / "out", progress=False)

    assert "no-end-state" not in str(refused.value)
