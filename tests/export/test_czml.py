"""The file for Cesium: positions, epochs and frames are GMAT's, and each run looks as it ended.

Epochs are read by astropy, polynomials are SciPy's; nothing of the export itself is used to read.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from scipy.interpolate import KroghInterpolator

from flown_paths import SCRIPT, FlownSweep, burned, flown_sweep, in_system, orbit, report_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export import czml, export_czml
from gmat_sweep.export.trajectory import Trajectory


def packets_of(path: Path) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in json.loads(path.read_text())}


def tai_ns(text: str) -> int:
    """Return an epoch of the file as nanoseconds of TAI, by astropy's leap seconds."""
    assert text.endswith("Z")
    return int(Time(text[:-1], scale="utc", format="isot").tai.to_value("datetime64").astype(int))


def samples(position: dict[str, Any]) -> tuple[Any, Any]:
    """Return the nanoseconds of TAI, and the rest of each row in metres and m/s."""
    names = {"cartesian": 4, "cartesianVelocity": 7}
    (name,) = names.keys() & position.keys()
    numbers = np.array(position[name]).reshape(-1, names[name])
    return tai_ns(position["epoch"]) + np.rint(numbers[:, 0] * 1e9).astype(int), numbers[:, 1:]


def sweep_in(folder: Path, system: str, rows: Trajectory) -> Path:
    made = FlownSweep(folder)
    report = report_of(rows)
    names = in_system(report, system)
    made.sweep.ok(-1, {"report__R": report.rename(columns=names)})
    return made.save()


@pytest.mark.parametrize(("system", "frame"), [("EarthICRF", "INERTIAL"), ("EarthFixed", "FIXED")])
def test_states_that_stay_are_those_of_gmat(tmp_path: Path, system: str, frame: str) -> None:
    rows = orbit(np.cumsum([0.0, *[60.1234567, 33.3, 90.0000001] * 30]))

    made = export_czml(sweep_in(tmp_path, system, rows), tmp_path / "a.czml")

    position = packets_of(made.files[0])["nominal/Sat"]["position"]
    epochs, numbers = samples(position)
    assert position["referenceFrame"] == frame
    assert len(epochs) < len(rows) / 3
    place = {int(ns): at for at, ns in enumerate(rows.epochs.astype(int))}
    kept = [place[min(place, key=lambda ns: abs(ns - each))] for each in epochs.tolist()]
    assert np.abs(rows.epochs.astype(int)[kept] - epochs).max() <= 2
    np.testing.assert_allclose(numbers[:, :3], rows.positions[kept] * 1e3, rtol=0, atol=5.1e-5)
    assert rows.velocities is not None
    np.testing.assert_allclose(numbers[:, 3:], rows.velocities[kept] * 1e3, rtol=0, atol=5.1e-8)


