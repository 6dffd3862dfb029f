"""Where failed runs lie among the values that were varied: "all 23 with Sat.INC < 0".

`where_marked` takes the values of the varied fields and which runs are marked, as failed or as
violating a requirement, and finds the one cut through one field that separates them best: Fisher's
exact test, its p multiplied by the number of cuts through all fields (Bonferroni). Where no cut is
beyond chance, it compares the ranks of each field (Mann-Whitney), and then tries corners of two
fields.

Sources: R. A. Fisher, "Statistical Methods for Research Workers" (1934), section 21.02; H. B. Mann
and D. R. Whitney, "On a test of whether one of two random variables is stochastically larger than
the other", Annals of Mathematical Statistics 18 (1947).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = ["LEVEL", "Cluster", "varied_values", "where_marked"]

LEVEL = 0.01
"""A finding is told if its corrected p is at most this."""

# Cuts that are tested exactly, of each field: those next to the best one differ from it by nothing.
_EXACT_CUTS = 64
# More values of a text are no classes.
_MOST_CLASSES = 50
_CORNER_CUTS = 16
_CORNER_FIELDS = 12
_EXACT_RANKS = 2_500
_GREGORIAN = "%d %b %Y %H:%M:%S.%f"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where marked runs lie.

    Attributes
    ----------
    fields : tuple of str
        GMAT's names of the one or two fields.
    region : str
        The values, such as ``Sat.INC < 0`` or ``Sat.INC < 0 and Sat.ECC >= 0.1``; or, of ranks,
        ``higher Sat.INC``.
    marked, runs : int
        Marked runs, of how many, among those that have the fields.
    inside_marked, inside : int or None
        The same inside the region; None for a finding of ranks.
    p_value : float
        The probability of as clear a finding by chance, corrected for all that were looked for.
    test : {"fisher", "mann-whitney"}
        The test.
    """

    fields: tuple[str, ...]
    region: str
    marked: int
    runs: int
    inside_marked: int | None
    inside: int | None
    p_value: float
    test: str

    def text(self, verb: str = "failed") -> str:
        """Return the finding in words, such as ``23 of 40 failed, all with Sat.INC < 0 (p = ...)``.

        Parameters
        ----------
        verb : str
            What the marked runs did.
        """
        chance = f"(p = {self.p_value:.1g})" if self.p_value > 0 else "(p < 1e-300)"
        told = f"{self.marked} of {self.runs} {verb}"
        if self.inside is None or self.inside_marked is None:
            return one_line(f"{told}, mostly at {self.region} {chance}")
        if self.inside_marked == self.marked:
            return one_line(f"{told}, all with {self.region} {chance}")
        if self.inside_marked == self.inside:
            gathered = f"{self.inside_marked} of them with {self.region}, where every run {verb}"
            return one_line(f"{told}, {gathered} {chance}")
        return one_line(
            f"{told}, {self.inside_marked} of them among the {self.inside} runs with "
            f"{self.region} {chance}"
        )


def varied_values(
    entries: Iterable[ManifestEntry],
) -> tuple[list[int], dict[str, NDArray[Any]]]:
    """Return the runs and, by field, what each run was given; NaN or None where it was not.

    Fields of numbers are float64, those of Gregorian epochs datetime64, others objects; a field
    that does not vary is left out.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        One per run, with their overrides.
    """
    import numpy as np

    run_ids: list[int] = []
    given: dict[str, list[Any]] = {}
    for entry in entries:
        for name, value in entry.overrides.items():
            column = given.setdefault(name, [])
            column.extend([None] * (len(run_ids) - len(column)))
            column.append(value)
        run_ids.append(entry.run_id)
    fields: dict[str, NDArray[Any]] = {}
    for name, column in given.items():
        column.extend([None] * (len(run_ids) - len(column)))
        are_numbers = all(
            value is None or (isinstance(value, int | float) and not isinstance(value, bool))
            for value in column
        )
        if are_numbers:
            values = np.array([math.nan if each is None else each for each in column], dtype=float)
            if len(np.unique(values[np.isfinite(values)])) > 1:
                fields[name] = values
        else:
            texts = np.array([None if each is None else str(each) for each in column], dtype=object)
            if len({each for each in texts if each is not None}) > 1:
                epochs = _epochs_of(texts) if name.endswith(".Epoch") else None
                fields[name] = texts if epochs is None else epochs
    return run_ids, fields


