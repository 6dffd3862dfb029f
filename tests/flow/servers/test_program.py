"""What the process of the local server does, without Prefect."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.flow.servers import program
from gmat_sweep.flow.servers.program import Site, UseWatch, bound_socket


def test_a_port_that_is_taken_is_left_to_who_has_it() -> None:
    with bound_socket(0) as first:
        taken = first.getsockname()[1]
        with bound_socket(taken) as second:
            host, port = second.getsockname()

            assert port != taken
            assert host == "127.0.0.1"
    with bound_socket(taken) as again:
        assert again.getsockname() == ("127.0.0.1", taken)


def test_a_port_that_is_taken_on_all_addresses_is_left_alone_too() -> None:
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        everywhere.listen()
        with bound_socket(everywhere.getsockname()[1]) as other:
            assert other.getsockname()[1] != everywhere.getsockname()[1]


async def _answer(site: Site, path: str) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    await site({"type": "http", "path": path}, receive, send)
    return sent


def test_the_api_answers_below_its_path_and_the_pages_are_made_once() -> None:
    made = []

    def app(name: str) -> Any:
        async def answer(scope: Any, _: object, send: Any) -> None:
            await send((name, scope["path"]))

        return answer

    def make_pages() -> Any:
        time.sleep(0.05)
        made.append("pages")
        return app("ui")

    async def ask() -> list[Any]:
        site = Site(app("api"), make_pages)
        paths = ("/api", "/api/flows", "/apis", "/", "/gmat-sweepers", "/v2/runs")
        return [each[0] for each in await asyncio.gather(*(_answer(site, path) for path in paths))]

    assert asyncio.run(ask()) == [
        ("api", "/api"),
        ("api", "/api/flows"),
        ("ui", "/apis"),
        ("ui", "/"),
        ("ui", "/gmat-sweepers"),
        ("ui", "/v2/runs"),
    ]
    assert made == ["pages"]


def test_the_entrance_is_a_page_that_no_browser_keeps_or_frames() -> None:
    start, body = asyncio.run(_answer(Site(None, None), "/gmat-sweep/"))  # type: ignore[arg-type]

    headers = dict(start["headers"])
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"location.replace" in body["body"]


class TestUse:
    """When the server ends."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Look more often than a real server."""
        monkeypatch.setattr(program, "_LOOK_S", 0.01)

    @pytest.fixture
    def users(self, tmp_path: Path) -> Path:
        """The file of users; a server stays 0.2 s after the last."""
        (tmp_path / "users").write_text("0.2")
        return tmp_path / "users"

    def ended_after(self, watch: UseWatch, ended: threading.Event) -> float:
        started = time.monotonic()
        threading.Thread(target=watch.watch, daemon=True).start()
        assert ended.wait(10)
        return time.monotonic() - started

    def test_it_ends_so_long_after_its_last_user_and_lets_nobody_in_then(self, users: Path) -> None:
        ended = threading.Event()
        watch = UseWatch(users, ended.set)
        watch.begin()
        with users.open() as user:
            fcntl.flock(user, fcntl.LOCK_SH)
            threading.Timer(0.5, fcntl.flock, (user, fcntl.LOCK_UN)).start()

            assert self.ended_after(watch, ended) >= 0.65
            with pytest.raises(BlockingIOError):
                fcntl.flock(user, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def test_who_asks_for_longer_has_it_stay_longer(self, users: Path) -> None:
        ended = threading.Event()
        watch = UseWatch(users, ended.set)
        watch.begin()
        threading.Timer(0.1, users.write_text, ("0.5",)).start()

        assert self.ended_after(watch, ended) >= 0.55

    @pytest.mark.parametrize("says_so", [False, True])
    def test_it_does_not_stay_after_a_user_that_was_killed_unless_somebody_tells(
        self, says_so: bool, users: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        users.write_text("3")
        monkeypatch.setattr(program, "_AFTER_A_KILL_S", 0.5)
        ended = threading.Event()
        watch = UseWatch(users, ended.set)
        watch.begin()
        with users.open() as user:
            fcntl.flock(user, fcntl.LOCK_SH)
            threading.Timer(0.3, fcntl.flock, (user, fcntl.LOCK_UN)).start()
            if says_so:
                threading.Timer(0.5, os.utime, (users,)).start()

            took = self.ended_after(watch, ended)

        assert (took >= 3) == says_so
        assert took >= 0.75

    def test_before_it_answers_it_waits_for_those_who_will_use_it(self, users: Path) -> None:
        ended = threading.Event()
        watch = UseWatch(users, ended.set)
        threading.Timer(0.4, watch.begin).start()

        assert self.ended_after(watch, ended) >= 0.55

    @pytest.mark.parametrize("text", ["0", "", "-1"])
    def test_one_that_is_not_to_stay_ends_at_once_without_users_even_as_it_starts(
        self, text: str, users: Path
    ) -> None:
        users.write_text(text)
        ended = threading.Event()

        assert self.ended_after(UseWatch(users, ended.set), ended) < 5
