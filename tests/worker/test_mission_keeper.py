"""A mission kept from run to run gives the numbers of a freshly loaded one, bit for bit.

The functions named ``engine_...`` run in one process that has the GMAT engine; the tests look at
what they return.
"""

import hashlib
import itertools
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gmat_run
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmat_sweep.causes import headline
from gmat_sweep.mission.editing import EditableScript, EditedScript
from gmat_sweep.spec import RunSpec
from gmat_sweep.worker import loading
from gmat_sweep.worker import mission_keeper as missions
from gmat_sweep.worker import run as worker
from gmat_sweep.worker.mission_keeper import RESTORABLE, MissionKeeper, same_tables, tables_of
from random_missions import random_mission
from repository import DATA

LEO = DATA / "leo_basic.script"
CARTESIAN = DATA / "leo_cartesian.script"
EPOCH = "03 Mar 2026 06:30:00.250"

type Overrides = dict[str, Any]

# By mission: consecutive runs that override other fields than the run before.
SEQUENCES: Mapping[Path, Sequence[Overrides]] = {
    LEO: [
        {},
        {"Sat.SMA": 7100.1},
        {"Sat.ECC": 0.0123, "Sat.INC": 63.4},
        {},
        {"Sat.TA": 123.4, "Sat.RAAN": 321.0, "Sat.AOP": 12.5},
        {"Sat.X": 7050.5, "Sat.VY": 6.7},
        {"Sat.SMA": 6950.7},
        {"Sat.Y": 10.25, "Sat.SMA": 6951.7, "Sat.VX": 0.1},
        {"Sat.Epoch": EPOCH},
        {"Sat.INC": 97.8, "Sat.Epoch": EPOCH},
        {"Sat.SMA": 7100.1},
        {},
    ],
    CARTESIAN: [
        {},
        {"Sat.X": 7050.5, "Sat.VY": 6.7},
        {"Sat.Epoch": EPOCH},
        {"Sat.Y": 10.25, "Sat.Z": -3.5, "Sat.VX": 0.1, "Sat.VZ": 3.4},
        {"Sat.VX": -7.6},
        {},
    ],
    DATA.parent.parent / "examples" / "injection.script": [
        {},
        {"Injection.Element1": 2.43},
        {"Injection.Element2": -0.01, "Injection.Element3": 0.02},
        {"EarthGravity.GravityField.Earth.Degree": 2, "EarthGravity.GravityField.Earth.Order": 0},
        {"Sat.SMA": 6700.3, "Injection.Element1": 2.41},
        {"Sat.Epoch": EPOCH, "Sat.DryMass": 1150.5},
        {"EarthGravity.GravityField.Earth.Order": 1},
        {"Sat.RAAN": 41.25, "Sat.TA": 1.5},
        {"Sat.AOP": 7.6},
        {},
    ],
    DATA / "targeting.script": [
        {},
        {"Goal.Value": 12500.5},
        {"Sat.SMA": 7000.9, "Sat.ECC": 0.002},
        {"DC.MaximumIterations": 3},
        {"TOI.Element2": 0.01},
        {"TOI.Element1": 0.3, "TOI.Element3": -0.02, "Goal.Value": 11900.0},
        {"Sat.Epoch": EPOCH, "Sat.TA": 45.0},
        {"DC.MaximumIterations": 40, "Sat.INC": 10.1},
        {},
    ],
    DATA / "low_orbit.script": [
        {},
        {"Tank.FuelMass": 90.5, "Thruster.C1": 18.25},
        {"Sat.Cd": 2.35, "Sat.DragArea": 12.5, "Sat.DryMass": 480.75},
        {"Tank.Pressure": 1450.0, "Tank.Temperature": 25.5},
        {"Thruster.DutyCycle": 0.85, "Thruster.ThrustScaleFactor": 1.02},
        {"FM.GravityField.Earth.Degree": 4, "FM.GravityField.Earth.Order": 3},
        {"Sat.Cr": 1.5, "Sat.SRPArea": 2.5, "factor.Value": 3.25},
        {"Sat.SMA": 6620.2, "Sat.Epoch": EPOCH},
        {"Sat.INC": 33.1, "Sat.ECC": 1e-9, "Tank.FuelMass": 70.0},
        {"Sat.AOP": 33.3, "Sat.DragArea": 8.0},
        {},
    ],
}


