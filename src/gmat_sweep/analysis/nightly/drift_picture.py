"""Pictures of drift over nights, small enough to travel within a page.

Each is an SVG as a data URI of at most `MOST_BYTES`: a page of Prefect's UI shows it without a
public address, and nothing needs to be installed to draw it. It is dark where the reader's system
is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from gmat_sweep.analysis.pictures.svg import data_uri
from gmat_sweep.printable import one_line

__all__ = ["MOST_BYTES", "MOST_NIGHTS", "drift_picture"]

MOST_NIGHTS = 30
"""How many nights a picture shows; of more, the latest."""

MOST_BYTES = 16_000
"""No picture is larger."""

_WIDTH, _HEIGHT = 560, 180
_RIGHT, _TOP, _BOTTOM = 12, 28, 26
_LABEL = 13
_LONGEST_TITLE = 60
# The paper has its own colour: a page may be dark where the system is light, and the ink must show.
_STYLE = (
    "<style>text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.paper{fill:#fff}"
    ".zero{stroke:#999}.limit{stroke:#c33;stroke-dasharray:4 3}.input{stroke:#e08e0b}"
    "path{fill:none;stroke:#1f5fa8;stroke-width:1.5}circle{fill:#1f5fa8}.away{fill:#c33}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.paper{fill:#1c1d21}.zero{stroke:#777}"
    ".limit{stroke:#f77}path{stroke:#6ab0ff}circle{fill:#6ab0ff}.away{fill:#f77}}</style>"
)


def drift_picture(
    title: str,
    nights: Sequence[str],
    shifts: Sequence[float],
    limit: float,
    changed: Sequence[str] = (),
) -> str:
    """Return a picture of one quantity's shift from the baseline, night by night.

    Parameters
    ----------
    title : str
        What is above it.
    nights : sequence of str
        The names of the nights, the oldest first.
    shifts : sequence of float
        The shift of each, in the baseline's sigma. Those that are not finite leave a gap.
    limit : float
        From where on a shift matters, in the same unit; two dashed lines show it.
    changed : sequence of str
        Nights before which an input changed; a vertical line shows each.

    Returns
    -------
    str
        ``data:image/svg+xml;base64,...``
    """
    names = list(nights)[-MOST_NIGHTS:]
    values = [float(value) for value in shifts][-MOST_NIGHTS:]
    known = [value for value in values if math.isfinite(value)]
    bounds = [*known, 0.0, *([limit, -limit] if math.isfinite(limit) else [])]
    low, high = min(bounds), max(bounds)
    room = 0.05 * (high - low) or 1.0
    low, high = low - room, high + room

    labelled = [0.0, *([limit, -limit] if math.isfinite(limit) else [])]
    if known:
        labelled += [min(known), max(known)]
    labels = [f"{value:+.2g}" if value else "0" for value in labelled]
    left = 14 + 7 * max(map(len, labels))

    def x_of(place: int) -> float:
        return left + (_WIDTH - left - _RIGHT) * (place + 0.5) / max(1, len(names))

    def y_of(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    def across(value: float, kind: str) -> str:
        return _line(left, y_of(value), _WIDTH - _RIGHT, y_of(value), kind)

    drawn = [_STYLE, f'<rect class="paper" width="{_WIDTH}" height="{_HEIGHT}" rx="4"/>']
    drawn += [
        _line(x_of(place) - 4, _TOP, x_of(place) - 4, _HEIGHT - _BOTTOM, "input")
        for place, name in enumerate(names)
        if name in changed
    ]
    drawn.append(across(0.0, "zero"))
    if math.isfinite(limit):
        drawn += [across(value, "limit") for value in (limit, -limit)]
    written: list[float] = []
    for value, label in zip(labelled, labels, strict=True):
        y = y_of(value)
        # A label that would lie upon another one is left out.
        if all(abs(y - each) > _LABEL for each in written):
            written.append(y)
            drawn.append(_text(left - 6, y + 4, label, "end"))
    drawn += [f'<path d="{path}"/>' for path in _paths(values, x_of, y_of)]
    for place, value in enumerate(values):
        if math.isfinite(value):
            kind = ' class="away"' if abs(value) > limit else ""
            drawn.append(f'<circle cx="{x_of(place):.1f}" cy="{y_of(value):.1f}" r="3"{kind}/>')
    drawn.append(_text(left, 17, _cut(title), "start", ' class="title"'))
    if names:
        first, last = _dates(names[0], names[-1])
        drawn.append(_text(left, _HEIGHT - 8, first, "start"))
        if len(names) > 1:
            drawn.append(_text(_WIDTH - _RIGHT, _HEIGHT - 8, last, "end"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(drawn)}</svg>'
    )
    return data_uri(svg)


def _paths(
    values: Sequence[float], x_of: Callable[[int], float], y_of: Callable[[float], float]
) -> list[str]:
    """Return a path for each stretch of nights without a gap."""
    paths: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if math.isfinite(value):
            paths[-1].append(f"{x_of(place):.1f},{y_of(value):.1f}")
        elif paths[-1]:
            paths.append([])
    return [f"M{' L'.join(points)}" for points in paths if len(points) > 1]


def _dates(first: str, last: str) -> tuple[str, str]:
    """Return what tells two nights apart: their dates, or of one date their names."""
    dates = first[:10], last[:10]
    return dates if dates[0] != dates[1] else (_cut(first), _cut(last))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} class="{kind}"/>'


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 3]}..."
