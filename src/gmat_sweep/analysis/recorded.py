"""A sweep as it is on disk, which the caller may name in several ways.

No function here writes, or opens a run's file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.manifest import Manifest
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    from gmat_sweep.aggregate.compacted import Anchors
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["RecordedSweep", "SweepSource", "folders_of", "latest_entries", "manifest_file"]

"""Name of the manifest in a sweep folder."""


class _HasManifest(Protocol):
    def to_manifest(self) -> Manifest: ...


type SweepSource = str | Path | Manifest | _HasManifest
"""A sweep folder, its manifest's path, a loaded `Manifest`, or a `Sweep` that has run."""


@dataclass(frozen=True, slots=True)
class RecordedSweep:
    """A sweep's manifest, and the folder of its files.

    Attributes
    ----------
    manifest : Manifest
        The manifest.
    path : Path
        The manifest's file.
    folder : Path
        The sweep folder, to which relative paths belong.
    entries : tuple of ManifestEntry
        The last entry of each run, by ascending ``run_id``; not that of the nominal run, which no
        statistic counts.
    """

    manifest: Manifest
    path: Path
    folder: Path
    entries: tuple[ManifestEntry, ...]

    @classmethod
    def of(cls, source: SweepSource) -> RecordedSweep:
        """Return the sweep that `source` names.

        Raises
        ------
        FileNotFoundError
            There is no manifest.
        ManifestCorruptError
            The manifest is damaged.
        SweepConfigError
            A `Manifest` was neither saved nor loaded, so nothing says where its files are.
        """
        return cls._of(source, Manifest.load)

    @classmethod
    def outline(cls, source: SweepSource) -> RecordedSweep:
        """Return the sweep that `source` names; from a path, read only how the runs ended.

        Raises
        ------
        FileNotFoundError, ManifestCorruptError, SweepConfigError
            As `of`.
        """
        return cls._of(source, Manifest.outline)

    @classmethod
    def _of(cls, source: SweepSource, read: Callable[[Path], Manifest]) -> RecordedSweep:
        if isinstance(source, str | Path):
            manifest = read(manifest_file(source))
        else:
            manifest = source if isinstance(source, Manifest) else source.to_manifest()
        if manifest.path is None:
            raise SweepConfigError(
                "the manifest has no file, so its runs' files cannot be found. Save it in the "
                "sweep folder first, or pass that folder."
            )
        return cls(
            manifest=manifest,
            path=manifest.path,
            folder=manifest.output_dir or manifest.path.parent,
            entries=tuple(
                entry for run_id, entry in manifest.latest().items() if run_id != NOMINAL_RUN_ID
            ),
        )


def folders_of(source: SweepSource) -> Anchors:
    """Return the folders in which a sweep's files may be; from a path, read only the header.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError, SweepConfigError
        As `RecordedSweep.of`.
    """
    if isinstance(source, str | Path):
        path = manifest_file(source)
        manifest = Manifest.header_of(path)
    else:
        manifest, path = (sweep := RecordedSweep.of(source)).manifest, sweep.path
    return anchors_of(manifest, manifest.output_dir or path.parent)


def latest_entries(source: SweepSource, *, nominal: bool = False) -> Iterator[ManifestEntry]:
    """Yield the last entry of each run; from a path, one at a time, in the order of the file.

    That of the nominal run is among them only with `nominal`.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError, SweepConfigError
        As `RecordedSweep.of`.
    """
    if not isinstance(source, str | Path):
        sweep = RecordedSweep.of(source)
        own = sweep.manifest.latest().get(NOMINAL_RUN_ID)
        yield from [own] if nominal and own is not None else []
        yield from sweep.entries
        return
    path = manifest_file(source)
    lines = Counter(Manifest.iter_run_ids(path))
    for entry in Manifest.iter_entries(path):
        lines[entry.run_id] -= 1
        if not lines[entry.run_id] and (nominal or entry.run_id != NOMINAL_RUN_ID):
            yield entry


def manifest_file(source: str | Path) -> Path:
    """Return the manifest's file in a sweep folder, or the file that `source` itself is."""
    path = Path(source)
    return path / MANIFEST_NAME if path.is_dir() else path