@pytest.mark.parametrize("with_velocity", [True, False])
def test_left_out_states_are_as_near_to_the_curve_as_it_says(
    tmp_path: Path, with_velocity: bool
) -> None:
    """SciPy's polynomials through the samples about each row, as Cesium chooses them."""
    rows = orbit(np.arange(400) * 15.0, with_velocity=with_velocity)
    points = 4 if with_velocity else 6

    made = export_czml(sweep_in(tmp_path, "EarthICRF", rows), tmp_path / "a.czml", tolerance_m=2.5)

    position = packets_of(made.files[0])["nominal/Sat"]["position"]
    assert position["interpolationAlgorithm"] == ("HERMITE" if with_velocity else "LAGRANGE")
    assert position["interpolationDegree"] == (7 if with_velocity else 5)
    epochs, numbers = samples(position)
    times = (epochs - epochs[0]) / 1e9
    off = []
    for second, true in zip(rows.seconds, rows.positions * 1e3, strict=True):
        after = int(np.searchsorted(times, second, side="right"))
        first = min(max(after - points // 2, 0), len(times) - points)
        nodes, values = times[first : first + points], numbers[first : first + points]
        if with_velocity:
            nodes, values = np.repeat(nodes, 2), values.reshape(-1, 2, 3).reshape(-1, 3)
        off.append(np.linalg.norm(KroghInterpolator(nodes, values)(second) - true))
    said = next(note for note in made.notes if "stay" in note)
    assert said.startswith(f"{len(epochs)} of 400 states stay; the curves through them are at most")
    bound = float(said.partition("at most ")[2].partition(" m")[0])
    assert bound / 1.3 < max(off) <= bound <= 2.5


def test_each_run_looks_as_it_ended_and_says_what_it_flew(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path)
    verdicts = {"requirements": [{"name": "low <x>", "violating_runs": [1]}]}
    (folder / "verdicts.json").write_text(json.dumps(verdicts))

    made = export_czml(folder, tmp_path / "a.czml")

    found = packets_of(made.files[0])
    assert [*found] == [
        "document",
        "run 3/Sat",
        "run 2/Sat",
        "run 1/Sat",
        "run 0/Sat",
        "nominal/Sat",
    ]
    colours = {
        name: packet["path"]["material"]["solidColor"]["color"]["rgba"][:3]
        for name, packet in found.items()
        if name != "document"
    }
    assert len({tuple(each) for each in colours.values()}) == 4
    assert colours["run 0/Sat"] == colours["run 2/Sat"]
    widths = {name: each["path"]["width"] for name, each in found.items() if name != "document"}
    assert max(widths, key=lambda name: widths[name]) == "nominal/Sat"
    violating, failed = (found[name]["description"] for name in ("run 1/Sat", "run 3/Sat"))
    assert "<td>low &lt;x&gt;</td>" in violating
    assert "<th>Sat.VY</th><td>6.002</td>" in violating
    assert "<td>failed</td>" in failed
    assert "<td>&lt;b&gt;5&lt;/b&gt;</td>" in failed
    assert "<td>2026-01-01T12:39:00.000 UTC</td>" in failed
    assert "no requirement" in found["run 0/Sat"]["description"]


def test_a_failed_run_ends_where_it_came_to(tmp_path: Path) -> None:
    found = packets_of(export_czml(flown_sweep(tmp_path), tmp_path / "a.czml").files[0])

    start, end = map(tai_ns, found["run 3/Sat"]["availability"].split("/"))
    whole, last = map(tai_ns, found["nominal/Sat"]["availability"].split("/"))
    assert abs(start - whole) < 5000  # 15 digits of a date
    assert ((end - start) / 1e9, (last - whole) / 1e9) == pytest.approx((39 * 60, 7200), abs=1e-5)
    clock = found["document"]["clock"]
    assert clock["interval"].split("/")[1] == found["nominal/Sat"]["availability"].split("/")[1]
    assert clock["multiplier"] == 120


def test_a_burn_ends_a_curve_and_the_next_begins_with_the_velocity_after_it(
    tmp_path: Path,
) -> None:
    rows, _, _ = burned(60.0, 0.2)

    made = export_czml(sweep_in(tmp_path, "EarthICRF", rows), tmp_path / "a.czml")

    before, after = packets_of(made.files[0])["nominal/Sat"]["position"]
    assert before["interval"].split("/")[1] == after["interval"].split("/")[0]
    last, first = samples(before)[1][-1], samples(after)[1][0]
    assert last[:3] == pytest.approx(first[:3], abs=1e-3)
    assert first[3:] - last[3:] == pytest.approx([0.0, 200.0, 0.0], abs=1e-4)


def test_a_leap_second_is_a_second_of_the_flight(tmp_path: Path) -> None:
    """31 December 2016 has 86401 seconds. Cesium adds seconds to the epoch and knows no UTC."""
    rows = orbit(np.arange(100) * 60.0)
    shift = np.datetime64("2016-12-31T23:30:36", "ns") - rows.epochs[0]
    rows.epochs[:] = rows.epochs + shift

    made = export_czml(sweep_in(tmp_path, "EarthICRF", rows), tmp_path / "a.czml")

    packet = packets_of(made.files[0])["nominal/Sat"]
    epochs, _ = samples(packet["position"])
    assert packet["availability"] == "2016-12-31T23:30:00.000000000Z/2017-01-01T01:08:59.000000000Z"
    assert abs(epochs[-1] - rows.epochs[-1].astype(int)) <= 2


def test_no_more_runs_than_asked_and_the_same_each_time(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path, 12)

    first, again = (export_czml(folder, tmp_path / "a.czml", sample=5).run_ids for _ in range(2))

    assert first == again
    assert len(first) == 6
    assert first[0] == -1
    name = packets_of(tmp_path / "a.czml")["document"]["name"]
    assert name == "gmat-sweep: m.script, nominal and 5 of 13 runs"


def test_a_file_that_would_be_too_large_gets_a_wider_tolerance_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = flown_sweep(tmp_path)
    monkeypatch.setattr(czml, "MOST_BYTES", 15_000)

    made = export_czml(folder, tmp_path / "a.czml", tolerance_m=1e-5)

    assert any("the tolerance had to grow to" in note for note in made.notes)
    monkeypatch.setattr(czml, "MOST_BYTES", 100)
    with pytest.raises(SweepConfigError, match=r"more than a browser shows\. Choose fewer runs"):
        export_czml(folder, tmp_path / "a.czml")


def test_rows_that_are_far_apart_are_said_to_be(tmp_path: Path) -> None:
    rows = orbit(np.arange(30) * 600.0, with_velocity=False)

    made = export_czml(sweep_in(tmp_path, "EarthICRF", rows), tmp_path / "a.czml")

    assert "GMAT's rows are far apart" in made.notes[-1]


def test_states_of_one_epoch_are_no_line(tmp_path: Path) -> None:
    rows = orbit([0.0, 0.0])
    rows.positions[1] += 1.0

    with pytest.raises(SweepConfigError, match="no chosen run has states at two epochs"):
        export_czml(sweep_in(tmp_path, "EarthICRF", rows), tmp_path / "a.czml")


def test_what_czml_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match=r"axes of the type MJ2000Eq at Luna.*--oem"):
        export_czml(sweep_in(tmp_path, "Moon", orbit([0.0, 60, 120])), tmp_path / "a.czml")


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), 1e9])
def test_a_tolerance_that_is_none_is_refused(tmp_path: Path, tolerance: float) -> None:
    with pytest.raises(SweepConfigError, match="number of metres"):
        export_czml(flown_sweep(tmp_path, 1), tmp_path / "a.czml", tolerance_m=tolerance)


