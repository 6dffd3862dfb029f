"""A server that cannot record a sweep is said before the sweep's folder is begun."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_HOME,
    temporary_settings,
)

from gmat_sweep import sweep
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.errors import BackendError
from gmat_sweep.flow import server


class NoServer:
    """Stands for a server that must not be started."""

    def __init__(self) -> NoReturn:
        raise AssertionError("the server was started")


def test_a_home_that_cannot_be_written_to_is_named_and_leaves_nothing(
    leo_short: Path, pool: LocalJoblibPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_server", None)
    monkeypatch.setattr(server, "LocalServer", NoServer)
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_server", None)
    monkeypatch.setattr(server, "LocalServer", NoServer)
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

    monkeypatch.setattr(server.LocalServer, "wait", refuse)

    with pytest.raises(BackendError, match="did not start"):
        sweep(leo_short, grid={"Sat.SMA": [7000]}, out=out, backend=pool)

    assert not out.exists()
