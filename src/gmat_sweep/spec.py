"""The records that travel: spec and outcome of a run, and the spec of a sweep.

They are immutable and cross a process boundary as JSON: ``from_dict(to_dict())`` returns an equal
record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast, get_args

__all__ = [
    "NOMINAL_RUN_ID",
    "FailureKind",
    "PostprocessStatus",
    "RunOutcome",
    "RunSpec",
    "RunStatus",
    "SweepSpec",
    "Unconverged",
    "checked_choice",
]

NOMINAL_RUN_ID = -1
"""The id of the run that flies the undispersed mission; no statistic counts it."""

RunStatus = Literal["ok", "failed", "skipped"]
"""How a run ended. No part of this package writes ``skipped``; a resume leaves such a run alone."""

PostprocessStatus = Literal["none", "ok", "failed"]
"""How a run's hook ended; ``none`` if the run has no hook or GMAT failed before it."""

FailureKind = Literal["mission", "hook", "worker", "memory", "timeout", "storage"]
"""What made a run fail: the mission itself, its hook, or else what it was flown with."""

Unconverged = Literal["ok", "failed"]
"""The status of a run that GMAT flew to its end with a solver that did not converge."""


def checked_choice(name: str, value: object, choices: object) -> Any:
    """Return `value` if it is one of the ``Literal`` `choices`, else raise ValueError naming it."""
    valid = get_args(choices)
    if value not in valid:
        raise ValueError(f"{name} must be one of {', '.join(valid)}, got {value!r}")
    return value


def _checked(record: Mapping[str, Any], key: str, expected: str, ok: Callable[[Any], bool]) -> Any:
    value = record[key]
    if not ok(value):
        raise ValueError(f"{key} must be {expected}, got {type(value).__name__}: {value!r}")
    return value


