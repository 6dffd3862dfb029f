"""A machine short of what every run needs stops the sweep; runs that fail alike are pointed out."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from fault_injection import nth_call
from gmat_sweep import LocalJoblibPool, Manifest, sweep
from gmat_sweep.backends.process import worker_process
from gmat_sweep.cli import EXIT_GENERIC, main
from gmat_sweep.disk.shortages import check_room, shortage
from gmat_sweep.errors import DurabilityError, SweepStoppedError
from gmat_sweep.flow import common_cause
from gmat_sweep.flow.common_cause import FIRST_FAILURES, CommonCause
from gmat_sweep.folder.layout import SEAL_NAME
from gmat_sweep.spec import RunOutcome
from gmat_sweep.worker import loading, run_one
from gmat_sweep.worker.solver_tables import SolverTables
from repository import SUPPORT
from resumed_sweeps import SHORT, forget, hand_made, ran, reopened, run_of
from told import told

SHORT_OF = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE]


def failing_with(code: int) -> Any:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(code, os.strerror(code), "a/file")

    return fail


# --- what is one ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", SHORT_OF)
def test_it_is_found_behind_whatever_it_was_turned_into_and_says_what_to_do(code: int) -> None:
    error = RuntimeError("the report could not be written")
    error.__cause__ = DurabilityError(1, "first")
    error.__cause__.__context__ = OSError(code, "as the system says", "run-7/RF.txt")

    found = shortage(error)

    assert found is not None
    assert found.startswith(f"{os.strerror(code)}: 'run-7/RF.txt'; ")
    assert any(word in found for word in ("free space", "writable", "ulimit", "close other"))


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOENT, None])
def test_other_errors_are_the_runs_own(code: int | None) -> None:
    assert shortage(OSError(code, "other") if code else ValueError("no")) is None


def test_errors_that_go_in_a_circle_are_looked_at_once() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one

    assert shortage(one) is None


def test_a_disk_with_room_is_not_full(tmp_path: Path) -> None:
    check_room(tmp_path)


# --- in a run ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", SHORT_OF)
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_run_that_meets_one_says_so_and_is_not_sealed(
    call: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gmat_sweep.worker import run as worker

    results = SimpleNamespace(log="", converged={})
    monkeypatch.setattr(worker, "_results", lambda spec, log: results)
    monkeypatch.setattr(worker, "write_outputs", _writing)
    monkeypatch.setattr(worker, "solver_tables", lambda results, log: SolverTables())
    monkeypatch.setattr(worker, "layouts_of", lambda script, overrides: {})
    monkeypatch.setattr(loading, "KEEPER", SimpleNamespace(current=None))
    with nth_call(call, 2 if call == "open" else 1, failing_with(code)):
        outcome = run_one(run_of(0, tmp_path))

    assert outcome.status == "failed"
    assert outcome.shortage is not None
    assert outcome.shortage.startswith(os.strerror(code))
    assert not (tmp_path / "run-0" / SEAL_NAME).exists()
    assert RunOutcome.from_dict(json.loads(json.dumps(outcome.to_dict()))) == outcome


def _writing(results: object, folder: Path, *_: object) -> Any:
    from gmat_sweep.disk.files import write_file
    from gmat_sweep.worker.parquet_outputs import WrittenOutputs

    write_file(folder / "report__RF.parquet", b"rows")
    return WrittenOutputs()


@pytest.mark.promise(
    "short of disk", "a report cut short by a full disk, of which GMAT says nothing"
)
def test_a_run_on_a_full_disk_is_not_ok_although_gmat_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GMAT's streams swallow the error, and the report is cut short wherever the disk was full."""
    from gmat_sweep.worker import run as worker

    def cut_short(spec: object, log: object) -> object:
        monkeypatch.setattr("gmat_sweep.disk.shortages.LEAST_FREE_BYTES", 1 << 60)
        return SimpleNamespace(log="", converged={})

    monkeypatch.setattr(worker, "_results", cut_short)
    # What is left of the report can be read and written: nothing but the disk tells.
    monkeypatch.setattr(worker, "write_outputs", _writing)
    monkeypatch.setattr(worker, "solver_tables", lambda results, log: SolverTables())
    monkeypatch.setattr(worker, "layouts_of", lambda script, overrides: {})
    monkeypatch.setattr(loading, "KEEPER", SimpleNamespace(current=None))

    outcome = run_one(run_of(0, tmp_path))

    assert outcome.status == "failed"
    assert outcome.shortage is not None
    assert outcome.shortage.startswith("No space left on device: ")


# --- in a sweep ----------------------------------------------------------------------------------


