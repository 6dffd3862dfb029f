"""What runs have to say of their outputs is said at the end, in the manifest and on reading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gmat_sweep import LocalJoblibPool, sweep
from gmat_sweep.aggregate import lazy_multiindex
from gmat_sweep.manifest import Manifest
from told import told

MISSION = """\
Create Spacecraft Sat;
Sat.SMA = 7000;
Create ForceModel FM;
FM.PointMasses = {Earth};
Create Propagator P;
P.FM = FM;
Create String S;
S = 'hello';
Create ReportFile R Text;
R.Add = {Sat.ElapsedSecs, Sat.Earth.SMA};
R.Filename = 'r.txt';
Text.Filename = 'text.txt';
BeginMissionSequence;
Propagate P(Sat) {Sat.ElapsedSecs = 600};
Write S {Style = Script, MessageWindow = false, ReportFile = Text};
"""
FLIGHT = "BeginMissionSequence;\nPropagate P(Sat) {Sat.ElapsedSecs = 600};\n"
NOTE = "ReportFile Text is no table: the script's Write (line 15) puts text in it"


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What this package logs."""
    with told() as messages:
        yield messages


def test_a_report_that_is_no_table_costs_no_other_and_is_said_once(
    pool: LocalJoblibPool, tmp_path: Path, said: list[str]
) -> None:
    script, out = tmp_path / "mission.script", tmp_path / "sweep"
    script.write_text(MISSION)

    frame = sweep(script, grid={"Sat.SMA": [7000, 7010]}, name="R", backend=pool, out=out)

    assert said == [f"2 runs (0, 1): {NOTE}"]
    manifest = Manifest.load(out / "manifest.jsonl")
    assert [entry.notes for entry in manifest.entries] == [(NOTE,)] * 2
    assert [entry.status for entry in manifest.entries] == ["ok", "ok"]
    # A report without an epoch: the text that GMAT wrote has as many lines after its header.
    assert frame.index.names == ["run_id", "row"]
    for run_id in (0, 1):
        lines = (out / f"run-{run_id}" / "r.txt").read_text().splitlines()[1:]
        rows = frame.xs(run_id, level="run_id")
        assert rows.index.tolist() == list(range(len(lines)))
        assert rows["Sat.Earth.SMA"].tolist() == [float(line.split()[1]) for line in lines]
    with pytest.raises(Exception, match=r"Run 0: ReportFile Text is no table"):
        lazy_multiindex(manifest, out, name="Text")


def test_a_run_whose_only_report_is_off_is_ok_without_rows(
    pool: LocalJoblibPool, tmp_path: Path, said: list[str]
) -> None:
    script, out = tmp_path / "mission.script", tmp_path / "sweep"
    head = MISSION.partition("Text.Filename")[0]
    script.write_text(head.replace("ReportFile R Text", "ReportFile R") + FLIGHT)

    frame = sweep(
        script, grid={"R.WriteReport": [True, False]}, backend=pool, out=out, progress=False
    )

    assert frame["__status"].tolist().count("ok") == len(frame)
    assert len(frame.xs(1, level="run_id")) == 1
    assert len(frame.xs(0, level="run_id")) > 1
    assert said == ["1 run (1): no output has anything to read, for WriteReport is off"]
