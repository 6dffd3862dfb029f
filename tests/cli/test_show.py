"""``gmat-sweep show``: what a manifest holds, for a person."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_sweeps import MONTE_CARLO, manifest, usage_error
from gmat_sweep.analysis.outcomes import unconverged_line
from gmat_sweep.analysis.report import busy_seconds
from gmat_sweep.cli import EXIT_CONFIG, EXIT_MANIFEST, EXIT_OK, main
from gmat_sweep.cli.show import (
    detail_table,
    failure_lines,
    missing_line,
    run_page,
    seconds_line,
    summary_line,
)
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.plans import PLANNED_KEY, planned_count
from gmat_sweep.spec import RunStatus
from repository import DATA

START = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

FRAMES = """\
Traceback (most recent call last):
  File "/opt/lib/gmat_sweep/worker.py", line 73, in run_one
    outcome = _run(spec, log, started_at, started)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""
# As GMAT R2026a and gmat-run 0.6 write them.
MISSION_FAILED = (
    FRAMES
    + """\
gmat_run.errors.GmatRunError: GMAT RunScript returned status 0; expected 1

--- GMAT engine log ---
GMAT Build Date: Oct  1 2026 00:00:00

Running mission...
Successfully set Planetary Source to use: DE405
Kernel /data/planetary_ephem/spk/de405.bsp has been loaded.
Propagator Exception: RungeKutta89: Accuracy settings will be violated with current step size values.

 This error occurred on line 34 of file: "/missions/leo.script"


 *** Mission run failed.
===> Total Run Time: 0.025 seconds
"""  # noqa: E501
)
SCRIPT_REFUSED = (
    FRAMES
    + """\
gmat_run.errors.GmatLoadError: GMAT LoadScript returned failure; check the GMAT log file

--- GMAT engine log ---
Interpreting scripts from the file.
***** file: /missions/leo.script
1: /missions/leo.script: **** ERROR **** Interpreter Exception: Nonexistent SpacePoint "Nibiru" \
referenced in the ForceModel "FM"

========================================
"""
)
FIELD_REFUSED = (
    FRAMES.replace("run_one", "_write")
    + """\
gmatpy._native.gmat_py.APIException: GmatBase Exception Thrown:\x20

The above exception was the direct cause of the following exception:

"""
    + FRAMES
    + "gmat_run.errors.GmatFieldError: unknown field 'Nope' on Spacecraft 'Sat'\n"
)
HOOK_FAILED = FRAMES + "AssertionError\n"
EXPLICIT = {"_kind": "explicit", "columns": [], "rows": []}
ACCURACY = "RungeKutta89: Accuracy settings will be violated"


def entry(run_id: int, status: RunStatus = "ok", **fields: Any) -> ManifestEntry:
    values: dict[str, Any] = {
        "overrides": {"Sat.SMA": 7000 + run_id},
        "output_paths": {},
        "started_at": START,
        "ended_at": START + timedelta(seconds=2),
        "duration_s": 1.0625,
        "stderr": None,
        "log_path": Path(f"run-{run_id}/worker.log"),
    }
    return ManifestEntry(run_id=run_id, status=status, **(values | fields))


def failed(run_id: int, stderr: str | None = MISSION_FAILED, **fields: Any) -> ManifestEntry:
    return entry(run_id, "failed", stderr=stderr, **fields)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a manifest with the given entries and returns its path."""

    def write(*entries: ManifestEntry) -> Path:
        path = tmp_path / "sweep" / "manifest.jsonl"
        whole = manifest(run_count=len(entries), entries=list(entries))
        whole.save(path)
        whole.close()
        return path

    return write


def shown_and_noted(
    capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[list[str], list[str]]:
    """Return the lines that ``gmat-sweep show`` prints, and those it says beside them.

    Those that say what was varied, up to the versions, and the one about the seconds are left out.
    """
    assert main(["show", *map(str, words)]) == EXIT_OK
    out, err = capsys.readouterr()
    noted = [line.removeprefix("gmat-sweep: ") for line in err.splitlines()]
    ends = [at + 1 for at, line in enumerate(noted) if line.startswith("flown with GMAT ")]
    noted = noted[sum(ends) :]
    return out.splitlines(), [line for line in noted if not line.startswith("the seconds are")]


def shown(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return what ``gmat-sweep show`` prints."""
    assert main(["show", *map(str, words)]) == EXIT_OK
    return capsys.readouterr().out


