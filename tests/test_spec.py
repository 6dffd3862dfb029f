"""The records that travel between processes as JSON."""

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.spec import (
    PostprocessStatus,
    RunOutcome,
    RunSpec,
    RunStatus,
    SweepSpec,
    checked_choice,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(st.text(), json_values, max_size=3)
paths = st.builds(Path, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
path_maps = st.dictionaries(st.text(), paths, max_size=3)
moments = st.datetimes(timezones=st.just(UTC))

run_specs = st.builds(
    RunSpec,
    script_path=paths,
    overrides=mappings,
    output_dir=paths,
    run_id=st.integers(0),
    seed=st.none() | st.integers(0),
    run_options=mappings,
    postprocess=st.none() | st.text(),
    context=mappings,
    unconverged=st.sampled_from(["ok", "failed"]),
)
sweep_specs = st.builds(
    SweepSpec,
    mission_script_path=paths,
    runs=st.lists(run_specs, max_size=2).map(tuple),
    backend=st.text(),
    backend_kwargs=mappings,
    output_dir=paths,
    manifest_path=paths,
    sweep_seed=st.none() | st.integers(0),
)
outcomes = st.builds(
    RunOutcome,
    run_id=st.integers(0),
    status=st.sampled_from(["ok", "failed", "skipped"]),
    output_paths=path_maps,
    extra_outputs=path_maps,
    solver_paths=path_maps,
    converged=st.dictionaries(st.text(), st.booleans(), max_size=3),
    postprocess_status=st.sampled_from(["none", "ok", "failed"]),
    duration_s=st.floats(),
    stderr=st.none() | st.text(),
    started_at=moments,
    ended_at=moments,
    notes=st.lists(st.text(), max_size=2).map(tuple),
)

STARTED = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDED = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)


def as_json(record: RunSpec | SweepSpec | RunOutcome) -> str:
    """Return the record's JSON text, by which NaN equals NaN."""
    return json.dumps(record.to_dict(), sort_keys=True)


def run_record(**changes: Any) -> dict[str, Any]:
    record = {
        "script_path": "a.script",
        "overrides": {"Sat.SMA": 7000.0},
        "output_dir": "out/run-3",
        "run_id": 3,
        "seed": 42,
        "run_options": {},
        "postprocess": None,
        "context": {},
    }
    return {**record, **changes}


def outcome_record(**changes: Any) -> dict[str, Any]:
    outcome = RunOutcome.ok(
        run_id=3,
        output_paths={"report__R": Path("r.parquet")},
        started_at=STARTED,
        ended_at=ENDED,
        duration_s=1.5,
    )
    return {**outcome.to_dict(), **changes}


# --- round trips


@settings(max_examples=60, deadline=None)
@given(run_specs)
def test_a_run_spec_survives_json(spec: RunSpec) -> None:
    copy = RunSpec.from_dict(json.loads(as_json(spec)))

    assert as_json(spec) == as_json(copy)


@settings(max_examples=40, deadline=None)
@given(sweep_specs)
def test_a_sweep_spec_survives_json(spec: SweepSpec) -> None:
    copy = SweepSpec.from_dict(json.loads(as_json(spec)))

    assert as_json(spec) == as_json(copy)
    assert isinstance(copy.runs, tuple)


@settings(max_examples=60, deadline=None)
@given(outcomes)
def test_a_run_outcome_survives_json(outcome: RunOutcome) -> None:
    copy = RunOutcome.from_dict(json.loads(as_json(outcome)))

    assert as_json(outcome) == as_json(copy)
    assert (outcome.started_at, outcome.ended_at) == (copy.started_at, copy.ended_at)


def test_nan_infinity_and_unicode_in_overrides_survive_json() -> None:
    overrides = {
        "a": float("nan"),
        "b": float("inf"),
        "c": float("-inf"),
        "é\u2028": "日本 \U0001f6f0",
    }
    spec = RunSpec.from_dict(run_record(overrides=overrides))

    copy = RunSpec.from_dict(json.loads(as_json(spec)))

    assert repr(copy.overrides) == repr(overrides)


# --- RunSpec


def test_a_run_specs_record_has_paths_as_text() -> None:
    spec = RunSpec(Path("a.script"), {"Sat.SMA": 7000.0}, Path("out/run-3"), 3, 42, {})

    assert spec.to_dict() == run_record()


def test_a_record_refers_to_the_specs_own_mappings() -> None:
    spec = RunSpec.from_dict(run_record())

    assert spec.to_dict()["overrides"] is spec.overrides


def test_a_run_spec_is_rebuilt_with_paths() -> None:
    spec = RunSpec.from_dict(run_record(postprocess="pkg.mod:hook", context={"k": [1]}))

    assert spec == RunSpec(
        script_path=Path("a.script"),
        overrides={"Sat.SMA": 7000.0},
        output_dir=Path("out/run-3"),
        run_id=3,
        seed=42,
        run_options={},
        postprocess="pkg.mod:hook",
        context={"k": [1]},
    )


def test_postprocess_and_context_may_be_absent() -> None:
    record = run_record()
    del record["postprocess"], record["context"]

    spec = RunSpec.from_dict(record)

    assert (spec.postprocess, spec.context) == (None, {})


@pytest.mark.parametrize(
    "key", ["script_path", "overrides", "output_dir", "run_id", "seed", "run_options"]
)
def test_any_other_key_of_a_run_spec_is_required(key: str) -> None:
    record = run_record()
    del record[key]

    with pytest.raises(KeyError, match=key):
        RunSpec.from_dict(record)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("script_path", 3, "a string"),
        ("script_path", None, "a string"),
        ("output_dir", ["out"], "a string"),
        ("overrides", [["a", 1]], "an object"),
        ("overrides", None, "an object"),
        ("run_options", "x", "an object"),
        ("context", None, "an object"),
        ("run_id", "3", "an integer"),
        ("run_id", 3.0, "an integer"),
        ("run_id", True, "an integer"),
        ("run_id", None, "an integer"),
        ("seed", 1.5, "an integer or null"),
        ("seed", False, "an integer or null"),
        ("postprocess", 3, "a string or null"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_the_name_of_its_field(
    key: str, value: Any, expected: str
) -> None:
    with pytest.raises(ValueError, match=f"^{key} must be {expected}, got ") as raised:
        RunSpec.from_dict(run_record(**{key: value}))

    assert repr(value) in str(raised.value)


def test_each_run_spec_has_a_context_of_its_own() -> None:
    first = RunSpec(Path("a"), {}, Path("o"), 0, None, {})
    second = RunSpec(Path("a"), {}, Path("o"), 1, None, {})

    first.context["k"] = 1

    assert second.context == {}


@pytest.mark.parametrize("record", [RunSpec, SweepSpec, RunOutcome])
def test_records_are_frozen_and_have_slots(record: Any) -> None:
    instance = record(
        *[None] * sum(f.default is dataclasses.MISSING for f in dataclasses.fields(record))
    )

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(instance, dataclasses.fields(record)[0].name, 1)
    assert not hasattr(instance, "__dict__")


# --- SweepSpec


def test_a_sweep_specs_record_has_its_runs_as_a_list() -> None:
    run = RunSpec.from_dict(run_record())
    sweep = SweepSpec(Path("a.script"), (run,), "dask", {"n": 1}, Path("out"), Path("out/m"), 42)

    assert sweep.to_dict() == {
        "mission_script_path": "a.script",
        "runs": [run_record()],
        "backend": "dask",
        "backend_kwargs": {"n": 1},
        "output_dir": "out",
        "manifest_path": "out/m",
        "sweep_seed": 42,
    }
    assert SweepSpec.from_dict(sweep.to_dict()) == sweep


# --- RunOutcome


def test_an_ok_outcome_has_no_stderr_and_empty_maps_unless_given() -> None:
    outcome = RunOutcome.ok(
        run_id=3,
        output_paths={"report__R": Path("r.parquet")},
        started_at=STARTED,
        ended_at=ENDED,
        duration_s=1.5,
    )

    assert outcome == RunOutcome(
        run_id=3,
        status="ok",
        output_paths={"report__R": Path("r.parquet")},
        extra_outputs={},
        solver_paths={},
        converged={},
        postprocess_status="none",
        duration_s=1.5,
        stderr=None,
        started_at=STARTED,
        ended_at=ENDED,
    )


def test_an_ok_outcome_keeps_what_it_is_given() -> None:
    outcome = RunOutcome.ok(
        run_id=3,
        output_paths={},
        started_at=STARTED,
        ended_at=ENDED,
        duration_s=1.5,
        extra_outputs={"apsis": Path("x.parquet")},
        solver_paths={"DC": Path("dc.parquet")},
        converged={"DC": True},
        postprocess_status="failed",
    )

    assert outcome.extra_outputs == {"apsis": Path("x.parquet")}
    assert outcome.solver_paths == {"DC": Path("dc.parquet")}
    assert outcome.converged == {"DC": True}
    assert outcome.postprocess_status == "failed"


def test_a_failed_outcome_has_its_cause_and_empty_maps() -> None:
    outcome = RunOutcome.failed(
        run_id=3, stderr="Traceback", started_at=STARTED, ended_at=ENDED, duration_s=1.5
    )

    assert (outcome.status, outcome.stderr) == ("failed", "Traceback")
    assert outcome.postprocess_status == "none"
    maps = (outcome.output_paths, outcome.extra_outputs, outcome.solver_paths, outcome.converged)
    assert maps == ({}, {}, {}, {})


def test_a_duration_that_is_left_out_is_the_time_between_beginning_and_end() -> None:
    fine = RunOutcome.ok(run_id=3, output_paths={}, started_at=STARTED, ended_at=ENDED)
    failed = RunOutcome.failed(run_id=3, stderr=None, started_at=STARTED, ended_at=ENDED)

    assert fine.duration_s == failed.duration_s == (ENDED - STARTED).total_seconds() > 0


def test_the_duration_is_the_callers_and_not_the_difference_of_the_clock() -> None:
    assert RunOutcome.from_dict(outcome_record()).duration_s == 1.5


def test_an_outcomes_record_has_paths_as_text_and_times_in_iso_8601() -> None:
    record = outcome_record()

    assert record["output_paths"] == {"report__R": "r.parquet"}
    assert record["started_at"] == "2026-01-01T12:00:00+00:00"
    assert record["ended_at"] == "2026-01-01T12:05:00+00:00"


def test_notes_are_in_the_record_only_if_there_are_some() -> None:
    assert "notes" not in outcome_record()
    assert RunOutcome.from_dict(outcome_record(notes=["said"])).notes == ("said",)


def test_what_older_manifests_lack_is_optional() -> None:
    record = outcome_record()
    for key in ("extra_outputs", "solver_paths", "converged", "postprocess_status"):
        del record[key]

    assert RunOutcome.from_dict(record) == RunOutcome.from_dict(outcome_record())


@pytest.mark.parametrize(
    ("key", "choices"),
    [("status", "ok, failed, skipped"), ("postprocess_status", "none, ok, failed")],
)
def test_an_unknown_status_is_refused_with_the_known_ones(key: str, choices: str) -> None:
    with pytest.raises(ValueError, match=f"^{key} must be one of {choices}, got 'banana'"):
        RunOutcome.from_dict(outcome_record(**{key: "banana"}))


@pytest.mark.parametrize("choices", [RunStatus, PostprocessStatus])
def test_every_known_status_is_accepted(choices: Any) -> None:
    assert [checked_choice("status", value, choices) for value in get_args(choices)] == list(
        get_args(choices)
    )
