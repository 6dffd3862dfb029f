"""The snippets of the pages on resuming and on postprocessing run as printed and do what these say.

Their code is in ``tests/seeds``, unchanged.
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    Sweep,
    SweepConfigError,
    canonical_script_sha256,
    lazy_extra_outputs,
    sweep,
)
from repository import SEEDS
from seeds.notebook import cells, run_cell

# The pages leave the mission to the reader: a report called FinalState
# with the radius, and a state that can be overridden as elements and as a position.
MISSION = """\
Create Spacecraft Sat;
Sat.DateFormat = UTCGregorian;
Sat.Epoch = '01 Jan 2026 00:00:00.000';
Sat.SMA = 7000;
Sat.ECC = 0.001;
Sat.INC = 28.5;
Create ForceModel FM;
FM.CentralBody = Earth;
FM.PointMasses = {Earth};
Create Propagator Prop;
Prop.FM = FM;
Create ReportFile FinalState;
FinalState.Filename = 'FinalState.txt';
FinalState.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z, Sat.RMAG};
BeginMissionSequence;
Propagate Prop(Sat) {Sat.ElapsedSecs = 60};
"""


@pytest.fixture
def mission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``mission.script`` in the working directory, as the pages have it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mission.script"
    path.write_text(MISSION)
    return path


class TestResumePage:
    """The page "Resume"."""

    SNIPPETS = cells(SEEDS / "resume_page.py")
    GRID: ClassVar = {"Sat.SMA": [7000.0, 7050.0, 7100.0, 7150.0, 7200.0]}
    MANIFEST = Path("sweep/manifest.jsonl")

    @pytest.fixture
    def whole(self, mission: Path, pool: LocalJoblibPool) -> pd.DataFrame:
        """Leave a sweep of which run 1 failed and runs 3 and 4 never started; return it whole."""
        frame = sweep(mission, grid=self.GRID, backend=pool, out="./sweep", progress=False)
        manifest = Manifest.load(self.MANIFEST)
        entries = {entry.run_id: entry for entry in manifest.entries}
        failed = dataclasses.replace(
            entries[1], status="failed", stderr="the disk was full", output_paths={}
        )
        manifest.entries = [entries[0], failed, entries[2]]
        manifest.save(self.MANIFEST)
        return frame

    def test_failed_and_missing_runs_are_asked_of_the_manifest(self, whole: pd.DataFrame) -> None:
        manifest = Manifest.load(self.MANIFEST)

        assert manifest.find_failed() == [1]
        assert manifest.find_missing(range(5)) == [3, 4]
        assert manifest.find_missing(expected_run_ids=[4, 0]) == [4]

    def test_the_frame_is_that_of_a_fresh_sweep_and_only_what_was_left_is_run(
        self, whole: pd.DataFrame
    ) -> None:
        before = self.MANIFEST.read_bytes()
        names: dict[str, Any] = {}
        with pytest.warns(DeprecationWarning, match="max_workers="):
            run_cell(self.SNIPPETS[0], names)
        added = [entry.run_id for entry in Manifest.iter_entries(self.MANIFEST)][3:]
        manifest = Manifest.load(self.MANIFEST)

        pd.testing.assert_frame_equal(whole, names["df"], check_exact=True)
        assert self.MANIFEST.read_bytes().startswith(before)
        assert sorted(added) == [1, 3, 4]
        assert sorted(entry.run_id for entry in manifest.entries) == [0, 1, 2, 3, 4]
        assert [entry.run_id for entry in manifest.entries][:3] == [0, 1, 2]
        assert manifest.find_failed() == manifest.find_missing(range(5)) == []

    def test_a_skipped_run_is_left_alone(self, whole: pd.DataFrame, pool: LocalJoblibPool) -> None:
        manifest = Manifest.load(self.MANIFEST)
        manifest.entries[1] = dataclasses.replace(manifest.entries[1], status="skipped")
        manifest.save(self.MANIFEST)
        resumed = Sweep.from_manifest(
            self.MANIFEST, "mission.script", backend=pool, progress=False
        ).resume()

        assert [entry.status for entry in resumed.to_manifest().entries].count("skipped") == 1
        assert resumed.to_manifest().find_missing(range(5)) == []

    def test_a_changed_script_is_refused_and_with_the_escape_hatch_warned_of(
        self, whole: pd.DataFrame, mission: Path, pool: LocalJoblibPool
    ) -> None:
        recorded = canonical_script_sha256(mission)
        mission.write_text("% a comment\n" + MISSION)
        hashes = f"(?s){canonical_script_sha256(mission)}.*{recorded}"

        with pytest.raises(SweepConfigError, match=hashes):
            Sweep.from_manifest(self.MANIFEST, mission, backend=pool)
        with pytest.warns(RuntimeWarning, match=hashes):
            resumable = run_cell(self.SNIPPETS[1], {"Sweep": Sweep, "pool": pool})
        assert isinstance(resumable, Sweep)

    def test_line_endings_and_trailing_newlines_are_no_drift(
        self, whole: pd.DataFrame, mission: Path, pool: LocalJoblibPool
    ) -> None:
        mission.write_bytes(MISSION.replace("\n", "\r\n").encode() + b"\n\n")

        Sweep.from_manifest(self.MANIFEST, mission, backend=pool)


class TestPostprocessPage:
    """The page "Per-run postprocessing hooks"."""

    SWEEP, HOOK, CONTEXT_SWEEP, CONTEXT_HOOK, SUMMARY = cells(SEEDS / "postprocess_page.py")

    @pytest.fixture
    def write_hooks(
        self, mission: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[Callable[[str], object]]:
        """Give a function that writes ``my_analysis/hooks.py``, which can then be imported."""
        folder = mission.parent / "my_analysis"
        folder.mkdir()
        (folder / "__init__.py").touch()
        monkeypatch.syspath_prepend(str(mission.parent))
        # A rewritten module must not be taken for the one that was compiled in the same second.
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        yield (folder / "hooks.py").write_text
        for name in ("my_analysis.hooks", "my_analysis"):
            sys.modules.pop(name, None)

    def test_the_hooks_rows_stand_beside_the_report(
        self, write_hooks: Callable[[str], object]
    ) -> None:
        write_hooks(self.HOOK)
        names: dict[str, Any] = {}
        run_cell(self.SWEEP, names)
        run_cell(self.SUMMARY, names)
        reports, summary = names["reports"], names["summary"]
        manifest = Manifest.load(Path("sweep/manifest.jsonl"))

        assert list(reports["__status"].unique()) == ["ok"]
        assert summary.index.names == ["run_id"]
        assert list(summary.index) == [0, 1, 2]
        assert list(summary.columns) == ["final_radius_km", "__status"]
        last = reports.groupby(level="run_id").tail(1).droplevel("time")
        assert summary["final_radius_km"].tolist() == last["Sat.RMAG"].tolist()
        assert manifest.postprocess == "my_analysis.hooks:summarise_run"
        assert {entry.postprocess_status for entry in manifest.entries} == {"ok"}
        assert {path.name for e in manifest.entries for path in e.extra_outputs.values()} == {
            "summary.parquet"
        }

    def test_context_reaches_the_hook_only_and_a_mended_hook_is_resumed(
        self, write_hooks: Callable[[str], object], mission: Path
    ) -> None:
        write_hooks(self.CONTEXT_HOOK)
        out = mission.parent / "out"
        names: dict[str, Any] = {
            "mission": mission,
            "out": out,
            "n": 3,
            "x0": [7000.0, 7010.0, 7020.0],
            "y0": [100.0, 110.0, 120.0],
            "z0": [0.0, 1.0, 2.0],
            "truth": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
            "ids": [25544, 20580, 43013],
        }
        path = out / "manifest.jsonl"
        with LocalJoblibPool(max_workers=1) as names["pool"]:
            run_cell(self.CONTEXT_SWEEP, names)
            names["sweep"].run()
        broken = Manifest.load(path)

        # The hook as printed ends in "...": it returns nothing, which is a hook that failed.
        assert [entry.status for entry in broken.entries] == ["failed"] * 3
        assert [entry.postprocess_status for entry in broken.entries] == ["failed"] * 3
        assert all("must return a" in (entry.stderr or "") for entry in broken.entries)
        assert broken.parameter_spec["columns"] == ["Sat.X", "Sat.Y", "Sat.Z"]
        assert {entry.run_id: entry.context for entry in broken.entries} == {
            0: {"truth_km": [1.0, 2.0, 3.0], "norad_id": 25544},
            1: {"truth_km": [4.0, 5.0, 6.0], "norad_id": 20580},
            2: {"truth_km": [7.0, 8.0, 9.0], "norad_id": 43013},
        }

        write_hooks(
            self.CONTEXT_HOOK.replace(
                "    ...\n",
                "    import pandas as pd\n"
                "    path = run_spec.output_dir / 'truth.parquet'\n"
                "    x_km = pd.read_parquet(run_outcome.output_paths['report__FinalState'])\n"
                "    pd.DataFrame([{'truth': truth[0], 'x': x_km['Sat.X'][0]}]).to_parquet(path)\n"
                "    return {'truth': path}\n",
            )
        )
        # Run 2 was never recorded: its context has to be given again.
        broken.entries.pop()
        broken.save(path)
        with LocalJoblibPool(max_workers=1) as pool:
            resumed = Sweep.from_manifest(
                path,
                mission,
                backend=pool,
                context_provider=lambda run_id: {"truth_km": [run_id * 10.0]},
                progress=False,
            ).resume()
        frame = resumed.to_extra_outputs("truth")

        assert frame["truth"].tolist() == [1.0, 4.0, 20.0]
        assert frame["x"].tolist() == pytest.approx([7000.0, 7010.0, 7020.0])
        assert frame["__status"].tolist() == ["ok"] * 3

    def test_a_run_that_gmat_refuses_is_one_marker_row_and_its_hook_is_not_called(
        self, write_hooks: Callable[[str], object], mission: Path
    ) -> None:
        write_hooks(self.HOOK)
        with LocalJoblibPool(max_workers=1) as pool:
            sweep(
                mission,
                grid={"Sat.ECC": [0.001, 1.0]},
                backend=pool,
                out="./sweep",
                postprocess="my_analysis.hooks:summarise_run",
                progress=False,
            )
        summary = lazy_extra_outputs("./sweep/manifest.jsonl", "summary")
        refused = Manifest.load(Path("sweep/manifest.jsonl")).entries[1]

        assert (refused.status, refused.postprocess_status) == ("failed", "none")
        assert summary["__status"].tolist() == ["ok", "failed"]
        assert summary["final_radius_km"].isna().tolist() == [False, True]

    @pytest.mark.parametrize(
        "path",
        ["my_analysis.hooks:sumarise_run", "my_analysis.hook:summarise_run", "summarise_run"],
    )
    def test_a_typo_in_the_hooks_name_is_an_error_before_any_run(
        self, path: str, write_hooks: Callable[[str], object], pool: LocalJoblibPool
    ) -> None:
        write_hooks(self.HOOK)

        with pytest.raises(SweepConfigError, match=re.escape(path)):
            sweep(
                "mission.script",
                grid={"Sat.SMA": [7000]},
                backend=pool,
                out="./sweep",
                postprocess=path,
            )
        assert not Path("sweep/manifest.jsonl").exists()
