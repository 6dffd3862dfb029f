"""One run on recorded output, without GMAT: hooks, interruptions, writing that fails."""

import logging
import os
from collections.abc import Callable
from pathlib import Path

import gmat_run
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fault_injection import disk_error, is_to_write, nth_call
from gmat_sweep.folder.run_seal import read_seal
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker import load_hook, loading, run_one
from gmat_sweep.worker import run as worker
from gmat_sweep.worker.mission_keeper import MissionKeeper
from repository import DATA
from worker_runs import cause, log_of

LEO = DATA / "leo_basic.script"

type Run = Callable[..., RunOutcome]

# --- the postprocess hook, on recorded output ----------------------------------------------------

REPORT = """\
Sat.UTCGregorian           Sat.X             Sat.Earth.ECC
01 Jan 2026 00:00:00.000   6993.0            0.001
01 Jan 2026 00:00:30.000   6989.332373       0.001
"""


@pytest.fixture
def recorded_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`run_one` in this process, with GMAT's part played from a recorded report."""
    report = tmp_path / "RF.txt"
    report.write_text(REPORT)
    results = gmat_run.Results(
        output_dir=tmp_path, log="Mission run completed.", report_paths={"RF": report}
    )

    def played(spec: RunSpec, log: logging.Logger) -> gmat_run.Results:
        keeper.script(spec.script_path)
        return results

    keeper = MissionKeeper(load=lambda *args, **kwargs: pytest.fail("nothing is to be loaded"))
    monkeypatch.setattr(loading, "KEEPER", keeper)
    monkeypatch.setattr(worker, "_results", played)
    script = tmp_path / "mission.script"
    script.write_text("Create ReportFile RF;\nRF.Add = {Sat.UTCGregorian, Sat.X, Sat.Earth.ECC};\n")

    def run(postprocess: str | None = None) -> RunOutcome:
        return run_one(RunSpec(script, {}, tmp_path / "run-0", 0, None, {}, postprocess))

    return run


def test_a_hook_gets_an_ok_outcome_that_says_nothing_of_hooks(
    recorded_run: Run, tmp_path: Path
) -> None:
    recorded_run("run_hooks:record")

    _, context, seen = eval((tmp_path / "run-0" / "seen.txt").read_text())
    assert context == {}
    assert RunOutcome.from_dict(seen).output_paths == {
        "report__RF": tmp_path / "run-0" / "report__RF.parquet"
    }
    assert (seen["status"], seen["postprocess_status"], seen["extra_outputs"]) == ("ok", "none", {})


def test_a_hook_may_have_nothing_to_add(recorded_run: Run) -> None:
    outcome = recorded_run("run_hooks:empty")

    assert (outcome.status, outcome.postprocess_status) == ("ok", "ok")
    assert outcome.extra_outputs == {}


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("run_hooks", "malformed"),
        ("run_hooks:", "malformed"),
        (":record", "malformed"),
        ("", "malformed"),
        ("no_such_module_anywhere:record", "No module named 'no_such_module_anywhere'"),
        ("broken_hooks:record", "No module named 'a_module_nobody_has'"),
        ("run_hooks:nothing", "has no attribute 'nothing'"),
        ("run_hooks:CONSTANT", "which cannot be called"),
        ("run_hooks:none", "must return a mapping of names to the files it wrote, not NoneType"),
        ("run_hooks:a_list", "must return a mapping of names to the files it wrote, not list"),
        ("run_hooks:absent", "absent.parquet, but no such file exists"),
        ("run_hooks:a_folder", "but that is a folder, and not a file"),
        ("run_hooks:number", "TypeError"),
        ("run_hooks:number_key", "returned the key 5, not a string"),
        ("run_hooks:raising", "RuntimeError: no periapsis"),
        ("run_hooks:leaving", "SystemExit: the hook had enough"),
    ],
)
def test_a_hook_that_breaks_its_contract_fails_the_run_with_the_reason(
    recorded_run: Run, tmp_path: Path, hook: str, message: str
) -> None:
    """What GMAT left stays on disk, but the outcome does not list it."""
    outcome = recorded_run(hook)

    assert message in cause(outcome)
    assert "_HookFailed" not in cause(outcome)
    assert outcome.postprocess_status == "failed"
    assert (tmp_path / "run-0" / "report__RF.parquet").is_file()
    assert f"INFO postprocess hook={hook}" in log_of(tmp_path)
    assert (
        " status=failed postprocess_status=failed duration_s=" in log_of(tmp_path).splitlines()[-1]
    )


def test_a_hook_may_be_an_attribute_of_an_attribute() -> None:
    hook: object = load_hook("os:path.join")

    assert hook is os.path.join


