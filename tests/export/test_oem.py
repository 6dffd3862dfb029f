"""OEM files, read back by the library ``oem``: states, epochs, frames and segments are GMAT's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oem import OrbitEphemerisMessage

from flown_paths import SCRIPT, FlownSweep, burned, flown_sweep, in_system, orbit, report_of, states
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.export import export_oem


def read(path: Path) -> OrbitEphemerisMessage:
    return OrbitEphemerisMessage.open(path)


def test_every_state_and_epoch_comes_back(tmp_path: Path) -> None:
    rows = orbit(np.cumsum([0.0, *[60.123456789, 33.3, 90.000000001] * 10]))

    made = export_oem(flown_sweep(tmp_path, rows=rows), tmp_path / "oem")

    assert [path.name for path in made.files] == [
        "run-nominal-Sat.oem", "run-0-Sat.oem", "run-1-Sat.oem", "run-2-Sat.oem", "run-3-Sat.oem",
    ]  # fmt: skip
    assert made.run_ids == (-1, 0, 1, 2, 3)
    (segment,) = read(made.files[0])
    found = [*segment.states]
    epochs = np.array([each.epoch.to_value("datetime64") for each in found])
    # The library reads to a nanosecond or two: astropy has days in two doubles.
    assert np.abs((epochs - rows.epochs).astype(int)).max() <= 2
    assert rows.velocities is not None
    np.testing.assert_allclose([each.position for each in found], rows.positions, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        [each.velocity for each in found], rows.velocities, rtol=0, atol=1e-12
    )
    assert {key: segment.metadata[key] for key in ("OBJECT_NAME", "OBJECT_ID", "CENTER_NAME")} == {
        "OBJECT_NAME": "Sat", "OBJECT_ID": "2026-001A", "CENTER_NAME": "EARTH",
    }  # fmt: skip
    assert segment.metadata["REF_FRAME"] == "EME2000"
    assert segment.metadata["TIME_SYSTEM"] == "TAI"
    # Its own interpolation, by the keywords of the file, is on the orbit between the rows.
    middle = segment(found[4].epoch + 0.5 * (found[5].epoch - found[4].epoch))
    seconds = 0.5 * (rows.seconds[4] + rows.seconds[5])
    np.testing.assert_allclose(middle.position, states([seconds])[0][0], rtol=0, atol=1e-6)


def test_a_failed_run_has_the_rows_of_its_report_up_to_there(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path)

    made = export_oem(folder, tmp_path / "oem", runs="3")

    text = made.files[0].read_text()
    assert len([*read(made.files[0]).states]) == 40
    assert "COMMENT m.script, run 3 (failed)" in text
    assert "COMMENT Sat.VY = <b>5</b>" in text


def test_a_run_without_any_row_is_said_to_lack(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path)
    (folder / "run-3" / "r.txt").unlink()

    made = export_oem(folder, tmp_path / "oem")

    assert made.run_ids == (-1, 0, 1, 2)
    assert made.lacking == (3,)


@pytest.mark.parametrize(
    ("scale", "column", "written"),
    [("A1", "A1ModJulian", "TAI"), ("UTC", "UTCGregorian", "UTC"), ("TDB", "TDBModJulian", "TDB")],
)
def test_epochs_keep_their_scale_and_a1_becomes_tai(
    tmp_path: Path, scale: str, column: str, written: str
) -> None:
    made = FlownSweep(tmp_path)
    rows = orbit(np.arange(10) * 60.0)
    report = report_of(rows).rename(columns={"Sat.TAIModJulian": f"Sat.{column}"})
    made.sweep.ok(0, {"report__R": report})

    (path,) = export_oem(made.save(), tmp_path / "oem").files

    (segment,) = read(path)
    assert segment.metadata["TIME_SYSTEM"] == written
    shift = np.timedelta64(34_381_700 if scale == "A1" else 0, "ns")
    first = next(iter(segment.states)).epoch.to_value("datetime64")
    assert first == rows.epochs[0] - shift


@pytest.mark.parametrize(
    ("system", "frame", "center"),
    [("EarthFixed", "ITRF", "EARTH"), ("EarthICRF", "ICRF", "EARTH"), ("Moon", "EME2000", "MOON")],
)
def test_axes_and_origins_have_the_names_of_ccsds(
    tmp_path: Path, system: str, frame: str, center: str
) -> None:
    made = FlownSweep(tmp_path)
    report = report_of(orbit(np.arange(10) * 60.0))
    names = in_system(report, system)
    made.sweep.ok(0, {"report__R": report.rename(columns=names)})

    (path,) = export_oem(made.save(), tmp_path / "oem").files

    (segment,) = read(path)
    assert (segment.metadata["REF_FRAME"], segment.metadata["CENTER_NAME"]) == (frame, center)


def test_an_ephemeris_is_in_the_coordinate_system_of_the_script(tmp_path: Path) -> None:
    """GMAT's own file calls Earth-fixed axes TDR; the script knows better."""
    made = FlownSweep(tmp_path)
    report = report_of(orbit(np.arange(10) * 60.0)).drop(columns="time")
    names = {name: name.rpartition(".")[2] for name in map(str, report)} | {
        "Sat.TAIModJulian": "Epoch"
    }
    made.sweep.ok(0, {"ephemeris__E": report.rename(columns=names)})

    made_of = export_oem(made.save(), tmp_path / "oem")

    (segment,) = read(made_of.files[0])
    assert segment.metadata["CENTER_NAME"] == "MOON"
    assert segment.metadata["TIME_SYSTEM"] == "UTC"
    assert any("to a millisecond" in note for note in made_of.notes)


