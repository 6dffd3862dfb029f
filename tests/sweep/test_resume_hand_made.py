"""Resuming runs made by hand, of several scripts, and those whose manifest lies elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    RunSpec,
    SweepConfigError,
    expand_grid_to_run_specs,
    expand_monte_carlo_to_run_specs,
    lazy_multiindex,
    monte_carlo,
    sweep,
)
from gmat_sweep.cli import main
from repository import DATA
from resumed_sweeps import (
    NOTE,
    SHORT,
    forget,
    hand_made,
    ran,
    reopened,
    run_of,
    same,
)


def report_of(folder: Path, run_id: int) -> Path:
    return folder / f"run-{run_id}" / "report__RF.parquet"


def as_text(overrides: dict[str, Any]) -> str:
    """Return overrides so that 7000 and 7000.0 differ."""
    return json.dumps(overrides, sort_keys=True)


def odd_runs(folder: Path) -> list[RunSpec]:
    """Runs of which no two are alike, one of them outside of `folder`."""
    return [
        run_of(
            20,
            folder,
            # Not in alphabetical order, and of three types.
            overrides={"Sat.SMA": 7000, "Sat.ECC": 0.01, "Sat.DateFormat": "UTCGregorian"},
            output_dir=folder / "cases" / "twenty",
            seed=2**40,
            postprocess=NOTE,
            context={"truth": [1, 2.5, None]},
        ),
        run_of(
            10,
            folder,
            overrides={"Sat.INC": 30},
            output_dir=folder.parent / "elsewhere" / "ten",
            run_options={"overwrite": True},
            postprocess="sweep_hooks:count_rows",
        ),
        run_of(3, folder, overrides={}),
    ]


class TestHandMadeRuns:
    """Runs that no rule generates come back one by one as they were."""

    @pytest.mark.parametrize(
        "described",
        [
            {},
            {
                "parameter_spec": {
                    "_kind": "explicit",
                    "columns": ["Sat.SMA", "Sat.INC"],
                    "rows": [[7000, None], [None, 30], [None, None]],
                }
            },
            {"parameter_spec": {"note": "made by hand"}},
        ],
        ids=["by default", "by their maker", "in prose"],
    )
    def test_they_come_back_whatever_describes_them(
        self, described: dict[str, Any], pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        folder = tmp_path / "sweep"
        first = hand_made(odd_runs(folder), folder, pool, **described).run()
        frame = first.to_dataframe()
        entries = {entry.run_id: entry for entry in first.to_manifest().entries}
        reopened(folder, pool).resume()
        assert ran(folder, 3) == []

        logs = {run.run_id: run.output_dir / "worker.log" for run in odd_runs(folder)}
        said = {run_id: log.read_text() for run_id, log in logs.items()}
        forget(folder, 10, 20, 3)
        resumed = reopened(folder, pool).resume()
        again = {entry.run_id: entry for entry in Manifest.load(folder / "manifest.jsonl").entries}

        assert set(again) == {3, 10, 20}
        assert same(frame, resumed.to_dataframe())
        for run_id, entry in entries.items():
            assert as_text(entry.overrides) == as_text(again[run_id].overrides)
            assert entry.context == again[run_id].context
            assert entry.seed == again[run_id].seed
            assert entry.postprocess == again[run_id].postprocess
            assert again[run_id].run_options == {"overwrite": True}
            # As GMAT was given them, in their order.
            (given,) = (line for line in said[run_id].splitlines() if "overrides=" in line)
            assert logs[run_id].read_text().count(given.split("INFO ")[1]) == 2
        assert again[20].output_paths == {"report__RF": folder / "cases/twenty/report__RF.parquet"}
        assert type(again[20].overrides["Sat.SMA"]) is int
        assert (tmp_path / "elsewhere" / "ten" / "rows.parquet").is_file()
        assert set(again[20].extra_outputs) == {"note"}
        assert set(again[10].extra_outputs) == {"rows"}

    def test_options_on_top_of_a_rule_come_back_too(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        perturb = {"Sat.SMA": ("normal", 7100, 50)}
        runs = [
            RunSpec(**{**run_facts(run), "output_dir": tmp_path / "draws" / str(run.run_id)})
            for run in expand_monte_carlo_to_run_specs(perturb, 2, 1, SHORT, tmp_path)
        ]
        spec = {
            "_kind": "monte_carlo",
            "perturb": {"Sat.SMA": ["normal", 7100, 50]},
            "n": 2,
            "seed": 1,
        }
        hand_made(runs, tmp_path, pool, parameter_spec=spec, sweep_seed=1).run()
        extended = reopened(tmp_path, pool).extend(n=1)
        fresh = monte_carlo(SHORT, n=3, perturb=perturb, seed=1, backend=pool, progress=False)
        forget(tmp_path, 0, 1)
        resumed = reopened(tmp_path, pool).resume()

        assert same(fresh, extended.to_dataframe())
        assert same(fresh, resumed.to_dataframe())
        assert (tmp_path / "draws" / "0" / "report__RF.parquet").is_file()
        assert not (tmp_path / "run-0").exists()


def run_facts(run: RunSpec) -> dict[str, Any]:
    """Return the attributes of a run."""
    return {**run.to_dict(), "script_path": run.script_path, "output_dir": run.output_dir}


class TestManifestApart:
    """The manifest may be kept elsewhere than the runs."""

    @pytest.fixture
    def places(self, tmp_path: Path, pool: LocalJoblibPool) -> tuple[Path, Path]:
        records, runs = tmp_path / "records", tmp_path / "runs"
        hand_made(
            expand_grid_to_run_specs({"Sat.SMA": [7000.0, 7100.0, 7200.0]}, SHORT, runs),
            runs,
            pool,
            manifest_path=records / "manifest.jsonl",
        ).run()
        (runs / "run-1" / "report__RF.parquet").unlink()
        return records, runs

    @pytest.mark.parametrize("named", [False, True])
    def test_the_runs_are_found_named_or_not(
        self, named: bool, places: tuple[Path, Path], pool: LocalJoblibPool
    ) -> None:
        records, runs = places
        options = {"output_dir": runs} if named else {}
        resumed = reopened(records, pool, **options).resume()

        assert ran(records, 3) == [1]
        assert resumed.to_dataframe().index.get_level_values("run_id").nunique() == 3
        assert {path.name for path in records.iterdir() if not path.name.startswith(".")} == {
            "manifest.jsonl",
            "manifest.header.json",
            "last-pass.json",
        }

    def test_the_shell_finds_them_too_and_says_where_they_are(
        self,
        places: tuple[Path, Path],
        pool: LocalJoblibPool,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        records, runs = places
        manifest = str(records / "manifest.jsonl")
        resumed = main(["resume", manifest, "--script", str(SHORT), "--quiet", "--workers", "1"])
        shown = main(["show", manifest])
        said = capsys.readouterr().out.splitlines()

        assert (resumed, shown) == (0, 0)
        assert ran(records, 3) == [1]
        assert (runs / "run-1" / "report__RF.parquet").is_file()
        assert [line.split("output: ")[1] for line in said] == [str(runs)] * 2

    def test_when_both_were_moved_the_folder_must_be_named(
        self, places: tuple[Path, Path], tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        records, runs = (place.rename(tmp_path / f"moved-{place.name}") for place in places)

        with pytest.raises(SweepConfigError, match=r"output directory does not exist: .*/runs\."):
            reopened(records, pool)
        reopened(records, pool, output_dir=runs).resume()
        assert ran(records, 3) == [1]
        assert not places[1].exists()

    def test_runs_in_folders_of_any_name_are_found_where_both_were_moved_to(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        records, runs = tmp_path / "records", tmp_path / "runs"
        cases = [run_of(n, runs, output_dir=runs / "cases" / f"c{n}") for n in range(2)]
        first = hand_made(cases, runs, pool, manifest_path=records / "manifest.jsonl").run()
        frame = first.to_dataframe()
        records, runs = (
            place.rename(tmp_path / f"moved-{place.name}") for place in (records, runs)
        )
        resumed = reopened(records, pool, output_dir=runs).resume()

        assert ran(records, 2) == []
        assert same(frame, resumed.to_dataframe())
        assert same(frame, lazy_multiindex(Manifest.load(records / "manifest.jsonl"), runs))


class TestSeveralScripts:
    """Runs of one sweep may load different scripts."""

    def test_each_run_flies_its_own_and_again_when_resumed(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        runs = [run_of(0, tmp_path, script_path=DATA / "leo_basic.script"), run_of(1, tmp_path)]
        with LocalJoblibPool(2, reuse_gmat_context=False) as own:
            frame = hand_made(runs, tmp_path, own).run().to_dataframe()
        report_of(tmp_path, 0).unlink()
        forget(tmp_path, 1)
        resumed = reopened(tmp_path, pool).resume().to_dataframe()
        flown = frame[["Sat.X", "Sat.EarthMJ2000Eq.X"]].notna().groupby(level="run_id").all()

        assert set(frame["__status"]) == {"ok"}
        assert flown["Sat.X"].to_dict() == {0: False, 1: True}
        assert flown["Sat.EarthMJ2000Eq.X"].to_dict() == {0: True, 1: False}
        assert sorted(ran(tmp_path, 1)) == [0, 1]
        assert same(frame, resumed)

    def test_scripts_of_one_name_that_the_gui_saved_are_kept_apart(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        saved = (DATA / "gui_saved.script").read_text()
        scripts = []
        for name, altitude in (("one", "7000"), ("two", "9000")):
            script = tmp_path / name / "mission.script"
            script.parent.mkdir()
            lines = saved.splitlines(keepends=True)
            (at,) = (n for n, line in enumerate(lines) if ".SMA =" in line)
            lines[at] = lines[at].split("=")[0] + f"= {altitude};\n"
            script.write_text("".join(lines))
            scripts.append(script)
        folder = tmp_path / "sweep"
        runs = [
            run_of(number, folder, script_path=script, overrides={})
            for number, script in enumerate(scripts)
        ]
        frame = hand_made(runs, folder, pool, script_path=scripts[0]).run().to_dataframe()
        alone = [
            sweep(script, grid={}, backend=pool, progress=False).droplevel("run_id")
            for script in scripts
        ]

        assert not alone[0].equals(alone[1])
        assert same(pd.concat(alone, keys=[0, 1], names=["run_id"]), frame)
