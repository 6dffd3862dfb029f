"""Sweeps whose runs are recorded without being flown: all else of `Sweep` is real."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gmat_sweep.engine import find_engine
from gmat_sweep.folder.run_seal import entry_of
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.resuming import mission_facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pytest

    from gmat_sweep.spec import FailureKind

START = datetime(2026, 1, 1, tzinfo=UTC)


class RecordedAtOnce:
    """Records runs as they are told to end, where the flow would fly them.

    Parameters
    ----------
    monkeypatch : pytest.MonkeyPatch
        Takes the engine and the flow away from `Sweep`.
    ends : callable
        Says of a run of what it fails; None: it is ok. It may raise, as an interruption does.

    Attributes
    ----------
    passes : list of (str, list of int)
        What each pass over runs was for, and the runs that it recorded.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, ends: Callable[[RunSpec], FailureKind | None]
    ) -> None:
        self.ends = ends
        self.passes: list[tuple[str, list[int]]] = []

        def execute(
            sweep: Sweep,
            runs: Iterable[RunSpec],
            count: int,
            action: str,
            listener: Any = None,
            entry_facts: dict[str, Any] | None = None,
        ) -> None:
            manifest = sweep.to_manifest()
            done: list[int] = []
            self.passes.append((action, done))
            try:
                for run in runs:
                    outcome = self._outcome(run)
                    manifest.append_entry(
                        entry_of(run, outcome, host="here", attempts=[], extra=entry_facts or {}),
                        hold=False,
                    )
                    done.append(run.run_id)
            finally:
                manifest.close()

        def prepared(sweep: Sweep, runs: Iterable[RunSpec], every_run: Any) -> tuple[Any, Any]:
            spec = sweep.parameter_spec
            return iter(runs), mission_facts(sweep.script_path, sweep.output_dir, None, spec)

        monkeypatch.setattr(Sweep, "_execute", execute)
        monkeypatch.setattr(Sweep, "_warm_up", lambda sweep: find_engine())
        monkeypatch.setattr(Sweep, "_prepared", prepared)
        monkeypatch.setattr("gmat_sweep.flow.server.wait_for_local_server", lambda: None)

    def _outcome(self, run: RunSpec) -> RunOutcome:
        times: dict[str, Any] = {
            "run_id": run.run_id,
            "started_at": START,
            "ended_at": START + timedelta(seconds=1),
            "duration_s": 1.0,
        }
        kind = self.ends(run)
        if kind is None:
            return RunOutcome.ok(output_paths={}, **times)
        return replace(RunOutcome.failed(stderr=f"it was the {kind}", **times), failure_kind=kind)
