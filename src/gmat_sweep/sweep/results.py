"""The results of a sweep: its manifest, its frames, its archive, its page in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.plans import kind_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.sweep.options import SweepOptions
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements

__all__ = ["SweepResults"]


class SweepResults:
    """The reading half of `gmat_sweep.Sweep`."""

    runs: Sequence[RunSpec]
    backend: Pool
    parameter_spec: dict[str, Any]
    sweep_seed: int | None
    manifest_path: Path
    output_dir: Path
    script_path: Path
    options: SweepOptions
    _manifest: Manifest | None
    _is_under_way: bool

    def to_manifest(self) -> Manifest:
        """Return the manifest, with the entries that were recorded since read from its file.

        Raises
        ------
        RuntimeError
            The sweep has not run.
        FileNotFoundError, ManifestCorruptError
            Runs were recorded, and the file cannot be read any more.
        """
        if self._manifest is None:
            raise RuntimeError("The sweep has no manifest yet. Call Sweep.run() first.")
        return self._loaded() if self._manifest.is_behind else self._manifest

    @property
    def has_run(self) -> bool:
        """Whether there is a manifest: the sweep has begun to run, or was rebuilt from one."""
        return self._manifest is not None

    def _loaded(self) -> Manifest:
        """Return the manifest as its file has it."""
        manifest = Manifest.load(self.manifest_path)
        manifest.fsync_each, manifest.fsync_batch = (
            self.options.fsync_each,
            self.options.fsync_batch,
        )
        if not self._is_under_way:
            self._manifest = manifest
        return manifest

    @overload
    def to_dataframe(
        self, name: str | None = None, *, engine: Literal["pandas"] = "pandas"
    ) -> pd.DataFrame: ...
    @overload
    def to_dataframe(
        self, name: str | None = None, *, engine: Literal["polars"]
    ) -> pl.DataFrame: ...
    def to_dataframe(
        self, name: str | None = None, *, engine: Literal["pandas", "polars"] = "pandas"
    ) -> Any:
        """Return all runs' reports as one frame indexed by ``(run_id, time)``.

        Parameters
        ----------
        name : str, optional
            Which ReportFile, where the mission has several.
        engine : {"pandas", "polars"}
            Library of the frame that is returned.

        Returns
        -------
        pandas.DataFrame
            The report's columns in GMAT's units, and ``__status``. A run without data is one row.
            A report without an epoch has the second level ``row`` in place of ``time``.
        """
        from gmat_sweep.aggregate import lazy_multiindex

        return lazy_multiindex(self.to_manifest(), self.output_dir, name=name, engine=engine)

    @overload
    def to_ephemerides(
        self, name: str | None = None, *, engine: Literal["pandas"] = "pandas"
    ) -> pd.DataFrame: ...
    @overload
    def to_ephemerides(
        self, name: str | None = None, *, engine: Literal["polars"]
    ) -> pl.DataFrame: ...
    def to_ephemerides(
        self, name: str | None = None, *, engine: Literal["pandas", "polars"] = "pandas"
    ) -> Any:
        """Return all runs' ephemerides as one frame indexed by ``(run_id, time)``.

        `name` says which EphemerisFile, where the mission has several; see `lazy_ephemerides`.
        """
        from gmat_sweep.aggregate import lazy_ephemerides

        return lazy_ephemerides(self.to_manifest(), self.output_dir, name=name, engine=engine)

    @overload
    def to_contacts(
        self, name: str | None = None, *, engine: Literal["pandas"] = "pandas"
    ) -> pd.DataFrame: ...
    @overload
    def to_contacts(
        self, name: str | None = None, *, engine: Literal["polars"]
    ) -> pl.DataFrame: ...
    def to_contacts(
        self, name: str | None = None, *, engine: Literal["pandas", "polars"] = "pandas"
    ) -> Any:
        """Return all runs' contacts as one frame indexed by ``(run_id, interval_id)``.

        `name` says which ContactLocator, where the mission has several; see `lazy_contacts`.
        """
        from gmat_sweep.aggregate import lazy_contacts

        return lazy_contacts(self.to_manifest(), self.output_dir, name=name, engine=engine)

    @overload
    def to_extra_outputs(
        self, name: str, *, engine: Literal["pandas"] = "pandas"
    ) -> pd.DataFrame: ...
    @overload
    def to_extra_outputs(self, name: str, *, engine: Literal["polars"]) -> pl.DataFrame: ...
    def to_extra_outputs(self, name: str, *, engine: Literal["pandas", "polars"] = "pandas") -> Any:
        """Return the hook's output `name`, indexed by ``(run_id, time)`` or ``run_id``.

        See `lazy_extra_outputs`.
        """
        from gmat_sweep.aggregate import extra_outputs

        return extra_outputs(self.to_manifest(), self.output_dir, name, engine=engine)

    @overload
    def to_solver_runs(self, *, engine: Literal["pandas"] = "pandas") -> pd.DataFrame: ...
    @overload
    def to_solver_runs(self, *, engine: Literal["polars"]) -> pl.DataFrame: ...
    def to_solver_runs(self, *, engine: Literal["pandas", "polars"] = "pandas") -> Any:
        """Return every solver's iterations, indexed by ``(run_id, solver, iteration)``.

        See `lazy_solver_runs`.
        """
        from gmat_sweep.aggregate import solver_runs

        return solver_runs(self.to_manifest(), self.output_dir, engine=engine)

    @overload
    def to_solver_convergence(self, *, engine: Literal["pandas"] = "pandas") -> pd.DataFrame: ...
    @overload
    def to_solver_convergence(self, *, engine: Literal["polars"]) -> pl.DataFrame: ...
    def to_solver_convergence(self, *, engine: Literal["pandas", "polars"] = "pandas") -> Any:
        """Return whether each solver reached its goal, indexed by ``(run_id, solver)``.

        See `lazy_solver_convergence`.
        """
        from gmat_sweep.aggregate import solver_convergence

        return solver_convergence(self.to_manifest(), engine=engine)

    def to_polars(self, name: str | None = None) -> pl.DataFrame:
        """Return all runs' reports as a polars frame, as `to_dataframe` with that engine."""
        return self.to_dataframe(name, engine="polars")

    @overload
    def to_fused_reports(
        self,
        names: Sequence[str],
        *,
        tolerance: Any,
        spool: bool = True,
        engine: Literal["pandas"] = "pandas",
    ) -> pd.DataFrame: ...
    @overload
    def to_fused_reports(
        self, names: Sequence[str], *, tolerance: Any, spool: bool = True, engine: Literal["polars"]
    ) -> pl.DataFrame: ...
    def to_fused_reports(
        self,
        names: Sequence[str],
        *,
        tolerance: Any,
        spool: bool = True,
        engine: Literal["pandas", "polars"] = "pandas",
    ) -> Any:
        """Return several reports side by side on the first one's times.

        See `lazy_fused_reports`.
        """
        from gmat_sweep.aggregate import lazy_fused_reports

        return lazy_fused_reports(
            self.to_manifest(),
            self.output_dir,
            names,
            tolerance=tolerance,
            spool=spool,
            engine=engine,
        )

    def to_runs_table(
        self, reductions: Mapping[str, str | list[str]] | None = None
    ) -> pd.DataFrame:
        """Return a row per run: status, varied fields, last values, convergence, duration.

        See `gmat_sweep.analysis.runs_table`.
        """
        from gmat_sweep.analysis import runs_table

        return runs_table(self.to_manifest(), reductions)

    def report(
        self,
        path: str | Path,
        requirements: Requirements
        | str
        | Path
        | Sequence[Requirement | Mapping[str, Any]]
        | None = None,
        plan: PlanName | None = None,
    ) -> Path:
        """Write the sweep as one HTML page to send, and return the page's path.

        See `gmat_sweep.reporting.html_report`, which has the same parameters.

        Raises
        ------
        RuntimeError
            The sweep has not run.
        SweepConfigError
            The page cannot be written there, or the requirements cannot be judged.
        ImportError
            The extra ``[report]`` is not installed.
        """
        from gmat_sweep.reporting import html_report

        return html_report(self.to_manifest(), path, requirements, plan)

    def archive(
        self, out: str | Path, *, include_logs: bool = False, trust_files: bool = False
    ) -> Path:
        """Write the sweep as one zip file that reproduces it elsewhere, and return its path.

        Parameters
        ----------
        out : str or Path
            The file to write.
        include_logs : bool
            Whether the runs' logs go with it.
        trust_files : bool
            Whether listed files outside of the sweep's folders go with it, such as those that a
            hook wrote elsewhere.

        Raises
        ------
        RuntimeError
            The sweep has not run.
        SweepConfigError
            The script has changed, a listed file is missing, damaged, or outside of the sweep's
            folders and not trusted, or `out` holds something else.
        """
        from gmat_sweep.archive import archive_sweep

        return archive_sweep(
            self.to_manifest(),
            self.output_dir,
            self.script_path,
            out,
            include_logs=include_logs,
            allow_script_drift=self.options.allow_script_drift,
            trust_files=trust_files,
        )

    def _repr_html_(self) -> str:
        from gmat_sweep.analysis.outcomes import failure_notes
        from gmat_sweep.notebook import sweep_html

        try:
            digest: str | None = canonical_script_sha256(self.script_path)
        except (OSError, UnicodeDecodeError):
            digest = None
        entries = None if self._manifest is None else self.to_manifest().entries
        return sweep_html(
            script_path=self.script_path,
            script_sha256=digest,
            statuses=None if entries is None else [entry.status for entry in entries],
            notes=failure_notes(entries or ()),
            run_count=len(self.runs),
            kind=kind_of(self.parameter_spec),
            backend=type(self.backend).__name__,
            sweep_seed=self.sweep_seed,
        )
