"""The flow under faults: a fault costs its own run, and nothing outlives the sweep."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from faulty_runs import SCRIPTS
from gmat_sweep import LocalJoblibPool, Manifest, RunSpec, Sweep, SweepConfigError, sweep
from gmat_sweep.causes import headline
from gmat_sweep.errors import BackendError
from gmat_sweep.flow.server import start_local_server
from gmat_sweep.folder.run_files import damage
from prefect_records import rows_of
from repository import DATA
from strangers_folder import ran_there, strangers_folder

GMAT_SWEEP = str(Path(sys.executable).parent / "gmat-sweep")

# A loop that GMAT leaves only when Sat.DryMass is not 999.
ENDLESS = """\
Create Variable keepGoing;
BeginMissionSequence;
keepGoing = 1;
If Sat.DryMass == 999
   While keepGoing == 1
      keepGoing = 1;
   EndWhile
EndIf;
Propagate Prop(Sat) {Sat.ElapsedSecs = 60};
"""


@pytest.fixture
def endless(leo_short: Path, tmp_path: Path) -> Path:
    """A mission that never ends when its spacecraft weighs 999 kg."""
    script = tmp_path / "endless.script"
    resources = leo_short.read_text().split("BeginMissionSequence;")[0]
    script.write_text(resources + ENDLESS)
    return script


def sweep_over_mass(
    script: Path, folder: Path, pool: LocalJoblibPool, masses: list[float], **options: float
) -> Sweep:
    """Return a sweep over Sat.DryMass that has not run."""
    return Sweep(
        runs=[
            RunSpec(script, {"Sat.DryMass": mass}, folder / f"run-{i}", i, None, {})
            for i, mass in enumerate(masses)
        ],
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=script,
        progress=False,
        **options,  # type: ignore[arg-type]
    )


def entries_by_run(folder: Path) -> dict[int, object]:
    """Return the manifest's entries by run id."""
    return {e.run_id: e for e in Manifest.load(folder / "manifest.jsonl").entries}


def beside(server: str | None) -> dict[str, str]:
    """Return the environment of a program that uses a server, if there is one."""
    return {**os.environ} | ({} if server is None else {"PREFECT_API_URL": server})


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.05)


def recorded(folder: Path) -> int:
    """Return how many entries a manifest has so far."""
    path = folder / "manifest.jsonl"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else -1


