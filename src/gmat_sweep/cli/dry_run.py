"""``--dry-run`` and ``study check``: what a sweep would do, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_OK, tell
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.paths import user_path
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from gmat_sweep.sweep.checking import SweepCheck

__all__ = ["told_check"]


def told_check(found: SweepCheck, draws: str | None) -> int:
    """Print what a check found, and write the values of all runs to the file `draws`, if any."""
    tell("\n".join(map(one_line, found.lines())))
    if draws is not None:
        path = user_path(draws, "--draws")
        write_file(path, found.table().to_csv().encode())
        tell(f"draws: {path}")
    return EXIT_OK