def _epochs_of(texts: NDArray[Any]) -> NDArray[Any] | None:
    """Return Gregorian epochs of GMAT as datetime64, NaT for None; None if a text is no epoch."""
    import numpy as np

    def read(text: str) -> datetime:
        # numpy's have no time zone, and the scale is that of the Spacecraft's DateFormat.
        return datetime.strptime(text, _GREGORIAN).replace(tzinfo=UTC).replace(tzinfo=None)

    try:
        moments = [None if each is None else read(each) for each in texts]
    except ValueError:
        return None
    return np.array(moments, dtype="datetime64[ms]")


def where_marked(
    fields: Mapping[str, NDArray[Any]], marked: NDArray[np.bool_], *, level: float = LEVEL
) -> tuple[Cluster, ...]:
    """Return where marked runs lie among the varied fields, the clearest finding first.

    Parameters
    ----------
    fields : mapping of str to ndarray
        The values of each field, one per run: numbers, epochs, or objects whose text is a class. A
        run whose value is NaN, infinite, NaT or None does not count for the field.
    marked : ndarray of bool
        Which runs are marked.
    level : float
        Findings with a larger p, after the correction, are chance.

    Returns
    -------
    tuple of Cluster
        At most one per field: its best cut. If no field has one: findings of ranks. If no field has
        one of those, either, the best corner of two fields. Empty if all of that may be chance.
    """
    if not marked.any() or marked.all():
        return ()
    cuts = {name: _cuts_of(name, values, marked) for name, values in fields.items()}
    tests = sum(len(each.inside) for each in cuts.values())
    found = [_best(name, cut, tests, level) for name, cut in cuts.items()]
    singles = [each for each in found if each is not None]
    if not singles:
        numbers = {name: values for name, values in fields.items() if values.dtype.kind == "f"}
        ranks = [
            _ranks(name, values, marked, len(numbers), level) for name, values in numbers.items()
        ]
        singles = [each for each in ranks if each is not None and each.p_value <= level]
    if not singles:
        singles = [each for each in [_best_corner(fields, marked, level)] if each is not None]
    return tuple(sorted(singles, key=lambda each: each.p_value))


@dataclass(frozen=True, slots=True)
class _Cuts:
    """The ways in which one field can be cut: how many runs, and marked ones, lie inside each."""

    regions: Any
    inside: NDArray[np.int64]
    inside_marked: NDArray[np.int64]
    runs: int
    marked: int


def _cuts_of(name: str, values: NDArray[Any], marked: NDArray[np.bool_]) -> _Cuts:
    import numpy as np

    if values.dtype.kind not in "fM":
        return _classes_of(name, values, marked)
    told = np.isfinite(values)
    distinct, codes = np.unique(values[told], return_inverse=True)
    counts = np.bincount(codes, minlength=len(distinct))
    counts_marked = np.bincount(codes[marked[told]], minlength=len(distinct))
    inside, inside_marked = np.cumsum(counts)[:-1], np.cumsum(counts_marked)[:-1]

    def edge(at: int) -> str:
        if values.dtype.kind == "M":
            epoch = distinct[at + 1].item()
            return f"{epoch:%d %b %Y %H:%M:%S}.{epoch.microsecond // 1000:03d}"
        return _text(_between(float(distinct[at]), float(distinct[at + 1])))

    return _Cuts(
        lambda at, low: f"{name} {'<' if low else '>='} {edge(at)}",
        inside,
        inside_marked,
        int(counts.sum()),
        int(counts_marked.sum()),
    )


def _classes_of(name: str, values: NDArray[Any], marked: NDArray[np.bool_]) -> _Cuts:
    import numpy as np

    told = np.array([each is not None for each in values], dtype=np.bool_)
    distinct, codes = np.unique(values[told].astype(str), return_inverse=True)
    counts = np.bincount(codes, minlength=len(distinct))
    counts_marked = np.bincount(codes[marked[told]], minlength=len(distinct))
    if len(distinct) > _MOST_CLASSES:
        counts_marked = counts = counts[:0]
    return _Cuts(
        lambda at, low: f"{name} {'=' if low else '!='} {distinct[at]}",
        counts,
        counts_marked,
        int(told.sum()),
        int(marked[told].sum()),
    )