@dataclass(frozen=True)
class Ran:
    """What a series of runs on one engine left."""

    tables: list[dict[str, str]]
    """By run: the digest of every table, or the cause under ``failed``."""
    loaded: list[bool]
    """By run: whether the script was loaded for it."""
    worker_logs: list[str]


@contextmanager
def _keeper(patch: pytest.MonkeyPatch, probation_runs: int) -> Iterator[list[Path]]:
    """A keeper that remembers nothing, and the scripts it is made to load."""
    loads: list[Path] = []

    def load(script: EditableScript, edited: EditedScript, **how: bool) -> Any:
        loads.append(script.source)
        return loading.load_edited(script, edited, **how)

    patch.setattr(missions, "PROBATION_RUNS", probation_runs)
    patch.setattr(loading, "KEEPER", MissionKeeper(load))
    yield loads


def _digest(path: Path) -> str:
    """Digest a table to its last bit; the metadata is left out, since it names the folder."""
    table = pq.read_table(path).replace_schema_metadata(None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def _run(
    runs: Sequence[tuple[Path, Overrides]], out: Path, loads: list[Path], *, always_load: bool
) -> Ran:
    ran = Ran([], [], [])
    for number, (script, overrides) in enumerate(runs):
        if always_load:
            loading.KEEPER.forget()
        before = len(loads)
        spec = RunSpec(script, overrides, out / f"run-{number}", number, None, {})
        outcome = worker.run_one(spec)
        files = {**outcome.output_paths, **outcome.solver_paths}
        ran.tables.append(
            {"failed": outcome.stderr}
            if outcome.stderr is not None
            else {name: _digest(path) for name, path in files.items()}
        )
        ran.loaded.append(len(loads) > before)
        ran.worker_logs.append((spec.output_dir / "worker.log").read_text(encoding="utf-8"))
    return ran


def engine_runs(
    runs: Sequence[tuple[Path, Overrides]],
    out: Path,
    *,
    probation_runs: int = missions.PROBATION_RUNS,
    spoil: str | None = None,
) -> tuple[Ran, Ran]:
    """Run a series on a kept mission and again with a load for every run.

    `spoil` names what is broken in the keeper: ``"undo"`` writes elements instead of Cartesian
    components back, ``"nothing is undone"`` writes nothing back, ``"comparison"`` finds every pair
    of runs different.
    """
    with pytest.MonkeyPatch.context() as patch, _keeper(patch, probation_runs) as loads:
        if spoil == "undo":
            patch.setattr(missions, "_CARTESIAN", ("SMA", "ECC", "INC", "RAAN", "AOP", "TA"))
        elif spoil == "comparison":
            patch.setattr(worker, "same_tables", lambda *_: False)
        elif spoil == "nothing is undone":
            patch.setattr(MissionKeeper, "_undone", lambda *_: {})
        kept = _run(runs, out / "kept", loads, always_load=False)
    with pytest.MonkeyPatch.context() as patch, _keeper(patch, 0) as loads:
        loaded = _run(runs, out / "loaded", loads, always_load=True)
    return kept, loaded


type EngineRuns = Callable[..., tuple[Ran, Ran]]


@pytest.fixture(scope="module")
def on_engine() -> Iterator[EngineRuns]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:

        def call(*args: Any, **kwargs: Any) -> tuple[Ran, Ran]:
            return process.submit(engine_runs, *args, **kwargs).result()

        yield call


def failures(ran: Ran) -> list[str]:
    return [tables["failed"] for tables in ran.tables if "failed" in tables]


# --- exactness -----------------------------------------------------------------------------------


@pytest.mark.parametrize("script", SEQUENCES, ids=lambda script: script.stem)
def test_a_restored_mission_gives_what_a_loaded_one_gives_bit_for_bit(
    on_engine: EngineRuns, script: Path, tmp_path: Path
) -> None:
    """Also without the check on the spot: a series loads its script once, for the first run."""
    runs = [(script, overrides) for overrides in SEQUENCES[script]]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert kept.loaded == [True] + [False] * (len(runs) - 1)
    assert loaded.loaded == [True] * len(runs)


@pytest.mark.soak
def test_restored_missions_give_what_loaded_ones_give_on_missions_made_at_random(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    """Without the check on the spot, on fields that may be restored, at least thirty missions."""
    restorable = set[str]().union(*RESTORABLE.values())
    missions_flown, restored = 0, 0
    for seed in range(200, 244):
        mission = random_mission(seed, 60)
        overrides = [
            run.overrides
            for run in mission.runs[1:]
            if not run.refused
            and all(path.partition(".")[2] in restorable for path in run.overrides)
        ]
        script = tmp_path / f"{seed}.script"
        script.write_text(mission.script)
        runs = [(script, each) for each in ({}, *overrides[:3], {})]

        kept, loaded = on_engine(runs, tmp_path / str(seed), probation_runs=0)

        assert failures(kept) == failures(loaded) == [], runs
        assert kept.tables == loaded.tables, mission.script
        missions_flown += not all(kept.loaded[1:])
        restored += kept.loaded.count(False)
    assert missions_flown >= 30
    assert restored >= 80


def test_the_runs_of_a_sequence_differ() -> None:
    """Else bit-equality would prove nothing; the empty overrides come first and last."""
    for overrides in SEQUENCES.values():
        assert overrides[0] == overrides[-1] == {}
        assert all(one != other for one, other in itertools.pairwise(overrides))


def test_every_restorable_field_is_overridden_in_some_sequence() -> None:
    kinds = {
        "Sat": "Spacecraft",
        "Tank": "ChemicalTank",
        "Thruster": "ChemicalThruster",
        "TOI": "ImpulsiveBurn",
        "Injection": "ImpulsiveBurn",
        "FM": "ForceModel",
        "EarthGravity": "ForceModel",
        "DC": "DifferentialCorrector",
        "factor": "Variable",
        "Goal": "Variable",
    }
    overridden = {
        (kinds[path.partition(".")[0]], path.partition(".")[2])
        for sequence in SEQUENCES.values()
        for overrides in sequence
        for path in overrides
    }

    assert overridden == {(kind, field) for kind, fields in RESTORABLE.items() for field in fields}


def test_what_the_mission_sequence_itself_changes_is_as_loaded_in_the_next_run(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    script = tmp_path / "counting.script"
    text = LEO.read_text(encoding="utf-8")
    text = text.replace("Sat.Earth.ECC};", "Sat.Earth.ECC, n, Sat.DryMass};")
    text = text.replace("Create ReportFile", "Create Variable n;\nGMAT n = 5;\nCreate ReportFile")
    first, last = "BeginMissionSequence;", "Propagate Prop(Sat)"
    text = text.replace(first, f"{first}\nn = n + 1;\nSat.DryMass = Sat.DryMass - 10;")
    script.write_text(text.replace(last, f"Sat.TA = Sat.TA + n;\n{last}"))
    runs: list[tuple[Path, Overrides]] = [(script, {"Sat.SMA": 7000.0 + i}) for i in range(4)]
    runs += [(script, {"n.Value": 8}), (script, {})]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert kept.loaded == [True] + [False] * 5


def test_two_scripts_that_take_turns_on_one_engine_give_their_own_results(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    targeting = DATA / "targeting.script"
    runs = [
        (script, {"Sat.SMA": 6950.0 + number}) for number in range(4) for script in (LEO, targeting)
    ]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert all(kept.loaded)


def test_a_script_that_changed_on_disk_is_loaded_again(tmp_path: Path) -> None:
    """Its name says nothing of its content."""
    script = tmp_path / "mission.script"
    script.write_text("before")
    keeper = MissionKeeper(lambda *_, **__: SimpleNamespace())  # type: ignore[arg-type]
    with keeper.fresh(script, {}):
        pass
    assert keeper.can_restore(script, {})

    script.write_text("and after")

    assert not keeper.can_restore(script, {})


# --- when the script is loaded -------------------------------------------------------------------


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({"Prop.Type": "PrinceDormand78"}, id="what may be assigned once only"),
        pytest.param({"Prop.InitialStepSize": 25.0}, id="a propagator's setting"),
        pytest.param({"Sat.CoordinateSystem": "EarthFixed"}, id="the frame of the state"),
        pytest.param({"RF.Precision": 10}, id="a report's setting"),
    ],
)
def test_a_field_outside_the_restorable_ones_loads_the_script_for_it_and_for_the_next_run(
    on_engine: EngineRuns, overrides: Overrides, tmp_path: Path
) -> None:
    runs: list[tuple[Path, Overrides]] = [(LEO, {}), (LEO, overrides), (LEO, {}), (LEO, {})]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert kept.loaded == [True, True, True, False]


def test_a_spacecraft_given_in_another_frame_is_never_restored(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    script = tmp_path / "fixed.script"
    text = LEO.read_text(encoding="utf-8")
    script.write_text(text.replace("System = EarthMJ2000Eq", "System = EarthFixed"))
    runs: list[tuple[Path, Overrides]] = [(script, {"Sat.SMA": 7000.0 + i}) for i in range(3)]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert kept.loaded == [True] * 3


LATE: Mapping[Path, Sequence[Overrides]] = {
    LEO: [
        *({"Sat.X": 7000.0 + i, "Sat.DryMass": 800.0 + i} for i in range(4)),
        {"Sat.VY": 6.71, "Sat.INC": 63.4, "Sat.Z": 12.5},
    ],
    CARTESIAN: [
        *({"Sat.SMA": 7100.1 + i} for i in range(4)),
        {"Sat.ECC": 0.0123, "Sat.INC": 63.4, "Sat.X": 7050.5},
        {"Sat.TA": 123.4, "Sat.RAAN": 321.0, "Sat.AOP": 12.5, "Sat.Epoch": EPOCH},
        {"Sat.INC": 97.8, "Sat.VX": 0.1, "Sat.SMA": 6950.7, "Sat.DryMass": 801.5},
        {"Sat.ECC": 1e-9},
    ],
}


@pytest.mark.parametrize("probation_runs", [0, 1, 2])
@pytest.mark.parametrize("script", LATE, ids=lambda script: script.stem)
def test_a_state_that_the_sequence_would_set_is_restored_bit_for_bit(
    on_engine: EngineRuns, probation_runs: int, script: Path, tmp_path: Path
) -> None:
    """The script gives the other state type, so the edited script sets these in its sequence.

    A mission that was loaded so would set them in every run: the script is loaded without.
    """
    x = LATE[script]
    runs = [(script, overrides) for overrides in (*x, {}, *x, {"Sat.Cd": 2.1}, {}, *x)]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=probation_runs)

    assert failures(loaded) == []
    assert kept.tables == loaded.tables
    assert not any("did not repeat" in log or "not reused" in log for log in kept.worker_logs)
    if not probation_runs:
        assert kept.loaded == [True, True] + [False] * (len(runs) - 2)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        pytest.param(
            {"Sat.SMA": 7e3, "Sat.ECC": "?"},
            "for field 'ECC' on object 'Sat'",
            id="wrong type",
        ),
        pytest.param({"Sat.Bogus": 1.0}, "field name 'Bogus' on object 'Sat'", id="unknown field"),
        pytest.param({"No.SMA": 7e3}, "LHS object named 'No'", id="unknown resource"),
        pytest.param({"SMA": 7e3}, "'SMA'", id="no resource"),
        pytest.param({"Sat.ECC": 1.5}, "of '1.5' for field 'ECC' on object 'Sat'", id="hyperbola"),
    ],
)
def test_a_run_after_a_failed_one_loads_the_script(
    on_engine: EngineRuns, overrides: Overrides, reason: str, tmp_path: Path
) -> None:
    """And the failed run says why as it would have said had it run first."""
    runs: list[tuple[Path, Overrides]] = [
        (LEO, {"Sat.SMA": 7001.0}),
        (LEO, overrides),
        (LEO, {"Sat.SMA": 7002.0}),
        (LEO, {"Sat.SMA": 7003.0}),
    ]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0)

    (cause,) = failures(kept)
    assert "\ngmat_run.errors.GmatLoadError: GMAT could not parse" in cause
    assert reason in headline(cause).replace('"', "'")
    assert (cause == loaded.tables[1]["failed"]) or "edited-" not in cause
    assert [kept.tables[i] for i in (0, 2, 3)] == [loaded.tables[i] for i in (0, 2, 3)]
    assert kept.loaded[2:] == [True, False]