class TestSummary:
    @pytest.mark.parametrize(
        ("entries", "line"),
        [
            ([], "0 runs (0 ok) in 0.00 s"),
            ([entry(0)], "1 runs (1 ok) in 1.06 s"),
            ([entry(0), failed(1)], "2 runs (1 ok, 1 failed) in 2.12 s"),
            (
                [entry(0, "skipped"), failed(1), entry(2)],
                "3 runs (1 ok, 1 failed, 1 skipped) in 3.19 s",
            ),
            ([failed(0), failed(1)], "2 runs (2 failed) in 2.12 s"),
        ],
    )
    def test_it_counts_the_statuses_there_are_and_adds_up_the_seconds(
        self, entries: list[ManifestEntry], line: str
    ) -> None:
        assert summary_line(entries, Path("here")) == f"{line} — output: here"

    def test_show_ends_in_it_with_the_folder_of_the_manifest(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(entry(0), entry(1, "skipped"))

        line = f"2 runs (1 ok, 1 skipped) in 2.12 s — output: {path.parent}\n"
        assert shown(capsys, path) == line
        assert shown(capsys, path, "--detail").endswith("\n" + line)

    def test_the_folder_is_as_it_was_typed(
        self,
        save: Callable[..., Path],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(save(entry(0)).parent)

        assert shown(capsys, "manifest.jsonl") == "1 runs (1 ok) in 1.06 s — output: .\n"

    def test_of_a_run_that_was_tried_again_the_last_try_counts(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(failed(0), entry(1), entry(0))

        assert shown(capsys, path).startswith("2 runs (2 ok) in 2.12 s")

    def test_a_peers_manifest_can_be_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        path = DATA / "peer_manifest.jsonl"

        (summary,), (missing,) = shown_and_noted(capsys, path)

        assert summary == f"2 runs (2 ok) in 4.00 s — output: {DATA}"
        assert missing.startswith("2 of 3 runs are recorded; ")

    def test_beside_it_are_the_causes_of_failures_the_commonest_first(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(failed(0, FIELD_REFUSED), entry(1), failed(2), failed(3))

        (_,), causes = shown_and_noted(capsys, path)

        assert causes == [
            f"failed: 2 x {ACCURACY} with current step size values. (line 34) (run 2, 3)",
            "failed: 1 x unknown field 'Nope' on Spacecraft 'Sat' (run 0)",
        ]

    def test_beside_them_is_where_they_lie_and_how_many_are_not_the_missions(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        runs = [
            replace(
                failed(n) if n < 23 else entry(n),
                overrides={"Sat.INC": n - 22.5},
                failure_kind="mission" if n < 23 else None,
            )
            for n in range(40)
        ]
        slow = replace(failed(40, "too slow"), failure_kind="timeout")
        path = save(*runs, slow)

        _, noted = shown_and_noted(capsys, path)

        assert noted[-2:] == [
            "1 of the 24 failed runs did not fail in the mission: 1 timeout",
            "23 of 40 failed, all with Sat.INC < 0 (p = 4e-10)",
        ]
        assert shown_and_noted(capsys, path, "--detail", "--filter", "ok")[1] == []

    def test_with_the_table_of_runs_the_causes_that_it_cuts_are_said_whole_and_no_others(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        causes = [f"{'Mass'[: each % 4 + 1]} " * 20 + f"x{each}" for each in range(9)]
        path = save(*(failed(n, cause) for n, cause in enumerate(causes)), failed(9, "short"))

        lines, noted = shown_and_noted(capsys, path, "--detail")

        assert lines[-1].startswith("10 runs (10 failed)")
        cut = [cause for cause in causes if len(cause) > 60]
        assert len(cut) == 6
        assert noted == [f"failed: 1 x {cause} (run {causes.index(cause)})" for cause in cut]
        assert shown_and_noted(capsys, path, "--detail", "--filter", "ok")[1] == []

    def test_the_seconds_are_said_to_be_added_up(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        at_once = save(entry(0), entry(1))
        assert main(["show", str(at_once)]) == EXIT_OK
        assert capsys.readouterr().err.endswith(
            "gmat-sweep: the seconds are those of all runs added up; runs were under way for "
            f"{busy_seconds([entry(0), entry(1)]):.2f} s\n"
        )
        assert seconds_line([entry(0)]) == ""


class TestSolversThatDidNotConverge:
    LINE = "1 of 2 runs has a solver that did not converge: DC (run 1)"

    @pytest.mark.parametrize("words", [(), ("--detail",)])
    def test_a_line_beside_the_summary_names_solver_and_run(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
    ) -> None:
        path = save(entry(0, converged={"DC": True}), entry(1, converged={"DC": False}))

        _, noted = shown_and_noted(capsys, path, *words)

        assert noted == [self.LINE]

    def test_the_table_and_the_page_of_the_run_say_so_too(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(
            entry(0, converged={"DC": True}), entry(1, converged={"Opt": False, "DC": False})
        )

        table = shown(capsys, path, "--detail").splitlines()

        assert "did not converge" not in table[1]
        assert "solvers DC, Opt did not converge" in table[2]
        assert "solvers DC, Opt did not converge" in shown(capsys, path, "--run", 1)
        assert "did not converge" not in shown(capsys, path, "--run", 0)

    def test_a_run_that_failed_for_it_is_among_the_failures_only(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        cause = "solver DC did not converge (5 of at most 5 iterations)"
        path = save(entry(0), failed(1, cause, converged={"DC": False}))

        _, noted = shown_and_noted(capsys, path)

        assert noted == [f"failed: 1 x {cause} (run 1)"]

    @pytest.mark.parametrize(
        ("entries", "line"),
        [
            ([entry(0), entry(1, converged={"DC": True})], ""),
            (
                [entry(0, converged={"DC": False}), entry(1, converged={"DC": False})],
                "2 of 2 runs have a solver that did not converge: DC (run 0, 1)",
            ),
            (
                [entry(0, converged={"DC": False, "Yukon": False}), entry(1)],
                "1 of 2 runs has a solver that did not converge: DC (run 0), Yukon (run 0)",
            ),
            (
                [entry(i, converged={"DC": i % 2 == 0}) for i in range(40)],
                (
                    "20 of 40 runs have a solver that did not converge: "
                    "DC (run 1, 3, 5, 7, 9, 11, 13, 15, ...)"
                ),
            ),
            (
                [entry(0, converged={f"S{i}": False for i in range(7)})],
                (
                    "1 of 1 runs has a solver that did not converge: S0 (run 0), S1 (run 0), "
                    "S2 (run 0), S3 (run 0), 3 further solvers"
                ),
            ),
            ([entry(0, "skipped", converged={"DC": False})], ""),
        ],
        ids=["none", "two runs", "two solvers", "many runs", "many solvers", "skipped"],
    )
    def test_long_lists_are_cut_off(self, entries: list[ManifestEntry], line: str) -> None:
        assert unconverged_line(entries) == line


class TestMissingRuns:
    @pytest.mark.parametrize("words", [(), ("--detail",), ("--detail", "--filter", "ok")])
    def test_a_line_beside_the_summary_says_how_many_are_recorded_and_how_to_run_the_rest(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
    ) -> None:
        path = tmp_path / "my sweep" / "manifest.jsonl"
        manifest("ok", "skipped", run_count=5).save(path)

        (*_, summary), (missing,) = shown_and_noted(capsys, path, *words)

        assert summary.startswith("2 runs (1 ok, 1 skipped) in ")
        assert missing == (
            f"2 of 5 runs are recorded; run the rest with `gmat-sweep resume '{path}'`"
        )

    @pytest.mark.parametrize(
        ("header", "run_ids", "planned"),
        [
            ({"run_count": 5}, [0, 3], 5),
            ({"run_count": 2, "parameter_spec": {"Sat.SMA": [1, 2]}}, [0, 1], 2),
            # The ids of explicit runs are the user's own.
            ({"run_count": 2, "parameter_spec": EXPLICIT}, [10, 20], 2),
            ({"run_count": 3, "parameter_spec": EXPLICIT}, [10, 20], 3),
            ({"run_count": 2, "parameter_spec": MONTE_CARLO}, [0], 2),
            # An extension by the peer says nothing of its size.
            ({"run_count": 2, "parameter_spec": MONTE_CARLO}, [0, 1, 4], 5),
            ({"run_count": 2, "parameter_spec": {"_kind": "monte_carlo"}}, [0], 2),
        ],
    )
    def test_how_many_there_should_be_follows_from_the_header_and_from_extensions(
        self, header: dict[str, Any], run_ids: list[int], planned: int
    ) -> None:
        whole = manifest(**header, entries=[entry(run_id) for run_id in run_ids])

        assert planned_count(whole) == planned
        assert bool(missing_line(whole, "m")) == (len(run_ids) < planned)

    def test_an_extension_that_was_killed_says_how_many_it_was_to_make(self) -> None:
        entries = [entry(0), entry(1), entry(3, extra={PLANNED_KEY: 10})]
        whole = manifest(run_count=2, parameter_spec=MONTE_CARLO, entries=entries)

        assert missing_line(whole, "m").startswith("3 of 10 runs are recorded; ")


class TestInterruption:
    @pytest.fixture
    def stopped(self, tmp_path: Path) -> Path:
        path = tmp_path / "manifest.jsonl"
        manifest("ok", run_count=2).save(path)
        LastPass(
            action="resume",
            state="interrupted",
            reason="OSError: no space\nleft on device",
            flow_run="id",
            host="node-7",
            process=7,
            at="2026-11-21T05:10:59+02:00",
        ).write(tmp_path)
        return path

    @pytest.mark.parametrize("words", [(), ("--detail",)])
    def test_a_line_beside_the_summary_says_when_and_why_the_last_pass_was_interrupted(
        self, stopped: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
    ) -> None:
        (*_, summary), (missing, interruption) = shown_and_noted(capsys, stopped, *words)

        assert summary.startswith("1 runs (1 ok) in ")
        assert missing.startswith("1 of 2 runs are recorded; ")
        assert interruption == (
            "the last resume was interrupted 2026-11-21 03:10 UTC: OSError: no space left on device"
        )

    @pytest.mark.parametrize("state", ["running", "finished"])
    def test_of_a_pass_that_goes_on_or_has_ended_nothing_is_said(
        self, stopped: Path, capsys: pytest.CaptureFixture[str], state: Any
    ) -> None:
        last = LastPass.of(stopped.parent)
        assert last is not None
        dataclasses.replace(last, state=state).write(stopped.parent)

        _, noted = shown_and_noted(capsys, stopped)

        assert len(noted) == 1
        assert noted[0].startswith("1 of 2 runs are recorded; ")

    def test_the_page_of_one_run_is_about_that_run_alone(
        self, stopped: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        _, noted = shown_and_noted(capsys, stopped, "--run", "0")

        assert noted == []


class TestDetail:
    def test_runs_are_a_table_with_the_failed_ones_first(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(
            entry(10), entry(2, "skipped", log_path=None), failed(3, SCRIPT_REFUSED), failed(1)
        )

        table = shown(capsys, path, "--detail").splitlines()[:-1]

        cause = f"{ACCURACY} with cur..."
        nibiru = 'Nonexistent SpacePoint "Nibiru" referenced in the ForceMo...'
        assert len(cause) == len(nibiru) == 60
        assert table == [
            f"run_id  status   duration_s  Sat.SMA  {'stderr_summary':60}  log_path",
            f"1       failed   1.06        7001     {cause}  {path.parent}/run-1/worker.log",
            f"3       failed   1.06        7003     {nibiru}  {path.parent}/run-3/worker.log",
            f"2       skipped  1.06        7002     {'—':60}  —",
            f"10      ok       1.06        7010     {'—':60}  {path.parent}/run-10/worker.log",
        ]

    def test_every_varied_field_has_a_column_or_is_counted_where_the_terminal_is_narrow(
        self,
    ) -> None:
        values = {"Sat.SMA": 7000.123456789, "FM.PointMasses": "{Earth, Luna, Sun, Venus, Mars}"}
        runs = [
            entry(0, overrides={**values, "Sat.Epoch": "01 Jan 2026 00:00:00.000"}),
            entry(1, overrides={"Sat.SMA": 7001}),
        ]

        table, left_out = detail_table(runs)

        header, first, second = (re.split("  +", line) for line in table.splitlines())
        assert header[3:6] == ["Sat.SMA", "FM.PointMasses", "Sat.Epoch"]
        assert first[3:6] == [
            "7000.12346", "{Earth, Luna, Sun, Venus,...", "01 Jan 2026 00:00:00.000"
        ]  # fmt: skip
        assert second[3:6] == ["7001", "—", "—"]
        assert left_out == 0

        wide = max(map(len, table.splitlines()))
        assert detail_table(runs, None, wide) == (table, 0)
        for width, fields, counted in ((wide - 1, 3, 0), (90, 2, 1), (20, 1, 2)):
            table, left_out = detail_table(runs, None, width)
            names = table.splitlines()[0].split()
            assert names == [*header[:3], *header[3 : 3 + fields], "stderr_summary"]
            assert left_out == counted
            assert width < 90 or max(map(len, table.splitlines())) <= width

    @pytest.mark.parametrize(
        ("status", "run_ids"), [("failed", [1, 3]), ("ok", [0, 4]), ("skipped", [2])]
    )
    def test_a_filter_keeps_the_runs_of_one_status_and_the_whole_summary(
        self,
        save: Callable[..., Path],
        capsys: pytest.CaptureFixture[str],
        status: str,
        run_ids: list[int],
    ) -> None:
        path = save(entry(0), failed(1), entry(2, "skipped"), failed(3), entry(4))

        _, *rows, last = shown(capsys, path, "--detail", "--filter", status).splitlines()

        assert [row.split()[:2] for row in rows] == [[str(each), status] for each in run_ids]
        assert last.startswith("5 runs (2 ok, 2 failed, 1 skipped)")

    def test_a_filter_without_detail_is_refused_before_the_manifest_is_looked_for(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["show", "nowhere.jsonl", "--filter", "ok"]) == EXIT_CONFIG
        assert capsys.readouterr().err == (
            "gmat-sweep: --filter requires --detail. Add --detail.\n"
        )

    def test_detail_and_one_run_exclude_each_other(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        err = usage_error(capsys, "show", "nowhere.jsonl", "--detail", "--run", "1")
        assert "not allowed with argument" in err

    def test_an_empty_sweep_is_a_table_without_rows(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        header, _ = shown(capsys, save(), "--detail").splitlines()

        assert header == "run_id  status  duration_s  stderr_summary  log_path"

    @pytest.mark.parametrize(
        ("stderr", "cause"),
        [
            (SCRIPT_REFUSED, 'Nonexistent SpacePoint "Nibiru" referenced'),
            (MISSION_FAILED, ACCURACY),
            (FIELD_REFUSED, "unknown field 'Nope' on Spacecraft 'Sat'"),
            (HOOK_FAILED, "AssertionError"),
            (FRAMES + "ValueError: no rows\nsecond line of it\n", "ValueError: no rows"),
            (FRAMES + "SystemExit: 3\n", "SystemExit: 3"),
            ("the worker process was killed by signal 9\nmore\n", "the worker process was killed"),
        ],
        ids=["script", "mission", "field", "assert", "hook", "exit", "killed"],
    )
    def test_the_cause_is_gmats_own_error_and_never_the_word_traceback(
        self, stderr: str, cause: str
    ) -> None:
        _, row = detail_table([failed(7, stderr)])[0].splitlines()

        assert row.startswith(f"7       failed  1.06        7007     {cause}")
        assert "Traceback" not in row
        assert "RunScript" not in row

    @pytest.mark.parametrize("stderr", [None, "", "  \n"])
    def test_a_failure_without_a_cause_is_a_dash(self, stderr: str | None) -> None:
        _, row = detail_table([failed(7, stderr, log_path=None)])[0].splitlines()

        assert row.split() == ["7", "failed", "1.06", "7007", "—", "—"]

    @given(
        st.lists(
            st.tuples(st.integers(0, 10**6), st.sampled_from(["ok", "failed", "skipped"])),
            max_size=12,
            unique_by=lambda pair: pair[0],
        )
    )
    def test_there_is_a_row_for_each_run_in_order_of_status_and_run_id(
        self, runs: list[tuple[int, RunStatus]]
    ) -> None:
        order = ["failed", "skipped", "ok"]

        _, *rows = detail_table(
            entry(run_id, status, stderr=MISSION_FAILED if status == "failed" else None)
            for run_id, status in runs
        )[0].splitlines()

        expected = sorted(runs, key=lambda pair: (order.index(pair[1]), pair[0]))
        assert [tuple(row.split()[:2]) for row in rows] == [(str(i), s) for i, s in expected]
        assert all(row == row.rstrip() for row in rows)


class TestOneRun:
    def test_it_is_everything_the_manifest_says_of_the_run(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(
            entry(
                4,
                overrides={"Sat.SMA": 7000.5, "Sat.Epoch": "01 Jan 2026"},
                output_paths={"report__RF": Path("run-4/report__RF.parquet")},
                solver_paths={"DC": Path("run-4/solver__DC.parquet")},
                extra_outputs={"fit": Path("run-4/fit.parquet")},
                converged={"DC": True},
                postprocess_status="ok",
                context={"truth": "x"},
                host="node-7",
                attempts=[{"cause": "worker killed by signal 9"}],
            )
        )

        assert shown(capsys, path, "--run", "4") == (
            "run_id: 4\n"
            "status:             ok\n"
            "duration_s:         1.06\n"
            "started_at:         2026-01-02T03:04:05.678900+00:00\n"
            "ended_at:           2026-01-02T03:04:07.678900+00:00\n"
            "host:               node-7\n"
            "postprocess_status: ok\n"
            "attempts:           2\n"
            f"log_path:           {path.parent}/run-4/worker.log\n"
            "\n"
            "overrides:\n"
            "  Sat.Epoch = '01 Jan 2026'\n"
            "  Sat.SMA = 7000.5\n"
            "\n"
            "output_paths:\n"
            f"  report__RF = {path.parent}/run-4/report__RF.parquet\n"
            "\n"
            "solver_paths:\n"
            f"  DC = {path.parent}/run-4/solver__DC.parquet\n"
            "\n"
            "extra_outputs:\n"
            f"  fit = {path.parent}/run-4/fit.parquet\n"
            "\n"
            "converged:\n"
            "  DC = True\n"
            "\n"
            "context:\n"
            "  truth = 'x'\n"
            "\n"
            "attempt 1:\n"
            "  worker killed by signal 9\n"
            "\n"
            "stderr:\n"
            "(no stderr)\n"
        )

    def test_what_a_run_has_to_say_though_it_is_ok_stands_above_its_convergence(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        notes = ["ReportFile R is no table: line 3 of r.txt has 1 of 2 columns", "E is binary"]
        page = shown(
            capsys, save(entry(0, extra={"notes": notes}, converged={"DC": True})), "--run", "0"
        )

        assert f"\nnotes:\n  {notes[0]}\n  {notes[1]}\n\nconverged:\n" in page

    def test_a_bare_run_says_that_it_has_none(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        page = shown(capsys, save(entry(0, overrides={}, log_path=None)), "--run", "0")

        assert re.search(r"^log_path: +—$", page, re.MULTILINE)
        assert "\noverrides:\n  (none)\n" in page
        assert page.endswith("\nstderr:\n(no stderr)\n")
        assert "cause" not in page
        assert "output_paths" not in page

    def test_a_failed_run_has_its_cause_on_top_and_its_stderr_in_full(self) -> None:
        page = run_page(failed(3))

        head, _, rest = page.partition("\n\nstderr:\n")
        assert re.search(rf"^cause: +{ACCURACY} .*\(line 34\)$", head, re.MULTILINE)
        assert rest == MISSION_FAILED.rstrip()

    def test_an_unknown_run_is_exit_3(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(entry(0))

        assert main(["show", str(path), "--run", "7"]) == EXIT_MANIFEST
        assert capsys.readouterr() == ("", f"gmat-sweep: {path} has no entry for run 7\n")


class TestUnreadableManifests:
    def test_a_missing_one_is_exit_3(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "manifest.jsonl"

        assert main(["show", str(path)]) == EXIT_MANIFEST
        assert capsys.readouterr() == ("", f"gmat-sweep: manifest not found: {path}\n")

    def test_a_folder_is_exit_3(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "manifest.jsonl"
        path.mkdir()

        assert main(["show", str(tmp_path)]) == EXIT_MANIFEST
        assert capsys.readouterr().err == (
            f"gmat-sweep: manifest cannot be read: {path}: Is a directory\n"
        )

    def test_a_folder_without_a_manifest_is_exit_3(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["show", str(tmp_path)]) == EXIT_MANIFEST
        assert capsys.readouterr().err == (
            f"gmat-sweep: manifest not found: {tmp_path / 'manifest.jsonl'}\n"
        )

    @pytest.mark.parametrize(
        ("line_number", "damage"),
        [
            (1, "[1, 2]"),
            (1, "{}"),
            (2, "not JSON"),
            (3, '{"run_id": 1}'),
            (3, '{"status": "banana"}'),
            (2, "é".encode("latin-1")),
            (2, ""),
        ],
    )
    def test_a_damaged_one_is_exit_3_with_path_and_line(
        self,
        save: Callable[..., Path],
        capsys: pytest.CaptureFixture[str],
        line_number: int,
        damage: str | bytes,
    ) -> None:
        path = save(entry(0), entry(1))
        lines = path.read_bytes().splitlines(keepends=True)
        lines[line_number - 1] = (damage.encode() if isinstance(damage, str) else damage) + b"\n"
        path.write_bytes(b"".join(lines))

        for words in (["--detail"], ["--run", "0"], []):
            assert main(["show", str(path), *words]) == EXIT_MANIFEST
            out, err = capsys.readouterr()
            assert out == ""
            assert err.startswith("gmat-sweep: ")
            assert err.endswith(f" ({path}:{line_number})\n")
            assert err.count("\n") == 1

    def test_an_empty_one_is_exit_3_with_its_path(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "manifest.jsonl"
        path.touch()

        assert main(["show", str(path)]) == EXIT_MANIFEST
        assert capsys.readouterr().err.endswith(f" ({path})\n")

    def test_a_status_that_is_none_is_exit_3_not_a_traceback(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(entry(0))
        header, line = path.read_text().splitlines()
        record = json.loads(line) | {"status": "banana"}
        del record["seq"], record["~crc"]
        path.write_text(f"{header}\n{json.dumps(record)}\n")

        assert main(["show", str(path)]) == EXIT_MANIFEST
        assert "banana" in capsys.readouterr().err

    def test_what_a_killed_writer_left_is_no_damage(
        self, save: Callable[..., Path], capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = save(entry(0), entry(1))
        path.write_bytes(path.read_bytes()[:-10])

        assert shown(capsys, path).startswith("1 runs (1 ok)")


class TestFailureLines:
    def test_failures_are_counted_by_cause_the_commonest_first_with_their_runs_in_order(
        self,
    ) -> None:
        lines = failure_lines(
            [
                failed(0, FIELD_REFUSED),
                entry(1),
                failed(2),
                failed(5),
                failed(6, None),
                failed(4),
            ]
        )

        assert lines == [
            f"3 x {ACCURACY} with current step size values. (line 34) (run 2, 4, 5)",
            "1 x unknown field 'Nope' on Spacecraft 'Sat' (run 0)",
            "1 x no cause recorded (run 6)",
        ]

    def test_no_failures_are_no_lines(self) -> None:
        assert failure_lines([entry(0), entry(1, "skipped")]) == []

    def test_many_causes_and_many_runs_are_cut_short(self) -> None:
        entries = [failed(each, f"cause x{each}\n") for each in range(7)]
        entries += [failed(each) for each in range(10, 20)]

        lines = failure_lines(entries)

        assert lines[0].startswith("10 x ")
        assert lines[0].endswith(" (run 10, 11, 12, 13, 14, 15, 16, 17, ...)")
        assert lines[1:] == [
            *(f"1 x cause x{each} (run {each})" for each in range(4)),
            "... and 3 further causes",
        ]
