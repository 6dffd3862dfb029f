"""Gravity files are cut to the degree that a script flies, where the script says it for certain.

That the numbers stay, real missions show in ``test_kept_kernels.py``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.worker.gravity_files import cut_file, fields_flown

_FIELD = "GMAT FM.GravityField.Earth."
_BEGIN = "BeginMissionSequence;\n"


def _degree(
    tmp_path: Path, body: str, overrides: Mapping[str, Any] | None = None, include: str = ""
) -> int | None:
    (tmp_path / "part.inc").write_text(include)
    script = tmp_path / "m.script"
    script.write_text(f"Create ForceModel FM;\n{_FIELD}PotentialFile = 'JGM2.cof';\n{body}")
    fields = fields_flown(EditableScript(script).edited(overrides or {}))
    assert fields is None or fields.files == {"JGM2.cof"}
    return None if fields is None else fields.degree


@pytest.mark.parametrize(
    ("body", "degree"),
    [
        (_BEGIN, 4),
        (f"{_FIELD}Degree = 20;\n{_FIELD}Order = 12;\n{_BEGIN}", 20),
        (f"{_FIELD}Order = 21;\n{_FIELD}Degree = 20;\n{_BEGIN}", 21),
        (f"{_FIELD}Degree = 8; % Degree = 70\n% FM.GravityField.Earth.Degree = N\n{_BEGIN}", 8),
        (f"Create String s;\ns = 'the Degree';\n{_FIELD}Degree = 8;\n{_BEGIN}", 8),
        (f"{_FIELD}Degree ...\n = 30;\n{_BEGIN}", 30),
        (f"{_FIELD}Degree = 8;\n{_BEGIN}{_FIELD}Degree = 40;\n", 40),
        # Whatever is no plain number.
        (f"Create Variable N;\nN = 30;\n{_BEGIN}{_FIELD}Degree = N;\n", None),
        (f"{_FIELD}Degree = 8;\n{_BEGIN}For N = 1:30;\n{_FIELD}Degree = N;\nEndFor;\n", None),
        (f"{_FIELD}Degree = 8.5;\n{_BEGIN}", None),
        (f"{_FIELD}Degree = 8; {_FIELD}Degree = 70;\n{_BEGIN}", None),
        (f"{_FIELD}TideModel = 'Solid';\n{_BEGIN}", None),
        (f"Create GmatFunction f;\n{_BEGIN}", None),
        (f"Create DifferentialCorrector DC;\n{_BEGIN}Vary DC(FM.GravityField.Earth.Degree = 3);\n",
         None),
        ("#Include 'absent.inc'\n" + _BEGIN, None),
    ],
)  # fmt: skip
def test_the_degree_is_told_by_plain_numbers_alone(
    tmp_path: Path, body: str, degree: int | None
) -> None:
    assert _degree(tmp_path, body) == degree


@pytest.mark.parametrize(
    ("include", "degree"),
    [(f"{_FIELD}Degree = 33;\n", 33), (f"{_FIELD}Degree = N;\n", None)],
)
def test_an_include_counts(tmp_path: Path, include: str, degree: int | None) -> None:
    body = f"{_FIELD}Degree = 8;\n#Include 'part.inc'\n{_BEGIN}"
    assert _degree(tmp_path, body, include=include) == degree


@pytest.mark.parametrize("body", [f"{_FIELD}Degree = 8;\n{_BEGIN}", _BEGIN])
def test_an_override_counts(tmp_path: Path, body: str) -> None:
    assert _degree(tmp_path, body, {"FM.GravityField.Earth.Degree": 50}) == 50


def test_a_script_without_a_field_of_its_own_gets_no_copies(tmp_path: Path) -> None:
    script = tmp_path / "m.script"
    script.write_text(f"Create ForceModel FM;\n{_BEGIN}")

    assert fields_flown(EditableScript(script).edited({})) is None


def test_a_cut_file_lacks_higher_coefficients_only() -> None:
    lines = [
        b"COMMENT   5",
        b"CCCC RECOEF    9  0",
        b"POTFIELD 70 70  1 3.98600441500000e+14 6.37813630000000e+06 1.00000000000000e+00",
        b"RECOEF    2  0   -4.84165480000000e-04",
        b"RECOEF    9  9   -4.84165480000000e-04 1.0000000000000e-04",
        b"RECOEF   10  0   -4.84165480000000e-04",
        b"RECOEF  360360   -4.84165480000000e-04 1.0000000000000e-04",
        b"END ",
    ]
    assert cut_file(b"\r\n".join(lines), 9).split(b"\n") == [*lines[:5], lines[7], b""]
