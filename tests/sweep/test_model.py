"""A sweep under everything that happens to sweeps, beside a model that fits in a few lines.

Hypothesis starts, kills, tears, damages, resumes and extends one Monte Carlo sweep in any order, on
the real engine. The model knows only which runs have a whole result. Whatever happened, no recorded
run is lost, a resume flies just the runs the model lacks, and a finished sweep is bit-equal to the
one that nothing happened to.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gmat_sweep import LocalJoblibPool, Manifest, monte_carlo, monte_carlo_extend
from gmat_sweep.doctor import check_sweep
from gmat_sweep.plans import PLANNED_KEY
from resumed_sweeps import SHORT, ran, reopened, same
from soak_figures import Figures

BASE, LARGEST, SEED = 3, 7, 11
PERTURB = {"Sat.SMA": ("normal", 7100, 50), "Sat.INC": ("uniform", 0.0, 90.0)}
REPORT = "report__RF.parquet"


class SweepMachine(RuleBasedStateMachine):
    """The sweep in `folder`, and the model: how many runs there are, and which are whole."""

    pool: LocalJoblibPool
    reference: pd.DataFrame
    figures: Figures

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="gmat-sweep-model-"))
        self.folder = self.root / "sweep"
        self.count = BASE
        self.whole: set[int] = set()

    def teardown(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.root)

    @property
    def path(self) -> Path:
        """The manifest."""
        return self.folder / "manifest.jsonl"

    @initialize()
    def start(self) -> None:
        """Run the sweep for the first time."""
        monte_carlo(
            SHORT,
            n=BASE,
            perturb=PERTURB,
            seed=SEED,
            backend=self.pool,
            out=self.folder,
            progress=False,
        )
        self.whole = set(range(BASE))
        self.figures.add(rounds=1, entries_acknowledged=BASE)

    @rule(share=st.floats(0, 1, exclude_max=True))
    def kill_while_it_writes_a_line(self, share: float) -> None:
        """Cut the manifest anywhere in its last line, as a kill does; the run's files stay."""
        lines = self.path.read_bytes().splitlines(keepends=True)
        if len(lines) < 2:
            return
        self.figures.add(faults_injected=1)
        keep = int(share * len(lines[-1]))
        self.path.write_bytes(b"".join(lines[:-1]) + lines[-1][:keep])
        self._take_over_what_is_recorded(self.whole)

    @rule(run=st.integers(0, LARGEST - 1))
    def lose_a_file(self, run: int) -> None:
        """Delete a report."""
        self.figures.add(faults_injected=1)
        (self.folder / f"run-{run}" / REPORT).unlink(missing_ok=True)
        self.whole.discard(run)

    @rule(run=st.integers(0, LARGEST - 1), byte=st.integers(0, 10_000))
    def damage_a_file(self, run: int, byte: int) -> None:
        """Flip a bit of a report."""
        path = self.folder / f"run-{run}" / REPORT
        if path.exists() and (content := bytearray(path.read_bytes())):
            # Not a flipped bit, which a second flip would mend.
            place = byte % len(content)
            content[place] = (content[place] + 1) % 256
            path.write_bytes(content)
            self.whole.discard(run)
            self.figures.add(faults_injected=1)

    @rule(run=st.integers(0, LARGEST - 1))
    def lose_a_folder(self, run: int) -> None:
        """Delete a run's folder."""
        self.figures.add(faults_injected=1)
        shutil.rmtree(self.folder / f"run-{run}", ignore_errors=True)
        self.whole.discard(run)

    @rule()
    def leave_something_of_a_killed_process(self) -> None:
        """Leave a temporary file and a lock file, as kill -9 does."""
        (self.folder / ".gmat-sweep.lock").write_text('{"pid": 1}')
        (self.folder / f".{REPORT}.tmp-1-00000000").write_bytes(b"half")

    @rule()
    def move(self) -> None:
        """Move the sweep to another place."""
        target = self.root / f"moved-{os.urandom(4).hex()}"
        self.folder.rename(target)
        self.folder = target

    @rule()
    def resume(self) -> None:
        """Finish the sweep; just the runs that the model lacks are flown."""
        before = sum(1 for _ in Manifest.iter_entries(self.path))
        frame = reopened(self.folder, self.pool).resume().to_dataframe()

        missing = set(range(self.count)) - self.whole
        assert sorted(ran(self.folder, before)) == sorted(missing)
        self.figures.add(entries_acknowledged=len(missing))
        self.whole = set(range(self.count))
        assert same(frame, self._expected())

    @precondition(lambda self: self.count < LARGEST)
    @rule()
    def extend(self) -> None:
        """Add a run, once the sweep is whole."""
        if len(self.whole) < self.count:
            self.resume()
        self.count += 1
        frame = monte_carlo_extend(self.path, SHORT, n=1, backend=self.pool, progress=False)
        self.figures.add(entries_acknowledged=1)
        self.whole = set(range(self.count))
        assert same(frame, self._expected())

    @rule(lose_the_manifest=st.booleans())
    def repair(self, lose_the_manifest: bool) -> None:
        """Let the doctor save what is left, of the manifest too; whole runs are kept."""
        if lose_the_manifest:
            self.path.unlink()
            self.figures.add(faults_injected=1)
        health = check_sweep(self.folder, repair=True)

        assert health.is_healthy
        assert self._ok_runs() >= self.whole
        self._take_over_what_is_recorded(self._ok_runs())

    @invariant()
    def nothing_whole_is_lost(self) -> None:
        """Every run that the model has is recorded, with its result."""
        if self.path.exists():
            lost = self.whole - self._ok_runs()
            self.figures.add(entries_lost=len(lost))
            assert not lost

    def _ok_runs(self) -> set[int]:
        return {entry.run_id for entry in Manifest.load(self.path).entries if entry.status == "ok"}

    def _take_over_what_is_recorded(self, whole: set[int]) -> None:
        """Bring the model down to what the manifest says, of `whole` at most.

        An extension is known from the entries of its runs alone.
        """
        entries = Manifest.load(self.path).entries
        planned = [int(entry.extra.get(PLANNED_KEY, 0)) for entry in entries]
        self.count = max([BASE, *planned, *(entry.run_id + 1 for entry in entries)])
        self.whole = {run for run in whole & self._ok_runs() if self._is_right(run)}

    def _is_right(self, run: int) -> bool:
        path = self.folder / f"run-{run}" / REPORT
        try:
            report = pd.read_parquet(path)
        except (OSError, ValueError):
            return False
        want = self.reference.xs(run, level="run_id").reset_index()
        return report["Sat.X"].to_numpy().tobytes() == want["Sat.X"].to_numpy().tobytes()

    def _expected(self) -> pd.DataFrame:
        ids = self.reference.index.get_level_values("run_id")
        return self.reference[ids < self.count]


@pytest.mark.promise(
    "6", "run, tear, damage, lose, move, resume, extend, repair in any order, beside a model"
)
@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_whatever_happens_to_a_sweep_nothing_recorded_is_lost_and_resume_finishes_it(
    figures: Figures,
) -> None:
    # On one worker runs end in their order, so that an example can be repeated.
    with LocalJoblibPool(1) as pool:
        SweepMachine.pool, SweepMachine.figures = pool, figures
        SweepMachine.reference = monte_carlo(
            SHORT, n=LARGEST, perturb=PERTURB, seed=SEED, backend=pool, progress=False
        )

        run_state_machine_as_test(
            SweepMachine,
            settings=settings(
                max_examples=20,
                stateful_step_count=12,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
