"""Panels with axes as SVG, small enough to travel within a page.

A card is light whatever the page is, with dark text on it, so it can be read in both themes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape

from gmat_sweep.printable import one_line

__all__ = ["BLUE", "GREY", "INK", "ORANGE", "RED", "Card", "Panel", "data_uri", "ticks"]

BLUE, ORANGE, RED, GREY, INK = "#1f5fa8", "#c2570c", "#c62828", "#9aa5b1", "#1f2933"

_WIDTH, _ROW = 440, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 20, 38, 40
_LONGEST = 54
_MOST_DIGITS = 7


def data_uri(svg: str) -> str:
    """Return an SVG as an address that holds it: both UIs of Prefect show it in a page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def ticks(low: float, high: float, most: int = 6) -> tuple[list[float], list[str], str]:
    """Return where an axis has ticks, their labels, and what is added to each label, as text.

    Parameters
    ----------
    low, high : float
        The ends of the axis.
    most : int
        About how many ticks.

    Returns
    -------
    positions, labels, base
        `base` is empty, or such as ``42164 +`` where labels would be too long without it.
    """
    rough = (high - low) / max(1, most)
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(each for each in (1, 2, 5, 10) if each * step >= 0.75 * rough)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    positions = [(first + number) * step for number in range(max(0, count))]
    size = max(abs(low), abs(high))
    digits = math.ceil(math.log10(size / step) - 1e-9) + 1
    if digits <= _MOST_DIGITS or len(positions) < 2:
        return positions, [_label(each, step, size) for each in positions], ""
    # The same for all labels, and written as a number that has no more digits than the steps.
    base = positions[len(positions) // 2]
    rest = [each - base for each in positions]
    labels = [f"{value:+.3g}" if abs(value) > step / 2 else "0" for value in rest]
    return positions, labels, f"{base:.{min(17, digits + 1)}g} +"


def _label(value: float, step: float, size: float) -> str:
    if abs(value) < step / 2:
        return "0"
    if 1e-3 <= size < 1e6:
        return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
    digits = max(1, math.ceil(math.log10(abs(value) / step) - 1e-9) + 1)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


class Panel:
    """One picture with axes; what is outside them is cut off.

    Parameters
    ----------
    title : str
        Above it.
    x, y : (float, float)
        The ends of the axes. Equal ones are moved apart.
    x_label, y_label : str
        What the axes show.
    counts : bool
        Whether the y axis counts, so that it has ticks at whole numbers alone.
    """

    def __init__(
        self,
        title: str,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        x_label: str = "",
        y_label: str = "",
        counts: bool = False,
    ) -> None:
        self._title = title
        self._x, self._y = _apart(*x), _apart(*y)
        self._labels = x_label, y_label
        self._counts = counts
        self._drawn: list[str] = []
        self._notes: list[tuple[str, str, str]] = []

    def _at(self, x: float, y: float) -> str:
        return f"{self._x_of(x):.1f} {self._y_of(y):.1f}"

    def _x_of(self, x: float) -> float:
        low, high = self._x
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (x - low) / (high - low)

    def _y_of(self, y: float) -> float:
        low, high = self._y
        return _TOP + (_ROW - _TOP - _BOTTOM) * (high - y) / (high - low)

    def line(
        self,
        points: Iterable[tuple[float, float]],
        colour: str,
        *,
        width: float = 1.5,
        dashes: str = "",
        opacity: float = 1.0,
    ) -> None:
        """Draw a line through points; one that is not finite is a gap."""
        pieces: list[list[str]] = [[]]
        for x, y in points:
            if math.isfinite(x) and math.isfinite(y):
                pieces[-1].append(self._at(x, y))
            elif pieces[-1]:
                pieces.append([])
        path = "".join(f"M{'L'.join(piece)}" for piece in pieces if len(piece) > 1)
        if path:
            dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
            faint = f' opacity="{opacity}"' if opacity < 1 else ""
            self._drawn.append(
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}"'
                f"{dashed}{faint}/>"
            )

    def area(
        self, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]]
    ) -> None:
        """Fill the band between two lines."""
        if len(lower) > 1:
            corners = "L".join(self._at(x, y) for x, y in (*lower, *reversed(upper)))
            self._drawn.append(f'<path d="M{corners}Z" fill="{ORANGE}" opacity="0.22"/>')

    def bars(self, edges: Sequence[float], heights: Sequence[float], colour: str) -> None:
        """Draw a histogram."""
        path = "".join(
            f"M{self._at(left, 0)}L{self._at(left, height)}L{self._at(right, height)}"
            f"L{self._at(right, 0)}Z"
            for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True)
            if height
        )
        if path:
            self._drawn.append(
                f'<path d="{path}" fill="{colour}" fill-opacity="0.35" stroke="{colour}" '
                'stroke-width="0.6"/>'
            )

    def dots(self, points: Iterable[tuple[float, float]], colour: str, size: float = 3.0) -> None:
        """Draw dots."""
        path = "".join(f"M{self._at(x, y)}h0" for x, y in points)
        if path:
            self._drawn.append(
                f'<path d="{path}" stroke="{colour}" stroke-width="{size}" '
                'stroke-linecap="round" opacity="0.7"/>'
            )

    def upright(self, x: float, colour: str, dashes: str = "") -> None:
        """Draw a line from bottom to top."""
        self.line([(x, self._y[0]), (x, self._y[1])], colour, width=1.3, dashes=dashes)

    def level(self, y: float, colour: str, dashes: str = "") -> None:
        """Draw a line from left to right."""
        self.line([(self._x[0], y), (self._x[1], y)], colour, width=1.3, dashes=dashes)

    def explain(self, sign: str, colour: str, text: str) -> None:
        """Add to the legend above the panel; `sign` is a character drawn in `colour`."""
        self._notes.append((sign, colour, text))

    def to_svg(self, number: int) -> str:
        """Return the panel as SVG; `number` tells it from others of its card."""
        right, bottom = _WIDTH - _RIGHT, _ROW - _BOTTOM
        frame = f'x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" height="{bottom - _TOP}"'
        parts = [
            f'<clipPath id="c{number}"><rect {frame}/></clipPath>',
            f'<rect {frame} fill="#fff" stroke="#cbd2d9"/>',
        ]
        positions, labels, base = ticks(*self._x)
        for position, label in zip(positions, labels, strict=True):
            x = self._x_of(position)
            parts.append(_rule(x, _TOP, x, bottom))
            parts.append(_text(x, bottom + 14, label, "middle"))
        parts.append(
            _text((_LEFT + right) / 2, bottom + 31, _cut(f"{self._labels[0]} {_of(base)}"))
        )
        low, high = self._y
        most = max(1, min(5, int(high - low))) if self._counts else 5
        positions, labels, base = ticks(low, high, most)
        for position, label in zip(positions, labels, strict=True):
            y = self._y_of(position)
            parts.append(_rule(_LEFT, y, right, y))
            parts.append(_text(_LEFT - 4, y + 4.5, label, "end"))
        parts.append(f'<g clip-path="url(#c{number})">{"".join(self._drawn)}</g>')
        parts.append(_text(_LEFT, 14, _cut(self._title), "start", bold=True))
        told = "   ".join(
            f'<tspan fill="{colour}">{escape(sign)}</tspan> {escape(_cut(text))}'
            for sign, colour, text in self._notes
        )
        beside = f"{self._labels[1]} {_of(base)}".strip()
        if beside:
            told = f"{escape(_cut(beside))}   {told}"
        parts.append(f'<text x="{_LEFT}" y="31" xml:space="preserve">{told}</text>')
        return "".join(parts)


