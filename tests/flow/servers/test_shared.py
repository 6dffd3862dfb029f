"""Sweeps that start at the same time share a server, and one that was killed is replaced."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import prefect
import psutil
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import Running

from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.flow import last_words
from gmat_sweep.flow import server as servers
from gmat_sweep.flow.servers import shared
from gmat_sweep.flow.servers.place import ServerPlace, is_locked, locked_alone
from gmat_sweep.flow.servers.record import PROTOCOL, ServerRecord
from gmat_sweep.flow.servers.shared import IDLE_VARIABLE, SharedServer, end_server, stay_s


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("", 1800), ("0", 0), ("90", 90), ("1.5min", 90), (" 30 min ", 1800), ("2h", 7200)],
)
def test_the_time_that_a_server_stays_has_a_unit(
    given: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, given)

    assert stay_s() == seconds


@pytest.mark.parametrize("given", ["soon", "-1", "1e3", "10 minutes", "nan"])
def test_a_time_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(IDLE_VARIABLE, given)

    with pytest.raises(SweepConfigError, match=f"{IDLE_VARIABLE}={given} is no duration"):
        stay_s()


def test_a_server_that_ended_as_it_started_is_told_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys; print('the disk is full'); sys.exit(1)"
    monkeypatch.setattr(shared, "server_command", lambda _: [sys.executable, "-c", program])
    server = SharedServer(ServerPlace(tmp_path, "server"), 60.0)

    with pytest.raises(BackendError, match=r"did not start.*\nthe disk is full"):
        server.wait()
    assert not is_locked(server.place.lock)


def test_a_server_that_does_not_answer_is_named_with_what_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_START_TIMEOUT_S", 0.1)
    place = ServerPlace(tmp_path, "server")
    with locked_alone(place.lock):
        place.lock.write_text('{"pid": 7}')

        with pytest.raises(BackendError, match=r"\(process 7\) does not answer.*ui --stop"):
            SharedServer(place, 60.0).wait()


def test_an_old_record_is_no_server(tmp_path: Path) -> None:
    place = ServerPlace(tmp_path, "server")
    ServerRecord("http://127.0.0.1:9", 1, "", "3.9.1", PROTOCOL, "gmat-sweep:x").write(place.record)

    assert not end_server(place)
    assert not place.record.exists()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[ServerPlace]:
    """The place of a server on the tests' database."""
    yield ServerPlace(tmp_path, "server")
    end_server(ServerPlace(tmp_path, "server"))


def wait_for_the_end(place: ServerPlace, seconds: float = 20) -> None:
    """Wait until the server at a place has ended."""
    deadline = time.monotonic() + seconds
    while is_locked(place.lock):
        assert time.monotonic() < deadline, "the server has not ended"
        time.sleep(0.05)


def has_ended(pid: int) -> bool:
    """Whether a process has ended; in a container, nobody may have asked how."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.services
def test_two_that_start_at_once_share_one_server_which_ends_after_both(place: ServerPlace) -> None:
    both = [SharedServer(place, 1.0) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        for each in threads.map(SharedServer.start, both):
            assert each is None
        contexts = [each.held() for each in both]
        first, second = threads.map(lambda context: context.__enter__(), contexts)

    assert first == second
    assert ServerRecord.read(place.record) == first
    time.sleep(1.5)
    contexts[0].__exit__(None, None, None)
    time.sleep(2.0)
    assert not any(each.is_gone() for each in both)
    contexts[1].__exit__(None, None, None)
    wait_for_the_end(place)

    assert all(each.is_gone() for each in both)
    assert has_ended(first.pid)
    assert not place.record.exists()


@pytest.mark.services
def test_a_killed_server_and_an_older_one_are_replaced_unless_in_use(
    place: ServerPlace, caplog: pytest.LogCaptureFixture
) -> None:
    first = SharedServer(place, 60.0)
    killed = first.wait()
    os.kill(killed.pid, signal.SIGKILL)
    wait_for_the_end(place)
    assert first.is_gone()
    assert ServerRecord.read(place.record) == killed

    other = SharedServer(place, 60.0)
    replaced = other.wait()
    assert replaced.pid != killed.pid
    assert replaced.auth != killed.auth
    assert SharedServer(place, 60.0).wait() == replaced

    with other.held(), caplog.at_level(logging.WARNING):
        dataclasses.replace(replaced, prefect="3.0.0").write(place.record)
        in_use = SharedServer(place, 60.0)
        assert in_use.wait().pid == replaced.pid
        assert in_use.wait().pid == replaced.pid
    said = [each.getMessage() for each in caplog.records]
    assert len(said) == 1
    assert f"is of Prefect 3.0.0, older than {shared_version()} here" in said[0]
    newer = SharedServer(place, 60.0).wait()
    assert newer.pid != replaced.pid
    assert newer.prefect == shared_version()

    dataclasses.replace(newer, prefect="99.0").write(place.record)
    assert SharedServer(place, 60.0).wait().pid == newer.pid
    assert end_server(place)
    assert has_ended(newer.pid)


def shared_version() -> str:
    """Return the version of Prefect here."""
    return str(prefect.__version__)


@flow(name="killed")
def killed_flow() -> None:
    """Do nothing."""


@pytest.mark.services
def test_a_flow_that_was_killed_is_told_to_a_server_that_stays(
    place: ServerPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reaper's last words have the key from the record."""
    monkeypatch.setattr(servers, "place_of_settings", lambda: place)
    monkeypatch.setattr(servers, "_servers", {})
    monkeypatch.setenv(IDLE_VARIABLE, "1min")
    with servers.recorded_on() as api_url, get_client(sync_client=True) as client:
        assert servers.lasting_api_url() == api_url
        assert not servers.keeps_events()
        flow_run = client.create_flow_run(killed_flow, state=Running())
        record = servers.record_file()
        assert record == place.record
        said = [api_url, json.dumps({str(flow_run.id): ""}), str(record)]
        subprocess.run([sys.executable, "-m", last_words.__name__, *said], check=True, timeout=120)
        state = client.read_flow_run(flow_run.id).state

    assert state is not None
    assert state.name == "Interrupted"
