"""Property: what a run flies is the script with its overrides written into it, to the last bit.

Random missions fly with random overrides on one worker, one run after the other, as in a sweep: so
that runs on a kept mission are among them. What is right comes from `PlainGmat`: GMAT's bare API
loads the script that an editor made of mission and overrides. The raw reports must have the same
bytes, and the Parquet files the numbers of GMAT's text.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.spec import RunOutcome, RunSpec
from plain_gmat import PlainGmat, PlainRun
from plain_report import DeclaredReport, columns_of, numbers_in
from random_missions import Mission, random_mission

SEEDS = range(30)
RUNS = 5
SOAK_SEEDS = range(1000, 1150)
# Of GMAT's modified Julian dates.
_FIRST_DAY = pd.Timestamp("1941-01-05 12:00")
_NUMBER = re.compile(r"[+-]?(\d|\.\d).*")


@pytest.mark.promise("kept workers", "runs of random missions, one after the other on one worker")
@pytest.mark.parametrize("seed", SEEDS)
def test_each_run_of_a_random_mission_equals_the_edited_script(
    seed: int, worker: WorkerProcess, plain: PlainGmat, tmp_path: Path
) -> None:
    mission = random_mission(seed, RUNS)

    assert list(_differences(mission, worker, plain, tmp_path)) == []


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_each_run_of_hundreds_of_random_missions_equals_the_edited_script(
    worker: WorkerProcess, plain: PlainGmat, tmp_path: Path
) -> None:
    wrong = [
        difference
        for seed in SOAK_SEEDS
        for difference in _differences(random_mission(seed, 8), worker, plain, tmp_path / str(seed))
    ]

    assert wrong == []


@pytest.mark.parametrize("seed", [0, 4])
def test_what_plain_gmat_flies_does_not_depend_on_what_its_process_flew_before(
    seed: int, plain: PlainGmat, tmp_path: Path
) -> None:
    mission = random_mission(seed)
    kept = [plain.run(mission.script, run.overrides) for run in mission.runs][-1]

    with PlainGmat(tmp_path) as gmat:
        fresh = gmat.run(mission.script, mission.runs[-1].overrides)
    assert [fresh.files[report.name] for report in mission.reports] == [
        kept.files[report.name] for report in mission.reports
    ]


def _differences(
    mission: Mission, worker: WorkerProcess, plain: PlainGmat, folder: Path
) -> Iterator[str]:
    """Fly every run of a mission both ways, and say where they differ."""
    folder.mkdir(exist_ok=True)
    script = folder / "mission.script"
    script.write_text(mission.script, encoding="utf-8")
    for number, run in enumerate(mission.runs):
        where = f"seed {mission.seed}, run {number} with {run.overrides}"
        right = plain.run(mission.script, run.overrides)
        assert right.loaded != run.refused, f"{where}: {right.log}"
        assert right.ran == right.loaded, f"{where}: {right.log}"
        run_folder = folder / f"run-{number}"
        got = worker.run(RunSpec(script, run.overrides, run_folder, number, None, {}))
        if run.refused or got.status != "ok":
            if run.refused != (got.status == "failed"):
                cause = (got.stderr or "").strip().splitlines()[-1:]
                yield f"{where}: {got.status} {cause}"
            continue
        for report in mission.reports:
            declared = run.declared(report)
            yield from (
                f"{where}: {report.name}: {difference}"
                for difference in _report_differences(declared, right, got, run_folder)
            )
        if mission.ephemeris and _lines(right.files.get("Eph")) != _lines(
            _content(run_folder, mission.ephemeris)
        ):
            yield f"{where}: another ephemeris"


def _report_differences(
    report: DeclaredReport, right: PlainRun, got: RunOutcome, folder: Path
) -> Iterator[str]:
    content = _content(folder, report.file)
    if content != right.files.get(report.name):
        yield "other bytes" if content is not None else "no file"
        return
    if content is None:
        return
    text = content.decode()
    tables = {
        key: pd.read_parquet(path)
        for key, path in got.output_paths.items()
        if key == f"report__{report.name}" or key.startswith(f"report__{report.name}_")
    }
    if report.is_a_table:
        table = tables.get(f"report__{report.name}")
        if table is None:
            yield "no table"
        else:
            yield from _table_differences(columns_of(text, report), table)
    elif tables and report.width >= report.precision + 7:
        names = {name for listed in (report.columns, *report.commands) for name in listed}
        missing = Counter(numbers_in(text, sorted(names)))
        for table in tables.values():
            missing.subtract(_numbers_of(table))
            _take_off_julian_dates(missing, table)
        if wrong := {value: count for value, count in missing.items() if count > 0}:
            yield f"numbers that are in no table: {wrong}"


def _content(folder: Path, name: str) -> bytes | None:
    """Return what the run wrote under a name, wherever in its folder."""
    found = next(folder.rglob(name), None)
    return None if found is None else found.read_bytes()


def _lines(ephemeris: bytes | None) -> list[bytes]:
    """Split an ephemeris; the line with the time of writing is left out."""
    return [line for line in (ephemeris or b"").splitlines() if b"CREATION_DATE" not in line]


def _numbers_of(table: pd.DataFrame) -> Iterator[float]:
    """Yield the numbers of a table, those in its texts too; epochs are left out."""
    numbers_and_texts = table.select_dtypes(exclude="datetime")
    for label in numbers_and_texts:
        for value in numbers_and_texts[label].dropna():
            yield from numbers_in(value) if isinstance(value, str) else [float(value)]


def _take_off_julian_dates(missing: Counter[float], table: pd.DataFrame) -> None:
    """Take off the numbers that the table has as the moments they mean."""
    for label in table.select_dtypes("datetime"):
        if "ModJulian" not in str(label):
            continue
        for moment in table[label].dropna():
            days = (moment - _FIRST_DAY) / pd.Timedelta(days=1)
            # A moment has nanoseconds, a number 16 digits.
            near = [value for value in missing if abs(value - days) < 1e-9 and missing[value] > 0]
            missing.subtract(near[:1])


def _table_differences(cells: dict[str, list[str]], table: pd.DataFrame) -> Iterator[str]:
    rows = len(next(iter(cells.values())))
    if len(table) != rows:
        yield f"{len(table)} rows for {rows}"
        return
    if absent := [name for name in cells if name not in table.columns]:
        yield f"no columns {absent} in {list(table.columns)}"
        return
    for name, texts in cells.items():
        if all(map(_NUMBER.fullmatch, texts)) and " " not in texts[0]:
            values = [float(text) for text in texts]
            # A modified Julian date may be read as the moment it means.
            if table[name].dtype.kind != "M" and table[name].tolist() != values:
                yield f"{name} is {table[name].tolist()}, not {values}"
        elif "Gregorian" in name:
            moments = pd.to_datetime(pd.Series(texts), format="%d %b %Y %H:%M:%S.%f")
            if table[name].tolist() != moments.tolist():
                yield f"{name} is {table[name].tolist()}, not {texts}"
        elif table[name].astype(str).tolist() != texts:
            yield f"{name} is {table[name].tolist()}, not {texts}"
