"""The documents this package was made from: their programs run as printed and give what they print.

Their code is in ``tests/seeds``, unchanged. The hash of the script is the one printed value that is
not expected: it is of another file with the same mission.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

import gmat_sweep
from gmat_sweep import (
    BackendError,
    LocalJoblibPool,
    Manifest,
    ManifestEntry,
    Pool,
    RunOutcome,
    Sweep,
    SweepConfigError,
    canonical_script_sha256,
    expand_grid_to_run_specs,
    full_factorial,
    lazy_extra_outputs,
    sweep,
)
from gmat_sweep.flow.server import start_local_server
from seeds.notebook import cells, run_cell

DATA = Path(__file__).parent / "data"
SEEDS = Path(__file__).parent / "seeds"

# The resume and postprocessing pages leave the mission to the reader: a report called FinalState
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


def environment() -> dict[str, str]:
    """Return the environment of a shell in which this package's venv is active and no more is set.

    ``GMAT_ROOT`` in particular is not: the notebooks find the engine without it.
    """
    variables = {name: text for name, text in os.environ.items() if name != "GMAT_ROOT"}
    programs = str(Path(sys.executable).parent)
    return {**variables, "PATH": os.pathsep.join([programs, variables.get("PATH", os.defpath)])}


@dataclasses.dataclass(frozen=True)
class NotebookRun:
    """What a notebook printed, line by line with runs of blanks made one, and what it displayed."""

    lines: list[str]
    displays: list[Any]
    stderr: str

    def number(self, pattern: str) -> int:
        """Return the number in the only line that matches."""
        (found,) = (match for line in self.lines if (match := re.fullmatch(pattern, line)))
        return int(found.group(1))

    def with_blanks(self, *patterns: str) -> list[str]:
        """Return the lines with what varies from one computer to the next replaced by ``_``."""
        return [
            next((_blanked(match) for p in patterns if (match := re.fullmatch(p, line))), line)
            for line in self.lines
        ]


def _blanked(match: re.Match[str]) -> str:
    text = match.group()
    for group in range(match.re.groups, 0, -1):
        text = f"{text[: match.start(group)]}_{text[match.end(group) :]}"
    return text


def run_notebook(folder: Path, name: str, *modules: str) -> NotebookRun:
    """Run a whole notebook in a process of its own, in a checkout's folders."""
    examples, data = folder / "docs" / "examples", folder / "tests" / "data"
    examples.mkdir(parents=True)
    data.mkdir(parents=True)
    shutil.copy(DATA / "leo_short.script", examples)
    shutil.copy(DATA / "leo_basic.script", data)
    for module in (name, *modules):
        shutil.copy(SEEDS / module, examples)
    done = subprocess.run(
        [sys.executable, str(SEEDS / "notebook.py"), name, str(folder / "displays.pickle")],
        cwd=examples,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return NotebookRun(
        lines=[" ".join(line.split()) for line in done.stdout.splitlines() if line.strip()],
        displays=pickle.loads((folder / "displays.pickle").read_bytes()),
        stderr=done.stderr,
    )


def digits(frame: pd.DataFrame) -> list[list[str]]:
    """Return the rows of a frame, floats to the six decimals that are printed."""
    return [
        [f"{value:.6f}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.itertuples(index=False)
    ]


def table(text: str) -> list[list[str]]:
    """Return the words of a printed table by row."""
    return [line.split() for line in text.strip().splitlines()]


def failed_runs(count: int) -> tuple[Manifest, list[ManifestEntry]]:
    """Return a manifest without entries, made as the API reference says, and entries for it."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        canonical_script_sha256(script_path=DATA / "leo_short.script"),
        "0.1.0",
        "0.6.0",
        "R2026a",
        "3.12",
        "Linux",
        None,
        {"_kind": "grid", "Sat.SMA": [7000.0 + run_id for run_id in range(count + 1)]},
        count + 1,
        backend="LocalJoblibPool",
    )
    outcomes = [
        RunOutcome.failed(
            run_id=run_id, stderr="no", started_at=moment, ended_at=moment, duration_s=0.0
        )
        for run_id in range(count)
    ]
    return manifest, [ManifestEntry.from_outcome(each, overrides={}) for each in outcomes]


@pytest.fixture(scope="module")
def database() -> None:
    """Have Prefect make its database: the notebooks' deadlines are for runs."""
    server = start_local_server()
    assert server is not None
    server.wait()


@pytest.fixture(scope="module")
def recovery(database: None, tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """Run the notebook "Surviving a kill"."""
    return run_notebook(tmp_path_factory.mktemp("recovery"), "killed_sweep_recovery.py")


@pytest.fixture(scope="module")
def completed(recovery: NotebookRun) -> int:
    """Return how many runs were on disk after the kill: five, or more on a fast computer."""
    return recovery.number(r"Manifest entries on disk: (\d+)")


@pytest.fixture(scope="module")
def consumer(database: None, tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """Run the notebook "Downstream-consumer pipeline"."""
    return run_notebook(
        tmp_path_factory.mktemp("consumer"),
        "downstream_consumer.py",
        "downstream_pipeline.py",
        "killable_sweep.py",
    )


class TestKilledSweepRecovery:
    """The notebook "Surviving a kill"."""

    def test_at_least_five_runs_survive_and_none_that_was_seen_is_lost(
        self, recovery: NotebookRun, completed: int
    ) -> None:
        assert 5 <= recovery.number(r"Manifest entries at kill: (\d+)") <= completed < 20

    def test_it_prints_what_is_printed(self, recovery: NotebookRun, completed: int) -> None:
        (folder,) = (
            line.rpartition(" ")[2] for line in recovery.lines if line.startswith("Spawned")
        )
        digest = canonical_script_sha256(DATA / "leo_short.script")

        assert [
            "GMAT version: R2026a",
            "Script: leo_short.script",
            "Exists: True",
            f"Spawned gmat-sweep pid=_, output dir = {folder}",
            "Subprocess exited with rc=-2",
            "Manifest entries at kill: _",
            f"Manifest entries on disk: {completed}",
            f"{completed} runs ({completed} ok) in _ s — output: {folder}",
            "Header.run_count (planned): 20",
            f"Entries on disk (completed): {completed}",
            "GMAT install version: R2026a",
            f"Script SHA-256 (canonical): {digest[:16]}...",
            "run_id=0 status=ok overrides={'Sat.SMA': 7000.0}",
            "run_id=1 status=ok overrides={'Sat.SMA': 7052.631578947368}",
            "run_id=2 status=ok overrides={'Sat.SMA': 7105.263157894737}",
            f"Partial DataFrame shape: ({3 * completed}, 5)",
            f"Distinct run_ids: {completed}",
            "Manifest entries after resume: 20",
            "Distinct run_ids in DataFrame: 20",
            "Status counts:",
            "__status",
            "ok 60",
            "Name: count, dtype: int64",
        ] == recovery.with_blanks(
            r"Spawned gmat-sweep pid=(\d+), .*",
            r"Manifest entries at kill: (\d+)",
            r"\d+ runs .* in (\d+\.\d\d) s — output: .*",
        )

    def test_an_entry_that_was_seen_is_not_taken_back_when_ctrl_c_falls_into_its_fsync(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "manifest.jsonl"
        manifest, entries = failed_runs(2)
        manifest.save(path)
        manifest.append_entry(entries[0])

        def interrupt(descriptor: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", interrupt)
            with pytest.raises(KeyboardInterrupt):
                manifest.append_entry(entries[1])
        manifest.close()

        assert Manifest.load(path).entries == entries

    def test_the_partial_frame_is_the_one_printed(self, recovery: NotebookRun) -> None:
        (head,) = recovery.displays

        assert head.index.names == ["run_id", "time"]
        assert list(head.columns) == ["Sat.UTCGregorian", "Sat.X", "Sat.Y", "Sat.Z", "__status"]
        assert list(head.index) == [
            (0, pd.Timestamp("2026-01-01 00:00:00")),
            (0, pd.Timestamp("2026-01-01 00:00:30")),
            (0, pd.Timestamp("2026-01-01 00:01:00")),
            (1, pd.Timestamp("2026-01-01 00:00:00")),
            (1, pd.Timestamp("2026-01-01 00:00:30")),
        ]
        assert list(head["Sat.UTCGregorian"]) == list(head.index.get_level_values("time"))
        assert digits(head.drop(columns="Sat.UTCGregorian")) == table(
            """
            6993.000000    0.000000    0.000000  ok
            6989.332373  199.112254  108.109133  ok
            6978.333351  398.015650  216.104866  ok
            7045.578947    0.000000    0.000000  ok
            7041.965850  198.368677  107.705404  ok
            """
        )

    def test_the_old_spelling_of_the_number_of_workers_warns_and_nothing_else_is_said(
        self, recovery: NotebookRun
    ) -> None:
        (warning, line) = recovery.stderr.splitlines()

        assert "DeprecationWarning: LocalJoblibPool(workers=) is deprecated" in warning
        assert "max_workers=" in warning
        assert line.strip() == "with LocalJoblibPool(workers=1) as pool:"


class TestDownstreamConsumer:
    """The notebook "Downstream-consumer pipeline"."""

    def test_it_prints_what_is_printed(self, consumer: NotebookRun) -> None:
        assert consumer.with_blanks(
            r"Completed before the kill: (\d+)",
            # The first to end of runs that were on all cores at once.
            r"run (\d): status='ok', postprocess_status='ok'",
        ) == [
            "GMAT version: R2026a",
            "Script: leo_basic.script",
            "Exists: True",
            "Runs: 5",
            "ReportFile : index=['run_id', 'time'] shape=(15, 7)",
            "orbit_metrics : index=['run_id'] shape=(5, 3)",
            "Sat.Earth.SMA __status",
            "run_id time",
            "0 2026-01-01 00:00:00 6800.0 ok",
            "2026-01-01 00:00:30 6800.0 ok",
            "2026-01-01 00:01:00 6800.0 ok",
            "1 2026-01-01 00:00:00 6900.0 ok",
            "2026-01-01 00:00:30 6900.0 ok",
            "2026-01-01 00:01:00 6900.0 ok",
            "Driver exited with rc=-2 after SIGINT",
            "Planned runs (manifest header): 12",
            "Completed before the kill: _",
            "Hook recorded on the header: downstream_pipeline:derive_orbit_metrics",
            "run 0: status='ok', postprocess_status='ok', extra_outputs=['orbit_metrics']",
            "Manifest entries after resume: 12",
            "Runs in the report frame: 12",
            "Rows in orbit_metrics: 12",
            "__status",
            "ok 36",
            "Name: count, dtype: int64",
            "Mean radius span per arm (km):",
            "arm",
            "baseline 0.014685",
            "ecc=0.02 0.305178",
            "Name: radius_span_km, dtype: float64",
            "Sweep-wide postprocess hook: downstream_pipeline:derive_orbit_metrics",
            "run _: status='ok', postprocess_status='ok'",
            "GMAT-native outputs (entry.output_paths):",
            "report__RF -> report__RF.parquet",
            "Hook-registered output (entry.extra_outputs):",
            "orbit_metrics -> orbit_metrics.parquet",
        ]

    def test_the_kill_comes_after_four_runs_and_before_the_last(
        self, consumer: NotebookRun
    ) -> None:
        assert 4 <= consumer.number(r"Completed before the kill: (\d+)") < 12

    def test_the_status_counts_are_those_displayed(self, consumer: NotebookRun) -> None:
        counts = consumer.displays[0]

        assert counts.name == "count"
        assert counts.index.name == "__status"
        assert counts.to_dict() == {"ok": 15}

    def test_the_metrics_of_the_main_sweep_are_those_displayed(self, consumer: NotebookRun) -> None:
        metrics = consumer.displays[1]

        assert metrics.index.name == "run_id"
        assert list(metrics.columns) == ["final_radius_km", "radius_span_km", "__status"]
        assert list(metrics.index) == [0, 1, 2, 3, 4]
        assert digits(metrics) == table(
            """
            6793.215542  0.015542  ok
            6893.115095  0.015095  ok
            6993.014667  0.014667  ok
            7092.914257  0.014257  ok
            7192.813864  0.013864  ok
            """
        )

    def test_the_metrics_of_the_resumed_sweep_are_those_displayed(
        self, consumer: NotebookRun
    ) -> None:
        metrics = consumer.displays[2]

        assert list(metrics.index) == list(range(12))
        assert digits(metrics) == table(
            """
            6693.316009  0.016009  ok
            6743.265773  0.015773  ok
            6793.215542  0.015542  ok
            6843.165316  0.015316  ok
            6893.115095  0.015095  ok
            6943.064878  0.014878  ok
            6993.014667  0.014667  ok
            7042.964459  0.014459  ok
            7092.914257  0.014257  ok
            7142.864058  0.014058  ok
            7192.813864  0.013864  ok
            7242.763673  0.013673  ok
            """
        )

    def test_the_sensitivity_variant_is_the_one_displayed(self, consumer: NotebookRun) -> None:
        comparison = consumer.displays[3]

        assert comparison.index.names == ["arm", "run_id"]
        assert list(comparison.index) == [
            (arm, run_id) for arm in ("baseline", "ecc=0.02") for run_id in range(5)
        ]
        assert digits(comparison.loc["baseline"]) == digits(consumer.displays[1])
        assert digits(comparison.loc["ecc=0.02"]) == table(
            """
            6664.322986  0.322986  ok
            6762.313698  0.313698  ok
            6860.304805  0.304805  ok
            6958.296284  0.296284  ok
            7056.288115  0.288115  ok
            """
        )

    def test_it_says_nothing_else(self, consumer: NotebookRun) -> None:
        assert consumer.stderr == ""


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


DOCUMENTED: dict[str, Any] = {"__name__": "reference"}
exec(compile((SEEDS / "api_reference.py").read_text(), "api_reference.py", "exec"), DOCUMENTED)

# Where each name is documented to live, beside the package itself.
HOMES = {
    "sweep": "api",
    "monte_carlo": "api",
    "latin_hypercube": "api",
    "Sweep": "sweep",
    "Pool": "backends.base",
    "LocalJoblibPool": "backends.joblib",
    "RunSpec": "spec",
    "SweepSpec": "spec",
    "RunOutcome": "spec",
    "full_factorial": "grids",
    "expand_grid_to_run_specs": "grids",
    "MANIFEST_SCHEMA_VERSION": "manifest",
    "Manifest": "manifest",
    "ManifestEntry": "manifest",
    "canonical_script_sha256": "manifest",
    "lazy_multiindex": "aggregate",
    "lazy_ephemerides": "aggregate",
    "lazy_contacts": "aggregate",
    "DistSpec": "distributions",
    "GmatSweepError": "errors",
    "SweepConfigError": "errors",
    "RunFailed": "errors",
    "BackendError": "errors",
    "ManifestCorruptError": "errors",
}
FUNCTIONS = sorted(n for n, v in DOCUMENTED.items() if inspect.isfunction(v) and n in HOMES)
CLASSES = sorted(n for n, v in DOCUMENTED.items() if inspect.isclass(v) and n in HOMES)
METHODS = sorted(
    f"{name}.{method}"
    for name in CLASSES
    for method in vars(DOCUMENTED[name])
    if not method.startswith("_") or method == "__init__"
)
# What later documents say otherwise: the first argument of the pool is max_workers, an outcome has
# four more fields and its own order of them, and "postprocess" stands before "schema_version".
SUPERSEDED = {
    "LocalJoblibPool.__init__": {"workers"},
    "RunOutcome.__init__": {"duration_s", "stderr", "started_at", "ended_at"},
    "Manifest.__init__": {"schema_version", "entries"},
}
FIELDS_SINCE = {
    "RunOutcome.__init__": {"extra_outputs", "solver_paths", "converged", "postprocess_status"}
}


def default_of(owner: object, parameter: inspect.Parameter) -> object:
    """Return a parameter's default; of a dataclass field, what its factory makes."""
    for field in dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else ():
        if field.name == parameter.name and callable(field.default_factory):
            return field.default_factory()
    return parameter.default


def check_signature(
    documented: object, ours: object, owner: object = None, place: str = ""
) -> None:
    """Fail where a call that the documented signature allows is not allowed, or means another."""
    expected = inspect.signature(documented).parameters  # type: ignore[arg-type]
    actual = inspect.signature(ours).parameters  # type: ignore[arg-type]
    positions = list(actual)
    for position, (name, parameter) in enumerate(expected.items()):
        assert name in actual, f"{name} is missing"
        found = actual[name]
        if name in SUPERSEDED.get(place, ()):
            continue
        assert found.kind in (parameter.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD), name
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            assert positions.index(name) == position, f"{name} is elsewhere"
        if parameter.default is not inspect.Parameter.empty:
            assert default_of(owner, found) == parameter.default, name
    required = {n for n, p in actual.items() if p.default is inspect.Parameter.empty}
    variadic = {n for n, p in actual.items() if p.kind is inspect.Parameter.VAR_KEYWORD}
    assert required - variadic - set(expected) <= FIELDS_SINCE.get(place, set())


class TestApiReference:
    """The page "API reference"."""

    @pytest.mark.parametrize("name", sorted(HOMES))
    def test_a_name_is_at_the_top_and_the_same_where_it_is_documented(self, name: str) -> None:
        home = importlib.import_module(f"gmat_sweep.{HOMES[name]}")

        assert name in gmat_sweep.__all__
        assert getattr(home, name) is getattr(gmat_sweep, name)

    def test_every_documented_signature_is_of_a_name_that_is_looked_for(self) -> None:
        printed = {
            n for n, v in DOCUMENTED.items() if getattr(v, "__module__", None) == "reference"
        }

        assert printed <= set(HOMES)
        assert (len(FUNCTIONS), len(CLASSES), len(METHODS)) == (8, 13, 25)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_a_function_takes_what_is_documented(self, name: str) -> None:
        check_signature(DOCUMENTED[name], getattr(gmat_sweep, name))

    @pytest.mark.parametrize("place", [p for p in METHODS if ".find_" not in p])
    def test_a_method_takes_what_is_documented(self, place: str) -> None:
        name, method = place.split(".")
        owner = getattr(gmat_sweep, name)
        documented = DOCUMENTED[name].__dict__[method]

        if isinstance(documented, classmethod):
            assert inspect.ismethod(getattr(owner, method))
        check_signature(getattr(DOCUMENTED[name], method), getattr(owner, method), owner, place)

    @pytest.mark.parametrize("name", CLASSES)
    def test_a_class_has_the_documented_bases(self, name: str) -> None:
        for base in DOCUMENTED[name].__bases__:
            ours = getattr(gmat_sweep, base.__name__, base)

            assert issubclass(getattr(gmat_sweep, name), ours)

    def test_the_schema_version_is_the_documented_one(self) -> None:
        assert DOCUMENTED["MANIFEST_SCHEMA_VERSION"] == gmat_sweep.MANIFEST_SCHEMA_VERSION == 1

    def test_a_pool_must_say_that_it_isolates(self) -> None:
        with pytest.raises(BackendError, match="Leaky"):
            type("Leaky", (Pool,), {"subprocess_isolated": None})
        assert DOCUMENTED["Pool"].__abstractmethods__ == Pool.__abstractmethods__

    def test_the_cartesian_product_comes_in_the_printed_order(self) -> None:
        assert list(full_factorial({"b": [10, 20, 30], "a": [1, 2]})) == [
            {"a": a, "b": b} for a in (1, 2) for b in (10, 20, 30)
        ]
        assert list(full_factorial({})) == [{}]

    def test_run_specs_of_a_grid_are_numbered_and_have_their_folders(self) -> None:
        specs = expand_grid_to_run_specs({"Sat.SMA": [7000, 7100]}, "m.script", "out")

        assert [spec.run_id for spec in specs] == [0, 1]
        assert [spec.output_dir for spec in specs] == [Path("out/run-0"), Path("out/run-1")]
        assert [(spec.seed, spec.run_options) for spec in specs] == [(None, {}), (None, {})]

    def test_a_manifest_is_kept_as_the_page_describes(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.jsonl"
        manifest, entries = failed_runs(2)
        manifest.save(path)
        for entry in reversed(entries):
            manifest.append_entry(entry)
        with path.open("a") as file:
            file.write('{"run_id": 2, "status": "o')
        loaded = Manifest.load(path)

        assert loaded == manifest
        assert loaded.find_failed() == [1, 0]
        assert loaded.find_missing([2, 1, 0]) == [2]
        assert loaded.find_missing(expected_run_ids=iter([2])) == [2]


@pytest.mark.parametrize(
    "statement",
    [
        "from gmat_sweep import Manifest, lazy_multiindex",
        "from gmat_sweep import Sweep",
        "import gmat_sweep; gmat_sweep.sweep",
    ],
)
def test_gmat_run_finds_the_engine_once_the_package_is_in_use(statement: str) -> None:
    program = f"from gmat_run import locate_gmat; {statement}; print(locate_gmat().version)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("R2026a\n", "")
