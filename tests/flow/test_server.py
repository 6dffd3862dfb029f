"""A server that cannot record a sweep is said before the sweep's folder is begun."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_UI_URL,
    temporary_settings,
)

from gmat_sweep import sweep
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import BackendError
from gmat_sweep.flow import server
from gmat_sweep.flow.servers.place import ServerPlace
from gmat_sweep.flow.servers.record import ServerRecord
from gmat_sweep.flow.servers.shared import SharedServer


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the server of the tests, and let none be started."""

    def start(_: object) -> NoReturn:
        raise AssertionError("the server was started")

    monkeypatch.setattr(server, "_servers", {})
    monkeypatch.setattr(SharedServer, "start", start)


def test_a_home_that_cannot_be_written_to_is_named_and_leaves_nothing(
    no_server: None, leo_short: Path, pool: LocalJoblibPool, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    settings = {
        PREFECT_HOME: home,
        PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{home}/prefect.db",
    }

    with (
        temporary_settings(settings),
        pytest.raises(BackendError, match=f"PREFECT_HOME={home} cannot be written to: Not a dir"),
    ):
        sweep(leo_short, grid={"Sat.SMA": [7000]}, out=tmp_path / "sweep", backend=pool)

    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_home_is_not_needed_where_the_database_is_elsewhere(
    no_server: None, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = {
        PREFECT_HOME: tmp_path / "file" / "home",
        PREFECT_API_DATABASE_CONNECTION_URL: "postgresql+asyncpg://host/prefect",
    }

    with temporary_settings(settings), pytest.raises(AssertionError, match="server was started"):
        server.start_local_server()


def test_a_server_that_does_not_answer_leaves_a_folder_for_the_next_try(
    leo_short: Path, pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sweep"

    def refuse(_: object) -> NoReturn:
        raise BackendError("The local Prefect server did not start.")

    monkeypatch.setattr(SharedServer, "wait", refuse)

    with pytest.raises(BackendError, match="did not start"):
        sweep(leo_short, grid={"Sat.SMA": [7000]}, out=out, backend=pool)

    assert not out.exists()


def test_the_key_is_left_out_of_what_others_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = ServerRecord("http://127.0.0.1:1", 1, "", "", 1, "gmat-sweep:key")
    place = ServerPlace(tmp_path, "server")
    own = SharedServer(place, 60.0)
    monkeypatch.setattr(own, "_record", record)
    monkeypatch.setattr(server, "_servers", {place: own})
    flow_run, log = uuid4(), tmp_path / "log"
    said = {}
    settings = {PREFECT_API_URL: record.api_url, PREFECT_API_AUTH_STRING: record.auth}
    for mode in (0o600, 0o644):
        log.touch()
        log.chmod(mode)
        with log.open("a") as stream, temporary_settings(settings):
            monkeypatch.setattr("sys.stderr", stream)
            said[mode] = server.ui_address(flow_run)

    assert said[0o600] == f"http://127.0.0.1:1/gmat-sweep#key/runs/flow-run/{flow_run}"
    assert said[0o644] == (
        f"http://127.0.0.1:1/runs/flow-run/{flow_run} (`gmat-sweep ui` opens it)"
    )


def test_another_server_has_its_own_address() -> None:
    """One that has taken the port of a local server since is another, too: its key differs."""
    settings = {PREFECT_API_URL: "http://host:7/api", PREFECT_UI_URL: "https://host/pages/"}
    flow_run = uuid4()
    with temporary_settings(settings):
        assert server.ui_address(flow_run) == f"https://host/pages/runs/flow-run/{flow_run}"
        assert server.lasting_api_url() == "http://host:7/api"
        assert server.keeps_events()
        assert server.record_file() is None
        assert not server.server_is_gone()
