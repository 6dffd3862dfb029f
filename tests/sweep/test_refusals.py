"""What is wrong with a sweep is said before any run, and before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    RunSpec,
    Sweep,
    SweepConfigError,
    expand_grid_to_run_specs,
    monte_carlo,
    sweep,
)
from gmat_sweep.errors import EngineError, MissionScriptError
from gmat_sweep.sweep.preflight import check_folder
from repository import DATA
from resumed_sweeps import hand_made

SMA_7100_50 = {"Sat.SMA": ("normal", 7100, 50)}


def without_outputs(script: Path, folder: Path) -> Path:
    """Return a copy of a mission that reports nothing."""
    kept = [line for line in script.read_text().splitlines() if not re.search(r"\bRF\b", line)]
    copy = folder / "silent.script"
    copy.write_text("\n".join(kept) + "\n")
    return copy


class TestRefusedBeforeAnyRun:
    """What can be known up front is said up front, and nothing is left of it."""

    @pytest.fixture(autouse=True)
    def nothing_is_left(self, tmp_path: Path) -> Iterator[None]:
        yield
        assert not (tmp_path / "out").exists()

    @pytest.fixture
    def out(self, tmp_path: Path) -> Path:
        return tmp_path / "out"

    def test_a_missing_script(self, pool: LocalJoblibPool, out: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"nowhere\.script"):
            sweep("nowhere.script", grid={"Sat.SMA": [7000]}, backend=pool, out=out)

    def test_an_unknown_field(self, pool: LocalJoblibPool, leo_short: Path, out: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"unknown field 'Smaa' on Spacecraft 'Sat'"):
            sweep(leo_short, grid={"Sat.Smaa": [7000.0]}, backend=pool, out=out)

    def test_an_unknown_resource(self, pool: LocalJoblibPool, leo_short: Path, out: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"unknown resource 'Sta'"):
            sweep(leo_short, grid={"Sta.SMA": [7000.0]}, backend=pool, out=out)

    def test_a_mission_that_declares_no_output_and_has_no_hook(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = without_outputs(leo_short, tmp_path)

        with pytest.raises(SweepConfigError, match=r"declares no output.* Add a ReportFile"):
            sweep(script, grid={"Sat.SMA": [7000.0]}, backend=pool, out=out, end_state=False)
        assert not out.exists()

    @pytest.mark.parametrize("given", [{"n": 0, "perturb": SMA_7100_50}, {"n": 1, "perturb": {}}])
    def test_arguments_before_the_script(
        self, pool: LocalJoblibPool, out: Path, given: dict[str, Any]
    ) -> None:
        with pytest.raises(SweepConfigError):
            monte_carlo("nowhere.script", **given, backend=pool, out=out)

    def test_the_hook_before_the_script(self, pool: LocalJoblibPool, out: Path) -> None:
        with pytest.raises(SweepConfigError, match="not importable"):
            sweep("nowhere.script", grid={}, postprocess="no_such:f", backend=pool, out=out)

    def test_arguments_of_the_sweep_before_the_script(
        self, pool: LocalJoblibPool, out: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="fsync_batch"):
            sweep("nowhere.script", grid={}, fsync_batch=0, backend=pool, out=out)

    def test_values_before_the_script_of_a_sweep_made_by_hand(
        self, pool: LocalJoblibPool, out: Path
    ) -> None:
        spec = RunSpec(Path("nowhere.script"), {"Sat.SMA": {1, 2}}, out / "run-0", 0, None, {})

        with pytest.raises(SweepConfigError, match="run 0 overrides"):
            hand_made([spec], out, pool, script_path=Path("nowhere.script")).run()
        assert not out.exists()

    def test_a_script_in_latin_1(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "latin.script"
        script.write_bytes("% g\u00e9ostationnaire\n".encode("latin-1") + leo_short.read_bytes())

        with pytest.raises(MissionScriptError, match="line 1 has the byte 0xe9"):
            sweep(script, grid={"Sat.SMA": [7000.0]}, backend=pool, out=out)

    @pytest.mark.parametrize("run_id", [True, 0.0, "0"])
    def test_a_run_id_that_is_no_integer(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, run_id: Any
    ) -> None:
        spec = RunSpec(leo_short, {}, out / "run-0", run_id, None, {})

        with pytest.raises(SweepConfigError, match="run_id must be an integer"):
            hand_made([spec], out, pool, script_path=leo_short).run()

    def test_a_field_that_crashes_gmat_is_named_with_what_to_do(
        self, leo_short: Path, out: Path
    ) -> None:
        grid: dict[str, list[Any]] = {"Sat.ECC": [0.001], "Sat.SMA": ["9" * 200_000]}
        said = r"crashed when Sat\.SMA of .* '9{30,70}\.\.\..*SIGABRT.* in the script"

        with LocalJoblibPool(1) as own, pytest.raises(SweepConfigError, match=said) as caught:
            sweep(leo_short, grid=grid, backend=own, out=out)
        assert "Sat.ECC" not in str(caught.value)

    def test_a_value_of_the_wrong_type(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        with pytest.raises(
            SweepConfigError,
            match=r'GMAT refused Sat\.SMA: The value of "high" .*"9: GMAT Sat\.SMA = high;"',
        ):
            sweep(leo_short, grid={"Sat.SMA": ["high"]}, backend=pool, out=out)

    def test_an_empty_grid_axis(self, pool: LocalJoblibPool, leo_short: Path, out: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"grid value for 'Sat\.SMA' is empty"):
            sweep(leo_short, grid={"Sat.SMA": []}, backend=pool, out=out)

    def test_fewer_than_one_run(self, pool: LocalJoblibPool, leo_short: Path, out: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"n >= 1"):
            monte_carlo(leo_short, n=0, perturb=SMA_7100_50, backend=pool, out=out)

    def test_an_unknown_distribution(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="unknown distribution shorthand tag"):
            monte_carlo(leo_short, n=2, perturb={"Sat.SMA": ("gauss", 1, 2)}, backend=pool, out=out)

    def test_a_script_gmat_cannot_parse_with_gmats_own_message(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "broken.script"
        script.write_text(leo_short.read_text().replace("Sat.ECC = ", "Sat.Nope = "))

        with pytest.raises(MissionScriptError, match=r'The field name "Nope" on object "Sat"'):
            sweep(script, grid={"Sat.SMA": [7000.0]}, backend=pool, out=out)

    def test_a_resource_that_matters_and_the_engine_lacks(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "contacts.script"
        script.write_text("% one\nCreate ContactLocator Passes;\n" + leo_short.read_text())

        with pytest.raises(MissionScriptError, match=r"ContactLocator Passes .*line 2") as caught:
            sweep(script, grid={"Sat.SMA": [7000.0]}, backend=pool, out=out)
        assert caught.value.line_number == 2

    def test_a_script_that_crashes_the_engine_while_loading(
        self, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "crash.script"
        script.write_text("Create Array A[50000,50000];\n" + leo_short.read_text())

        with LocalJoblibPool(1) as own, pytest.raises(MissionScriptError, match="GMAT crashed"):
            sweep(script, grid={"Sat.SMA": [7000.0]}, backend=own, out=out)

    def test_an_unknown_field_of_a_mission_that_needs_a_copy_of_its_script(
        self, pool: LocalJoblibPool, out: Path
    ) -> None:
        script = DATA / "gui_saved.script"

        with pytest.raises(SweepConfigError, match="unknown field 'Bogus'"):
            sweep(script, grid={"Sat.Bogus": [1.0]}, backend=pool, out=out / "deeper" / "still")

    def test_in_folders_of_somebody_elses_only_what_was_made_is_taken_away(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        records, runs = tmp_path / "records", tmp_path / "made" / "runs"
        records.mkdir()
        (records / "thesis.txt").touch()

        with pytest.raises(SweepConfigError, match="unknown field 'Bogus'"):
            Sweep(
                runs=expand_grid_to_run_specs({"Sat.Bogus": [1.0]}, leo_short, runs),
                backend=pool,
                manifest_path=records / "manifest.jsonl",
                output_dir=runs,
                script_path=leo_short,
            ).run()
        assert (records / "thesis.txt").exists()
        assert not (tmp_path / "made").exists()

    def test_a_folder_that_cannot_be_written(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()

        with pytest.raises(SweepConfigError, match="cannot be written to"):
            sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path / "file" / "x")

    def test_two_processes_that_try_one_folder_do_not_meet(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each looks whether it can write there before either has the folder's lock."""
        unlink = Path.unlink
        others: list[Path] = []

        def unlink_after_another(path: Path, missing_ok: bool = False) -> None:
            if not others:
                others.append(path)
                check_folder(tmp_path, tmp_path / "manifest.jsonl")
            unlink(path, missing_ok)

        monkeypatch.setattr(Path, "unlink", unlink_after_another)
        check_folder(tmp_path, tmp_path / "manifest.jsonl")

        assert len(others) == 1
        assert list(tmp_path.iterdir()) == []

    def test_both_grid_and_samples(self, pool: LocalJoblibPool, leo_short: Path, out: Path) -> None:
        with pytest.raises(SweepConfigError, match="not both"):
            sweep(leo_short, grid={}, samples=pd.DataFrame(), backend=pool, out=out)

    def test_neither_grid_nor_samples(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="one of grid= or samples="):
            sweep(leo_short, backend=pool, out=out)

    def test_an_unknown_frame_engine(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="engine='bogus' is not supported"):
            sweep(leo_short, grid={}, engine="bogus", backend=pool, out=out)  # type: ignore[call-overload]

    def test_several_reports_without_a_name(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "two.script"
        script.write_text(
            leo_short.read_text().replace("Create ReportFile RF;", "Create ReportFile RF, B;")
        )

        with pytest.raises(SweepConfigError, match=r"2 ReportFiles: B, RF"):
            sweep(script, grid={}, backend=pool, out=out)

    def test_a_hook_that_cannot_be_imported(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="not importable"):
            sweep(leo_short, grid={}, postprocess="no_such_module:f", backend=pool, out=out)

    def test_run_ids_that_occur_twice(
        self, pool: LocalJoblibPool, leo_short: Path, out: Path
    ) -> None:
        runs = expand_grid_to_run_specs({"Sat.SMA": [7000.0]}, leo_short, out) * 2

        with pytest.raises(SweepConfigError, match="run_id 0 occurs more than once"):
            Sweep(
                runs=runs,
                backend=pool,
                manifest_path=out / "manifest.jsonl",
                output_dir=out,
                script_path=leo_short,
            ).run()

    def test_a_wrong_gmat_root(
        self, leo_short: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GMAT_ROOT", str(tmp_path))

        with pytest.raises(EngineError, match="missing bin/ directory"):
            sweep(leo_short, grid={"Sat.SMA": [7000.0]}, out=out, progress=False)


def test_a_mission_without_outputs_runs_where_a_hook_writes_some(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    script = without_outputs(leo_short, tmp_path)

    frame = sweep(
        script, grid={"Sat.SMA": [7000.0]}, postprocess="sweep_hooks:note", backend=pool,
        out=tmp_path / "out", progress=False,
    )  # fmt: skip

    assert frame["__status"].tolist() == ["ok"]
