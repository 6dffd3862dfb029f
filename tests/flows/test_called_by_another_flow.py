"""A flow that another flow calls returns what came of it, or raises what went wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import flow

from gmat_sweep import Manifest, SweepConfigError, lazy_multiindex
from gmat_sweep.errors import SweepFailedError
from gmat_sweep.flow.backlog import wait_until_recorded
from gmat_sweep.flow.server import recorded_on
from gmat_sweep.flows import NightOutcome, SweepOutcome, gmat_sweep_flow, nightly_dispersion
from gmat_sweep.flows.parameters import RunSettings
from prefect_records import rows_of

SETTINGS = RunSettings(workers=1)


def called(body: Any, recorded: Callable[[], None] | None = None) -> Any:
    """Call a flow, on the server of this process, with `body` as what it does; look at it then."""
    with recorded_on():
        returned = flow(name="campaign", persist_result=False)(body)()
        if recorded is not None:
            recorded()
        return returned


def test_it_can_go_on_with_the_sweep_folder_and_the_counts(leo_short: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def campaign() -> tuple[SweepOutcome, int]:
        outcome = gmat_sweep_flow(
            leo_short, kind="grid", vary=["Sat.ECC=0.001,0.002,1.0"], out=out, settings=SETTINGS
        )
        frame = lazy_multiindex(Manifest.load(outcome.manifest), outcome.folder)
        return outcome, len(frame.index.unique("run_id"))

    outcome, runs = called(campaign)

    assert outcome == SweepOutcome(
        folder=out,
        manifest=out / "manifest.jsonl",
        kind="grid",
        planned=3,
        ok=2,
        failed=1,
        skipped=0,
    )
    assert (runs, outcome.recorded) == (3, 3)


def test_too_many_failed_runs_are_raised_with_what_came_of_the_sweep(
    leo_short: Path, tmp_path: Path
) -> None:
    def campaign() -> None:
        gmat_sweep_flow(
            leo_short,
            kind="grid",
            vary=["Sat.ECC=0.001,1.0"],
            out=tmp_path / "out",
            settings=SETTINGS,
            max_failed="0",
        )

    with pytest.raises(SweepFailedError, match="1 of 2 runs ok, 1 failed; at most 0 may") as raised:
        called(campaign)

    assert (raised.value.outcome.ok, raised.value.outcome.failed) == (1, 1)
    assert raised.value.outcome.folder == tmp_path / "out"


def test_parameters_that_make_no_sweep_are_raised_as_the_error_that_says_so(
    leo_short: Path, tmp_path: Path
) -> None:
    def campaign() -> None:
        gmat_sweep_flow(leo_short, kind="monte_carlo", out=tmp_path / "out", settings=SETTINGS)

    with pytest.raises(SweepConfigError, match="vary: nothing is varied"):
        called(campaign)


def test_a_campaign_is_one_flow_run_and_goes_on_where_it_was(
    leo_short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of one sweep, judged after each; a later flow run allows more of them."""
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path))
    out = tmp_path / "out"
    required = [{"name": "low", "column": "Sat.X", "limit": "< 8000", "probability": 0.9}]
    asked: dict[str, Any] = {"requirements": required, "out": out, "settings": SETTINGS}

    def campaign() -> tuple[SweepOutcome, SweepOutcome]:
        begun = gmat_sweep_flow(
            leo_short, vary=["Sat.SMA=normal:7000:5"], seed=1, max_runs=5, batch=3, **asked
        )
        return begun, gmat_sweep_flow(resume=True, max_runs=7, batch=2, **asked)

    def look() -> None:
        home = Path(os.environ["PREFECT_HOME"])
        select = "select id from flow_run where parameters like ? and name like ?"
        for name, runs in (("%until decided, 5 runs at most", 5), ("out resume", 2)):
            ((flow_run,),) = rows_of(home, select, f"%{out}%", name)
            assert wait_until_recorded(UUID(flow_run), runs) == runs
            artifacts = "select key, data from artifact where flow_run_id = ? and type = 'progress'"
            # One of each, whatever the number of batches.
            (evidence, share), (progress, percent) = sorted(rows_of(home, artifacts, flow_run))
            assert (evidence, progress) == (
                "leo-short-evidence",
                "leo-short-monte-carlo-progress",
            )
            assert float(percent) == 100
            assert 0 < float(share) < 100
            shown = "select data from artifact where flow_run_id = ? and key like '%-pictures'"
            # One, and what is required first; a flow run that goes on shows the others' runs, too.
            ((page,),) = rows_of(home, shown, flow_run)
            ended = 5 if runs == 5 else 7
            assert json.loads(page).startswith(f"**{ended} of {ended} runs have ended: {ended} ok")
            assert json.loads(page).count("(data:image/svg+xml;base64,") >= 2
            assert "## low: final Sat.X" in page[:300]

    begun, gone_on = called(campaign, recorded=look)

    assert (begun.planned, begun.ok, gone_on.planned, gone_on.ok) == (5, 5, 7, 7)
    for outcome, most in ((begun, 5), (gone_on, 7)):
        assert outcome.verdicts is not None
        assert (outcome.verdicts.verdict, outcome.verdicts.plan) == ("INCONCLUSIVE", "anytime")
        assert (outcome.verdicts.prefix, outcome.verdicts.chosen_after) == (most, False)
        assert f"low (0 of {most} violate; " in outcome.verdicts.headline
        assert outcome.verdicts.headline.endswith("max_runs allows no more")
    header = Manifest.load(out / "manifest.jsonl")
    assert header.run_count == 3
    assert header.extra["verification"]["plan"] == "anytime"


