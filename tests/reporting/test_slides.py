"""Pictures of a sweep as files: which there are, and that they are what they are called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gmat_sweep.cli import main
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.reporting import save_plots
from judged_sweeps import JudgedSweep

COLUMN = "Sat.Earth.RadApo"


def kinds(paths: tuple[Path, ...]) -> list[str]:
    return [path.name.split("-")[1] for path in paths]


def test_a_monte_carlo_has_corners_and_convergence_of_its_widest_quantity(tmp_path: Path) -> None:
    fields = {"Sat.SMA": ["normal", 7000, 1], "Sat.INC": ["normal", 28, 1]}
    sweep = JudgedSweep(tmp_path / "s", 5, parameter_spec={"perturb": fields})
    for run_id in range(5):
        sweep.add(run_id, 7000.0 + run_id, overrides={"Sat.SMA": run_id, "Sat.INC": run_id**2})

    written = save_plots(sweep.path, tmp_path / "plots", most=1)

    assert [each.name for each in written] == [
        f"01-corner-R.{COLUMN}.png",
        f"02-convergence-R.{COLUMN}.png",
    ]
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in written)
    assert sorted((tmp_path / "plots").iterdir()) == sorted(written)


def test_common_epochs_give_a_band_over_time_and_pdf_is_pdf(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 3)
    for run_id in range(3):
        report = sweep.report(run_id, [7000.0 + run_id, 7001.0, 7002.0 + run_id, 7003.0 + run_id])
        sweep.add(run_id, output_paths={"report__R": report})

    written = save_plots(sweep.path, tmp_path / "plots", "pdf")

    assert kinds(written) == ["band", "convergence"]
    assert all(each.read_bytes().startswith(b"%PDF") for each in written)


def test_a_grid_of_two_axes_is_a_heatmap_and_has_no_convergence(tmp_path: Path) -> None:
    axes = {"Sat.SMA": [7000, 7100], "Sat.INC": [10, 20]}
    sweep = JudgedSweep(tmp_path / "s", 4, "grid", parameter_spec=axes)
    cells = [(sma, inc) for sma in axes["Sat.SMA"] for inc in axes["Sat.INC"]]
    for run_id, (sma, inc) in enumerate(cells):
        sweep.add(run_id, sma + inc, overrides={"Sat.SMA": sma, "Sat.INC": inc})

    assert kinds(save_plots(sweep.path, tmp_path / "plots")) == ["heatmap"]


def test_a_sweep_without_a_quantity_that_varies_has_no_picture(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 2).add(0, 1.0).add(1, 1.0)

    assert save_plots(sweep.path, tmp_path / "plots") == ()


def test_a_folder_that_is_a_file_and_another_format_are_refused(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 2).add(0, 1.0).add(1, 2.0)
    (tmp_path / "file").write_text("mine")

    with pytest.raises(SweepConfigError, match="is a file"):
        save_plots(sweep.path, tmp_path / "file")
    with pytest.raises(SweepConfigError, match="Use png or pdf"):
        save_plots(sweep.path, tmp_path / "plots", "svg")  # type: ignore[arg-type]


def test_the_command_draws_them_and_names_a_missing_package(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = JudgedSweep(tmp_path / "s", 2).add(0, 1.0).add(1, 2.0)
    words = ["report", str(sweep.folder), "--plots", str(tmp_path / "plots"), "--format", "pdf"]

    assert main(words) == 0
    assert capsys.readouterr().out == f"pictures: 1 in {tmp_path / 'plots'}\n"
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(words) == 1
    assert "pip install gmat-sweep[plot]" in capsys.readouterr().err
