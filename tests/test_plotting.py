"""The pictures: what is drawn is what the frame says, and what is not drawn is told."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from gmat_sweep.analysis import mc_convergence, sweep_summary
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plotting import (
    mc_convergence_over_time_plot,
    mc_convergence_plot,
    sweep_band_plot,
    sweep_corner,
    sweep_heatmap,
)
from gmat_sweep.plotting.labels import label
from sweep_on_disk import SweepOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from gmat_sweep.manifest import Manifest

_START = pd.Timestamp("2026-01-01")
_X, _Y = "Sat.SMA", "Sat.ECC"


@pytest.fixture(autouse=True)
def agg() -> Iterator[None]:
    """Draw without a screen, and leave no figure behind."""
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def ax() -> Axes:
    return Figure().subplots()


def _drawn(ax: Axes) -> None:
    """Draw the figure as a file would need it, so that a fault of any artist shows."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.canvas.draw()


def _texts(ax: Axes) -> list[str]:
    """Return every text in the figure of `ax` outside ticks."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        texts += [axes.get_xlabel(), axes.get_ylabel()]
        texts += [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]
        legend = axes.get_legend()
        texts += [text.get_text() for text in legend.get_texts()] if legend else []
    return [text for text in texts if text]


def _epochs(rows: dict[int, list[float]], failed: tuple[int, ...] = ()) -> pd.DataFrame:
    records: list[tuple[Any, ...]] = [
        (run_id, _START + pd.Timedelta(seconds=k), value, "ok")
        for run_id, values in rows.items()
        for k, value in enumerate(values)
    ]
    records += [(run_id, pd.NaT, math.nan, "failed") for run_id in failed]
    frame = pd.DataFrame(records, columns=["run_id", "time", "Sat.Earth.RMAG", "__status"])
    return frame.set_index(["run_id", "time"]).sort_index()


def _manifest(tmp_path: Path, spec: dict[str, Any], overrides: list[dict[str, Any]]) -> Manifest:
    sweep = SweepOnDisk(tmp_path)
    for run_id in range(len(overrides)):
        sweep.ok(run_id)
    manifest = sweep.manifest
    manifest.parameter_spec = spec
    for entry, given in zip(manifest.entries, overrides, strict=True):
        entry.overrides.update(given)
    return manifest


def _grid(tmp_path: Path, x: list[Any], y: list[Any]) -> Manifest:
    return _manifest(
        tmp_path,
        {"_kind": "grid", _X: x, _Y: y},
        [{_X: x_value, _Y: y_value} for y_value in y for x_value in x],
    )


def _runs(**columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame({name.replace("__", "."): values for name, values in columns.items()})
    frame["__status"] = "ok"
    frame.index.name = "run_id"
    return frame


# -- sweep_heatmap ---------------------------------------------------------------------------


def _mesh(ax: Axes) -> Any:
    (mesh,) = (item for item in ax.collections if type(item).__name__ == "QuadMesh")
    return mesh


def test_a_heatmap_has_each_run_in_the_cell_of_its_parameters(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000, 7100, 7300], [0.1, 0.0])
    frame = _runs(z=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    returned = sweep_heatmap(frame, _X, _Y, "z", manifest=manifest, ax=ax)

    assert returned is ax
    assert _mesh(ax).get_array().tolist() == [[4.0, 5.0, 6.0], [1.0, 2.0, 3.0]]
    corners = _mesh(ax).get_coordinates()
    assert corners[0, :, 0].tolist() == [6950.0, 7050.0, 7200.0, 7400.0]
    assert corners[:, 0, 1].tolist() == pytest.approx([-0.05, 0.05, 0.15])
    _drawn(ax)


def test_a_heatmap_names_its_axes_and_its_colour_with_units(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0, 0.1])
    frame = _runs(Sat__Earth__RMAG=[1.0, 2.0, 3.0, 4.0])

    sweep_heatmap(frame, _X, _Y, "Sat.Earth.RMAG", manifest=manifest, ax=ax)

    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Sat.SMA (km)", "Sat.ECC")
    assert "Sat.Earth.RMAG (km)" in _texts(ax)


def test_failed_cells_are_masked_light_grey_and_counted(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0, 0.1])
    frame = _epochs({0: [0.0, 1.0], 2: [0.0, 3.0], 3: [0.0, 4.0]}, failed=(1,))

    sweep_heatmap(frame, _X, _Y, "Sat.Earth.RMAG", manifest=manifest, ax=ax)

    mesh = _mesh(ax)
    assert np.ma.getmaskarray(mesh.get_array()).tolist() == [[False, True], [False, False]]
    assert mesh.get_array().compressed().tolist() == [1.0, 3.0, 4.0]
    assert mesh.get_cmap().get_bad().tolist() == list(mpl.colors.to_rgba("lightgray"))
    assert "no value: 1 failed" in _texts(ax)
    _drawn(ax)


def test_a_value_that_a_failed_run_left_is_not_drawn(tmp_path: Path, ax: Axes) -> None:
    frame = _runs(z=[1.0, 2.0, 3.0, 4.0])
    frame.loc[2, "__status"] = "failed"

    sweep_heatmap(frame, _X, _Y, "z", manifest=_grid(tmp_path, [1, 2], [1, 2]), ax=ax)

    assert np.ma.getmaskarray(_mesh(ax).get_array()).tolist() == [[False, False], [True, False]]


def test_without_a_manifest_the_axes_are_columns_of_the_frame(ax: Axes) -> None:
    frame = _runs(a=[1, 2, 1], b=[10, 10, 20], z=[1.0, 2.0, 3.0])

    sweep_heatmap(frame, "a", "b", "z", ax=ax)

    assert _mesh(ax).get_array().filled(math.nan).tolist() == [
        [1.0, 2.0],
        [3.0, pytest.approx(math.nan, nan_ok=True)],
    ]
    assert "no value: 1 cells" in _texts(ax)


def test_a_single_value_on_an_axis_has_a_cell_too(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000], [0.0, 0.1])

    sweep_heatmap(_runs(z=[1.0, 2.0]), _X, _Y, "z", manifest=manifest, ax=ax)

    assert _mesh(ax).get_coordinates()[0, :, 0].tolist() == [6999.5, 7000.5]


def test_keywords_reach_the_mesh_and_the_colour_map_keeps_its_grey(ax: Axes) -> None:
    frame = _runs(a=[1, 2], b=[1, 1], z=[1.0, 2.0])

    sweep_heatmap(frame, "a", "b", "z", ax=ax, cmap="magma", vmin=-5)

    assert _mesh(ax).get_cmap().name == "magma"
    assert _mesh(ax).norm.vmin == -5
    assert _mesh(ax).get_cmap().get_bad().tolist() == list(mpl.colors.to_rgba("lightgray"))


def test_designs_other_than_a_grid_of_two_axes_are_refused(tmp_path: Path, ax: Axes) -> None:
    three = _manifest(tmp_path, {"_kind": "grid", "a": [1], "b": [1], "c": [1]}, [{}])
    drawn = _manifest(tmp_path, {"_kind": "monte_carlo", "perturb": {"a": [], "b": []}}, [{}])

    for manifest in (three, drawn):
        with pytest.raises(SweepConfigError, match=r"exactly 2 grid axes.*sweep_corner"):
            sweep_heatmap(_runs(z=[1.0]), "a", "b", "z", manifest=manifest, ax=ax)


def test_axes_that_are_not_the_grids_are_refused(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [1], [1])

    with pytest.raises(SweepConfigError, match=r"the grid axes are 'Sat\.SMA' and 'Sat\.ECC'"):
        sweep_heatmap(_runs(z=[1.0]), _X, "Sat.INC", "z", manifest=manifest, ax=ax)


@pytest.mark.parametrize("values", [["a", "b"], [True, False]])
def test_axes_that_are_not_numeric_are_refused(tmp_path: Path, ax: Axes, values: list[Any]) -> None:
    manifest = _grid(tmp_path, values, [1])

    with pytest.raises(SweepConfigError, match=r"numeric grid axes.*dtype="):
        sweep_heatmap(_runs(z=[1.0, 2.0]), _X, _Y, "z", manifest=manifest, ax=ax)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1, 1], "b": [2, 2], "z": [1.0, 2.0]}, "2 runs share the cell a=1, b=2"),
        ({"a": np.arange(20), "b": np.arange(20), "z": np.arange(20)}, "which is no grid"),
        ({"a": [1, 2], "z": [1.0, 2.0]}, "'b' is not a numeric column of df.*manifest="),
        ({"a": [1], "b": [1], "z": ["text"]}, "z='z' is not a numeric column"),
    ],
)
def test_columns_that_span_no_grid_are_refused(
    columns: dict[str, Any], message: str, ax: Axes
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sweep_heatmap(_runs(**columns), "a", "b", "z", ax=ax)


def test_the_manifest_of_another_sweep_is_refused(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [1], [1])

    with pytest.raises(SweepConfigError, match="no entry for 1 runs of df, the first is run 1"):
        sweep_heatmap(_runs(z=[1.0, 2.0]), _X, _Y, "z", manifest=manifest, ax=ax)


# -- sweep_corner ----------------------------------------------------------------------------


def _axes(size: int) -> Any:
    return Figure(figsize=(8, 8)).subplots(size, size)


def _points(ax: Axes) -> Any:
    (points,) = ax.collections
    return points


def test_a_corner_has_scatter_below_the_diagonal_histograms_on_it_and_nothing_above() -> None:
    frame = _runs(a=[1.0, 2.0, 3.0], b=[6.0, 5.0, 4.0], c=[0.0, 0.0, 9.0], z=[7.0, 8.0, 9.0])

    grid = sweep_corner(frame, ["a", "b", "c"], "z", axes=_axes(3))

    assert grid.shape == (3, 3)
    for (i, j), y, x in [((1, 0), "b", "a"), ((2, 0), "c", "a"), ((2, 1), "c", "b")]:
        assert _points(grid[i, j]).get_offsets().tolist() == frame[[x, y]].to_numpy().tolist()
        assert _points(grid[i, j]).get_array().tolist() == [7.0, 8.0, 9.0]
    for k in range(3):
        assert sum(bar.get_height() for bar in grid[k, k].patches) == 3
    assert [grid[i, j].get_visible() for i, j in [(0, 1), (0, 2), (1, 2)]] == [False] * 3
    _drawn(grid[0, 0])


def test_all_panels_of_a_corner_share_one_colour_scale_with_one_bar() -> None:
    frame = _runs(a=[1.0, 2.0], b=[6.0, 5.0], c=[0.0, 1.0], Sat__Earth__SMA=[7.0, 9.0])

    grid = sweep_corner(frame, ["a", "b", "c"], "Sat.Earth.SMA", axes=_axes(3))

    norms = [_points(grid[i, j]).norm for i, j in [(1, 0), (2, 0), (2, 1)]]
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(7.0, 9.0)}
    assert len(grid[0, 0].get_figure().axes) == 10
    assert "Sat.Earth.SMA (km)" in _texts(grid[0, 0])


def test_the_outer_panels_of_a_corner_carry_the_names_and_the_diagonal_counts_runs() -> None:
    grid = sweep_corner(_runs(Sat__SMA=[1, 2], b=[1, 2], z=[1, 2]), [_X, "b"], "z", axes=_axes(2))

    assert [ax.get_xlabel() for ax in grid[1]] == ["Sat.SMA (km)", "b"]
    assert grid[1, 0].get_ylabel() == "b"
    assert [grid[k, k].get_ylabel() for k in range(2)] == ["runs", "runs"]


def test_panels_of_one_parameter_span_the_same_values() -> None:
    frame = _runs(a=[1.0, 2.0], b=[6.0, 5.0], c=[0.0, 9.0], z=[1.0, 2.0])

    grid = sweep_corner(frame, ["a", "b", "c"], "z", axes=_axes(3))

    assert grid[1, 0].get_xlim() == grid[2, 0].get_xlim() == grid[0, 0].get_xlim()
    assert grid[2, 0].get_ylim() == grid[2, 1].get_ylim() == grid[2, 2].get_xlim()


def test_the_last_epoch_of_each_run_is_drawn() -> None:
    frame = _epochs({0: [1.0, 2.0], 1: [3.0, 4.0]}).assign(b=1.0)

    grid = sweep_corner(frame, ["Sat.Earth.RMAG", "b"], "b", axes=_axes(2))

    assert _points(grid[1, 0]).get_offsets()[:, 0].tolist() == [2.0, 4.0]


def test_the_parameters_come_from_the_manifest_with_the_values_the_runs_were_given(
    tmp_path: Path,
) -> None:
    overrides = [{_X: 7000 + k, _Y: 0.1 * k} for k in range(3)]
    spec = {"_kind": "monte_carlo", "perturb": {_X: [], _Y: []}, "n": 3}

    grid = sweep_corner(
        _runs(z=[1, 2, 3]), metric="z", manifest=_manifest(tmp_path, spec, overrides), axes=_axes(2)
    )

    assert _points(grid[1, 0]).get_offsets().tolist() == [list(row.values()) for row in overrides]


@pytest.mark.parametrize(
    "spec",
    [
        {"_kind": "grid", _X: [7000], _Y: [0.1]},
        {"_kind": "explicit", "columns": [_X, _Y], "rows": [[7000, 0.1]]},
        {"_kind": "latin_hypercube", "perturb": {_X: [], _Y: []}, "n": 1},
    ],
)
def test_every_kind_of_sweep_tells_its_parameters(tmp_path: Path, spec: dict[str, Any]) -> None:
    manifest = _manifest(tmp_path, spec, [{_X: 7000, _Y: 0.1}])

    grid = sweep_corner(_runs(z=[1]), metric="z", manifest=manifest, axes=_axes(2))

    assert _points(grid[1, 0]).get_offsets().tolist() == [[7000.0, 0.1]]


def test_a_manifest_that_does_not_tell_its_parameters_is_refused(tmp_path: Path) -> None:
    manifest = _manifest(tmp_path, {"_kind": "annealing"}, [{}])

    with pytest.raises(SweepConfigError, match="unknown parameter_spec _kind 'annealing'"):
        sweep_corner(_runs(z=[1.0]), metric="z", manifest=manifest)


def test_what_a_run_was_given_wins_over_what_it_reported_with_a_warning(tmp_path: Path) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0])
    frame = _runs(Sat__SMA=[7000.0, 7099.0], z=[1.0, 2.0])

    with pytest.warns(
        RuntimeWarning,
        match=r"'Sat.SMA' is in both manifest\.parameter_spec and df\.columns.* in 1 runs",
    ) as caught:
        grid = sweep_corner(frame, metric="z", manifest=manifest, axes=_axes(2))

    assert _points(grid[1, 0]).get_offsets()[:, 0].tolist() == [7000.0, 7100.0]
    assert caught[0].filename == __file__


def test_digits_lost_in_printing_are_no_disagreement(tmp_path: Path) -> None:
    manifest = _grid(tmp_path, [7000.123456789], [0.0])

    sweep_corner(
        _runs(Sat__SMA=[7000.12345679], z=[1.0]), metric="z", manifest=manifest, axes=_axes(2)
    )


def test_runs_that_failed_are_dropped_with_a_warning_and_a_note() -> None:
    frame = _runs(a=[1.0, 2.0, 3.0], b=[1.0, 2.0, 3.0], z=[1.0, 2.0, 3.0])
    frame.loc[1, "__status"] = "failed"

    with pytest.warns(RuntimeWarning, match="dropped 1 non-ok run") as caught:
        grid = sweep_corner(frame, ["a", "b"], "z", axes=_axes(2))

    assert caught[0].filename == __file__
    assert _points(grid[1, 0]).get_offsets()[:, 0].tolist() == [1.0, 3.0]
    assert "not shown: 1 failed run" in _texts(grid[0, 0])


def test_ok_runs_without_a_value_are_dropped_with_a_warning_of_their_own() -> None:
    frame = _runs(a=[1.0, 2.0, 3.0], b=[1.0, math.nan, 3.0], z=[1.0, 2.0, math.nan])

    with pytest.warns(RuntimeWarning, match="dropped 2 ok runs without a value"):
        grid = sweep_corner(frame, ["a", "b"], "z", axes=_axes(2))

    assert len(_points(grid[1, 0]).get_offsets()) == 1
    assert "not shown: 2 ok runs without a value" in _texts(grid[0, 0])


@pytest.mark.parametrize(
    ("kind", "runs", "hexagons"),
    [("auto", 2000, False), ("auto", 2001, True), ("hexbin", 10, True), ("scatter", 2001, False)],
)
def test_many_runs_are_drawn_as_hexagons(kind: str, runs: int, hexagons: bool) -> None:
    rng = np.random.default_rng(0)
    frame = _runs(a=rng.normal(size=runs), b=rng.normal(size=runs), z=np.full(runs, 4.0))

    grid = sweep_corner(frame, ["a", "b"], "z", kind=kind, axes=_axes(2))

    collection = _points(grid[1, 0])
    assert isinstance(collection, PolyCollection) is hexagons
    assert set(np.asarray(collection.get_array())) == {4.0}
    assert ("z, mean in each hexagon" in _texts(grid[0, 0])) is hexagons


def test_a_hexagon_has_the_mean_of_its_runs() -> None:
    frame = _runs(a=[0.0, 0.0, 1.0], b=[0.0, 0.0, 1.0], z=[1.0, 2.0, 5.0])

    grid = sweep_corner(frame, ["a", "b"], "z", kind="hexbin", axes=_axes(2))

    assert sorted(np.asarray(_points(grid[1, 0]).get_array())) == [1.5, 5.0]


def test_keywords_reach_the_points() -> None:
    frame = _runs(a=[1.0, 2.0], b=[1.0, 2.0], z=[1.0, 2.0])

    grid = sweep_corner(frame, ["a", "b"], "z", axes=_axes(2), cmap="magma", vmax=10, s=3)

    points = _points(grid[1, 0])
    assert points.get_cmap().name == "magma"
    assert (points.norm.vmin, points.norm.vmax) == (1.0, 10)
    assert points.get_sizes().tolist() == [3]


def test_a_polars_frame_can_be_drawn() -> None:
    frame = _epochs({0: [1.0, 2.0], 1: [3.0, 4.0]}).assign(b=1.0)

    grid = sweep_corner(
        pl.from_pandas(frame.reset_index()), ["Sat.Earth.RMAG", "b"], "b", axes=_axes(2)
    )

    assert _points(grid[1, 0]).get_offsets()[:, 0].tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"metric": "z"}, "params= or manifest="),
        ({"params": ["a", "b"]}, "requires metric"),
        ({"params": ["a", "b"], "metric": "z", "kind": "kde"}, "kind must be"),
        ({"params": ["a"], "metric": "z"}, "at least 2 different parameters"),
        ({"params": ["a", "a"], "metric": "z"}, "at least 2 different parameters"),
        ({"params": ["a", "c"], "metric": "z"}, "'c' is neither a numeric column"),
        ({"params": ["a", "b"], "metric": "y"}, "metric 'y' is not a numeric column"),
        (
            {"params": ["a", "b"], "metric": "z", "axes": np.empty((3, 3), dtype=object)},
            r"shape \(2, 2\).*got \(3, 3\)",
        ),
    ],
)
def test_a_corner_that_cannot_be_drawn_is_refused(keywords: dict[str, Any], message: str) -> None:
    frame = _runs(a=[1.0], b=[1.0], z=[1.0])

    with pytest.raises(SweepConfigError, match=message):
        sweep_corner(frame, **keywords)


def test_a_corner_needs_runs_in_the_index() -> None:
    with pytest.raises(SweepConfigError, match="indexed by 'run_id'"):
        sweep_corner(_runs(a=[1.0], b=[1.0], z=[1.0]).reset_index(), ["a", "b"], "z")


def test_a_corner_of_failed_runs_only_is_refused() -> None:
    frame = _runs(a=[1.0], b=[1.0], z=[1.0]).assign(__status="failed")

    with (
        pytest.warns(RuntimeWarning, match="dropped 1 non-ok run"),
        pytest.raises(SweepConfigError, match="no ok run"),
    ):
        sweep_corner(frame, ["a", "b"], "z")


# -- sweep_band_plot -------------------------------------------------------------------------


def _line(ax: Axes) -> Any:
    (line,) = ax.lines
    return line


def _vertices(ax: Axes) -> list[tuple[float, float]]:
    (band,) = (item for item in ax.collections if isinstance(item, PolyCollection))
    return [(float(x), float(y)) for x, y in np.asarray(band.get_paths()[0].vertices)]


def test_a_band_lies_between_the_outer_quantiles_around_the_median(ax: Axes) -> None:
    summary = sweep_summary(
        _epochs({0: [0.0, 5.0], 1: [1.0, 5.0], 2: [10.0, 8.0]}), q=(0.75, 0.5, 0.25)
    )

    returned = sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax)

    assert returned is ax
    line = _line(ax)
    assert line.get_ydata().tolist() == [1.0, 5.0]
    assert line.get_xdata().tolist() == summary.index.to_numpy().tolist()
    axis: Any = ax.xaxis
    days = [axis.convert_units(epoch) for epoch in summary.index.to_numpy()]
    assert {(days[0], 0.5), (days[0], 5.5), (days[1], 5.0), (days[1], 6.5)} <= set(_vertices(ax))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "Sat.Earth.RMAG")
    assert {"median (km)", "25 % to 75 % of runs"} <= set(_texts(ax))
    _drawn(ax)


def test_without_a_median_the_mean_is_the_centre_and_one_quantile_makes_no_band(ax: Axes) -> None:
    sweep_band_plot(sweep_summary(_epochs({0: [1.0], 1: [3.0]}), q=(0.9,)), "Sat.Earth.RMAG", ax=ax)

    assert _line(ax).get_ydata().tolist() == [2.0]
    assert len(ax.collections) == 0
    assert "mean (km)" in _texts(ax)


def test_a_band_plot_says_how_many_runs_failed_and_how_few_share_an_epoch(ax: Axes) -> None:
    frame = _epochs({0: [1.0, 2.0], 1: [1.0], 2: [1.0]}, failed=(3, 4))

    sweep_band_plot(sweep_summary(frame), "Sat.Earth.RMAG", ax=ax)

    assert "1 to 3 runs per point; not shown: 2 failed runs" in _texts(ax)


def test_marker_rows_of_a_summary_are_not_drawn(ax: Axes) -> None:
    frame = _epochs({0: [1.0, 2.0]}, failed=(1,))

    sweep_band_plot(sweep_summary(frame, dropna=False), "Sat.Earth.RMAG", ax=ax)

    assert _line(ax).get_ydata().tolist() == [1.0, 2.0]


def test_a_summary_by_run_is_drawn_as_points_with_upright_bands(ax: Axes) -> None:
    summary = sweep_summary(_epochs({0: [0.0, 2.0], 1: [4.0, 8.0]}), by="run_id", q=(0.25, 0.75))

    sweep_band_plot(summary, "Sat.Earth.RMAG", ax=ax)

    assert _line(ax).get_linestyle() == "None"
    assert _line(ax).get_ydata().tolist() == [1.0, 6.0]
    bands = _points(ax)
    segments = [segment.tolist() for segment in bands.get_segments()]
    assert segments == [[[0.0, 0.5], [0.0, 1.5]], [[1.0, 5.0], [1.0, 7.0]]]
    assert ax.get_xlabel() == "run_id"
    assert "25 % to 75 % of rows" in _texts(ax)


def test_the_band_has_the_colour_of_the_line(ax: Axes) -> None:
    sweep_band_plot(sweep_summary(_epochs({0: [1.0]})), "Sat.Earth.RMAG", ax=ax, color="C3")

    assert _line(ax).get_color() == "C3"
    assert _points(ax).get_facecolor()[0][:3].tolist() == pytest.approx(mpl.colors.to_rgb("C3"))


@pytest.mark.parametrize(
    ("summary", "column", "message"),
    [
        (pd.DataFrame({"x": [1.0]}), "x", "2-level column MultiIndex"),
        (sweep_summary(_epochs({0: [1.0]})), "x", "column 'x' is not found in summary"),
        (
            sweep_summary(_epochs({0: [1.0]}), q=(0.1, 0.9), include=("max",)),
            "Sat.Earth.RMAG",
            "no centre statistic",
        ),
    ],
)
def test_a_summary_that_cannot_be_drawn_is_refused(
    summary: pd.DataFrame, column: str, message: str, ax: Axes
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        sweep_band_plot(summary, column, ax=ax)


# -- convergence -----------------------------------------------------------------------------


def test_convergence_is_the_running_mean_in_one_standard_error(ax: Axes) -> None:
    frame = _epochs({0: [2.0], 1: [4.0], 2: [9.0]}, failed=(3,))
    curve = mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True)

    returned = mc_convergence_plot(curve, ax=ax)

    assert returned is ax
    assert _line(ax).get_xdata().tolist() == [1, 2, 3]
    assert _line(ax).get_ydata().tolist() == [2.0, 3.0, 5.0]
    error = curve["se_mean"].tolist()
    assert {(2.0, 3.0 - error[1]), (2.0, 3.0 + error[1]), (3.0, 5.0 + error[2])} <= set(
        _vertices(ax)
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("n", "running mean")
    assert {
        "± 1 standard error",
        "Sat.Earth.RMAG (km)",
        "not shown: 1 failed run",
    } <= set(_texts(ax))
    _drawn(ax)


def test_the_convergence_at_one_epoch_is_drawn_on_demand(ax: Axes) -> None:
    curves = mc_convergence(_epochs({0: [2.0, 20.0], 1: [4.0, 40.0]}), "Sat.Earth.RMAG")

    mc_convergence_plot(curves, ax=ax, at="2026-01-01 00:00:01")

    assert _line(ax).get_ydata().tolist() == [20.0, 30.0]


def test_the_convergence_of_contacts_is_drawn_for_one_interval(ax: Axes) -> None:
    index = pd.MultiIndex.from_product([[0, 1], [0, 1]], names=["run_id", "interval_id"])
    frame = pd.DataFrame({"Duration": [1.0, 2.0, 3.0, 4.0]}, index=index)

    mc_convergence_plot(mc_convergence(frame, "Duration"), ax=ax, at=1)

    assert _line(ax).get_ydata().tolist() == [2.0, 3.0]


def test_a_polars_convergence_frame_is_drawn_the_same(ax: Axes) -> None:
    frame = _epochs({0: [2.0], 1: [4.0]})
    curve = mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True, engine="polars")

    mc_convergence_plot(curve, ax=ax)

    assert _line(ax).get_ydata().tolist() == [2.0, 3.0]


@pytest.mark.parametrize(
    ("conv", "keywords", "message"),
    [
        (pd.DataFrame({"n": [1], "running_mean": [1.0]}), {}, "missing required column 'se_mean'"),
        (mc_convergence(_epochs({0: [1.0]}), "Sat.Earth.RMAG"), {}, "per-time.*at="),
        (
            mc_convergence(_epochs({0: [1.0]}), "Sat.Earth.RMAG"),
            {"at": "2027-01-01"},
            "conv has no time 2027-01-01",
        ),
        (
            mc_convergence(_epochs({0: [1.0]}), "Sat.Earth.RMAG", terminal_only=True),
            {"at": "2026-01-01"},
            "conv has one curve",
        ),
        ([1.0, 2.0], {}, "conv must be a frame, got list"),
    ],
)
def test_a_convergence_that_cannot_be_drawn_is_refused(
    conv: Any, keywords: dict[str, Any], message: str, ax: Axes
) -> None:
    with pytest.raises(SweepConfigError, match=message):
        mc_convergence_plot(conv, ax=ax, **keywords)


def test_convergence_over_time_has_a_curve_for_a_quarter_half_and_all_of_the_runs(
    ax: Axes,
) -> None:
    rng = np.random.default_rng(3)
    frame = _epochs({run: list(rng.normal(size=2)) for run in range(8)}, failed=(8,))
    curves = mc_convergence(frame, "Sat.Earth.RMAG")

    mc_convergence_over_time_plot(curves, ax=ax)

    assert [line.get_label() for line in ax.lines] == ["n = 2", "n = 4", "n = 8"]
    expected = frame["Sat.Earth.RMAG"].groupby(level="time").sem()
    assert ax.lines[-1].get_ydata() == pytest.approx(expected.to_numpy())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time", "standard error of the mean")
    assert {"Sat.Earth.RMAG (km)", "not shown: 1 failed run"} <= set(_texts(ax))
    _drawn(ax)


def test_convergence_over_time_needs_epochs_that_runs_share(ax: Axes) -> None:
    frame = _epochs({0: [1.0]})

    with pytest.raises(SweepConfigError, match="no epoch with two runs"):
        mc_convergence_over_time_plot(mc_convergence(frame, "Sat.Earth.RMAG"), ax=ax)
    with pytest.raises(SweepConfigError, match="missing required column 'time'"):
        mc_convergence_over_time_plot(
            mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True), ax=ax
        )


# -- common ----------------------------------------------------------------------------------


def test_without_axes_a_new_figure_of_pyplot_is_drawn() -> None:
    import matplotlib.pyplot as plt

    frame = _epochs({0: [2.0], 1: [4.0]})
    runs = _runs(a=[1, 2], b=[1, 1], z=[1.0, 2.0])

    drawn = [
        sweep_band_plot(sweep_summary(frame), "Sat.Earth.RMAG"),
        mc_convergence_plot(mc_convergence(frame, "Sat.Earth.RMAG", terminal_only=True)),
        mc_convergence_over_time_plot(mc_convergence(frame, "Sat.Earth.RMAG")),
        sweep_heatmap(runs, "a", "b", "z"),
        sweep_corner(runs, ["a", "b"], "z")[0, 0],
    ]

    assert len({id(ax.get_figure()) for ax in drawn}) == len(plt.get_fignums()) == 5
    for ax in drawn:
        _drawn(ax)


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match=re.escape("pip install gmat-sweep[plot]")):
        sweep_band_plot(sweep_summary(_epochs({0: [1.0]})), "Sat.Earth.RMAG")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Sat.SMA", "Sat.SMA (km)"),
        ("Sat.EarthMJ2000Eq.VX", "Sat.EarthMJ2000Eq.VX (km/s)"),
        ("Sat.Earth.RMAG__diff", "Sat.Earth.RMAG__diff (km)"),
        ("Sat.Earth.RMAG__rel", "Sat.Earth.RMAG__rel"),
        ("Sat.ECC", "Sat.ECC"),
        ("X", "X"),
        ("Coast.Value", "Coast.Value"),
    ],
)
def test_a_label_has_the_unit_of_a_gmat_field_and_none_where_it_is_not_known(
    name: str, expected: str
) -> None:
    assert label(name) == expected