def _text(number: float) -> str:
    short = f"{number:.15g}"
    return short if float(short) == number else repr(number)


def _between(below: float, above: float) -> float:
    """Return the shortest number that is above `below` and at most `above`."""
    if below < 0 <= above:
        return 0.0
    middle = below / 2 + above / 2
    for digits in range(1, 16):
        short = float(f"{middle:.{digits - 1}e}")
        if below < short <= above:
            return short
    return above


def _best(name: str, cuts: _Cuts, tests: int, level: float) -> Cluster | None:
    """Return the cut with the least p of Fisher's test, if it is beyond chance."""
    import numpy as np

    if not len(cuts.inside) or _is_hopeless(cuts.marked, cuts.runs, tests, level):
        return None
    # The probability of a table alone is below the p of the test, and quick for all cuts at once.
    least = _log_probability(cuts.inside_marked, cuts.inside, cuts.marked, cuts.runs)
    best, best_p = -1, math.inf
    for at in np.argsort(least, kind="stable")[:_EXACT_CUTS]:
        if math.exp(least[at]) > min(best_p, level / tests):
            break
        p = _fisher(int(cuts.inside_marked[at]), int(cuts.inside[at]), cuts.marked, cuts.runs)
        if p < best_p:
            best, best_p = int(at), p
    if best < 0 or best_p * tests > level:
        return None
    inside, inside_marked = int(cuts.inside[best]), int(cuts.inside_marked[best])
    low = inside_marked * cuts.runs >= cuts.marked * inside
    if not low:
        inside, inside_marked = cuts.runs - inside, cuts.marked - inside_marked
    return Cluster(
        (name,),
        cuts.regions(best, low),
        cuts.marked,
        cuts.runs,
        inside_marked,
        inside,
        min(1.0, best_p * tests),
        "fisher",
    )


def _is_hopeless(marked: int, runs: int, tests: int, level: float) -> bool:
    """Return whether so few marked runs, or unmarked ones, are never beyond chance."""
    if not 0 < marked < runs:
        return True
    ways = math.lgamma(runs + 1) - math.lgamma(marked + 1) - math.lgamma(runs - marked + 1)
    return math.log(tests) - ways > math.log(level) + 1e-9


def _log_probability(
    inside_marked: NDArray[np.int64], inside: NDArray[np.int64], marked: int, runs: int
) -> NDArray[np.float64]:
    """Return the logarithm of the hypergeometric probability of each table."""
    import numpy as np
    from scipy.special import gammaln

    def ways(of: Any, chosen: Any) -> Any:
        return gammaln(of + 1.0) - gammaln(chosen + 1.0) - gammaln(of - chosen + 1.0)

    return np.asarray(
        ways(inside, inside_marked)
        + ways(runs - inside, marked - inside_marked)
        - ways(float(runs), float(marked)),
        dtype=np.float64,
    )


def _fisher(inside_marked: int, inside: int, marked: int, runs: int) -> float:
    """Return the two-sided p of Fisher's exact test: of all tables that are no more probable."""
    import numpy as np

    counts = np.arange(max(0, inside + marked - runs), min(inside, marked) + 1)
    logs = _log_probability(counts, np.full(len(counts), inside), marked, runs)
    here = logs[inside_marked - int(counts[0])]
    # Tables of equal probability differ by the rounding of their logarithms.
    rare = logs[logs <= here + 1e-7]
    return min(1.0, float(np.exp(rare).sum()))


