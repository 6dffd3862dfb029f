"""The page of pictures of a sweep that flies, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gmat_sweep.analysis.clustering import varied_values, where_marked
from gmat_sweep.analysis.markdown import number, plain
from gmat_sweep.analysis.percentiles import tells
from gmat_sweep.analysis.pictures.drawing import (
    LEVELS,
    convergence,
    distribution,
    failures,
    scatter,
    strongest_fields,
    trajectories,
)
from gmat_sweep.analysis.pictures.quantities import Quantity, inputs_of, quantities_of, strongest
from gmat_sweep.analysis.pictures.sample import MOST_CURVES
from gmat_sweep.analysis.pictures.svg import Card, Panel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.analysis.pictures.sample import RunSample, SampledRun
    from gmat_sweep.analysis.pictures.wanted import Wanted

__all__ = ["MOST_BYTES", "pictures_page"]

MOST_BYTES = 300_000
"""No page is larger."""

_NONE_YET = "No run has ended with a number to draw yet."
_ROOM_FOR_WORDS = 4_000


def pictures_page(
    sample: RunSample, planned: int, design: str, about: Wanted, *, at_rest: bool = False
) -> str:
    """Return the page: what it is drawn from, a card for each quantity, where runs fail.

    Parameters
    ----------
    sample : RunSample
        The runs.
    planned : int
        How many runs the sweep has.
    design : str
        As `design_name` gives it.
    about : Wanted
        Which quantities come first.
    at_rest : bool
        Whether no further runs are under way.
    """
    runs, failed = sample.ok_runs(), sample.failed_runs()
    parts = [_head(sample, planned, len(runs), about, at_rest=at_rest)]
    left = MOST_BYTES - _ROOM_FOR_WORDS
    for section in _sections(sample, runs, failed, design, about):
        if len(section.encode()) > left:
            parts.append("Further pictures would make this page too large.")
            break
        left -= len(section.encode())
        parts.append(section)
    if len(parts) == 1:
        parts.append(_NONE_YET)
    return "\n\n".join(parts) + "\n"


def _head(sample: RunSample, planned: int, drawn: int, about: Wanted, *, at_rest: bool) -> str:
    ended = sample.ok + sample.failed + sample.other
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    under_way = "" if at_rest or ended >= planned else ", while it flies"
    lines = [f"**{ended} of {planned} runs have ended{under_way}: {sample.ok} ok"]
    bad = sample.failed + sample.other
    lines[0] += f", {bad} failed.**" if bad else ".**"
    said = "all runs that are ok" if drawn == sample.ok else f"{drawn} of {sample.ok} runs that are"
    lines.append(
        f"Drawn {when} from {said}{'' if drawn == sample.ok else ' ok, chosen at random'}."
    )
    if about.requirements:
        lines[-1] += " What is shown of a requirement, its verdict says at the end."
    return "\n\n".join(lines)


def _sections(
    sample: RunSample,
    runs: list[SampledRun],
    failed: list[SampledRun],
    design: str,
    about: Wanted,
) -> Iterator[str]:
    entries = [run.entry for run in (*runs, *failed)]
    inputs = inputs_of(entries)
    of_ok = {name: values[: len(runs)] for name, values in inputs.items()}
    of_failed = {name: values[len(runs) :] for name, values in inputs.items()}
    for each in quantities_of(runs, sample.nominal, about) if runs else ():
        over = [
            scatter(each, name, correlation, of_ok[name], of_failed[name])
            for name, correlation in strongest(each.values, of_ok)[:2]
        ]
        in_time = _in_time(each, sample, runs)
        # One input stands beside the quantity over time, two where there is nothing over time.
        last = over if in_time is None else [*over[:1], in_time]
        panels = [distribution(each, design), convergence(each, design), *last]
        alt = f"{each.name}: distribution of {len(runs)} runs"
        yield "\n\n".join([f"## {plain(each.name)}", _figures(each, design), _picture(alt, panels)])
    if failed and runs and inputs:
        yield _failures(sample, runs, failed, of_ok, of_failed)


def _in_time(each: Quantity, sample: RunSample, runs: list[SampledRun]) -> Panel | None:
    if each.column is None:
        return None
    report = each.column[0]
    curves = [run.curves[report] for run in runs if report in run.curves][:MOST_CURVES]
    own = None if sample.nominal is None else sample.nominal.curves.get(report)
    return trajectories(each, curves, own)


def _failures(
    sample: RunSample,
    runs: list[SampledRun],
    failed: list[SampledRun],
    of_ok: dict[str, NDArray[np.float64]],
    of_failed: dict[str, NDArray[np.float64]],
) -> str:
    import numpy as np

    _, fields = varied_values([run.entry for run in (*runs, *failed)])
    marked = np.array([False] * len(runs) + [True] * len(failed))
    clusters = where_marked(fields, marked)
    named = [name for each in clusters for name in each.fields if name in of_ok]
    ordered = list(dict.fromkeys([*named, *strongest_fields(of_ok, of_failed)]))[:2]
    whole = len(runs) == sample.ok and len(failed) == sample.failed
    heading = "## Where runs fail"
    said = [plain(each.text()) for each in clusters[:2]]
    if said and not whole:
        said.append("These counts are of the runs that are drawn.")
    if not clusters:
        said = ["They may lie where they do by chance."]
    panels = [failures(name, of_ok[name], of_failed[name]) for name in ordered]
    return "\n\n".join([heading, *said, _picture("where runs fail", list(panels))])


def _picture(alt: str, panels: list[Panel | None]) -> str:
    drawn = [each for each in panels if each is not None]
    words = plain(alt).replace("]", "")
    return f"![{words}]({Card(drawn).to_uri()})"


def _figures(each: Quantity, design: str) -> str:
    """Return mean, sigma and percentiles, and how many of the drawn runs violate a limit."""
    import numpy as np

    told = each.values[np.isfinite(each.values)]
    sigma = float(told.std(ddof=1)) if len(told) > 1 else None
    spread = sigma or None
    unit = f" {each.unit}" if each.unit else ""
    if design == "grid":
        cells = [f"lowest {number(float(told.min()), spread)}{unit}"]
        cells.append(f"highest {number(float(told.max()), spread)}{unit}")
    else:
        cells = [f"mean {number(float(told.mean()), spread)}{unit}"]
        if sigma is not None:
            cells.append(f"sigma {number(sigma)}{unit}")
        cells += [
            f"{100 * level:g} % {number(float(np.quantile(told, level)), spread)}{unit}"
            for level in LEVELS
            if tells(len(told), level, design)
        ]
    if math.isfinite(each.nominal):
        cells.append(f"nominal {number(each.nominal, spread)}{unit}")
    said = "; ".join(cells)
    if each.requirement is not None:
        violate = sum(not each.requirement.holds(float(value)) for value in told)
        said += (
            f". {plain(each.requirement.statement)}: {violate} of these {len(told)} runs violate"
        )
    return f"{said}."
