"""One run: what it leaves when it goes well, and what it says when it does not.

On a worker process with the engine; what needs no GMAT is in ``test_worker_recorded``.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.causes import headline
from gmat_sweep.mission.headless import headless_copy
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker import ENGINE_LOG_MARK
from repository import DATA
from worker_runs import cause, log_of

LEO = DATA / "leo_basic.script"


@pytest.fixture(scope="module")
def engine_worker() -> Iterator[WorkerProcess]:
    process = WorkerProcess()
    yield process
    process.close()


type Run = Callable[..., RunOutcome]


@pytest.fixture
def on_engine(engine_worker: WorkerProcess, tmp_path: Path) -> Run:
    """Run a script, by path or by text, in the run's folder under ``tmp_path``."""

    def run(
        script: Path | str, overrides: dict[str, Any] | None = None, **fields: Any
    ) -> RunOutcome:
        if isinstance(script, str):
            (tmp_path / "own.script").write_text(script)
            script = tmp_path / "own.script"
        record = {
            "run_id": 0, "seed": None, "run_options": {}, "output_dir": tmp_path / "run-0", **fields
        }  # fmt: skip
        return engine_worker.run(RunSpec(script, overrides or {}, **record), timeout_s=60)

    return run


def leo(*, before: str = "", after: str = "") -> str:
    """The smallest mission, with more resources or commands."""
    text = LEO.read_text(encoding="utf-8")
    return text.replace("BeginMissionSequence;", f"{before}\nBeginMissionSequence;") + after


# --- what a run leaves ---------------------------------------------------------------------------


def test_a_report_becomes_parquet_with_a_time_column_that_copies_its_first_epoch(
    on_engine: Run, tmp_path: Path
) -> None:
    outcome = on_engine(LEO, {"Sat.SMA": 7100.0})

    path = tmp_path / "run-0" / "report__RF.parquet"
    assert outcome.output_paths == {"report__RF": path}
    assert (outcome.status, outcome.stderr, outcome.postprocess_status) == ("ok", None, "none")
    frame = pd.read_parquet(path)
    assert list(frame) == [
        "Sat.UTCGregorian",
        *(f"Sat.EarthMJ2000Eq.{axis}" for axis in "XYZ"),
        "Sat.Earth.SMA",
        "Sat.Earth.ECC",
        "time",
    ]
    assert frame["time"].dtype.kind == "M"
    assert frame["time"].iloc[0] == pd.Timestamp("2026-01-01")
    assert frame["time"].equals(frame["Sat.UTCGregorian"].rename("time"))
    np.testing.assert_allclose(frame["Sat.Earth.SMA"], 7100.0, rtol=1e-9)


def test_reports_and_ephemerides_are_listed_by_kind_and_name(
    on_engine: Run, tmp_path: Path
) -> None:
    outcome = on_engine(DATA / "low_orbit.script")

    folder = tmp_path / "run-0"
    assert outcome.output_paths == {
        "report__RF": folder / "report__RF.parquet",
        "ephemeris__Eph": folder / "ephemeris__Eph.parquet",
    }
    ephemeris = pd.read_parquet(outcome.output_paths["ephemeris__Eph"])
    assert list(ephemeris["time"].iloc[[0, -1]]) == [
        pd.Timestamp("2026-01-01 00:00"),
        pd.Timestamp("2026-01-01 00:10"),
    ]
    assert ephemeris["time"].equals(ephemeris["Epoch"].rename("time"))
    assert ephemeris["time"].is_monotonic_increasing
    assert (outcome.solver_paths, outcome.converged) == ({}, {})


def test_a_solver_leaves_its_iterations_and_whether_it_converged(
    on_engine: Run, tmp_path: Path
) -> None:
    outcome = on_engine(DATA / "targeting.script")

    assert outcome.solver_paths == {"DC": tmp_path / "run-0" / "solver__DC.parquet"}
    assert outcome.converged == {"DC": True}
    iterations = pd.read_parquet(outcome.solver_paths["DC"])
    assert list(iterations["iteration"]) == [1, 2, 3, 4, 5, 6]
    assert iterations["Sat.Earth.RMAG"].iloc[-1] == pytest.approx(12000.0, abs=0.01)
    assert set(outcome.output_paths) == {"report__RF"}