def test_files_of_others_are_not_replaced(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path, 1)
    (tmp_path / "mine.czml").write_text('[{"id": "document"}]')
    (tmp_path / "link.czml").symlink_to(tmp_path / "a.czml")
    export_czml(folder, tmp_path / "a.czml")
    export_czml(folder, tmp_path / "a.czml")

    for name, said in (
        ("mine.czml", "not written by gmat-sweep"),
        ("link.czml", "not written by gmat-sweep"),
        ("a.json", r"no \.czml file"),
    ):
        with pytest.raises(SweepConfigError, match=said):
            export_czml(folder, tmp_path / name)


def test_the_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = flown_sweep(tmp_path, 1)
    monkeypatch.setitem(sys.modules, "czml3", None)

    with pytest.raises(ImportError, match=r"pip install gmat-sweep\[export\]"):
        export_czml(folder, tmp_path / "a.czml")


def test_two_spacecraft_have_a_packet_each(tmp_path: Path) -> None:
    made = FlownSweep(
        tmp_path, SCRIPT.replace("Create Spacecraft Sat", "Create Spacecraft Sat Two")
    )
    more = report_of(orbit(np.arange(10) * 60.0, velocity=(0.0, 7.0, 1.0))).drop(columns="time")
    more.columns = [f"Two{name[3:]}" for name in map(str, more)]
    made.sweep.ok(0, {"report__R": report_of(orbit(np.arange(10) * 60.0), **more)})

    found = packets_of(export_czml(made.save(), tmp_path / "a.czml").files[0])

    assert {"run 0/Sat", "run 0/Two"} <= found.keys()
    assert found["run 0/Two"]["name"] == "run 0, Two"
