"""`html_report`: a sweep as one HTML file that loads nothing.

The file has its data, its style and its programs in it: plotly.js, ``page/runs.js`` and
``page/report.js``. A Content-Security-Policy in its head lets a browser run these programs, known
by their hashes, and fetch nothing. So nothing leaves the page, and no text of a mission becomes a
program, whatever it holds. All text is escaped by Jinja, the data as JSON that cannot end its
element.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.written_files import begins_with, can_be_made_in, is_in_a_run_folder

if TYPE_CHECKING:
    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.reporting.collected import Content
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements

__all__ = ["checked_page_path", "html_report"]

_MARK = '<meta name="generator" content="gmat-sweep report">'
# The mark is in the head of the file, before all that a mission can say.
_HEAD_BYTES = 1000


def html_report(
    source: SweepSource,
    path: str | Path,
    requirements: Requirements
    | str
    | Path
    | Sequence[Requirement | Mapping[str, Any]]
    | None = None,
    plan: PlanName | None = None,
) -> Path:
    """Write a sweep as one HTML page to send, and return the page's path.

    The page needs no network and no other file. It shows verdicts, plots whose axes the reader
    picks, statistics, failures by cause and place, the worst cases with the command that replays
    them, what it takes to repeat the sweep, and the table of runs.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run, finished or not.
    path : str or Path
        The ``.html`` file to write. An earlier page is replaced, any other file is not.
    requirements : Requirements, str, Path, or sequence, optional
        What the sweep is judged by, as for `judge`: what each one measures is a column of the page,
        too. By default the page has the verdicts of ``verdicts.json`` beside the manifest, if that
        is there. ``verdicts.json`` is not written.
    plan : {"fixed", "anytime"}, optional
        The rule of the verdicts, as for `judge`.

    Returns
    -------
    Path
        The page, absolute.

    Raises
    ------
    SweepConfigError
        The page cannot be written there, or the requirements cannot be judged.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    DurabilityError
        The page could not be written.
    ImportError
        The extra ``[report]`` is not installed.

    Notes
    -----
    The table and the plots of a page hold at most 20,000 runs, fewer if there are more than some
    forty quantities: failed runs, those that violate a requirement, the worst, and others evenly.
    The page says so. Its verdicts and statistics count all runs. The plots are drawn by plotly.js.
    """
    from gmat_sweep.reporting.collected import collect
    from gmat_sweep.verdicts.reading import load_requirements

    target = checked_page_path(path, "path", RecordedSweep.outline(source).path.parent)
    asked = None if requirements is None else load_requirements(requirements)
    page = _page(collect(source, asked, plan), _programs())
    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, page.encode("utf-8", "backslashreplace"))
    return target


def checked_page_path(path: str | Path, what: str, sweep_folder: Path) -> Path:
    """Return the absolute path of a page that may be written.

    Parameters
    ----------
    path : str or Path
        The file.
    what : str
        The argument or option that named it, for messages.
    sweep_folder : Path
        The folder of the manifest.

    Raises
    ------
    SweepConfigError
        It is no ``.html`` file, cannot be written, is in the folder of a run, or is there and no
        page of this package.
    """
    target = absolute_path(path, what)
    if target.suffix.lower() not in {".html", ".htm"}:
        raise SweepConfigError(f"{what} {path} is no .html file. Give one to write.")
    if target.is_dir() or not can_be_made_in(target.parent):
        raise SweepConfigError(
            f"{what} {path} cannot be written. Give a file in a folder that you may write to."
        )
    if is_in_a_run_folder(target.resolve().parent, sweep_folder):
        raise SweepConfigError(
            f"{what} {path} is in the folder of a run, where GMAT writes. Give another file."
        )
    if target.exists() and not (target.is_file() and begins_with(target, _MARK, _HEAD_BYTES)):
        raise SweepConfigError(
            f"{what} {path} is there and no page of gmat-sweep, so it is not replaced. Move it "
            "away, or give another file."
        )
    return target


def _page(content: Content, programs: Sequence[str]) -> str:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise ImportError(_missing("Jinja2")) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    hashes = " ".join(f"'sha256-{_sha256(each)}'" for each in programs)
    return environment.from_string(_own("report.html")).render(
        content.said,
        data=content.data,
        mark=_MARK,
        # plotly.js compiles its shaders' glue with Function().
        policy=(
            f"default-src 'none'; script-src {hashes} 'unsafe-eval'; style-src 'unsafe-inline'; "
            "img-src data: blob:; base-uri 'none'; form-action 'none'"
        ),
        style=_own("report.css"),
        programs=programs,
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _programs() -> list[str]:
    return [_plotly(), _own("runs.js"), _own("report.js")]


def _sha256(program: str) -> str:
    return base64.b64encode(hashlib.sha256(program.encode()).digest()).decode("ascii")


def _own(name: str) -> str:
    return files("gmat_sweep.reporting").joinpath("page", name).read_text(encoding="utf-8")


def _plotly() -> str:
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError(_missing("plotly")) from error
    text = str(get_plotlyjs())
    # A browser hashes the text of the element, in which every end of a line is a newline.
    return text.replace("\r\n", "\n")


def _missing(package: str) -> str:
    return f"a report needs the package {package}. Install it with: pip install gmat-sweep[report]"
