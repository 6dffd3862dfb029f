"""What a flow run whose process is interrupted or killed leaves behind. No server is started.

`tests/deployments/test_running.py` has flow runs of a Prefect worker that is stopped.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.exceptions import TerminationSignal
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.flow import interruption, last_words, server
from gmat_sweep.flow.servers.place import ServerPlace
from gmat_sweep.flow.servers.record import ServerRecord
from gmat_sweep.flow.servers.shared import SharedServer
from gmat_sweep.folder.last_pass import LastPass, now

NOBODY = "http://127.0.0.1:1/api"
RUNNING = LastPass(
    action="run",
    state="running",
    reason="",
    flow_run=str(uuid4()),
    host="here",
    process=os.getpid(),
    at=now(),
)


def programs() -> list[str]:
    return [value for kind, value in REAPER._registered if kind == "program"]


class TestLastPass:
    """What the last words write into ``last-pass.json``."""

    def test_a_pass_under_way_was_interrupted(self, tmp_path: Path) -> None:
        RUNNING.write(tmp_path)

        last_words._note(tmp_path, RUNNING.flow_run)

        last = LastPass.of(tmp_path)
        assert last is not None
        assert (last.state, last.reason) == ("interrupted", last_words.KILLED)
        assert last.flow_run == RUNNING.flow_run

    @pytest.mark.parametrize(
        "changes",
        [{"state": "finished"}, {"state": "interrupted", "reason": "cancelled"}, {}],
        ids=["finished", "said already", "of another flow run"],
    )
    def test_any_other_pass_stays_as_it_is(self, changes: dict[str, str], tmp_path: Path) -> None:
        last = dataclasses.replace(RUNNING, **changes)  # type: ignore[arg-type]
        last.write(tmp_path)

        last_words._note(tmp_path, last.flow_run if changes else str(uuid4()))

        assert LastPass.of(tmp_path) == last

    def test_a_folder_that_is_gone_is_no_error(self, tmp_path: Path) -> None:
        last_words._note(tmp_path / "gone", RUNNING.flow_run)


class TestOrders:
    """When the reaper has the last words to speak."""

    @pytest.fixture(autouse=True)
    def lasting_server(self) -> object:
        with temporary_settings({PREFECT_API_URL: NOBODY}):
            yield

    def test_they_are_ordered_for_the_block_and_taken_back_at_its_end(self, tmp_path: Path) -> None:
        night, sweep = uuid4(), uuid4()
        with interruption.with_last_words(night):
            [before] = programs()
            # One program for all: each takes seconds of a machine that is going down.
            with interruption.with_last_words(sweep), interruption.with_last_words(sweep, tmp_path):
                [command] = map(json.loads, programs())
                assert command[-2] == NOBODY
                assert json.loads(command[-1]) == {str(night): "", str(sweep): str(tmp_path)}
            assert programs() == [before]
        assert programs() == []

        with pytest.raises(ValueError, match="bad"), interruption.with_last_words(night):
            raise ValueError("bad")
        assert programs() == []

    def test_a_signal_leaves_them_in_force_until_the_process_ends(self) -> None:
        with (
            pytest.raises(TerminationSignal),
            interruption.with_last_words(flow_run := uuid4()),
        ):
            raise TerminationSignal(15)

        [ordered] = programs()
        assert str(flow_run) in ordered
        interruption._order(NOBODY, less=[(str(flow_run), "")])

    def test_a_server_that_ends_with_the_sweep_is_not_told_and_another_by_its_record(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record = ServerRecord(NOBODY.removesuffix("/api"), 1, "", "", 1, "gmat-sweep:key")
        for stay_s, is_told in ((0.0, False), (60.0, True)):
            place = ServerPlace(tmp_path, "server")
            own = SharedServer(place, stay_s)
            monkeypatch.setattr(own, "_record", record)
            monkeypatch.setattr(server, "_servers", {place: own})
            with (
                temporary_settings({PREFECT_API_URL: NOBODY, PREFECT_API_AUTH_STRING: record.auth}),
                interruption.with_last_words(uuid4()),
            ):
                assert len(programs()) == is_told
                # The key is in the record alone, and on no command line.
                assert all(place.record.name in each for each in programs())
                assert not any("gmat-sweep:key" in each for each in programs())


class TestStates:
    """What the state of the flow run says."""

    def test_an_interrupted_flow_run_is_in_a_final_state_that_says_so(self) -> None:
        state = interruption.interrupted_state(interruption.why(TerminationSignal(15)))

        assert state.is_final()
        assert state.is_crashed()
        assert state.name == "Interrupted"
        assert state.message is not None
        assert state.message.startswith("interrupted: ended by a signal")
        assert state.message.endswith("retry the flow run, or resume its sweep.")

    def test_it_names_the_folder_and_how_to_go_on_also_for_a_flow_that_called_the_sweeps(
        self,
    ) -> None:
        night, flow_run = str(uuid4()), str(uuid4())
        ordered = [(night, ""), (flow_run, "/data/out 1")]
        interruption._order(NOBODY, more=ordered)
        try:
            folders = [interruption._folder_of(each) for each in (night, flow_run)]
        finally:
            interruption._order(NOBODY, less=ordered)
        assert folders == ["/data/out 1"] * 2
        assert interruption._folder_of(night) == ""

        message = interruption.interrupted_state("it was killed", folders[0]).message or ""
        assert "stay recorded in /data/out 1: retry the flow run" in message
        assert message.endswith(": gmat-sweep resume '/data/out 1/manifest.jsonl'")