def _duration(given: float | None, started_at: datetime, ended_at: datetime) -> float:
    return (ended_at - started_at).total_seconds() if given is None else given


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: a script, the fields to override, and where to write.

    Attributes
    ----------
    script_path : Path
        The GMAT script to load.
    overrides : dict
        GMAT dotted path (``"Sat.SMA"``) to the field's value in the run, in GMAT's own units.
    output_dir : Path
        Folder of this run's outputs.
    run_id : int
        Identity of the run within its sweep.
    seed : int or None
        The run's own seed, if the sweep has draws. It is recorded and not given to GMAT.
    run_options : dict
        Keywords passed to ``gmat_run.Mission.run`` (``overwrite``).
    postprocess : str or None
        Import path ``"package.module:function"`` of a hook called after a successful run.
    context : dict
        JSON data for the hook; never applied to the mission.
    unconverged : {"ok", "failed"}
        How the run ends if it has a solver that did not converge.
    """

    script_path: Path
    overrides: dict[str, Any]
    output_dir: Path
    run_id: int
    seed: int | None
    run_options: dict[str, Any]
    postprocess: str | None = None
    context: dict[str, Any] = field(default_factory=dict)
    unconverged: Unconverged = "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return the record with paths as text; mappings are not copied.

        ``unconverged`` is left out if it is ``"ok"``.
        """
        return {
            "script_path": str(self.script_path),
            "overrides": self.overrides,
            "output_dir": str(self.output_dir),
            "run_id": self.run_id,
            "seed": self.seed,
            "run_options": self.run_options,
            "postprocess": self.postprocess,
            "context": self.context,
            **({} if self.unconverged == "ok" else {"unconverged": self.unconverged}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunSpec:
        """Rebuild a spec from `to_dict`'s mapping.

        Raises
        ------
        ValueError
            A value has the wrong type or is not a known one; the message names the field.
        KeyError
            A key other than ``postprocess``, ``context`` and ``unconverged`` is absent.
        """

        def text(key: str) -> str:
            return cast("str", _checked(data, key, "a string", lambda v: isinstance(v, str)))

        def mapping(key: str) -> dict[str, Any]:
            value = _checked(data, key, "an object", lambda v: isinstance(v, dict))
            return cast("dict[str, Any]", value)

        return cls(
            script_path=Path(text("script_path")),
            overrides=mapping("overrides"),
            output_dir=Path(text("output_dir")),
            run_id=_checked(data, "run_id", "an integer", _is_int),
            seed=_checked(data, "seed", "an integer or null", lambda v: v is None or _is_int(v)),
            run_options=mapping("run_options"),
            postprocess=(
                _checked(
                    data,
                    "postprocess",
                    "a string or null",
                    lambda v: v is None or isinstance(v, str),
                )
                if "postprocess" in data
                else None
            ),
            context=mapping("context") if "context" in data else {},
            unconverged=checked_choice("unconverged", data.get("unconverged", "ok"), Unconverged),
        )


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A whole sweep: the mission, its runs, the pool and the folder.

    Attributes
    ----------
    mission_script_path : Path
        The GMAT script.
    runs : tuple of RunSpec
        What to run.
    backend : str
        Class name of the pool.
    backend_kwargs : dict
        The arguments of the pool, as JSON data.
    output_dir : Path
        The sweep folder.
    manifest_path : Path
        The sweep's manifest.
    sweep_seed : int or None
        The sweep's seed, if it has draws.
    """

    mission_script_path: Path
    runs: tuple[RunSpec, ...]
    backend: str
    backend_kwargs: dict[str, Any]
    output_dir: Path
    manifest_path: Path
    sweep_seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record with paths as text and runs as a list of mappings."""
        return {
            "mission_script_path": str(self.mission_script_path),
            "runs": [run.to_dict() for run in self.runs],
            "backend": self.backend,
            "backend_kwargs": self.backend_kwargs,
            "output_dir": str(self.output_dir),
            "manifest_path": str(self.manifest_path),
            "sweep_seed": self.sweep_seed,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SweepSpec:
        """Rebuild a sweep from `to_dict`'s mapping."""
        return cls(
            mission_script_path=Path(data["mission_script_path"]),
            runs=tuple(RunSpec.from_dict(run) for run in data["runs"]),
            backend=data["backend"],
            backend_kwargs=data["backend_kwargs"],
            output_dir=Path(data["output_dir"]),
            manifest_path=Path(data["manifest_path"]),
            sweep_seed=data.get("sweep_seed"),
        )


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The result of one run.

    Attributes
    ----------
    run_id : int
        The run.
    status : {"ok", "failed", "skipped"}
        How the run ended.
    output_paths : dict of str to Path
        Parquet files by key: ``report__<name>``, ``ephemeris__<name>``, ``contact__<name>``.
    extra_outputs : dict of str to Path
        Files that the postprocess hook returned, by its keys.
    solver_paths : dict of str to Path
        Parquet iteration histories by solver name.
    converged : dict of str to bool
        Whether each solver reached its goal.
    postprocess_status : {"none", "ok", "failed"}
        How the hook ended.
    duration_s : float
        Seconds the run took: measured by the worker on a monotonic clock, else between the
        wall-clock bounds.
    stderr : str or None
        Cause of a failure.
    failure_kind : {"mission", "hook", "worker", "memory", "timeout", "storage"} or None
        What made the run fail, if whoever made the outcome knows.
    started_at, ended_at : datetime
        Wall-clock bounds, UTC.
    files : dict of str to dict
        ``size`` and ``sha256`` of each listed file, by its path from the run folder, if the worker
        took them; by its absolute path if it lies elsewhere.
    shortage : str or None
        What the machine was short of, if the run failed for that reason.
    host : str or None
        The machine that flew the run, if that may be another than the driver's.
    notes : tuple of str
        What a user should know of a run that is ok: an output that is no table, for example.
    """

    run_id: int
    status: RunStatus
    output_paths: dict[str, Path]
    extra_outputs: dict[str, Path]
    solver_paths: dict[str, Path]
    converged: dict[str, bool]
    postprocess_status: PostprocessStatus
    duration_s: float
    stderr: str | None
    started_at: datetime
    ended_at: datetime
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    shortage: str | None = None
    host: str | None = None
    notes: tuple[str, ...] = ()
    failure_kind: FailureKind | None = None

    @classmethod
    def ok(
        cls,
        *,
        run_id: int,
        output_paths: dict[str, Path],
        started_at: datetime,
        ended_at: datetime,
        duration_s: float | None = None,
        extra_outputs: dict[str, Path] | None = None,
        solver_paths: dict[str, Path] | None = None,
        converged: dict[str, bool] | None = None,
        postprocess_status: PostprocessStatus = "none",
        files: dict[str, dict[str, Any]] | None = None,
        notes: tuple[str, ...] = (),
    ) -> RunOutcome:
        """Return the outcome of a run that succeeded; see `failed` for ``duration_s``."""
        return cls(
            run_id=run_id,
            status="ok",
            output_paths=output_paths,
            extra_outputs=extra_outputs or {},
            solver_paths=solver_paths or {},
            converged=converged or {},
            postprocess_status=postprocess_status,
            duration_s=_duration(duration_s, started_at, ended_at),
            stderr=None,
            started_at=started_at,
            ended_at=ended_at,
            files=files or {},
            notes=notes,
        )

    @classmethod
    def failed(
        cls,
        *,
        run_id: int,
        stderr: str | None,
        started_at: datetime,
        ended_at: datetime,
        duration_s: float | None = None,
        postprocess_status: PostprocessStatus = "none",
        shortage: str | None = None,
        converged: dict[str, bool] | None = None,
        failure_kind: FailureKind | None = None,
    ) -> RunOutcome:
        """Return the outcome of a run that failed, with its cause in `stderr`.

        ``duration_s=None`` means the time from `started_at` to `ended_at`. `converged` is given if
        the run failed because of a solver.
        """
        return cls(
            run_id=run_id,
            status="failed",
            output_paths={},
            extra_outputs={},
            solver_paths={},
            converged=converged or {},
            postprocess_status=postprocess_status,
            duration_s=_duration(duration_s, started_at, ended_at),
            stderr=stderr,
            started_at=started_at,
            ended_at=ended_at,
            shortage=shortage,
            failure_kind=failure_kind,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the record with paths as text and times in ISO 8601."""

        def as_text(paths: Mapping[str, Path]) -> dict[str, str]:
            return {key: str(path) for key, path in paths.items()}

        return {
            "run_id": self.run_id,
            "status": self.status,
            "output_paths": as_text(self.output_paths),
            "extra_outputs": as_text(self.extra_outputs),
            "solver_paths": as_text(self.solver_paths),
            "converged": dict(self.converged),
            "postprocess_status": self.postprocess_status,
            "duration_s": self.duration_s,
            "stderr": self.stderr,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            **({"files": self.files} if self.files else {}),
            **({"shortage": self.shortage} if self.shortage else {}),
            **({"host": self.host} if self.host else {}),
            **({"notes": list(self.notes)} if self.notes else {}),
            **({"failure_kind": self.failure_kind} if self.failure_kind else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunOutcome:
        """Rebuild an outcome from `to_dict`'s mapping.

        Raises
        ------
        ValueError
            ``status``, ``postprocess_status`` or ``failure_kind`` is not a known value.
        """

        def paths(key: str) -> dict[str, Path]:
            return {name: Path(path) for name, path in data.get(key, {}).items()}

        kind = data.get("failure_kind")
        if kind is not None:
            checked_choice("failure_kind", kind, FailureKind)
        return cls(
            run_id=data["run_id"],
            status=checked_choice("status", data["status"], RunStatus),
            output_paths={name: Path(path) for name, path in data["output_paths"].items()},
            extra_outputs=paths("extra_outputs"),
            solver_paths=paths("solver_paths"),
            converged=dict(data.get("converged", {})),
            postprocess_status=checked_choice(
                "postprocess_status", data.get("postprocess_status", "none"), PostprocessStatus
            ),
            duration_s=data["duration_s"],
            stderr=data["stderr"],
            started_at=datetime.fromisoformat(data["started_at"]),
            ended_at=datetime.fromisoformat(data["ended_at"]),
            files=dict(data.get("files", {})),
            shortage=data.get("shortage"),
            host=data.get("host"),
            notes=tuple(data.get("notes", ())),
            failure_kind=None
            if kind is None
            else checked_choice("failure_kind", kind, FailureKind),
        )

    def _repr_html_(self) -> str:
        """Return the outcome as a table, which notebooks show."""
        from gmat_sweep.notebook import outcome_html

        return outcome_html(self)
