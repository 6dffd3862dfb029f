r"""Workers read text kernels without their prose.

That every number stays as it was, real missions show in ``tests/worker/test_kept_kernels.py``.
"""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.engine import activate
from gmat_sweep.engine.kernels import TEXT_KERNELS, condensed


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
    # GMAT takes the frames of the Moon from this folder, whatever the key of that file says.
    folder = lines.pop(0)
    assert folder == f"PLANETARY_COEFF_PATH = {root}/condensed/"
    beside = {path.name for path in (root / "data" / "planetary_coeff").iterdir()}
    assert beside <= {path.name for path in (root / "condensed").iterdir()}
    assert [line.partition(" = ")[0] for line in lines] == list(TEXT_KERNELS)
    for line in lines:
        copy = Path(line.partition(" = ")[2])
        original = next((root / "data").rglob(copy.name))
        assert _variables(copy.read_bytes()) == _variables(original.read_bytes())
        assert copy.stat().st_size < original.stat().st_size / 2
