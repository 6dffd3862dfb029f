"""A bounded sample of the runs of a sweep, from which pictures are drawn while it flies.

A run is in the sample if a number made from its id is among the smallest. So the sample is random,
the same whatever order the runs end in, and a run that is flown again takes its own place. Failed
runs have a sample of their own, as few among very many would be lost. Taking note of a run opens no
file: files are read later, by whoever draws, for as long as that may take.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.analysis.final_values import last_numbers, report_tables
from gmat_sweep.errors import RequirementError
from gmat_sweep.failure_kinds import kind_of
from gmat_sweep.spec import NOMINAL_RUN_ID

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import Requirement

__all__ = [
    "MOST_CURVES",
    "MOST_FAILED",
    "MOST_OK",
    "REQUIRED",
    "Curve",
    "RunSample",
    "SampledRun",
    "columns_of",
]

MOST_OK = 1000
"""How many runs that are ok are in a sample."""
MOST_FAILED = 300
"""The same of runs that failed in the mission."""
MOST_CURVES = 20
"""Of how many runs the sample keeps what they report over time."""

REQUIRED = ""
"""Stands for the report in the column of a requirement."""

_OF_THE_ENTRY = ("ok", "converged")
_STRETCHES = 40
_LEAST_ROWS = 3
# A report of more columns is drawn by its first ones.
_MOST_COLUMNS = 200
_OK, _FAILED, _OTHER, _OF_THIS_PASS = 1, 2, 3, 4
_MASK = 2**64 - 1

_log = logging.getLogger("gmat_sweep")

type Column = tuple[str, str]
"""Report and quantity, by GMAT's names."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a run reports over time.

    Attributes
    ----------
    seconds : float
        From the first row to the last.
    columns : dict of str to (ndarray of float64, ndarray of float64)
        By GMAT's name, seconds after the first row and values. Of many rows those with the least
        and the greatest value of each stretch: a fast swing is seen as a band, and as no slow one.
    """

    seconds: float
    columns: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(slots=True)
class SampledRun:
    """A run of the sample.

    Attributes
    ----------
    entry : ManifestEntry
        How it ended.
    names, values : tuple
        The columns of its reports, and the last number of each; None before its files were read.
    curves : dict of str to Curve
        By the name of the report, if it has several rows.
    """

    entry: ManifestEntry
    names: tuple[Column, ...] = ()
    values: tuple[float, ...] | None = None
    curves: dict[str, Curve] = field(default_factory=dict)


class _Smallest:
    """The runs with the smallest numbers, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, int]] = []
        self.runs: dict[int, SampledRun] = {}

    def admits(self, run_id: int) -> bool:
        """Return whether a run would be among them."""
        if run_id in self.runs or len(self.runs) < self._most:
            return True
        return _number_of(run_id) < -self._heap[0][0]

    def put(self, run: SampledRun) -> None:
        """Take a run that is admitted; the one with the largest number goes."""
        run_id = run.entry.run_id
        if run_id not in self.runs:
            heapq.heappush(self._heap, (-_number_of(run_id), run_id))
        self.runs[run_id] = run
        while len(self.runs) > self._most:
            del self.runs[heapq.heappop(self._heap)[1]]

    def discard(self, run_id: int) -> None:
        """Leave a run out that ended otherwise when it was flown again."""
        if self.runs.pop(run_id, None) is not None:
            self._heap = [each for each in self._heap if each[1] != run_id]
            heapq.heapify(self._heap)


