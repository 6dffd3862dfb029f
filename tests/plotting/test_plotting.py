"""The pictures: what is drawn is what the frame says, and what is not drawn is told."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from drawings import draw, over_epochs, texts_of
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
    draw(ax)


def test_a_heatmap_names_its_axes_and_its_colour_with_units(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0, 0.1])
    frame = _runs(Sat__Earth__RMAG=[1.0, 2.0, 3.0, 4.0])

    sweep_heatmap(frame, _X, _Y, "Sat.Earth.RMAG", manifest=manifest, ax=ax)

    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Sat.SMA (km)", "Sat.ECC")
    assert "Sat.Earth.RMAG (km)" in texts_of(ax)


def test_failed_cells_are_masked_light_grey_and_counted(tmp_path: Path, ax: Axes) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0, 0.1])
    frame = over_epochs({0: [0.0, 1.0], 2: [0.0, 3.0], 3: [0.0, 4.0]}, failed=(1,))

    sweep_heatmap(frame, _X, _Y, "Sat.Earth.RMAG", manifest=manifest, ax=ax)

    mesh = _mesh(ax)
    assert np.ma.getmaskarray(mesh.get_array()).tolist() == [[False, True], [False, False]]
    assert mesh.get_array().compressed().tolist() == [1.0, 3.0, 4.0]
    assert mesh.get_cmap().get_bad().tolist() == list(mpl.colors.to_rgba("lightgray"))
    assert "no value: 1 failed" in texts_of(ax)
    draw(ax)


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
    assert "no value: 1 cells" in texts_of(ax)


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
    draw(grid[0, 0])


def test_all_panels_of_a_corner_share_one_colour_scale_with_one_bar() -> None:
    frame = _runs(a=[1.0, 2.0], b=[6.0, 5.0], c=[0.0, 1.0], Sat__Earth__SMA=[7.0, 9.0])

    grid = sweep_corner(frame, ["a", "b", "c"], "Sat.Earth.SMA", axes=_axes(3))

    norms = [_points(grid[i, j]).norm for i, j in [(1, 0), (2, 0), (2, 1)]]
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(7.0, 9.0)}
    assert len(grid[0, 0].get_figure().axes) == 10
    assert "Sat.Earth.SMA (km)" in texts_of(grid[0, 0])


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
    frame = over_epochs({0: [1.0, 2.0], 1: [3.0, 4.0]}).assign(b=1.0)

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
    assert "not shown: 1 failed run" in texts_of(grid[0, 0])


def test_ok_runs_without_a_value_are_dropped_with_a_warning_of_their_own() -> None:
    frame = _runs(a=[1.0, 2.0, 3.0], b=[1.0, math.nan, 3.0], z=[1.0, 2.0, math.nan])

    with pytest.warns(RuntimeWarning, match="dropped 2 ok runs without a value"):
        grid = sweep_corner(frame, ["a", "b"], "z", axes=_axes(2))

    assert len(_points(grid[1, 0]).get_offsets()) == 1
    assert "not shown: 2 ok runs without a value" in texts_of(grid[0, 0])


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
    assert ("z, mean in each hexagon" in texts_of(grid[0, 0])) is hexagons


def test_a_hexagon_has_the_mean_of_its_runs() -> None:
    frame = _runs(a=[0.0, 0.0, 1.0], b=[0.0, 0.0, 1.0], z=[1.0, 2.0, 5.0])

    grid = sweep_corner(frame, ["a", "b"], "z", kind="hexbin", axes=_axes(2))

    assert sorted(np.asarray(_points(grid[1, 0]).get_array())) == [1.5, 5.0]


def test_angles_around_zero_have_neighbouring_colours(tmp_path: Path, ax: Axes) -> None:
    nodes = [359.8, 0.4, 0.1]
    frame = _runs(a=[0.0, 0.0, 1.0], b=[0.0, 0.0, 1.0], Sat__EarthMJ2000Eq__RAAN=nodes)

    def drawn(kind: str) -> list[float]:
        grid = sweep_corner(frame, ["a", "b"], "Sat.EarthMJ2000Eq.RAAN", kind=kind, axes=_axes(2))
        colours: list[float] = np.asarray(_points(grid[1, 0]).get_array()).tolist()
        return colours

    assert drawn("scatter") == pytest.approx([-0.2, 0.4, 0.1])
    # The mean of 359.8 and 0.4 on the circle is 0.1, not 180.1.
    assert drawn("hexbin") == pytest.approx([0.1, 0.1])
    cells = _runs(Sat__EarthMJ2000Eq__RAAN=[*nodes, 0.0])
    manifest = _grid(tmp_path, [1, 2], [1, 2])
    sweep_heatmap(cells, _X, _Y, "Sat.EarthMJ2000Eq.RAAN", manifest=manifest, ax=ax)
    assert _mesh(ax).get_array().ravel().tolist() == pytest.approx([-0.2, 0.4, 0.1, 0.0])


def test_keywords_reach_the_points() -> None:
    frame = _runs(a=[1.0, 2.0], b=[1.0, 2.0], z=[1.0, 2.0])

    grid = sweep_corner(frame, ["a", "b"], "z", axes=_axes(2), cmap="magma", vmax=10, s=3)

    points = _points(grid[1, 0])
    assert points.get_cmap().name == "magma"
    assert (points.norm.vmin, points.norm.vmax) == (1.0, 10)
    assert points.get_sizes().tolist() == [3]


def test_a_polars_frame_can_be_drawn() -> None:
    frame = over_epochs({0: [1.0, 2.0], 1: [3.0, 4.0]}).assign(b=1.0)

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
        ({"params": ["a", "b"], "metric": "y"}, "metric='y' is not a numeric column"),
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


# -- common ----------------------------------------------------------------------------------


def test_without_axes_a_new_figure_of_pyplot_is_drawn() -> None:
    import matplotlib.pyplot as plt

    frame = over_epochs({0: [2.0], 1: [4.0]})
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
        draw(ax)


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match=re.escape("pip install gmat-sweep[plot]")):
        sweep_band_plot(sweep_summary(over_epochs({0: [1.0]})), "Sat.Earth.RMAG")


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


# -- metrics that are functions -------------------------------------------------------------------


def _span(frame: pd.DataFrame) -> pd.Series[Any]:
    """The metric of the whole frame that no column has: the span within each run."""
    runs = frame["Sat.Earth.RMAG"].groupby(level="run_id")
    return runs.max() - runs.min()


def test_a_function_of_the_whole_frame_gives_the_colour_of_a_heatmap(
    tmp_path: Path, ax: Axes
) -> None:
    manifest = _grid(tmp_path, [7000, 7100], [0.0, 0.1])
    frame = over_epochs({0: [0.0, 1.0], 2: [1.0, 3.0], 3: [4.0, 4.0]}, failed=(1,))

    sweep_heatmap(frame, _X, _Y, z=_span, manifest=manifest, ax=ax)

    assert _mesh(ax).get_array().tolist() == [[1.0, None], [2.0, 0.0]]
    # The Series has the name of its column.
    assert "Sat.Earth.RMAG (km)" in texts_of(ax)
    draw(ax)


def test_a_function_of_the_whole_frame_gives_the_colour_of_a_corner() -> None:
    frame = _runs(a=[1.0, 2.0, 3.0], b=[3.0, 1.0, 2.0], c=[5.0, 6.0, 7.0])

    def twice(whole: pd.DataFrame) -> pd.Series[Any]:
        assert list(whole) == ["a", "b", "c", "__status"]
        # In another order, and with a run that the frame lacks.
        return pd.Series({2: 14.0, 0: 10.0, 9: 1.0, 1: 12.0})

    grid = sweep_corner(frame, ["a", "b"], metric=twice)
    by_column = sweep_corner(frame.assign(c=2 * frame["c"]), ["a", "b"], "c")

    for axes in (grid, by_column):
        assert sorted(axes[1, 0].collections[0].get_array().tolist()) == [10.0, 12.0, 14.0]
    assert "twice" in texts_of(grid[0, 0])


def test_polars_frames_reach_the_function_as_pandas_ones(ax: Axes) -> None:
    frame = pl.from_pandas(_runs(a=[1.0, 2.0], b=[3.0, 3.0], c=[5.0, 6.0]).reset_index())

    sweep_heatmap(frame, "a", "b", lambda whole: whole["c"] + 1, ax=ax)

    assert _mesh(ax).get_array().tolist() == [[6.0, 7.0]]


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (5.0, "must return a pandas.Series by run_id, got float"),
        ([1.0, 2.0], "must return a pandas.Series by run_id, got list"),
        (pd.Series([1.0, 2.0], index=[0, 0]), "one value per run_id"),
        (pd.Series([1.0], index=pd.MultiIndex.from_tuples([(0, 1)])), "one value per run_id"),
        (pd.Series([1.0, 2.0], index=["a", "b"]), "none of the runs of df"),
        (pd.Series(["x", "y"]), "needs a numeric .*dtype"),
    ],
)
def test_a_function_that_returns_no_value_per_run_is_refused(
    result: Any, said: str, ax: Axes
) -> None:
    frame = _runs(a=[1.0, 2.0], b=[3.0, 3.0], c=[5.0, 6.0])

    with pytest.raises(SweepConfigError, match=said):
        sweep_heatmap(frame, "a", "b", lambda _: result, ax=ax)
    with pytest.raises(SweepConfigError, match=said):
        sweep_corner(frame, ["a", "b"], lambda _: result)


def test_the_nominal_run_is_a_cross_and_a_line_where_its_parameters_are_known(
    tmp_path: Path,
) -> None:
    """A field drawn about the script's own value has that; another one of the design none."""
    frame = _runs(a=[5.0, 1.0, 2.0], b=[9.0, 3.0, 4.0], z=[0.0, 1.0, 2.0])
    frame.index = pd.Index([-1, 0, 1], name="run_id")
    spec = {
        "_kind": "monte_carlo", "n": 2, "seed": 1, "nominal": {"a": 1.5, "b": "text"},
        "perturb": {"a": ["delta_normal", 1], "b": ["normal", 3, 1]},
    }  # fmt: skip
    runs = [{}, {"a": 1.0, "b": 3.0}, {"a": 2.0, "b": 4.0}]
    manifest = _manifest(tmp_path, spec, runs)
    manifest = replace(
        manifest,
        entries=[
            replace(entry, run_id=number - 1) for number, entry in enumerate(manifest.entries)
        ],
    )

    grid = sweep_corner(frame, metric="z", manifest=manifest, axes=_axes(2))
    assert [list(line.get_xdata()) for line in grid[0, 0].lines] == [[1.5, 1.5]]
    assert not grid[1, 1].lines
    assert not grid[1, 0].lines

    grid = sweep_corner(frame, params=["a", "b"], metric="z", axes=_axes(2))
    (cross,) = grid[1, 0].lines
    assert (cross.get_xdata(), cross.get_ydata()) == ([5.0], [9.0])
    low, high = grid[1, 0].get_xlim()
    assert low < 1.0 < 5.0 < high
    assert sum(patch.get_height() for patch in grid[0, 0].patches) == 2, "two runs are counted"
    assert "nominal" in texts_of(grid[0, 0])