def test_a_solver_that_does_not_converge_is_an_ok_run_that_says_so(on_engine: Run) -> None:
    outcome = on_engine(DATA / "targeting.script", {"DC.MaximumIterations": 2})

    assert (outcome.status, outcome.converged) == ("ok", {"DC": False})
    assert set(outcome.solver_paths) == {"DC"}


def test_a_mission_that_writes_nothing_is_an_ok_run_without_outputs(on_engine: Run) -> None:
    lines = LEO.read_text(encoding="utf-8").splitlines()

    outcome = on_engine("\n".join(line for line in lines if "RF" not in line))

    assert (outcome.status, outcome.output_paths) == ("ok", {})


def test_only_whole_files_are_left_in_the_runs_folder(on_engine: Run, tmp_path: Path) -> None:
    outcome = on_engine(DATA / "low_orbit.script")

    left = {path.name for path in (tmp_path / "run-0").iterdir()}
    assert left == {
        "GmatLog.txt", "RF.txt", "eph.oem", "worker.log",
        "report__RF.parquet", "ephemeris__Eph.parquet", "outcome.seal.json",
    }  # fmt: skip
    for path in outcome.output_paths.values():
        assert pq.ParquetFile(path).metadata.num_rows > 0


def test_times_are_utc_and_the_duration_is_positive(on_engine: Run) -> None:
    before = datetime.now(UTC)
    outcome = on_engine(LEO)

    assert before <= outcome.started_at < outcome.ended_at <= datetime.now(UTC)
    assert outcome.started_at.utcoffset() == outcome.ended_at.utcoffset() == UTC.utcoffset(None)
    assert 0 < outcome.duration_s < 60


def test_columns_of_the_same_label_are_numbered_and_the_log_says_so(
    on_engine: Run, tmp_path: Path
) -> None:
    """A Report command may name a parameter twice."""
    report = "Create ReportFile Twice;\nGMAT Twice.Filename = 'twice.txt';"
    command = "Report Twice Sat.UTCGregorian Sat.X Sat.Y Sat.X Sat.X Sat.Y;\n"

    outcome = on_engine(leo(before=report, after=command))

    columns = list(pd.read_parquet(outcome.output_paths["report__Twice"]))
    assert columns == [
        *("Sat.UTCGregorian", "Sat.X", "Sat.Y", "Sat.X.1", "Sat.X.2", "Sat.Y.1", "time")
    ]
    (warning,) = [line for line in log_of(tmp_path).splitlines() if "WARNING" in line]
    assert "report Twice repeats the columns ['Sat.X', 'Sat.Y']" in warning


# --- the log -------------------------------------------------------------------------------------


def test_the_log_tells_the_run_from_its_id_to_its_status(on_engine: Run, tmp_path: Path) -> None:
    on_engine(LEO, {"Sat.SMA": 7100.5, "Sat.INC": 40}, run_id=17, seed=2684470948)

    text = log_of(tmp_path)
    expected = [
        f"INFO run_id=17 script={LEO}",
        "INFO overrides={'Sat.SMA': 7100.5, 'Sat.INC': 40}",
        "INFO seed=2684470948",
        "INFO GMAT log",
        "Mission run completed.",
        "INFO status=ok duration_s=0.",
    ]
    places = [text.find(part) for part in expected]
    assert -1 not in places
    assert places == sorted(places)
    assert text.count("run_id=") == text.count("status=") == 1


def test_the_log_of_a_run_without_a_seed_does_not_name_one(on_engine: Run, tmp_path: Path) -> None:
    on_engine(LEO)

    assert "seed" not in log_of(tmp_path)


def test_the_log_of_a_failed_run_ends_with_cause_and_status(on_engine: Run, tmp_path: Path) -> None:
    outcome = on_engine(LEO, {"Sat.Bogus": 1})

    text = log_of(tmp_path)
    assert f"ERROR {cause(outcome)}" in text
    assert "INFO status=failed duration_s=0." in text.splitlines()[-1]


