"""`Requirement`: what a mission must do, how often, and how surely that has to be shown.

A requirement is a limit on one number per run, and the share of runs that must keep it. It is
checked when it is made, cannot be changed, and has an identity: the same for the same content,
wherever it was read from.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.verdicts.binomial import complement
from gmat_sweep.verdicts.rules import (
    DEFAULT_CONFIDENCE,
    DEFAULT_LIMIT,
    limit_of,
    mistakes_in,
    unit_taken,
)
from gmat_sweep.verdicts.shares import percent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Between",
    "IfFailed",
    "IfMissing",
    "IfNever",
    "IfTimeout",
    "PlanName",
    "Reduction",
    "Requirement",
    "Requirements",
    "Verdict",
]

type Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE", "NOT APPLICABLE"]
type PlanName = Literal["fixed", "anytime"]
type Reduction = Literal[
    "final",
    "first",
    "min",
    "max",
    "range",
    "at",
    "time_of",
    "at_event",
    "duration",
    "last_time_of",
    "converged",
    "ok",
]
type Between = Literal["linear", "never"]
type IfNever = Literal["violates", "satisfies"]
type IfMissing = Literal["violates", "refuse"]
type IfFailed = Literal["violates", "bounds", "refuse", "given-ok"]
type IfTimeout = Literal["unknown", "violates"]

_NUMBERS = ("target", "tolerance", "wrap", "probability", "quantile", "confidence")


@dataclass(frozen=True)
class Requirement:
    """What every run, or a share of all runs, must do.

    Attributes
    ----------
    name : str
        Small letters, digits and hyphens; unique among the requirements of a campaign.
    column : str, optional
        The quantity, by GMAT's name in the report, or by its name in the hook's file.
    report : str, optional
        The ReportFile; needed where several reports have the column.
    extra : str, optional
        Name of a file that the postprocess hook registered, instead of a report.
    reduce : str
        How a run's rows become one number: ``final`` and ``first`` (the last and the first row
        written), ``min``, ``max``, ``range``, ``at`` (a time), ``time_of``, ``last_time_of``,
        ``at_event`` and ``duration`` (of a condition), ``converged`` (a solver), ``ok`` (the run).
    limit : str, optional
        ``<``, ``<=``, ``>`` or ``>=`` and a number, such as ``"< 100"``. Exactly one of `limit`,
        `within` and `target` is given; ``converged`` and ``ok`` have ``">= 1"`` when it is left
        out.
    within : (float, float), optional
        The lowest and the highest number that are allowed.
    target, tolerance : float, optional
        The number to hit, and how far off it may be.
    wrap : float, optional
        Of an angle: the full circle, 360 in deg. The distance from `target` is that on the circle.
    unit : str, optional
        Unit of the numbers above. The unit of the column when left out, where GMAT's name tells
        it; seconds for times.
    probability, quantile : float, optional
        The share of runs that must meet the limit, in (0, 1); the two mean the same.
    every : bool
        Every run must meet it; instead of `probability`.
    all_of : tuple of str
        Names of requirements that must be met together; instead of a column and a limit.
    confidence : float
        How surely it has to be shown, in (0, 1): 1 minus the chance of a wrong PASS, and of a wrong
        FAIL.
    at : str, optional
        Of ``at``: a time after the run's first epoch, such as ``"3600 s"``, or an epoch.
    between : {"linear", "never"}
        Of ``at``: whether there is a value between two rows.
    when : str, optional
        Of the events: the condition, such as ``"Sat.Earth.Altitude < 120"``.
    never : {"violates", "satisfies"}, optional
        Of the events: what a run is in which the condition never begins to hold.
    solver : str, optional
        Of ``converged``: the solver.
    since : str, optional
        Of a column of epochs: the epoch from which seconds are counted; that of the first row when
        left out.
    missing : {"violates", "refuse"}
        What an ok run without the number is; ``refuse`` makes the verdict NOT APPLICABLE.
    failed : {"violates", "bounds", "refuse", "given-ok"}
        What a run is that failed in the mission: a violation, unknown, a reason to answer nothing,
        or left out.
    timeout : {"unknown", "violates"}
        What a run is that was stopped at its time limit.

    Raises
    ------
    SweepConfigError
        It is no requirement; the message has every mistake, with the key and what to write
        instead.

    Examples
    --------
    >>> apogee = Requirement(
    ...     "apogee", column="Sat.Earth.RadApo", within=(41664, 42664), probability=0.997
    ... )
    >>> apogee.statement
    'final Sat.Earth.RadApo in [41664, 42664] km in at least 99.7 %'
    >>> apogee.holds(42452.6), apogee.margin(42452.5)
    (True, 211.5)
    """

    name: str
    _: KW_ONLY
    column: str | None = None
    report: str | None = None
    extra: str | None = None
    reduce: Reduction = "final"
    limit: str | None = None
    within: tuple[float, float] | None = None
    target: float | None = None
    tolerance: float | None = None
    wrap: float | None = None
    unit: str | None = None
    probability: float | None = None
    quantile: float | None = None
    every: bool = False
    all_of: tuple[str, ...] = ()
    confidence: float = DEFAULT_CONFIDENCE
    at: str | None = None
    between: Between = "linear"
    when: str | None = None
    never: IfNever | None = None
    solver: str | None = None
    since: str | None = None
    missing: IfMissing = "violates"
    failed: IfFailed = "violates"
    timeout: IfTimeout = "unknown"

    def __post_init__(self) -> None:
        """Refuse what is no requirement, and bring numbers and texts into one form."""
        found = mistakes_in(vars(self))
        if found:
            listed = "".join(f"\n  - {each.key}: {each.said}" for each in found)
            raise SweepConfigError(f"Requirement {self.name!r} cannot be judged:{listed}")
        for key in _NUMBERS:
            value = getattr(self, key)
            self._set(key, None if value is None else _number(value))
        if self.within is not None:
            low, high = self.within
            self._set("within", (_number(low), _number(high)))
        self._set("all_of", tuple(self.all_of))
        has_limit = any(each is not None for each in (self.limit, self.within, self.target))
        if self.reduce in ("converged", "ok") and not has_limit:
            self._set("limit", DEFAULT_LIMIT)
        if self.limit is not None:
            relation, number = limit_of(self.limit)
            self._set("limit", f"{relation} {_plain(_number(number))}")
        self._set("unit", unit_taken(vars(self)))

    def _set(self, key: str, value: object) -> None:
        object.__setattr__(self, key, value)

    @property
    def level(self) -> float | None:
        """The share of runs that must meet it; None if every run must."""
        return self.quantile if self.probability is None else self.probability

    @property
    def allowed(self) -> float:
        """The probability of a violation that it allows: 1 - `level`, as decimals; 0 of every."""
        return 0.0 if self.level is None else complement(self.level)

    @property
    def alpha(self) -> float:
        """1 - `confidence`, as decimals: what a wrong PASS, and a wrong FAIL, may have at most."""
        return complement(self.confidence)

    @property
    def identity(self) -> str:
        """SHA-256 of its canonical JSON: sorted keys, with defaults; a quantile is a share."""
        content = self.to_dict() | {"probability": self.level, "quantile": None}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def quantity(self) -> str:
        """What the number of a run is, for a person: ``final Sat.Earth.RadApo``."""
        if self.all_of:
            return f"{' and '.join(self.all_of)} together"
        column = self.column or ""
        if self.since is not None:
            column += f" (since {self.since})"
        return {
            "at": f"{column} at {self.at}",
            "time_of": f"time of ({self.when})",
            "last_time_of": f"last time of ({self.when})",
            "at_event": f"{column} at the time of ({self.when})",
            "duration": f"duration of ({self.when})",
            "converged": f"convergence of {self.solver}",
            "ok": "run ok",
        }.get(self.reduce, f"{self.reduce} {column}")

    @property
    def condition(self) -> str:
        """The limit, for a person: ``in [41664, 42664] km``; empty for `all_of`."""
        unit = f" {self.unit}" if self.unit else ""
        if self.within is not None:
            low, high = map(_plain, self.within)
            return f"in [{low}, {high}]{unit}"
        if self.target is not None and self.tolerance is not None:
            circle = "" if self.wrap is None else f" on the circle of {_plain(self.wrap)}"
            return f"within {_plain(self.tolerance)} of {_plain(self.target)}{unit}{circle}"
        if self.limit == DEFAULT_LIMIT and self.reduce in ("converged", "ok"):
            return ""
        return "" if self.limit is None else f"{self.limit}{unit}"

    @property
    def statement(self) -> str:
        """The requirement as a sentence."""
        share = "every run" if self.level is None else f"at least {percent(self.level)}"
        return " ".join(filter(None, (self.quantity, self.condition, f"in {share}")))

    def holds(self, value: float) -> bool:
        """Return whether a number meets the limit; one that is not finite does not.

        Parameters
        ----------
        value : float
            The number of a run, in `unit`. It is compared as it is, with no tolerance.

        Raises
        ------
        SweepConfigError
            The requirement is one of `all_of`, which has no limit of its own.
        """
        if not math.isfinite(value):
            self._refuse_without_limit()
            return False
        if self.within is not None:
            return self.within[0] <= value <= self.within[1]
        if self.target is not None and self.tolerance is not None:
            return self._off_target(value) <= self.tolerance
        relation, number = self._relation()
        return {
            "<": value < number,
            "<=": value <= number,
            ">": value > number,
            ">=": value >= number,
        }[relation]

    def which_hold(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return of each number whether it `holds`; faster than one call for each."""
        import numpy as np

        with np.errstate(invalid="ignore", over="ignore"):
            if self.within is not None:
                held = (values >= self.within[0]) & (values <= self.within[1])
            elif self.target is not None and self.tolerance is not None and self.wrap is None:
                held = np.abs(values - self.target) <= self.tolerance
            elif self.target is not None:
                # NumPy has no remainder that is nearest to zero.
                return np.fromiter(map(self.holds, values.tolist()), np.bool_, len(values))
            else:
                relation, number = self._relation()
                compare = {
                    "<": np.less,
                    "<=": np.less_equal,
                    ">": np.greater,
                    ">=": np.greater_equal,
                }[relation]
                held = compare(values, number)
        return held & np.isfinite(values)

    def margin(self, value: float) -> float:
        """Return by how much a number meets the limit; negative: by how much it violates it.

        Parameters
        ----------
        value : float
            The number of a run, in `unit`.

        Returns
        -------
        float
            Distance to the nearer limit, in `unit`; NaN for NaN.

        Raises
        ------
        SweepConfigError
            As `holds`.
        """
        if self.within is not None:
            return min(value - self.within[0], self.within[1] - value)
        if self.target is not None and self.tolerance is not None:
            return self.tolerance - self._off_target(value)
        relation, number = self._relation()
        return number - value if relation[0] == "<" else value - number

    def to_dict(self) -> dict[str, Any]:
        """Return every key with its value, as JSON has it: None for what is not given."""
        content = asdict(self)
        content["within"] = None if self.within is None else list(self.within)
        content["all_of"] = list(self.all_of)
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Requirement:
        """Make one of its keys; None is what is left out.

        Raises
        ------
        SweepConfigError
            As the constructor, and for a key that there is not.
        """
        known = {each.name for each in fields(cls)}
        unknown = [each for each in mistakes_in(content) if each.key not in known]
        if unknown:
            listed = "".join(f"\n  - {each.key}: {each.said}" for each in unknown)
            raise SweepConfigError(f"Requirement {content.get('name')!r} cannot be judged:{listed}")
        given = {key: value for key, value in content.items() if value is not None}
        return cls(given.pop("name", ""), **given)

    def _off_target(self, value: float) -> float:
        assert self.target is not None
        away = value - self.target
        if self.wrap is None or not math.isfinite(value):
            return abs(away)
        return abs(math.remainder(away, self.wrap))

    def _relation(self) -> tuple[str, float]:
        self._refuse_without_limit()
        assert self.limit is not None
        return limit_of(self.limit)

    def _refuse_without_limit(self) -> None:
        if self.all_of:
            raise SweepConfigError(
                f"Requirement {self.name!r} has no limit of its own. Ask those of all_of: "
                f"{', '.join(self.all_of)}."
            )


