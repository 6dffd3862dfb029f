"""Whole, sealed lines with values that nobody would write: told in words, wherever they stand."""

from __future__ import annotations

import copy
import hashlib
import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep import Manifest, Sweep
from gmat_sweep.backends.process_pool import ProcessPoolExecutorPool
from gmat_sweep.cli import EXIT_DAMAGED, main
from gmat_sweep.disk.owner import origin
from gmat_sweep.doctor import check_sweep
from gmat_sweep.errors import GmatSweepError
from gmat_sweep.folder.layout import SEAL_NAME
from gmat_sweep.manifest.lines import line_of
from gmat_sweep.mission.script import script_digest
from gmat_sweep.sweep.resuming import runs_to_repeat
from manifests import entry, header
from repository import DATA

SHORT = DATA / "leo_short.script"
POOL = ProcessPoolExecutorPool(max_workers=1)
SEED = 15
ABSENT: Any = object()
WRONG: list[Any] = [
    None, True, 0, -1, 10**30, 10**4000, 1.5, float("nan"), float("inf"), "", "x", "a\0b", "\ud800",
    "/", "..", "a" * 5000, "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00",
    [], [1], ["x"], [[]], [{}], {}, {"a": 1}, {"a": None}, {"a": "x"}, {"a": {"b": 1}}, ABSENT,
]  # fmt: skip
CONTENT = b"there"
SPECS: dict[str, dict[str, Any]] = {
    "grid": {"_kind": "grid", "Sat.SMA": [7000.0, 7001.0]},
    "monte_carlo": {
        "_kind": "monte_carlo", "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "n": 2, "seed": 1
    },
    "scipy's": {
        "_kind": "monte_carlo", "n": 2, "seed": 1,
        "perturb": {"Sat.SMA": {"name": "norm", "args": [7000], "kwds": {"scale": 1}}},
    },
    "latin_hypercube": {
        "_kind": "latin_hypercube", "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "n": 2, "seed": 1
    },
    "explicit": {"_kind": "explicit", "columns": ["Sat.SMA"], "rows": [[7000.0], [7001.0]]},
}  # fmt: skip


