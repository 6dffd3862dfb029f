"""A sweep changes nothing in its caller's process; Prefect's log of it is on the server alone."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from callers_process import loggers_now
from gmat_sweep import LocalJoblibPool, sweep
from gmat_sweep.flow.logs import log_cause, off_the_terminal, quiet_runs
from gmat_sweep.flow.prefect_internals import RUN_LOGGERS, TASK_RUN_LOGGER
from repository import DATA, PROJECT

SHORT = DATA / "leo_short.script"


def logs_of(prefect_url: str) -> list[dict[str, Any]]:
    """Return the newest log lines that the server has."""
    logged: list[dict[str, Any]] = httpx.post(
        f"{prefect_url}/logs/filter",
        json={"sort": "TIMESTAMP_DESC"},
        auth=("gmat-sweep", os.environ["PREFECT_API_AUTH_STRING"].partition(":")[2]),
        trust_env=False,
    ).json()
    return logged


@pytest.mark.parametrize(
    "kind",
    [pytest.param("none", marks=pytest.mark.soak), "basic", "prefect", "flow"],
)
def test_a_program_finds_its_process_as_it_was_during_and_after_sweeps(
    kind: str, tmp_path: Path, prefect_url: str
) -> None:
    """Logging, environment, working directory and import state; signals once the sweeps ended."""
    earlier = logs_of(prefect_url)
    done = subprocess.run(
        [sys.executable, PROJECT / "tests/support/callers_process.py", kind, SHORT, tmp_path],
        env={**os.environ, "PREFECT_API_URL": prefect_url},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    told = json.loads(done.stdout)

    assert told["statuses"] == ["ok", "failed", "failed"]
    assert told["during"] == {}
    assert told["after"] == {}
    assert told["loggers"] == {}
    assert told["signals"] == {}
    assert "NoField" in told["refused"]
    # Prefect's own set-up, which the program asked for, closes the handlers that there are.
    assert told["mine"] == ("" if kind == "flow" else "still here\n")
    # A basicConfig after the sweeps does what it would have done before them.
    assert ("ERROR:of.the.program:later" in told["later"]) == (kind != "flow")
    # Prefect may show the program's own flows, as it does without sweeps, and no sweep.
    for said in (told["later"], done.stderr):
        assert said.count("Beginning flow run") == said.count("for flow 'own ")
    logged = [each for each in logs_of(prefect_url) if each not in earlier]
    levels = {each["message"]: each["level"] for each in logged}
    assert any(each.startswith("Beginning flow run 'leo_short run explicit") for each in levels)
    own = {each for each in levels if each.startswith("the program's own")}
    assert own >= {"the program's own flow after", "the program's own task after"}
    sweeps = [each for each in logged if each["message"].startswith("Beginning flow run 'leo_")]
    assert len(sweeps) == 4
    causes = [each for each, level in levels.items() if "Eccentricity" in each or level >= 40]
    assert causes, "the causes of failed runs are in their task runs' logs"


def test_a_program_that_uses_prefect_itself_keeps_prefects_logging_as_it_was(
    pool: LocalJoblibPool, tmp_path: Path
) -> None:
    import prefect.main  # noqa: F401 - as a program with flows of its own has done

    before = loggers_now(prefects=True)
    sweep(SHORT, grid={"Sat.SMA": [7000.0]}, backend=pool, out=tmp_path, progress=False)

    after = loggers_now(prefects=True)
    assert {name: after[name] for name in before} == before


class Ear(logging.Handler):
    """Collects what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message."""
        self.heard.append(f"{record.name}: {record.getMessage()}")


class TestRecordsOfASweep:
    """Which records of Prefect's loggers go where."""

    @pytest.fixture
    def ears(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Ear]:
        """A handler in place of those of each logger of runs, and one on the logger above."""
        ears = {name: Ear() for name in (*RUN_LOGGERS, "prefect")}
        for name, ear in ears.items():
            monkeypatch.setattr(logging.getLogger(name), "handlers", [ear])
        return ears

    def test_they_go_to_their_own_handlers_and_not_above(self, ears: dict[str, Ear]) -> None:
        with off_the_terminal(), quiet_runs():
            for name in RUN_LOGGERS:
                logging.getLogger(name).error("said")
            log_cause("a cause")

        assert {name: ear.heard for name, ear in ears.items()} == {
            "prefect.flow_runs": ["prefect.flow_runs: said"],
            TASK_RUN_LOGGER: [f"{TASK_RUN_LOGGER}: a cause"],
            "prefect": [],
        }

    def test_other_flows_at_the_same_time_and_later_ones_keep_theirs(
        self, ears: dict[str, Ear]
    ) -> None:
        def say() -> None:
            for name in RUN_LOGGERS:
                logging.getLogger(name).error("said")

        with off_the_terminal(), quiet_runs():
            with off_the_terminal(), quiet_runs():
                pass
            elsewhere = threading.Thread(target=say)
            elsewhere.start()
            elsewhere.join()
        say()

        assert ears["prefect"].heard == 2 * [f"{name}: said" for name in RUN_LOGGERS]
