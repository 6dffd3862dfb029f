"""The progress of a sweep on standard error: a bar for who looks at it, lines for a log.

A bar redraws one line of a terminal or a notebook. Anywhere else (cron, CI, a file) a bar would be
one endless line, so there a line comes now and then. Nothing here raises an error: a sweep does not
end because nobody can be told of it.
"""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from gmat_sweep.console import Tolerant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tqdm import tqdm

__all__ = ["Progress"]

_FIRST_LINE_S = 10.0
# Later lines come more seldom, so that a sweep of a week fills a page and no more.
_LINE_SHARE = 0.05
_WIDTH = 80
_LINE = (
    "{desc}: {percentage:3.0f}% {n_fmt}/{total_fmt} runs "
    "[{elapsed}<{remaining}, {rate_fmt}{postfix}]"
)


class Progress:
    """How many runs are done, told on standard error.

    Parameters
    ----------
    description : str
        What is under way.
    total : int
        How many runs there are.
    earlier : int
        How many of them are done already. They count as done, and not for the rate.
    is_shown : bool
        Whether to tell anything.
    """

    def __init__(self, description: str, total: int, *, earlier: int = 0, is_shown: bool) -> None:
        self._description = description
        self._total = total
        self._earlier = self._done = earlier
        self._counts: dict[str, int] = {}
        self._began = time.monotonic()
        self._told_at, self._told = self._began, earlier
        # The stream may be gone in a host program; its attribute is None then.
        stream: TextIO | None = sys.stderr if is_shown else None
        self._stream = None if stream is None else Tolerant(stream)
        self._bar = None if stream is None or not _is_looked_at(stream) else self._new_bar()

    def _new_bar(self) -> tqdm[Any]:
        from tqdm import tqdm

        assert self._stream is not None
        # A pseudo-terminal that nobody gave a size has 0 columns and lines, and tqdm would draw no
        # bar there.
        columns, lines = _size_of(self._stream)
        return tqdm(
            total=self._total,
            initial=self._earlier,
            desc=self._description,
            unit="run",
            ncols=columns or _WIDTH,
            dynamic_ncols=bool(columns and lines),
            file=self._stream,
        )

    def advance(self, counts: Mapping[str, int]) -> None:
        """Count one more run; `counts` says how many of all so far ended how."""
        self._done += 1
        self._counts = dict(counts)
        if self._bar is not None:
            self._bar.set_postfix(self._counts, refresh=False)
            self._bar.update()
            return
        now = time.monotonic()
        if now - self._told_at >= max(_FIRST_LINE_S, _LINE_SHARE * (now - self._began)):
            self._tell_line(now)

    def make_room(self) -> None:
        """Clear the bar for a line of the log; the next run draws it again."""
        if self._bar is not None:
            self._bar.clear()

    def describe(self, addition: str) -> None:
        """Add a remark to the description."""
        self._description += f", {addition}"
        if self._bar is not None:
            self._bar.set_description_str(self._description)

    def close(self) -> None:
        """Leave the last state on the screen, or write it as the last line."""
        if self._bar is not None:
            self._bar.close()
        elif self._done > self._told:
            self._tell_line(time.monotonic())

    def _tell_line(self, now: float) -> None:
        if self._stream is None:
            return
        from tqdm import tqdm

        self._told_at, self._told = now, self._done
        line = tqdm.format_meter(
            self._done,
            self._total,
            now - self._began,
            initial=self._earlier,
            prefix=self._description,
            unit="run",
            bar_format=_LINE,
            postfix=", ".join(f"{name}={count}" for name, count in self._counts.items()),
        )
        self._stream.write(f"{line}\n")
        self._stream.flush()


def _is_looked_at(stream: TextIO) -> bool:
    """Whether a line that is drawn again and again looks right there."""
    if type(stream).__module__.startswith("ipykernel"):
        return True
    try:
        return stream.isatty()
    except (AttributeError, OSError, ValueError):
        return False


def _size_of(stream: Tolerant) -> tuple[int, int]:
    """Return columns and lines of a terminal; 0 for what is not known."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return 0, 0
    return columns, lines
