"""The notebooks this package was made from run as printed and give what they print.

Their code is in ``tests/seeds``, unchanged. The hash of the script is the one printed value that is
not expected: it is of another file with the same mission.
"""

from __future__ import annotations

import dataclasses
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import canonical_script_sha256
from repository import DATA, SEEDS


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


def run_notebook(folder: Path, server: str, name: str, *modules: str) -> NotebookRun:
    """Run a whole notebook in a process of its own, in a checkout's folders, beside a server."""
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
        env={**environment(), "PREFECT_API_URL": server},
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


@pytest.fixture(scope="module")
def recovery(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """Run the notebook "Surviving a kill"."""
    folder = tmp_path_factory.mktemp("recovery")
    return run_notebook(folder, prefect_url, "killed_sweep_recovery.py")


@pytest.fixture(scope="module")
def completed(recovery: NotebookRun) -> int:
    """Return how many runs were on disk after the kill: five, or more on a fast computer."""
    return recovery.number(r"Manifest entries on disk: (\d+)")


@pytest.fixture(scope="module")
def consumer(prefect_url: str, tmp_path_factory: pytest.TempPathFactory) -> NotebookRun:
    """Run the notebook "Downstream-consumer pipeline"."""
    return run_notebook(
        tmp_path_factory.mktemp("consumer"),
        prefect_url,
        "downstream_consumer.py",
        "downstream_pipeline.py",
        "killable_sweep.py",
    )


@pytest.mark.services
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


@pytest.mark.services
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
