"""What a report says of what was varied."""

from __future__ import annotations

from typing import Any

import pytest

from gmat_sweep.analysis.varied import varied_lines
from gmat_sweep.distributions import perturb_to_json
from gmat_sweep.draws import Covariance
from manifests import header

MATRIX = [[1.0, 0.0], [0.0, 1.0]]


def lines_of(spec: dict[str, Any], **more: Any) -> list[str]:
    return list(varied_lines(header(parameter_spec=spec, **more)))


def test_draws_have_their_distribution_and_what_they_are_about() -> None:
    perturb = perturb_to_json(
        {
            "Sat.SMA": ("normal", 7000.0, "15@3"),
            "Sat.INC": ("delta_uniform", 0.1),
            "FM.Drag": ("discrete", {"MSISE90": 3, "None": 1}),
            "two": Covariance(MATRIX, fields=("V", "A(1,2)"), mean=(0, 0)),
            "Sat": Covariance([[1.0] * 6] * 6, frame="RIC", source="state.opm"),
        }
    )
    spec = {"_kind": "monte_carlo", "perturb": perturb, "n": 3, "nominal": {"Sat.INC": 28.5}}
    design, *fields, versions = lines_of(spec, run_count=3, sweep_seed=42)
    assert design == "monte carlo, n = 3, seed 42"
    assert fields == [
        r"FM.Drag: discrete \[MSISE90, None], \[3, 1]",
        "Sat: covariance of cartesian in RIC from state.opm",
        "Sat.INC: delta_uniform 0.1, about 28.5",
        "Sat.SMA: normal 7000, 15@3",
        "two: covariance of V, A(1,2)",
    ]
    assert versions.startswith("flown with GMAT ")


def test_a_grid_has_its_values_and_a_table_its_columns() -> None:
    grid = {"_kind": "grid", "Sat.SMA": list(range(7000, 7010)), "Sat.INC": [0, 90]}
    assert lines_of(grid, run_count=20)[1:3] == [
        "Sat.SMA: 10 values, 7000, 7001, 7002, 7003, 7004, 7005, ... 7009",
        "Sat.INC: 0, 90",
    ]
    table = {"_kind": "explicit", "columns": ["Sat.SMA"], "rows": [[1.0]]}
    assert lines_of(table)[1] == "Sat.SMA: from the table"


@pytest.mark.parametrize("perturb", [None, 5, {"Sat.SMA": 5}, {"x": []}, {"x": {"name": 1}}])
def test_a_header_of_another_form_is_no_reason_to_fail(perturb: Any) -> None:
    assert lines_of({"_kind": "monte_carlo", "perturb": perturb})[0].startswith("monte carlo")