def test_a_second_run_in_the_same_folder_appends_to_the_log(on_engine: Run, tmp_path: Path) -> None:
    on_engine(LEO)
    on_engine(LEO, run_options={"overwrite": True})

    assert log_of(tmp_path).count("status=ok") == 2


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"Sat.Bogus": 1.0}, 'The field name "Bogus" on object "Sat" is not permitted'),
        ({"Nobody.SMA": 1.0}, 'Cannot find LHS object named "Nobody"'),
        ({"Sat.SMA": "high"}, 'The value of "high" for field "SMA" on object "Sat" is not an'),
    ],
)
def test_an_override_that_gmat_refuses_fails_the_run_with_the_reason(
    on_engine: Run, overrides: dict[str, Any], message: str
) -> None:
    stderr = cause(on_engine(LEO, overrides))

    assert headline(stderr).startswith(message)


def test_a_script_that_gmat_cannot_parse_fails_the_run_with_gmats_own_words(
    on_engine: Run,
) -> None:
    stderr = cause(on_engine(leo(before="Create Nonsense N;")))

    traceback, mark, engine_log = stderr.partition(f"\n{ENGINE_LOG_MARK}\n")
    assert "GmatLoadError: GMAT could not parse" in traceback
    assert mark
    assert "**** ERROR ****" in engine_log
    assert "Nonsense" in engine_log


def test_a_mission_that_gmat_cannot_finish_fails_the_run_with_gmats_own_words(
    on_engine: Run, tmp_path: Path
) -> None:
    """The files that GMAT left stay where they are."""
    stderr = cause(on_engine(leo(after="Stop;\n")))

    traceback, mark, engine_log = stderr.partition(f"\n{ENGINE_LOG_MARK}\n")
    assert "GmatRunError: the mission ended at its Stop command (line " in traceback
    assert mark
    assert "Mission run interrupted." in engine_log
    assert (tmp_path / "run-0" / "RF.txt").is_file()


@pytest.mark.parametrize("overrides", [{}, {"Sat.Cd": 2.0}, {"Sat.Cd": 2.0, "Sat.X": 7000.0}])
@pytest.mark.parametrize("is_copy", [False, True])
def test_a_failed_run_names_the_line_of_the_users_script(
    is_copy: bool, overrides: dict[str, Any], on_engine: Run, tmp_path: Path
) -> None:
    """Overrides add lines to the script that is flown, and so does the report of the end state.

    GMAT refuses the index when it runs the command; the line is counted in the user's own text.
    """
    script = tmp_path / "own.script"
    text = leo(
        before="Create Array A[1,1];\nCreate Variable V;", after="V = 9;\nA(1,1) = A(V,1);\n"
    )
    if is_copy:
        text = text[: text.index("Create ReportFile")] + text[text.index("Create Array") :]
    script.write_text(text)
    [line] = [n for n, code in enumerate(text.splitlines(), start=1) if "A(V,1)" in code]
    flown = headless_copy(script, set(), end_state=True).write(tmp_path / "copy")
    assert (flown != script) == is_copy

    stderr = cause(on_engine(flown, overrides))

    assert f"(line {line})" in headline(stderr)


def test_a_failed_run_on_a_kept_mission_names_the_line_of_the_users_script(
    on_engine: Run, tmp_path: Path
) -> None:
    """The runs before it are flown on a mission that was loaded with the first one's overrides."""
    script = tmp_path / "own.script"
    script.write_text(
        leo(
            before="Create Variable V;\nCreate Array A[1,1];",
            after="If V > 4\n  A(1,1) = A(V,1);\nEndIf;\n",
        )
    )
    lines = script.read_text().splitlines()
    [line] = [n for n, text in enumerate(lines, start=1) if "A(V,1)" in text]
    for number in range(4):
        fine = on_engine(
            script, {"V.Value": number, "Sat.Cd": 2.0}, output_dir=tmp_path / f"{number}"
        )
        assert fine.status == "ok"

    stderr = cause(on_engine(script, {"V.Value": 9, "Sat.Cd": 2.0}))

    assert f"line {line}" in headline(stderr)


def test_a_report_whose_rows_have_varying_numbers_of_columns_is_one_table(on_engine: Run) -> None:
    outcome = on_engine(leo(after="Report RF Sat.X Sat.Y;\n"))

    frame = pd.read_parquet(outcome.output_paths["report__RF"])
    assert frame["Sat.Y"].notna().tolist() == [False] * (len(frame) - 1) + [True]
    assert outcome.notes == ()


