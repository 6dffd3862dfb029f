"""`Sweep` and the functions users call, through the flow, on the real engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gmat_sweep
from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    RunSpec,
    Sweep,
    SweepConfigError,
    expand_grid_to_run_specs,
    latin_hypercube,
    monte_carlo,
    sweep,
)
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import SweepFolderInUseError
from prefect_records import rows_of
from repository import DATA
from resumed_sweeps import hand_made

SMA_7100_50 = {"Sat.SMA": ("normal", 7100, 50)}


def last_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Return each run's final row, indexed by run_id."""
    return frame.groupby(level="run_id").tail(1).droplevel("time")


def grid_sweep(pool: LocalJoblibPool, script: Path, folder: Path, values: list[float]) -> Sweep:
    """Return a sweep over Sat.SMA that has not run."""
    runs = expand_grid_to_run_specs({"Sat.SMA": values}, script, folder)
    return hand_made(runs, folder, pool, script_path=script)


@pytest.fixture(scope="module")
def frame(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Fifty draws of the semi-major axis."""
    return monte_carlo(
        DATA / "leo_basic.script",
        n=50,
        perturb=SMA_7100_50,
        seed=42,
        backend=pool,
        out=tmp_path_factory.mktemp("fifty"),
        progress=False,
    )


@pytest.fixture(scope="module")
def folder(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sweep whose middle run GMAT refuses: it takes no eccentricity of exactly 1."""
    path = tmp_path_factory.mktemp("failing")
    sweep(
        DATA / "leo_basic.script",
        grid={"Sat.ECC": [0.001, 1.0, 0.002]},
        backend=pool,
        out=path,
        progress=False,
    )
    return path


class TestMonteCarlo:
    """The numbers the seeds promise, whatever runs them."""

    def test_the_draws_are_those_of_the_seed(self, frame: pd.DataFrame) -> None:
        reported = last_rows(frame)["Sat.Earth.SMA"]

        assert reported.loc[[0, 1, 2]].tolist() == pytest.approx(
            [7034.515242138367, 7029.214611587769, 7063.394937018423], rel=1e-12
        )

    def test_the_frame_has_a_row_per_run_and_time(self, frame: pd.DataFrame) -> None:
        assert frame.index.names == ["run_id", "time"]
        assert frame.index.get_level_values("run_id").nunique() == 50
        assert frame.shape == (150, 7)
        assert set(frame["__status"]) == {"ok"}

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_the_frame_is_bit_equal_with_any_number_of_workers(
        self, frame: pd.DataFrame, workers: int, leo_basic: Path
    ) -> None:
        with LocalJoblibPool(workers) as own:
            again = monte_carlo(
                leo_basic, n=50, perturb=SMA_7100_50, seed=42, backend=own, progress=False
            )

        pd.testing.assert_frame_equal(frame, again, check_exact=True)


def test_the_overrides_in_the_manifest_are_the_exact_draws(
    pool: LocalJoblibPool, leo_basic: Path, tmp_path: Path
) -> None:
    monte_carlo(
        leo_basic, n=3, perturb=SMA_7100_50, seed=42, backend=pool, out=tmp_path, progress=False
    )
    entries = {e.run_id: e.overrides for e in Manifest.load(tmp_path / "manifest.jsonl").entries}

    assert [entries[run]["Sat.SMA"] for run in range(3)] == [
        7034.515242138367,
        7029.214611587769,
        7063.394937018423,
    ]


def test_a_sweep_without_a_seed_records_the_one_it_drew(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    first = monte_carlo(
        leo_short, n=2, perturb=SMA_7100_50, backend=pool, out=tmp_path, progress=False
    )
    seed = Manifest.load(tmp_path / "manifest.jsonl").sweep_seed
    assert seed is not None
    again = monte_carlo(
        leo_short, n=2, perturb=SMA_7100_50, seed=seed, backend=pool, progress=False
    )

    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_a_latin_hypercube_runs_its_samples(pool: LocalJoblibPool, leo_basic: Path) -> None:
    perturb = {"Sat.INC": ("uniform", 0.0, 90.0), "Sat.SMA": ("normal", 7100.0, 50.0)}
    frame = latin_hypercube(leo_basic, n=4, perturb=perturb, seed=42, backend=pool, progress=False)

    assert last_rows(frame).loc[0, "Sat.Earth.SMA"] == pytest.approx(7046.04697744106, rel=1e-12)


def test_explicit_rows_run_in_their_order(pool: LocalJoblibPool, leo_basic: Path) -> None:
    samples = pd.DataFrame({"Sat.SMA": [7000.5, 6800.25], "Sat.ECC": [0.0, 0.01]})
    frame = last_rows(sweep(leo_basic, samples=samples, backend=pool, progress=False))

    assert frame["Sat.Earth.SMA"].tolist() == pytest.approx([7000.5, 6800.25], rel=1e-12)


def test_a_run_that_prints_integers_meets_runs_that_print_floats(
    pool: LocalJoblibPool, leo_basic: Path
) -> None:
    # GMAT prints 7055 for exactly one of these, and gmat-run then types that run's column int64.
    frame = sweep(leo_basic, grid={"Sat.SMA": [7054, 7055, 7055.5]}, backend=pool, progress=False)

    assert frame["Sat.Earth.SMA"].dtype == "float64"


def test_a_temporary_sweep_folder_lives_as_long_as_its_frame(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frame = sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, progress=False)
    kept = list(tmp_path.glob("gmat-sweep-*/manifest.jsonl"))
    del frame

    assert len(kept) == 1
    assert not kept[0].exists()


def test_a_pool_that_was_passed_in_stays_open(pool: LocalJoblibPool, leo_short: Path) -> None:
    for _ in range(2):
        sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, progress=False)


def test_without_progress_nothing_is_written_to_standard_error(
    pool: LocalJoblibPool, leo_short: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, progress=False)

    assert capfd.readouterr().err == ""


def test_progress_shows_runs_and_says_where_to_look(
    pool: LocalJoblibPool, leo_short: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep(leo_short, grid={"Sat.SMA": [7000.0, 7001.0]}, backend=pool)
    said = capfd.readouterr().err

    assert "2/2" in said
    assert "failed=0" in said
    assert "run/s" in said
    assert "/runs/flow-run/" in said


class TestFailedRuns:
    """GMAT saying no is an answer: a row, an entry, a failed task run."""

    def test_the_other_runs_are_untouched(self, folder: Path) -> None:
        manifest = Manifest.load(folder / "manifest.jsonl")

        assert {e.run_id: e.status for e in manifest.entries} == {0: "ok", 1: "failed", 2: "ok"}

    def test_the_cause_is_gmats_own(self, folder: Path) -> None:
        (failed,) = (
            e for e in Manifest.load(folder / "manifest.jsonl").entries if e.status == "failed"
        )

        assert 'The value of "1" for field "Eccentricity"' in (failed.stderr or "")

    @pytest.mark.promise("9", "GMAT refuses: no retry")
    def test_the_failed_run_was_not_retried(self, folder: Path) -> None:
        (failed,) = (
            e for e in Manifest.load(folder / "manifest.jsonl").entries if e.status == "failed"
        )

        assert failed.attempts == []
        home = Path(os.environ["PREFECT_HOME"])
        ((flow_run,),) = rows_of(
            home,
            "select id from flow_run where name like 'leo_basic run grid n=3' "
            "and state_name = 'CompletedWithFailures' order by created desc limit 1",
        )
        counts = rows_of(home, "select run_count from task_run where flow_run_id = ?", flow_run)
        assert counts == [(1,), (1,), (1,)], "how often each task run was begun"

    def test_the_task_run_is_failed_with_the_cause_and_the_flow_goes_on(self, folder: Path) -> None:
        home = Path(os.environ["PREFECT_HOME"])
        ((flow_run, state),) = rows_of(
            home,
            "select id, state_name from flow_run where name like 'leo_basic run grid n=3' "
            "and state_name = 'CompletedWithFailures' order by created desc limit 1",
        )
        rows = rows_of(
            home,
            "select task_run.name, task_run.state_type, task_run_state.message from task_run "
            "join task_run_state on task_run_state.id = task_run.state_id "
            "where flow_run_id = ? order by task_run.name",
            flow_run,
        )

        assert state == "CompletedWithFailures"
        assert [(name, kind) for name, kind, _ in rows] == [
            ("run-0", "COMPLETED"),
            ("run-1", "FAILED"),
            ("run-2", "COMPLETED"),
        ]
        assert 'The value of "1" for field "Eccentricity"' in rows[1][2]


class TestResume:
    """Resume runs what is missing or failed, and nothing else."""

    def test_the_finished_frame_is_that_of_a_sweep_never_stopped(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        values = [7000.0 + 10 * number for number in range(6)]
        whole = grid_sweep(pool, leo_short, tmp_path / "whole", values).run()
        cut = grid_sweep(pool, leo_short, tmp_path / "cut", values).run()
        path = tmp_path / "cut" / "manifest.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        # Two runs are missing and the writer was killed in the middle of a third line.
        path.write_bytes(b"".join(lines[:4]) + lines[4][:50])
        resumed = Sweep.from_manifest(path, leo_short, backend=pool, progress=False).resume()

        pd.testing.assert_frame_equal(
            whole.to_dataframe(), resumed.to_dataframe(), check_exact=True
        )
        assert len(Manifest.load(path).entries) == 6
        del cut

    def test_nothing_to_do_leaves_the_file_byte_for_byte(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        grid_sweep(pool, leo_short, tmp_path, [7000.0]).run()
        path = tmp_path / "manifest.jsonl"
        before = path.read_bytes()
        Sweep.from_manifest(path, leo_short, backend=pool, progress=False).resume()

        assert before == path.read_bytes()

    def test_a_failed_run_is_run_again(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        grid_sweep(pool, leo_short, tmp_path, [7000.0, 7100.0]).run()
        path = tmp_path / "manifest.jsonl"
        manifest = Manifest.load(path)
        manifest.entries[1] = gmat_sweep.ManifestEntry.from_dict(
            {
                **manifest.entries[1].to_dict(),
                "status": "failed",
                "stderr": "the disk was full",
                "output_paths": {},
            }
        )
        manifest.save(path)
        Sweep.from_manifest(path, leo_short, backend=pool, progress=False).resume()

        assert [e.status for e in Manifest.load(path).entries] == ["ok", "ok"]

    def test_a_changed_script_is_refused_unless_allowed(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "mission.script"
        shutil.copy(leo_short, script)
        grid_sweep(pool, script, tmp_path / "out", [7000.0]).run()
        script.write_text(script.read_text() + "% a comment\n")
        path = tmp_path / "out" / "manifest.jsonl"

        with pytest.raises(SweepConfigError, match="script hash mismatch"):
            Sweep.from_manifest(path, script, backend=pool)
        with pytest.warns(RuntimeWarning, match="script hash mismatch"):
            Sweep.from_manifest(path, script, backend=pool, allow_script_drift=True)

    def test_a_missing_folder_is_said_before_the_manifest_is_read(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match="output directory does not exist"):
            Sweep.from_manifest(tmp_path / "gone" / "manifest.jsonl", leo_short, backend=pool)

    def test_only_a_sweep_from_a_manifest_can_resume(
        self, pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(RuntimeError, match="from_manifest"):
            grid_sweep(pool, leo_short, tmp_path, [7000.0]).resume()


class TestGuiMission:
    """A mission as the GUI saves it runs unedited."""

    def test_its_numbers_are_those_of_the_mission_without_views(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        grid = {"Sat.SMA": [7000.0, 7100.0]}
        saved = sweep(
            DATA / "gui_saved.script", grid=grid, backend=pool, out=tmp_path, progress=False
        )
        bare = sweep(DATA / "gui_saved_no_views.script", grid=grid, backend=pool, progress=False)

        pd.testing.assert_frame_equal(bare, saved, check_exact=True)

    def test_the_copy_is_kept_and_the_originals_hash_recorded(
        self, pool: LocalJoblibPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        original = DATA / "gui_saved.script"
        sweep(original, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)
        manifest = Manifest.load(tmp_path / "manifest.jsonl")
        copy = (tmp_path / "headless" / "gui_saved.script").read_text()
        said = [record for record in caplog.records if "OpenFrames" in record.getMessage()]

        assert gmat_sweep.canonical_script_sha256(original) == manifest.script_sha256
        assert "Create OpenFramesInterface" not in copy
        assert "Create OpenFramesInterface" in original.read_text()
        assert len(said) == 1


def test_numpy_integers_in_specs_are_recorded_as_integers(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    ids: list[Any] = list(np.arange(2))
    seed: Any = np.uint32(4000000000)
    specs = [RunSpec(leo_short, {}, tmp_path / f"run-{run}", run, seed, {}) for run in ids]
    done = hand_made(specs, tmp_path, pool).run()

    again = Sweep.from_manifest(tmp_path / "manifest.jsonl", leo_short, backend=pool)
    assert sorted(entry.run_id for entry in done.to_manifest().entries) == [0, 1]
    assert [(run.run_id, run.seed) for run in again.runs] == [(0, 4000000000), (1, 4000000000)]
    assert all(type(run.run_id) is int for run in again.runs)


def test_a_kind_of_sweep_nobody_knows_runs_and_is_refused_where_it_is_rebuilt(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    made = Sweep(
        runs=expand_grid_to_run_specs({"Sat.SMA": [7000.0]}, leo_short, tmp_path),
        backend=pool,
        manifest_path=tmp_path / "manifest.jsonl",
        output_dir=tmp_path,
        script_path=leo_short,
        parameter_spec={"_kind": "annealed", "n": 1, "seed": 1},
        progress=False,
    )

    assert "annealed" in made._repr_html_()
    assert made.run().to_dataframe()["__status"].tolist() == ["ok", "ok", "ok"]
    manifest = Manifest.load(tmp_path / "manifest.jsonl")
    assert manifest.parameter_spec["_kind"] == "annealed"
    assert [run["run_id"] for run in manifest.extra["explicit_runs"]] == [0]
    with pytest.raises(SweepConfigError, match="unknown parameter_spec _kind 'annealed'"):
        Sweep.from_manifest(tmp_path / "manifest.jsonl", leo_short, backend=pool)


@pytest.mark.promise("4", "a folder used twice")
def test_a_folder_that_holds_a_sweep_is_refused_and_left_alone(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)
    before = (tmp_path / "manifest.jsonl").read_bytes()

    with pytest.raises(SweepConfigError, match=r"already holds a sweep\. All its runs are done"):
        sweep(leo_short, grid={"Sat.SMA": [7100.0]}, backend=pool, out=tmp_path, progress=False)
    assert before == (tmp_path / "manifest.jsonl").read_bytes()


@pytest.mark.promise("4", "a second sweep or deployment on one folder")
def test_a_folder_somebody_else_writes_to_is_refused(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    with FolderLock(tmp_path), pytest.raises(SweepFolderInUseError, match=str(os.getpid())):
        sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)


def test_two_manifests_do_not_share_a_folder_of_runs_at_the_same_time(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"

    def of(name: str) -> Sweep:
        return Sweep(
            runs=expand_grid_to_run_specs({"Sat.SMA": [7000.0]}, leo_short, runs),
            backend=pool,
            manifest_path=tmp_path / name / "manifest.jsonl",
            output_dir=runs,
            script_path=leo_short,
            progress=False,
        )

    for _ in of("first").iter_outcomes():
        with pytest.raises(SweepFolderInUseError, match=f"{os.getpid()}") as refused:
            of("second").run()

    assert refused.value.path == runs
    assert not (tmp_path / "second").exists()
    assert [path.name for path in runs.glob("run-*")] == ["run-0"]
    path = tmp_path / "first" / "manifest.jsonl"
    with FolderLock(runs), pytest.raises(SweepFolderInUseError):
        Sweep.from_manifest(path, leo_short, backend=pool).resume()


@pytest.mark.soak
def test_three_hundred_task_runs_are_on_record_without_a_server(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        from gmat_sweep import monte_carlo
        frame = monte_carlo(
            {str(DATA / "leo_short.script")!r},
            n=300, perturb={{"Sat.SMA": ("normal", 7100, 50)}}, seed=1, progress=False,
        )
        print(frame.index.get_level_values("run_id").nunique())
        """
    )
    home = tmp_path / "prefect"
    environment = {**os.environ, "PREFECT_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    counts = rows_of(home, "select state_type, count(*) from task_run group by state_type")

    assert done.stdout == "300\n"
    assert done.stderr == ""
    assert counts == [("COMPLETED", 300)]


def test_the_header_says_who_ran_what_on_which_engine(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    sweep(leo_short, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)
    header = json.loads((tmp_path / "manifest.jsonl").read_text().splitlines()[0])

    assert header["gmat_install_version"] == "R2026a"
    assert header["backend"] == "LocalJoblibPool"
    assert header["parameter_spec"] == {"_kind": "grid", "Sat.SMA": [7000.0]}
    assert header["run_count"] == 1
    assert header["mission"] == "leo_short.script"
    assert set(header["created_by"]) == {"user", "host"}


class TestRefusedValues:
    """GMAT refusing a value is an answer about that value; refusing every one is a mistake."""

    def test_a_refused_first_value_costs_its_run_only(
        self, pool: LocalJoblibPool, leo_basic: Path
    ) -> None:
        frame = sweep(leo_basic, grid={"Sat.ECC": [1.0, 0.001]}, backend=pool, progress=False)
        status = frame.groupby(level="run_id")["__status"].first()

        assert status.to_dict() == {0: "failed", 1: "ok"}

    def test_a_field_that_takes_no_value_is_refused_before_any_run(
        self, pool: LocalJoblibPool, leo_basic: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match=r'"yesterday" is not valid'):
            sweep(
                leo_basic,
                grid={"Sat.Epoch": ["yesterday", "tomorrow"]},
                backend=pool,
                out=tmp_path / "out",
            )
        assert not (tmp_path / "out" / "manifest.jsonl").exists()

    def test_a_wrong_type_in_a_later_run_is_refused_before_any_run(
        self, pool: LocalJoblibPool, leo_basic: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match=r'GMAT refused Sat\.SMA: The value of "high"'):
            sweep(
                leo_basic,
                grid={"Sat.SMA": [7000.0, 7100.0, 7200.0, 7300.0, 7400.0, "high"]},
                backend=pool,
                out=tmp_path / "out",
            )

    def test_a_refused_run_can_be_resumed_and_is_refused_again(
        self, pool: LocalJoblibPool, leo_basic: Path, tmp_path: Path
    ) -> None:
        grid = {"Sat.ECC": [0.001, 1.0]}
        sweep(leo_basic, grid=grid, backend=pool, out=tmp_path, progress=False)
        path = tmp_path / "manifest.jsonl"
        Sweep.from_manifest(path, leo_basic, backend=pool, progress=False).resume()

        assert {e.run_id: e.status for e in Manifest.load(path).entries} == {0: "ok", 1: "failed"}
