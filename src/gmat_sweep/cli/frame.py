"""``--frame PATH`` and ``--name REPORT``: the aggregated frame of a sweep as a file.

A fault in the two flags is an error before anything is run. The file is there whole or not at all.
It replaces an earlier frame of the same sweep, and no other file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.table_file import TableFile
from gmat_sweep.errors import GmatSweepError, SweepConfigError

if TYPE_CHECKING:
    from gmat_sweep.sweep import Sweep

__all__ = ["FrameFile", "FrameNotWrittenError", "frame_file"]


class FrameNotWrittenError(GmatSweepError):
    """The sweep is done, but its frame could not be written."""


@dataclass(frozen=True, slots=True)
class FrameFile:
    """The file for the frame of a report.

    Attributes
    ----------
    file : TableFile
        The file.
    report : str
        The ReportFile.
    """

    file: TableFile
    report: str

    @property
    def path(self) -> Path:
        """The file's path, as the user typed it."""
        return self.file.path

    def write(self, sweep: Sweep) -> None:
        """Aggregate the sweep's report and write it; an earlier frame of the sweep is replaced.

        Raises
        ------
        FrameNotWrittenError
            The runs' reports make no frame, the file cannot be written, or it is another file
            that was written since the sweep began.
        """
        from gmat_sweep.sweep.flying import flown_frame

        try:
            self.file.write(flown_frame(sweep, self.report, "pandas")[0])
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
    file = TableFile.checked(path, sweep_folder, "--frame", inputs)
    return FrameFile(file, _chosen_report(script, report, end_state=end_state))


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