@given(st.text(st.characters(exclude_characters=":")))
@settings(max_examples=25)
def test_a_path_without_a_colon_is_never_a_hook(text: str) -> None:
    with pytest.raises(ValueError, match="is malformed: write it as"):
        load_hook(text)


# --- interruptions -------------------------------------------------------------------------------


def file_handlers(logger: str) -> list[logging.Handler]:
    handlers = logging.getLogger(logger).handlers
    return [handler for handler in handlers if isinstance(handler, logging.FileHandler)]


def test_an_interrupt_passes_through_and_the_log_is_closed(
    recorded_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "_results", interrupted)

    with pytest.raises(KeyboardInterrupt):
        recorded_run()

    assert log_of(tmp_path).splitlines()[-1].endswith("WARNING interrupted")
    assert file_handlers("gmat_sweep.worker.run_0") == []


def test_an_interrupt_in_a_hook_passes_through_too(recorded_run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        recorded_run("run_hooks:interrupted")


def test_an_exit_from_within_the_engine_is_a_failed_run(
    recorded_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving(*_: object) -> None:
        raise SystemExit(3)

    monkeypatch.setattr(worker, "_results", leaving)
    outcome = recorded_run("run_hooks:empty")

    assert "SystemExit: 3" in cause(outcome)
    assert outcome.postprocess_status == "none"


@pytest.mark.parametrize("hook", [None, "run_hooks:raising"])
def test_a_runs_logger_speaks_to_its_own_file_only_and_lets_go_of_it(
    recorded_run: Run, hook: str | None, tmp_path: Path
) -> None:
    recorded_run(hook)

    logger = logging.getLogger("gmat_sweep.worker.run_0")
    assert file_handlers(logger.name) == []
    assert (logger.propagate, logger.level) == (False, logging.DEBUG)
    open_files = {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}
    assert str(tmp_path / "run-0" / "worker.log") not in open_files


# --- writing that fails --------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_write_that_fails_fails_the_run_and_leaves_nothing_under_the_final_name(
    recorded_run: Run, tmp_path: Path, call: str
) -> None:
    nth = 2 if call == "open" else 1  # the first file opened is the run's log
    with nth_call(call, nth, disk_error, counts=is_to_write if call == "open" else None):
        outcome = recorded_run()

    assert "cannot write the file (Input/output error)" in cause(outcome)
    left = {path.name for path in (tmp_path / "run-0").iterdir()}
    assert left == {"worker.log", "outcome.seal.json"}
    assert read_seal(tmp_path / "run-0").entry.status == "failed"


@pytest.mark.promise("2", "a run that cannot be sealed")
@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_a_run_that_cannot_be_sealed_is_not_ok(
    recorded_run: Run, tmp_path: Path, call: str
) -> None:
    nth = {"open": 3, "fsync": 3}.get(call, 2)  # after the log, the Parquet file and its folder
    with nth_call(call, nth, disk_error, counts=is_to_write if call == "open" else None):
        outcome = recorded_run()

    assert "cannot write the file (Input/output error)" in cause(outcome)
    assert "outcome.seal.json" in cause(outcome)
    assert read_seal(tmp_path / "run-0").entry.status == "failed"


@pytest.mark.promise("2", "the order: files, then the seal, then the outcome")
def test_what_was_written_is_on_disk_before_the_outcome_is_returned(
    recorded_run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file before it gets its name, and the folder after."""
    events: list[str] = []
    fsync, replace = os.fsync, os.replace

    def recording_fsync(descriptor: int) -> None:
        events.append(f"fsync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def recording_replace(source: Path, target: Path, **directories: int) -> None:
        events.append("rename")
        replace(source, target, **directories)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "replace", recording_replace)

    assert recorded_run().status == "ok"

    assert len(events) == 6
    assert events[0].startswith("fsync .report__RF.parquet.tmp-")
    assert events[1:3] == ["rename", "fsync run-0"]
    assert events[3].startswith("fsync .outcome.seal.json.tmp-"), "the seal is the last file"
    assert events[4:] == ["rename", "fsync run-0"]


@pytest.mark.promise("2", "the order for the files of a hook: files, then the seal")
def test_what_a_hook_wrote_is_on_disk_before_the_seal_lists_it(
    recorded_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook writes as it likes: its file and the folder are synced once it has returned."""
    synced: list[str] = []
    fsync = os.fsync

    def recording_fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording_fsync)

    assert recorded_run("run_hooks:Namespace.record").status == "ok"

    hooks_file = synced.index("seen.txt")
    seal = next(n for n, name in enumerate(synced) if name.startswith(".outcome.seal.json.tmp-"))
    assert "run-0" in synced[hooks_file + 1 : seal], "the folder, after the hook's file"
