"""Every pool gives bit-equal frames and the same entries apart from times and host names."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    Pool,
    RunOutcome,
    RunSpec,
    Sweep,
    expand_monte_carlo_to_run_specs,
)
from gmat_sweep.backends import DaskPool, ProcessPoolExecutorPool, RayPool
from portable_records import in_any_folder
from repository import DATA, SUPPORT
from strangers_folder import ran_there, strangers_folder

pytestmark = pytest.mark.services

PERTURB = {"Sat.SMA": ("normal", 7000.0, 5.0), "Sat.ECC": ("uniform", 0.0, 0.01)}
DIFFERENT = {"started_at", "ended_at", "duration_s"}

DEBUG_PROGRAM = """\
import sys
from pathlib import Path
import test_equivalence
from gmat_sweep.backends import DebugPool
test_equivalence.swept(DebugPool(allow_unisolated_pool=True), Path(sys.argv[1]), 1)
"""


class Borrowed(Pool):
    """A pool as a user writes one: three methods, bare futures, outcomes in any order."""

    def __init__(self, workers: LocalJoblibPool) -> None:
        self.workers = workers
        self.threads = ThreadPoolExecutor(2)

    def submit(self, spec: RunSpec) -> Future[RunOutcome]:
        return self.threads.submit(self.workers.execute, spec)

    def as_completed(self, futures: Iterable[Future[RunOutcome]]) -> Iterator[RunOutcome]:
        yield from (future.result() for future in as_completed(list(futures)))

    def close(self) -> None:
        self.threads.shutdown()


def swept(pool: Pool, folder: Path, count: int = 4) -> None:
    """Run a small Monte Carlo with a hook; the last of several runs fails."""
    script = DATA / "leo_basic.script"
    specs = expand_monte_carlo_to_run_specs(PERTURB, count, 42, script, folder)
    specs[0] = replace(specs[0], postprocess="sweep_hooks:note", context={"of": [1, 2]})
    if count > 1:
        specs[-1] = replace(
            specs[-1], postprocess="sweep_hooks:end_as_told", context={"end": "leave"}
        )
    Sweep(
        runs=specs,
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=script,
        sweep_seed=42,
        progress=False,
        allow_unisolated_pool=count == 1,
    ).run()


def told(folder: Path) -> tuple[pd.DataFrame, list[dict[str, Any]], dict[str, Any]]:
    """Return a sweep's frame, its entries without times, and its header without the pool's name."""
    from gmat_sweep import lazy_multiindex

    manifest = Manifest.load(folder / "manifest.jsonl")
    entries = [
        in_any_folder({k: v for k, v in entry.to_dict().items() if k not in DIFFERENT}, folder)
        for entry in sorted(manifest.entries, key=lambda entry: entry.run_id)
    ]
    header = {
        "parameter_spec": manifest.parameter_spec,
        "sweep_seed": manifest.sweep_seed,
        "run_count": manifest.run_count,
        "script_sha256": manifest.script_sha256,
    }
    return lazy_multiindex(manifest, folder), entries, header


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sweep on local workers."""
    folder = tmp_path_factory.mktemp("reference")
    with LocalJoblibPool(2) as pool:
        swept(pool, folder)
    return folder


def borrowed() -> Pool:
    """Return somebody else's pool over workers of its own."""
    return Borrowed(LocalJoblibPool(2))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ProcessPoolExecutorPool(max_workers=2), "ProcessPoolExecutorPool"),
        (lambda: DaskPool(n_workers=2), "DaskPool"),
        (lambda: DaskPool(n_workers=1, threads_per_worker=2), "DaskPool"),
        (lambda: RayPool(num_cpus=2), "RayPool"),
        (borrowed, "Borrowed"),
    ],
    ids=["process", "dask", "dask-threads", "ray", "third-party"],
)
def test_every_pool_gives_the_same(
    make: Callable[[], Pool],
    name: str,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = strangers_folder(tmp_path / "here")
    monkeypatch.chdir(here)
    pool = make()
    swept(pool, tmp_path)
    pool.close()
    if isinstance(pool, Borrowed):
        pool.workers.close()
    assert ran_there(here) == ""
    expected_frame, expected_entries, expected_header = told(reference)
    frame, entries, header = told(tmp_path)

    pd.testing.assert_frame_equal(frame, expected_frame, check_exact=True)
    assert entries == expected_entries
    assert header == expected_header
    assert Manifest.load(tmp_path / "manifest.jsonl").backend == name
    assert {entry["host"] for entry in entries} == {socket.gethostname()}


def test_the_debug_pool_gives_the_same_for_one_run(tmp_path: Path) -> None:
    local, debug = tmp_path / "local", tmp_path / "debug"
    with LocalJoblibPool(1) as pool:
        swept(pool, local, 1)
    # GMAT stays out of the test process.
    subprocess.run(
        [sys.executable, "-c", DEBUG_PROGRAM, str(debug)],
        check=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        timeout=120,
    )

    pd.testing.assert_frame_equal(told(debug)[0], told(local)[0], check_exact=True)
    assert json.dumps(told(debug)[1:]) == json.dumps(told(local)[1:])