def test_a_script_that_is_not_there_fails_the_run(on_engine: Run, tmp_path: Path) -> None:
    assert str(tmp_path / "absent.script") in cause(on_engine(tmp_path / "absent.script"))


def test_a_folder_that_cannot_be_made_fails_the_run(on_engine: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "NotADirectoryError" in cause(on_engine(LEO, output_dir=tmp_path / "file" / "run-0"))


def test_outputs_of_an_earlier_run_fail_the_run_unless_it_may_overwrite_them(
    on_engine: Run, tmp_path: Path
) -> None:
    first = on_engine(LEO)
    kept = pd.read_parquet(first.output_paths["report__RF"])

    refused = on_engine(LEO, {"Sat.SMA": 7200.0})
    untouched = pd.read_parquet(first.output_paths["report__RF"])
    allowed = on_engine(LEO, {"Sat.SMA": 7200.0}, run_options={"overwrite": True})

    assert "GmatRunError" in cause(refused)
    assert "RF.txt" in cause(refused)
    pd.testing.assert_frame_equal(untouched, kept)
    assert allowed.status == "ok"
    replaced = pd.read_parquet(allowed.output_paths["report__RF"])
    np.testing.assert_allclose(replaced["Sat.Earth.SMA"], 7200.0, rtol=1e-9)


@pytest.mark.parametrize("options", [{"working_dir": "elsewhere"}, {"bogus": 1}])
def test_run_options_that_gmat_run_does_not_take_fail_the_run(
    on_engine: Run, options: dict[str, Any]
) -> None:
    assert next(iter(options)) in cause(on_engine(LEO, run_options=options))


def test_a_failed_run_leaves_the_engine_fit_for_the_next(on_engine: Run, tmp_path: Path) -> None:
    """With the result that a run on a new engine has."""
    before = on_engine(LEO, output_dir=tmp_path / "before")
    assert on_engine(leo(before="Create Nonsense N;")).status == "failed"
    assert on_engine(LEO, {"Sat.ECC": 1.5}, output_dir=tmp_path / "ecc").status == "failed"
    after = on_engine(LEO, output_dir=tmp_path / "after")

    one, other = (pd.read_parquet(run.output_paths["report__RF"]) for run in (before, after))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# --- what the engine says before a run -----------------------------------------------------------


def test_inspecting_tells_what_the_engine_can_create(engine_worker: WorkerProcess) -> None:
    facts = engine_worker.inspect(None, {})

    assert {"Spacecraft", "ReportFile", "DifferentialCorrector"} <= facts.resource_types
    assert "ContactLocator" not in facts.resource_types
    assert (facts.problems, facts.engine_log) == ((), "")


def test_inspecting_a_sound_mission_finds_no_problem(engine_worker: WorkerProcess) -> None:
    facts = engine_worker.inspect(LEO, {"Sat.SMA": 7100.0, "RF.Precision": 12})

    assert (facts.problems, facts.engine_log) == ((), "")


def test_inspecting_finds_every_override_that_would_be_refused(
    engine_worker: WorkerProcess,
) -> None:
    facts = engine_worker.inspect(LEO, {"Sat.Bogus": 1.0, "Sat.SMA": 7100.0, "No.X": 1.0})

    assert len(facts.problems) == 2
    assert "unknown field 'Bogus'" in facts.problems[0]
    assert "unknown resource 'No'" in facts.problems[1]


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("Sat.Tanks", "{}", 'Nonexistent Hardware .* in line: "3: Sat.Tanks = {};"'),
        ("Burn.DecrementMass", True, 'deplete mass.* in line: "5: Burn.DecrementMass = true;"'),
        ("Luna.SMA", 385000, 'deprecated.* in line: "7: Luna.SMA = 385000;"'),
        ("Sat.INC", 400, 'not an allowed value.* in line: "7: Sat.INC = 400;"'),
        ("Sat.Cr", "x", 'in line: "1: Sat.Cr = x;" of more.inc'),
        ("Sat.CoordinateSystem", "No", 'Nonexistent .* "2: .*CoordinateSystem = No;" of more.inc'),
    ],
)
def test_a_refused_override_is_told_with_its_line_also_where_gmat_names_an_object(
    field: str, value: object, line: str, engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    """An object at fault is found when all lines have been read; GMAT then names none."""
    (tmp_path / "more.inc").write_text("Sat.Cr = 1.8;\nSat.CoordinateSystem = EarthMJ2000Eq;\n")
    script = tmp_path / "m.script"
    script.write_text(
        "Create Spacecraft Sat;\nCreate ChemicalTank T;\nSat.Tanks = {T};\n"
        "Create ImpulsiveBurn Burn;\nBurn.DecrementMass = false;\n#Include 'more.inc'\n"
        "BeginMissionSequence;\nManeuver Burn(Sat);\n"
    )

    facts = engine_worker.inspect(script, {field: value, "Sat.Cd": 2.1})

    assert facts.problems == ()
    assert list(facts.refused) == [field]
    assert re.search(line, facts.refused[field])


@pytest.mark.parametrize("name", ["Sat", "Earth", ""])
def test_an_override_of_a_resource_as_a_whole_is_told_to_name_a_field(
    name: str, engine_worker: WorkerProcess
) -> None:
    facts = engine_worker.inspect(LEO, {name: 1, "Sat.SMA": 7000})

    assert facts.refused == {}
    assert [problem.partition(":")[0] for problem in facts.problems] == [
        f"{name!r} is no Variable or String"
    ]


def test_inspecting_a_script_that_does_not_parse_gives_gmats_log(
    engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    script = tmp_path / "bad.script"
    script.write_text(leo(before="Create Nonsense N;"))

    facts = engine_worker.inspect(script, {})

    assert "could not parse" in facts.problems[0]
    assert "**** ERROR ****" in facts.engine_log


def test_inspecting_changes_nothing_for_the_runs_that_follow(
    on_engine: Run, engine_worker: WorkerProcess, tmp_path: Path
) -> None:
    for _ in range(4):  # enough for the loaded mission to be run again unchecked
        before = on_engine(LEO, output_dir=tmp_path / "before", run_options={"overwrite": True})
    engine_worker.inspect(LEO, {"Sat.SMA": 9000.0})
    after = on_engine(LEO, output_dir=tmp_path / "after")

    one, other = (pd.read_parquet(run.output_paths["report__RF"]) for run in (before, after))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# --- the postprocess hook on the engine ----------------------------------------------------------


def test_a_hook_reads_what_the_run_left_and_names_files_of_its_own(
    on_engine: Run, tmp_path: Path
) -> None:
    outcome = on_engine(LEO, postprocess="run_hooks:record", context={"case": 3}, run_id=5)

    seen = tmp_path / "run-0" / "seen.txt"
    assert (outcome.status, outcome.postprocess_status) == ("ok", "ok")
    assert outcome.extra_outputs == {"seen": seen, "as_text": seen}
    assert set(outcome.output_paths) == {"report__RF"}
    assert "(5, {'case': 3}, {" in seen.read_text()
    text = log_of(tmp_path)
    assert "INFO postprocess hook=run_hooks:record" in text
    assert f"INFO postprocess output seen={seen}" in text
    assert text.splitlines()[-1].endswith(" postprocess_status=ok")


@pytest.mark.promise("7", "SystemExit")
def test_a_hook_that_leaves_the_interpreter_costs_its_run_and_no_other(on_engine: Run) -> None:
    left = on_engine(LEO, postprocess="run_hooks:leaving")
    following = on_engine(LEO, run_options={"overwrite": True})

    assert "SystemExit: the hook had enough" in cause(left)
    assert left.postprocess_status == "failed"
    assert following.status == "ok"


def test_no_hook_is_called_when_gmat_fails(on_engine: Run, tmp_path: Path) -> None:
    failed = on_engine(LEO, {"Sat.Bogus": 1}, postprocess="run_hooks:touch")
    assert (cause(failed) != "", failed.postprocess_status) == (True, "none")
    assert not (tmp_path / "run-0" / "touched").exists()
    assert "postprocess hook" not in log_of(tmp_path)

    assert on_engine(LEO, postprocess="run_hooks:touch").status == "ok"
    assert (tmp_path / "run-0" / "touched").exists()
