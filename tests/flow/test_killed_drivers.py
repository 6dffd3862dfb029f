"""Sweeps whose driver or server is taken away at any moment: nothing recorded is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from faulty_runs import wait_until
from gmat_sweep import LocalJoblibPool, Manifest, sweep
from gmat_sweep.doctor import check_sweep
from gmat_sweep.plans.notation import parse_grid
from repository import PROJECT
from resumed_sweeps import SHORT, reopened, same
from soak_figures import Figures

GMAT_SWEEP = str(Path(sys.executable).parent / "gmat-sweep")
SOURCE = str(PROJECT / "src")
GRID = "Sat.SMA=7000:8000:120"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
ROUNDS = 12


def statuses(folder: Path) -> dict[int, str]:
    """Return what is recorded."""
    path = folder / "manifest.jsonl"
    return {e.run_id: e.status for e in Manifest.load(path).entries} if path.exists() else {}


def _has_recorded(folder: Path, count: int, driver: subprocess.Popen[bytes]) -> bool:
    return len(statuses(folder)) >= count or driver.poll() is not None


@pytest.mark.promise("6", "killed at random, resumed, killed again, compared")
@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_driver_killed_time_and_again_loses_no_recorded_run_and_is_finished_bit_for_bit(
    pool: LocalJoblibPool, tmp_path: Path, figures: Figures, prefect_url: str
) -> None:
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    environment = {**os.environ, "PREFECT_API_URL": prefect_url, "PYTHONPATH": SOURCE}
    folder = tmp_path / "sweep"
    recorded: dict[int, str] = {}
    for number in range(ROUNDS):
        if folder.joinpath("manifest.jsonl").exists():
            command = ["resume", str(folder / "manifest.jsonl"), "--script", str(SHORT)]
        else:
            command = ["run", str(SHORT), "--grid", GRID, "--out", str(folder)]
        driver = subprocess.Popen(
            [GMAT_SWEEP, *command, "--workers", "2", "--quiet"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        more = min(120, len(recorded) + rng.randrange(12))
        wait_until(partial(_has_recorded, folder, more, driver), "some runs", 90)
        time.sleep(rng.uniform(0, 0.1))
        family = psutil.Process(driver.pid).children(recursive=True) if not driver.poll() else []
        driver.send_signal(rng.choice(SIGNALS))
        driver.wait(timeout=60)
        _, alive = psutil.wait_procs(family, timeout=15)
        now = statuses(folder)
        figures.add(rounds=1, kills=1, entries_lost=len(recorded.keys() - now.keys()))
        figures.add(entries_acknowledged=len(now.keys() - recorded.keys()))

        assert alive == [], f"seed {seed}, round {number}: a process outlived its driver"
        assert recorded.items() <= now.items(), f"seed {seed}, round {number}: a run was lost"
        assert set(now.values()) <= {"ok"}, f"seed {seed}, round {number}"
        recorded = now
    whole = sweep(SHORT, grid=parse_grid([GRID]), backend=pool, progress=False)

    assert same(reopened(folder, pool).resume().to_dataframe(), whole), f"seed {seed}"
    assert check_sweep(folder).is_healthy


@pytest.mark.promise("10", "the server killed in mid-sweep")
@pytest.mark.soak
def test_a_server_that_goes_away_costs_its_record_and_no_run(
    tmp_path: Path, figures: Figures
) -> None:
    program = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from pathlib import Path
        from gmat_sweep import sweep
        from gmat_sweep.flow import server

        manifest = Path(sys.argv[2]) / "manifest.jsonl"

        def kill() -> None:
            while not manifest.exists() or manifest.read_bytes().count(b"\\n") < 6:
                time.sleep(0.01)
            os.kill(server.shared_server().record.pid, signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        grid = {"Sat.SMA": [7000.0 + run for run in range(40)]}
        frame = sweep(sys.argv[1], grid=grid, out=sys.argv[2], progress=False)
        print(len(frame.index.unique("run_id")))
        """
    )
    # Another server than that of the tests, which is not to be killed.
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "home")}

    done = subprocess.run(
        [sys.executable, "-c", program, str(SHORT), str(tmp_path / "out")],
        env={**environment, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
        timeout=200,
    )
    ended = datetime.now(UTC)
    last_run = max(
        e.ended_at for e in Manifest.load(tmp_path / "out/manifest.jsonl").entries if e.ended_at
    )

    figures.add(rounds=1, kills=1)
    assert ended - last_run < timedelta(seconds=10)
    assert not figures.acknowledged(range(40), statuses(tmp_path / "out")), done.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["40"]
    assert "the Prefect server went away" in done.stderr
    assert set(statuses(tmp_path / "out").values()) == {"ok"}
