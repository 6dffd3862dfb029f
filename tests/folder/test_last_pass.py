"""How the last pass over a sweep ended: kept as it was told, and never in the way."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.folder.last_pass import LAST_PASS_NAME, LastPass, now

PASS = LastPass(
    action="run",
    state="interrupted",
    reason="interrupted from the keyboard",
    flow_run="0b5e",
    host="node-7",
    process=4711,
    at="2026-11-21T03:10:00+00:00",
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def read_back(content: bytes) -> LastPass | None:
    """Return what is understood of a file with this content."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / LAST_PASS_NAME).write_bytes(content)
        return LastPass.of(Path(folder))


@given(
    action=st.sampled_from(["run", "resume", "extend"]),
    state=st.sampled_from(["running", "finished", "interrupted"]),
    texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]))] * 3),
    process=st.integers(1),
)
def test_what_is_written_is_read_back(
    action: str, state: Any, texts: tuple[str, str, str], process: int
) -> None:
    reason, flow_run, host = texts
    written = LastPass(
        action=action,
        state=state,
        reason=reason,
        flow_run=flow_run,
        host=host,
        process=process,
        at=now(),
    )
    with tempfile.TemporaryDirectory() as folder:
        written.write(Path(folder))

        assert LastPass.of(Path(folder)) == written


@given(st.binary() | _JSON.map(lambda value: json.dumps(value).encode()))
def test_of_whatever_else_is_in_the_file_nothing_is_understood(content: bytes) -> None:
    assert read_back(content) is None


@given(
    changed=st.sampled_from([field.name for field in dataclasses.fields(LastPass)]),
    value=_JSON.filter(lambda value: not isinstance(value, str | int) or isinstance(value, bool)),
)
def test_a_value_of_another_type_is_not_understood(changed: str, value: object) -> None:
    content = json.dumps(dataclasses.asdict(PASS) | {changed: value}).encode()

    assert read_back(content) is None


@pytest.mark.parametrize(
    "kept",
    [
        dataclasses.asdict(PASS) | {"state": "asleep"},
        dataclasses.asdict(PASS) | {"at": "yesterday"},
        dataclasses.asdict(PASS) | {"at": "2026-11-21T03:10:00"},
        dataclasses.asdict(PASS) | {"of_a_later_version": 1},
        {"state": "running"},
    ],
    ids=["state", "time", "timezone", "key", "missing"],
)
def test_what_says_something_else_is_not_understood(kept: dict[str, Any]) -> None:
    assert read_back(json.dumps(dataclasses.asdict(PASS)).encode()) == PASS
    assert read_back(json.dumps(kept).encode()) is None


def test_a_file_nested_beyond_all_measure_is_not_understood() -> None:
    assert read_back(b"[" * 100_000) is None


def test_where_there_is_no_file_there_is_no_pass(tmp_path: Path) -> None:
    assert LastPass.of(tmp_path / "nowhere") is None
