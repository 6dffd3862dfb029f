"""The benchmark beside another package, with a stand-in for that package's interpreter."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

# What the program asks of a frame; pandas takes a second to load.
_PACKAGE = """
import os, time

class LocalJoblibPool:
    def __init__(self, workers):
        self.held = bytearray(60 << 20)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        pass

class Flags(list):
    sum = lambda self: sum(self)

class Column(list):
    __ne__ = lambda self, other: Flags(each != other for each in self)
    nunique = lambda self: len(set(self))

class Frame:
    def __init__(self, run_ids):
        self.run_ids, self.statuses = Column(run_ids), Column(["ok"] * len(run_ids))
    index = property(lambda self: self)
    __getitem__ = lambda self, name: self.statuses
    get_level_values = lambda self, name: self.run_ids

def sweep(script, *, grid, backend, out, progress):
    time.sleep(0.3)
    values = grid["Sat.SMA"]
    {trouble}
    frame = Frame([run_id for run_id in range(len(values)) for _ in range(2)])
    {change}
    return frame
"""


@pytest.fixture(scope="module")
def throughput() -> ModuleType:
    spec = importlib.util.spec_from_file_location("throughput", BENCHMARKS / "throughput.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["throughput"] = module
    spec.loader.exec_module(module)
    return module


def interpreter(folder: Path, *, trouble: str = "pass", change: str = "pass") -> str:
    """Make an interpreter that has a package of the same name and calls."""
    package = folder / "packages" / "gmat_sweep"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_PACKAGE.format(trouble=trouble, change=change))
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return str(python)


def test_a_program_is_timed_from_the_call_to_the_frame(
    throughput: ModuleType, tmp_path: Path
) -> None:
    taken = throughput.sweep_program(interpreter(tmp_path), 3, 1)

    assert 0.3 <= taken.seconds < 0.3 + 5
    assert taken.memory_mib > 60, "of which the pool holds 60"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"trouble": "raise TypeError('int64 against double')"}, "int64 against double"),
        ({"change": "frame.statuses[0] = 'failed'"}, "1 rows are not ok, and 3 of 3 runs"),
        (
            {"change": "del frame.run_ids[2:4], frame.statuses[2:4]"},
            "0 rows are not ok, and 2 of 3 runs",
        ),
        ({"trouble": "os.kill(os.getpid(), 9)"}, "ended with -9"),
    ],
)
def test_a_package_that_fails_is_no_measurement(
    throughput: ModuleType, tmp_path: Path, fault: dict[str, str], said: str
) -> None:
    with pytest.raises(RuntimeError, match=said):
        throughput.sweep_program(interpreter(tmp_path, **fault), 3, 1)


def test_no_value_is_a_whole_number_and_all_are_distinct(throughput: ModuleType) -> None:
    for n in (1, 7, 500, 2000, 100_000):
        values = throughput.semi_major_axes(n)
        assert len(set(values)) == n
        assert not any(value.is_integer() for value in values)
        assert min(values) > 7000
        assert max(values) < 7250


def test_the_peer_is_a_column_of_the_same_table(
    throughput: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, peer = interpreter(tmp_path / "here"), interpreter(tmp_path / "peer")
    monkeypatch.setattr(throughput, "PEER", peer)
    monkeypatch.setattr(throughput.sys, "executable", here)
    names = throughput.contenders().keys()
    monkeypatch.setattr(
        throughput,
        "contenders",
        lambda: dict.fromkeys(names, lambda n, workers: 0.5),
    )
    monkeypatch.setattr(throughput, "long_bare_loop", lambda n, workers: 20.0)
    monkeypatch.setattr(throughput, "long_flow", lambda n, workers: 19.0)

    results = [throughput.measure(3, 1, 1), throughput.measure_long(40, 2, 3)]

    head, _, short, long = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in throughput.table(results).splitlines()
    )
    row = dict(zip(head, short, strict=True))
    assert row["mission"] == "leo_basic"
    assert row["bare loop, runs/s"] == "6.0"
    assert 1 < float(row["sweep() of the peer, runs/s"]) <= 10
    assert float(row["sweep() of the peer, MiB"]) > 60
    assert 0.3 < float(row["sweep() here / sweep() of the peer"]) < 3
    row = dict(zip(head, long, strict=True))
    assert row["mission"] == "one_second"
    assert row["flow, local / bare loop"] == "1.05"
    assert row["sweep() here, runs/s"] == ""


@pytest.mark.services
def test_this_package_is_timed_by_the_same_program(throughput: ModuleType) -> None:
    taken = throughput.sweep_program(sys.executable, 3, 1)

    assert taken.seconds > 0.05
    assert taken.memory_mib > 100
