"""The parts of a manifest that aggregation needs, and the order in which it reads them.

`latest_entries` returns one entry per run, by ascending ``run_id``. Every later step keeps that
order, so that no frame depends on the order in which runs completed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gmat_sweep.aggregate.compacted import Anchors
from gmat_sweep.plans.independence import DESIGN, design_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

__all__ = [
    "EntryLike",
    "ManifestLike",
    "anchors_of",
    "latest_entries",
    "notes_of",
    "read_manifest",
    "tell_design",
]


class EntryLike(Protocol):
    """The part of a manifest entry that names the run, its status and its files."""

    @property
    def run_id(self) -> int:
        """Identity of the run."""

    @property
    def status(self) -> str:
        """``"ok"``, ``"failed"`` or ``"skipped"``."""

    @property
    def output_paths(self) -> Mapping[str, Path]:
        """Parquet files by ``report__``, ``ephemeris__`` or ``contact__`` key."""

    @property
    def extra_outputs(self) -> Mapping[str, Path]:
        """Files of the postprocess hook, by the hook's keys."""

    @property
    def solver_paths(self) -> Mapping[str, Path]:
        """Parquet iteration histories by solver name."""

    @property
    def converged(self) -> Mapping[str, bool]:
        """Whether each solver reached its goal."""


class ManifestLike(Protocol):
    """A manifest as aggregation sees it: its file and its entries."""

    @property
    def path(self) -> Path | None:
        """The file that the manifest was read from or is written to."""

    @property
    def output_dir(self) -> Path | None:
        """The sweep folder, if it is not the manifest's own."""

    @property
    def entries(self) -> Sequence[EntryLike]:
        """Entries in the order they were written."""


def latest_entries(manifest: ManifestLike) -> list[EntryLike]:
    """Return the last entry of each run, by ascending ``run_id``."""
    from gmat_sweep.manifest.lines import no_garbage_collection

    latest = {entry.run_id: entry for entry in manifest.entries}
    ordered = [latest[run_id] for run_id in sorted(latest)]
    with no_garbage_collection():
        # The first look at an entry reads its line.
        for entry in ordered:
            _ = entry.status
    return ordered


def notes_of(entry: EntryLike) -> tuple[str, ...]:
    """Return what a run that is ok has to say of its outputs; the peer's entries have no notes."""
    notes: tuple[str, ...] = getattr(entry, "notes", ())
    return notes


def anchors_of(manifest: ManifestLike, output_dir: Path | str) -> Anchors:
    """Return the folders in which a sweep's files may be, absolute, in the order to look.

    First `output_dir`, then the sweep folder the manifest names, then the manifest's own.
    """
    own = None if manifest.path is None else manifest.path.parent
    folders = (Path(output_dir), manifest.output_dir, own)
    return Anchors(dict.fromkeys(folder.absolute() for folder in folders if folder is not None))


def tell_design(frame: pd.DataFrame, manifest: ManifestLike) -> pd.DataFrame:
    """Write into a frame's ``attrs`` which design its sweep has, and return it.

    Statistics of independent draws refuse the frames of other designs.
    """
    if design := design_name(getattr(manifest, "parameter_spec", None)):
        frame.attrs[DESIGN] = design
    return frame


def read_manifest(
    manifest_path: Path | str, output_dir: Path | str | None
) -> tuple[ManifestLike, Path]:
    """Load a manifest; return it and the sweep folder, which is `output_dir` if that is given."""
    from gmat_sweep.manifest import Manifest

    path = Path(manifest_path)
    manifest: ManifestLike = Manifest.load(path)
    return manifest, Path(output_dir or manifest.output_dir or path.parent)
