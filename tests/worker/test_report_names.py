"""No value of a report comes under a wrong name, in missions made at random.

The quantities are Variables, and each has a number of its own: so the text that plain GMAT wrote
tells of each value which name it has.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gmat_sweep.mission.report_layout import report_layouts
from gmat_sweep.mission.statements import ScriptText
from gmat_sweep.worker.report_tables import read_report
from plain_gmat import PlainGmat

NUMBERS = {"a1": 101, "a2": 102, "b1": 201, "b2": 202, "c1": 301, "c2": 302}
HEAD = """\
Create Spacecraft Sat Other;
Create ForceModel FM;
FM.PointMasses = {Earth};
Create Propagator P;
P.FM = FM;
Create ImpulsiveBurn B;
Create DifferentialCorrector DC;
Create Variable i j n x a1 a2 b1 b2 c1 c2;
""" + "".join(f"{name} = {number};\n" for name, number in NUMBERS.items())
FLIGHTS = (
    "Propagate P(Sat) {Sat.ElapsedSecs = 100};",
    "Propagate P(Sat) {Sat.ElapsedSecs = 40};",
    "Propagate P(Other) {Other.ElapsedSecs = 50};",
)
OTHERS = ("Maneuver B(Sat);", "n = n + 1;", "Toggle R Off;", "Toggle R On;")
BLOCKS = {
    "for": ("For {i} = 1:3;", "EndFor;"),
    "back": ("For {i} = 4:-2:1;", "EndFor;"),
    "while": ("{i} = 0;\nWhile {i} < 2;", "{i} = {i} + 1;\nEndWhile;"),
    "if": ("If n < 1;", "EndIf;"),
    "else": ("If n < 1;\nReport R b1 b2;\nElse;", "EndIf;"),
    "target": (
        "Target DC {{SolveMode = Solve, ExitMode = {exit}}};\nVary DC(x = 1, {{MaxStep = 5}});",
        "Achieve DC(x = 3, {{Tolerance = 0.001}});\nEndTarget;",
    ),
}


@pytest.fixture(scope="module")
def gmat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainGmat]:
    with PlainGmat(tmp_path_factory.mktemp("plain")) as plain:
        yield plain


def commands(draw: random.Random, counters: str, *, solving: bool = False) -> list[str]:
    found: list[str] = []
    for _ in range(draw.randint(1, 4)):
        part = draw.choice(["fly", "report", "report", "other", "block"])
        if part == "fly":
            found.append(draw.choice(FLIGHTS))
        elif part == "report":
            found.append(draw.choice(["Report R b1 b2;", "Report R c1 c2;"]))
        elif part == "other":
            found.append(draw.choice(OTHERS))
        elif counters:
            kind = draw.choice([each for each in BLOCKS if each != "target" or not solving])
            mode = draw.choice(["SaveAndContinue", "Stop"])
            opening, closing = (each.format(i=counters[0], exit=mode) for each in BLOCKS[kind])
            inner = commands(draw, counters[1:], solving=solving or kind == "target")
            found += [opening, *inner, closing]
    return found


@pytest.mark.parametrize("seed", range(30))
def test_no_value_comes_under_a_wrong_name(seed: int, gmat: PlainGmat, tmp_path: Path) -> None:
    draw = random.Random(seed)
    fields = [f"R.WriteHeaders = {draw.choice(['true', 'false', 'false'])};"]
    fields += draw.choice([[], [], ["R.SolverIterations = All;"], ["R.SolverIterations = None;"]])
    sequence = [draw.choice(FLIGHTS), *commands(draw, "ij"), *commands(draw, "ij")]
    text = "\n".join(
        [
            f"{HEAD}Create ReportFile R;\nR.Filename = 'r.txt';\nR.Add = {{a1, a2}};",
            *fields,
            "BeginMissionSequence;",
            *sequence,
            "",
        ]
    )
    run = gmat.run(text, {})
    assert run.ran or "stopped by user" in run.log, run.log
    file = tmp_path / "r.txt"
    file.write_bytes(run.files.get("R", b""))

    frame = read_report(
        file, report_layouts(ScriptText(Path("m"), text.encode()).statements)["R"]
    ).frame

    lines = [line.split() for line in file.read_text().splitlines() if line.strip()]
    wanted = [[float(word) for word in words] for words in lines if words[0][0].isdecimal()]
    assert frame is not None
    rows = [row.dropna() for _, row in frame.iterrows()]
    assert [list(row) for row in rows] == wanted
    named = [(name, value) for row in rows for name, value in row.items() if name in NUMBERS]
    assert named == [(name, NUMBERS[str(name)]) for name, _ in named]
