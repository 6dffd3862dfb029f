"""Covariances from CCSDS orbit messages, written here by hand from the standard's tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.sources import needed_of_nominal, sources_of
from gmat_sweep.errors import SweepConfigError

ROWS = [
    [0.09],
    [-0.012, 0.81],
    [0.003, 0.01, 0.04],
    [1e-6, -2e-5, 1e-6, 1e-6],
    [-3e-5, 1e-6, 2e-6, 1e-9, 9e-8],
    [1e-6, 2e-6, -1e-6, 1e-9, 2e-9, 4e-8],
]
MATRIX = [[ROWS[max(i, j)][min(i, j)] for j in range(6)] for i in range(6)]
NAMES = ["X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT"]
OPM = "\n".join(
    [
        "CCSDS_OPM_VERS = 2.0",
        "COMMENT CX_X = 9 is no value here",
        "CREATION_DATE = 2026-01-01T00:00:00",
        "ORIGINATOR = US",
        "OBJECT_NAME = ONE",
        "OBJECT_ID = 2026-001A",
        "CENTER_NAME = EARTH",
        "REF_FRAME = EME2000",
        "TIME_SYSTEM = UTC",
        "EPOCH = 2026-01-01T00:00:00.000",
        "X = 5100.0 [km]",
        "COV_REF_FRAME = RTN",
        *(
            f"C{NAMES[i]}_{NAMES[j]} = {ROWS[i][j]!r} [km**2]"
            for i in range(6)
            for j in range(i + 1)
        ),
        "",
    ]
)


ELEMENTS = "".join(
    f"<C{NAMES[i]}_{NAMES[j]}>{ROWS[i][j]!r}</C{NAMES[i]}_{NAMES[j]}>"
    for i in range(6)
    for j in range(i + 1)
)
METADATA = """<metadata>
<COMMENT>CX_X = 9 is no value here</COMMENT><OBJECT_NAME>A &amp; B</OBJECT_NAME>
<CENTER_NAME>EARTH</CENTER_NAME><REF_FRAME>EME2000</REF_FRAME><TIME_SYSTEM>UTC</TIME_SYSTEM>
</metadata>"""
XML_OPM = f"""<opm id="CCSDS_OPM_VERS" version="2.0">
<header><CREATION_DATE>2026-01-01T00:00:00</CREATION_DATE></header><body><segment>{METADATA}
<data><stateVector><EPOCH>
  2026-01-01T00:00:00.000</EPOCH><X units="km">5100.0</X></stateVector>
