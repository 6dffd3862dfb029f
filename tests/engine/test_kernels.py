r"""Workers read text kernels without their prose, and every number stays as it was."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.engine import CONDENSED_VARIABLE, activate
from gmat_sweep.engine.kernels import TEXT_KERNELS, condensed
from gmat_sweep.spec import RunSpec
from repository import DATA

# Everything the three kernels serve: the Moon's frames (LUNA_FRAME_KERNEL_FILE), poles and prime
# meridians of planets (PLANETARY_PCK_FILE), UTC and TDB (LSK_FILE).
_FRAMES = """
Create Spacecraft Sat;
GMAT Sat.DateFormat = UTCGregorian;
GMAT Sat.Epoch = '01 Jan 2026 00:00:00.000';
GMAT Sat.CoordinateSystem = EarthMJ2000Eq;
GMAT Sat.DisplayStateType = Keplerian;
GMAT Sat.SMA = 42000;
GMAT Sat.ECC = 0.3;
GMAT Sat.INC = 28.5;
Create CoordinateSystem MoonFixed;
GMAT MoonFixed.Origin = Luna;
GMAT MoonFixed.Axes = BodyFixed;
Create CoordinateSystem MarsFixed;
GMAT MarsFixed.Origin = Mars;
GMAT MarsFixed.Axes = BodyFixed;
Create CoordinateSystem JupiterInertial;
GMAT JupiterInertial.Origin = Jupiter;
GMAT JupiterInertial.Axes = BodyInertial;
Create ForceModel FM;
GMAT FM.CentralBody = Earth;
GMAT FM.PointMasses = {Earth, Sun, Luna, Mars};
Create Propagator Prop;
GMAT Prop.FM = FM;
Create ReportFile RF;
GMAT RF.Filename = 'RF.txt';
GMAT RF.Precision = 16;
GMAT RF.Add = {Sat.UTCGregorian, Sat.TDBModJulian, Sat.EarthFixed.X, Sat.EarthFixed.VY,
  Sat.MoonFixed.X, Sat.MoonFixed.VY, Sat.MarsFixed.X, Sat.MarsFixed.VZ, Sat.JupiterInertial.Y};
BeginMissionSequence;
Propagate Prop(Sat) {Sat.ElapsedDays = 2};
"""


def _variables(kernel: bytes) -> list[bytes]:
    """Read the data lines of a text kernel as SPICE's rules name them."""
    found: list[bytes] = []
    in_data = False
    for line in kernel.splitlines():
        word = line.strip()
        if word == b"\\begindata":
            in_data = True
        elif word == b"\\begintext":
            in_data = False
        elif in_data and word:
            found.append(word)
    return found


_LINES = st.lists(
    st.sampled_from(
        [
            b"\\begindata",
            b"   \\begintext  ",
            b"",
            b"Prose, with = and ( signs )",
            b"   BODY399_RADII = ( 6378.14 6378.14",
            b"       6356.75 )\t",
            b"FRAME_MOON_PA = 31000",
            b"DELTET/DELTA_AT = ( 10, @1972-JAN-1 )",
        ]
    ),
    max_size=40,
)


@given(lines=_LINES, ending=st.sampled_from([b"\n", b"\r\n"]))
def test_data_lines_stay_and_prose_goes(lines: list[bytes], ending: bytes) -> None:
    """For any arrangement of text and data, the copy has the data lines in order and no others."""
    kernel = ending.join([b"KPL/PCK", *lines])
    copy = condensed(kernel)
    assert _variables(copy) == _variables(kernel)
    rest = [line for line in copy.split(b"\n") if line and line not in _variables(copy)]
    assert rest == [b"KPL/PCK", b"\\begindata", b"\\begintext"]
    assert condensed(copy) == copy


def test_presented_engine_keeps_the_kernels_of_the_wheel_and_has_condensed_ones_beside() -> None:
    """Only workers read the copies: the install that other programs see is the wheel's own."""
    root = activate().root
    startup = (root / "bin" / "api_startup_file.txt").read_text(encoding="utf-8")
    lines = (root / "bin" / "condensed_kernels.txt").read_text(encoding="utf-8").splitlines()
    assert "condensed" not in startup
    assert [line.partition(" = ")[0] for line in lines] == list(TEXT_KERNELS)
    for line in lines:
        copy = Path(line.partition(" = ")[2])
        original = next((root / "data").rglob(copy.name))
        assert _variables(copy.read_bytes()) == _variables(original.read_bytes())
        assert copy.stat().st_size < original.stat().st_size / 2


@pytest.fixture(scope="module")
def frames_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mission whose report needs all three kernels."""
    script = tmp_path_factory.mktemp("frames") / "frames.script"
    script.write_text(_FRAMES.replace(",\n  ", ", "), encoding="utf-8")
    return script


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, WorkerProcess]]:
    """A worker on condensed kernels, and one on those of the wheel."""
    with pytest.MonkeyPatch.context() as patch:
        started = {}
        for choice in ("1", "0"):
            patch.setenv(CONDENSED_VARIABLE, choice)
            started[choice] = WorkerProcess()
    yield started
    for worker in started.values():
        worker.close()


@pytest.mark.parametrize(
    "mission", ["frames.script", "low_orbit.script", "targeting.script", "leo_basic.script"]
)
def test_numbers_are_equal_bit_for_bit(
    mission: str, frames_script: Path, workers: dict[str, WorkerProcess], tmp_path: Path
) -> None:
    """Body-fixed frames of Earth, Moon and planets, time systems, drag: the same last bits."""
    script = frames_script if mission == "frames.script" else DATA / mission
    frames = []
    for choice, worker in workers.items():
        outcome = worker.run(
            RunSpec(
                run_id=0,
                script_path=script,
                overrides={"Sat.INC": 40.25},
                output_dir=tmp_path / choice,
                seed=None,
                run_options={},
            ),
            timeout_s=60,
        )
        assert outcome.status == "ok", outcome.stderr
        frames.append({key: pd.read_parquet(path) for key, path in outcome.output_paths.items()})
    condensed_frames, wheel_frames = frames
    assert condensed_frames.keys() == wheel_frames.keys() != set()
    for key, frame in condensed_frames.items():
        assert len(frame) > 0
        pd.testing.assert_frame_equal(frame, wheel_frames[key], check_exact=True)
