"""Log and cause of a run that a worker has ended, as tests read them."""

from pathlib import Path

from gmat_sweep.spec import RunOutcome


def log_of(tmp_path: Path, run: str = "run-0") -> str:
    return (tmp_path / run / "worker.log").read_text(encoding="utf-8")


def cause(outcome: RunOutcome) -> str:
    """Return the cause of a failed outcome, after a check that the outcome is otherwise empty."""
    assert outcome.status == "failed"
    assert outcome.stderr is not None
    assert outcome.stderr.startswith("Traceback (most recent call last):")
    assert outcome.output_paths == outcome.extra_outputs == outcome.solver_paths == {}
    assert outcome.converged == {}
    return outcome.stderr
