"""Time scales: from GMAT's five to TAI, and from TAI to UTC.

Epochs are ``datetime64[ns]`` that count the days of their own scale, as gmat-run reads them. The
relations are GMAT's: A.1 is TAI + 0.0343817 s and TT is TAI + 32.184 s (GMAT Mathematical
Specifications, Time Systems); TDB has the two-term formula given there; leap seconds are those of
the file that the engine reads (``LEAP_SECS_FILE``, the US Naval Observatory's ``tai-utc.dat``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LeapSeconds", "Scale", "iso_text", "to_tai"]

type Scale = Literal["A1", "TAI", "UTC", "TT", "TDB"]
"""A time scale of GMAT's."""

type Epochs = NDArray[np.datetime64]

_A1_NS = 34_381_700
_TT_NS = 32_184_000_000
_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
# The Julian date of datetime64's zero, 1970-01-01.
_UNIX_JD = 2440587.5
_MJD_JD = 2400000.5
_LINE = re.compile(
    r"=JD\s*(?P<jd>[\d.]+)\s+TAI-UTC=\s*(?P<offset>[\d.]+)\s*S\s*\+\s*\(MJD\s*-\s*"
    r"(?P<origin>[\d.]+)\s*\)\s*X\s*(?P<rate>[\d.]+)"
)


@dataclass(frozen=True, slots=True)
class LeapSeconds:
    """TAI - UTC over time.

    Attributes
    ----------
    starts : ndarray of int64
        When each step begins, in nanoseconds of UTC from 1970-01-01, ascending.
    offsets : ndarray of float64
        TAI - UTC at each start, in seconds.
    rates : ndarray of float64
        Its rate from then on, in seconds a day; 0 since 1972.
    """

    starts: NDArray[np.int64]
    offsets: NDArray[np.float64]
    rates: NDArray[np.float64]

    @classmethod
    def read(cls, path: Path) -> LeapSeconds:
        """Read a ``tai-utc.dat`` of the US Naval Observatory.

        Raises
        ------
        SweepConfigError
            It cannot be read, or has no such line.
        """
        import numpy as np

        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise SweepConfigError(f"{path}: leap seconds cannot be read: {error}.") from error
        rows = []
        for found in _LINE.finditer(text):
            begin, offset, origin, rate = (
                float(found[name]) for name in ("jd", "offset", "origin", "rate")
            )
            rows.append((begin, offset + (begin - _MJD_JD - origin) * rate, rate))
        if not rows:
            raise SweepConfigError(
                f"{path} has no line of leap seconds. Restore the engine's file."
            )
        rows.sort()
        begins, offsets, rates = (np.array(column) for column in zip(*rows, strict=True))
        # Steps begin at midnight.
        starts = np.rint((begins - _UNIX_JD) * 2).astype(np.int64) * (_DAY_NS // 2)
        return cls(starts, offsets, rates)

    def tai_of_utc(self, utc: Epochs) -> Epochs:
        """Return UTC as TAI."""
        ns = _ns(utc)
        return _epochs(ns + self._offset(ns, self._step(ns)))

    def utc_of_tai(self, tai: Epochs) -> tuple[Epochs, NDArray[np.bool_]]:
        """Return TAI as UTC, and where that is within a leap second.

        Within one, UTC counts 23:59:60, for which datetime64 has no value: the first of the pair
        is one second less there, 23:59:59 and what follows the decimal point.
        """
        import numpy as np

        ns = _ns(tai)
        begins = self.starts + np.rint(self.offsets * _NS).astype(np.int64)
        step = np.clip(np.searchsorted(begins, ns, side="right") - 1, 0, None)
        utc = ns - self._offset(ns, step)
        if self.rates[step].any():
            utc = ns - self._offset(utc, step)
        following = np.append(self.starts[1:], np.iinfo(np.int64).max)[step]
        within = utc >= following
        return _epochs(np.where(within, utc - _NS, utc)), within

    def _step(self, utc: NDArray[np.int64]) -> NDArray[np.intp]:
        import numpy as np

        step = np.searchsorted(self.starts, utc, side="right") - 1
        if (step < 0).any():
            raise SweepConfigError(
                "an epoch is before 1961, when UTC began. Report the epochs in TAI, TT or TDB, "
                "such as Sat.TAIModJulian."
            )
        return step

    def _offset(self, utc: NDArray[np.int64], step: NDArray[np.intp]) -> NDArray[np.int64]:
        import numpy as np

        days = (utc - self.starts[step]) / _DAY_NS
        offset = self.offsets[step] + days * self.rates[step]
        return cast("NDArray[np.int64]", np.rint(offset * _NS).astype(np.int64))


def to_tai(epochs: Epochs, scale: Scale, leaps: Callable[[], LeapSeconds]) -> Epochs:
    """Return epochs of a scale as TAI, to the nanosecond.

    `leaps` is asked for UTC only. UTC within a leap second cannot be told from the second after it
    in GMAT's own output.
    """
    import numpy as np

    if scale == "UTC":
        return leaps().tai_of_utc(epochs)
    ns = _ns(epochs)
    if scale == "A1":
        ns = ns - _A1_NS
    elif scale == "TT":
        ns = ns - _TT_NS
    elif scale == "TDB":
        # The argument may be in TDB: over 2 ms the difference changes by 1e-12 s.
        ns = ns - _TT_NS - np.rint(_tdb_minus_tt(ns) * _NS).astype(np.int64)
    return _epochs(ns)


def iso_text(
    epochs: Epochs, digits: int = 9, within_leap: NDArray[np.bool_] | None = None
) -> list[str]:
    """Return epochs as ``2026-01-01T12:00:00.123456789``; a leap second is second 60.

    Parameters
    ----------
    epochs : ndarray of datetime64
        The epochs.
    digits : {3, 6, 9}
        Digits of a second; the rest is cut.
    within_leap : ndarray of bool, optional
        As `LeapSeconds.utc_of_tai` returns it.
    """
    import numpy as np

    unit: Any = {3: "ms", 6: "us", 9: "ns"}[digits]
    texts = [str(text) for text in np.datetime_as_string(epochs, unit=unit)]
    if within_leap is not None:
        for at in np.flatnonzero(within_leap):
            texts[at] = f"{texts[at][:17]}60{texts[at][19:]}"
    return texts


def _tdb_minus_tt(ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return TDB - TT in seconds, as GMAT has it."""
    import numpy as np

    centuries = (ns / _DAY_NS + _UNIX_JD - 2451545.0) / 36525.0
    anomaly = np.radians(357.5277233 + 35999.05034 * centuries)
    return 0.001658 * np.sin(anomaly) + 0.00001385 * np.sin(2.0 * anomaly)


def _ns(epochs: Epochs) -> NDArray[np.int64]:
    return epochs.astype("datetime64[ns]").astype("int64")


def _epochs(ns: NDArray[np.int64]) -> Epochs:
    return ns.astype("datetime64[ns]")