@pytest.mark.promise("short of disk", "the disk full half-way")
@pytest.mark.soak
def test_a_full_disk_stops_the_sweep_and_with_room_again_a_resume_completes_it(
    tmp_path: Path, prefect_url: str
) -> None:
    """On a real small disk where this system lets one be mounted, else on one a hook finds full."""
    mounting = ["unshare", "--map-root-user", "--mount"]
    probe = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    can_mount = (
        shutil.which("unshare") is not None
        and subprocess.run([*mounting, *probe], capture_output=True).returncode == 0
    )
    command = [sys.executable, str(SUPPORT / "small_disk_sweep.py"), str(tmp_path)]

    done = subprocess.run(
        [*mounting, *command, "mount"] if can_mount else [*command, "hook"],
        env={
            **os.environ,
            "PREFECT_API_URL": prefect_url,
            "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path]),
        },
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert "The sweep was stopped at run" in report["error"]
    assert "No space left on device" in report["error"]
    assert "free space on that disk" in report["error"]
    assert 0 < len(report["recorded"]) < 40, "it went on, or never began"
    assert set(report["recorded"]) == {"ok"}, "a run was blamed for the disk"
    assert report["files"] == []
    assert report["resumed"] == list(range(40))
    assert report["is_whole"]


@pytest.mark.promise("3", "no space for a line (ENOSPC)")
def test_a_manifest_that_cannot_be_written_stops_the_sweep_and_keeps_what_it_has(
    pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [run_of(run_id, tmp_path) for run_id in range(8)]
    append = Manifest.append_entry
    appended: list[int] = []

    def full(manifest: Manifest, entry: Any, *, hold: bool) -> None:
        if len(appended) >= 3:
            with nth_call("write", 1, failing_with(errno.ENOSPC), in_any_thread=False):
                append(manifest, entry, hold=hold)
        append(manifest, entry, hold=hold)
        appended.append(entry.run_id)

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "append_entry", full)
        with pytest.raises(SweepStoppedError, match=r"No space left .*free space") as caught:
            hand_made(runs, tmp_path, pool).run()
    assert isinstance(caught.value.__cause__, DurabilityError)
    assert len(Manifest.load(tmp_path / "manifest.jsonl").entries) == 3

    reopened(tmp_path, pool).resume()

    entries = Manifest.load(tmp_path / "manifest.jsonl").entries
    assert {entry.run_id: entry.status for entry in entries} == dict.fromkeys(range(8), "ok")


@pytest.mark.promise("short of disk", "no file descriptors left")
def test_no_file_descriptors_for_another_worker_stop_the_sweep(
    tmp_path: Path, pool: LocalJoblibPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalJoblibPool(1, reuse_gmat_context=False) as own:
        runs = [run_of(run_id, tmp_path) for run_id in range(20)]
        started = []
        start = worker_process.WorkerProcess._start

        def short_of_descriptors(process: Any, held: Any) -> None:
            started.append(process)
            if len(started) > 4:
                failing_with(errno.EMFILE)()
            start(process, held)

        with monkeypatch.context() as patch:
            patch.setattr(worker_process.WorkerProcess, "_start", short_of_descriptors)
            with pytest.raises(SweepStoppedError, match=r"Too many open files.*ulimit"):
                hand_made(runs, tmp_path, own).run()

    recorded = Manifest.load(tmp_path / "manifest.jsonl").entries
    assert 0 < len(recorded) < 20
    assert {entry.status for entry in recorded} == {"ok"}


def test_the_command_line_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "room").touch()
    out = tmp_path / "out"

    code = main(
        [
            *("run", str(SHORT), "--grid", "Sat.SMA=7000:7029:30", "--out", str(out)),
            *("--postprocess", "sweep_hooks:find_the_disk_full", "--quiet", "--workers", "1"),
        ]
    )

    said = capsys.readouterr().err
    assert code == EXIT_GENERIC
    assert f"of 30 runs are recorded; go on with `gmat-sweep resume {out}/manifest.jsonl" in said
    assert "gmat-sweep: The sweep was stopped at run " in said


# --- runs that fail alike ------------------------------------------------------------------------


def outcome_of(run_id: int, cause: str | None) -> RunOutcome:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    failed = RunOutcome.failed(
        run_id=run_id, stderr=cause, started_at=now, ended_at=now, duration_s=0.1
    )
    return failed if cause is not None else replace(failed, status="ok")


class TestCommonCause:
    """Said once, when the first runs all failed alike, and never otherwise."""

    def said(self, *causes: str | None) -> list[str | None]:
        watch = CommonCause()
        return [watch.seen_in(outcome_of(n, cause)) for n, cause in enumerate(causes)]

    def test_it_is_said_with_the_tenth_failure_and_not_again(self) -> None:
        said = self.said(*["ImportError: no module named poliastro"] * 30)

        assert said.index("ImportError: no module named poliastro") == FIRST_FAILURES - 1
        assert len([each for each in said if each]) == 1

    def test_the_runs_own_folder_is_no_difference(self) -> None:
        said = self.said(*[f"OSError: /data/run-{n}/model.dat" for n in range(12)])

        assert said[FIRST_FAILURES - 1] == "OSError: /data/run-N/model.dat"

    @pytest.mark.parametrize("position", [0, 1, 9])
    def test_one_success_or_another_cause_among_them_and_it_is_not_said(
        self, position: int
    ) -> None:
        for other in (None, "another cause"):
            causes: list[str | None] = ["the cause"] * 30
            causes[position] = other
            assert not any(self.said(*causes))


def test_runs_that_all_fail_of_a_missing_file_are_pointed_out_and_go_on(
    pool: LocalJoblibPool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(common_cause, "FIRST_FAILURES", 3)
    out = tmp_path / "out"
    with told() as said, told("prefect.flow_runs") as by_the_flow_run:
        sweep(
            SHORT,
            grid={"Sat.SMA": [7000.0 + n for n in range(5)]},
            postprocess="sweep_hooks:need_a_file",
            backend=pool,
            out=out,
        )

    for messages in (said, by_the_flow_run):
        (message,) = [each for each in messages if "of the same cause" in each]
        assert f"No such file or directory: '{out}/model.dat'" in message
    assert "all runs fail alike" in capsys.readouterr().err
    assert len(Manifest.load(out / "manifest.jsonl").entries) == 5

    (out / "model.dat").touch()
    forget(out, 4)
    reopened(out, pool).resume()
    assert sorted(ran(out, 4)) == [0, 1, 2, 3, 4]
