"""The table of a solver without pandas is the one that gmat-run and Arrow make of its file."""

import importlib
import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gmat_run
import pyarrow as pa
import pytest

from gmat_sweep.worker.parquet_outputs import _as_parquet
from gmat_sweep.worker.solver_arrow import SolverColumns, solver_columns

solver_log: Any = importlib.import_module("gmat_run.parsers.solver_log")

_FILE = """********************************************************
*** Targeter Text File
***
*** Using Differential Correction
***
*** 1 variables
*** 1 goals
***
*** SolverMode: Solve
********************************************************


Iteration 1
Variables:
   TOI.Element1 = 0.5

Goals and achieved values:
   Sat.Earth.RMAG  Desired: 12000 Achieved: 9157.25
   Tolerance: 0.01


Iteration 2
Variables:
   TOI.Element1 = 0.75

Goals and achieved values:
   Sat.Earth.RMAG  Desired: 12000 Achieved: LAST
   Tolerance: 0.01
"""


@pytest.mark.parametrize("last", ["12000.005", "11000", "nan", "inf"])
def test_the_table_is_equal_byte_for_byte(last: str, tmp_path: Path) -> None:
    """Converged or not, and with values that are no number to Parquet."""
    path = tmp_path / "DC.data"
    path.write_text(_FILE.replace("LAST", last))
    found = []
    for _ in range(2):
        results = gmat_run.Results(
            output_dir=tmp_path,
            log="",
            solver_paths=MappingProxyType({"DC": path}),
            solver_max_iterations={"DC": 2},
        )
        found.append(results)
    columns = solver_columns(found[0], "DC")
    frame = found[1].solver_runs["DC"]

    assert isinstance(columns, SolverColumns)
    assert solver_log.pd.DataFrame is type(frame)
    wanted = _as_parquet(pa.Table.from_pandas(frame)).to_pybytes()
    assert _as_parquet(columns.arrow()).to_pybytes() == wanted
    assert _as_parquet(pa.Table.from_pandas(columns.frame())).to_pybytes() == wanted
    assert columns.attrs == frame.attrs
    assert math.isclose(frame["TOI.Element1"].iloc[1], 0.75)


def test_a_file_that_is_no_table_leaves_pandas_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "DC.data"
    path.write_text("no table")
    results = gmat_run.Results(output_dir=tmp_path, log="", solver_paths={"DC": path})
    before = solver_log.pd

    with pytest.raises(gmat_run.GmatOutputParseError):
        solver_columns(results, "DC")
    assert solver_log.pd is before
