"""Frames of solver iterations and of convergence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from gmat_sweep.aggregate import (
    lazy_solver_convergence,
    lazy_solver_runs,
    solver_convergence,
    solver_runs,
)
from gmat_sweep.errors import SweepConfigError
from sweep_on_disk import SweepOnDisk, level_dtypes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sweep(tmp_path: Path) -> SweepOnDisk:
    return SweepOnDisk(tmp_path)


def history(*iterations: int, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {"iteration": list(iterations), "status": ["running"] * len(iterations), **columns}
    )


def test_iterations_of_all_solvers_and_runs_are_stacked_and_sorted(sweep: SweepOnDisk) -> None:
    sweep.ok(1, solvers={"Yukon": history(2, 1, cost=[2.0, 1.0])})
    sweep.ok(0, solvers={"DC": history(1, dv=0.5), "Alt": history(1, 2, dv=[1, 2])})
    sweep.failed(2)

    frame = lazy_solver_runs(sweep.save())

    assert frame.index.names == ["run_id", "solver", "iteration"]
    assert frame.index.tolist() == [
        (0, "Alt", 1), (0, "Alt", 2), (0, "DC", 1), (1, "Yukon", 1), (1, "Yukon", 2)
    ]  # fmt: skip
    assert level_dtypes(frame)[::2] == ["int64", "int64"]
    assert list(frame.columns) == ["status", "dv", "cost"]
    assert frame["dv"].tolist()[:3] == [1.0, 2.0, 0.5]
    assert frame["cost"].tolist()[3:] == [1.0, 2.0]


def test_repeated_iterations_keep_their_order(sweep: SweepOnDisk) -> None:
    sweep.ok(0, solvers={"Yukon": history(1, 0, 1, 0, cost=[1.0, 2.0, 3.0, 4.0])})

    frame = lazy_solver_runs(sweep.save())

    assert frame["cost"].tolist() == [2.0, 4.0, 1.0, 3.0]


def test_the_run_id_and_solver_columns_of_a_file_are_dropped(sweep: SweepOnDisk) -> None:
    sweep.ok(3, solvers={"DC": history(1, run_id=9, solver="x")})

    frame = lazy_solver_runs(sweep.save())

    assert list(frame.columns) == ["status"]
    assert frame.index.tolist() == [(3, "DC", 1)]


def test_an_iteration_index_counts_as_a_column(sweep: SweepOnDisk) -> None:
    sweep.ok(0, solvers={"DC": history(4, 5).set_index("iteration")})

    frame = lazy_solver_runs(sweep.save())

    assert frame.index.get_level_values("iteration").tolist() == [4, 5]


@pytest.mark.parametrize("rows", [None, 0])
def test_without_any_iteration_the_frame_is_empty_and_typed(
    sweep: SweepOnDisk, rows: int | None
) -> None:
    if rows is not None:
        sweep.ok(0, solvers={"DC": history(1).iloc[:rows]})

    frame = lazy_solver_runs(sweep.save())

    assert frame.empty
    assert list(frame.columns) == ["status"]
    assert str(frame["status"].dtype) == "string"
    assert frame.index.names == ["run_id", "solver", "iteration"]
    assert level_dtypes(frame)[::2] == ["int64", "int64"]


def test_a_missing_file_is_a_value_error_with_run_and_solver(sweep: SweepOnDisk) -> None:
    folder = sweep.ok(6, solvers={"DC": history(1)})
    (folder / "solver__DC.parquet").unlink()

    with pytest.raises(ValueError, match="missing solver output 'DC' of run 6"):
        lazy_solver_runs(sweep.save())


def test_a_file_without_iterations_is_refused_by_name(sweep: SweepOnDisk) -> None:
    sweep.ok(6, solvers={"DC": pd.DataFrame({"cost": [1.0]})})

    with pytest.raises(ValueError, match="'DC' of run 6 has no 'iteration' column"):
        lazy_solver_runs(sweep.save())


@pytest.mark.parametrize("iterations", [[1.5], [None, 1.0], ["one"]])
def test_an_iteration_that_is_no_whole_number_is_refused(
    sweep: SweepOnDisk, iterations: list[Any]
) -> None:
    sweep.ok(6, solvers={"DC": pd.DataFrame({"iteration": iterations})})

    with pytest.raises(ValueError, match="'DC' of run 6 has an 'iteration'"):
        lazy_solver_runs(sweep.save())


def test_iterations_stored_as_whole_floats_are_integers(sweep: SweepOnDisk) -> None:
    sweep.ok(0, solvers={"DC": pd.DataFrame({"iteration": [1.0, 2.0]})})

    assert level_dtypes(lazy_solver_runs(sweep.save()))[2] == "int64"


def test_convergence_comes_from_the_manifest_alone(sweep: SweepOnDisk) -> None:
    sweep.ok(1, solvers={"DC": sweep.folder / "gone"}, converged={"DC": False})
    sweep.ok(0, converged={"Yukon": True, "DC": True})
    sweep.failed(2)

    frame = lazy_solver_convergence(sweep.save())

    assert frame.index.names == ["run_id", "solver"]
    assert frame.index.tolist() == [(0, "DC"), (0, "Yukon"), (1, "DC")]
    assert frame["converged"].tolist() == [True, True, False]
    assert frame["converged"].dtype == bool


def test_convergence_without_solvers_is_empty_and_typed(sweep: SweepOnDisk) -> None:
    frame = lazy_solver_convergence(sweep.save())

    assert frame.empty
    assert frame["converged"].dtype == bool
    assert level_dtypes(frame)[0] == "int64"


def test_a_manifest_in_memory_gives_the_same_frames(sweep: SweepOnDisk) -> None:
    sweep.ok(0, solvers={"DC": history(1, 2)}, converged={"DC": True})
    path = sweep.save()

    pd.testing.assert_frame_equal(solver_runs(sweep.manifest, sweep.folder), lazy_solver_runs(path))
    pd.testing.assert_frame_equal(solver_convergence(sweep.manifest), lazy_solver_convergence(path))


@pytest.mark.parametrize("read", [lazy_solver_runs, lazy_solver_convergence])
def test_an_unknown_engine_is_refused(sweep: SweepOnDisk, read: Any) -> None:
    with pytest.raises(SweepConfigError, match="engine='bogus' is not supported"):
        read(sweep.save(), engine="bogus")