@dataclass(frozen=True)
class Requirements:
    """The requirements of a campaign, as one file has them.

    Attributes
    ----------
    requirements : tuple of Requirement
        In the order of the file; at least one.
    plan : {"fixed", "anytime"} or None
        The rule of the verdicts, where the file says one.
    confidence : float
        That of requirements which give none.
    sample : "independent" or None
        The user's claim that the rows of an explicit design are independent draws in their order.
    source : str or None
        The file; None of requirements that were made in Python.
    lines : mapping of (str, str) to int
        The line of each key of each requirement in that file, by the requirement's name.
    """

    requirements: tuple[Requirement, ...]
    plan: PlanName | None = None
    confidence: float = DEFAULT_CONFIDENCE
    sample: Literal["independent"] | None = None
    source: str | None = None
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict, compare=False, repr=False)

    def place(self, name: str, key: str) -> str:
        """Return where a requirement says something: ``reqs.toml, line 5, requirement 'a', unit``.

        Parameters
        ----------
        name : str
            The requirement.
        key : str
            The key.
        """
        line = self.lines.get((name, key))
        parts = [self.source or "", "" if line is None else f"line {line}", f"requirement {name!r}"]
        return ", ".join(filter(None, [*parts, key]))

    def __getitem__(self, name: str) -> Requirement:
        """Return the requirement of a name.

        Raises
        ------
        KeyError
            There is none.
        """
        for each in self.requirements:
            if each.name == name:
                return each
        raise KeyError(name)

    def parts(self, requirement: Requirement) -> tuple[Requirement, ...]:
        """Return the requirements with a limit that one stands for: itself, or all of `all_of`."""
        if not requirement.all_of:
            return (requirement,)
        inner = (part for name in requirement.all_of for part in self.parts(self[name]))
        return tuple(dict.fromkeys(inner))

    def to_dict(self) -> dict[str, Any]:
        """Return the content as a file has it, with every key of every requirement."""
        return {
            "confidence": self.confidence,
            "plan": self.plan,
            "sample": self.sample,
            "requirement": [each.to_dict() for each in self.requirements],
        }


def _number(value: float) -> float:
    """Return a number as float64; zero has no sign, so that -0 and 0 have one identity."""
    return float(value) + 0.0


def _plain(number: float) -> str:
    """Return a number without a fraction that is zero."""
    return repr(number).removesuffix(".0")
