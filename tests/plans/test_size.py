"""A few bytes of a manifest cannot make anybody wait, or fill the memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from counted_calls import calls_of
from gmat_sweep.cli import EXIT_CONFIG, EXIT_DAMAGED, EXIT_OK, main
from gmat_sweep.limits import MOST_RUNS
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.lines import line_of
from gmat_sweep.mission.script import script_digest
from gmat_sweep.plans import implausible_size, rebuild_runs, recorded_plan
from manifests import entry, header
from repository import DATA

SHORT = DATA / "leo_short.script"


def random_plan(n: Any, kind: str = "monte_carlo") -> dict[str, Any]:
    return {"_kind": kind, "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "n": n, "seed": 1}


def grid_plan(axes: int, values: int) -> dict[str, Any]:
    return {"_kind": "grid", **{f"Sat.X{axis}": list(range(values)) for axis in range(axes)}}


def written(
    folder: Path, parameter_spec: dict[str, Any], run_count: int, *entries: dict[str, Any]
) -> Path:
    """Write a manifest line by line: whole and sealed, but none that this package would write."""
    manifest = header(script_sha256=script_digest(SHORT))
    manifest.save(folder / "plain.jsonl")
    manifest.close()
    facts = manifest._header(folder) | {"parameter_spec": parameter_spec, "run_count": run_count}
    (folder / "plain.jsonl").unlink()
    plain = entry(0, "failed", overrides={}, output_paths={}, stderr="it broke").to_dict()
    lines = [line_of(facts, 0)]
    lines += [line_of(plain | changes, seq) for seq, changes in enumerate(entries, start=1)]
    path = folder / "manifest.jsonl"
    path.write_bytes(b"".join(lines))
    return path


IMPLAUSIBLE: dict[str, tuple[dict[str, Any], int, tuple[dict[str, Any], ...], str]] = {
    "5e7 draws": (random_plan(50_000_000), 50_000_000, (), "50,000,000 runs (line 1, run_count)"),
    "1e12 draws": (random_plan(10**12), 4, (), "1,000,000,000,000 runs (line 1, parameter_spec)"),
    "1e30 draws": (random_plan(10**30), 4, (), "about 1e30 runs (line 1, parameter_spec)"),
    "5e7 in a hypercube": (
        random_plan(50_000_000, "latin_hypercube"), 4, (), "50,000,000 runs (line 1, parameter",
    ),
    "a grid of 1000^6": (grid_plan(6, 1000), 10**18, (), "about 1e18 runs (line 1, run_count)"),
    "a grid of 1000^20": (grid_plan(20, 1000), 4, (), "about 1e60 runs (line 1, parameter_spec)"),
    "a count alone": (grid_plan(1, 2), 10**4000, (), "about 1e4000 runs (line 1, run_count)"),
    "a count below 0": (grid_plan(1, 2), -7, (), "-7 runs (line 1, run_count)"),
    "the id of a run": (
        random_plan(3), 3, ({"run_id": 10**30},), "about 1e30 runs (the entry of run about 1e30)",
    ),
    "an extension": (
        random_plan(3), 3, ({"run_id": 1}, {"run_id": 2, "planned_run_count": 10**12}),
        "1,000,000,000,000 runs (the entry of run 2)",
    ),
}  # fmt: skip


@pytest.mark.promise("folders from somebody else", "a manifest that plans too many runs")
@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_what_no_sweep_is_is_told_and_nothing_is_made_of_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, run_count, entries, told = IMPLAUSIBLE[name]
    path = str(written(tmp_path, spec, run_count, *entries))

    assert main(["doctor", str(tmp_path)]) == EXIT_DAMAGED
    assert told in capsys.readouterr().out
    assert main(["show", path]) == EXIT_OK
    assert told in capsys.readouterr().err
    assert main(["resume", path, "--script", str(SHORT), "--quiet"]) == EXIT_CONFIG
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    "spec",
    [random_plan(9_000_000), random_plan(9_000_000, "latin_hypercube"), grid_plan(3, 200)],
    ids=lambda spec: spec["_kind"],
)
def test_a_large_plan_that_may_be_meant_is_looked_at_without_being_made(
    spec: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("scipy.stats", reason="its import would count as work")
    count = spec.get("n", 200**3)
    written(tmp_path, spec, count, {"run_id": 1}, {"run_id": 3})

    work = calls_of(lambda: main(["doctor", str(tmp_path)]))

    told = capsys.readouterr().out
    assert (
        f"runs without an entry: 0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, ... ({count - 2})" in told
    )
    assert work < 500_000


def test_as_many_runs_as_a_sweep_may_have_are_plausible() -> None:
    def problem(run_count: int) -> str:
        return implausible_size(header(run_count=run_count))

    assert problem(MOST_RUNS) == ""
    assert f"{MOST_RUNS + 1:,} runs" in problem(MOST_RUNS + 1)


@pytest.mark.parametrize(
    "spec",
    [
        random_plan(20),
        random_plan(20, "latin_hypercube"),
        {"_kind": "grid", "b": [1, 2.5], "a": ["x", None, True]},
        {"_kind": "explicit", "columns": ["b", "a"], "rows": [[1, "x"], [2, "y"]]},
    ],
    ids=lambda spec: spec["_kind"],
)
def test_a_run_by_its_id_is_the_run_in_the_list(spec: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, spec, 20, {"run_id": 1, "overrides": {"a": "y", "b": 2}})
    manifest = Manifest.load(path)

    runs = rebuild_runs(manifest, SHORT, tmp_path)
    plan = recorded_plan(manifest, SHORT, tmp_path)

    assert [plan[run.run_id] for run in runs] == runs
    assert [*plan] == [run.run_id for run in runs]
    assert len(plan) == len(runs)
    assert plan.scripts() == [SHORT]
    assert max(plan) + 1 not in plan
    assert plan.get(-1) is None
    assert plan.folder_names()(f"run-{max(plan)}")
    assert not any(map(plan.folder_names(), ("run-01", "run-x", "run-", "run-99", "run-²")))


def test_a_count_that_is_not_that_of_the_plan_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path, grid_plan(1, 2), 3)

    assert main(["doctor", str(tmp_path)]) == EXIT_OK
    assert "run_count is 3, and its plan has 2 runs" in capsys.readouterr().out
