"""A table as a file, .parquet or .csv, beside or in a sweep folder.

A fault in the path is an error before anything is computed. The file is there whole or not at all.
It replaces an earlier table of the same sweep, and no other file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableFile"]

_KINDS = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class TableFile:
    """The file for a table.

    Attributes
    ----------
    path : Path
        The file, as the user typed it; its suffix says of which format it will be.
    sweep_folder : Path
        The folder of the sweep's manifest.
    flag : str
        The option that named it, for messages.
    """

    path: Path
    sweep_folder: Path
    flag: str

    @classmethod
    def checked(
        cls, path: str, sweep_folder: Path, flag: str, inputs: tuple[Path, ...] = ()
    ) -> TableFile:
        """Return the file for a table.

        Parameters
        ----------
        path : str
            The file.
        sweep_folder : Path
            The folder of the sweep's manifest, which need not exist yet.
        flag : str
            The option that named it.
        inputs : tuple of Path
            Files that must not be replaced.

        Raises
        ------
        SweepConfigError
            The file cannot be written, is an input, is of no known kind, is in the folder of a run,
            or is there and no table of the sweep.
        """
        from gmat_sweep.folder.written_files import can_be_made_in, is_in_a_run_folder

        target = user_path(path, flag)
        if target.suffix.lower() not in _KINDS:
            raise SweepConfigError(
                f"{flag} {path} is not supported. Give a .parquet or a .csv file to write."
            )
        if target.resolve() in {each.resolve() for each in inputs}:
            raise SweepConfigError(f"{flag} {path} would replace an input. Give another file.")
        if target.is_dir() or not can_be_made_in(target.parent):
            raise SweepConfigError(
                f"{flag} {target} cannot be written. Give a file in a folder that you may write to."
            )
        if is_in_a_run_folder(target.resolve().parent, sweep_folder):
            raise SweepConfigError(
                f"{flag} {path} is in the folder of a run, where GMAT writes. Give another file."
            )
        file = cls(target, sweep_folder, flag)
        file.check_replaceable()
        return file

    def write(self, frame: pd.DataFrame) -> None:
        """Write a frame with its index; an earlier table of the sweep is replaced.

        Raises
        ------
        SweepConfigError
            It is another file that was written meanwhile.
        ValueError, TypeError
            The format cannot hold the frame.
        OSError
            The file cannot be written.
        """
        from gmat_sweep.disk.files import atomic_path
        from gmat_sweep.disk.held import make_folder
        from gmat_sweep.folder.frames import hash_of, note_frame

        self.check_replaceable()
        path = self.path.absolute()
        inside = path.is_relative_to(self.sweep_folder.absolute())
        within = self.sweep_folder.absolute() if inside else path.parent
        make_folder(path.parent, within=within)
        with atomic_path(path, within=within) as temporary:
            if self.path.suffix.lower() == ".csv":
                frame.to_csv(temporary)
            else:
                frame.to_parquet(temporary)
            note_frame(self.sweep_folder, self.path, hash_of(temporary))

    def check_replaceable(self) -> None:
        """Refuse a file that is there and no table of the sweep."""
        from gmat_sweep.folder.frames import why_not_replace

        try:
            reason = why_not_replace(self.sweep_folder, self.path)
        except OSError as error:
            reason = f"is there already and cannot be read ({error.strerror})"
        if reason:
            raise SweepConfigError(
                f"{self.flag} {self.path} {reason}, so it is not replaced. Move it away, or give "
                "another file."
            )