def _ranks(
    name: str, values: NDArray[np.float64], marked: NDArray[np.bool_], fields: int, level: float
) -> Cluster | None:
    """Return in which direction the marked runs lie in a field, with Mann-Whitney's p."""
    import numpy as np

    told = np.isfinite(values)
    inside, rest = values[told & marked], values[told & ~marked]
    if _is_hopeless(len(inside), int(told.sum()), 2 * fields, level):
        return None
    from scipy.stats import mannwhitneyu

    has_ties = len(np.unique(values[told])) < int(told.sum())
    exact = len(inside) * len(rest) <= _EXACT_RANKS and not has_ties
    test = mannwhitneyu(inside, rest, method="exact" if exact else "asymptotic")
    share = float(test.statistic) / (len(inside) * len(rest))
    return Cluster(
        (name,),
        f"{'higher' if share > 0.5 else 'lower'} {name}",
        len(inside),
        int(told.sum()),
        None,
        None,
        min(1.0, float(test.pvalue) * fields),
        "mann-whitney",
    )


def _best_corner(
    fields: Mapping[str, NDArray[Any]], marked: NDArray[np.bool_], level: float
) -> Cluster | None:
    """Return the corner of two fields of numbers with the least p, if it is beyond chance."""
    import numpy as np

    names = [name for name, values in fields.items() if values.dtype.kind == "f"][:_CORNER_FIELDS]
    edges = {name: _edges(fields[name]) for name in names}
    pairs = list(itertools.combinations(names, 2))
    tests = sum(4 * len(edges[one]) * len(edges[other]) for one, other in pairs)
    best: Cluster | None = None
    for one, other in pairs:
        told = np.isfinite(fields[one]) & np.isfinite(fields[other])
        chosen = marked[told]
        runs, total = int(told.sum()), int(chosen.sum())
        if _is_hopeless(total, runs, tests, level):
            continue
        rows, columns = (
            np.searchsorted(edges[name], fields[name][told], side="right") for name in (one, other)
        )
        shape = (len(edges[one]) + 1, len(edges[other]) + 1)
        counts, counts_marked = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        np.add.at(counts, (rows, columns), 1)
        np.add.at(counts_marked, (rows[chosen], columns[chosen]), 1)
        for low_one, low_other in itertools.product((True, False), repeat=2):
            inside, inside_marked = (
                _corner_sums(each, low_one=low_one, low_other=low_other)
                for each in (counts, counts_marked)
            )
            least = _log_probability(inside_marked, inside, total, runs)
            for flat in np.argsort(least, axis=None, kind="stable")[:_EXACT_CUTS]:
                row, column = (int(each) for each in np.unravel_index(flat, least.shape))
                at_most = min(level, best.p_value if best else level) / tests
                if math.exp(least[row, column]) > at_most:
                    break
                here, here_marked = int(inside[row, column]), int(inside_marked[row, column])
                # Only where the marked runs gather: "all others" is no corner.
                if here_marked * runs < total * here:
                    continue
                p = _fisher(here_marked, here, total, runs) * tests
                if p <= level and (best is None or p < best.p_value):
                    sides = [
                        f"{name} {'<' if low else '>='} {_text(float(edges[name][at]))}"
                        for name, low, at in ((one, low_one, row), (other, low_other, column))
                    ]
                    region = " and ".join(sides)
                    best = Cluster(
                        (one, other), region, total, runs, here_marked, here, p, "fisher"
                    )
    return best


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return some cuts through a field that divide its values into about equal parts."""
    import numpy as np

    distinct = np.unique(values[np.isfinite(values)])
    steps = min(_CORNER_CUTS, len(distinct) - 1)
    if steps < 1:
        return distinct[:0]
    places = np.unique(np.linspace(1, len(distinct) - 1, steps).astype(np.int64))
    return np.array([_between(float(distinct[at - 1]), float(distinct[at])) for at in places])


def _corner_sums(counts: NDArray[np.int64], *, low_one: bool, low_other: bool) -> NDArray[np.int64]:
    """Return how many runs lie in the corner at each pair of cuts."""
    import numpy as np

    sums = counts
    for axis, low in enumerate((low_one, low_other)):
        # Below cut k lie the parts up to k, above it the others.
        turned = sums if low else np.flip(sums, axis)
        summed = np.cumsum(turned, axis=axis)
        summed = summed if low else np.flip(summed, axis)
        size = summed.shape[axis]
        wanted = range(size - 1) if low else range(1, size)
        sums = np.take(summed, list(wanted), axis=axis)
    return sums
