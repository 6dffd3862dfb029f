"""A finished sweep without GMAT: Parquet files in run folders, and the manifest that lists them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.entry import ManifestEntry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gmat_sweep.spec import FailureKind, RunStatus

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def report(start: float = 7000.0, rows: int = 3, **columns: Any) -> pd.DataFrame:
    """Return a frame as a worker writes it for a GMAT report: an epoch, a number, a time."""
    epochs = pd.date_range("2026-01-01", periods=rows, freq="30s").astype("datetime64[ns]")
    return pd.DataFrame(
        {
            "Sat.UTCGregorian": epochs,
            "Sat.SMA": [start + 0.25 * row for row in range(rows)],
            **columns,
            "time": epochs,
        }
    )


def level_dtypes(frame: pd.DataFrame) -> list[str]:
    """Return the dtype of each index level."""
    return [str(frame.index.get_level_values(n).dtype) for n in range(frame.index.nlevels)]


@dataclass
class SweepOnDisk:
    """Runs written so far.

    Attributes
    ----------
    folder : Path
        The sweep folder; run `i` has ``run-<i>`` below it.
    entries : list of ManifestEntry
        One per run, with paths relative to the folder.
    design : str
        The ``_kind`` of the sweep.
    """

    folder: Path
    entries: list[ManifestEntry] = field(default_factory=list)
    design: str = "explicit"

    def ok(
        self,
        run_id: int,
        outputs: Mapping[str, pd.DataFrame | Path] | None = None,
        *,
        extra: Mapping[str, pd.DataFrame | Path] | None = None,
        solvers: Mapping[str, pd.DataFrame | Path] | None = None,
        converged: Mapping[str, bool] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Path:
        """Add a successful run and write its frames; a Path is listed without writing anything."""
        self._add(
            run_id,
            "ok",
            output_paths=self._written(run_id, outputs or {}, "{}.parquet"),
            extra_outputs=self._written(run_id, extra or {}, "{}.parquet"),
            solver_paths=self._written(run_id, solvers or {}, "solver__{}.parquet"),
            converged=dict(converged or {}),
            overrides=dict(overrides or {}),
        )
        return self.folder / f"run-{run_id}"

    def failed(
        self,
        run_id: int,
        status: RunStatus = "failed",
        outputs: Mapping[str, pd.DataFrame | Path] | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        failure_kind: FailureKind | None = None,
    ) -> None:
        """Add a run that is not ok."""
        self._add(
            run_id,
            status,
            output_paths=self._written(run_id, outputs or {}, "{}.parquet"),
            overrides=dict(overrides or {}),
            failure_kind=failure_kind,
        )

    @property
    def manifest(self) -> Manifest:
        """The manifest, in memory."""
        return Manifest(
            script_sha256="0" * 64,
            gmat_sweep_version="0",
            gmat_run_version="0",
            gmat_install_version="R2026a",
            python_version="3.12",
            os_platform="Linux",
            sweep_seed=None,
            parameter_spec={"_kind": "explicit", "columns": [], "rows": []}
            if self.design == "explicit"
            else {"_kind": self.design, "n": len(self.entries), "perturb": {}},
            run_count=len(self.entries),
            entries=list(self.entries),
        )

    def save(self) -> Path:
        """Write the manifest into the sweep folder and return its path."""
        path = self.folder / "manifest.jsonl"
        manifest = self.manifest
        manifest.save(path)
        manifest.close()
        return path

    def _add(self, run_id: int, status: RunStatus, **maps: Any) -> None:
        self.entries.append(
            ManifestEntry(
                run_id=run_id,
                status=status,
                started_at=_NOW,
                ended_at=_NOW,
                duration_s=1.0,
                stderr=None,
                log_path=None,
                **{"overrides": {}, **maps},
            )
        )

    def _written(
        self, run_id: int, files: Mapping[str, pd.DataFrame | Path], file_name: str
    ) -> dict[str, Path]:
        folder = self.folder / f"run-{run_id}"
        folder.mkdir(parents=True, exist_ok=True)
        paths: dict[str, Path] = {}
        for key, content in files.items():
            if isinstance(content, pd.DataFrame):
                path = folder / file_name.format(key)
                content.to_parquet(path)
                paths[key] = path.relative_to(self.folder)
            else:
                paths[key] = content
        return paths
