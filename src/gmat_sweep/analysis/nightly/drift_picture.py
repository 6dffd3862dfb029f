"""Pictures of drift over nights, small enough to travel within a page.

Each is an SVG as a data URI of at most `MOST_BYTES`: a page of Prefect's UI shows it without a
public address, and nothing needs to be installed to draw it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from html import escape

from gmat_sweep.printable import one_line

__all__ = ["MOST_BYTES", "MOST_NIGHTS", "drift_picture"]

MOST_NIGHTS = 30
"""How many nights a picture shows; of more, the latest."""

MOST_BYTES = 16_000
"""No picture is larger."""

_WIDTH, _HEIGHT = 450, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 22, 22
_LABEL = 11
_LONGEST_TITLE = 60
_PLAIN = 'font-family="sans-serif" font-size="10" fill="#444"'


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

    def x_of(place: int) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (place + 0.5) / max(1, len(names))

    def y_of(value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)

    drawn = [f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>']
    for place, name in enumerate(names):
        if name in changed:
            drawn.append(
                _line(x_of(place) - 3, _TOP, x_of(place) - 3, _HEIGHT - _BOTTOM, "#e08e0b")
            )
    drawn.append(_line(_LEFT, y_of(0.0), _WIDTH - _RIGHT, y_of(0.0), "#999"))
    labelled = [0.0]
    if math.isfinite(limit):
        drawn += [
            _line(_LEFT, y_of(value), _WIDTH - _RIGHT, y_of(value), "#c33", "4 3")
            for value in (limit, -limit)
        ]
        labelled += [limit, -limit]
    if known:
        labelled += [min(known), max(known)]
    written: list[float] = []
    for value in labelled:
        y = y_of(value)
        # A label that would lie upon another one is left out.
        if all(abs(y - each) > _LABEL for each in written):
            written.append(y)
            drawn.append(_text(_LEFT - 4, y + 3, f"{value:+.2g}" if value else "0", "end"))
    drawn += [
        f'<path d="{path}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>'
        for path in _paths(values, x_of, y_of)
    ]
    for place, value in enumerate(values):
        if math.isfinite(value):
            colour = "#c33" if abs(value) > limit else "#1f5fa8"
            drawn.append(
                f'<circle cx="{x_of(place):.1f}" cy="{y_of(value):.1f}" r="2.5" fill="{colour}"/>'
            )
    drawn.append(_text(_LEFT, 14, _cut(title), "start"))
    if names:
        drawn.append(_text(_LEFT, _HEIGHT - 6, names[0][:10], "start"))
        drawn.append(_text(_WIDTH - _RIGHT, _HEIGHT - 6, names[-1][:10], "end"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{"".join(drawn)}</svg>'
    )
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


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


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"{dashed}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_PLAIN}>{escape(text)}</text>'


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 3]}..."
