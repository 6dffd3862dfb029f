"""``--frame PATH`` and ``--name REPORT``: the aggregated frame of a sweep as a file.

A fault in the two flags is an error before anything is run. The file is there whole or not at all.
It replaces an earlier frame of the same sweep, and no other file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.disk.paths import user_path
from gmat_sweep.errors import GmatSweepError, SweepConfigError
from gmat_sweep.folder.layout import RUN_FOLDER

if TYPE_CHECKING:
    from gmat_sweep.sweep import Sweep

__all__ = ["FrameFile", "FrameNotWrittenError", "frame_file"]

_KINDS = (".parquet", ".csv")


class FrameNotWrittenError(GmatSweepError):
    """The sweep is done, but its frame could not be written."""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """The file for the frame of a report.

    Attributes
    ----------
    path : Path
        The file, as the user typed it; its suffix says of which format it will be.
    report : str
        The ReportFile.
    sweep_folder : Path
        The folder of the sweep's manifest.
    """

    path: Path
    report: str
    sweep_folder: Path

    def write(self, sweep: Sweep) -> None:
        """Aggregate the sweep's report and write it; an earlier frame of the sweep is replaced.

        Raises
        ------
        FrameNotWrittenError
            The runs' reports make no frame, the file cannot be written, or it is another file
            that was written since the sweep began.
        """
        from gmat_sweep.disk.files import atomic_path
        from gmat_sweep.disk.held import make_folder
        from gmat_sweep.folder.frames import hash_of, note_frame

        try:
            frame = sweep.to_dataframe(self.report)
            _check_replaceable(self.path, self.sweep_folder)
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
        except (GmatSweepError, ValueError, TypeError, OSError) as error:
            raise FrameNotWrittenError(
                f"the runs are recorded, but --frame {self.path} could not be written: {error}"
            ) from error


def frame_file(
    path: str | None,
    report: str | None,
    script: Path,
    sweep_folder: Path,
    inputs: tuple[Path, ...] = (),
    *,
    end_state: bool = True,
) -> FrameFile | None:
    """Return the file for the frame, None if the user asks for none.

    Parameters
    ----------
    path, report : str or None
        The values of ``--frame`` and ``--name``.
    script : Path
        The mission script, which names the ReportFiles to choose from.
    sweep_folder : Path
        The folder of the sweep's manifest, which need not exist yet.
    inputs : tuple of Path
        Files that must not be replaced.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state.

    Raises
    ------
    SweepConfigError
        The file cannot be written, is an input, is of no known kind, or is there and no frame of
        the sweep; or the report is not clear.
    """
    if path is None:
        if report is not None:
            raise SweepConfigError("--name says which report --frame writes. Add --frame PATH.")
        return None
    target = user_path(path, "--frame")
    if target.suffix.lower() not in _KINDS:
        raise SweepConfigError(
            f"--frame {path} is not supported. Give a .parquet or a .csv file to write."
        )
    if target.resolve() in {each.resolve() for each in inputs}:
        raise SweepConfigError(f"--frame {path} would replace an input. Give another file.")
    _check_writable(target)
    if _is_in_a_run_folder(target, sweep_folder):
        raise SweepConfigError(
            f"--frame {path} is in the folder of a run, where GMAT writes. Give another file."
        )
    _check_replaceable(target, sweep_folder)
    chosen = _chosen_report(script, report, end_state=end_state)
    return FrameFile(target, chosen, sweep_folder)


def _check_writable(target: Path) -> None:
    existing = next(each for each in target.absolute().parents if each.exists())
    if target.is_dir() or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise SweepConfigError(
            f"--frame {target} cannot be written. Give a file in a folder that you may write to."
        )


def _is_in_a_run_folder(target: Path, sweep_folder: Path) -> bool:
    file, folder = target.resolve(), sweep_folder.resolve()
    return file.is_relative_to(folder) and any(
        RUN_FOLDER.fullmatch(part) for part in file.relative_to(folder).parts[:-1]
    )


def _check_replaceable(target: Path, sweep_folder: Path) -> None:
    from gmat_sweep.folder.frames import why_not_replace

    try:
        reason = why_not_replace(sweep_folder, target)
    except OSError as error:
        reason = f"is there already and cannot be read ({error.strerror})"
    if reason:
        raise SweepConfigError(
            f"--frame {target} {reason}, so it is not replaced. Move it away, or give another file."
        )


def _chosen_report(script: Path, report: str | None, *, end_state: bool) -> str:
    from gmat_sweep.mission.end_state import report_names

    reports = sorted(report_names(script, end_state=end_state))
    listed = ", ".join(reports)
    if not reports:
        raise SweepConfigError(
            f"{script.name} has no ReportFile, so there is no frame to write. Leave out --frame."
        )
    if report is None and len(reports) > 1:
        raise SweepConfigError(
            f"{script.name} has {len(reports)} ReportFiles: {listed}. Say with --name which one "
            "--frame writes; all of them are kept in the sweep folder."
        )
    if report is not None and report not in reports:
        raise SweepConfigError(
            f"{script.name} has no report output named {report!r}; it has: {listed}. Correct "
            "--name."
        )
    return report or reports[0]