<covarianceMatrix><COV_REF_FRAME>RTN</COV_REF_FRAME>
{ELEMENTS}
</covarianceMatrix>
<maneuverParameters><MAN_DURATION units="s">1</MAN_DURATION></maneuverParameters>
</data></segment></body></opm>"""
MATRIX_OF_OEM = f"""<covarianceMatrix><EPOCH>2026-01-01T00:00:00</EPOCH>
{ELEMENTS}
</covarianceMatrix>"""
XML_OEM = f"""<ndm:oem xmlns:ndm="urn:ccsds" id="CCSDS_OEM_VERS" version="2.0">
<body><segment>{METADATA}<data><stateVector><EPOCH>2026-02-01T00:00:00</EPOCH>
<X>1</X></stateVector>{MATRIX_OF_OEM}</data></segment></body></ndm:oem>"""


def oem(*blocks: str) -> str:
    return "\n".join(
        [
            "CCSDS_OEM_VERS = 2.0",
            "META_START",
            "CENTER_NAME = MOON",
            "REF_FRAME = ICRF",
            "TIME_SYSTEM = TDB",
            "META_STOP",
            "2026-01-01T00:00:00 1 2 3 4 5 6",
            "COVARIANCE_START",
            *blocks,
            "COVARIANCE_STOP",
        ]
    )


def block(epoch: str, scale: float, *more: str) -> str:
    rows = [" ".join(repr(scale * each) for each in row) for row in ROWS]
    return "\n".join([f"EPOCH = {epoch}", *more, *rows])


NOMINAL: dict[str, Any] = {
    **dict(zip([f"Sat.{n}" for n in ("X", "Y", "Z", "VX", "VY", "VZ")], range(1, 7), strict=True)),
    "Sat.CoordinateSystem.Axes": "MJ2000Eq",
    "Sat.CoordinateSystem.Origin": "Earth",
    "Sat.Epoch": "01 Jan 2026 00:00:00.000",
    "Sat.DateFormat": "UTCGregorian",
}
NOMINAL["Sat.VX"] = -7.0


@pytest.fixture
def message(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "state.opm"
        path.write_text(text)
        return path

    return write


def test_an_opm_gives_matrix_frame_and_what_it_is_of(message: Any) -> None:
    read = covariance_of_message(message(OPM))
    np.testing.assert_array_equal(read.matrix, MATRIX)
    assert (read.frame, read.reference_frame, read.center) == ("RIC", "EME2000", "EARTH")
    assert read.epoch == "2026-01-01T00:00:00.000000 UTC"
    assert set(needed_of_nominal({"Sat": read})) == set(NOMINAL)
    sources_of({"Sat": read}, "a test", NOMINAL)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (XML_OPM, "RIC"),
        (f"<?xml version='1.0' encoding='UTF-16'?>\n<ndm>{XML_OPM}</ndm>", "RIC"),
        (XML_OEM, None),
    ],
)
def test_a_message_in_xml_says_the_same(text: str, frame: Any, message: Any) -> None:
    """As the one in key-value notation does."""
    path = message(text)
    if "UTF-16" in text:
        path.write_text(text, encoding="utf-16")
    read = covariance_of_message(path)
    assert read == replace(covariance_of_message(message(OPM)), frame=frame)


def test_an_oem_gives_the_covariance_of_an_epoch(message: Any) -> None:
    text = oem(
        block("2026-001T06:00:00", 1.0, "COV_REF_FRAME = TNW"),
        block("2026-001T12:00:00", 4.0, "COV_REF_FRAME = TNW"),
        block("2026-001T18:00:00", 1.0),
    )
    read = covariance_of_message(message(text), at="2026-001T12:00:00")
    np.testing.assert_array_equal(read.matrix, 4 * np.array(MATRIX))
    assert (read.frame, read.center, read.epoch) == (
        "TNW",
        "MOON",
        "2026-01-01T12:00:00.000000 TDB",
    )
    nominal = {
        **NOMINAL,
        "Sat.CoordinateSystem.Axes": "ICRF",
        "Sat.CoordinateSystem.Origin": "Luna",
        "Sat.Epoch": "31042.0",
        "Sat.DateFormat": "TDBModJulian",
    }
    sources_of({"Sat": read}, "a test", nominal)
    with pytest.raises(SweepConfigError, match="has 3 covariances, at 2026-001T06:00:00 to"):
        covariance_of_message(message(text))
    # Readers disagree whether the frame of the one before holds on, or that of the states.
    with pytest.raises(SweepConfigError, match="18:00:00 does not say its frame"):
        covariance_of_message(message(text), at="2026-001T18:00:00")
    with pytest.raises(SweepConfigError, match="no covariance at 2026-002"):
        covariance_of_message(message(text), at="2026-002T00:00:00")


@pytest.mark.parametrize(
    ("change", "message_of"),
    [
        ({"Sat.CoordinateSystem.Axes": "MJ2000Ec"}, "EME2000, and Sat is given in MJ2000Ec axes"),
        ({"Sat.CoordinateSystem.Origin": "Luna"}, "about EARTH, and Sat is given about Luna"),
        ({"Sat.Epoch": "01 Jan 2026 00:00:01.000"}, r"-1\.000 s from the epoch of Sat"),
        ({"Sat.DateFormat": "TAIGregorian"}, r"\+37\.000 s from the epoch of Sat"),
    ],
)
def test_frame_center_and_epoch_must_be_the_spacecrafts(
    message: Any, change: dict[str, Any], message_of: str
) -> None:
    read = covariance_of_message(message(OPM))
    with pytest.raises(SweepConfigError, match=message_of):
        sources_of({"Sat": read}, "a test", {**NOMINAL, **change})


@pytest.mark.parametrize(
    ("text", "message_of"),
    [
        ("", "no OPM or OEM: it is no XML, and its first line"),
        ("<?xml version='1.0'?><opm/>", "has no covariance: CX_X is missing"),
        ("<cdm><CX_X>1</CX_X></cdm>", "has no OPM or OEM in it"),
        (f"<ndm>{XML_OPM}{XML_OPM}</ndm>", "line 12: a second message begins"),
        (f"<!DOCTYPE opm [<!ENTITY e 'ha'>]>{XML_OPM}", "has a document type"),
        (XML_OPM.replace("</data>", ""), "is no XML: mismatched tag: line 12"),
        (XML_OPM.replace("<CX_X>0.09<", "<CX_X>much<"), "line 9: 'much' is no number"),
        (XML_OPM.replace("<CX_X>", "<CX_X units='m**2'>"), r"line 9: the unit is \[m\*\*2\]"),
        (XML_OEM.replace("CZ_DOT_Z>", "CZ_DOT_ZZ>"), "line 8: the covariance lacks CZ_DOT_Z"),
        (OPM.replace("km**2", "m**2"), r"line 13: the unit is \[m\*\*2\], and the standard has km"),
        (OPM.replace("CZ_DOT_Z =", "CZ_DOT_ZZ ="), "lacks CZ_DOT_Z"),
        (OPM.replace("CX_X = 0.09", "CX_X = much"), "line 13: 'much' is no number"),
        (OPM.replace("REF_FRAME = EME2000", "REF_FRAME = MARSIAU"), "MARSIAU, which GMAT has no"),
        (OPM.replace("= RTN", "= ITRF2000"), "in ITRF2000 and its state in EME2000"),
        (OPM.replace("= UTC", "= GPS"), "the TIME_SYSTEM GPS"),
        (OPM.replace("EPOCH = 2026-01-01T00", "EPOCH = 1 January 00"), "is no epoch"),
        (OPM.split("COV_REF_FRAME")[0], "has no covariance: CX_X is missing"),
        (oem(), "has no covariance"),
        (oem("EPOCH = 2026-001T06:00:00", "1", "2 3"), "has 2 rows. It needs 6"),
        (oem("EPOCH = 2026-001T06:00:00", "1 2"), "line 10: 2 numbers are no row"),
    ],
)
def test_a_bad_message_is_refused_with_file_and_line(
    message: Any, text: str, message_of: str
) -> None:
    path = message(text)
    with pytest.raises(SweepConfigError, match=message_of) as caught:
        covariance_of_message(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match=r"none\.opm cannot be read"):
        covariance_of_message(tmp_path / "none.opm")