def test_a_run_that_never_ends_is_killed_by_its_timeout_and_costs_itself_only(
    endless: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    with LocalJoblibPool(2) as pool:
        sweep_over_mass(endless, folder, pool, [800, 999, 801, 802, 803], timeout=3).run()
    manifest = Manifest.load(folder / "manifest.jsonl")
    stopped = next(e for e in manifest.entries if e.run_id == 1)

    assert {e.run_id: e.status for e in manifest.entries} == {
        0: "ok",
        1: "failed",
        2: "ok",
        3: "ok",
        4: "ok",
    }
    assert "timeout of 3 s" in (stopped.stderr or "")
    assert stopped.attempts == []
    assert 2.5 < stopped.duration_s < 20


def test_a_run_over_its_memory_limit_fails_once_and_costs_itself_only(
    leo_short: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    sweep(
        leo_short,
        grid={"Sat.SMA": [7000.0, 7001.0, 7002.0]},
        backend=pool,
        out=tmp_path,
        postprocess="faulty_runs:take_memory",
        context=lambda run_id: {"megabytes": 900 if run_id == 1 else 1},
        memory_limit="400 MB",
        progress=False,
    )
    entries = {e.run_id: e for e in Manifest.load(tmp_path / "manifest.jsonl").entries}

    assert {number: e.status for number, e in entries.items()} == {0: "ok", 1: "failed", 2: "ok"}
    assert headline(entries[1].stderr).startswith("The run needed more than 400 MB of memory")
    assert entries[1].attempts == []


def test_a_memory_limit_below_what_loading_needs_is_refused_before_any_run(
    leo_short: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    script = tmp_path / "big.script"
    script.write_text(SCRIPTS["big array"])
    limited = sweep_over_mass(script, tmp_path / "out", pool, [800], memory_limit=400_000_000)
    with pytest.raises(SweepConfigError, match=r"alone needs more than 400 MB.*Raise memory_limit"):
        limited.run()

    assert not (tmp_path / "out" / "manifest.jsonl").exists()


@pytest.mark.promise("9", "killed from outside, tried again")
def test_a_run_whose_worker_is_killed_is_tried_again_and_its_neighbours_are_untouched(
    endless: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    killed: list[int] = []

    def flies_the_endless_run(worker: int) -> bool:
        try:
            opened = psutil.Process(worker).open_files()
        except psutil.NoSuchProcess:
            return False
        return any(Path(file.path).is_relative_to(folder / "run-1") for file in opened)

    def kill_the_endless_run(pool: LocalJoblibPool) -> None:
        def guilty() -> list[int]:
            return [w.pid for w in list(pool._busy) if flies_the_endless_run(w.pid)]

        wait_for(lambda: bool(guilty()))
        killed.extend(guilty())
        os.kill(killed[0], signal.SIGKILL)

    with LocalJoblibPool(2) as pool:
        killer = threading.Thread(target=kill_the_endless_run, args=(pool,))
        killer.start()
        sweep_over_mass(endless, folder, pool, [800, 999, 801, 802], timeout=5).run()
        killer.join()
    manifest = Manifest.load(folder / "manifest.jsonl")
    run = next(e for e in manifest.entries if e.run_id == 1)

    # The second attempt never ends either; the first one is on record with its cause.
    assert len(killed) == 1
    assert run.status == "failed"
    assert "timeout" in (run.stderr or "")
    assert ["killed by SIGKILL" in attempt["cause"] for attempt in run.attempts] == [True]
    assert sorted(e.run_id for e in manifest.entries if e.status == "ok") == [0, 2, 3]


@pytest.mark.promise("7", "SIGSEGV")
def test_a_crashing_run_is_recorded_with_its_signal_after_its_last_attempt(
    leo_short: Path, tmp_path: Path
) -> None:
    script = tmp_path / "crash.script"
    # sprintf('%n') writes through a pointer that is not there: SIGSEGV, whenever mass is 999.
    sequence = (
        "Create Variable V; Create String S;\nBeginMissionSequence;\n"
        "V = 1;\nIf Sat.DryMass == 999\n   S = sprintf('%n', V);\nEndIf;\n"
        "Propagate Prop(Sat) {Sat.ElapsedSecs = 60};\n"
    )
    resources = leo_short.read_text().split("BeginMissionSequence;")[0]
    script.write_text(resources + sequence.replace("; Create String S;", ";\nCreate String S;"))
    folder = tmp_path / "out"
    with LocalJoblibPool(2) as pool:
        sweep_over_mass(script, folder, pool, [800, 999, 801], retries=1).run()
    manifest = Manifest.load(folder / "manifest.jsonl")
    crashed = next(e for e in manifest.entries if e.run_id == 1)

    assert crashed.status == "failed"
    assert "SIGSEGV" in (crashed.stderr or "")
    assert len(crashed.attempts) == 1
    assert [e.status for e in manifest.entries if e.run_id != 1] == ["ok", "ok"]


def start_cli_sweep(
    folder: Path, count: int = 400, server: str | None = None
) -> subprocess.Popen[str]:
    """Start a sweep from the shell and wait until some runs are recorded.

    Without the address of a server it starts its own. The current folder is a stranger's.
    """
    here = strangers_folder(folder.with_name(f"{folder.name}-here"))
    process = subprocess.Popen(
        [
            *(GMAT_SWEEP, "run", "--grid", f"Sat.SMA=7000:8000:{count}", "--workers", "2"),
            *("--out", str(folder), str(DATA / "leo_short.script")),
        ],
        cwd=here,
        env=beside(server),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: recorded(folder) >= 10 or process.poll() is not None)
    assert process.poll() is None
    assert ran_there(here) == ""
    return process


@pytest.mark.promise("8", "SIGINT, SIGTERM, SIGKILL")
@pytest.mark.parametrize(
    "name",
    [
        "SIGTERM",
        pytest.param("SIGINT", marks=pytest.mark.soak),
        pytest.param("SIGKILL", marks=pytest.mark.soak),
    ],
)
def test_a_signal_ends_the_sweep_leaves_a_valid_manifest_and_no_process(
    name: str, tmp_path: Path
) -> None:
    process = start_cli_sweep(tmp_path)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    number = getattr(signal, name)
    at_the_signal = recorded(tmp_path)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=30)
    gone, alive = psutil.wait_procs(family, timeout=10)
    entries = Manifest.load(tmp_path / "manifest.jsonl").entries

    assert process.returncode == -number
    assert alive == []
    assert len(family) >= 4  # the program, two workers, the reaper; the server is no child
    assert len(gone) == len(family)
    assert 10 <= len(entries) < 400
    assert len(entries) <= at_the_signal + 40, "it went on with what it had not begun"
    assert all(e.status == "ok" for e in entries)
    assert "Traceback" not in said
    if name != "SIGKILL":
        assert re.search(rf"{len(entries)} .*recorded.*`gmat-sweep resume \S+manifest\.jsonl", said)


@pytest.mark.promise("6", "interrupted and resumed, compared bit for bit")
def test_an_interrupted_sweep_is_finished_by_resume_bit_for_bit(
    tmp_path: Path, pool: LocalJoblibPool, prefect_url: str
) -> None:
    process = start_cli_sweep(tmp_path / "cut", count=60, server=prefect_url)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=30)
    before = recorded(tmp_path / "cut")
    script = DATA / "leo_short.script"
    resume = subprocess.run(
        [
            *(GMAT_SWEEP, "resume", str(tmp_path / "cut" / "manifest.jsonl")),
            *("--script", str(script), "--quiet"),
        ],
        env=beside(prefect_url),
        capture_output=True,
        text=True,
        check=True,
    )
    whole = Sweep.from_manifest(
        tmp_path / "cut" / "manifest.jsonl", script, backend=pool, progress=False
    )
    resumed = whole.to_dataframe()
    fresh = _fresh_frame(pool, script, tmp_path / "whole")

    assert before < 60
    assert resume.stdout.startswith("60 runs (60 ok) in ")
    pd.testing.assert_frame_equal(fresh, resumed, check_exact=True)


def _fresh_frame(pool: LocalJoblibPool, script: Path, folder: Path) -> pd.DataFrame:
    from gmat_sweep import sweep
    from gmat_sweep.plans.notation import parse_grid

    return sweep(
        script,
        grid=parse_grid(["Sat.SMA=7000:8000:60"]),
        backend=pool,
        out=folder,
        progress=False,
    )


@pytest.mark.promise("10", "a server that does not answer")
def test_a_sweep_on_a_server_that_does_not_answer_is_refused_before_any_run(
    leo_short: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(GMAT_SWEEP, "run", "--grid", "Sat.SMA=7000,7001", "--workers", "1", "--quiet"),
            *("--out", str(tmp_path / "out"), str(leo_short)),
        ],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 4
    assert "No Prefect server answers at PREFECT_API_URL=http://127.0.0.1:9/api" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_an_address_without_api_is_named_and_completed(prefect_url: str) -> None:
    without = prefect_url.removesuffix("/api")
    for address in (without, f"{without}/"):
        with (
            temporary_settings({PREFECT_API_URL: address}),
            pytest.raises(
                BackendError, match=rf"ends without /api\. Set PREFECT_API_URL={prefect_url}"
            ),
        ):
            start_local_server()


class TestExitCodes:
    """What the shell learns of a sweep with failed runs."""

    @pytest.fixture(autouse=True)
    def environment(self, prefect_url: str) -> None:
        """Have the programs use a server that is there."""
        self.server = prefect_url

    def run(
        self, folder: Path, *flags: str, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one eccentricity that GMAT takes and one that it refuses."""
        return subprocess.run(
            [
                *(GMAT_SWEEP, "run", "--grid", "Sat.ECC=0.001,1.0", "--workers", "1", "--quiet"),
                *("--out", str(folder), *flags, str(DATA / "leo_short.script")),
            ],
            cwd=cwd,
            env=beside(self.server),
            capture_output=True,
            text=True,
            check=False,
        )

    def test_failures_are_said_plainly_and_the_code_is_0(self, tmp_path: Path) -> None:
        """With a hook of the current folder, which is otherwise a stranger's."""
        here, out = strangers_folder(tmp_path / "here"), tmp_path / "out"
        (here / "hook_of_mine.py").write_text(
            "import beside_it\n"
            "def told(spec, outcome):\n"
            "    import beside_it_too\n"
            "    (spec.output_dir / 'told.txt').touch()\n"
            "    return {'told': 'told.txt'}\n"
        )
        for beside_it in ("beside_it.py", "beside_it_too.py"):
            (here / beside_it).touch()
        done = self.run(out, "--postprocess", "hook_of_mine:told", cwd=here)

        assert done.returncode == 0
        assert done.stdout.startswith("2 runs (1 ok, 1 failed) in ")
        assert "failed: 1 x " in done.stderr
        assert 'field "Eccentricity"' in done.stderr
        assert ran_there(here) == ""
        manifest = Manifest.load(out / "manifest.jsonl")
        assert manifest.extra["hook_folder"] == str(here)
        (flown,) = [entry for entry in manifest.entries if entry.status == "ok"]
        assert flown.extra_outputs == {"told": out / "run-0/told.txt"}
        assert damage(flown, [out]) == []

    def test_more_failures_than_allowed_have_a_code_of_their_own(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "--max-failed", "10%")

        assert done.returncode == 5
        assert "more than --max-failed 10%" in done.stderr

    def test_every_run_failed_has_that_code_too(self, leo_short: Path, tmp_path: Path) -> None:
        # A Stop command loads, and makes GMAT report that the mission did not complete.
        script = tmp_path / "stopping.script"
        script.write_text(leo_short.read_text() + "Stop;\n")
        done = subprocess.run(
            [
                *(GMAT_SWEEP, "run", "--grid", "Sat.SMA=7000,7001", "--workers", "1"),
                *("--quiet", "--out", str(tmp_path / "out"), str(script)),
            ],
            env=beside(self.server),
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 5
        assert "every run failed" in done.stderr


def test_closing_a_pool_in_mid_sweep_is_an_error_that_says_so(
    endless: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    pool = LocalJoblibPool(1)

    def close() -> None:
        wait_for(lambda: recorded(folder) >= 1)
        pool.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(BackendError, match="closed"):
        sweep_over_mass(endless, folder, pool, [800, 999, 801]).run()
    closer.join()

    entries = Manifest.load(folder / "manifest.jsonl").entries

    assert {e.status for e in entries} == {"ok"}
    assert 1 not in {e.run_id for e in entries}


@pytest.mark.parametrize(
    ("option", "value"), [("timeout", 0.0), ("timeout", -1.0), ("retries", -1), ("fsync_batch", 0),
     ("memory_limit", "2 parsecs")],
)  # fmt: skip
def test_an_option_out_of_range_is_refused(
    option: str, value: object, leo_short: Path, tmp_path: Path, pool: LocalJoblibPool
) -> None:
    with pytest.raises(SweepConfigError, match=option.replace("memory_limit", "of memory")):
        sweep_over_mass(leo_short, tmp_path, pool, [800], **{option: value})  # type: ignore[arg-type]


def test_task_runs_are_named_by_run_and_the_flow_run_by_mission_kind_and_count(
    pool: LocalJoblibPool, leo_short: Path, tmp_path: Path
) -> None:
    sweep = sweep_over_mass(leo_short, tmp_path, pool, [700, 701]).run()
    assert sweep.last_pass is not None
    home = Path(os.environ["PREFECT_HOME"])
    flow_run = str(sweep.last_pass.flow_run_id)
    ((name, parameters),) = rows_of(
        home, "select name, parameters from flow_run where id = ?", flow_run
    )
    tasks = rows_of(home, "select name from task_run where flow_run_id = ? order by name", flow_run)

    assert name == "leo_short run explicit n=2"
    told = json.loads(parameters)
    assert (told["mission"], told["out"]) == (str(leo_short), str(tmp_path))
    assert (told["kind"], told["resume"]) == ("explicit", False)
    assert tasks == [("run-0",), ("run-1",)]
