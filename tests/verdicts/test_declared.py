"""Requirements against what a mission declares, without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmat_sweep import Requirement, SweepConfigError, load_requirements
from gmat_sweep.verdicts.declared import refuse_undeclared

SCRIPT = """\
Create Spacecraft Sat;
Create DifferentialCorrector DC1;
Create Array A[1,2];
Create String S;
Create ReportFile Path, Ends, Off, Mixed;
Path.Add = {Sat.UTCGregorian, Sat.Earth.Altitude, Sat.Earth.RadApo};
Off.Add = {Sat.Earth.INC};
Off.WriteReport = false;
BeginMissionSequence;
Report Ends Sat.Earth.RadApo Sat.Earth.ECC A S;
Report Mixed Sat.ElapsedSecs Sat.X;
Report Mixed Sat.ElapsedSecs Sat.Y;
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mission") / "m.script"
    path.write_text(SCRIPT)
    return path


def refuse(script: Path, *, hook: str | None = None, **keys: Any) -> None:
    keys.setdefault("limit", None if keys.get("reduce") in ("ok", "converged") else "< 1")
    required = Requirement("r", **{"probability": 0.9, **keys})
    refuse_undeclared(load_requirements([required]), script, end_state=True, hook=hook)


EVENT = {"when": "Sat.Earth.Altitude < 120", "never": "violates"}


@pytest.mark.parametrize(
    "keys",
    [
        {"column": "Sat.Earth.Altitude"},
        {"column": "Sat.Earth.RadApo", "report": "Ends"},
        {"column": "A(1,2)"},
        {"column": "Sat.Y", "reduce": "max"},
        {"column": "Sat.Y", "reduce": "at", "at": "60 s"},
        {"column": "column_3", "report": "Mixed"},
        {"column": "Sat.UTCGregorian"},
        {"reduce": "time_of", **EVENT},
        {"reduce": "at_event", "column": "Sat.Earth.RadApo", "when": EVENT["when"]},
        {"reduce": "converged", "solver": "DC1"},
        {"reduce": "ok"},
        {"column": "dv", "extra": "burns", "hook": "package.module:function"},
    ],
)
def test_what_the_mission_declares_is_taken(script: Path, keys: dict[str, Any]) -> None:
    refuse(script, **keys)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"column": "Sat.Earth.RadAp"},
            "column: no report has the column Sat.Earth.RadAp; did you mean 'Sat.Earth.RadApo'?",
        ),
        ({"column": "xyz"}, "no report has the column xyz; there are: Sat.UTCGregorian, "),
        (
            {"column": "Sat.Earth.RadApo"},
            "requirement 'r', report: Path and Ends have the column; write report = \"Path\"",
        ),
        (
            {"column": "Sat.Earth.ECC", "report": "Path"},
            "column: report Path does not have the column Sat.Earth.ECC",
        ),
        (
            {"column": "q", "report": "Pth"},
            "report: no report 'Pth' gets rows; did you mean 'Path'",
        ),
        ({"column": "Sat.Earth.INC"}, "no report has the column Sat.Earth.INC"),
        ({"column": "A"}, "no report has the column A; "),
        ({"column": "S"}, "column: S is text; name a column of numbers"),
        ({"column": "column_3", "report": "Path"}, "does not have the column column_3"),
        (
            {"reduce": "time_of", "when": "Sat.Earth.Altitud < 1", "never": "violates"},
            "requirement 'r', when: no report has the column Sat.Earth.Altitud; did you mean",
        ),
        (
            {"reduce": "at_event", "column": "Sat.Earth.ECC", "when": EVENT["when"]},
            "when: no report has Sat.Earth.ECC and Sat.Earth.Altitude together; report them in one",
        ),
        (
            {"reduce": "duration", "when": "Sat.Earth.ECC < 1"},
            'reduce: "duration" needs the time of each row, and report Ends has none; add an',
        ),
        (
            {"reduce": "converged", "solver": "DC2"},
            "solver: the mission has no solver 'DC2'; did you mean 'DC1'?",
        ),
        ({"column": "dv", "extra": "burns"}, "extra: no postprocess hook writes it; name the hook"),
    ],
)
def test_what_no_run_will_have_is_refused(script: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(SweepConfigError) as caught:
        refuse(script, **keys)
    assert str(caught.value).startswith("m.script has not what is required of it:\n  - ")
    assert message in str(caught.value)


def test_every_place_is_told_with_its_line(script: Path, tmp_path: Path) -> None:
    path = tmp_path / "reqs.toml"
    path.write_text(
        '[[requirement]]\nname = "a"\ncolumn = "p"\nlimit = "< 1"\nevery = true\n'
        '[[requirement]]\nname = "b"\nreduce = "converged"\nsolver = "DC2"\nevery = true\n'
        '[[requirement]]\nname = "c"\nall_of = ["a", "b"]\nevery = true\n'
    )
    with pytest.raises(SweepConfigError) as caught:
        refuse_undeclared(load_requirements(path), script, end_state=True, hook=None)
    told = str(caught.value).splitlines()
    assert told[1].startswith(f"  - {path}, line 3, requirement 'a', column: no report has")
    assert told[2].startswith(f"  - {path}, line 9, requirement 'b', solver: the mission has no")
    assert len(told) == 3


def test_a_mission_that_reports_nothing_has_the_end_state(tmp_path: Path) -> None:
    path = tmp_path / "m.script"
    path.write_text("Create Spacecraft Sat;\nBeginMissionSequence;\n")
    loaded = load_requirements(
        [{"name": "r", "column": "Sat.Earth.SMA", "limit": "< 7000", "every": True}]
    )
    refuse_undeclared(loaded, path, end_state=True, hook=None)
    with pytest.raises(SweepConfigError, match=r"no report has the column Sat\.Earth\.SMA; there "):
        refuse_undeclared(loaded, path, end_state=False, hook=None)
