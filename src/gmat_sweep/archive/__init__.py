"""A sweep in one zip file that unpacks to a sweep folder, and its runs' tables in few files."""

from gmat_sweep.archive.compacting import Compaction, compact
from gmat_sweep.archive.packed_runs import RunPacking, pack, unpack
from gmat_sweep.archive.packing import archive_sweep

__all__ = ["Compaction", "RunPacking", "archive_sweep", "compact", "pack", "unpack"]
