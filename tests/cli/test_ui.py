"""``gmat-sweep ui``: the link that opens the pages, and the end of the local server."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from prefect.settings import (
    PREFECT_API_DATABASE_CONNECTION_URL,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_UI_URL,
    temporary_settings,
)

from gmat_sweep.cli import EXIT_BACKEND, EXIT_OK, main
from gmat_sweep.cli import ui as command
from gmat_sweep.flow import server
from gmat_sweep.flow.server import shared_server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser is sent to."""
    addresses: list[str] = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


def test_the_link_is_printed_and_a_browser_gets_it_from_a_file_of_the_user_alone(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    link = shared_server().record.link()
    monkeypatch.setattr(server, "local_server_lasts", lambda: True)
    monkeypatch.setenv("DISPLAY", ":0")

    assert main(["ui", "--no-browser"]) == EXIT_OK
    assert opened == []
    assert main(["ui"]) == EXIT_OK

    assert capsys.readouterr().out == f"{link}\n" * 2
    (address,) = opened
    page = Path(unquote(urlsplit(address).path))
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert f'content="0; url={link}"' in page.read_text()


def test_without_a_screen_no_browser_is_opened_in_the_terminal(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    command._browse("http://127.0.0.1:1")

    assert opened == []


def test_a_server_that_is_configured_is_opened_as_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {PREFECT_API_URL: "http://host:7/api", PREFECT_UI_URL: "http://host:7"}
    with temporary_settings(settings):
        assert main(["ui", "--no-browser"]) == EXIT_OK

    assert capsys.readouterr().out == "http://host:7\n"


def test_a_server_that_records_a_sweep_is_not_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """The tests use theirs from the first sweep to their end."""
    pid = shared_server().record.pid

    assert main(["ui", "--stop"]) == EXIT_BACKEND
    said = capsys.readouterr().err
    assert f"(process {pid}) records a sweep that is under way" in said
    assert shared_server().record.pid == pid


def test_without_a_server_there_is_nothing_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {
        PREFECT_HOME: tmp_path,
        PREFECT_API_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{tmp_path}/prefect.db",
    }
    with temporary_settings(settings):
        assert main(["ui", "--stop"]) == EXIT_OK

    assert capsys.readouterr().err == "gmat-sweep: no local Prefect server runs\n"
