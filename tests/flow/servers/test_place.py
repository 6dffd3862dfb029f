"""The files of the local server are for its user alone, and its locks say what is true."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL, PREFECT_HOME, temporary_settings

from gmat_sweep.errors import BackendError
from gmat_sweep.flow.servers.place import ServerPlace, is_locked, locked_alone, place_of_settings


def test_each_database_has_a_place_of_its_own_that_others_cannot_read(tmp_path: Path) -> None:
    open_to_all = tmp_path / "home" / "gmat-sweep"
    open_to_all.mkdir(parents=True, mode=0o755)
    places = set()
    for name in ("one", "one", "two"):
        settings = {
            PREFECT_HOME: tmp_path / "home",
            PREFECT_API_DATABASE_CONNECTION_URL: f"postgresql+asyncpg://host/{name}",
        }
        with temporary_settings(settings):
            places.add(place_of_settings())

    assert len(places) == 2
    assert {place.folder for place in places} == {open_to_all}
    assert stat.S_IMODE(open_to_all.stat().st_mode) == 0o700


def test_a_database_that_is_named_from_the_current_folder_is_that_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "sqlite+aiosqlite:///x.db"
    names = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        for database in (url, f"sqlite+aiosqlite:///{tmp_path}/{folder}/x.db"):
            settings = {PREFECT_HOME: tmp_path, PREFECT_API_DATABASE_CONNECTION_URL: database}
            with temporary_settings(settings):
                names.append(place_of_settings().name)

    assert names[0] == names[1] != names[2] == names[3]


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "gmat-sweep").symlink_to(tmp_path / "elsewhere")
    database = f"sqlite+aiosqlite:///{tmp_path}/prefect.db"
    settings = {PREFECT_HOME: tmp_path, PREFECT_API_DATABASE_CONNECTION_URL: database}

    with temporary_settings(settings), pytest.raises(BackendError, match="cannot be written to"):
        place_of_settings()


def test_a_full_disk_is_named_before_a_server_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Path("/dev/full").open("wb"))  # noqa: SIM115 - as its model
    database = f"sqlite+aiosqlite:///{tmp_path}/prefect.db"
    settings = {PREFECT_HOME: tmp_path, PREFECT_API_DATABASE_CONNECTION_URL: database}

    with (
        temporary_settings(settings),
        pytest.raises(BackendError, match=f"PREFECT_HOME={tmp_path} cannot .*: No space left"),
    ):
        place_of_settings()


def test_a_process_id_counts_only_while_the_lock_is_held(tmp_path: Path) -> None:
    place = ServerPlace(tmp_path, "server")
    assert place.process_id() is None
    assert not is_locked(place.lock)
    with locked_alone(place.lock) as lock:
        assert lock is not None
        assert place.process_id() is None
        place.lock.write_text('{"pid": 7}')

        assert place.process_id() == 7
        assert is_locked(place.lock)
        with locked_alone(place.lock, patience_s=0.02) as other:
            assert other is None
    assert place.process_id() is None