def test_a_sweep_in_a_flow_has_its_runs_in_its_own_flow_run_below_the_callers(
    leo_short: Path, tmp_path: Path
) -> None:
    def campaign() -> SweepOutcome:
        return gmat_sweep_flow(
            leo_short, kind="grid", vary=["Sat.SMA=7000,7001"], out=tmp_path, settings=SETTINGS
        )

    def look() -> None:
        home = Path(os.environ["PREFECT_HOME"])
        ((flow_run, has_parent),) = rows_of(
            home,
            "select id, parent_task_run_id is not null from flow_run where name = ? and parameters"
            " like ?",
            "leo_short grid n=2",
            f"%{tmp_path}%",
        )
        assert has_parent
        # Task runs are written in batches.
        assert wait_until_recorded(UUID(flow_run), 2) == 2
        tasks = "select name from task_run where flow_run_id = ? order by name"
        assert rows_of(home, tasks, flow_run) == [("run-0",), ("run-1",)]

    called(campaign, recorded=look)


def test_a_night_returns_its_sweep_and_how_it_compares(leo_short: Path, tmp_path: Path) -> None:
    """Its requirements are judged by its own runs; two of them decide nothing."""
    low = {"name": "low", "column": "Sat.X", "limit": "< 8000", "probability": 0.9}

    def night() -> NightOutcome:
        return nightly_dispersion(
            leo_short,
            vary=["Sat.SMA=normal:7000:5"],
            n=2,
            seed=1,
            nights=tmp_path,
            settings=SETTINGS,
            requirements=[low],
        )

    def look() -> None:
        states = "select state_name from flow_run where parameters like ? and name like ?"
        home = Path(os.environ["PREFECT_HOME"])
        for name in ("leo_short monte-carlo n=2", "leo_short night of %"):
            assert rows_of(home, states, f"%{tmp_path}%", name) == [("Inconclusive",)]

    outcome = called(night, recorded=look)

    assert outcome.folder.parent == tmp_path
    verdicts = outcome.sweep.verdicts
    assert verdicts is not None
    assert (verdicts.verdict, verdicts.plan, verdicts.prefix) == ("INCONCLUSIVE", "fixed", 2)
    manifest = Manifest.load(outcome.folder / "manifest.jsonl")
    assert outcome.sweep == SweepOutcome.of(manifest, verdicts)
    assert (outcome.sweep.ok, outcome.last_night, outcome.moved) == (2, None, False)
    assert outcome.headline == "The first night."


def test_a_night_that_cannot_begin_raises_what_its_sweep_says(
    leo_short: Path, tmp_path: Path
) -> None:
    def night() -> None:
        nightly_dispersion(
            leo_short, vary=["Sat.SMA=norml:7000:5"], n=2, nights=tmp_path, settings=SETTINGS
        )

    with pytest.raises(SweepConfigError, match="norml"):
        called(night)