def records(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Return a header, an entry and a seal with every key that this package knows."""
    plain = header(script_sha256=script_digest(SHORT))
    facts = plain._header(folder) | {
        "parameter_spec": SPECS[kind],
        "mission": SHORT.name,
        "mission_path": str(SHORT),
        "mission_files": {},
        "created_by": origin(),
        "contexts": {"0": {}},
        "end_state_report": "R",
        "output_dir": None,
        "sweep_seed": 1,
        "unconverged": "ok",
    }
    if kind == "explicit":
        run = {"run_id": 0, "overrides": [["Sat.SMA", 7000.0]], "output_dir": "run-0", "seed": None}
        facts["explicit_runs"] = [{**run, "run_options": {}, "postprocess": None, "context": {}}]
    recorded = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    flown = entry(
        0,
        output_paths={},
        extra_outputs={"note": Path("run-0/note.txt")},
        files={"run-0/note.txt": recorded},
        context={"a": 1},
        converged={"DC": True},
        run_options={"overwrite": True},
        attempts=[{"cause": "c", "started_at": "t"}],
        host="h",
        seed=3,
        postprocess="a:b",
        output_dir="run-0",
        log_path=Path("run-0/worker.log"),
        extra={"notes": ["n"], "planned_run_count": 2, "other": 1},
    ).to_dict()
    sealed = {
        **flown,
        "run_id": 1,
        "extra_outputs": {"note": "note.txt"},
        "files": {"note.txt": recorded},
    }
    seal = {"entry": sealed, "script_sha256": facts["script_sha256"]}
    return {"header": facts, "entry": flown, "seal": seal}


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each value inside of a record."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for step, member in members:
        yield (*place, step)
        if isinstance(member, dict | list):
            yield from places(member, (*place, step))


def changed(record: dict[str, Any], place: tuple[Any, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(record)
    inner: Any = whole
    for step in place[:-1]:
        inner = inner[step]
    if value is ABSENT:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return whole


def write(folder: Path, parts: dict[str, dict[str, Any]]) -> None:
    lines = line_of(parts["header"], 0) + line_of(parts["entry"], 1)
    (folder / "manifest.jsonl").write_bytes(lines)
    (folder / "run-1" / SEAL_NAME).write_bytes(line_of(parts["seal"], 0))


def refusal(action: Callable[[], object]) -> str:
    """Return the message of one of this package's errors; any other is raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            action()
    except GmatSweepError as error:
        return str(error)
    return ""


def resume(path: Path) -> None:
    """Do what a resume does before it starts anything."""
    sweep = Sweep.from_manifest(path, SHORT, backend=POOL, progress=False)
    runs_to_repeat(Manifest.load(path), sweep.runs, sweep.output_dir)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for run in ("run-0", "run-1"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "note.txt").write_bytes(CONTENT)
    return tmp_path


@pytest.mark.promise("folders from somebody else", "a wrong value in every field of every line")
@pytest.mark.parametrize("kind", SPECS)
def test_a_wrong_value_anywhere_is_told_with_its_line_and_key(
    kind: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(SEED)
    path = folder / "manifest.jsonl"
    sound = records(folder, kind)
    write(folder, sound)
    assert check_sweep(folder).is_healthy
    told = 0
    for part, line in (("header", 1), ("entry", 2), ("seal", 0)):
        for place in places(sound[part]):
            # What all plans have in common is tried with one of them.
            if kind != "grid" and place[0] not in {"parameter_spec", "explicit_runs", "overrides"}:
                continue
            for value in chance.sample(WRONG, 1 if part == "seal" else 2):
                write(folder, {**sound, part: changed(sound[part], place, value)})
                case = f"{part} {place}: {value!r:.40}"

                said = refusal(lambda: Manifest.load(path))
                health = check_sweep(folder)
                refusal(lambda: resume(path))
                main(["show", str(path), "--detail"])
                main(["show", str(path), "--run", "0"])

                capsys.readouterr()
                if said:
                    told += 1
                    assert line, case
                    assert f"line {line}" in said, case
                    assert str(place[0]) in said, case
                    assert not health.is_healthy, case
                    assert any(
                        f"line {line}" in each.text and str(place[0]) in each.text
                        for each in health.damage
                    ), case
    assert told or kind != "grid"


ODD: dict[str, tuple[str, str, Any, str]] = {
    "a mission": ("header", "mission", 5, "line 1: mission must be str, not int 5"),
    "files of the mission": (
        "header", "mission_files", {"a": 1}, "line 1: mission_files must hold str values, not 1",
    ),
    "a writer": ("header", "created_by", "me", "line 1: created_by must be dict, not str 'me'"),
    "notes": ("entry", "notes", [1], "line 2: notes must hold str values, not 1"),
    "an extension": (
        "entry", "planned_run_count", "9", "line 2: planned_run_count must be int, not str '9'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_readers_pass_over_is_told_too(name: str, folder: Path) -> None:
    part, key, value, said = ODD[name]
    sound = records(folder, "grid")
    write(folder, {**sound, part: sound[part] | {key: value}})

    health = check_sweep(folder)

    assert health.is_healthy
    assert said in str(health)


FACTS: dict[str, tuple[str, Any, str]] = {
    "a size": ("files", {"run-0/note.txt": {"sha256": "0"}}, "files must hold the size and the"),
    "a hash": ("files", {"run-0/note.txt": {"size": 1, "sha256": 0}}, "files must hold the size"),
    "a duration": (
        "duration_s",
        10**4000,
        "duration_s must be a number of seconds, not about 1e4000",
    ),
}


@pytest.mark.parametrize("name", FACTS)
def test_an_entry_without_sense_is_damage(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, value, said = FACTS[name]
    sound = records(folder, "grid")
    write(folder, {**sound, "entry": sound["entry"] | {key: value}})

    assert main(["doctor", str(folder)]) == EXIT_DAMAGED
    told = capsys.readouterr().out
    assert f"line 2: {said}" in told
    assert len(told) < 3000


def test_a_time_without_a_zone_is_one_of_utc(folder: Path) -> None:
    """So it can be compared with that of a seal."""
    sound = records(folder, "grid")
    sealed = sound["seal"]["entry"] | {"run_id": 0, "ended_at": "2030-01-01T00:00:00"}
    write(folder, {**sound, "seal": {**sound["seal"], "entry": sealed}})

    assert check_sweep(folder).is_healthy
    (found,) = Manifest.load(folder / "manifest.jsonl").entries
    assert found.ended_at.tzinfo is not None
