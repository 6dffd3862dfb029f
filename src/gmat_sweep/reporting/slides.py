"""`save_plots`: the pictures of `gmat_sweep.plotting` as files, for slides.

The figures belong to no window: nothing here imports pyplot.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.aggregate import lazy_multiindex
from gmat_sweep.analysis import mc_convergence, sweep_summary
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.analysis.report import sweep_report
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.independence import are_independent, design_name
from gmat_sweep.plotting import (
    mc_convergence_plot,
    sweep_band_plot,
    sweep_corner,
    sweep_heatmap,
)
from gmat_sweep.plotting.runs import parameters_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.manifest import Manifest

__all__ = ["save_plots"]

_FORMATS = ("png", "pdf")
_MOST_PARAMETERS = 6
_DPI = 150


def save_plots(
    source: SweepSource,
    folder: str | Path,
    format: Literal["png", "pdf"] = "png",  # noqa: A002 - what it is called everywhere
    *,
    most: int = 6,
) -> tuple[Path, ...]:
    """Draw the pictures of a sweep into a folder, each as a file of its own.

    Of each quantity: its colour over every pair of inputs, or over the two axes of a grid; its
    band over time, if the runs report at common epochs; how its mean settles, of random draws.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    folder : str or Path
        The folder, which is made. Files of the same name are replaced.
    format : {"png", "pdf"}
        PNG with 150 dots per inch, or PDF.
    most : int
        Of how many quantities: those with the largest spread beside their mean.

    Returns
    -------
    tuple of Path
        The files, in the order of the quantities; none if no quantity differs from run to run.

    Raises
    ------
    SweepConfigError
        The format is not one of these, or the folder is a file.
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    DurabilityError
        A file could not be written.
    ImportError
        matplotlib is not installed.
    """
    if format not in _FORMATS:
        raise SweepConfigError(f"format={format!r} is not supported. Use png or pdf.")
    place = absolute_path(folder, "folder")
    if place.exists() and not place.is_dir():
        raise SweepConfigError(f"{folder} is a file. Name a folder for the pictures.")
    sweep = RecordedSweep.of(source)
    wanted = _quantities(source, most)
    place.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for report in dict.fromkeys(report for report, _ in wanted):
        frame = lazy_multiindex(sweep.manifest, sweep.folder, name=report)
        for quantity in (name for each, name in wanted if each == report):
            for kind, figure in _figures(sweep.manifest, frame, quantity):
                name = re.sub(r"[^A-Za-z0-9._-]+", "_", f"{report}.{quantity}")[:120]
                path = place / f"{len(written) + 1:02}-{kind}-{name}.{format}"
                write_file(path, _drawn(figure, format))
                written.append(path)
    return tuple(written)


def _quantities(source: SweepSource, most: int) -> list[tuple[str, str]]:
    """Return report and name of the quantities that differ most from run to run."""
    told = []
    for each in sweep_report(source).quantities:
        if each.low is None or each.high is None or each.low == each.high:
            continue
        # Rounding of the report's digits is no spread.
        size = max(abs(each.low), abs(each.high))
        if each.high - each.low > 1e-12 * size:
            told.append((-(each.high - each.low) / size, each.report, each.quantity))
    return [(report, quantity) for _, report, quantity in sorted(told)[:most]]


def _figures(
    manifest: Manifest, frame: pd.DataFrame, quantity: str
) -> Iterator[tuple[str, Figure]]:
    """Yield the pictures of a quantity, each with the word for its file's name."""
    inputs = _numeric_inputs(manifest)
    makers: list[tuple[str, Callable[[], Figure]]] = []
    if manifest.parameter_spec.get("_kind") == "grid" and len(inputs) == 2:
        makers.append(("heatmap", lambda: _heatmap(manifest, frame, inputs, quantity)))
    elif len(inputs) > 1:
        makers.append(("corner", lambda: _corner(manifest, frame, inputs, quantity)))
    if "time" in frame.index.names and _has_common_epochs(frame):
        makers.append(("band", lambda: _band(frame, quantity)))
    if are_independent(design_name(manifest.parameter_spec)):
        makers.append(("convergence", lambda: _convergence(frame, quantity)))
    for kind, make in makers:
        with warnings.catch_warnings():
            # Each picture says itself which runs it leaves out.
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                figure = make()
            except SweepConfigError:
                # Too few runs, or a parameter of texts: there is no such picture of this sweep.
                continue
        yield kind, figure


def _numeric_inputs(manifest: Manifest) -> list[str]:
    entries = list(manifest.latest().values())
    names = []
    for name in parameters_of(manifest):
        values = {entry.overrides[name] for entry in entries if _is_number(entry.overrides, name)}
        if len(values) > 1:
            names.append(name)
    return names[:_MOST_PARAMETERS]


def _is_number(overrides: Any, name: str) -> bool:
    value = overrides.get(name)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _has_common_epochs(frame: pd.DataFrame) -> bool:
    """Return whether most epochs are those of several runs, and there are some of them."""
    times = frame.index.get_level_values("time").dropna()
    distinct = times.nunique()
    return distinct > 2 and len(times) >= 2 * distinct


def _figure(width: float = 8.0, height: float = 4.5) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "pictures need the package matplotlib. Install it with: pip install gmat-sweep[plot]"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _corner(manifest: Manifest, frame: pd.DataFrame, inputs: list[str], quantity: str) -> Figure:
    count = len(inputs)
    figure = _figure(2.6 + 2.2 * count, 1.6 + 2.2 * count)
    axes = figure.subplots(count, count, squeeze=False)
    sweep_corner(frame, inputs, quantity, manifest=manifest, axes=axes)
    return figure


def _heatmap(manifest: Manifest, frame: pd.DataFrame, inputs: list[str], quantity: str) -> Figure:
    figure = _figure()
    one, two = inputs
    sweep_heatmap(frame, one, two, quantity, manifest=manifest, ax=figure.subplots())
    return figure


def _band(frame: pd.DataFrame, quantity: str) -> Figure:
    from gmat_sweep.aggregate.columns import STATUS

    figure = _figure()
    told = frame[[quantity, STATUS]]
    sweep_band_plot(sweep_summary(told), quantity, ax=figure.subplots(), nominal=told)
    return figure


def _convergence(frame: pd.DataFrame, quantity: str) -> Figure:
    figure = _figure()
    curve = mc_convergence(frame, quantity, terminal_only=True)
    mc_convergence_plot(curve, ax=figure.subplots(), nominal=frame)
    return figure


def _drawn(figure: Figure, format: str) -> bytes:  # noqa: A002
    import io

    file = io.BytesIO()
    figure.savefig(file, format=format, dpi=_DPI)
    return file.getvalue()
