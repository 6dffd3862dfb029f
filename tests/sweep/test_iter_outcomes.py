"""`Sweep.iter_outcomes`: each run is yielded once it is recorded, and recorded when asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import FrameType

import pytest

from faulty_runs import wait_until, workers_of
from gmat_sweep import LocalJoblibPool, Sweep, SweepConfigError
from gmat_sweep.flow.handover import _Handover, handed_over
from gmat_sweep.folder.last_pass import LastPass
from resumed_sweeps import NOTE, hand_made, lines_of, ran, reopened, run_of


def no_run_is_left(pool: LocalJoblibPool) -> bool:
    """Whether neither a flow nor a run goes on."""
    flows = [thread for thread in threading.enumerate() if thread.name == "gmat-sweep-flow"]
    return not flows and not pool._busy


def threads_in(function: str) -> set[int]:
    """Return the threads that are in a function of this name, or in something it has called."""
    found = set()
    for thread, frame in sys._current_frames().items():
        at: FrameType | None = frame
        while at is not None and at.f_code.co_name != function:
            at = at.f_back
        if at is not None:
            found.add(thread)
    return found


class TestIterOutcomes:
    """Each run is yielded once it is recorded, and recorded only when it is asked for."""

    @pytest.fixture
    def eight(self, tmp_path: Path, pool: LocalJoblibPool) -> Sweep:
        """Eight runs, of which the first takes longest."""
        runs = [
            run_of(number, tmp_path, context={"sleep_s": 0.0 if number else 0.6})
            for number in range(8)
        ]
        return hand_made(runs, tmp_path, pool, postprocess=NOTE)

    def test_outcomes_come_in_the_order_of_their_ends_with_the_run_as_dispatched(
        self, eight: Sweep, tmp_path: Path
    ) -> None:
        counts, pairs = [], []
        for spec, outcome in eight.iter_outcomes():
            counts.append(lines_of(tmp_path / "manifest.jsonl"))
            pairs.append((spec, outcome))
        order = [outcome.run_id for _, outcome in pairs]

        assert counts == list(range(1, 9))
        assert sorted(order) == list(range(8))
        assert order[0] != 0
        assert order == ran(tmp_path, 0)
        assert [spec.run_id for spec, _ in pairs] == order
        assert {spec.postprocess for spec, _ in pairs} == {NOTE}
        assert {spec.overrides["Sat.SMA"] for spec, _ in pairs} == {7000.0 + n for n in range(8)}
        assert {outcome.status for _, outcome in pairs} == {"ok"}
        assert [e.run_id for e in eight.to_manifest().entries] == order
        assert eight.to_dataframe().index.get_level_values("run_id").nunique() == 8

    def test_abandoning_it_leaves_what_was_yielded_and_nothing_running(
        self, tmp_path: Path
    ) -> None:
        before = workers_of()
        with LocalJoblibPool(2) as own:
            runs = [run_of(n, tmp_path, context={"sleep_s": 60.0 * (n > 3)}) for n in range(8)]
            outcomes = hand_made(runs, tmp_path, own, postprocess=NOTE).iter_outcomes()
            seen = [next(outcomes)[1].run_id for _ in range(3)]
            # A fourth has ended as well, and would be recorded now if nobody had to ask for it.
            wait_until(lambda: all((tmp_path / f"run-{n}").exists() for n in (4, 5)), "two more")
            wait_until(lambda: threads_in(_Handover.before.__name__), "the flow to be asked")
            outcomes.close()  # type: ignore[attr-defined]

            assert ran(tmp_path, 0) == seen
            assert no_run_is_left(own)
        assert workers_of() <= before

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    def test_an_error_in_the_loop_ends_the_sweep_and_resume_finishes_it(
        self, error: type[BaseException], eight: Sweep, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        seen: list[int] = []

        def consume() -> None:
            for _, outcome in eight.iter_outcomes():
                seen.append(outcome.run_id)
                if len(seen) == 2:
                    raise error("of the reader's own")

        with pytest.raises(error, match="of the reader's own") as caught:
            consume()
        del caught

        assert ran(tmp_path, 0) == seen
        assert no_run_is_left(pool)
        resumed = reopened(tmp_path, pool).resume()
        assert sorted(ran(tmp_path, 2)) == sorted(set(range(8)) - set(seen))
        assert set(resumed.to_dataframe()["__status"]) == {"ok"}

    def test_ctrl_c_while_it_waits_is_a_keyboard_interrupt_at_once(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        # The second takes longer than a test may.
        runs = [run_of(0, tmp_path), run_of(1, tmp_path, context={"sleep_s": 3600.0})]
        outcomes = hand_made(runs, tmp_path, pool, postprocess=NOTE).iter_outcomes()
        next(outcomes)
        main = threading.get_ident()

        def interrupt() -> None:
            wait_until(lambda: main in threads_in(handed_over.__name__), "the reader to wait")
            signal.pthread_kill(main, signal.SIGINT)

        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
        interrupting.join()

        assert ran(tmp_path, 0) == [0]
        assert no_run_is_left(pool)

    def test_what_is_wrong_before_the_first_run_comes_out_of_the_first_step(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        outcomes = hand_made([run_of(0, tmp_path)] * 2, tmp_path, pool).iter_outcomes()

        with pytest.raises(SweepConfigError, match="run_id 0 occurs more than once"):
            next(outcomes)
        with pytest.raises(StopIteration):
            next(outcomes)
        assert not (tmp_path / "manifest.jsonl").exists()
        # The folder is free again.
        hand_made([run_of(0, tmp_path)], tmp_path, pool).run()

    def test_nothing_happens_before_the_first_step(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        hand_made([run_of(0, tmp_path)], tmp_path, pool).iter_outcomes()

        assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("8", "a program that ends while it has read half of the outcomes")
@pytest.mark.soak
def test_a_program_ends_whose_outcomes_are_half_read(tmp_path: Path, prefect_url: str) -> None:
    """At module level nothing closes the generator, and the runs under way may never end."""
    program = textwrap.dedent(
        """
        import sys, threading
        from pathlib import Path
        from gmat_sweep import LocalJoblibPool
        from resumed_sweeps import NOTE, hand_made, run_of

        def begin(name):
            folder = Path(sys.argv[1]) / name
            folder.mkdir()
            runs = [run_of(n, folder, context={"sleep_s": 60.0 * (n > 0)}) for n in range(3)]
            sweep = hand_made(runs, folder, LocalJoblibPool(1), postprocess=NOTE)
            begun.append(sweep.iter_outcomes())
            next(begun[-1])

        begun = []
        thread = threading.Thread(target=begin, args=("in a thread",))
        thread.start()
        begin("at module level")
        thread.join()
        sys.exit(3)
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path],
        env={**os.environ, "PREFECT_API_URL": prefect_url, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=50,
    )

    assert done.returncode == 3, done.stderr
    assert lines_of(tmp_path / "at module level" / "manifest.jsonl") == 1
    assert lines_of(tmp_path / "in a thread" / "manifest.jsonl") == 1
    last = LastPass.of(tmp_path / "at module level")
    assert last is not None
    assert (last.state, last.reason) == ("interrupted", "its outcomes were no longer read")
    assert "Traceback" not in done.stderr
