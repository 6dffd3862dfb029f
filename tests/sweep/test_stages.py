"""What takes long before the first run is said, and Prefect starts while something else waits."""

from __future__ import annotations

import gc
import threading
import time
from typing import NoReturn

import pytest

from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.sweep import stages


def test_a_stage_is_told_only_if_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "_LONG_S", 0.05)
    with stages.stage("quick"):
        pass
    with stages.stage("quiet", is_told=False):
        time.sleep(0.1)
    with stages.stage("slow"):
        time.sleep(0.15)
    time.sleep(0.1)

    assert capsys.readouterr().err == "gmat-sweep: slow ...\n"


def test_a_server_that_cannot_start_is_told_after_what_it_starts_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = []

    def start() -> NoReturn:
        threads.append(threading.current_thread())
        raise BackendError("no server")

    monkeypatch.setattr("gmat_sweep.flow.server.start_local_server", start)
    done: list[str] = []

    def load_the_mission() -> None:
        # Prefect's modules are no garbage, and take long to look through.
        assert not gc.isenabled()
        time.sleep(0.05)
        done.append("the mission is loaded")

    with pytest.raises(BackendError, match="no server"), stages.prefect_starting(is_told=False):
        load_the_mission()
    with (
        pytest.raises(SweepConfigError, match="no mission"),
        stages.prefect_starting(is_told=False),
    ):
        raise SweepConfigError("no mission")

    assert done
    assert gc.isenabled()
    assert threading.main_thread() not in threads
    assert not any(each.is_alive() for each in threads)
