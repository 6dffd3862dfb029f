"""Helpers of the tests of the pictures: frames to draw, and the texts in a picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_START = pd.Timestamp("2026-01-01")


def draw(ax: Axes) -> None:
    """Draw the figure as a file would need it, so that a fault of any artist shows."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    figure.canvas.draw()


def texts_of(ax: Axes) -> list[str]:
    """Return every text in the figure of `ax` outside ticks."""
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    texts = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        texts += [axes.get_xlabel(), axes.get_ylabel()]
        texts += [axes.get_title(loc="left"), *(text.get_text() for text in axes.texts)]
        legend = axes.get_legend()
        texts += [text.get_text() for text in legend.get_texts()] if legend else []
    return [text for text in texts if text]


def over_epochs(rows: dict[int, list[float]], failed: tuple[int, ...] = ()) -> pd.DataFrame:
    """Return the frame of runs with a value every second, and of runs that failed."""
    records: list[tuple[Any, ...]] = [
        (run_id, _START + pd.Timedelta(seconds=k), value, "ok")
        for run_id, values in rows.items()
        for k, value in enumerate(values)
    ]
    records += [(run_id, pd.NaT, math.nan, "failed") for run_id in failed]
    frame = pd.DataFrame(records, columns=["run_id", "time", "Sat.Earth.RMAG", "__status"])
    return frame.set_index(["run_id", "time"]).sort_index()
