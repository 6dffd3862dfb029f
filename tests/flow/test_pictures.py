"""The thread that draws while a sweep flies: its share of the time, and what a failure costs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from gmat_sweep import Manifest, RunSpec
from gmat_sweep.analysis.pictures import page
from gmat_sweep.flow import pictures as module
from gmat_sweep.flow.kept_artifact import KeptArtifact
from gmat_sweep.flow.pictures import SHARE, Pictures
from gmat_sweep.spec import RunOutcome
from reported_sweep import reported_sweep

LOG = logging.getLogger("gmat_sweep.test")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Takes pages in place of a server, as the thread is begun outside of a flow run."""
    pages: list[str] = []

    @contextmanager
    def no_client(**_: object) -> Iterator[None]:
        yield None

    def send(_self: KeptArtifact, _client: object, data: str, _description: str) -> None:
        pages.append(data)

    monkeypatch.setattr(module, "get_client", no_client)
    monkeypatch.setattr(module, "get_run_logger", lambda: LOG)
    monkeypatch.setattr(KeptArtifact, "send", send)
    monkeypatch.setattr(module, "_FIRST_S", 0.05)
    monkeypatch.setattr(module, "_INTERVAL_S", 0.02)
    return pages


def begun(path: Path, action: str = "run") -> Pictures:
    """Begin the pictures of a recorded sweep, as a pass over it does."""
    job: Any = SimpleNamespace(
        manifest=Manifest.outline(path),
        manifest_path=path,
        folder=path.parent,
        planned=30,
        action=action,
    )
    return Pictures(uuid4(), "x-pictures", job)


def tell(pictures: Pictures, path: Path, runs: int) -> None:
    """Tell of the first runs of a sweep as if they had ended now."""
    for each in list(Manifest.iter_entries(path))[:runs]:
        spec = RunSpec(path, each.overrides, path.parent, each.run_id, None, {})
        outcome = RunOutcome(
            each.run_id, each.status, each.output_paths, {}, {}, {}, "none", 1.0, each.stderr,
            each.started_at, each.ended_at, failure_kind=None if each.status == "ok" else "mission",
        )  # fmt: skip
        pictures.add(spec, outcome)


def slowly(draw: Callable[..., str]) -> Callable[..., str]:
    """Return a function that takes 30 ms of the processor more, as on a slow machine."""

    def drawn(*args: Any, **options: Any) -> str:
        until = time.thread_time() + 0.03
        while time.thread_time() < until:
            pass
        return draw(*args, **options)

    return drawn


def test_pictures_take_less_than_a_hundredth_of_the_time(
    tmp_path: Path, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round that comes too early is put off; the last one shows every run."""
    path = reported_sweep(tmp_path / "sweep", 30)
    module._load()
    monkeypatch.setattr(page, "pictures_page", slowly(page.pictures_page))
    pictures = begun(path)
    tell(pictures, path, 12)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        # There is more to draw each time.
        tell(pictures, path, 27 - int(10 * (end - time.monotonic())))
        time.sleep(0.02)
    rounds, spent = len(sent), pictures._spent
    tell(pictures, path, 31)
    pictures.end(with_last=True)

    # The first round is on account; a second must wait for a hundred times as long.
    assert rounds == 1
    assert spent > SHARE * 1.5 / 10
    assert len(sent) == 2
    assert sent[-1].startswith("**30 of 30 runs have ended: ")
    assert "from all runs that are ok" in sent[-1]
    assert not pictures._thread.is_alive()


def test_a_resumed_sweep_is_drawn_with_the_runs_of_earlier_passes(
    tmp_path: Path, sent: list[str]
) -> None:
    path = reported_sweep(tmp_path / "sweep", 20)
    pictures = begun(path, "resume")
    tell(pictures, path, 5)
    pictures.end(with_last=True)

    assert sent[-1].startswith("**20 of 30 runs have ended: ")


def test_a_picture_that_fails_is_one_warning_and_holds_nothing_up(
    tmp_path: Path,
    sent: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = reported_sweep(tmp_path / "sweep", 6)

    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError("no such picture")

    monkeypatch.setattr("gmat_sweep.analysis.pictures.page.pictures_page", broken)
    pictures = begun(path)
    with caplog.at_level(logging.WARNING):
        tell(pictures, path, 6)
        pictures._thread.join(20)
        tell(pictures, path, 6)
        pictures.end(with_last=True)

    assert sent == []
    assert [each.message for each in caplog.records] == [
        "no further pictures of this sweep: ZeroDivisionError: no such picture"
    ]
