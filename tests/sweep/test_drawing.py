"""Sweeps whose draws are about the script's own values, on the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gmat_sweep import LocalJoblibPool, Manifest, Sweep, SweepConfigError, monte_carlo
from gmat_sweep.api import monte_carlo_extend
from gmat_sweep.cli import main
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.sweep.drawing import drawn_plan, nominal_values
from plain_gmat import PlainGmat
from repository import DATA

LEO = DATA / "leo_basic.script"
SIGMAS = [0.1, 0.4, 0.05, 4e-4, 1e-4, 5e-5]
PERTURB: dict[str, Any] = {
    "Sat": Covariance(np.diag(np.square(SIGMAS)), frame="RIC"),
    "Sat.Epoch": ("normal_seconds", 30.0),
    "Sat.DryMass": ("rel_normal", "3%@3"),
    "FM.Drag.AtmosphereModel": ("choice", ["None", "JacchiaRoberts"]),
}


def test_the_scripts_own_values_are_those_that_it_gives(plain: PlainGmat) -> None:
    """Against the report of a mission that flies nothing, and the numbers in the script."""
    names = ["Sat.SMA", "Sat.X", "Sat.VZ", "Sat.Epoch", "Sat.DateFormat", "Sat.DryMass"]
    own = nominal_values(LEO, [*names, "Sat.CoordinateSystem.Axes"], None)
    text = LEO.read_text().partition("BeginMissionSequence;")[0]
    report = "Create ReportFile Own;\nOwn.WriteHeaders = false;\nOwn.Precision = 16;\n"
    ran = plain.run(
        f"{text}{report}BeginMissionSequence;\n"
        "Report Own Sat.EarthMJ2000Eq.X Sat.EarthMJ2000Eq.VZ Sat.DryMass;\n"
    )
    x, vz, mass = map(float, ran.files["Own"].split())
    assert (own["Sat.X"], own["Sat.VZ"]) == pytest.approx((x, vz), rel=1e-15)
    assert own["Sat.DryMass"] == mass
    assert own["Sat.SMA"] == 7000.0, "as it is written, without the rounding of a state"
    assert own["Sat.Epoch"] in text
    assert own["Sat.CoordinateSystem.Axes"] == "MJ2000Eq"


ORBITS: dict[str, dict[str, Any]] = {
    "Circular": {"SMA": 7000, "ECC": 0, "INC": 28.5, "RAAN": 40, "AOP": 30, "TA": 10},
    "Equatorial": {"SMA": 8000, "ECC": 0.1, "INC": 0, "RAAN": 40, "AOP": 30, "TA": 10},
    "Wound": {"SMA": 7000, "ECC": 0.01, "INC": 28.5, "RAAN": 400, "AOP": -5, "TA": -10},
    "Nodal": {"SMA": 6678.14, "ECC": 0.001, "INC": 28.5, "RAAN": 40, "AOP": 0, "TA": 0},
}


def test_an_element_set_to_its_own_value_changes_no_bit(tmp_path: Path, plain: PlainGmat) -> None:
    """GMAT gives back other elements of a circular or equatorial orbit than it was given."""
    lines = []
    for craft, elements in {**ORBITS, "Half": {**ORBITS["Circular"], "TA": None}}.items():
        lines += [f"Create Spacecraft {craft};", f"{craft}.DisplayStateType = Keplerian;"]
        lines += [f"{craft}.{name} = {at};" for name, at in elements.items() if at is not None]
    lines += ["Create ReportFile R;", "R.WriteHeaders = false;", "R.Precision = 17;"]
    seen = " ".join(f"{craft}.EarthMJ2000Eq.{name}" for craft in ORBITS for name in "XYZ")
    lines += ["BeginMissionSequence;", f"Report R {seen};", ""]
    script = tmp_path / "m.script"
    script.write_text("\n".join(lines))
    names = [f"{craft}.{name}" for craft, elements in ORBITS.items() for name in elements]

    own = nominal_values(script, [*names, "Half.TA", "Half.X"], None)
    # What GMAT gives back for TA is 20 degrees and more from what the lacking line would say.
    assert own.pop("Half.TA") is None
    assert isinstance(own.pop("Half.X"), float)
    assert own["Circular.TA"] == 10.0
    assert own["Wound.AOP"] == -5.0
    unchanged = plain.run(script.read_text()).files["R"]
    assert plain.run(script.read_text(), own).files["R"] == unchanged
    for name in ("Circular.TA", "Equatorial.AOP"):
        assert plain.run(script.read_text(), {name: own[name]}).files["R"] == unchanged


def test_variables_and_array_elements_have_values_of_their_own(tmp_path: Path) -> None:
    """GMAT reads A(2) as A(1,2), and the value of a Variable by its name alone."""
    script = tmp_path / "m.script"
    before, line, after = LEO.read_text().partition("BeginMissionSequence;")
    made = "Create Variable v;\nv = 3;\nCreate Array A[2,2];\nA(1,2) = 5;\nA(2,1) = 4;\n"
    script.write_text(f"{before}{made}{line}{after}")

    assert nominal_values(script, ["v", "v.Value", "A(2)", "A(1,2)", "A( 2, 1 )"], None) == {
        "v": 3.0, "v.Value": 3.0, "A(2)": 5.0, "A(1,2)": 5.0, "A( 2, 1 )": 4.0,
    }  # fmt: skip
    with pytest.raises(SweepConfigError, match=r"'A' is no Variable .* such as 'A\(2,1\)'"):
        drawn_plan("monte_carlo", {"A": ("delta_normal", 1.0)}, 2, 1, script, Path("o"))


def test_a_field_that_is_none_is_named() -> None:
    with pytest.raises(SweepConfigError, match=r"unknown field 'SMB' on Spacecraft 'Sat'"):
        drawn_plan("monte_carlo", {"Sat.SMB": ("delta_normal", 1.0)}, 2, 1, LEO, Path("o"))


def test_what_is_drawn_is_flown_recorded_resumed_and_extended(
    pool: LocalJoblibPool, tmp_path: Path, plain: PlainGmat
) -> None:
    """A run's first report row against plain GMAT with the drawn values in its script."""
    perturb = {**PERTURB, "Prop.Type": ("choice", ["RungeKutta89", "PrinceDormand78"])}
    del perturb["FM.Drag.AtmosphereModel"]
    keywords: dict[str, Any] = {"seed": 3, "backend": pool, "progress": False}
    frame = monte_carlo(LEO, n=3, perturb=perturb, out=tmp_path / "a", **keywords)

    manifest = Manifest.load(tmp_path / "a" / "manifest.jsonl")
    nominal = manifest.parameter_spec["nominal"]
    assert nominal["Sat.Epoch"] == "01 Jan 2026 00:00:00.000"
    entries = sorted(manifest.entries, key=lambda entry: entry.run_id)
    for entry in entries:
        ran = plain.run(LEO.read_text(), entry.overrides)
        flown = (tmp_path / "a" / f"run-{entry.run_id}" / "RF.txt").read_bytes()
        assert ran.files["RF"] == flown
        moved = [entry.overrides[f"Sat.{name}"] - nominal[f"Sat.{name}"] for name in "XYZ"]
        assert 0 < max(map(abs, moved)) < 3
        assert entry.overrides["Sat.Epoch"].endswith(("Jan 2026", "Dec 2025")) is False
    assert {type(entry.overrides["Prop.Type"]) for entry in entries} == {str}

    lines = (tmp_path / "a" / "manifest.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "a" / "manifest.jsonl").write_text("".join(lines[:2]))
    again = Sweep.from_manifest(tmp_path / "a" / "manifest.jsonl", LEO, backend=pool)
    pd.testing.assert_frame_equal(again.resume().to_dataframe(), frame)

    grown = monte_carlo_extend(tmp_path / "a" / "manifest.jsonl", LEO, n=1, backend=pool)
    whole = monte_carlo(LEO, n=4, perturb=perturb, out=tmp_path / "b", **keywords)
    pd.testing.assert_frame_equal(grown, whole)


def test_the_shell_draws_what_python_draws(
    pool: LocalJoblibPool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    specs = [
        "Sat.SMA=delta_normal:15@3",
        "Sat.Epoch=uniform_seconds:-60:60",
        "Sat.DryMass=rel_uniform:1%",
        "Sat.ECC=truncnorm:0.01:0.01:0:0.02",
        "Prop.Type=choice:RungeKutta89|PrinceDormand78",
    ]
    out = tmp_path / "shell"
    words = [word for spec in specs for word in ("--perturb", spec)]
    code = main(
        ["monte-carlo", str(LEO), "--n", "2", "--seed", "5", "--out", str(out), "--quiet", *words]
    )
    assert code == 0, capsys.readouterr().err

    perturb = {
        "Sat.SMA": ("delta_normal", "15@3"),
        "Sat.Epoch": ("uniform_seconds", -60.0, 60.0),
        "Sat.DryMass": ("rel_uniform", "1%"),
        "Sat.ECC": ("truncnorm", 0.01, 0.01, 0.0, 0.02),
        "Prop.Type": ("choice", ["RungeKutta89", "PrinceDormand78"]),
    }
    plan = drawn_plan("monte_carlo", perturb, 2, 5, LEO, tmp_path)
    manifest = Manifest.load(out / "manifest.jsonl")
    assert manifest.parameter_spec == json.loads(json.dumps(plan.parameter_spec))
    flown = {entry.run_id: entry.overrides for entry in manifest.entries}
    assert flown == {run.run_id: run.overrides for run in plan.runs}


@pytest.mark.parametrize("kind", ["sobol", "halton"])
def test_a_design_is_marked_for_what_it_is_and_comes_back(kind: str, tmp_path: Path) -> None:
    perturb = {"Sat.SMA": ("normal", 7000.0, 5.0), "Prop.Type": ("choice", ["a", "b"])}
    plan = drawn_plan(kind, perturb, 8, 2, LEO, tmp_path)
    assert plan.parameter_spec["_kind"] == kind
    again = drawn_plan(kind, perturb, 8, 2, LEO, tmp_path)
    assert [run.overrides for run in plan.runs] == [run.overrides for run in again.runs]