class RunSample:
    """A sample of runs, which threads may add to and read.

    Parameters
    ----------
    anchors : tuple of Path
        The folders in which the files of runs may be.
    requirements : sequence of Requirement
        What is measured of each run besides. Its columns have no report, and the name of the
        requirement.
    most_ok, most_failed : int
        How many runs are in it at most.
    """

    def __init__(
        self,
        anchors: tuple[Path, ...],
        requirements: Sequence[Requirement] = (),
        *,
        most_ok: int = MOST_OK,
        most_failed: int = MOST_FAILED,
    ) -> None:
        self._anchors = anchors
        # What a requirement asks of the entry alone is no number to draw.
        self._measured = [
            each for each in requirements if not each.all_of and each.reduce not in _OF_THE_ENTRY
        ]
        self._ok = _Smallest(most_ok)
        self._failed = _Smallest(most_failed)
        self._ended = bytearray()
        self._counts = [0, 0, 0, 0]
        self._lock = threading.Lock()
        self.nominal: SampledRun | None = None
        self._has_own_nominal = False
        # Of all runs one order of columns is kept, and not one for each run.
        self._names: dict[tuple[Column, ...], tuple[Column, ...]] = {}

    @property
    def ok(self) -> int:
        """How many runs have ended as ok, in the sample or not."""
        return self._counts[_OK]

    @property
    def failed(self) -> int:
        """How many runs failed in the mission."""
        return self._counts[_FAILED]

    @property
    def other(self) -> int:
        """How many runs failed otherwise, or were skipped."""
        return self._counts[_OTHER]

    def add(
        self,
        run_id: int,
        status: str,
        entry: Callable[[], ManifestEntry],
        *,
        earlier: bool = False,
    ) -> None:
        """Take note of a run that has ended; one that ended before counts instead.

        Parameters
        ----------
        run_id, status : int, str
            The run, and how it ended.
        entry : callable
            Returns its entry; called only if that is needed.
        earlier : bool
            Whether another pass over the sweep recorded it: a run of this pass counts instead,
            whichever is told first.
        """
        with self._lock:
            if run_id == NOMINAL_RUN_ID:
                if not (earlier and self._has_own_nominal):
                    self.nominal = SampledRun(entry()) if status == "ok" else None
                    self._has_own_nominal = not earlier
                return
            if earlier and run_id < len(self._ended) and self._ended[run_id] & _OF_THIS_PASS:
                return
            found = entry() if status == "failed" else None
            ended = _OK if status == "ok" else _OTHER
            if found is not None and kind_of(found) == "mission":
                ended = _FAILED
            if run_id >= len(self._ended):
                self._ended.extend(bytes(run_id + 1 - len(self._ended)))
            before = self._ended[run_id] & ~_OF_THIS_PASS
            if before:
                self._counts[before] -= 1
            self._ended[run_id] = ended if earlier else ended | _OF_THIS_PASS
            self._counts[ended] += 1
            if before in (_OK, _FAILED) and before != ended:
                (self._ok if before == _OK else self._failed).discard(run_id)
            if ended == _OTHER:
                return
            group = self._ok if ended == _OK else self._failed
            if group.admits(run_id):
                group.put(SampledRun(found or entry()))

    def read(
        self, seconds: float, at_least: int = 0, clock: Callable[[], float] = time.thread_time
    ) -> None:
        """Read the files of runs that are ok, the nominal one first, for so long.

        Parameters
        ----------
        seconds : float
            By `clock`, which tells the processor's time by default.
        at_least : int
            Runs that are read however long it takes.
        clock : callable
            Returns seconds.
        """
        began = clock()
        for number, run in enumerate(self._unread()):
            if number >= at_least and clock() - began >= seconds:
                return
            self._read_run(run)

    def _unread(self) -> list[SampledRun]:
        with self._lock:
            nominal = [] if self.nominal is None else [self.nominal]
            listed = sorted(self._ok.runs.items(), key=lambda each: _number_of(each[0]))
        return [run for run in (*nominal, *(run for _, run in listed)) if run.values is None]

    def _read_run(self, run: SampledRun) -> None:
        names: list[Column] = []
        values: list[float] = []
        with self._lock:
            kept = sum(bool(each.curves) for each in self._ok.runs.values())
        keeps = run is self.nominal or kept < MOST_CURVES
        for report, table in report_tables(run.entry, self._anchors, {}):
            for name, value in last_numbers(table):
                names.append((report, name))
                values.append(value)
            if keeps and table.num_rows >= _LEAST_ROWS and (curve := _curve_of(table)) is not None:
                run.curves[report] = curve
        del names[_MOST_COLUMNS:], values[_MOST_COLUMNS:]
        for name, value in self._numbers_required(run.entry).items():
            names.append((REQUIRED, name))
            values.append(value)
        run.names = self._names.setdefault(tuple(names), tuple(names))
        run.values = tuple(values)

    def _numbers_required(self, entry: ManifestEntry) -> dict[str, float]:
        # Here, because a sample is begun before the first run.
        from gmat_sweep.verdicts.metrics import metrics_of

        while self._measured:
            try:
                found = metrics_of(self._measured, [entry], self._anchors)
            except RequirementError as error:
                # The verdict, at the end of the flow run, says why.
                _log.debug("no picture of a requirement: %s", error)
                self._measured = [each for each in self._measured if each.name != error.name]
            else:
                return {name: float(numbers[0]) for name, numbers in found.numbers.items()}
        return {}

    def ok_runs(self) -> list[SampledRun]:
        """Return the runs that are ok and were read, by run id."""
        with self._lock:
            return [run for _, run in sorted(self._ok.runs.items()) if run.values is not None]

    def failed_runs(self) -> list[SampledRun]:
        """Return the runs that failed in the mission, by run id."""
        with self._lock:
            return [run for _, run in sorted(self._failed.runs.items())]


def columns_of(runs: Sequence[SampledRun]) -> dict[Column, NDArray[np.float64]]:
    """Return the last numbers of runs by report and quantity, NaN if a run has none.

    Parameters
    ----------
    runs : sequence of SampledRun
        Runs that were read.
    """
    import numpy as np

    found: dict[Column, NDArray[np.float64]] = {}
    by_names: dict[tuple[Column, ...], list[int]] = {}
    for place, run in enumerate(runs):
        by_names.setdefault(run.names, []).append(place)
    for names, places in by_names.items():
        block = np.array([runs[place].values for place in places], dtype=np.float64)
        for number, name in enumerate(names):
            if name not in found:
                found[name] = np.full(len(runs), np.nan)
            found[name][places] = block[:, number]
    return found


def _curve_of(table: pa.Table) -> Curve | None:
    import numpy as np

    from gmat_sweep.verdicts.run_tables import table_of

    names = [name for name, _ in last_numbers(table)][:_MOST_COLUMNS]
    read = table_of(table, names)
    told = np.isfinite(read.elapsed)
    if told.sum() < _LEAST_ROWS:
        return None
    seconds = read.elapsed[told]
    columns = {}
    for name in names:
        if name in read.columns and name not in read.epochs:
            values = read.columns[name][told].astype(np.float64)
            chosen = _extremes(values)
            columns[name] = seconds[chosen], values[chosen]
    return Curve(float(seconds.max()), columns)


def _extremes(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of the least and the greatest value of each stretch, and both ends."""
    import numpy as np

    if len(values) <= 2 * _STRETCHES:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), _STRETCHES + 1).astype(np.int64)
    places = [0, len(values) - 1]
    known = np.where(np.isfinite(values), values, 0.0)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = known[start:end]
        places += [start + int(part.argmin()), start + int(part.argmax())]
    return np.unique(np.array(places, dtype=np.int64))


def _number_of(run_id: int) -> int:
    """Return 64 bits made from an id: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    x = (run_id * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)