# --- the check on the spot -----------------------------------------------------------------------


def test_the_first_restored_runs_of_a_kind_are_checked_against_a_load(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    """A kind is the fields undone and written; a checked kind is not checked again."""
    runs: list[tuple[Path, Overrides]] = [
        *((LEO, {"Sat.SMA": 7000.0 + i}) for i in range(5)),
        *((LEO, {"Sat.INC": 40.0 + i}) for i in range(6)),
        (LEO, {"Sat.INC": 50.0}),
    ]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=2)

    assert kept.tables == loaded.tables
    from_sma, from_both, from_inc = [True, True], [True], [True, True]
    assert kept.loaded == [
        True, *from_sma, False, False, *from_both, *from_inc, False, False, False, False,
    ]  # fmt: skip


def test_what_was_checked_on_one_script_is_checked_again_on_another(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    targeting = DATA / "targeting.script"
    runs: list[tuple[Path, Overrides]] = [
        (script, {"Sat.SMA": 6950.0 + i}) for script in (LEO, targeting) for i in range(4)
    ]

    kept, _ = on_engine(runs, tmp_path, probation_runs=2)

    assert kept.loaded == [True, True, True, False] * 2


def test_a_run_that_gmat_refuses_while_it_is_checked_does_not_end_the_reuse(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    runs: list[tuple[Path, Overrides]] = [
        (LEO, {"Sat.ECC": ecc}) for ecc in (0.001, 1.5, 0.002, 0.003, 0.004, 0.005)
    ]

    kept, _ = on_engine(runs, tmp_path)

    assert len(failures(kept)) == 1
    assert "failed" in kept.tables[1]
    assert kept.loaded == [True, True, True, True, True, False]


@pytest.mark.parametrize("spoil", ["undo", "comparison", "nothing is undone"])
def test_a_script_whose_restored_run_differs_is_loaded_for_every_run_from_then_on(
    on_engine: EngineRuns, spoil: str, tmp_path: Path
) -> None:
    """And the run that showed it has the numbers of the load."""
    targeting = DATA / "targeting.script"
    runs: list[tuple[Path, Overrides]] = [
        (targeting, {"Sat.ECC": 0.0123}),
        *((targeting, {"Goal.Value": 12000.5 + i, "Sat.ECC": 0.0123}) for i in range(3)),
        *((targeting, {"TOI.Element2": 0.01 * i, "Sat.ECC": 0.003}) for i in range(4)),
    ]

    kept, loaded = on_engine(runs, tmp_path, spoil=spoil)

    assert failures(kept) == []
    assert kept.tables == loaded.tables
    # Only the second kind of run has something to undo.
    assert all(kept.loaded[4 if spoil == "nothing is undone" else 0 :])
    complaint = "a restored mission did not repeat a freshly loaded one"
    complaints = [complaint in text for text in kept.worker_logs]
    assert complaints.count(True) == 1
    first = complaints.index(True)
    assert "WARNING" in next(
        line for line in kept.worker_logs[first].splitlines() if complaint in line
    )


def test_writing_old_elements_back_is_not_exact(on_engine: EngineRuns, tmp_path: Path) -> None:
    """Why the Cartesian components are restored; and these tests see a difference of one bit."""
    runs = [(LEO, overrides) for overrides in SEQUENCES[LEO]]

    kept, loaded = on_engine(runs, tmp_path, probation_runs=0, spoil="undo")

    assert kept.tables != loaded.tables


# --- same tables ---------------------------------------------------------------------------------


REPORT = b"Sat.X                     \n1.5                       \n"
EPHEMERIS = b"CCSDS_OEM_VERS = 1.0\nCREATION_DATE  = %s\nORIGINATOR     = GMAT USER\n"


def written(folder: Path, kind: str = "report", **contents: bytes) -> gmat_run.Results:
    """A run whose outputs of a kind hold `contents`."""
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.txt" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    paths["Unwritten"] = folder / "unwritten.txt"
    keywords: dict[str, Any] = {f"{kind}_paths": paths}
    return gmat_run.Results(output_dir=folder, log="", **keywords)


def test_outputs_are_the_same_to_the_last_byte_or_not_at_all(tmp_path: Path) -> None:
    one = tables_of(written(tmp_path / "a", RF=REPORT))

    assert same_tables(one, tables_of(written(tmp_path / "b", RF=REPORT)))
    assert not same_tables(one, {})
    assert not same_tables(one, tables_of(written(tmp_path / "c", "ephemeris", RF=REPORT)))
    for other in (REPORT.replace(b"1.5", b"1.6"), REPORT.replace(b"1.5", b"-0 "), REPORT * 2, b""):
        assert not same_tables(one, tables_of(written(tmp_path / "d", RF=other)))


def test_a_report_that_is_no_table_is_compared_as_well(tmp_path: Path) -> None:
    one, other = (tables_of(written(tmp_path / each, RF=b"text\n1 2\n")) for each in "ab")

    assert same_tables(one, other)


def test_when_an_ephemeris_was_written_makes_no_difference(tmp_path: Path) -> None:
    one, other = (
        tables_of(written(tmp_path / str(second), "ephemeris", E=EPHEMERIS % second))
        for second in (b"2026-11-28T20:59:51", b"2026-11-28T20:59:52")
    )

    assert same_tables(one, other)


def test_binary_files_are_never_the_same(tmp_path: Path) -> None:
    """GMAT writes memory that it has not set into them."""
    one, other = (
        tables_of(written(tmp_path / each, "ephemeris", E=b"DAF/SPK \0\2")) for each in "ab"
    )

    assert not same_tables(one, other)


def test_a_solvers_file_that_is_no_table_does_not_keep_a_mission_from_being_kept(
    on_engine: EngineRuns, tmp_path: Path
) -> None:
    """A field varied twice in one Target, which gmat-run does not read."""
    target = (DATA / "targeting.script").read_text(encoding="utf-8")
    vary = next(line for line in target.splitlines(keepends=True) if "Vary DC" in line)
    script = tmp_path / "twice.script"
    script.write_text(target.replace(vary, 2 * vary))

    kept, loaded = on_engine(
        [(script, {"Sat.SMA": 6900.0 + n}) for n in range(5)], tmp_path, probation_runs=2
    )

    assert kept.tables == loaded.tables
    assert not any("failed" in tables for tables in kept.tables)
    assert kept.loaded == [True, True, True, False, False]


def test_the_order_of_overrides_is_that_of_the_edited_script_whatever_ran_before(
    tmp_path: Path,
) -> None:
    def load(script: EditableScript, edited: EditedScript, **how: bool) -> Any:
        raise AssertionError("nothing is loaded")

    script = tmp_path / "m.script"
    script.write_text("Create ForceModel FM;\nBeginMissionSequence;\n")
    drag = {"FM.Drag.AtmosphereModel": "JacchiaRoberts", "FM.Drag.F107": 200}
    keeper = MissionKeeper(load)

    texts = [
        keeper.edited(script, dict(order)).text.splitlines()[1:3]
        for order in (drag.items(), reversed(drag.items()))
    ]

    assert texts[0] == texts[1][::-1]
