"""Where this package does better than the peer: a short end-to-end test for each known shortfall.

The numbers are those of the list of shortfalls that were observed on gmat-sweep 0.6.0; other files
go into the depth of each.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fault_injection import disk_error, nth_call
from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    ManifestCorruptError,
    Pool,
    RunOutcome,
    RunSpec,
    Sweep,
    SweepConfigError,
    lazy_extra_outputs,
    lazy_fused_reports,
    lazy_multiindex,
    lazy_solver_convergence,
    lazy_solver_runs,
    mc_convergence,
    monte_carlo,
    monte_carlo_extend,
    sweep,
    sweep_summary,
)
from gmat_sweep.api import latin_hypercube_extend
from gmat_sweep.backends import ProcessPoolExecutorPool
from gmat_sweep.cli import main
from gmat_sweep.errors import DurabilityError, SweepFolderInUseError
from gmat_sweep.plotting import mc_convergence_over_time_plot
from repository import DATA
from resumed_sweeps import (
    NOTE,
    SHORT,
    content,
    forget,
    hand_made,
    ran,
    reopened,
    run_of,
    same,
)
from sweep_on_disk import SweepOnDisk, report

BASIC = DATA / "leo_basic.script"
TARGETING = DATA / "targeting.script"
PERTURB = {"Sat.SMA": ("normal", 7100, 50)}


@pytest.fixture(scope="module")
def drawn(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three draws without a seed."""
    folder = tmp_path_factory.mktemp("drawn")
    monte_carlo(SHORT, n=3, perturb=PERTURB, backend=pool, out=folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def six(drawn: Path, pool: LocalJoblibPool) -> pd.DataFrame:
    """Six draws with the seed that `drawn` drew, run at once."""
    seed = Manifest.load(drawn / "manifest.jsonl").sweep_seed
    return monte_carlo(SHORT, n=6, perturb=PERTURB, seed=seed, backend=pool, progress=False)


@pytest.fixture(scope="module")
def refused(pool: LocalJoblibPool) -> pd.DataFrame:
    """Three runs of which GMAT refuses the second: it takes no eccentricity of exactly 1."""
    return sweep(BASIC, grid={"Sat.ECC": [0.001, 1.0, 0.002]}, backend=pool, progress=False)


@pytest.fixture(scope="module")
def solved(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """A differential corrector that may take 25 iterations, or 1, which is too few."""
    folder = tmp_path_factory.mktemp("solved")
    runs = [
        run_of(
            number,
            folder,
            script_path=TARGETING,
            overrides={"DC.MaximumIterations": most},
            postprocess=NOTE,
        )
        for number, most in enumerate((25, 1))
    ]
    return hand_made(runs, folder, pool, script_path=TARGETING).run()


@pytest.fixture(scope="module")
def ends(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Six runs; the hook of some leaves by SystemExit, ends the process, or ends it once."""
    folder = tmp_path_factory.mktemp("ends")
    told = {1: "leave", 3: "die", 4: "die once"}
    runs = [run_of(number, folder, context={"end": told.get(number)}) for number in range(6)]
    return hand_made(runs, folder, pool, postprocess="sweep_hooks:end_as_told").run()


@pytest.fixture
def copy(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` that a test may harm."""
    return Path(shutil.copytree(drawn, tmp_path / "copy"))


def statuses(swept: Sweep) -> dict[int, str]:
    return {entry.run_id: entry.status for entry in swept.to_manifest().entries}


# --- correctness ---------------------------------------------------------------------------------


def test_01_integer_and_float_columns_meet_as_float(pool: LocalJoblibPool) -> None:
    # GMAT prints 7055 as an integer, and no other of these.
    frame = sweep(BASIC, grid={"Sat.SMA": range(7053, 7058)}, backend=pool, progress=False)
    reported = frame["Sat.Earth.SMA"].groupby(level="run_id").last()

    assert reported.dtype == "float64"
    assert reported.tolist() == pytest.approx([7053, 7054, 7055, 7056, 7057], rel=1e-12)


def test_02_dates_strings_and_booleans_keep_their_type_when_a_run_fails(
    refused: pd.DataFrame, tmp_path: Path
) -> None:
    disk = SweepOnDisk(tmp_path)
    disk.ok(0, {"report__R": report(site=["a", "b", "c"], lit=[True, False, True])})
    disk.failed(1)
    frame = lazy_multiindex(disk.manifest, tmp_path)

    assert refused["__status"].value_counts().to_dict() == {"ok": 6, "failed": 1}
    assert str(refused["Sat.UTCGregorian"].dtype) == "datetime64[ns]"
    assert sweep_summary(refused)["mean"].shape == (3, 5)
    assert pd.api.types.is_string_dtype(frame["site"].dtype)
    assert str(frame["lit"].dtype) == "boolean"


def test_03_a_torn_last_line_never_spoils_the_manifest(
    copy: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    path = copy / "manifest.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    resumed = reopened(copy, pool).resume()

    assert len(Manifest.load(path).entries) == 3
    assert same(six.loc[:2], resumed.to_dataframe())


def test_04_a_failed_or_killed_extension_is_recovered(
    copy: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    reopened(copy, pool).extend(n=3)
    path = copy / "manifest.jsonl"
    manifest = Manifest.load(path)
    entries = {entry.run_id: entry for entry in manifest.entries}
    failed = replace(entries[4], status="failed", output_paths={}, files={}, stderr="disk full")
    # Run 5 was never reached.
    manifest.entries = [entries[run_id] for run_id in range(4)] + [failed]
    manifest.save(path)
    resumed = reopened(copy, pool).resume()

    assert sorted(ran(copy, 5)) == [4, 5]
    assert same(six, resumed.to_dataframe())
    assert resumed.extend(n=1).to_manifest().total_run_count == 7


def test_05_a_sweep_without_a_seed_is_resumed_and_extended_with_its_own_draws(
    copy: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    forget(copy, 0, 2)
    extended = reopened(copy, pool).resume().extend(n=3)

    assert Manifest.load(copy / "manifest.jsonl").sweep_seed is not None
    assert same(six, extended.to_dataframe())


def test_06_hand_made_runs_are_resumed_as_they_were(pool: LocalJoblibPool, tmp_path: Path) -> None:
    runs = [
        run_of(20, tmp_path, overrides={"Sat.SMA": 7000}, output_dir=tmp_path / "twenty"),
        run_of(
            10,
            tmp_path,
            overrides={"Sat.INC": 30.5, "Sat.DryMass": 800},
            seed=7,
            run_options={"overwrite": True},
            postprocess=NOTE,
        ),
    ]
    frame = hand_made(runs, tmp_path, pool).run().to_dataframe()
    forget(tmp_path, 10)
    resumed = reopened(tmp_path, pool).resume()
    entries = {entry.run_id: entry for entry in resumed.to_manifest().entries}

    assert ran(tmp_path, 1) == [10]
    assert same(frame, resumed.to_dataframe())
    assert entries[10].overrides == {"Sat.INC": 30.5, "Sat.DryMass": 800}
    assert type(entries[10].overrides["Sat.DryMass"]) is int
    assert (entries[10].seed, entries[10].postprocess) == (7, NOTE)
    assert entries[20].output_paths["report__RF"].parent == tmp_path / "twenty"


def test_07_an_archive_keeps_what_solvers_and_hooks_left(solved: Sweep, tmp_path: Path) -> None:
    with zipfile.ZipFile(solved.archive(tmp_path / "sweep.zip")) as file:
        file.extractall(tmp_path / "unpacked")
    path = tmp_path / "unpacked" / "manifest.jsonl"
    entries = {entry.run_id: entry for entry in Manifest.load(path).entries}

    assert len(solved.to_solver_runs()) > 5
    assert same(solved.to_solver_runs(), lazy_solver_runs(path))
    assert same(solved.to_solver_convergence(), lazy_solver_convergence(path))
    assert same(solved.to_extra_outputs("note"), lazy_extra_outputs(path, "note"))
    assert {n: entry.converged for n, entry in entries.items()} == {
        0: {"DC": True},
        1: {"DC": False},
    }
    assert {entry.postprocess_status for entry in entries.values()} == {"ok"}


def test_08_runs_without_rows_stay_and_shared_files_belong_to_each_run(tmp_path: Path) -> None:
    disk = SweepOnDisk(tmp_path)
    disk.ok(0, {"report__R": report(7000.0)})
    disk.ok(1, {"report__R": report(rows=0)})
    disk.ok(2, {"report__R": Path("run-0/report__R.parquet")})
    frame = lazy_multiindex(disk.manifest, tmp_path)

    assert frame.groupby(level="run_id").size().to_dict() == {0: 3, 1: 1, 2: 3}
    assert set(frame["__status"]) == {"ok"}
    assert frame["Sat.SMA"].dropna().tolist() == [7000.0, 7000.25, 7000.5] * 2


def test_09_the_time_that_a_hook_keeps_as_index_is_not_lost(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    frame = sweep(
        SHORT,
        grid={"Sat.SMA": [7000.0]},
        postprocess="sweep_hooks:time_as_index",
        backend=pool,
        out=tmp_path,
        progress=False,
    )
    kept = lazy_extra_outputs(tmp_path / "manifest.jsonl", "x")

    assert kept.index.names == ["run_id", "time"]
    assert same(frame[["Sat.X", "__status"]], kept)


def test_10_leaving_by_system_exit_costs_one_run(ends: Sweep) -> None:
    (left,) = (entry for entry in ends.to_manifest().entries if entry.run_id == 1)

    assert left.status == left.postprocess_status == "failed"
    assert "SystemExit: 3" in (left.stderr or "")
    assert set(statuses(ends)) == set(range(6))


@pytest.mark.parametrize(
    ("spoil", "line_number"),
    [
        (lambda lines: [b"[]\n", *lines[1:]], 1),
        (lambda lines: [lines[0], b'{"run_id": "\xff"}\n', *lines[2:]], 2),
        (lambda lines: [lines[0], lines[1], spoiled_status(lines[2]), *lines[3:]], 3),
    ],
    ids=["a header that is a list", "bytes that are no text", "a status that is none"],
)
def test_11_every_kind_of_damage_is_a_manifest_corrupt_error_with_its_line(
    spoil: Callable[[list[bytes]], list[bytes]], line_number: int, copy: Path
) -> None:
    path = copy / "manifest.jsonl"
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))

    with pytest.raises(ManifestCorruptError, match=str(path)) as caught:
        Manifest.load(path)
    assert caught.value.line_number == line_number


def spoiled_status(line: bytes) -> bytes:
    """Return an entry without its checksum and with a status that there is not."""
    record = json.loads(line)
    del record["seq"], record["~crc"]
    return json.dumps({**record, "status": "banana"}).encode() + b"\n"


# --- robustness ----------------------------------------------------------------------------------


def test_12_a_dying_worker_costs_its_own_run_or_nothing(ends: Sweep) -> None:
    entries = {entry.run_id: entry for entry in ends.to_manifest().entries}

    assert statuses(ends) == {0: "ok", 1: "failed", 2: "ok", 3: "failed", 4: "ok", 5: "ok"}
    assert "exited with code 3" in (entries[3].stderr or "")
    assert len(entries[4].attempts) == 1


def test_12_nor_does_it_with_a_process_per_run(tmp_path: Path) -> None:
    runs = [
        run_of(number, tmp_path, overrides={}, context={"end": end})
        for number, end in enumerate(("die", None, None))
    ]
    with ProcessPoolExecutorPool(max_workers=2) as own:
        swept = hand_made(
            runs, tmp_path, own, postprocess="sweep_hooks:end_as_told", retries=0
        ).run()

    assert statuses(swept) == {0: "failed", 1: "ok", 2: "ok"}


def test_13_runs_have_timeouts_and_retries_and_can_be_given_up(
    ends: Sweep, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    def slow(folder: Path, **options: Any) -> Sweep:
        runs = [run_of(n, folder, context={"sleep_s": 600.0 * n}) for n in range(2)]
        return hand_made(runs, folder, pool, postprocess="sweep_hooks:end_as_told", **options)

    timed = slow(tmp_path / "timed", timeout=2).run()
    (late,) = (entry for entry in timed.to_manifest().entries if entry.run_id == 1)
    outcomes = slow(tmp_path / "given up").iter_outcomes()
    (first, _) = next(outcomes)
    # The other run takes longer than a test may.
    del outcomes

    assert statuses(timed) == {0: "ok", 1: "failed"}
    assert "timeout of 2 s" in (late.stderr or "")
    assert [bool(entry.attempts) for entry in ends.to_manifest().entries].count(True) == 2
    assert first.run_id == 0
    assert not pool._busy
    assert ran(tmp_path / "given up", 0) == [0]


class PlainPool(Pool):
    """A pool as users write one: three methods, and how many runs it executes at once."""

    def __init__(self, workers: LocalJoblibPool) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(2)

    @property
    def max_workers(self) -> int:
        return 2

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        return self._threads.submit(self._workers.execute, spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        for future in futures:
            yield future.result()

    def close(self) -> None:
        self._threads.shutdown()


@pytest.mark.parametrize("kind", [LocalJoblibPool, PlainPool])
def test_14_no_run_waits_for_a_slower_one(
    kind: type[Pool], pool: LocalJoblibPool, tmp_path: Path
) -> None:
    runs = [
        run_of(
            number,
            tmp_path,
            overrides={},
            postprocess="sweep_hooks:end_as_told",
            context={"sleep_s": 0.0 if number else 3.0},
        )
        for number in range(6)
    ]
    if kind is LocalJoblibPool:
        order = [spec.run_id for spec, _ in pool.imap(runs, in_flight=2)]
    else:
        with PlainPool(pool) as plain:
            order = [spec.run_id for spec, _ in plain.imap(runs, in_flight=2)]

    assert order == [1, 2, 3, 4, 5, 0]


def test_15_a_folder_used_twice_keeps_its_sweep(copy: Path, pool: LocalJoblibPool) -> None:
    before = content(copy)

    with pytest.raises(SweepConfigError, match=r"already holds a sweep\. All its runs are done"):
        sweep(SHORT, grid={"Sat.SMA": [7000.0]}, backend=pool, out=copy, progress=False)
    assert before == content(copy)


def test_16_the_exit_code_says_that_every_run_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "refused.json").write_text("[0, 1]")
    words = ["run", str(SHORT), "--grid", "Sat.SMA=7000,7100", "--postprocess", NOTE]

    assert main([*words, "--workers", "2", "--quiet", "--out", str(tmp_path)]) == 5
    assert capsys.readouterr().out.startswith("2 runs (2 failed) in ")


def two_reports(folder: Path) -> Path:
    """Write the short mission with a second report, of one column."""
    script = folder / "two.script"
    second = "Create ReportFile Second;\nGMAT Second.Filename = 'Second.txt';\n"
    second += "GMAT Second.Add = {Sat.UTCGregorian, Sat.X};\nBeginMissionSequence;"
    script.write_text(SHORT.read_text().replace("BeginMissionSequence;", second))
    return script


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "bogus"}, "engine='bogus' is not supported"),
        ({"mission": two_reports}, "has 2 ReportFiles: RF, Second"),
        ({"name": "Nope"}, "no report output named 'Nope'"),
        ({"grid": {"Sat.Epoch": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)]}}, "Sat.Epoch.*datetime"),
        ({"context": {0: {"truth": {1, 2}}}}, r"run 0 context\.truth is a set"),
        ({"postprocess": "sweep_hooks:nope"}, "has no attribute"),
        ({"postprocess": "sweep_hooks:SCORE"}, "cannot be called"),
        ({"run_options": {"working_dir": "x"}}, "run_options has 'working_dir'"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_17_what_can_be_known_before_the_first_run_is_said_before_it(
    options: dict[str, Any], message: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    given = {"mission": lambda folder: SHORT, "grid": {"Sat.SMA": [7000.0]}, **options}
    mission = given.pop("mission")(tmp_path)

    with pytest.raises(SweepConfigError, match=message):
        sweep(mission, backend=pool, out=tmp_path / "out", progress=False, **given)
    assert not list(tmp_path.glob("out/*/*"))
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"run_id": 0}, "run_id 0 occurs more than once"), ({"postprocess": "nope:f"}, "importable")],
)
def test_17_so_is_what_is_wrong_with_hand_made_runs(
    changes: dict[str, Any], message: str, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    runs = [run_of(0, tmp_path), replace(run_of(1, tmp_path), **changes)]

    with pytest.raises(SweepConfigError, match=message):
        hand_made(runs, tmp_path, pool).run()
    assert not (tmp_path / "manifest.jsonl").exists()


def test_17_numbers_of_numpy_are_numbers(pool: LocalJoblibPool, tmp_path: Path) -> None:
    grid = {"Sat.SMA": np.array([7000, 7100]), "Sat.ECC": [np.float32(0.5)]}
    sweep(SHORT, grid=grid, seed=np.int64(3), backend=pool, out=tmp_path, progress=False)  # type: ignore[call-overload]
    manifest = Manifest.load(tmp_path / "manifest.jsonl")

    assert manifest.sweep_seed == 3
    assert manifest.parameter_spec == {"_kind": "grid", "Sat.SMA": [7000, 7100], "Sat.ECC": [0.5]}
    assert {entry.status for entry in manifest.entries} == {"ok"}


def test_18_a_header_is_written_whole_or_not_at_all_and_a_second_writer_is_refused(
    copy: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    path = copy / "manifest.jsonl"
    manifest, before = Manifest.load(path), path.read_bytes()
    with nth_call("replace", 1, disk_error), pytest.raises(DurabilityError):
        manifest.save(path)
    assert before == path.read_bytes()

    folder = tmp_path / "busy"
    outcomes = hand_made([run_of(n, folder) for n in range(3)], folder, pool).iter_outcomes()
    next(outcomes)
    with pytest.raises(SweepFolderInUseError, match=str(os.getpid())):
        reopened(folder, pool).resume()
    assert len(list(outcomes)) == 2


# --- portability ---------------------------------------------------------------------------------


def test_19_a_moved_sweep_is_read_and_resumed_where_it_is(
    copy: Path, tmp_path: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    moved = copy.rename(tmp_path / "moved")
    forget(moved, 1)
    resumed = reopened(moved, pool).resume()

    assert str(copy) not in (moved / "manifest.jsonl").read_text()
    assert ran(moved, 2) == [1]
    assert same(six.loc[:2], resumed.to_dataframe())
    assert not copy.exists()


def test_20_resume_sees_that_a_file_of_an_ok_run_is_gone(
    copy: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    (copy / "run-1" / "report__RF.parquet").unlink()
    resumed = reopened(copy, pool).resume()

    assert ran(copy, 3) == [1]
    assert same(six.loc[:2], resumed.to_dataframe())


# --- features ------------------------------------------------------------------------------------


def test_21_a_sweep_takes_a_report_name_contexts_and_run_options(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    leftover = out / "run-0" / "RF.txt"
    leftover.parent.mkdir(parents=True)
    leftover.write_text("of an earlier attempt")
    frame = sweep(
        two_reports(tmp_path),
        grid={"Sat.SMA": [7000.0, 7100.0]},
        name="Second",
        context=lambda run_id: {"truth": run_id},
        run_options={"overwrite": True},
        backend=pool,
        out=out,
        progress=False,
    )
    entries = Manifest.load(out / "manifest.jsonl").entries

    assert list(frame.columns) == ["Sat.UTCGregorian", "Sat.X", "__status"]
    assert set(frame["__status"]) == {"ok"}
    assert {entry.run_id: entry.context for entry in entries} == {0: {"truth": 0}, 1: {"truth": 1}}


def test_22_the_command_line_has_hooks_names_quiet_and_says_why_runs_failed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "out", tmp_path / "table.csv"
    words = ["run", str(two_reports(tmp_path)), "--grid", "Sat.ECC=0.001,1.0", "--out", str(out)]
    code = main(
        [
            *words,
            *("--postprocess", NOTE, "--frame", str(table), "--name", "Second"),
            *("--quiet", "--workers", "2", "--backend", "process"),
        ]
    )
    said = capfd.readouterr()
    shown = main(["show", str(out / "manifest.jsonl"), "--detail"])
    (line,) = (row for row in capfd.readouterr().out.splitlines() if " failed " in row)

    assert (code, shown) == (0, 0)
    assert "run/s" not in said.err
    assert pd.read_csv(table)["__status"].value_counts().to_dict() == {"ok": 3, "failed": 1}
    assert list(lazy_extra_outputs(out / "manifest.jsonl", "note")["__status"]) == ["ok", "failed"]
    assert "Traceback" not in line
    assert '"Eccentricity" on object "Sat"' in line


def test_23_an_extension_takes_the_sweep_folder_and_contexts(
    copy: Path, tmp_path: Path, pool: LocalJoblibPool, six: pd.DataFrame
) -> None:
    records = tmp_path / "records.jsonl"
    (copy / "manifest.jsonl").rename(records)
    frame = monte_carlo_extend(
        records,
        SHORT,
        n=3,
        output_dir=copy,
        context_provider=lambda run_id: {"given": run_id},
        backend=pool,
        progress=False,
    )
    contexts = {entry.run_id: entry.context for entry in Manifest.load(records).entries}

    assert same(six, frame)
    assert contexts[5] == {"given": 5}
    assert (copy / "run-5").is_dir()


def test_24_a_mission_without_reports_has_a_frame_and_its_solvers(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    script = tmp_path / "silent.script"
    lines = TARGETING.read_text().splitlines(keepends=True)
    script.write_text("".join(line for line in lines if "RF" not in line))
    frame = sweep(
        script,
        grid={"Goal.Value": [12000, 12500]},
        postprocess=NOTE,
        backend=pool,
        out=tmp_path / "out",
        progress=False,
    )
    path = tmp_path / "out" / "manifest.jsonl"

    assert frame["__status"].tolist() == ["ok", "ok"]
    assert frame.index.get_level_values("run_id").tolist() == [0, 1]
    assert lazy_solver_convergence(path)["converged"].tolist() == [True, True]
    assert len(lazy_extra_outputs(path, "note")) == 2


def test_25_summaries_by_run_polars_tolerances_as_text_and_convergence_over_time(
    six: pd.DataFrame, tmp_path: Path
) -> None:
    disk = SweepOnDisk(tmp_path)
    late = report().assign(time=lambda frame: frame["time"] + pd.Timedelta("0.5s"))
    disk.ok(0, {"report__A": late, "report__B": report(8000.0)})
    by_run = sweep_summary(six, by="run_id", include=["max"], q=[])
    in_polars = sweep_summary(six, engine="polars")
    near = lazy_fused_reports(disk.manifest, tmp_path, ["A", "B"], tolerance="1s")
    far = lazy_fused_reports(disk.manifest, tmp_path, ["A", "B"], tolerance="100ms")
    fused = lazy_fused_reports(disk.manifest, tmp_path, ["A", "B"], tolerance="1s", engine="polars")
    axes = mc_convergence_over_time_plot(mc_convergence(six, "Sat.X"))

    assert by_run.index.tolist() == [0, 1, 2, 3, 4, 5]
    assert isinstance(in_polars, pl.DataFrame)
    assert near[("B", "Sat.SMA")].tolist() == [8000.0, 8000.25, 8000.5]
    assert far[("B", "Sat.SMA")].isna().all()
    assert isinstance(fused, pl.DataFrame)
    assert fused["B.Sat.SMA"].to_list() == [8000.0, 8000.25, 8000.5]
    assert {"run_id", "time", "A.__status", "__status"} <= set(fused.columns)
    assert len(axes.lines) > 0


def test_26_limits_are_lifted_or_said(
    pool: LocalJoblibPool, six: pd.DataFrame, drawn: Path, tmp_path: Path
) -> None:
    # polars is no experiment: the same values.
    manifest = Manifest.load(drawn / "manifest.jsonl")
    in_polars = lazy_multiindex(manifest, drawn, engine="polars")
    assert in_polars["Sat.X"].to_list() == six.loc[:2, "Sat.X"].tolist()

    # Workers that are kept from run to run fly any number of scripts.
    alone = sweep(SHORT, grid={"Sat.SMA": [7001.0, 7003.0]}, backend=pool, progress=False)
    runs = [
        run_of(number, tmp_path, script_path=BASIC if number % 2 == 0 else SHORT)
        for number in range(4)
    ]
    mixed = hand_made(runs, tmp_path, pool).run().to_dataframe()
    assert set(mixed["__status"]) == {"ok"}
    assert mixed.loc[[1, 3], "Sat.X"].tolist() == alone["Sat.X"].tolist()

    # A Latin hypercube holds for its size: why, and what to do, is said.
    with pytest.raises(SweepConfigError, match=r"stratification .* Run latin_hypercube\(\) with"):
        latin_hypercube_extend(drawn / "manifest.jsonl", SHORT, n=1)
