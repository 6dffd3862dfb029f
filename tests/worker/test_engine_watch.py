"""A kept mission is as it was: who else uses the engine is noticed, and costs a load.

Numbers are compared byte for byte with those of GMAT itself on the edited script.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from gmat_sweep.spec import RunSpec
from gmat_sweep.worker.engine_watch import EngineWatch
from repository import DATA

if TYPE_CHECKING:
    from gmat_sweep.backends.process.worker_process import WorkerProcess
    from plain_gmat import PlainGmat

LEO = DATA / "leo_basic.script"
# A first load and two runs on probation, then kept ones.
_RUNS = 8
_FOREIGN = 5


def _overrides(run_id: int) -> dict[str, float]:
    return {"Sat.SMA": 7000.5 + run_id}


def _is_loaded_anew(folder: Path) -> bool:
    return "others have used the engine" in (folder / "worker.log").read_text()


@pytest.mark.parametrize("use", ["load", "set", "run", "kernel", "none"])
def test_what_a_hook_does_to_the_engine_reaches_no_other_run(
    use: str, worker: WorkerProcess, plain: PlainGmat, tmp_path: Path
) -> None:
    """The hook does it after one run of many: a check of the first runs cannot see it."""
    other = tmp_path / "other.script"
    other.write_text(LEO.read_text().replace("ElapsedSecs = 60", "ElapsedSecs = 33"))
    anew, reports = [], []
    for run_id in range(_RUNS):
        folder = tmp_path / f"run-{run_id}"
        context = {"use": use if run_id == _FOREIGN else "none", "other": str(other)}
        spec = RunSpec(
            LEO, dict(_overrides(run_id)), folder, run_id, None, {}, "engine_hooks:use", context
        )
        outcome = worker.run(spec, timeout_s=60)
        assert outcome.postprocess_status == "ok", outcome.stderr
        anew.append(_is_loaded_anew(folder))
        reports.append((folder / "RF.txt").read_bytes())

    assert [run_id for run_id in range(_RUNS) if anew[run_id]] == (
        [] if use == "none" else [_FOREIGN + 1]
    )
    for run_id in (_FOREIGN, _FOREIGN + 1, _RUNS - 1):
        right = plain.run(LEO.read_text(), _overrides(run_id))
        assert reports[run_id] == right.files["RF"]


def test_what_the_program_around_it_does_to_the_engine_reaches_no_run(
    plain: PlainGmat, tmp_path: Path
) -> None:
    """As a notebook does that flies in its own process, and uses gmat-run beside it."""
    program = f"""
        import sys
        from pathlib import Path
        import gmat_run
        from gmat_sweep.spec import RunSpec
        from gmat_sweep.worker import run_one

        script, folder = Path(sys.argv[1]), Path(sys.argv[2])
        for run_id in range({_RUNS}):
            overrides = {{"Sat.SMA": 7000.5 + run_id}}
            out = folder / f"run-{{run_id}}"
            outcome = run_one(RunSpec(script, overrides, out, run_id, None, {{}}))
            assert outcome.status == "ok", outcome.stderr
            if run_id == {_FOREIGN}:
                mission = gmat_run.Mission.load(script)
                mission["RF.Precision"] = 9
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(LEO), str(tmp_path)],
        check=True,
        timeout=120,
    )

    assert _is_loaded_anew(tmp_path / f"run-{_FOREIGN + 1}")
    for run_id in (_FOREIGN, _FOREIGN + 1, _RUNS - 1):
        right = plain.run(LEO.read_text(), _overrides(run_id))
        assert (tmp_path / f"run-{run_id}" / "RF.txt").read_bytes() == right.files["RF"]


# --- without an engine ---------------------------------------------------------------------------


@pytest.fixture
def module() -> ModuleType:
    """A module with a function, and a class with a method of each kind."""
    made = ModuleType("engine_of_the_test")
    text = """
        def f(): pass
        class C:
            def method(self): pass
            @staticmethod
            def static(): pass
            @classmethod
            def of_class(cls): pass
    """
    exec(textwrap.dedent(text), vars(made))
    return made


@pytest.mark.parametrize("used", ["f()", "C().method()", "C.static()", "C.of_class()"])
def test_each_kind_of_function_is_noticed_once(used: str, module: ModuleType) -> None:
    watch = EngineWatch()
    watch.watch(module)
    watch.watch(module)
    try:
        assert not watch.was_used()
        with watch.ours():
            exec(used, vars(module))
        assert not watch.was_used()
        with watch.ours(), watch.theirs():
            exec(used, vars(module))
        assert [watch.was_used(), watch.was_used()] == [True, False]
        exec(used, vars(module))
        assert watch.was_used()
    finally:
        for tool in (3, 4):
            if sys.monitoring.get_tool(tool) == "gmat-sweep":
                sys.monitoring.free_tool_id(tool)


def test_where_nothing_can_be_seen_foreign_code_counts_as_use(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: object) -> None:
        raise ValueError("tool 4 is already in use")

    monkeypatch.setattr(sys.monitoring, "use_tool_id", taken)
    watch = EngineWatch()
    watch.watch(module)
    with watch.theirs():
        pass

    assert watch.was_used()