def test_no_reader_interpolates_across_a_burn(tmp_path: Path) -> None:
    rows, _, _ = burned(60.0, 0.2)

    made = export_oem(flown_sweep(tmp_path, rows=rows), tmp_path / "oem", runs=[-1])

    first, second = read(made.files[0])
    assert len([*first.states]) == 41
    assert next(iter(second.states)).epoch > [*first.states][-1].epoch


def test_what_an_oem_cannot_hold_is_refused_with_what_to_report(tmp_path: Path) -> None:
    made = FlownSweep(tmp_path)
    rows = orbit(np.arange(10) * 60.0)
    made.sweep.ok(0, {"report__R": report_of(replace(rows, velocities=None))})
    folder = made.save()

    with pytest.raises(SweepConfigError, match=r"Add Sat\.VX, Sat\.VY, Sat\.VZ to R"):
        export_oem(folder, tmp_path / "oem")
    assert not (tmp_path / "oem").exists()


def test_axes_without_a_name_are_refused(tmp_path: Path) -> None:
    made = FlownSweep(tmp_path)
    report = report_of(orbit(np.arange(10) * 60.0))
    names = in_system(report, "Odd")
    made.sweep.ok(0, {"report__R": report.rename(columns=names)})

    with pytest.raises(SweepConfigError, match=r"no name for axes of the type MJ2000Ec at Earth"):
        export_oem(made.save(), tmp_path / "oem")


def test_only_messages_of_this_package_are_replaced(tmp_path: Path) -> None:
    folder = flown_sweep(tmp_path)
    export_oem(folder, tmp_path / "oem", runs="0")
    export_oem(folder, tmp_path / "oem", runs="0")
    (tmp_path / "oem" / "run-1-Sat.oem").write_text("mine")

    with pytest.raises(SweepConfigError, match=r"run-1-Sat\.oem is there and was not written by"):
        export_oem(folder, tmp_path / "oem")
    assert not (tmp_path / "oem" / "run-nominal-Sat.oem").exists()
    assert (tmp_path / "oem" / "run-1-Sat.oem").read_text() == "mine"
    with pytest.raises(SweepConfigError, match="in the folder of a run"):
        export_oem(folder, folder / "run-0" / "oem", runs="1")


def test_a_spacecraft_of_many_has_a_message_of_its_own(tmp_path: Path) -> None:
    made = FlownSweep(
        tmp_path, SCRIPT.replace("Create Spacecraft Sat", "Create Spacecraft Sat Two")
    )
    rows = orbit(np.arange(10) * 60.0)
    more = report_of(orbit(np.arange(10) * 60.0, velocity=(0.0, 7.0, 1.0))).drop(columns="time")
    more.columns = [f"Two{name[3:]}" for name in map(str, more)]
    made.sweep.ok(0, {"report__R": report_of(rows, **more)})

    found = export_oem(made.save(), tmp_path / "oem")

    assert [path.name for path in found.files] == ["run-0-Sat.oem", "run-0-Two.oem"]
    assert next(iter(read(found.files[1]).states)).velocity == pytest.approx([0.0, 7.0, 1.0])
