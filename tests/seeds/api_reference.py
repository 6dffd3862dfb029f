# The signatures of the page "API reference", as printed (DaskPool and RayPool are not here).
# ruff: noqa: B006, C408, F821, N818
# mypy: ignore-errors
from __future__ import annotations

from abc import ABC, abstractmethod

MANIFEST_SCHEMA_VERSION: int = 1


def monte_carlo(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    seed: int | None = None,
    backend: Pool | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> DataFrame: ...


def latin_hypercube(
    mission: str | Path,
    *,
    n: int,
    perturb: Mapping[str, DistSpec],
    seed: int | None = None,
    backend: Pool | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> DataFrame: ...


class Sweep:
    def __init__(
        self,
        *,
        runs: Sequence[RunSpec],
        backend: Pool,
        manifest_path: Path,
        output_dir: Path,
        script_path: Path,
        parameter_spec: Mapping[str, Any],
        sweep_seed: int | None = None,
        progress: bool = True,
    ) -> None: ...

    def run(self) -> Sweep: ...

    @classmethod
    def from_manifest(
        cls,
        manifest_path: str | Path,
        script_path: str | Path,
        *,
        backend: Pool,
        allow_script_drift: bool = False,
        progress: bool = True,
    ) -> Sweep: ...

    def resume(self) -> Sweep: ...

    def to_manifest(self) -> Manifest: ...

    def to_dataframe(self, name: str | None = None) -> DataFrame: ...

    def to_ephemerides(self, name: str | None = None) -> DataFrame: ...

    def to_contacts(self, name: str | None = None) -> DataFrame: ...


class Pool(ABC):
    @abstractmethod
    def submit(self, spec: RunSpec) -> Future[RunOutcome]: ...

    @abstractmethod
    def as_completed(
        self,
        futures: Iterable[Future[RunOutcome]],
    ) -> Iterator[RunOutcome]: ...

    @abstractmethod
    def close(self) -> None: ...


class LocalJoblibPool(Pool):
    def __init__(self, workers: int = -1, *, reuse_gmat_context: bool = True) -> None: ...


class RunSpec:
    def __init__(
        self,
        script_path: Path,
        overrides: dict[str, Any],
        output_dir: Path,
        run_id: int,
        seed: int | None,
        run_options: dict[str, Any],
    ) -> None: ...


class SweepSpec:
    def __init__(
        self,
        mission_script_path: Path,
        runs: tuple[RunSpec, ...],
        backend: str,
        backend_kwargs: dict[str, Any],
        output_dir: Path,
        manifest_path: Path,
        sweep_seed: int | None = None,
    ) -> None: ...


class RunOutcome:
    def __init__(
        self,
        run_id: int,
        status: RunStatus,
        output_paths: dict[str, Path],
        duration_s: float,
        stderr: str | None,
        started_at: datetime,
        ended_at: datetime,
    ) -> None: ...


def full_factorial(
    grid: Mapping[str, Iterable[Any]],
) -> Iterator[dict[str, Any]]: ...


def expand_grid_to_run_specs(
    grid: Mapping[str, Iterable[Any]],
    script_path: str | Path,
    output_dir: str | Path,
) -> list[RunSpec]: ...


class Manifest:
    def __init__(
        self,
        script_sha256: str,
        gmat_sweep_version: str,
        gmat_run_version: str,
        gmat_install_version: str,
        python_version: str,
        os_platform: str,
        sweep_seed: int | None,
        parameter_spec: dict[str, Any],
        run_count: int,
        backend: str = "unknown",
        schema_version: int = MANIFEST_SCHEMA_VERSION,
        entries: list[ManifestEntry] = list(),
    ) -> None: ...

    def save(self, path: Path) -> None: ...

    def append_entry(self, entry: ManifestEntry) -> None: ...

    @classmethod
    def load(cls, path: Path) -> Manifest: ...

    def find_failed(self) -> list[int]: ...

    def find_missing(self, expected_run_ids: Iterable[int]) -> list[int]: ...


class ManifestEntry:
    def __init__(
        self,
        run_id: int,
        overrides: dict[str, Any],
        status: RunStatus,
        output_paths: dict[str, Path],
        started_at: datetime,
        ended_at: datetime,
        duration_s: float,
        stderr: str | None,
        log_path: Path | None,
    ) -> None: ...

    @classmethod
    def from_outcome(
        cls,
        outcome: RunOutcome,
        *,
        overrides: dict[str, Any],
        log_path: Path | None = None,
    ) -> ManifestEntry: ...


def canonical_script_sha256(script_path: Path) -> str: ...


def lazy_multiindex(
    manifest: Manifest,
    output_dir: Path,
    *,
    name: str | None = None,
    spool: bool = True,
) -> DataFrame: ...


def lazy_ephemerides(
    manifest: Manifest,
    output_dir: Path,
    *,
    name: str | None = None,
    spool: bool = True,
) -> DataFrame: ...


def lazy_contacts(
    manifest: Manifest,
    output_dir: Path,
    *,
    name: str | None = None,
) -> DataFrame: ...


class GmatSweepError(Exception): ...


class SweepConfigError(GmatSweepError): ...


class RunFailed(GmatSweepError):
    def __init__(self, message: str, run_id: int, stderr: str | None = None) -> None: ...


class BackendError(GmatSweepError): ...


class ManifestCorruptError(GmatSweepError):
    def __init__(self, message: str, path: Path) -> None: ...
