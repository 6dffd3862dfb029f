"""The preflight looks at each run once, however many scripts the sweep has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.lazy_runs import LazyRuns
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep import preflight
from gmat_sweep.sweep.preflight import PreparedMission, prepare_missions
from repository import DATA
from resumed_sweeps import run_of

if TYPE_CHECKING:
    import pytest


def test_each_run_is_made_once_and_tried_with_its_own_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = [Path(shutil.copy(DATA / "leo_short.script", tmp_path / f"{n}.script")) for n in "ab"]
    made: list[int] = []
    tried: dict[Path, Any] = {}

    def make(place: int) -> RunSpec:
        made.append(place)
        return run_of(place, tmp_path, script_path=scripts[place % 2])

    def prepare(script: Path, sets: Any, *_: object, **__: object) -> PreparedMission:
        # In place of the engine, which is asked for the sets of values that it is given here.
        tried[script] = sets
        return PreparedMission(script)

    monkeypatch.setattr(preflight, "prepare_mission", prepare)

    prepare_missions(LazyRuns(20, make), tmp_path, None, memory_limit=None, end_state=True)

    assert made == list(range(20))
    # Four values of each script, and the highest: chance may have put the first out of range.
    assert tried == {
        script: [{"Sat.SMA": 7000.0 + n} for n in (*range(start, start + 8, 2), 18 + start)]
        for start, script in enumerate(scripts)
    }