class Card:
    """Panels side by side, two in a row."""

    def __init__(self, panels: Sequence[Panel]) -> None:
        self._panels = panels

    def to_uri(self) -> str:
        """Return ``data:image/svg+xml;base64,...``."""
        columns = min(2, len(self._panels))
        rows = math.ceil(len(self._panels) / 2)
        width, height = 8 + columns * _WIDTH, 8 + rows * _ROW
        placed = "".join(
            f'<g transform="translate({4 + number % 2 * _WIDTH} {4 + number // 2 * _ROW})">'
            f"{panel.to_svg(number)}</g>"
            for number, panel in enumerate(self._panels)
        )
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}"><rect width="{width}" height="{height}" rx="6" '
            f'fill="#f5f7fa"/><g font-family="sans-serif" font-size="12.5" fill="{INK}">'
            f"{placed}</g></svg>"
        )
        return data_uri(svg)


def _of(base: str) -> str:
    return f"({base} ...)" if base else ""


def _apart(low: float, high: float) -> tuple[float, float]:
    """Return ends of an axis that differ by more than the rounding of its numbers."""
    least = 1e-12 * max(abs(low), abs(high)) or 1.0
    return (low, high) if high - low > least else (low - least, high + least)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#e4e7eb"/>'


def _text(x: float, y: float, text: str, anchor: str = "middle", *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{weight}>{escape(text.strip())}</text>"


def _cut(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
