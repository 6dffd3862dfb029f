"""The record of the local server: for its user alone, whole or not there."""

from __future__ import annotations

import dataclasses
import json
import stat
from pathlib import Path

import pytest

from gmat_sweep.flow.servers.record import PROTOCOL, ServerRecord

RECORD = ServerRecord(
    url="http://127.0.0.1:4300",
    pid=7,
    started="2026-01-01T00:00:00+00:00",
    prefect="3.9.1",
    protocol=PROTOCOL,
    auth="gmat-sweep:key",
)


def test_what_is_written_is_read_by_its_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "server.json"
    file.write_text("an old one")
    RECORD.write(file)

    assert ServerRecord.read(file) == RECORD
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "text", ["", "{}", "[1]", json.dumps(dataclasses.asdict(RECORD) | {"more": 1})]
)
def test_what_is_no_record_of_this_version_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text(text)

    assert ServerRecord.read(tmp_path / "server.json") is None


def test_a_link_and_a_missing_file_are_no_record(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "elsewhere.json")
    (tmp_path / "server.json").symlink_to(tmp_path / "elsewhere.json")

    assert ServerRecord.read(tmp_path / "server.json") is None
    assert ServerRecord.read(tmp_path / "none.json") is None


def test_a_link_holds_the_key_where_browsers_send_it_to_nobody() -> None:
    assert RECORD.link("runs/x") == "http://127.0.0.1:4300/gmat-sweep#key/runs/x"
    assert RECORD.api_url == "http://127.0.0.1:4300/api"
    # printf gmat-sweep:key | base64
    assert RECORD.authorization == "Basic Z21hdC1zd2VlcDprZXk="
    assert "key" not in repr(RECORD)
