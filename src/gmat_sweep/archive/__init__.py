"""The archive: a sweep in one zip file that unpacks to a sweep folder."""

from gmat_sweep.archive.packing import archive_sweep

__all__ = ["archive_sweep"]
